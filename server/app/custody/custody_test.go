package custody_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridwatch/server/app/custody"
	"gridwatch/server/vault"
)

const (
	loopback = "http://127.0.0.1:1" // nothing listens there
	opening  = "0123456789abcdef0123456789abcdef"
)

// run carries out a command line and returns its standard output.
func run(ctx context.Context, stdin string, args ...string) (string, error) {
	var out, warnings bytes.Buffer
	err := custody.Run(ctx, args, custody.Env{
		Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &warnings, Now: time.Now, Random: rand.Reader,
	})
	return out.String(), err
}

// keyFile makes an officer's key and returns its path.
func keyFile(t *testing.T, ring string, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "officer.key")
	args := append([]string{"keygen", "--ring", ring, "--label", "demo officer", "--out", path}, flags...)
	if _, err := run(t.Context(), "", args...); err != nil {
		t.Fatal(err)
	}
	return path
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestKeygen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "officer.key")
	out, err := run(t.Context(), "", "keygen", "--ring", "B", "--label", "demo seal leader", "--out", path)
	if err != nil {
		t.Fatal(err)
	}
	var public vault.OfficerPublic
	if err := json.Unmarshal([]byte(out), &public); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	key, err := vault.ParseOfficerKey(file, "")
	if err != nil {
		t.Fatal(err)
	}
	if public.Recipient != key.Public().Recipient || public.Ring != vault.RingB || public.Label != "demo seal leader" || !bytes.Equal(public.Verify, key.Public().Verify) {
		t.Errorf("got %+v, want the public half of the file", public)
	}
	if strings.Contains(out, "AGE-SECRET-KEY") {
		t.Error("the private half was printed")
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, want 0600", info.Mode())
	}
	if _, err := run(t.Context(), "", "keygen", "--ring", "B", "--label", "x", "--out", path); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second key in the same file: got %v, want os.ErrExist", err)
	}
}

func TestKeyUnderPassphrase(t *testing.T) {
	t.Parallel()
	passphrase := write(t, "a long passphrase\n")
	path := keyFile(t, "A", "--passphrase-file", passphrase)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(file, []byte("AGE-SECRET-KEY")) {
		t.Error("the key lies in clear")
	}
	if _, err := vault.ParseOfficerKey(file, "a long passphrase"); err != nil {
		t.Errorf("the passphrase does not open the key: %v", err)
	}
	_, err = run(t.Context(), "", "key", "--server", loopback, "--token-file", "-", "--opening", opening, "--key", path, "--once", path+".once")
	if err == nil || !strings.Contains(err.Error(), "custody.key_file") {
		t.Errorf("without the passphrase: got %v, want custody.key_file", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	a, b := keyFile(t, "A"), keyFile(t, "B")
	once := filepath.Join(t.TempDir(), "once.key")
	ask := func(command, key string, flags ...string) []string {
		return append([]string{command, "--server", loopback, "--token-file", "-", "--opening", opening, "--key", key}, flags...)
	}
	with := func(command, key string, flags ...string) []string {
		return append([]string{command, "--server", loopback, "--token-file", "-", "--key", key}, flags...)
	}
	tests := map[string]struct {
		args []string
		want string // part of the error
	}{
		"no command":             {nil, "usage"},
		"unknown command":        {[]string{"burn"}, "no command"},
		"unknown flag":           {[]string{"keygen", "--colour", "red"}, "colour"},
		"flag of another":        {ask("peel", b, "--once", once), "once"},
		"too many words":         {ask("peel", b, "--yes", "now"), "flags only"},
		"keygen without flags":   {[]string{"keygen"}, "--out is missing"},
		"keygen, third ring":     {[]string{"keygen", "--ring", "c", "--label", "x", "--out", once + ".c"}, "a ring is a or b"},
		"no server":              {[]string{"peel", "--token-file", "-", "--opening", opening, "--key", b, "--yes"}, "--server is missing"},
		"server in clear":        {[]string{"peel", "--server", "http://grid.example", "--token-file", "-", "--opening", opening, "--key", b, "--yes"}, "https"},
		"server with a path":     {[]string{"peel", "--server", "https://grid.example/v1", "--token-file", "-", "--opening", opening, "--key", b, "--yes"}, "https://host"},
		"no sign-in":             {[]string{"peel", "--server", loopback, "--opening", opening, "--key", b, "--yes"}, "--login is missing"},
		"token and answer":       {ask("peel", b), "--yes"},
		"no key file":            {ask("peel", once, "--yes"), "no such file"},
		"no officer's key":       {ask("peel", write(t, "{}"), "--yes"), "custody.key_file"},
		"ring A peels":           {ask("peel", a, "--yes"), "custody.wrong_ring"},
		"ring B brings a key":    {ask("key", b, "--once", once), "custody.wrong_ring"},
		"ring B opens":           {ask("open", b, "--once", once), "custody.wrong_ring"},
		"open without one-time":  {ask("open", a, "--once", once), "no such file"},
		"ring A approves":        {with("approve", a, "--purpose", "notice", "--basis", "x", "--uses", "1", "--days", "1", "--yes"), "custody.wrong_ring"},
		"approve, no uses":       {with("approve", b, "--purpose", "notice", "--basis", "x", "--uses", "0", "--days", "1", "--yes"), "whole numbers"},
		"approve, days in words": {with("approve", b, "--purpose", "notice", "--basis", "x", "--uses", "1", "--days", "many", "--yes"), "whole numbers"},
		"approve, no such key":   {with("approve", b, "--purpose", "notice", "--basis", "x", "--uses", "1", "--days", "1", "--gateway", write(t, "age1qqq"), "--yes"), "age1pq1"},
		"approve, no basis":      {with("approve", b, "--purpose", "notice", "--uses", "1", "--days", "1", "--yes"), "--basis is missing"},
		"ring B calls":           {with("call", b, "--approval", opening, "--report", opening, "--via", "terminal", "--yes"), "custody.wrong_ring"},
		"call, no report":        {with("call", a, "--approval", opening, "--via", "terminal", "--yes"), "--report is missing"},
		"call, no way":           {with("call", a, "--approval", opening, "--report", opening, "--yes"), "--via is missing"},
		"revoke of nothing":      {[]string{"revoke", "--server", loopback, "--token-file", "-", "--yes"}, "--approval is missing"},
		"no server there":        {ask("peel", b, "--yes"), "no server answers"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := run(t.Context(), "token", tt.args...)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

// A one-time key is written before the server hears of it, and is used again
// when the command is repeated after a lost answer.
func TestOneTimeKeyIsKept(t *testing.T) {
	t.Parallel()
	a, once := keyFile(t, "A"), filepath.Join(t.TempDir(), "once.key")
	args := []string{"key", "--server", loopback, "--token-file", "-", "--opening", opening, "--key", a, "--once", once}
	var kept []byte
	for range 2 {
		if _, err := run(t.Context(), "token", args...); err == nil {
			t.Fatal("got no error, and no server is there")
		}
		file, err := os.ReadFile(once)
		if err != nil {
			t.Fatal(err)
		}
		if kept != nil && !bytes.Equal(kept, file) {
			t.Error("the key was replaced")
		}
		kept = file
	}
	if _, err := vault.ParseRequestKey(kept, ""); err != nil {
		t.Error(err)
	}
}

// An identity is not written into a file.
func TestOpenAsksForATerminal(t *testing.T) {
	t.Parallel()
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	for _, flags := range [][]string{nil, {"--json"}} {
		args := append([]string{"open", "--server", loopback, "--token-file", "-", "--opening", opening, "--key", "x", "--once", "y"}, flags...)
		err := custody.Run(t.Context(), args, custody.Env{Stdin: strings.NewReader(""), Stdout: f, Stderr: f, Now: time.Now, Random: rand.Reader})
		if err == nil || !strings.Contains(err.Error(), "terminal") {
			t.Errorf("%v: got %v, want a refusal to write into a file", flags, err)
		}
	}
}
