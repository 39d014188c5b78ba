package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"gridwatch/notify"
	"gridwatch/notify/gateway"
	"gridwatch/notify/outbox"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// handOverLife is longer than any use of a contact: its end is noted on its
// record before it leaves the outbox.
const handOverLife = 365 * 24 * time.Hour

// handOvers makes the worker that hands contacts to the gateway. It is another
// outbox than that of pushes, with the same leases and waits.
func (a *App) handOvers(keyring *vault.Keyring) (workflow.Pushes, error) {
	owner, err := vault.NewID(a.env.Random)
	if err != nil {
		return nil, err
	}
	a.gateway = gateway.New(gateway.Config{URL: a.cfg.ContactGateway, Key: keyring.GatewayKey, Now: a.env.Now})
	a.carrier = outbox.New(outbox.Config{
		Store: a.store.HandOvers, Devices: oneGateway{}, Sender: carrier{a}, Counter: "grid_contact_handovers_total",
		Now: a.env.Now, Random: a.env.Random, Logger: a.env.Log, Owner: owner,
	})
	return pushes{store: a.store.HandOvers, worker: a.carrier, life: handOverLife}, a.metrics.Register(a.carrier.Collector())
}

// oneGateway is the only device there is (outbox.Devices): its token is the
// tenant, which the carrier needs to find the record.
type oneGateway struct{}

// Tokens implements outbox.Devices.
func (oneGateway) Tokens(_ context.Context, tenant, _ string) ([]string, error) {
	return []string{tenant}, nil
}

// Drop implements outbox.Devices.
func (oneGateway) Drop(context.Context, string) error { return nil }

// carrier hands over what is due (notify.Sender).
type carrier struct{ app *App }

// Send implements notify.Sender.
func (c carrier) Send(ctx context.Context, m notify.Message) notify.Result {
	err := c.app.service.CarryContact(ctx, m.Token, m.Ref)
	switch {
	case err == nil:
		return notify.Result{Outcome: notify.Delivered}
	case fault.KindOf(err) == fault.NotFound:
		return notify.Result{Outcome: notify.Never, Err: err}
	}
	c.app.env.Log.LogAttrs(ctx, slog.LevelInfo, "the contact gateway has not answered", slog.Any("error", err))
	return notify.Result{Outcome: notify.Later, Err: err}
}

// reach is the gateway as the use cases see it (workflow.Gateway).
type reach struct{ client *gateway.Client }

// Deliver implements workflow.Gateway.
func (r reach) Deliver(ctx context.Context, id string, purpose casefile.ContactPurpose, sealed []byte) (bool, error) {
	result, err := r.client.Deliver(ctx, gateway.Request{ID: id, Purpose: string(purpose), Contact: sealed})
	return result == gateway.Delivered, err
}

// gatewayKeys prints the public keys by which a gateway knows this server.
func gatewayKeys(_ context.Context, c call) error {
	if _, err := c.flags("gateway keys", 0, nil); err != nil {
		return err
	}
	cfg, _, err := c.settings()
	if err != nil {
		return err
	}
	keyring, err := vault.Load(cfg.Keyring)
	if err != nil {
		return err
	}
	out := json.NewEncoder(c.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(keyring.GatewayKeys())
}
