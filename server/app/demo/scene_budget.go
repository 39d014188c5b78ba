package demo

import (
	"context"
	"fmt"

	"gridwatch/server/reward"
)

// budgetView is a year's chain and where it stands.
type budgetView struct {
	Entries []struct {
		N    int64             `json:"n"`
		Step reward.BudgetStep `json:"step"`
		Ref  string            `json:"ref"`
		Fen  reward.Fen        `json:"fen"`
	} `json:"entries"`
	Balances reward.Balances `json:"balances"`
}

func budgetPath(year int) string { return fmt.Sprintf("/v1/office/budgets/%d", year) }

func (p *player) budget(ctx context.Context, year int) (budgetView, error) {
	var b budgetView
	return b, p.get(ctx, "leader1", budgetPath(year), &b)
}

// paid says whether the award was paid out of the budget.
func (b budgetView) paid(award string) bool {
	for _, e := range b.Entries {
		if e.Ref == award && e.Step == reward.Pay {
			return true
		}
	}
	return false
}

// check adds the entries up: they are numbered without gap, make the balances,
// and hold the award once reserved and once paid.
func (b budgetView) check(award string, fen reward.Fen) error {
	sums := map[reward.BudgetStep]reward.Fen{}
	own := map[reward.BudgetStep]reward.Fen{}
	for i, e := range b.Entries {
		if e.N != int64(i+1) {
			return fmt.Errorf("budget entry %d is numbered %d", i+1, e.N)
		}
		sums[e.Step] += e.Fen
		if e.Ref == award {
			own[e.Step] += e.Fen
		}
	}
	if own[reward.Reserve] != fen || own[reward.Pay] != fen || len(own) != 2 {
		return fmt.Errorf("the award's budget entries are %v, want %s reserved and paid", own, fen)
	}
	want := reward.Balances{
		Allocated: sums[reward.Allocate],
		Reserved:  sums[reward.Reserve] - sums[reward.Release] - sums[reward.Pay],
		Paid:      sums[reward.Pay] - sums[reward.Return],
	}
	want.Available = want.Allocated - want.Reserved - want.Paid
	if b.Balances != want || want.Available < 0 || want.Reserved < 0 {
		return fmt.Errorf("the budget stands at %+v, its entries make %+v", b.Balances, want)
	}
	return nil
}

// balance waits for the payment's entry and shows the award's part of the chain.
func (p *player) balance(ctx context.Context, a awardView) error {
	var b budgetView
	err := until(ctx, "the payment's budget entry", func() (bool, error) {
		var err error
		b, err = p.budget(ctx, a.Year)
		return b.paid(p.award), err
	})
	if err != nil {
		return err
	}
	if err := b.check(p.award, a.Fen); err != nil {
		return err
	}
	p.say("\n    Budget entries (预算台账) of %d: the award's among %d", a.Year, len(b.Entries))
	for _, e := range b.Entries {
		if e.Ref == p.award || e.Step == reward.Allocate {
			p.tell("%4d  %-8s %16s yuan  %s…", e.N, e.Step, e.Fen, e.Ref[:min(len(e.Ref), 8)])
		}
	}
	s := b.Balances
	p.tell("balanced: allocated %s = available %s + reserved %s + paid %s", s.Allocated, s.Available, s.Reserved, s.Paid)
	return nil
}
