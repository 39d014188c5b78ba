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
	"slices"
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
on a machine without a network:
  root keygen      --out FILE                          make the tenant's root, print its public half and fingerprint
  root sign        --key ROOT --list FILE --out FILE   sign a list of ring keys
  keygen           --ring A|B --label POST --out FILE  make an officer's key, print its public half
  recovery keygen  --ring A|B --out FILE               make a ring's recovery key, print its public half to a file
  recover          --rings FILE --key RECOVERY --person ID --out FILE
                                                       wrap the ring's key to a new officer when no officer is left
  recovery check   --rings FILE --key RECOVERY         keeper of a recovery key: does it open every version?
  recovery prove   --rings FILE --key RECOVERY --out FILE
                                                       keeper of a new recovery key: open what was wrapped to it, prove it
with the server:
  signin first     --tenant ID --login NAME --password-file FILE
                                                       once: take up an authenticator, show the recovery codes
  signin password  --new-password-file FILE            another password, in the place of the one in force
  ring create      --key FILE --recovery PUBLIC        first officer of a ring: make its key
  ring show        --out FILE                          save both rings as the server keeps them
  ring list        --out FILE                          write the next list of keys, for the root to sign
  enrol ask        --key FILE                          new officer: bring an own key, prove that it is held
  enrol admit      --key FILE --person ID [--shares FILE]  officer of the ring: wrap its key (or bring what recover made)
  enrol witness    --key FILE --person ID              officer of the other ring: sign what was done
  leave            --key FILE --person ID              officer who stays: new key, without the one who leaves
  recovery exchange  --key FILE --recovery PUBLIC      officer of the ring: offer a recovery key in the place of the old one
  recovery witness   --key FILE --proof FILE           officer of the other ring: sign what was done, with the keeper's proof
  check            --key FILE --day 2006-01-02         ring B: say which envelopes of a day could be opened
  key    --opening ID --key FILE --once FILE           ring A: bring a one-time key to a request
  peel   --opening ID --key FILE                       ring B: take the outer layer off for a request
  open   --opening ID --key FILE --once FILE [--root FINGERPRINT]  ring A: open, show who reported, state the outcome
                                                       (of an archive: show what was said; --out DIR saves the evidence;
                                                       of an award: --bank FILE --bank-to RECIPIENT writes for the payer)
  approve --key FILE --purpose call_back|notice --basis TEXT --uses N --days N [--gateway FILE]
                                                       ring B: let ring A use contacts so often, by a gateway or at a terminal
  revoke  --approval ID                                ring B: end an approval
  approvals                                            list approvals and what is left of them
  call    --key FILE --approval ID --report ID --via gateway|terminal [--root FINGERPRINT] [--again KEY]
                                                       ring A: use the contact of a report once
  call    --key FILE --contact ID [--root FINGERPRINT] ring A: go on with a use that broke off
these ask the server:
  --server URL  and  --token-file FILE (- is standard input)  or  --tenant ID --login NAME --password-file FILE
  --code CODE, of the authenticator, with a sign-in
keys under a passphrase: --passphrase-file FILE; --yes answers yes to what is asked`

// options are the flags of all commands; each command takes its own.
type options struct {
	ring, label, out, list, rings, recovery, person, shares, day, root string
	bank, bankTo, proof, newPassword                                   string
	server, tokenFile, tenant, login, passwordFile, code               string
	opening, keyFile, once, passphraseIn                               string
	purpose, basis, uses, days, gateway, approval, report              string
	via, again, contact                                                string
	yes, json                                                          bool
}

// flags are the places of the flags that have a value, by name.
func (o *options) flags() map[string]*string {
	return map[string]*string{
		"ring": &o.ring, "label": &o.label, "out": &o.out, "list": &o.list, "rings": &o.rings, "recovery": &o.recovery,
		"person": &o.person, "shares": &o.shares, "day": &o.day, "root": &o.root, "proof": &o.proof, "new-password-file": &o.newPassword,
		"server": &o.server, "token-file": &o.tokenFile, "tenant": &o.tenant, "login": &o.login, "password-file": &o.passwordFile, "code": &o.code,
		"purpose": &o.purpose, "basis": &o.basis, "uses": &o.uses, "days": &o.days, "gateway": &o.gateway,
		"approval": &o.approval, "report": &o.report, "via": &o.via, "again": &o.again, "contact": &o.contact,
		"bank": &o.bank, "bank-to": &o.bankTo, "opening": &o.opening, "key": &o.keyFile, "once": &o.once, "passphrase-file": &o.passphraseIn,
	}
}

// command is one command: the flags it needs, those it may have, and whether it
// asks the server.
type command struct {
	needs, takes string
	asks         bool
	run          func(context.Context, options, Env) error
}

func commands() map[string]command {
	return map[string]command{
		"signin first":      {"server tenant login password-file", "", false, signInFirst},
		"signin password":   {"new-password-file", "", true, signInPassword},
		"root keygen":       {"out", "", false, rootKeygen},
		"root sign":         {"key list out", "", false, rootSign},
		"keygen":            {"ring label out", "", false, keygen},
		"recovery keygen":   {"ring out", "", false, recoveryKeygen},
		"recovery check":    {"rings key", "", false, recoveryCheck},
		"recovery prove":    {"rings key out", "", false, recoveryProve},
		"recovery exchange": {"key recovery", "yes", true, exchange},
		"recovery witness":  {"key proof", "yes", true, recoveryWitness},
		"recover":           {"rings key person out", "", false, recoverRing},
		"ring create":       {"key recovery", "", true, ringCreate},
		"ring show":         {"out", "", true, ringShow},
		"ring list":         {"out", "", true, ringList},
		"enrol ask":         {"key", "", true, enrolAsk},
		"enrol admit":       {"key person", "shares yes", true, enrolAdmit},
		"enrol witness":     {"key person", "yes", true, enrolWitness},
		"leave":             {"key person", "yes", true, leave},
		"check":             {"key day", "", true, check},
		"key":               {"opening key once", "", true, bringKey},
		"peel":              {"opening key", "yes", true, peel},
		"open":              {"opening key once", "root json out bank bank-to", true, open},
		"approve":           {"key purpose basis uses days", "gateway yes", true, approve},
		"revoke":            {"approval", "yes", true, revoke},
		"approvals":         {"", "", true, approvals},
		"call":              {"key", "approval report via root again contact yes json", true, useContact},
	}
}

// find returns the command that a line begins with, of one word or two.
func find(args []string) (string, command, bool) {
	for n := min(2, len(args)); n > 0; n-- {
		name := strings.Join(args[:n], " ")
		if c, ok := commands()[name]; ok {
			return name, c, true
		}
	}
	return "", command{}, false
}

// Run carries out one command line. Errors tell the officer what to do; they
// never hold anything of an identity or a key.
func Run(ctx context.Context, args []string, env Env) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	name, c, ok := find(args)
	if !ok {
		return fmt.Errorf("custody has no command of this name\n%s", usage)
	}
	var o options
	set := flag.NewFlagSet("custody "+name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	takes := c.needs + " " + c.takes + " passphrase-file"
	if c.asks {
		takes += " server token-file login password-file code tenant"
	}
	places := o.flags()
	for _, f := range slices.Compact(slices.Sorted(slices.Values(strings.Fields(takes)))) {
		switch f {
		case "yes":
			set.BoolVar(&o.yes, f, false, "")
		case "json":
			set.BoolVar(&o.json, f, false, "")
		default:
			set.StringVar(places[f], f, "", "")
		}
	}
	if err := set.Parse(args[len(strings.Fields(name)):]); err != nil {
		return fmt.Errorf("%w\n%s", err, usage)
	}
	if set.NArg() > 0 {
		return fmt.Errorf("custody %s takes flags only\n%s", name, usage)
	}
	needed := map[string]string{}
	for _, f := range strings.Fields(c.needs) {
		needed[f] = *places[f]
	}
	if c.asks {
		needed["server"] = o.server
	}
	if err := need(needed); err != nil {
		return err
	}
	if o.tokenFile == "-" && strings.Contains(c.takes, "yes") && !o.yes {
		return errors.New("standard input cannot hold the token and your answer: add --yes or give --token-file a file")
	}
	return c.run(ctx, o, env)
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

// keyFileText reads the file of --key and the passphrase for it.
func (o options) keyFileText() ([]byte, string, error) {
	passphrase, err := secretFrom(o.passphraseIn)
	if err != nil {
		return nil, "", err
	}
	file, err := os.ReadFile(o.keyFile)
	return file, passphrase, err
}

// anyKey reads an officer's or a recovery key.
func (o options) anyKey() (*vault.OfficerKey, error) {
	file, passphrase, err := o.keyFileText()
	if err != nil {
		return nil, err
	}
	return vault.ParseOfficerKey(file, passphrase)
}

// officerKey reads the officer's key and refuses one of the other ring.
func (o options) officerKey(ring vault.Ring) (*vault.OfficerKey, error) {
	key, err := o.anyKey()
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
	device, err := o.device(env.Random)
	if err != nil {
		return c, err
	}
	in := apiclient.Credentials{Tenant: o.tenant, Login: o.login, Password: password, Device: device}
	if o.code != "" {
		in.Codes = func(time.Time) ([]string, error) { return []string{o.code}, nil }
	}
	return c.SignIn(ctx, in)
}
