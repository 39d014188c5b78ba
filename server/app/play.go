package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"time"

	"github.com/pquerna/otp/totp"

	"gridwatch/server/app/demo"
	"gridwatch/server/workflow"
)

var errNoDemo = errors.New("GRID_DEMO_DIR is not set: `make run` sets it; the demo is not for production")

func loadDemo(ctx context.Context, c call) error {
	if _, err := c.flags("demo load", 0, nil); err != nil {
		return err
	}
	return c.opened(ctx, func(a *App) error {
		summary, err := a.LoadDemo(ctx)
		if err != nil {
			return err
		}
		_, err = summary.WriteTo(c.Stdout)
		return err
	})
}

// LoadDemo writes the demo's tenants and people, once.
func (a *App) LoadDemo(ctx context.Context) (demo.Summary, error) {
	if a.cfg.DemoDir == "" {
		return demo.Summary{}, errNoDemo
	}
	im, err := a.importer()
	if err != nil {
		return demo.Summary{}, err
	}
	keyring, err := a.loadKeyring()
	if err != nil {
		return demo.Summary{}, err
	}
	custody := workflow.New(workflow.Deps{
		Rings: a.store.Rings, Directory: a.store.Directory, Keyring: keyring, Now: a.env.Now, Random: a.env.Random, Log: a.env.Log,
	})
	return demo.Load(ctx, demo.LoadDeps{
		Import: im, Custody: custody, Now: a.env.Now, Random: a.env.Random, Dir: a.cfg.DemoDir, BaseURL: "http://" + a.cfg.Listen,
		Enrol: func(ctx context.Context, tenant, login, secret string) error {
			return workflow.Enrol(ctx, a.store.Accounts, keyring, a.env.Random, tenant, login, secret)
		},
	})
}

// demoCode prints what an authenticator app with a demo login's secret shows.
func demoCode(_ context.Context, c call) error {
	args, err := c.flags("demo code", 2, nil)
	if err != nil {
		return err
	}
	signIns, err := demo.ReadSignIns(args[0])
	if err != nil {
		return err
	}
	for _, s := range signIns {
		if s.Tenant != demo.Tenant || s.Login != args[1] || s.TOTP == "" {
			continue
		}
		code, err := totp.GenerateCode(s.TOTP, c.Now())
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.Stdout, code)
		return err
	}
	return errors.New("no login of this name has a second factor there")
}

func playDemo(ctx context.Context, c call) error {
	fine := "10000"
	if _, err := c.flags("demo play", 0, func(set *flag.FlagSet) {
		set.StringVar(&fine, "fine", fine, "fine in yuan; a second one after a comma is a person's")
	}); err != nil {
		return err
	}
	cfg, _, err := c.settings()
	if err != nil {
		return err
	}
	if cfg.DemoDir == "" {
		return errNoDemo
	}
	fines, err := demo.ParseFines(fine)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: time.Minute}
	defer client.CloseIdleConnections()
	return demo.Play(ctx, demo.PlayDeps{
		BaseURL: "http://" + cfg.Listen, FCM: cfg.FCMEndpoint, Dir: cfg.DemoDir, Fines: fines,
		Out: c.Stdout, Now: c.Now, Random: c.Random, HTTP: client,
	})
}
