package storetest

import (
	"testing"
	"time"

	"gridwatch/server/fault"
	"gridwatch/server/mongostore"
	"gridwatch/server/workflow"
)

// family is a sign-in that the engine does not expire while the test runs.
func family(id string) workflow.Family {
	return workflow.Family{
		ID: id, Tenant: "county", Person: "p", Device: "d", Current: "token 0",
		Turned: start(), Expires: time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

func families(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx := t.Context()
	f := family("f")
	ok(t, s.Accounts.InsertFamily(ctx, f))
	refused(t, s.Accounts.InsertFamily(ctx, f), fault.Conflict, "record.exists")
	same(t, "family", must[workflow.Family](t)(s.Accounts.Family(ctx, "f")), f)
	_, err := s.Accounts.Family(ctx, "none")
	refused(t, err, fault.NotFound, "record.not_found")

	f.Counter, f.Revoked = 1, true
	ok(t, s.Accounts.TurnFamily(ctx, f, 0))
	refused(t, s.Accounts.TurnFamily(ctx, f, 0), fault.Conflict, "record.stale")
	same(t, "turned", must[workflow.Family](t)(s.Accounts.Family(ctx, "f")), f)
}

func familyRace(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ok(t, s.Accounts.InsertFamily(t.Context(), family("f")))
	for was := range int64(5) {
		oneWinner(t, race(func(int) error {
			f := family("f")
			f.Counter = was + 1
			return s.Accounts.TurnFamily(t.Context(), f, was)
		}), "record.stale")
	}
	same(t, "counter", must[workflow.Family](t)(s.Accounts.Family(t.Context(), "f")).Counter, int64(5))
}
