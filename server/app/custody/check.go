package custody

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/vault"
)

// check peels the envelopes of a day in memory and says of each whether it
// could be opened. The server gets a signed count, and which reports' envelopes
// are at fault, for the desk; of what lies inside nothing is kept.
func check(ctx context.Context, o options, env Env) error {
	key, err := o.officerKey(vault.RingB)
	if err != nil {
		return err
	}
	s, err := o.begin(ctx, env, key)
	if err != nil {
		return err
	}
	held, err := s.ring.held(key)
	if err != nil {
		return err
	}
	tally := vault.Tally{Day: o.day}
	count := map[vault.Result]*int{
		vault.ResultOpened: &tally.Readable, vault.ResultUnreadable: &tally.Unreadable, vault.ResultSwapped: &tally.Swapped,
	}
	said := map[vault.Result]string{
		vault.ResultOpened: "readable", vault.ResultUnreadable: "NOT READABLE", vault.ResultSwapped: "DIGEST DIFFERS",
	}
	cursor := ""
	for {
		var page struct {
			Items []struct {
				Report      string `json:"report"`
				Number      string `json:"number"`
				Envelope    []byte `json:"envelope"`
				InnerDigest string `json:"innerDigest"`
			} `json:"items"`
			Next string `json:"next"`
		}
		path := "/v1/custody/envelopes/" + url.PathEscape(o.day) + cursor
		if _, err := s.c.Do(ctx, apiclient.Call{Method: http.MethodGet, Path: path}, &page); err != nil {
			return err
		}
		for _, e := range page.Items {
			result, err := vault.Check(held, e.Envelope, e.InnerDigest)
			if err != nil {
				return err
			}
			*count[result]++
			if _, err := fmt.Fprintf(env.Stdout, "%s  %s\n", printable(e.Number), said[result]); err != nil {
				return err
			}
			if result == vault.ResultOpened {
				continue
			}
			fault := "/v1/custody/reports/" + url.PathEscape(e.Report) + "/seal-fault"
			if err := post(ctx, s.c, fault, map[string]any{"result": result}); err != nil {
				return err
			}
		}
		if page.Next == "" {
			break
		}
		cursor = "?cursor=" + page.Next
	}
	err = post(ctx, s.c, "/v1/custody/checks", map[string]any{
		"day": tally.Day, "readable": tally.Readable, "unreadable": tally.Unreadable, "swapped": tally.Swapped,
		"signature": vault.SignTally(key, s.rings.Tenant, tally),
	})
	if err != nil {
		return err
	}
	return o.say(env, "%s: %d readable, %d not, %d with another digest.\n", tally.Day, tally.Readable, tally.Unreadable, tally.Swapped)
}
