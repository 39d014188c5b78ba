package storetest

import (
	"sync"
	"testing"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/mongostore"
	"gridwatch/server/workflow"
)

// publish lets many publish one quarter at once: all get what one of them wrote.
func publish(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx := t.Context()
	kept := make([]int, racers)
	var group sync.WaitGroup
	for i := range racers {
		group.Go(func() {
			p, err := s.Statistics.Publish(ctx, workflow.Publication{
				ID: "county:2026-Q1", Tenant: "county", Quarter: "2026-Q1", Under: i + 1,
				Tables: []workflow.PublishedTable{{Measure: workflow.FoundHazards, Figures: casefile.Suppress([][]int{{i + 9}, {8}}, 5)}},
			})
			if err != nil {
				t.Error(err)
			}
			kept[i] = p.Under
		})
	}
	group.Wait()
	p := must[workflow.Publication](t)(s.Statistics.Published(ctx, "county", "county:2026-Q1"))
	for i, under := range kept {
		if under != p.Under || *p.Tables[0].Cells[0][0] != p.Under+8 || *p.Tables[0].Figures.Columns[0] != p.Under+16 {
			t.Errorf("publisher %d: got that of %d, want that of %d whole", i, under, p.Under)
		}
	}
	_, err := s.Statistics.Published(ctx, "other", "county:2026-Q1")
	refused(t, err, fault.NotFound, "record.not_found")

	r := &casefile.Report{Head: newTask(t, "county", "r", start()).Head, Area: "220182100201001"}
	r.Allegations = []casefile.Allegation{{ID: "a", Matter: casefile.IllegalAct}, {ID: "b", Matter: casefile.IllegalAct}, {ID: "c", Matter: casefile.MajorHazard}}
	ok(t, s.Reports.Insert(ctx, r))
	count := func(tenant string, from time.Time, days int) int {
		n := 0
		for _, c := range must[[]workflow.Counted](t)(s.Statistics.Received(ctx, tenant, workflow.Span{From: from, To: from.AddDate(0, 0, days)})) {
			n += c.N
		}
		return n
	}
	same(t, "matters of the day", count("county", start(), 1), 2)
	same(t, "matters of the day before", count("county", start().AddDate(0, 0, -1), 1), 0)
	same(t, "another tenant's", count("other", start(), 1), 0)
}
