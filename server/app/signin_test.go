package app_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/custody"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
)

// typist is an officer with an authenticator app at the officers' tool: it reads
// what the tool shows and types codes.
type typist struct {
	t     *testing.T
	said  bytes.Buffer
	first []string // typed before what the authenticator shows
	none  bool     // nothing is typed
}

func (p *typist) Write(text []byte) (int, error) { return p.said.Write(text) }

var otpauth = regexp.MustCompile(`otpauth://\S+`)

func (p *typist) Read(into []byte) (int, error) {
	p.t.Helper()
	if p.none {
		return 0, io.EOF
	}
	if len(p.first) > 0 {
		typed := p.first[0]
		p.first = p.first[1:]
		return copy(into, typed+"\n"), nil
	}
	key, err := otp.NewKeyFromURL(otpauth.FindString(p.said.String()))
	if err != nil {
		return 0, err
	}
	code, err := totp.GenerateCode(key.Secret(), time.Now())
	if err != nil {
		return 0, err
	}
	return copy(into, code[:3]+" "+code[3:]+"\n"), nil
}

var recoveryCode = regexp.MustCompile(`(?m)^  ([0-9A-Z]{2,6}(?:-[0-9A-Z]{2,6})+)$`)

// The first sign-in by the officers' tool, of one of whom the policy asks a
// second factor and of one who is free to have one.
// An inspector, who signs in by password alone, changes the one that the operator
// wrote down; neither comes into the log.
func TestPasswordByTheTool(t *testing.T) {
	t.Parallel()
	w := start(t)
	s, _ := w.join(t, demo.Tenant, "fieldhand", casefile.Inspector, "220182000000")
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	next := "a passphrase of " + newKey(t)
	change := func(current, next string) error {
		return custody.Run(t.Context(), []string{
			"signin", "password", "--server", w.base, "--tenant", demo.Tenant, "--login", "fieldhand",
			"--password-file", file(current), "--new-password-file", file(next),
		}, custody.Env{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard, Now: time.Now, Random: rand.Reader})
	}
	if err := change(s.Password, "short"); apiclient.CodeOf(err) != "body.invalid" {
		t.Errorf("a short one: got %v", err)
	}
	if err := change(s.Password, next); err != nil {
		t.Fatal(err)
	}
	if err := change(s.Password, next); apiclient.CodeOf(err) != "session.wrong" {
		t.Errorf("by the old one: got %v", err)
	}
	for _, secret := range []string{s.Password, next} {
		if strings.Contains(w.logs.String(), secret) {
			t.Error("a password is in the server's log")
		}
	}
}

func TestFirstSignIn(t *testing.T) {
	t.Parallel()
	w := start(t)
	for login, role := range map[string]casefile.Role{"seal9": casefile.SealLeader, "inspector9": casefile.Inspector} {
		t.Run(login, func(t *testing.T) {
			t.Parallel()
			s, _ := w.join(t, demo.Tenant, login, role, "220182000000")
			password := filepath.Join(t.TempDir(), "password")
			if err := os.WriteFile(password, []byte(s.Password+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			try := func(p *typist) error {
				p.t = t
				return custody.Run(t.Context(), []string{
					"signin", "first", "--server", w.base, "--tenant", demo.Tenant, "--login", login, "--password-file", password,
				}, custody.Env{Stdin: p, Stdout: p, Stderr: p, Now: time.Now, Random: rand.Reader})
			}

			nobody := &typist{none: true}
			if err := try(nobody); err == nil || !strings.Contains(err.Error(), "nothing is in force") {
				t.Errorf("nothing was typed: got %v", err)
			}
			wrong := &typist{first: []string{"000000", "what?", ""}}
			if err := try(wrong); err == nil || !strings.Contains(err.Error(), "nothing is in force") {
				t.Errorf("three wrong codes: got %v", err)
			}
			if recoveryCode.MatchString(nobody.said.String() + wrong.said.String()) {
				t.Error("recovery codes are shown of what is not in force")
			}

			right := &typist{first: []string{"000000"}}
			if err := try(right); err != nil {
				t.Fatalf("%v\n%s", err, right.said.String())
			}
			kept, err := os.ReadFile(password + ".device")
			if err != nil {
				t.Fatal(err)
			}
			account, err := w.store.Accounts.Account(t.Context(), demo.Tenant, login)
			if sum := sha256.Sum256(bytes.TrimSpace(kept)); err != nil || len(account.Known) != 1 || account.Known[0].Device != hex.EncodeToString(sum[:]) {
				t.Errorf("the account knows %+v, %v, want the machine of the tool", account.Known, err)
			}
			codes := recoveryCode.FindAllStringSubmatch(right.said.String(), -1)
			if len(codes) != 10 {
				t.Fatalf("got %d recovery codes in\n%s", len(codes), right.said.String())
			}
			again := &typist{}
			if err := try(again); err == nil || !strings.Contains(err.Error(), "has a second factor already") || otpauth.MatchString(again.said.String()) {
				t.Errorf("a second time: got %v", err)
			}

			// It is what other commands take, and no other session is open.
			c, err := apiclient.Client{Base: w.base, HTTP: w.http}.SignIn(t.Context(), apiclient.Credentials{
				Tenant: demo.Tenant, Login: login, Password: s.Password, Device: newKey(t),
				Codes: func(time.Time) ([]string, error) { return []string{codes[3][1]}, nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			var open struct{ Items []struct{ ID string } }
			if _, err := c.Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/session/all"}, &open); err != nil || len(open.Items) != 1 {
				t.Errorf("got %d sessions, %v, want the one that asks", len(open.Items), err)
			}
			for _, code := range codes {
				if strings.Contains(w.logs.String(), code[1]) {
					t.Error("a recovery code is in the server's log")
				}
			}
		})
	}
}
