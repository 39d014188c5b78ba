package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/paulmach/orb"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/grid"
	"gridwatch/server/mongostore"
	"gridwatch/server/workflow"
)

func tenant(id string) workflow.Tenant {
	return workflow.Tenant{
		ID: id, Name: "demo county", Area: "220182000000",
		Root: []byte("root"), Rings: workflow.Rings{Version: 1, A: []string{"a"}, B: []string{"b"}}, Policy: workflow.Policy{DecideDays: 15, SecondFactor: []casefile.Role{}, Doubts: workflow.DoubtLimits{Editors: []string{}}},
	}
}

func person(id, login string) (casefile.Person, workflow.Account) {
	p := casefile.Person{
		ID: id, Tenant: "county", Login: login, Label: "demo inspector", Certificates: []casefile.Certificate{},
		Posts: []casefile.Post{{Role: casefile.Inspector, Area: "220182103000", From: start()}},
	}
	return p, workflow.Account{ID: "county:" + login, Tenant: "county", Person: id, Hash: "hash of " + id}
}

func people(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx := t.Context()
	p, a := person("p", "desk1")
	ok(t, s.Loader.PutPerson(ctx, p, a))
	same(t, "person", must[casefile.Person](t)(s.Directory.Person(ctx, "county", "p")), p)
	same(t, "account", must[workflow.Account](t)(s.Accounts.Account(ctx, "county", "desk1")), a)
	_, foreign := s.Directory.Person(ctx, "other", "p")
	_, none := s.Directory.Person(ctx, "county", "none")
	same(t, "foreign and absent", foreign, none)
	_, err := s.Accounts.Account(ctx, "other", "desk1")
	refused(t, err, fault.NotFound, "record.not_found")

	a.Failures, a.Until, a.Version = 3, start(), 1
	a.Known = []workflow.KnownDevice{{Device: "d", Failures: 1, Until: start()}}
	a.Factors = &workflow.Factors{Key: []byte("k"), TOTP: []byte("s"), Step: 7, Recovery: []string{"r"}, Pending: []byte{}, Passkeys: []workflow.Passkey{}}
	ok(t, s.Accounts.TurnAccount(ctx, a, 0))
	same(t, "turned", must[workflow.Account](t)(s.Accounts.Account(ctx, "county", "desk1")), a)
	refused(t, s.Accounts.TurnAccount(ctx, a, 0), fault.Conflict, "record.stale")

	refused(t, s.Accounts.PutPassword(ctx, a.ID, "another hash", "new", "f"), fault.Conflict, "record.stale")
	ok(t, s.Accounts.PutPassword(ctx, a.ID, a.Hash, "new", "f"))
	same(t, "password", must[workflow.Account](t)(s.Accounts.Account(ctx, "county", "desk1")).Hash, "new")

	// An import of the same person keeps factors, ties and what was decided.
	ok(t, s.Rosters.AddTie(ctx, "county", "p", casefile.Tie{ID: "t", Firm: "demo firm", At: start()}))
	again, fresh := person("p", "desk1")
	fresh.Hash, fresh.Issued = "", ""
	ok(t, s.Loader.PutPerson(ctx, again, fresh))
	kept := must[workflow.Account](t)(s.Accounts.Account(ctx, "county", "desk1"))
	same(t, "factors", kept.Factors, a.Factors)
	same(t, "hash", kept.Hash, "new")
	same(t, "version", kept.Version, int64(1))
	same(t, "ties", len(must[casefile.Person](t)(s.Directory.Person(ctx, "county", "p")).Ties), 1)
}

// logins are one person's each.
func logins(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx := t.Context()
	oneWinner(t, race(func(n int) error {
		p, a := person(fmt.Sprint(n), "desk")
		return s.Loader.PutPerson(ctx, p, a)
	}), "account.exists")

	p, a := person("p", "one")
	ok(t, s.Loader.PutPerson(ctx, p, a))
	p.Label, a.Hash = "demo desk officer", "new hash"
	ok(t, s.Loader.PutPerson(ctx, p, a))
	same(t, "replaced person", must[casefile.Person](t)(s.Directory.Person(ctx, "county", "p")), p)
	same(t, "replaced account", must[workflow.Account](t)(s.Accounts.Account(ctx, "county", "one")), a)

	p, a = person("p", "two")
	ok(t, s.Loader.PutPerson(ctx, p, a))
	_, err := s.Accounts.Account(ctx, "county", "one")
	refused(t, err, fault.NotFound, "record.not_found")

	p, a = person("p", "one")
	p.Tenant = "other"
	refused(t, s.Loader.PutPerson(ctx, p, a), fault.Conflict, "record.exists")
}

func holders(t *testing.T, s *mongostore.Store) {
	t.Helper()
	past, future := start(), time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)
	for id, posts := range map[string][]casefile.Post{
		"always":  {{Role: casefile.Leader, From: start()}},
		"until":   {{Role: casefile.Leader, From: start(), To: &future}},
		"over":    {{Role: casefile.Leader, From: start(), To: &past}, {Role: casefile.Payer, From: start()}},
		"other":   {{Role: casefile.Payer, From: start()}},
		"off":     {{Role: casefile.Leader, From: start()}},
		"without": {},
	} {
		p, a := person(id, id)
		p.Posts, p.Disabled = posts, id == "off"
		ok(t, s.Loader.PutPerson(t.Context(), p, a))
	}
	got := []string{}
	for _, p := range must[[]casefile.Person](t)(s.Directory.Holders(t.Context(), "county", casefile.Leader)) {
		got = append(got, p.ID)
	}
	same(t, "leaders", got, []string{"always", "until"})
	same(t, "of another tenant", len(must[[]casefile.Person](t)(s.Directory.Holders(t.Context(), "x", casefile.Leader))), 0)
}

func square(n int, name string) grid.Grid {
	x := float64(n)
	ring := orb.Ring{{x, 44}, {x + 1, 44}, {x + 1, 45}, {x, 45}, {x, 44}}
	return grid.Grid{
		Code: grid.Code(fmt.Sprintf("220182103001%03d", n+1)), Name: name, Polygon: grid.NewGeometry(orb.MultiPolygon{{ring}}),
	}
}

// sets replaces areas and grids, which a new tenant document does not disturb.
func sets(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx := t.Context()
	_, err := s.Directory.Grids(ctx, "county")
	refused(t, err, fault.NotFound, "record.not_found")
	refused(t, s.Loader.PutGrids(ctx, "county", nil), fault.NotFound, "record.not_found")
	ok(t, s.Loader.PutTenant(ctx, tenant("county")))
	ok(t, s.Loader.PutTenant(ctx, tenant("other")))
	same(t, "no grids yet", must[[]grid.Grid](t)(s.Directory.Grids(ctx, "county")), []grid.Grid{})

	from := start()
	area := grid.Area{Code: "220182103000", Name: "五棵树镇", Level: grid.Township, Parent: "220182000000", From: &from}
	ok(t, s.Loader.PutAreas(ctx, "county", []grid.Area{area, area})) // a code may come twice, for two terms
	area.Tenant = "county"
	same(t, "areas", must[[]grid.Area](t)(s.Loader.Areas(ctx, "county")), []grid.Area{area, area})
	same(t, "areas of another", must[[]grid.Area](t)(s.Loader.Areas(ctx, "other")), []grid.Area{})

	for version, names := range [][]string{{"a", "b"}, {"c"}} {
		var grids, want []grid.Grid
		for i, name := range names {
			g := square(i, name)
			grids = append(grids, g)
			g.Tenant, g.SetVersion = "county", version+1
			want = append(want, g)
		}
		ok(t, s.Loader.PutGrids(ctx, "county", grids))
		changed := tenant("county")
		changed.Name = names[0]
		ok(t, s.Loader.PutTenant(ctx, changed))
		same(t, "grids", must[[]grid.Grid](t)(s.Directory.Grids(ctx, "county")), want)
		same(t, "tenant", must[workflow.Tenant](t)(s.Directory.Tenant(ctx, "county")), changed)
	}
}

// setSwitch reads grids while they are replaced: always one import's, whole.
func setSwitch(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx := t.Context()
	ok(t, s.Loader.PutTenant(ctx, tenant("county")))
	const size, imports = 60, 6
	load := func(n int) error {
		var grids []grid.Grid
		for i := range size {
			grids = append(grids, square(i, fmt.Sprint(n)))
		}
		return s.Loader.PutGrids(ctx, "county", grids)
	}
	ok(t, load(0))
	loaded := make(chan error, 2*imports)
	for n := range 2 { // two imports at a time
		go func() {
			for i := range imports {
				loaded <- load(1 + n*imports + i)
			}
		}()
	}
	last := 0
	for done := 0; done < 2*imports; {
		select {
		case err := <-loaded:
			ok(t, err)
			done++
		default:
		}
		grids := must[[]grid.Grid](t)(s.Directory.Grids(ctx, "county"))
		if len(grids) != size {
			t.Fatalf("got %d grids, want %d", len(grids), size)
		}
		for _, g := range grids {
			if g.Name != grids[0].Name || g.SetVersion != grids[0].SetVersion {
				t.Fatalf("got grids of imports %s and %s at once", grids[0].Name, g.Name)
			}
		}
		if grids[0].SetVersion < last {
			t.Fatalf("set %d came after %d", grids[0].SetVersion, last)
		}
		last = grids[0].SetVersion
	}
}
