package workflow_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/grid"
	"gridwatch/server/workflow"
)

// happened writes what a quarter leaves behind: reports by township and matter,
// hazards, and patrols with and without a report.
func (b *bench) happened(at time.Time, township string, matters map[casefile.Matter]int, hazards, patrols int) {
	b.t.Helper()
	head := func(kind string, n int) casefile.Head {
		return casefile.Head{ID: fmt.Sprint(kind, township, at.Unix(), n), Tenant: "county", Version: 1, Seq: 1, At: at, Changed: at}
	}
	area := township[:9] + "201001"
	for matter, n := range matters {
		for i := range n {
			r := &casefile.Report{Head: head("report"+string(matter), i), Area: area}
			r.Receipt = r.ID
			r.Allegations = []casefile.Allegation{{ID: "a", Matter: matter}, {ID: "b", Matter: matter}} // one matter, two things
			if i%2 == 0 {
				r.Conclusion.SignedAt = at.Add(time.Hour)
			}
			b.ok(b.store.Reports.Insert(b.t.Context(), r))
		}
	}
	for i := range hazards {
		b.ok(b.store.Hazards.Insert(b.t.Context(), &casefile.Hazard{Head: head("hazard", i), Area: area, Cause: "report"}))
	}
	for i := range 2 * patrols {
		task := &casefile.Task{Head: head("task", i), Kind: casefile.Patrol, Area: area}
		if i%2 == 1 {
			task.Cause = "report"
		}
		task.Result = &casefile.Result{At: at, Findings: []casefile.ItemFinding{
			{Ref: "1", Finding: casefile.Partial}, {Ref: "2", Finding: casefile.Unsubstantiated},
		}}
		b.ok(b.store.Tasks.Insert(b.t.Context(), task))
	}
}

// TestPublicFigures: a quarter is published once its days are over, small
// figures left out with those that would give them back, and stays as it was
// published. The office reads every count, in its own area.
func TestPublicFigures(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const first, second = "220182100000", "220182101000"
	var grids []grid.Grid
	for _, town := range []string{first, second} {
		grids = append(grids, grid.Grid{Code: grid.Code(town[:9] + "201001"), Tenant: "county"})
	}
	b.ok(b.store.Loader.PutGrids(t.Context(), "county", grids))
	in := time.Date(2025, 11, 3, 4, 0, 0, 0, time.UTC)
	b.happened(in, first, map[casefile.Matter]int{casefile.IllegalAct: 20, casefile.MajorHazard: 3}, 4, 6)
	b.happened(in, second, map[casefile.Matter]int{casefile.IllegalAct: 10, casefile.MajorHazard: 12}, 7, 0)
	b.happened(in.AddDate(0, 3, 0), first, map[casefile.Matter]int{casefile.IllegalAct: 2}, 1, 1) // another quarter
	const quarter = "2025-Q4"

	b.now = time.Date(2026, 1, 30, 15, 59, 0, 0, time.UTC) // the 30th day has not ended in China
	if _, err := b.s.PublicFigures(t.Context(), "county", quarter); fault.KindOf(err) != fault.NotFound {
		t.Errorf("before the figures are due: got %v", err)
	}
	b.now = b.now.Add(2 * time.Hour)
	for _, other := range []string{"2026-Q1", "2020-Q1", "2025-Q5", "x", ""} {
		if _, err := b.s.PublicFigures(t.Context(), "county", other); fault.KindOf(err) != fault.NotFound {
			t.Errorf("%q: got %v", other, err)
		}
	}
	p, err := b.s.PublicFigures(t.Context(), "county", quarter)
	b.ok(err)
	n := func(v int) *int { return &v }
	want := map[workflow.Measure]casefile.Figures{
		workflow.ReceivedReports: {
			Cells:   [][]*int{{nil, nil, nil}, {nil, nil, nil}, {n(12), nil, nil}},
			Rows:    []*int{nil, nil, n(22)},
			Columns: []*int{nil, n(30), nil},
			Total:   n(45),
		},
		workflow.FoundHazards: {Cells: [][]*int{{nil}, {n(10)}, {nil}}, Rows: []*int{nil, n(10), nil}, Columns: []*int{n(17)}, Total: n(17)},
	}
	for _, table := range p.Tables {
		if w, ok := want[table.Measure]; ok {
			if diff := cmp.Diff(w, table.Figures); diff != "" {
				t.Errorf("%s (-want +got):\n%s", table.Measure, diff)
			}
		}
	}

	b.happened(in.Add(time.Hour), first, map[casefile.Matter]int{casefile.IllegalAct: 40}, 30, 30)
	again, err := b.s.PublicFigures(t.Context(), "county", quarter)
	b.ok(err)
	if diff := cmp.Diff(p, again); diff != "" {
		t.Errorf("a second look shows other figures:\n%s", diff)
	}

	tables, err := b.s.OfficeFigures(t.Context(), b.call("d1", casefile.DeskOfficer).Actor, quarter)
	b.ok(err)
	if diff := cmp.Diff([][]int{{0, 0, 0}, {3, 60, 0}, {12, 10, 0}}, tables[0].Counts); diff != "" {
		t.Errorf("the office reads (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([][]int{{0, 0, 0}, {2, 30, 0}, {6, 5, 0}}, tables[1].Counts); diff != "" {
		t.Errorf("concluded (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([][]int{{0}, {70}, {7}}, tables[2].Counts); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	town := casefile.Actor{Tenant: "county", Person: "d2", Posts: []casefile.Post{{Role: casefile.DeskOfficer, Area: second}}}
	tables, err = b.s.OfficeFigures(t.Context(), town, quarter)
	b.ok(err)
	if diff := cmp.Diff([][]int{{12, 10, 0}}, tables[0].Counts); diff != "" || len(tables[0].Areas) != 1 {
		t.Errorf("a township's desk reads (-want +got):\n%s", diff)
	}
	if _, err := b.s.OfficeFigures(t.Context(), town, "2025-Q9"); fault.CodeOf(err) != "figures.quarter" {
		t.Errorf("a quarter that is none: got %v", err)
	}
}
