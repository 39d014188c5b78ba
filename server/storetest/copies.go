package storetest

import (
	"testing"
	"time"

	"gridwatch/server/fault"
	"gridwatch/server/mongostore"
	"gridwatch/server/workflow"
)

// copyJobs lets each job enter once, and gives it to one of many who ask.
func copyJobs(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx := t.Context()
	job := func(id string, lane workflow.Lane, at time.Time) workflow.CopyJob {
		return workflow.CopyJob{ID: id, Tenant: "county", Kind: "report", Record: "r", Item: id, Lane: lane, Next: at}
	}
	first, second, film := job("a", workflow.PhotoLane, start().Add(time.Minute)), job("b", workflow.PhotoLane, start()), job("c", workflow.FilmLane, start())
	for _, j := range []workflow.CopyJob{first, second, film} {
		ok(t, s.CopyJobs.Add(ctx, j))
	}
	again := first
	again.Next, again.Tries = start(), 7
	ok(t, s.CopyJobs.Add(ctx, again)) // stays as it was

	due := func(lane workflow.Lane, at time.Time, limit int) []workflow.CopyJob {
		t.Helper()
		return must[[]workflow.CopyJob](t)(s.CopyJobs.Due(ctx, lane, at, limit))
	}
	late := start().Add(time.Hour)
	same(t, "before", len(due(workflow.PhotoLane, start().Add(-time.Second), 9)), 0)
	same(t, "photos", due(workflow.PhotoLane, late, 9), []workflow.CopyJob{second, first})
	same(t, "limit", due(workflow.PhotoLane, late, 1), []workflow.CopyJob{second})
	same(t, "films", due(workflow.FilmLane, late, 9), []workflow.CopyJob{film})

	until := start().Add(2 * time.Hour)
	oneWinner(t, race(func(int) error {
		mine, err := s.CopyJobs.Turn(ctx, film, until, 1)
		if err == nil && !mine {
			err = fault.New(fault.Conflict, "record.stale", "another has it")
		}
		return err
	}), "record.stale")
	same(t, "leased", len(due(workflow.FilmLane, late, 9)), 0)
	film.Next, film.Tries = until, 1
	same(t, "free again", due(workflow.FilmLane, until, 9), []workflow.CopyJob{film})

	for range 2 {
		ok(t, s.CopyJobs.Done(ctx, film.ID))
	}
	same(t, "done", len(due(workflow.FilmLane, until, 9)), 0)
	same(t, "turned when gone", must[bool](t)(s.CopyJobs.Turn(ctx, film, late, 0)), false)
}
