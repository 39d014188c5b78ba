package workflow_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/workflow"
)

// closed writes hazards that were put right and patrols that found something.
func (b *bench) closed(at time.Time, reported, patrols int) {
	b.t.Helper()
	head := func(kind string, i int, state casefile.State) casefile.Head {
		return casefile.Head{
			ID: fmt.Sprint(kind, at.Unix(), i), Tenant: "county", State: state, Version: 1, Seq: 1, At: at.AddDate(0, 0, -i),
			Timeline: []casefile.Event{{At: at, To: state}},
		}
	}
	for i := range reported {
		h := &casefile.Hazard{Head: head("hazard", i, casefile.HazardClosed), Area: "220182100201001", Cause: "report", Text: fmt.Sprint("reported ", i)}
		b.ok(b.store.Hazards.Insert(b.t.Context(), h))
	}
	for i := range patrols {
		task := &casefile.Task{Head: head("task", i, casefile.TaskDone), Kind: casefile.Patrol, Area: "220182100201001"}
		task.Result = &casefile.Result{At: at, Findings: []casefile.ItemFinding{{Ref: "r", Finding: casefile.Substantiated, Text: fmt.Sprint("patrolled ", i)}}}
		b.ok(b.store.Tasks.Insert(b.t.Context(), task))
	}
}

// TestResultsInBatches: a batch that is too small, or mostly of reports, is not
// made and its results wait for the next; one that is made mixes them in an
// order that tells neither source nor time, and a second person releases it.
func TestResultsInBatches(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	desk := func() workflow.Call { return b.call("d1", casefile.DeskOfficer) }
	day := func(month time.Month, d int) time.Time { return time.Date(2026, month, d, 4, 0, 0, 0, time.UTC) }
	b.closed(day(time.January, 9), 5, 2)    // mostly of reports
	b.closed(day(time.February, 9), 20, 40) // enough with those of January
	b.closed(day(time.March, 1), 1, 1)      // too few
	b.now = day(time.March, 31)

	if _, err := b.s.PrepareResults(t.Context(), desk(), "2026-03"); err == nil {
		t.Error("a month that is not over was prepared")
	}
	_, err := b.s.PrepareResults(t.Context(), desk(), "2026-01")
	b.refused(err, "results.too_few")
	key := desk()
	out, err := b.s.PrepareResults(t.Context(), key, "2026-02")
	b.ok(err)
	again, err := b.s.PrepareResults(t.Context(), key, "2026-02")
	if err != nil || again != out {
		t.Errorf("a repeat: got %v, %v, want %v", again, err, out)
	}
	batch, err := b.s.ReadResults(t.Context(), desk().Actor, out.ID)
	b.ok(err)
	if len(batch.Results) != 67 {
		t.Errorf("got %d results of January and February, want 67", len(batch.Results))
	}
	var sources []string
	for _, r := range batch.Results {
		source, _, _ := strings.Cut(r.Text, " ")
		sources = append(sources, source)
		if r.Area != "220182100000" {
			t.Errorf("got the area %s, want the township", r.Area)
		}
	}
	if slices.IsSorted(sources) || slices.IsSortedFunc(sources, func(x, y string) int { return strings.Compare(y, x) }) {
		t.Errorf("in order of source: %v", sources)
	}
	public, err := b.s.PublicResults(t.Context(), "county")
	if err != nil || len(public) != 0 {
		t.Errorf("before its release: got %v, %v", public, err)
	}
	_, err = b.s.ReleaseResults(t.Context(), b.call("d1", casefile.DeskOfficer, casefile.Leader), out.ID)
	b.refused(err, "results.second_person")
	_, err = b.s.ReleaseResults(t.Context(), b.call("l1", casefile.Leader), out.ID)
	b.ok(err)
	public, err = b.s.PublicResults(t.Context(), "county")
	if err != nil || len(public) != 1 || len(public[0].Results) != 67 {
		t.Errorf("after its release: got %v, %v", public, err)
	}
	_, err = b.s.PrepareResults(t.Context(), desk(), "2026-01")
	b.refused(err, "results.later_batch")
	b.now = day(time.May, 2)
	_, err = b.s.PrepareResults(t.Context(), desk(), "2026-03")
	b.refused(err, "results.too_few")
	b.closed(day(time.April, 9), 4, 6)
	out, err = b.s.PrepareResults(t.Context(), desk(), "2026-04")
	b.ok(err)
	batch, err = b.s.ReadResults(t.Context(), desk().Actor, out.ID)
	if err != nil || len(batch.Results) != 12 {
		t.Errorf("got %d results of March and April, %v, want 12", len(batch.Results), err)
	}
	_, err = b.s.PrepareResults(t.Context(), desk(), "2026-13")
	b.refused(err, "results.month")
	far := casefile.Actor{Tenant: "county", Person: "d3", Posts: []casefile.Post{{Role: casefile.DeskOfficer, Area: "220182101000"}}}
	_, err = b.s.PrepareResults(t.Context(), workflow.Call{Actor: far, Route: "test", Key: b.key()}, "2026-04")
	b.refused(err, "record.not_found")
}
