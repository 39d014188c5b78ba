package app_test

import (
	"testing"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/reward"
)

// Awards as 安监总财〔2018〕19号 has them, from the report to the amount, by the
// cases of the rules (regulations part 10).
func TestAwardsFollowTheMeasure(t *testing.T) {
	t.Parallel()
	w := start(t)
	const unit, person = casefile.Unit, casefile.Individual
	none := func(object) {}
	tests := map[string]struct {
		mode    casefile.Mode
		matters []casefile.Matter
		lines   func(*docket) []object
		state   func(object) // what a person states in the draft
		want    awardShown
	}{
		"50,000": {
			casefile.RealName,
			[]casefile.Matter{casefile.IllegalAct},
			func(d *docket) []object { return []object{d.fine(unit, 50_000, 0)} }, none,
			awardShown{State: casefile.AwardDrafted, Eligible: true, BaseFen: 5_000_000, Fen: 750_000},
		},
		"a code is no real name": {
			casefile.ByCode,
			[]casefile.Matter{casefile.IllegalAct},
			func(d *docket) []object { return []object{d.fine(unit, 50_000, 0)} }, none,
			awardShown{State: casefile.AwardNotEligible, Reason: string(reward.ReasonIdentity)},
		},
		"known before": {
			casefile.RealName,
			[]casefile.Matter{casefile.IllegalAct},
			func(d *docket) []object { return []object{d.fine(unit, 50_000, 0)} },
			func(draft object) { draft["knownBefore"] = true },
			awardShown{State: casefile.AwardNotEligible, Reason: string(reward.ReasonKnown)},
		},
		"unit 100,000 and person 30,000": {
			casefile.RealName,
			[]casefile.Matter{casefile.IllegalAct},
			func(d *docket) []object { return []object{d.fine(unit, 100_000, 0), d.fine(person, 30_000, 0)} }, none,
			awardShown{State: casefile.AwardDrafted, Eligible: true, BaseFen: 13_000_000, Fen: 1_950_000},
		},
		// T30: what was found besides the reported matter does not count.
		"three lines, one of the matter": {
			casefile.RealName,
			[]casefile.Matter{casefile.IllegalAct, casefile.MajorHazard, casefile.MajorHazard},
			func(d *docket) []object {
				return []object{d.fine(unit, 10_000, 1), d.fine(unit, 20_000, 2), d.fine(unit, 30_000, 0)}
			}, none,
			awardShown{State: casefile.AwardDrafted, Eligible: true, BaseFen: 3_000_000, Fen: 450_000},
		},
		"at least 3,000": {
			casefile.RealName,
			[]casefile.Matter{casefile.IllegalAct},
			func(d *docket) []object { return []object{d.fine(unit, 10_000, 0)} }, none,
			awardShown{State: casefile.AwardDrafted, Eligible: true, BaseFen: 1_000_000, Fen: 300_000},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDocket(t, w, tc.mode, tc.matters...).verify(casefile.Substantiated)
			d.conclude(casefile.Substantiated).punish(tc.lines(d)...)
			draft := d.claim()
			tc.state(draft)
			d.award = d.do("reward1", "/v1/office/awards", draft, tc.want.State).ID
			got := d.shown()
			tc.want.Year = got.Year
			if got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
			// One matter is rewarded once, whoever drafts (R30).
			d.refused("reward1", "/v1/office/awards", draft, "record.exists")
			d.refused("reward2", "/v1/office/awards", draft, "record.exists")
		})
	}
}

// An award that the budget does not hold waits, and is approved once money has
// come. The relay looks again after a minute: a second program whose clock is
// ahead does it here.
func TestAwardWaitsForTheBudget(t *testing.T) {
	t.Parallel()
	w := start(t)
	d := newDocket(t, w, casefile.RealName, casefile.IllegalAct).verify(casefile.Substantiated)
	d.conclude(casefile.Substantiated).punish(d.fine(casefile.Unit, 50_000, 0))
	d.allocate(7_499).draft().approve()

	service := w.later(t, 2*time.Minute)
	pass := func() {
		t.Helper()
		if _, err := service.RelayOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	pass()
	if got := d.shown().State; got != casefile.AwardWaitingBudget {
		t.Fatalf("one yuan short: got %s, want %s", got, casefile.AwardWaitingBudget)
	}
	d.refused("reward1", d.awardPath("/file"), object{"reference": "DEMO-1"}, "award.move")

	d.allocate(1)
	ahead := w.later(t, 5*time.Minute)
	if _, err := ahead.RelayOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := d.shown().State; got != casefile.AwardApproved {
		t.Fatalf("after the allocation: got %s, want %s", got, casefile.AwardApproved)
	}
	var budget struct{ Balances reward.Balances }
	d.get("leader1", "/v1/office/budgets/"+time.Now().UTC().Add(8*time.Hour).Format("2006"), &budget)
	if want := (reward.Balances{Allocated: 750_000, Reserved: 750_000}); budget.Balances != want {
		t.Errorf("got %+v, want %+v", budget.Balances, want)
	}
}
