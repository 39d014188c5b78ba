package custody

import (
	"bytes"
	"strings"
	"testing"

	"gridwatch/server/vault"
)

// A number is shown without what could steer the terminal, and the officer says
// what came of it; where there is none the same is asked.
func TestShownContact(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		value, stdin string
		o            options
		shows        string
		want         vault.ContactResult
		err          string
	}{
		"finished":       {"000\x1b[2J", "finished\n", options{}, "000\uFFFD[2J", vault.ContactFinished, ""},
		"failed":         {"000", " failed \n", options{}, "000", vault.ContactFailed, ""},
		"by --yes":       {"000", "", options{yes: true}, "000", vault.ContactFinished, ""},
		"as JSON":        {"000", "", options{yes: true, json: true}, `{"kind":"phone","value":"000"}`, vault.ContactFinished, ""},
		"nothing said":   {"000", "", options{}, "000", "", "--contact"},
		"something else": {"000", "opened\n", options{}, "000", "", "--contact"},
		"no number":      {" ", "finished\n", options{}, "left nothing", vault.ContactFinished, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			s := session{options: tt.o, env: Env{Stdin: strings.NewReader(tt.stdin), Stdout: &out}}
			got, err := s.shown(vault.Contact{Kind: "phone", Value: tt.value})
			if got != tt.want || !strings.Contains(out.String(), tt.shows) || strings.Contains(out.String(), "\x1b") {
				t.Errorf("got %s and %q", got, out.String())
			}
			if (err != nil) != (tt.err != "") || (err != nil && !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
			if err != nil && strings.Contains(err.Error(), "000") {
				t.Error("the error holds the number")
			}
		})
	}
}
