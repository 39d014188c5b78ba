package app_test

import (
	"cmp"
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/reward"
)

const (
	payouts    = 4  // that are settled one after the other
	inPayout   = 6  // awards of each, one of which the bank cannot pay
	eachAward  = 70 // fen
	budgetUnit = "reward"
)

// treasury is a server that is killed while payouts are settled.
type treasury struct {
	*storm

	server *process
	random *rand.Rand
	report string
}

// TestEveryAwardIsPaidOnceWhateverKills kills the server at moments drawn from a
// seed while payouts go to the bank and come back. Whoever repeats a settlement
// gets the same answer, every award that the bank paid is paid once and leaves
// the budget once, and what it could not pay goes into a later payout.
func TestEveryAwardIsPaidOnceWhateverKills(t *testing.T) {
	t.Parallel()
	s := &treasury{storm: &storm{world: apart(t), path: program(t), killed: make(chan struct{})}}
	var seed [8]byte
	_, _ = crand.Read(seed[:])
	t.Logf("seed %x", seed)
	s.random = rand.New(rand.NewPCG(uint64(seed[0])<<8|uint64(seed[1]), uint64(seed[2])<<8|uint64(seed[3])))
	s.server = launch(t, s.path, s.settings, "serve")
	s.ready(t)
	p := newParcel(t)
	sent, err := p.send(t.Context(), s.anyone())
	if err != nil {
		t.Fatal(err)
	}
	s.report = s.reports(t)[answered(t, sent).Number].ID

	var paid, failed []string
	s.post(t, "paper", reward.Allocate, payouts*inPayout*eachAward)
	for range payouts {
		awards := s.claimed(t)
		s.pay(t, awards, awards[:1])
		failed, paid = append(failed, awards[0]), append(paid, awards[1:]...)
	}
	s.comeTo(t, failed, casefile.AwardPayFailed)
	s.pay(t, failed, nil)
	s.comeTo(t, slices.Concat(paid, failed), casefile.AwardPaid)
	for _, id := range slices.Concat(paid, failed) {
		s.checkPaid(t, id)
	}
	chain, err := s.store.Ledger.Entries(t.Context(), demo.Tenant, budgetUnit, time.Now().Year())
	if err == nil {
		err = reward.Check(chain)
	}
	if want := 1 + 2*payouts*inPayout; err != nil || len(chain) != want {
		t.Errorf("the budget: got %d entries, %v, want %d", len(chain), err, want)
	}
	const all = payouts * inPayout * eachAward
	if last := chain[len(chain)-1].Balances; last != (reward.Balances{Allocated: all, Paid: all}) {
		t.Errorf("got %+v, want all of it paid", last)
	}
	awaited(t, "what the log shows", func() bool { // whoever held the lease of the log was killed
		_, err := s.store.Audit.Latest(t.Context())
		return err == nil
	})
	s.checkLog(t)
}

func (s *treasury) post(t *testing.T, award string, step reward.BudgetStep, fen reward.Fen) {
	t.Helper()
	_, err := reward.Post(t.Context(), s.store.Ledger, reward.Posting{
		Tenant: demo.Tenant, Unit: budgetUnit, Year: time.Now().Year(), Award: award, Step: step, AmountFen: fen, At: time.Now(), By: "leader1",
	})
	if err != nil {
		t.Fatal(err)
	}
}

// claimed are awards that wait for payment, with their money.
func (s *treasury) claimed(t *testing.T) []string {
	t.Helper()
	var ids []string
	for range inPayout {
		now := time.Now().UTC()
		a := &casefile.Award{
			Report: s.report, Area: demoCounty(t, s.world), Number: hexID(t), Fen: eachAward, Year: now.Year(), ApprovedBy: "leader1",
			NotifiedAt: now, AskedAt: now, ClaimBy: now.AddDate(0, 2, 0),
		}
		a.ID, a.Tenant, a.State, a.Version, a.Seq, a.At, a.Changed = hexID(t), demo.Tenant, casefile.AwardClaimed, 1, 1, now, now
		if err := s.store.Awards.Insert(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		s.post(t, a.ID, reward.Reserve, eachAward)
		ids = append(ids, a.ID)
	}
	return ids
}

func demoCounty(t *testing.T, w *world) string {
	t.Helper()
	tenant, err := w.store.Directory.Tenant(t.Context(), demo.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	return tenant.Area
}

// pay takes awards to the bank and back, of which some could not be paid, while
// the server is killed. Afterwards the same settlement gets the same answer.
func (s *treasury) pay(t *testing.T, awards, failed []string) {
	t.Helper()
	payer, leader := s.as(t, "payer1"), s.as(t, "leader1")
	drawn := s.carried(t, payer, "/v1/office/payouts", newKey(t), object{"awards": awards})
	path := "/v1/office/payouts/" + drawn.ID
	s.carried(t, leader, path+"/confirm", newKey(t), nil)
	refused := []object{}
	for _, id := range failed {
		refused = append(refused, object{"award": id, "reason": "account_closed"})
	}
	key, body := newKey(t), object{"ticket": "bank-" + drawn.ID, "failed": refused}
	var first casefile.Outcome
	var settling sync.WaitGroup
	settling.Go(func() { first = s.carried(t, payer, path+"/settle", key, body) })
	s.strike(t)
	settling.Wait()
	s.strike(t) // while the awards follow
	if again := s.carried(t, payer, path+"/settle", key, body); again != first || first.State != casefile.PayoutSettled {
		t.Errorf("settled again: got %+v, want %+v", again, first)
	}
	s.strike(t)
}

// strike kills the server at any moment of the next quarter of a second, and
// starts it again.
func (s *treasury) strike(t *testing.T) {
	t.Helper()
	<-time.NewTimer(time.Duration(s.random.IntN(250)) * time.Millisecond).C
	s.server.end(t, syscall.SIGKILL)
	s.server = launch(t, s.path, s.settings, "serve")
}

// carried carries a command out under a key, however often it is sent: again
// too while the awards of a payout are gathered.
func (s *treasury) carried(t *testing.T, c apiclient.Client, path, key string, body any) casefile.Outcome {
	t.Helper()
	var out casefile.Outcome
	if !s.stubborn(t, func(ctx context.Context) error {
		out = casefile.Outcome{}
		_, err := c.Do(ctx, apiclient.Call{Method: http.MethodPost, Path: path, Key: key, Body: body}, &out)
		if apiclient.CodeOf(err) == "payout.gathering" {
			return errors.New("the awards are being gathered")
		}
		return err
	}) {
		t.Errorf("%s was not carried out", path)
	}
	return out
}

// comeTo waits until awards are in a state.
func (s *treasury) comeTo(t *testing.T, awards []string, state casefile.State) {
	t.Helper()
	for _, id := range awards {
		awaited(t, fmt.Sprintf("an award that is %s", state), func() bool {
			a, err := s.store.Awards.Get(t.Context(), demo.Tenant, id)
			if err != nil {
				t.Fatal(err)
			}
			return a.State == state
		})
	}
}

// checkPaid wants one payment of an award, in its record and in the budget.
func (s *treasury) checkPaid(t *testing.T, id string) {
	t.Helper()
	var entries []reward.Entry
	awaited(t, "the budget entry of a payment", func() bool {
		var err error
		if entries, err = s.store.Ledger.OfAward(t.Context(), demo.Tenant, id); err != nil {
			t.Fatal(err)
		}
		return len(entries) > 1
	})
	slices.SortFunc(entries, func(x, y reward.Entry) int { return cmp.Compare(x.N, y.N) })
	if len(entries) != 2 || entries[1].Step != reward.Pay || entries[1].AmountFen != eachAward {
		t.Errorf("got %+v, want one payment", entries)
	}
	a, err := s.store.Awards.Get(t.Context(), demo.Tenant, id)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range a.Timeline {
		if e.Command == "paid" {
			n++
		}
	}
	if n != 1 || a.Ticket != "bank-"+a.Payout {
		t.Errorf("got %d payments by %s, in payout %s", n, a.Ticket, a.Payout)
	}
}
