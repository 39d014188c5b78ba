package storetest

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/mongostore"
	"gridwatch/server/workflow"
)

// due lists what waits, in order of its time, over all kinds.
func due(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx := t.Context()
	effect := casefile.Effect{Drop: "object"}
	idle := newTask(t, "county", "idle", start())
	late := newTask(t, "county", "late", start().Add(time.Hour), effect)
	early := newTask(t, "county", "early", start(), effect)
	ok(t, s.Tasks.Insert(ctx, idle))
	ok(t, s.Tasks.Insert(ctx, late))
	ok(t, s.Penalties.Insert(ctx, &casefile.Penalty{Head: early.Head}))

	waiting := func(at time.Time, limit int) []string {
		ids := []string{}
		for _, w := range must[[]workflow.Waiting](t)(s.Pending.Due(ctx, at, limit)) {
			ids = append(ids, w.Kind+" "+w.Head.Tenant+" "+w.Head.ID+" "+w.Head.Pending[0].Drop)
		}
		return ids
	}
	same(t, "before", waiting(start().Add(-time.Second), 9), []string{})
	same(t, "first", waiting(start(), 9), []string{"penalty county early object"})
	same(t, "both", waiting(start().Add(time.Hour), 9), []string{"penalty county early object", "task county late object"})
	same(t, "limit", waiting(start().Add(time.Hour), 1), []string{"penalty county early object"})

	ok(t, s.Pending.Postpone(ctx, "penalty", "early", start().Add(2*time.Hour)))
	ok(t, s.Pending.Postpone(ctx, "task", "idle", start()))
	same(t, "postponed", waiting(start().Add(time.Hour), 9), []string{"task county late object"})
	same(t, "again", waiting(start().Add(2*time.Hour), 9), []string{"task county late object", "penalty county early object"})

	ok(t, s.Pending.Relayed(ctx, "penalty", "early", 1))
	ok(t, s.Pending.Relayed(ctx, "task", "late", 0))
	same(t, "relayed", waiting(start().Add(2*time.Hour), 9), []string{"task county late object"})
	ok(t, s.Pending.Relayed(ctx, "task", "late", 1))
	ok(t, s.Pending.Relayed(ctx, "task", "late", 0)) // a late repeat
	same(t, "relayed mark", must[*casefile.Task](t)(s.Tasks.Get(ctx, "county", "late")).Relayed, int64(1))
	same(t, "nothing left", waiting(start().Add(2*time.Hour), 9), []string{})
	if err := s.Pending.Relayed(ctx, "tenant", "county", 1); err == nil {
		t.Error("a kind that is none was relayed")
	}
}

// relayRace moves records on while a relay takes their effects away: each
// effect is seen, and none is seen again after it was noted as relayed.
func relayRace(t *testing.T, s *mongostore.Store) {
	t.Helper()
	const records, moves, writers = 2, 60, 2
	for n := range records {
		ok(t, s.Tasks.Insert(t.Context(), newTask(t, "county", fmt.Sprint(n), start(), casefile.Effect{Drop: "1"})))
	}
	var writing atomic.Int32
	writing.Store(records * writers)
	failed := make(chan error, records*writers)
	for n := range records * writers {
		go func() {
			defer writing.Add(-1)
			failed <- advance(t, s, fmt.Sprint(n%records), moves)
		}()
	}

	seen, relayed := map[string]map[int64]bool{}, map[string]int64{}
	for done := false; !done; {
		last := writing.Load() == 0
		waiting := must[[]workflow.Waiting](t)(s.Pending.Due(t.Context(), start().Add(time.Hour), 9))
		done = last && len(waiting) == 0
		for _, w := range waiting {
			id := w.Head.ID
			if seen[id] == nil {
				seen[id] = map[int64]bool{}
			}
			for _, e := range w.Head.Pending {
				if e.Seq <= relayed[id] {
					t.Fatalf("effect %d came back after %d was relayed", e.Seq, relayed[id])
				}
				seen[id][e.Seq] = true
			}
			upTo := w.Head.Pending[(len(w.Head.Pending)-1)/2].Seq // leaves some for the next time
			ok(t, s.Pending.Relayed(t.Context(), w.Kind, id, upTo))
			relayed[id] = upTo
		}
	}
	for range records * writers {
		ok(t, <-failed)
	}
	for n := range records {
		task := must[*casefile.Task](t)(s.Tasks.Get(t.Context(), "county", fmt.Sprint(n)))
		same(t, "sequence", task.Seq, int64(1+moves*writers))
		same(t, "effects seen", len(seen[task.ID]), 1+moves*writers)
		same(t, "relayed", task.Relayed, task.Seq)
		same(t, "pending", task.Pending, []casefile.Effect{})
	}
}

// advance carries out a number of commands, each with an effect, as a server does.
func advance(t *testing.T, s *mongostore.Store, id string, moves int) error {
	t.Helper()
	for moves > 0 {
		task, err := s.Tasks.Get(t.Context(), "county", id)
		if err != nil {
			return err
		}
		was := task.Version
		err = task.Record(casefile.TaskMoves, casefile.Event{Command: "see", To: casefile.TaskSeen, At: start()},
			casefile.Effect{Drop: fmt.Sprint(task.Seq + 1)})
		if err == nil {
			err = s.Tasks.Update(t.Context(), task, was)
		}
		switch {
		case err == nil:
			moves--
		case fault.CodeOf(err) != "record.stale" && fault.KindOf(err) != fault.Busy:
			return err
		}
	}
	return nil
}

// archive keeps an event once.
func archive(t *testing.T, s *mongostore.Store) {
	t.Helper()
	for range 2 {
		ok(t, s.Pending.Archive(t.Context(), "task", "id", casefile.Event{Seq: 7, Command: "see", At: start()}))
	}
	ok(t, s.Pending.Archive(t.Context(), "task", "id", casefile.Event{Seq: 8, Command: "see", At: start()}))
	var dump bytes.Buffer
	ok(t, s.Dump(t.Context(), &dump))
	var events int
	for line := range strings.Lines(dump.String()) {
		if strings.HasPrefix(line, "event ") {
			events++
		}
	}
	same(t, "events", events, 2)
}
