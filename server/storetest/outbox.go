package storetest

import (
	"context"
	"encoding/hex"
	"testing"

	"gridwatch/notify/outbox"
	"gridwatch/notify/outboxtest"
	"gridwatch/server/mongostore"
	"gridwatch/server/workflow"
)

// RunOutbox runs the suites of the outbox on stores that open returns.
func RunOutbox(t *testing.T, open Opener) {
	t.Helper()
	outboxtest.Run(t, func(t *testing.T) outbox.Store {
		t.Helper()
		return open(t).Outbox
	})
	outboxtest.RunWorker(t, func(t *testing.T) outboxtest.Engine {
		t.Helper()
		s := open(t)
		return outboxtest.Engine{
			Store:   s.Outbox,
			Devices: s.Devices(unseal, deviceID),
			Register: func(ctx context.Context, tenant, person, token string) error {
				return s.Accounts.PutDevice(ctx, device(tenant, person, token))
			},
		}
	})
}

// device holds its token in hex, which stands for sealed.
func device(tenant, person, token string) workflow.Device {
	return workflow.Device{
		ID: deviceID(token), Tenant: tenant, Person: person, Token: []byte(hex.EncodeToString([]byte(token))), At: start(),
	}
}

func unseal(sealed []byte) (string, error) {
	token, err := hex.DecodeString(string(sealed))
	return string(token), err
}

func deviceID(token string) string { return "id of " + token }

func devices(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx := t.Context()
	d := s.Devices(unseal, deviceID)
	tokens := func(tenant, person string) []string {
		t.Helper()
		return must[[]string](t)(d.Tokens(ctx, tenant, person))
	}
	for _, token := range []string{"a", "b", "c"} {
		ok(t, s.Accounts.PutDevice(ctx, device("county", "p", token)))
	}
	ok(t, s.Accounts.PutDevice(ctx, device("county", "q", "b"))) // the phone was handed on
	same(t, "devices", tokens("county", "p"), []string{"a", "c"})
	same(t, "the phone that was handed on", tokens("county", "q"), []string{"b"})
	same(t, "another tenant's", tokens("other", "p"), []string{})

	ok(t, s.Accounts.DropDevice(ctx, deviceID("a"), "q")) // not theirs
	ok(t, s.Accounts.DropDevice(ctx, deviceID("c"), "p"))
	same(t, "dropped by its owner", tokens("county", "p"), []string{"a"})
	ok(t, d.Drop(ctx, "a"))
	ok(t, d.Drop(ctx, "a"))
	same(t, "dropped by the worker", tokens("county", "p"), []string{})

	broken := device("county", "p", "d")
	broken.Token = []byte("not sealed")
	ok(t, s.Accounts.PutDevice(ctx, broken))
	if _, err := d.Tokens(ctx, "county", "p"); err == nil {
		t.Error("a token that cannot be opened was given")
	}
}
