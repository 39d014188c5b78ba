package casefile_test

import (
	"slices"
	"testing"
	"time"

	"gridwatch/server/casefile"
)

// TestRecordingIsWholeWhenEverySegmentIsHere goes through a recording's life:
// what is missing while it is open, once it is closed, and when it was removed.
func TestRecordingIsWholeWhenEverySegmentIsHere(t *testing.T) {
	t.Parallel()
	items := []casefile.Evidence{
		{ID: "a", State: casefile.EvidenceVerified},
		{ID: "b", State: casefile.EvidenceReceiving},
		{ID: "c", State: casefile.EvidenceRejected, Object: "kept"},
		{ID: "d", State: casefile.EvidenceRejected},
		{ID: "e", State: casefile.EvidenceDerived},
	}
	segment := func(n int, item string) casefile.Segment {
		return casefile.Segment{N: n, Item: item, DurationMS: int64(n) * 1000}
	}
	for name, c := range map[string]struct {
		segments []casefile.Segment
		count    int
		removed  string
		want     casefile.RecordingState
		missing  []int
		ms       int64
	}{
		"nothing yet":             {nil, 0, "", casefile.RecordingOpen, nil, 0},
		"open, one not here":      {[]casefile.Segment{segment(1, "a"), segment(2, "b")}, 0, "", casefile.RecordingOpen, []int{2}, 1000},
		"open, a number left out": {[]casefile.Segment{segment(3, "e")}, 0, "", casefile.RecordingOpen, []int{1, 2}, 3000},
		"closed, none announced":  {nil, 1, "", casefile.RecordingIncomplete, []int{1}, 0},
		"closed, the last lacks":  {[]casefile.Segment{segment(1, "a"), segment(2, "e")}, 3, "", casefile.RecordingIncomplete, []int{3}, 3000},
		"an item that is unknown": {[]casefile.Segment{segment(1, "x")}, 1, "", casefile.RecordingIncomplete, []int{1}, 0},
		"refused and not kept":    {[]casefile.Segment{segment(1, "d")}, 1, "", casefile.RecordingIncomplete, []int{1}, 0},
		"whole":                   {[]casefile.Segment{segment(1, "a"), segment(2, "e")}, 2, "", casefile.RecordingWhole, nil, 3000},
		"whole without a copy":    {[]casefile.Segment{segment(1, "c")}, 1, "", casefile.RecordingWhole, nil, 1000},
		"removed":                 {[]casefile.Segment{segment(2, "b")}, 3, "2027-01-01", casefile.RecordingRemoved, nil, 0},
	} {
		r := casefile.Recording{Segments: c.segments, Count: c.count, RemovedOn: c.removed}
		if got, missing, ms := r.State(items), r.Missing(items), r.DurationMS(items); got != c.want || !slices.Equal(missing, c.missing) || ms != c.ms {
			t.Errorf("%s: got %s, missing %v, %d ms, want %s, %v, %d", name, got, missing, ms, c.want, c.missing, c.ms)
		}
	}
}

func TestRecordingPutsSegmentsInOrder(t *testing.T) {
	t.Parallel()
	var r casefile.Recording
	for _, s := range []casefile.Segment{{N: 3, Item: "c"}, {N: 1, Item: "a"}, {N: 2, Item: "b"}, {N: 1, Item: "again"}} {
		r.Put(s)
	}
	if want := []casefile.Segment{{N: 1, Item: "again"}, {N: 2, Item: "b"}, {N: 3, Item: "c"}}; !slices.Equal(r.Segments, want) || r.Last() != 3 {
		t.Errorf("got %v to %d", r.Segments, r.Last())
	}
	if s, ok := r.Segment(2); !ok || s.Item != "b" {
		t.Errorf("segment 2: got %v, %v", s, ok)
	}
	if s, ok := r.Segment(4); ok || s != nil {
		t.Errorf("segment 4: got %v", s)
	}
}

// TestKeepNeverShortens: what is kept longer stays so, and what was removed
// does not come back.
func TestKeepNeverShortens(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	r, gone, task := casefile.Recording{Until: day}, casefile.Recording{RemovedOn: "2026-05-01"}, casefile.Task{Until: day}
	for _, until := range []time.Time{day.AddDate(0, 0, -1), day.AddDate(0, 0, 1), day} {
		r.Keep(until)
		gone.Keep(until)
		task.Keep(until)
	}
	if want := day.AddDate(0, 0, 1); !r.Until.Equal(want) || !task.Until.Equal(want) || !gone.Until.IsZero() {
		t.Errorf("kept until %v, a task %v, a removed one %v", r.Until, task.Until, gone.Until)
	}
}

// TestRemovedWithItsRecording: a segment goes with its recording, everything
// else with its task.
func TestRemovedWithItsRecording(t *testing.T) {
	t.Parallel()
	task := casefile.Task{
		Recordings: []casefile.Recording{{ID: "old", RemovedOn: "2026-05-01"}, {ID: "new"}},
		Collected:  []casefile.Evidence{{ID: "1", Recording: "old"}, {ID: "2", Recording: "new"}, {ID: "3"}, {ID: "4", Recording: "unknown"}},
	}
	removed := func() (ids string) {
		for _, e := range task.Collected {
			if task.Removed(e) {
				ids += e.ID
			}
		}
		return ids
	}
	if got := removed(); got != "1" || task.Loose() != 1 {
		t.Errorf("removed %q, loose %d", got, task.Loose())
	}
	task.RemovedOn = "2026-06-01"
	if got := removed(); got != "13" {
		t.Errorf("after the task's term: removed %q", got)
	}
}

// TestPatrolIsSeenAsItEnded: what becomes of a patrol's evidence after its end
// goes by the report behind it, and its assignee's version does not move.
func TestPatrolIsSeenAsItEnded(t *testing.T) {
	t.Parallel()
	ended := casefile.Head{State: casefile.TaskDone, Version: 5, Timeline: []casefile.Event{
		{Version: 2, To: casefile.TaskAssigned},
		{Version: 3, From: casefile.TaskAssigned, To: casefile.TaskDone},
		{Version: 5, From: casefile.TaskDone, To: casefile.TaskDone},
	}}
	for name, c := range map[string]struct {
		task casefile.Task
		want int64
	}{
		"a patrol that ended":   {casefile.Task{Head: ended, Kind: casefile.Patrol}, 3},
		"a patrol under way":    {casefile.Task{Head: casefile.Head{State: casefile.TaskAssigned, Version: 4, Timeline: ended.Timeline}, Kind: casefile.Patrol}, 4},
		"another task that did": {casefile.Task{Head: ended, Kind: "recheck"}, 5},
	} {
		if got := c.task.Seen(); got != c.want {
			t.Errorf("%s: got version %d, want %d", name, got, c.want)
		}
	}
}
