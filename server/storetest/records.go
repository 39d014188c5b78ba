package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/mongostore"
	"gridwatch/server/workflow"
)

// roundTrip reads back a record of every kind.
func roundTrip(t *testing.T, s *mongostore.Store) {
	t.Helper()
	head := newTask(t, "county", "id", start(), casefile.Effect{Push: &casefile.Push{Person: "p", Kind: "task"}}).Head
	readBack(t, s.Reports, &casefile.Report{
		Head: head, Sealed: []byte{0, 1, 2}, Tasks: []string{"a"}, Allegations: []casefile.Allegation{{ID: "x"}},
		Evidence: []casefile.Evidence{}, DecideBy: start().Add(time.Hour), Behind: casefile.Behind{Was: "w", Sent: []casefile.Evidence{{ID: "x", Away: []byte{6}, Copies: []casefile.Copy{}}}}, Holds: []casefile.Hold{},
		Strongbox: casefile.Strongbox{Recipient: "r", File: []byte{5}, Inner: "i"},
		Target:    casefile.Target{Place: casefile.Place{Lon: 126.55123456789, Lat: 44.84, Datum: "gcj02"}},
	})
	readBack(t, s.Tasks, &casefile.Task{
		Head: head, Assigned: []string{"p", "q"}, Items: []casefile.Item{{Ref: "r"}}, Evidence: []casefile.Evidence{},
		Result: &casefile.Result{
			At: start(), Note: "looked", DistanceM: 12.5, Findings: []casefile.ItemFinding{{Ref: "r", Finding: casefile.Partial}},
		},
		Collected: []casefile.Evidence{{
			ID: "x", Kind: casefile.Photo, State: casefile.EvidenceDerived, Key: []byte{9}, CopyKey: []byte{8}, Sealed: []byte{7},
			Copies: []casefile.Copy{{Kind: casefile.DisplayCopy, Object: "o", Parts: 1, Size: 2, Type: "image/jpeg"}},
		}},
	})
	readBack(t, s.Visits, &casefile.Visit{
		Head: head, Officers: []casefile.Officer{{Person: "p", Certificate: "1"}}, Findings: []casefile.ItemFinding{}, On: start(),
		Exhibits: []casefile.Exhibit{{ID: "x", Kind: "photo", Lead: "l"}},
	})
	readBack(t, s.Hazards, &casefile.Hazard{Head: head, Grade: casefile.Major, Officers: []casefile.Officer{}})
	readBack(t, s.Penalties, &casefile.Penalty{
		Head: head, Officers: []casefile.Officer{}, Lines: []casefile.PenaltyLine{{ID: "l", Fen: 1 << 40, Items: []string{"r"}}},
		Payments: []casefile.Payment{{At: start(), Fen: 1}}, Exhibits: []casefile.Exhibit{},
	})
	readBack(t, s.Awards, &casefile.Award{Head: head, Fen: 300_000_00, Calculation: []byte("sealed")})
	readBack(t, s.Payouts, &casefile.Payout{Head: head, Memo: "expense", Lines: []casefile.PayoutLine{{Award: "a", Number: "n", Fen: 1}}})
	readBack(t, s.Openings, &casefile.Opening{Head: head, Wrapped: []byte("sealed"), Expires: start()})
	readBack(t, s.Leads, &casefile.Lead{Head: head, N: 1, Copy: casefile.Evidence{ID: "c", CopyKey: []byte("wrapped"), Copies: []casefile.Copy{{Kind: casefile.DisplayCopy}}}})
	readBack(t, s.Rings, &casefile.Ring{
		Head: head, Ring: "a", Versions: []casefile.RingVersion{{Number: 1, Recovery: []byte("sealed"), From: start()}},
		Officers: []casefile.RingOfficer{{Person: "p", State: casefile.RingEnrolled, Shares: []casefile.RingShare{{Version: 1}}}},
		Checks:   []casefile.RingCheck{{Day: "2026-03-01", Readable: 3}},
		Offer: &casefile.RingExchange{
			Key: casefile.RingHolder{Recipient: "new"}, Old: casefile.RingHolder{Recipient: "old"}, Until: start().Add(time.Hour),
			Shares: []casefile.RingShare{{Version: 1, Wrapped: []byte("wrapped")}}, Held: []casefile.PersonShare{{Person: "p", Wrapped: []byte("wrapped")}},
			Made: casefile.RingVersion{Number: 2, From: start()},
		},
		Exchanged: []casefile.RingExchange{{Until: start(), Made: casefile.RingVersion{Number: 1, From: start()}, Shares: []casefile.RingShare{}, Held: []casefile.PersonShare{}}},
	})
	for until, want := range map[time.Time]int{start().Add(time.Hour): 0, start().Add(2 * time.Hour): 1} {
		if got := must[[]casefile.Ring](t)(s.Rings.Lapsed(t.Context(), until, "", 10)); len(got) != want {
			t.Errorf("%d offers lapsed before %s, want %d", len(got), until, want)
		}
	}
	if got := must[[]casefile.Ring](t)(s.Rings.Lapsed(t.Context(), start().Add(2*time.Hour), "id", 10)); len(got) != 0 {
		t.Errorf("got %d offers after the last", len(got))
	}
}

func readBack[T any](t *testing.T, s workflow.Records[T], record *T) {
	t.Helper()
	ok(t, s.Insert(t.Context(), record))
	same(t, "record read back", must[*T](t)(s.Get(t.Context(), "county", "id")), record)
}

// absent compares the answer for what there is not with that for another tenant's.
func absent(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx := t.Context()
	ok(t, s.Tasks.Insert(ctx, newTask(t, "other", "theirs", start())))
	_, foreign := s.Tasks.Get(ctx, "county", "theirs")
	_, none := s.Tasks.Get(ctx, "county", "none")
	same(t, "Get", foreign, none)
	refused(t, none, fault.NotFound, "record.not_found")

	theirs := newTask(t, "county", "theirs", start())
	refused(t, s.Tasks.Update(ctx, theirs, 1), fault.NotFound, "record.not_found")
	same(t, "Update", s.Tasks.Update(ctx, newTask(t, "county", "none", start()), 1), s.Tasks.Update(ctx, theirs, 1))
	if found := must[[]casefile.Task](t)(s.Tasks.List(ctx, workflow.Query{Tenant: "county", Limit: 9})); len(found) > 0 {
		t.Errorf("List gives another tenant's: %v", found)
	}
}

func insertRace(t *testing.T, s *mongostore.Store) {
	t.Helper()
	for round := range 5 {
		id := fmt.Sprint(round)
		winner := make([]bool, racers)
		got := race(func(n int) error {
			task := newTask(t, "county", id, start())
			task.Brief = fmt.Sprint(n)
			err := s.Tasks.Insert(t.Context(), task)
			winner[n] = err == nil
			return err
		})
		oneWinner(t, got, "record.exists")
		stored := must[*casefile.Task](t)(s.Tasks.Get(t.Context(), "county", id))
		same(t, "stored is the winner's", stored.Brief, fmt.Sprint(slices.Index(winner, true)))
	}
}

func updateRace(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ok(t, s.Tasks.Insert(t.Context(), newTask(t, "county", "id", start())))
	const rounds = 10
	for round := range rounds {
		oneWinner(t, race(func(n int) error {
			task := newTask(t, "county", "id", start())
			task.Version, task.Seq = int64(round+1), int64(round+1)
			move(t, &task.Head, "see", casefile.TaskSeen, start(), casefile.Effect{Drop: fmt.Sprint(n)})
			task.Timeline, task.Brief = nil, fmt.Sprint(n)
			return s.Tasks.Update(t.Context(), task, int64(round+1))
		}), "record.stale")
	}
	stored := must[*casefile.Task](t)(s.Tasks.Get(t.Context(), "county", "id"))
	same(t, "version", stored.Version, int64(rounds+1))
	same(t, "effects", len(stored.Pending), rounds)
	same(t, "fields and effect are one caller's", stored.Pending[rounds-1].Drop, stored.Brief)
}

// updateKeeps changes a record as a command does: what is not its own stays.
func updateKeeps(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx := t.Context()
	ok(t, s.Tasks.Insert(ctx, newTask(t, "county", "id", start(), casefile.Effect{Drop: "first"})))
	task := must[*casefile.Task](t)(s.Tasks.Get(ctx, "county", "id"))
	ok(t, s.Pending.Relayed(ctx, "task", "id", 1)) // between the command's read and write

	move(t, &task.Head, "see", casefile.TaskSeen, start().Add(time.Minute), casefile.Effect{Drop: "second"})
	move(t, &task.Head, "acknowledge", casefile.TaskAcknowledged, start().Add(time.Hour), casefile.Effect{Drop: "third"})
	ok(t, s.Tasks.Update(ctx, task, 1))
	task.Pending, task.Relayed = []casefile.Effect{{Seq: 2, Drop: "second"}, {Seq: 3, Drop: "third"}}, 1
	same(t, "after two moves in one write", must[*casefile.Task](t)(s.Tasks.Get(ctx, "county", "id")), normal(task))

	refused(t, s.Tasks.Update(ctx, task, 1), fault.Conflict, "record.stale")
}

// normal is the task as the store gives it back: lists are never nil.
func normal(task *casefile.Task) *casefile.Task {
	c := *task
	c.Assigned, c.Items, c.Evidence, c.Collected = []string{}, []casefile.Item{}, []casefile.Evidence{}, []casefile.Evidence{}
	return &c
}

func tooLarge(t *testing.T, s *mongostore.Store) {
	t.Helper()
	report := &casefile.Report{Head: newTask(t, "county", "id", start()).Head}
	report.Sealed = bytes.Repeat([]byte{1}, 15<<20)
	ok(t, s.Reports.Insert(t.Context(), report))
	report.Version++
	report.Refusal.Sealed = bytes.Repeat([]byte{1}, 2<<20)
	refused(t, s.Reports.Update(t.Context(), report, 1), fault.TooLarge, "record.too_large")
	report.ID = "other"
	refused(t, s.Reports.Insert(t.Context(), report), fault.TooLarge, "record.too_large")
	stored := must[*casefile.Report](t)(s.Reports.Get(t.Context(), "county", "id"))
	same(t, "version of what was not changed", stored.Version, int64(1))
}

func reports(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx := t.Context()
	for _, id := range []string{"a", "b", "c"} {
		r := &casefile.Report{Head: newTask(t, "county", id, start()).Head, Receipt: "receipt " + id, Envelope: "envelope " + id}
		r.Behind.Was = "read out " + id
		r.Evidence = []casefile.Evidence{{ID: "first", Digest: "of all"}, {ID: "second", Digest: "of " + id}}
		ok(t, s.Reports.Insert(ctx, r))
	}
	r := must[*casefile.Report](t)(s.Reports.ByReceipt(ctx, []string{"of the new key", "receipt b"}))
	same(t, "ByReceipt", r.ID, "b")
	_, err := s.Reports.ByReceipt(ctx, []string{"of the new key", "of the old one"})
	refused(t, err, fault.NotFound, "record.not_found")
	r = must[*casefile.Report](t)(s.Reports.ByExchanged(ctx, []string{"receipt c", "read out c"}))
	same(t, "ByExchanged", r.ID, "c")
	_, err = s.Reports.ByExchanged(ctx, []string{"receipt c"})
	refused(t, err, fault.NotFound, "record.not_found")
	for tenant, want := range map[string]map[string]int{"county": {"of all": 3, "of b": 1, "of none": 0}, "other": {"of all": 0}} {
		for digest, n := range want {
			found := must[[]casefile.Report](t)(s.Reports.ByDigests(ctx, tenant, []string{digest, "of another key"}, 9))
			same(t, "reports with the file "+digest+" of "+tenant, len(found), n)
		}
	}
	same(t, "at most", len(must[[]casefile.Report](t)(s.Reports.ByDigests(ctx, "county", []string{"of all"}, 2))), 2)
}

// messages come in the order of their numbers, whatever their order of arrival.
func messages(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx := t.Context()
	of := func(tenant, report string, n int) casefile.Message {
		return casefile.Message{
			ID: fmt.Sprint(tenant, report, n), Tenant: tenant, Report: report, N: n, From: casefile.FromDesk, On: "2026-03-01",
			Sealed: []byte{1}, Attachments: []string{"a"},
		}
	}
	for _, m := range []casefile.Message{of("county", "r", 2), of("county", "r", 1), of("county", "r", 3), of("county", "s", 1), of("other", "r", 1)} {
		ok(t, s.Messages.Insert(ctx, m))
	}
	refused(t, s.Messages.Insert(ctx, of("county", "r", 2)), fault.Conflict, "record.exists")
	list := must[[]casefile.Message](t)
	same(t, "first page", list(s.Messages.List(ctx, "county", "r", 0, 2)), []casefile.Message{of("county", "r", 1), of("county", "r", 2)})
	same(t, "next page", list(s.Messages.List(ctx, "county", "r", 2, 2)), []casefile.Message{of("county", "r", 3)})
	same(t, "another tenant's", len(list(s.Messages.List(ctx, "other", "s", 0, 2))), 0)
}

func envelopes(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx := t.Context()
	for i, id := range []string{"a", "b", "c", "d"} {
		e := workflow.Envelope{ID: id, Tenant: "county", Report: id, Key: []byte(id), At: start().Add(time.Duration(i) * time.Hour)}
		ok(t, s.Envelopes.Insert(ctx, e))
		same(t, "envelope read back", must[workflow.Envelope](t)(s.Envelopes.Get(ctx, "county", id)), e)
		refused(t, s.Envelopes.Insert(ctx, e), fault.Conflict, "record.exists")
	}
	_, foreign := s.Envelopes.Get(ctx, "other", "a")
	_, none := s.Envelopes.Get(ctx, "county", "none")
	same(t, "foreign and absent", foreign, none)
	ok(t, s.Envelopes.Delete(ctx, "other", "a"))
	ok(t, s.Envelopes.Delete(ctx, "county", "b"))

	old := func(after string, limit int) []string {
		ids := []string{}
		for _, e := range must[[]workflow.Envelope](t)(s.Envelopes.Before(ctx, start().Add(3*time.Hour), after, limit)) {
			ids = append(ids, e.ID)
		}
		return ids
	}
	same(t, "Before", old("", 9), []string{"a", "c"})
	same(t, "Before, first page", old("", 1), []string{"a"})
	same(t, "Before, next page", old("a", 1), []string{"c"})
}
