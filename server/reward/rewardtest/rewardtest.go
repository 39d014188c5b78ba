// Package rewardtest is the suite that a reward.Ledger must pass. It knows no
// storage: who implements a Ledger calls Exercise with one on the real engine.
package rewardtest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gridwatch/server/fault"
	"gridwatch/server/reward"
)

// racers is how many posts meet at once.
const racers = 16

// Exercise runs the suite on an empty ledger. Each part has a tenant of its own.
func Exercise(t *testing.T, l reward.Ledger) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(*testing.T, reward.Ledger, reward.Posting)
	}{
		{"empty", empty},
		{"awardsLife", awardsLife},
		{"appendRefuses", appendRefuses},
		{"postRefuses", postRefuses},
		{"apart", apart},
		{"manyAwardsAtOnce", manyAwardsAtOnce},
		{"oneAwardAtOnce", oneAwardAtOnce},
		{"payOrRelease", payOrRelease},
	} {
		t.Run(part.name, func(t *testing.T) {
			part.run(t, l, reward.Posting{
				Tenant: "budget-" + part.name, Unit: "office", Year: 2026, By: "officer",
				At: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC),
			})
		})
	}
}

func empty(t *testing.T, l reward.Ledger, p reward.Posting) {
	t.Helper()
	last, err := l.Last(t.Context(), p.Tenant, p.Unit, p.Year)
	if err != nil || last != nil {
		t.Errorf("Last: got %v, %v, want none", last, err)
	}
	own, err := l.OfAward(t.Context(), p.Tenant, "a")
	if err != nil || len(own) != 0 {
		t.Errorf("OfAward: got %v, %v, want none", own, err)
	}
	if entries := whole(t, l, p); len(entries) != 0 {
		t.Errorf("Entries: got %v, want none", entries)
	}
}

// awardsLife takes an award through all steps, each twice.
func awardsLife(t *testing.T, l reward.Ledger, p reward.Posting) {
	t.Helper()
	var want []reward.Entry
	for _, s := range []reward.Posting{
		step(p, reward.Allocate, "paper", 1000), step(p, reward.Reserve, "a", 700), step(p, reward.Release, "a", 100),
		step(p, reward.Pay, "a", 600), step(p, reward.Return, "a", 50),
	} {
		e := must(t, l, s)
		if diff := cmp.Diff(e, must(t, l, s)); diff != "" {
			t.Errorf("a repeated %s gives another entry:\n%s", s.Step, diff)
		}
		want = append(want, e)
	}
	if diff := cmp.Diff(want, whole(t, l, p)); diff != "" {
		t.Errorf("stored chain (-want +got):\n%s", diff)
	}
	balanced(t, l, p, reward.Balances{Allocated: 1000, Paid: 550, Available: 450})
}

func appendRefuses(t *testing.T, l reward.Ledger, p reward.Posting) {
	t.Helper()
	first := must(t, l, step(p, reward.Allocate, "paper", 1000))
	second := must(t, l, step(p, reward.Reserve, "a", 100))
	taken, err := reward.Next(&first, step(p, reward.Reserve, "b", 1))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Append(t.Context(), taken); !errors.Is(err, reward.ErrRaced) {
		t.Errorf("n is taken: got %v, want budget.raced", err)
	}
	repeated, err := reward.Next(&second, step(p, reward.Reserve, "a", 1))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Append(t.Context(), repeated); !errors.Is(err, reward.ErrDuplicate) {
		t.Errorf("the award has the step: got %v, want budget.duplicate", err)
	}
	elsewhere := step(p, reward.Reserve, "a", 100)
	elsewhere.Unit = "elsewhere"
	stray := reward.Entry{ID: elsewhere.Tenant + ":elsewhere:2026:1", N: 1, Posting: elsewhere}
	if err := l.Append(t.Context(), stray); !errors.Is(err, reward.ErrDuplicate) {
		t.Errorf("the award has the step in another chain: got %v, want budget.duplicate", err)
	}
	balanced(t, l, p, reward.Balances{Allocated: 1000, Reserved: 100, Available: 900})
}

func postRefuses(t *testing.T, l reward.Ledger, p reward.Posting) {
	t.Helper()
	must(t, l, step(p, reward.Allocate, "paper", 1000))
	must(t, l, step(p, reward.Reserve, "a", 600))
	must(t, l, step(p, reward.Reserve, "b", 100))
	nextYear := step(p, reward.Reserve, "a", 600)
	nextYear.Year++
	otherUnit, elsewhere := step(p, reward.Reserve, "a", 600), step(p, reward.Pay, "b", 100)
	otherUnit.Unit, elsewhere.Unit = "office2", "office2"
	for name, tc := range map[string]struct {
		p    reward.Posting
		code string
	}{
		"more than there is":    {step(p, reward.Reserve, "c", 301), "budget.insufficient"},
		"pays what b reserved":  {step(p, reward.Pay, "b", 101), "budget.order"},
		"pays without reserve":  {step(p, reward.Pay, "c", 1), "budget.order"},
		"release unreserved":    {step(p, reward.Release, "c", 1), "budget.order"},
		"return unpaid":         {step(p, reward.Return, "a", 1), "budget.order"},
		"same step, other sum":  {step(p, reward.Reserve, "a", 601), "budget.duplicate"},
		"same step, other year": {nextYear, "budget.duplicate"},
		"same step, other unit": {otherUnit, "budget.duplicate"},
		"pays in another unit":  {elsewhere, "budget.order"},
		"negative":              {step(p, reward.Pay, "a", -1), "budget.amount"},
	} {
		if _, err := reward.Post(t.Context(), l, tc.p); fault.CodeOf(err) != tc.code {
			t.Errorf("%s: got %v, want %s", name, err, tc.code)
		}
	}
	balanced(t, l, p, reward.Balances{Allocated: 1000, Reserved: 700, Available: 300})
}

// apart: tenants, units and years have chains of their own.
func apart(t *testing.T, l reward.Ledger, p reward.Posting) {
	t.Helper()
	for i, change := range []func(*reward.Posting){
		func(*reward.Posting) {},
		func(p *reward.Posting) { p.Tenant += "-2" },
		func(p *reward.Posting) { p.Unit = "office2" },
		func(p *reward.Posting) { p.Year = 2027 },
	} {
		own := step(p, reward.Allocate, fmt.Sprint("paper", i), reward.Fen(i+1))
		change(&own)
		if e := must(t, l, own); e.N != 1 {
			t.Errorf("chain %s: got n %d, want 1", e.ID, e.N)
		}
		balanced(t, l, own, reward.Balances{Allocated: own.AmountFen, Available: own.AmountFen})
	}
	foreign, err := l.OfAward(t.Context(), p.Tenant, "paper1")
	if err != nil || len(foreign) != 0 {
		t.Errorf("another tenant's award: got %v, %v, want none", foreign, err)
	}
}

// manyAwardsAtOnce lets sixteen awards reach for money that is enough for ten.
func manyAwardsAtOnce(t *testing.T, l reward.Ledger, p reward.Posting) {
	t.Helper()
	must(t, l, step(p, reward.Allocate, "paper", 1000))
	count := map[string]int{}
	for _, r := range race(t, l, func(i int) reward.Posting { return step(p, reward.Reserve, fmt.Sprint("a", i), 100) }) {
		count[fault.CodeOf(r.err)]++
		if r.err != nil && fault.CodeOf(r.err) == "" {
			t.Errorf("Post: %v", r.err)
		}
	}
	if diff := cmp.Diff(map[string]int{"": 10, "budget.insufficient": 6}, count); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	balanced(t, l, p, reward.Balances{Allocated: 1000, Reserved: 1000})
}

// oneAwardAtOnce sends the same step sixteen times: one entry, equal answers.
func oneAwardAtOnce(t *testing.T, l reward.Ledger, p reward.Posting) {
	t.Helper()
	must(t, l, step(p, reward.Allocate, "paper", 1000))
	results := race(t, l, func(int) reward.Posting { return step(p, reward.Reserve, "a", 100) })
	for _, r := range results {
		if r.err != nil {
			t.Errorf("Post: %v", r.err)
		}
		if diff := cmp.Diff(results[0].entry, r.entry); diff != "" {
			t.Errorf("answers differ:\n%s", diff)
		}
	}
	balanced(t, l, p, reward.Balances{Allocated: 1000, Reserved: 100, Available: 900})
}

// payOrRelease lets payment and release of one award meet: only one is done.
func payOrRelease(t *testing.T, l reward.Ledger, p reward.Posting) {
	t.Helper()
	must(t, l, step(p, reward.Allocate, "paper", 1000))
	must(t, l, step(p, reward.Reserve, "a", 100))
	steps := []reward.BudgetStep{reward.Pay, reward.Release}
	done := make(map[reward.BudgetStep]int)
	for _, r := range race(t, l, func(i int) reward.Posting { return step(p, steps[i%2], "a", 100) }) {
		switch {
		case r.err == nil:
			done[r.entry.Step]++
		case fault.CodeOf(r.err) != "budget.order":
			t.Errorf("Post: got %v, want budget.order", r.err)
		}
	}
	if len(done) != 1 || done[reward.Pay]+done[reward.Release] != racers/2 {
		t.Errorf("got %v, want all of one and none of the other", done)
	}
	if err := reward.Check(whole(t, l, p)); err != nil {
		t.Error(err)
	}
}

type result struct {
	entry reward.Entry
	err   error
}

// race posts racers postings at once.
func race(t *testing.T, l reward.Ledger, posting func(int) reward.Posting) []result {
	t.Helper()
	results := make([]result, racers)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			<-start
			results[i].entry, results[i].err = reward.Post(t.Context(), l, posting(i))
		})
	}
	close(start)
	wg.Wait()
	return results
}

func step(p reward.Posting, s reward.BudgetStep, award string, amount reward.Fen) reward.Posting {
	p.Step, p.Award, p.AmountFen = s, award, amount
	return p
}

func must(t *testing.T, l reward.Ledger, p reward.Posting) reward.Entry {
	t.Helper()
	e, err := reward.Post(t.Context(), l, p)
	if err != nil {
		t.Fatalf("Post %s of %s: %v", p.Step, p.Award, err)
	}
	return e
}

func whole(t *testing.T, l reward.Ledger, p reward.Posting) []reward.Entry {
	t.Helper()
	entries, err := l.Entries(t.Context(), p.Tenant, p.Unit, p.Year)
	if err != nil {
		t.Fatalf("Entries: %v", err)
	}
	return entries
}

// balanced checks the chain of p and the balances it ends with.
func balanced(t *testing.T, l reward.Ledger, p reward.Posting, want reward.Balances) {
	t.Helper()
	entries := whole(t, l, p)
	if err := reward.Check(entries); err != nil {
		t.Error(err)
	}
	last, err := l.Last(t.Context(), p.Tenant, p.Unit, p.Year)
	if err != nil || last == nil || last.N != int64(len(entries)) || last.Balances != want {
		t.Errorf("Last: got %+v, %v, want n %d and %+v", last, err, len(entries), want)
	}
}
