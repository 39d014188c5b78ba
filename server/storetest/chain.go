package storetest

import (
	"sync"
	"sync/atomic"
	"testing"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/mongostore"
	"gridwatch/server/workflow"
)

func linkOf(item string, n int, source string) casefile.CustodyEvent {
	return casefile.CustodyEvent{
		ID: casefile.CustodyID(item, n), Tenant: "county", Record: "r", Item: item, N: n, Act: casefile.CustodyView, On: "2026-03-01",
		At: start(), By: "p", Digest: "d", Source: source, Unlogged: true, Salt: []byte{1},
	}
}

func chains(t *testing.T, s *mongostore.Store) {
	ctx := t.Context()
	for n := 1; n <= 3; n++ {
		ok(t, s.Chains.Append(ctx, linkOf("a", n, string(rune('a'+n)))))
	}
	ok(t, s.Chains.Append(ctx, linkOf("b", 1, "x")))
	refused(t, s.Chains.Append(ctx, linkOf("a", 3, "again")), fault.Conflict, "record.exists")
	last, err := s.Chains.Last(ctx, "county", "a")
	ok(t, err)
	same(t, "newest number", last, 3)
	last, err = s.Chains.Last(ctx, "other", "a")
	ok(t, err)
	same(t, "another tenant's newest number", last, 0)
	for source, want := range map[string]bool{"b": true, "again": false, "x": false} {
		got, err := s.Chains.Caused(ctx, "county", "a", source)
		ok(t, err)
		same(t, "caused by "+source, got, want)
	}
	page, err := s.Chains.List(ctx, "county", "a", 1, 1)
	ok(t, err)
	same(t, "page", page, []casefile.CustodyEvent{linkOf("a", 2, "c")})
	open, err := s.Chains.Unlogged(ctx, 10)
	ok(t, err)
	same(t, "unlogged", len(open), 4)
	ok(t, s.Chains.Logged(ctx, casefile.CustodyID("a", 1)))
	open, err = s.Chains.Unlogged(ctx, 10)
	ok(t, err)
	same(t, "unlogged, less one", len(open), 3)
	ok(t, s.Chains.Forget(ctx, "other", "r"))
	page, err = s.Chains.List(ctx, "county", "a", 0, 1)
	ok(t, err)
	same(t, "salt", page[0].Salt, []byte{1})
	ok(t, s.Chains.Forget(ctx, "county", "r"))
	page, err = s.Chains.List(ctx, "county", "a", 0, 2)
	ok(t, err)
	same(t, "salt of a logged link, and of another", []int{len(page[0].Salt), len(page[1].Salt)}, []int{0, 1})
	same(t, "digest of a logged link, and of another", []string{page[0].Digest, page[1].Digest}, []string{"", "d"})
}

// chainRace lets many take one place in a chain.
func chainRace(t *testing.T, s *mongostore.Store) {
	var won atomic.Int32
	var all sync.WaitGroup
	for range racers {
		all.Go(func() {
			err := s.Chains.Append(t.Context(), linkOf("a", 1, "x"))
			if err == nil {
				won.Add(1)
			} else if fault.CodeOf(err) != "record.exists" {
				t.Error(err)
			}
		})
	}
	all.Wait()
	same(t, "winners", int(won.Load()), 1)
}

func prints(t *testing.T, s *mongostore.Store) {
	ctx := t.Context()
	of := func(tenant, item string, n int) workflow.Print {
		return workflow.Print{Tenant: tenant, N: n, Kind: "report", Record: "r", Item: item, Key: []byte{1}, Sealed: []byte{2}}
	}
	for n, item := range []string{"a", "b", "c"} {
		ok(t, s.Prints.Add(ctx, of("county", item, n+1)))
	}
	refused(t, s.Prints.Add(ctx, of("county", "d", 3)), fault.Conflict, "record.exists")
	ok(t, s.Prints.Add(ctx, of("other", "d", 1)))
	last, err := s.Prints.Last(ctx, "county")
	ok(t, err)
	same(t, "newest number", last, 3)
	has, err := s.Prints.Has(ctx, "county", "d")
	ok(t, err)
	same(t, "has another tenant's", has, false)
	page, err := s.Prints.List(ctx, "county", 1, 1)
	ok(t, err)
	same(t, "page", page, []workflow.Print{of("county", "b", 2)})
	ok(t, s.Prints.Forget(ctx, "county", "r"))
	page, err = s.Prints.List(ctx, "county", 0, 10)
	ok(t, err)
	same(t, "prints after they were forgotten", len(page), 3)
	for _, p := range page {
		same(t, "key and content of one", len(p.Key)+len(p.Sealed), 0)
	}
	page, err = s.Prints.List(ctx, "other", 0, 10)
	ok(t, err)
	same(t, "another tenant's", page, []workflow.Print{of("other", "d", 1)})
}

// claimRace lets many claim one id: all are told the first, whoever it is.
func claimRace(t *testing.T, s *mongostore.Store) {
	ctx := t.Context()
	holder, err := s.Claims.Holder(ctx, "a")
	ok(t, err)
	same(t, "holder of what nobody claimed", holder, "")
	var told [racers]string
	var all sync.WaitGroup
	for i := range racers {
		all.Go(func() {
			var err error
			if told[i], err = s.Claims.Claim(ctx, workflow.Claim{ID: "a", Tenant: "county", By: string(rune('a' + i))}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	holder, err = s.Claims.Holder(ctx, "a")
	ok(t, err)
	for _, got := range told {
		same(t, "told", got, holder)
	}
	holder, err = s.Claims.Claim(ctx, workflow.Claim{ID: "b", Tenant: "county", By: "x"})
	ok(t, err)
	same(t, "another id", holder, "x")
}
