package apiclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/pquerna/otp/totp"
)

// Credentials are what a member of staff signs in with.
type Credentials struct {
	Tenant, Login, Password string
	Device                  string // names the machine or phone the session belongs to
	// Codes returns codes of the second factor to try in turn, by the server's
	// clock, the newest last; nil if there is none. A code is right once.
	Codes func(at time.Time) ([]string, error)
}

// step is how long an authenticator shows a code.
const step = 30 * time.Second

// TOTP returns the codes of a secret that a server takes at a time: those of
// the step before, of the step and of the next.
func TOTP(secret string) func(time.Time) ([]string, error) {
	if secret == "" {
		return nil
	}
	return func(at time.Time) ([]string, error) {
		var codes []string
		for _, shift := range []time.Duration{-step, 0, step} {
			code, err := totp.GenerateCode(secret, at.Add(shift))
			if err != nil {
				return nil, fmt.Errorf("compute a code: %w", err)
			}
			codes = append(codes, code)
		}
		return codes, nil
	}
}

// SignIn returns a copy of c that asks as a member of staff. If all of several
// codes were used, it waits for the next.
func (c Client) SignIn(ctx context.Context, in Credentials) (Client, error) {
	var out struct {
		Access string `json:"access"`
		Half   string `json:"half"`
	}
	first, err := c.Do(ctx, Call{Method: http.MethodPost, Path: "/v1/session", Body: map[string]string{
		"tenant": in.Tenant, "login": in.Login, "password": in.Password, "device": in.Device,
	}}, &out)
	if err != nil || out.Half == "" {
		c.Token = out.Access
		return c, err
	}
	if in.Codes == nil {
		return c, errors.New("this account signs in with a second factor")
	}
	at, err := http.ParseTime(first.Header.Get("Date"))
	if err != nil {
		return c, fmt.Errorf("read the server's time: %w", err)
	}
	codes, err := in.Codes(at)
	if err != nil {
		return c, err
	}
	signed, err := c.second(ctx, in.Device, out.Half, codes)
	if CodeOf(err) != wrongCode || len(codes) == 1 {
		return signed, err
	}
	next := time.NewTimer(step)
	defer next.Stop()
	select {
	case <-ctx.Done():
		return c, ctx.Err()
	case <-next.C:
	}
	if codes, err = in.Codes(at.Add(step)); err != nil {
		return c, err
	}
	return c.second(ctx, in.Device, out.Half, codes[len(codes)-1:]) // the newest: a wrong one more would make the account wait
}

const wrongCode = "session.second"

// second tries codes in turn.
func (c Client) second(ctx context.Context, device, half string, codes []string) (Client, error) {
	var err error
	for _, code := range codes {
		var out struct {
			Access string `json:"access"`
		}
		_, err = c.Do(ctx, Call{Method: http.MethodPost, Path: "/v1/session/second", Body: map[string]string{
			"half": half, "device": device, "code": code,
		}}, &out)
		if CodeOf(err) != wrongCode {
			c.Token = out.Access
			return c, err
		}
	}
	return c, err
}
