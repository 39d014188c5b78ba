package demo

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
)

// How long the play waits for what the server does by and by.
const (
	patience = 30 * time.Second
	pace     = 100 * time.Millisecond
)

func (p *player) anyone() apiclient.Client { return apiclient.Client{Base: p.BaseURL, HTTP: p.HTTP} }

// as returns a client signed in as a member of the demo's staff.
func (p *player) as(ctx context.Context, login string) (apiclient.Client, error) {
	if c, ok := p.staff[login]; ok {
		return c, nil
	}
	device, err := vault.NewID(p.Random)
	if err != nil {
		return apiclient.Client{}, err
	}
	who := p.people[login]
	c, err := p.anyone().SignIn(ctx, apiclient.Credentials{
		Tenant: who.Tenant, Login: who.Login, Password: who.Password, Device: device, Codes: apiclient.TOTP(who.TOTP),
	})
	if err != nil {
		return c, fmt.Errorf("sign in as %s: %w", login, err)
	}
	p.staff[login] = c
	return c, nil
}

// get reads something as a member of staff.
func (p *player) get(ctx context.Context, login, path string, out any) error {
	c, err := p.as(ctx, login)
	if err != nil {
		return err
	}
	_, err = c.Do(ctx, apiclient.Call{Method: http.MethodGet, Path: path}, out)
	return err
}

// do carries a command out as a member of staff, and returns its outcome if it
// led to the state.
func (p *player) do(ctx context.Context, login, path string, body any, want casefile.State) (casefile.Outcome, error) {
	return p.send(ctx, login, apiclient.Call{Path: path, Body: body}, want)
}

func (p *player) send(ctx context.Context, login string, call apiclient.Call, want casefile.State) (casefile.Outcome, error) {
	var out casefile.Outcome
	c, err := p.as(ctx, login)
	if err != nil {
		return out, err
	}
	if call.Key, err = vault.NewID(p.Random); err != nil {
		return out, err
	}
	call.Method = http.MethodPost
	if _, err := c.Do(ctx, call, &out); err != nil {
		return out, err
	}
	if out.State != want {
		return out, fmt.Errorf("%s: got state %s, want %s", call.Path, out.State, want)
	}
	return out, nil
}

// refused makes sure that a command is refused for a reason.
func (p *player) refused(ctx context.Context, login, path string, body any, code string) error {
	_, err := p.do(ctx, login, path, body, "")
	return apiclient.Refused(err, code)
}

// until asks again and again until the answer is yes. What is not there yet is
// no error.
func until(ctx context.Context, what string, ask func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		yes, err := ask()
		if yes && err == nil {
			return nil
		}
		if err != nil && apiclient.CodeOf(err) != "record.not_found" {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %s in vain for %s", patience, what)
		case <-tick.C:
		}
	}
}

// find looks through all pages of a list.
func find[T any](ctx context.Context, p *player, login, path string, wanted func(T) bool) (T, error) {
	cursor := ""
	for {
		var page struct {
			Items []T    `json:"items"`
			Next  string `json:"next"`
		}
		if err := p.get(ctx, login, path+cursor, &page); err != nil {
			return *new(T), err
		}
		for _, item := range page.Items {
			if wanted(item) {
				return item, nil
			}
		}
		if page.Next == "" {
			return *new(T), fmt.Errorf("%s does not list it", path)
		}
		cursor = "&cursor=" + page.Next
	}
}
