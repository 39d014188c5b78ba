package reward_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gridwatch/server/fault"
	"gridwatch/server/reward"
)

func posting(step reward.BudgetStep, award string, amount reward.Fen) reward.Posting {
	return reward.Posting{
		Tenant: "t1", Unit: "u1", Year: 2026, Award: award, Step: step, AmountFen: amount,
		At: time.Date(2026, 3, 1, 8, 0, 0, 123_456_789, time.UTC), By: "p1",
	}
}

// chain posts each to the one before.
func chain(t rapid.TB, postings ...reward.Posting) []reward.Entry {
	t.Helper()
	var entries []reward.Entry
	var prev *reward.Entry
	for _, p := range postings {
		e, err := reward.Next(prev, p)
		if err != nil {
			t.Fatalf("Next %s: %v", p.Step, err)
		}
		entries, prev = append(entries, e), &e
	}
	return entries
}

func TestNext(t *testing.T) {
	t.Parallel()
	entries := chain(t, posting(reward.Allocate, "paper", 1000), posting(reward.Reserve, "a", 600), posting(reward.Reserve, "b", 400),
		posting(reward.Release, "b", 400), posting(reward.Pay, "a", 600), posting(reward.Return, "a", 100))
	var got []reward.Balances
	for _, e := range entries {
		got = append(got, e.Balances)
	}
	want := []reward.Balances{
		{Allocated: 1000, Available: 1000},
		{Allocated: 1000, Available: 400, Reserved: 600},
		{Allocated: 1000, Reserved: 1000},
		{Allocated: 1000, Available: 400, Reserved: 600},
		{Allocated: 1000, Available: 400, Paid: 600},
		{Allocated: 1000, Available: 500, Paid: 500},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("balances (-want +got):\n%s", diff)
	}
	last := entries[5]
	if last.ID != "t1:u1:2026:6" || last.N != 6 || last.At.Nanosecond() != 123_000_000 {
		t.Errorf("got %s, %d, %s, want t1:u1:2026:6 and whole milliseconds", last.ID, last.N, last.At)
	}
	if err := reward.Check(entries); err != nil {
		t.Errorf("Check: %v", err)
	}
}

func TestNextRefuses(t *testing.T) {
	t.Parallel()
	const most = reward.Fen(1_000_000_000_000_000)
	start := chain(t, posting(reward.Allocate, "paper", 1000), posting(reward.Reserve, "a", 600))[1]
	full := chain(t, posting(reward.Allocate, "paper", most))[0]
	edit := func(change func(*reward.Posting)) reward.Posting {
		p := posting(reward.Reserve, "b", 1)
		change(&p)
		return p
	}
	for name, tc := range map[string]struct {
		prev *reward.Entry
		p    reward.Posting
		kind fault.Kind
		code string
	}{
		"empty chain":            {nil, posting(reward.Reserve, "a", 1), fault.Conflict, "budget.insufficient"},
		"a fen too much":         {&start, posting(reward.Reserve, "b", 401), fault.Conflict, "budget.insufficient"},
		"pays more than held":    {&start, posting(reward.Pay, "a", 601), fault.Conflict, "budget.insufficient"},
		"releases more":          {&start, posting(reward.Release, "a", 601), fault.Conflict, "budget.insufficient"},
		"returns what is not":    {&start, posting(reward.Return, "a", 1), fault.Conflict, "budget.insufficient"},
		"nothing":                {&start, posting(reward.Reserve, "b", 0), fault.Invalid, "budget.amount"},
		"negative":               {&start, posting(reward.Pay, "b", -1), fault.Invalid, "budget.amount"},
		"too much":               {&start, posting(reward.Allocate, "b", most+1), fault.Invalid, "budget.amount"},
		"too much together":      {&full, posting(reward.Allocate, "b", 1), fault.Invalid, "budget.too_large"},
		"unknown step":           {&start, posting("lend", "b", 1), fault.Invalid, "budget.step"},
		"no award":               {&start, edit(func(p *reward.Posting) { p.Award = "" }), fault.Invalid, "budget.missing"},
		"nobody":                 {&start, edit(func(p *reward.Posting) { p.By = "" }), fault.Invalid, "budget.missing"},
		"ambiguous id":           {&start, edit(func(p *reward.Posting) { p.Unit = "u:1" }), fault.Invalid, "budget.chain"},
		"another tenant's chain": {&start, edit(func(p *reward.Posting) { p.Tenant = "t2" }), fault.Internal, ""},
		"another unit's chain":   {&start, edit(func(p *reward.Posting) { p.Unit = "u2" }), fault.Internal, ""},
		"another year's chain":   {&start, edit(func(p *reward.Posting) { p.Year = 2027 }), fault.Internal, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := reward.Next(tc.prev, tc.p)
			if err == nil || fault.KindOf(err) != tc.kind || fault.CodeOf(err) != tc.code {
				t.Errorf("got %v, want %s", err, tc.code)
			}
		})
	}
}

func TestCheckFindsTampering(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func([]reward.Entry) []reward.Entry{
		"balance":       func(e []reward.Entry) []reward.Entry { e[2].Balances.Available++; return e },
		"amount":        func(e []reward.Entry) []reward.Entry { e[1].AmountFen--; return e },
		"gap":           func(e []reward.Entry) []reward.Entry { return slices.Delete(e, 1, 2) },
		"beginning cut": func(e []reward.Entry) []reward.Entry { return e[1:] },
		"order":         func(e []reward.Entry) []reward.Entry { e[1], e[2] = e[2], e[1]; return e },
		"id":            func(e []reward.Entry) []reward.Entry { e[3].ID = "t1:u1:2026:9"; return e },
		"number":        func(e []reward.Entry) []reward.Entry { e[3].N = 9; return e },
		"other tenant":  func(e []reward.Entry) []reward.Entry { e[3].Tenant = "t2"; return e },
		"paid from another award": func([]reward.Entry) []reward.Entry {
			return chain(t, posting(reward.Allocate, "paper", 9), posting(reward.Reserve, "a", 5), posting(reward.Pay, "b", 5))
		},
		"reserved twice": func([]reward.Entry) []reward.Entry {
			return chain(t, posting(reward.Allocate, "paper", 9), posting(reward.Reserve, "a", 3), posting(reward.Reserve, "a", 3))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			entries := chain(t, posting(reward.Allocate, "paper", 1000), posting(reward.Reserve, "a", 600),
				posting(reward.Reserve, "b", 100), posting(reward.Pay, "a", 600))
			if err := reward.Check(change(entries)); err == nil {
				t.Error("got no error")
			}
		})
	}
}

// TestChainProperties plays random steps against a plain count of the money.
func TestChainProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var entries []reward.Entry
		var in, held, out reward.Fen
		stage := map[string]reward.Fen{} // reserved and neither paid nor released
		amount := rapid.Int64Range(1, 1000)
		post := func(t *rapid.T, step reward.BudgetStep, award string, n reward.Fen) bool {
			var prev *reward.Entry
			if len(entries) > 0 {
				prev = &entries[len(entries)-1]
			}
			e, err := reward.Next(prev, posting(step, award, n))
			if err != nil {
				if fault.CodeOf(err) != "budget.insufficient" || step != reward.Reserve || n <= in-held-out {
					t.Fatalf("%s %d of %d: %v", step, n, in-held-out, err)
				}
				return false
			}
			entries = append(entries, e)
			return true
		}
		settle := func(t *rapid.T, step reward.BudgetStep) reward.Fen {
			var open []string
			for award := range stage {
				open = append(open, award)
			}
			if len(open) == 0 {
				return 0 // nothing is reserved
			}
			slices.Sort(open)
			award := rapid.SampledFrom(open).Draw(t, "award")
			n := stage[award]
			delete(stage, award)
			post(t, step, award, n)
			held -= n
			return n
		}
		t.Repeat(map[string]func(*rapid.T){
			"allocate": func(t *rapid.T) {
				n := reward.Fen(amount.Draw(t, "amount"))
				post(t, reward.Allocate, fmt.Sprint("paper", len(entries)), n)
				in += n
			},
			"reserve": func(t *rapid.T) {
				n, award := reward.Fen(amount.Draw(t, "amount")), fmt.Sprint("award", len(entries))
				if post(t, reward.Reserve, award, n) {
					stage[award] = n
					held += n
				}
			},
			"release": func(t *rapid.T) { settle(t, reward.Release) },
			"pay":     func(t *rapid.T) { out += settle(t, reward.Pay) },
			"": func(t *rapid.T) {
				if err := reward.Check(entries); err != nil {
					t.Fatal(err)
				}
				if len(entries) == 0 {
					return
				}
				want := reward.Balances{Allocated: in, Reserved: held, Paid: out, Available: in - held - out}
				if got := entries[len(entries)-1].Balances; got != want {
					t.Fatalf("got %+v, want %+v", got, want)
				}
			},
		})
	})
}
