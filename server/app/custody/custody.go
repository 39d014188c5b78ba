// Package custody is the command line of the officers of the two rings, run on
// their own machine (confidentiality 2; rule R36): ring A's identity officer
// (保密员) makes a one-time key for a request, ring B's supervising leader peels
// the outer layer, ring A's officer opens what is left.
//
// An opened identity is written to the terminal and nowhere else: to no file,
// no log and no request.
package custody

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/vault"
)

// Env is what the commands take from the officer's machine.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Now            func() time.Time
	Random         io.Reader
}

// timeout bounds one request to the server.
const timeout = 30 * time.Second

const usage = `usage: server custody COMMAND
  keygen --ring A|B --label POST --out FILE    make an officer's key, print its public half to hand in
  key    --opening ID --key FILE --once FILE   ring A: bring a one-time key to a request
  peel   --opening ID --key FILE               ring B: take the outer layer off for a request
  open   --opening ID --key FILE --once FILE   ring A: open, show who reported, state the outcome
all but keygen ask the server:
  --server URL  and  --token-file FILE (- is standard input)  or  --tenant ID --login NAME --password-file FILE
keys under a passphrase: --passphrase-file FILE`

// options are the flags of all commands; each command asks for its own.
type options struct {
	ring, label, out                     string
	server, tokenFile                    string
	tenant, login, passwordFile          string
	opening, keyFile, once, passphraseIn string
	yes, json                            bool
}

// Run carries out one command line, args[0] being the command. Errors tell the
// officer what to do; they never hold anything of an identity or a key.
func Run(ctx context.Context, args []string, env Env) error {
	commands := map[string]func(context.Context, options, Env) error{"keygen": keygen, "key": bringKey, "peel": peel, "open": open}
	if len(args) == 0 {
		return errors.New(usage)
	}
	run, ok := commands[args[0]]
	if !ok {
		return fmt.Errorf("custody has no command of this name\n%s", usage)
	}
	var o options
	set := flag.NewFlagSet("custody "+args[0], flag.ContinueOnError)
	set.SetOutput(io.Discard)
	switch args[0] {
	case "keygen":
		set.StringVar(&o.ring, "ring", "", "")
		set.StringVar(&o.label, "label", "", "")
		set.StringVar(&o.out, "out", "", "")
	default:
		set.StringVar(&o.server, "server", "", "")
		set.StringVar(&o.tokenFile, "token-file", "", "")
		set.StringVar(&o.tenant, "tenant", "", "")
		set.StringVar(&o.login, "login", "", "")
		set.StringVar(&o.passwordFile, "password-file", "", "")
		set.StringVar(&o.opening, "opening", "", "")
		set.StringVar(&o.keyFile, "key", "", "")
	}
	switch args[0] {
	case "key":
		set.StringVar(&o.once, "once", "", "")
	case "peel":
		set.BoolVar(&o.yes, "yes", false, "")
	case "open":
		set.StringVar(&o.once, "once", "", "")
		set.BoolVar(&o.json, "json", false, "")
	}
	set.StringVar(&o.passphraseIn, "passphrase-file", "", "")
	if err := set.Parse(args[1:]); err != nil {
		return fmt.Errorf("%w\n%s", err, usage)
	}
	if set.NArg() > 0 {
		return fmt.Errorf("custody %s takes flags only\n%s", args[0], usage)
	}
	return run(ctx, o, env)
}

// need says which flags are missing.
func need(flags map[string]string) error {
	var missing []error
	for name, value := range flags {
		if value == "" {
			missing = append(missing, fmt.Errorf("--%s is missing", name))
		}
	}
	return errors.Join(missing...)
}

// secretFrom reads a file that holds one secret, "" if path is "".
func secretFrom(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := os.ReadFile(path)
	return strings.TrimRight(string(text), "\r\n"), err
}

// officerKey reads the officer's key and refuses one of the other ring.
func (o options) officerKey(ring vault.Ring) (*vault.OfficerKey, error) {
	passphrase, err := secretFrom(o.passphraseIn)
	if err != nil {
		return nil, err
	}
	file, err := os.ReadFile(o.keyFile)
	if err != nil {
		return nil, err
	}
	key, err := vault.ParseOfficerKey(file, passphrase)
	if err != nil {
		return nil, err
	}
	if key.Public().Ring != ring {
		return nil, vault.ErrWrongRing
	}
	return key, nil
}

// connect returns a client that asks as the officer.
func (o options) connect(ctx context.Context, env Env) (apiclient.Client, error) {
	c := apiclient.Client{Base: o.server, HTTP: &http.Client{Timeout: timeout}}
	if err := apiclient.CheckBase(o.server); err != nil {
		return c, fmt.Errorf("--server: %w", err)
	}
	switch {
	case o.tokenFile == "-":
		text, err := io.ReadAll(env.Stdin)
		c.Token = strings.TrimSpace(string(text))
		return c, err
	case o.tokenFile != "":
		text, err := secretFrom(o.tokenFile)
		c.Token = strings.TrimSpace(text)
		return c, err
	}
	if err := need(map[string]string{"tenant": o.tenant, "login": o.login, "password-file": o.passwordFile}); err != nil {
		return c, fmt.Errorf("--token-file, or a sign-in: %w", err)
	}
	password, err := secretFrom(o.passwordFile)
	if err != nil {
		return c, err
	}
	device, err := vault.NewID(env.Random)
	if err != nil {
		return c, err
	}
	return c.SignIn(ctx, o.tenant, o.login, password, device)
}
