package workflow_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/reward"
	"gridwatch/server/workflow"
)

// due writes awards that wait for payment, and brings their money in.
func (b *bench) due(n int) []string {
	b.t.Helper()
	var ids []string
	post := func(award string, step reward.BudgetStep, fen reward.Fen) {
		_, err := reward.Post(b.t.Context(), b.store.Ledger, reward.Posting{
			Tenant: "county", Unit: "reward", Year: 2026, Award: award, Step: step, AmountFen: fen, At: b.now, By: "leader",
		})
		b.ok(err)
	}
	post("paper", reward.Allocate, 1000)
	for i := range n {
		id := b.claimed()
		a, err := b.store.Awards.Get(b.t.Context(), "county", id)
		b.ok(err)
		a.State, a.Fen, a.Year, a.Number, a.ApprovedBy = casefile.AwardClaimed, 100, 2026, fmt.Sprint("N", n-i), "leader"
		was := a.Version
		a.Version++
		b.ok(b.store.Awards.Update(b.t.Context(), a, was))
		post(id, reward.Reserve, 100)
		ids = append(ids, id)
	}
	return ids
}

func (b *bench) payer() workflow.Call { return b.call("p1", casefile.Payer) }

// draw draws a payout and has the relay gather its awards.
func (b *bench) draw(awards ...string) string {
	b.t.Helper()
	out, err := b.s.DrawPayout(b.t.Context(), b.payer(), awards)
	b.ok(err)
	b.relayAll()
	return out.ID
}

func (b *bench) relayAll() {
	b.t.Helper()
	for {
		n, err := b.s.RelayOnce(b.t.Context())
		b.ok(err)
		if n == 0 {
			return
		}
	}
}

// states are those of awards.
func (b *bench) states(awards []string) map[casefile.State]int {
	b.t.Helper()
	out := map[casefile.State]int{}
	for _, id := range awards {
		a, err := b.store.Awards.Get(b.t.Context(), "county", id)
		b.ok(err)
		out[a.State]++
	}
	return out
}

// TestPayoutIsOfSeveral: a payment alone, on a day that is not the policy's,
// could be matched with who reported.
func TestPayoutIsOfSeveral(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	due := b.due(4)
	_, err := b.s.DrawPayout(t.Context(), b.payer(), due[:2])
	b.refused(err, "payout.too_few")
	_, err = b.s.DrawPayout(t.Context(), b.call("leader", casefile.Payer), due)
	b.refused(err, "award.second_person")
	id := b.draw(due[:3]...)
	_, err = b.s.DrawPayout(t.Context(), b.payer(), due[1:])
	b.refused(err, "payout.not_claimed")

	p, err := b.s.ReadPayout(t.Context(), b.payer().Actor, id)
	b.ok(err)
	if p.Memo != b.policy().PayoutMemo || len(p.Lines) != 3 || p.Lines[0].Number > p.Lines[1].Number {
		t.Errorf("got %+v, want three lines by number under the policy's memo", p)
	}
	for _, e := range p.Timeline {
		if e.At.In(workflow.Shanghai()).Format(time.TimeOnly) != "00:00:00" {
			t.Errorf("the payout tells the time %s", e.At)
		}
	}
	b.now = time.Date(2026, 3, b.policy().PayoutDay, 4, 0, 0, 0, time.UTC)
	b.draw(due[3]) // alone, but on the day of every month
}

// TestPayoutTakesTwoAndSettlesOnce: who drew a payout does not confirm it; what
// the bank paid is paid and in the budget once, what it could not goes on.
func TestPayoutTakesTwoAndSettlesOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	due := b.due(3)
	out, err := b.s.DrawPayout(t.Context(), b.payer(), due)
	b.ok(err)
	second := func() workflow.Call { return b.call("p2", casefile.Payer) }
	_, err = b.s.ConfirmPayout(t.Context(), second(), out.ID)
	b.refused(err, "payout.gathering")
	b.relayAll()
	_, err = b.s.ConfirmPayout(t.Context(), b.payer(), out.ID)
	b.refused(err, "payout.second_person")
	_, err = b.s.SettlePayout(t.Context(), b.payer(), out.ID, workflow.Settlement{Ticket: "t"})
	b.refused(err, "payout.move")
	_, err = b.s.ConfirmPayout(t.Context(), second(), out.ID)
	b.ok(err)
	_, err = b.s.DropPayout(t.Context(), second(), out.ID)
	b.refused(err, "payout.move")
	_, err = b.s.SettlePayout(t.Context(), b.payer(), out.ID, workflow.Settlement{Ticket: "t", Failed: []workflow.FailedPayment{{Award: b.award, Reason: "closed"}}})
	b.refused(err, "payout.not_in")
	settle := b.payer()
	word := workflow.Settlement{Ticket: "t", Failed: []workflow.FailedPayment{{Award: due[0], Reason: "closed"}}}
	for range 2 {
		_, err = b.s.SettlePayout(t.Context(), settle, out.ID, word)
		b.ok(err)
	}
	var wg sync.WaitGroup
	for range 4 { // relays that carry the same effects, as after a kill
		wg.Go(func() {
			if _, err := b.s.RelayOnce(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	b.relayAll()
	if got := b.states(due); got[casefile.AwardPaid] != 2 || got[casefile.AwardPayFailed] != 1 {
		t.Errorf("got %v, want two paid and one that failed", got)
	}
	entries, err := b.s.Budget(t.Context(), b.payer().Actor, 2026)
	b.ok(err)
	if last := entries[len(entries)-1].Balances; last.Paid != 200 || last.Reserved != 100 {
		t.Errorf("got %+v, want 200 fen paid and 100 reserved", last)
	}
	b.now = time.Date(2026, 3, b.policy().PayoutDay, 4, 0, 0, 0, time.UTC)
	b.draw(due[0])
}

// TestAwardIsInOnePayout: of sixteen who put the same awards into a payout at
// the same time one can be confirmed, whatever the order of the relay.
func TestAwardIsInOnePayout(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	due := b.due(3)
	var wg sync.WaitGroup
	var confirmed atomic.Int32
	ids := make([]string, 16)
	for i := range ids {
		call := b.payer()
		wg.Go(func() {
			out, err := b.s.DrawPayout(t.Context(), call, due)
			if err != nil && fault.CodeOf(err) != "payout.not_claimed" {
				t.Error(err)
			}
			ids[i] = out.ID
		})
	}
	wg.Wait()
	b.relayAll()
	for _, id := range ids {
		call := b.call("p2", casefile.Payer)
		if id == "" {
			continue
		}
		wg.Go(func() {
			switch _, err := b.s.ConfirmPayout(t.Context(), call, id); fault.CodeOf(err) {
			case "payout.taken":
			default:
				if err != nil {
					t.Error(err)
					return
				}
				confirmed.Add(1)
			}
		})
	}
	wg.Wait()
	if confirmed.Load() != 1 {
		t.Errorf("got %d confirmed payouts, want 1", confirmed.Load())
	}
	for _, id := range ids { // the others give nothing back that is not theirs
		if id != "" {
			if _, err := b.s.DropPayout(t.Context(), b.payer(), id); err != nil && fault.CodeOf(err) != "payout.move" {
				t.Error(err)
			}
		}
	}
	b.relayAll()
	if got := b.states(due); got[casefile.AwardPaying] != 3 {
		t.Errorf("got %v, want the three with the payout that was confirmed", got)
	}
}
