package storetest

import (
	"testing"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/mongostore"
	"gridwatch/server/workflow"
)

// accountRace lets many tries use one step of an authenticator: one does.
func accountRace(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx := t.Context()
	p, a := person("p", "desk")
	ok(t, s.Loader.PutPerson(ctx, p, a))
	for was := range int64(3) {
		oneWinner(t, race(func(int) error {
			used := a
			used.Version, used.Factors = was+1, &workflow.Factors{Step: was}
			return s.Accounts.TurnAccount(ctx, used, was)
		}), "record.stale")
	}
}

// tickets are used once.
func tickets(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx := t.Context()
	ticket := workflow.Ticket{ID: "t", Purpose: "half", Tenant: "county", Person: "p", Data: []byte("data"), Expires: start().AddDate(900, 0, 0)}
	ok(t, s.SignIns.InsertTicket(ctx, ticket))
	refused(t, s.SignIns.InsertTicket(ctx, ticket), fault.Conflict, "record.exists")
	same(t, "ticket", must[workflow.Ticket](t)(s.SignIns.Ticket(ctx, "t")), ticket)
	oneWinner(t, race(func(int) error { return s.SignIns.UseTicket(ctx, "t") }), "record.not_found")
	_, err := s.SignIns.Ticket(ctx, "t")
	refused(t, err, fault.NotFound, "record.not_found")
}

// sessions are listed by person, and end all at once.
func sessions(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx := t.Context()
	for i, id := range []string{"b", "a"} {
		f := family(id)
		f.Begun, f.Label = start().Add(time.Duration(i)*time.Hour), "demo phone"
		ok(t, s.Accounts.InsertFamily(ctx, f))
	}
	foreign := family("c")
	foreign.Tenant = "other"
	ok(t, s.Accounts.InsertFamily(ctx, foreign))
	var ids []string
	for _, f := range must[[]workflow.Family](t)(s.SignIns.Families(ctx, "county", "p")) {
		ids = append(ids, f.ID)
	}
	same(t, "families", ids, []string{"b", "a"})

	ok(t, s.SignIns.RevokeFamilies(ctx, "county", "p", "a"))
	same(t, "left but one", must[[]workflow.Family](t)(s.SignIns.Families(ctx, "county", "p"))[0].ID, "a")
	before := must[workflow.Family](t)(s.Accounts.Family(ctx, "a"))
	ok(t, s.SignIns.RevokeFamilies(ctx, "county", "p", ""))
	same(t, "left", len(must[[]workflow.Family](t)(s.SignIns.Families(ctx, "county", "p"))), 0)
	turned := before
	turned.Counter++
	refused(t, s.Accounts.TurnFamily(ctx, turned, before.Counter), fault.Conflict, "record.stale") // a refresh under way
	if must[workflow.Family](t)(s.Accounts.Family(ctx, "c")).Revoked {
		t.Error("a family of another tenant is revoked")
	}
}

func roster(version int64, administrators ...string) workflow.Roster {
	return workflow.Roster{Version: version, Administrators: administrators, RingA: []string{}, RingB: []string{}, Proposals: []workflow.Proposal{}}
}

// rosters lie in the tenant's document, which imports write without them.
func rosters(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx := t.Context()
	_, err := s.Rosters.Roster(ctx, "county")
	refused(t, err, fault.NotFound, "record.not_found")
	ok(t, s.Loader.PutTenant(ctx, tenant("county")))
	same(t, "none yet", must[workflow.Roster](t)(s.Rosters.Roster(ctx, "county")).Version, int64(0))

	ok(t, s.Rosters.TurnRoster(ctx, "county", roster(1, "p"), nil, 0))
	ok(t, s.Loader.PutTenant(ctx, tenant("county")))
	same(t, "roster", must[workflow.Roster](t)(s.Rosters.Roster(ctx, "county")), roster(1, "p"))

	policy := tenant("county").Policy
	policy.DecideDays, policy.SecondFactor = 10, []casefile.Role{casefile.Leader}
	refused(t, s.Rosters.TurnRoster(ctx, "county", roster(2), &policy, 0), fault.Conflict, "record.stale")
	same(t, "policy of a late write", must[workflow.Tenant](t)(s.Directory.Tenant(ctx, "county")).Policy.DecideDays, 15)
	ok(t, s.Rosters.TurnRoster(ctx, "county", roster(2, "p", "q"), &policy, 1))
	same(t, "policy", must[workflow.Tenant](t)(s.Directory.Tenant(ctx, "county")).Policy.DecideDays, 10)
}

// rosterRace takes two administrators off at once: one of them stays.
func rosterRace(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx := t.Context()
	ok(t, s.Loader.PutTenant(ctx, tenant("county")))
	ok(t, s.Rosters.TurnRoster(ctx, "county", roster(1, "p", "q"), nil, 0))
	oneWinner(t, race(func(n int) error {
		return s.Rosters.TurnRoster(ctx, "county", roster(2, []string{"p", "q"}[n%2]), nil, 1)
	}), "record.stale")
	same(t, "left", len(must[workflow.Roster](t)(s.Rosters.Roster(ctx, "county")).Administrators), 1)
}

// revisions of a person only go forward, however late they are carried out.
func revisions(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx := t.Context()
	p, a := person("p", "desk")
	ok(t, s.Loader.PutPerson(ctx, p, a))
	yes, no := true, false
	posts := []casefile.Post{{Role: casefile.Leader, Area: "220182000000", From: start()}}
	ok(t, s.Rosters.Revise(ctx, "county", "p", workflow.Revision{Number: 5, Posts: &posts}))
	ok(t, s.Rosters.Revise(ctx, "county", "p", workflow.Revision{Number: 7, Disabled: &yes}))
	ok(t, s.Rosters.Revise(ctx, "county", "p", workflow.Revision{Number: 6, Disabled: &no})) // late
	ok(t, s.Rosters.Revise(ctx, "other", "p", workflow.Revision{Number: 9, Disabled: &no}))
	p.Posts, p.Disabled, p.Revision = posts, true, 7
	same(t, "person", must[casefile.Person](t)(s.Directory.Person(ctx, "county", "p")), p)

	tie := casefile.Tie{ID: "t", Area: "220182103001", By: "p", At: start()}
	ok(t, s.Rosters.AddTie(ctx, "county", "p", tie))
	refused(t, s.Rosters.AddTie(ctx, "other", "p", tie), fault.NotFound, "record.not_found")
	p.Ties = []casefile.Tie{tie}
	same(t, "people", must[[]casefile.Person](t)(s.Rosters.People(ctx, "county")), []casefile.Person{p})
	same(t, "people of another", len(must[[]casefile.Person](t)(s.Rosters.People(ctx, "other"))), 0)
}
