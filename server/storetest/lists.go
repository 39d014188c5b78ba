package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/mongostore"
	"gridwatch/server/workflow"
)

// recorded finds tasks by the day until which their recordings are kept.
func recorded(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx, day := t.Context(), start()
	for id, recordings := range map[string][]casefile.Recording{
		"none": nil, "open": {{ID: "r"}}, "kept": {{ID: "r", Until: day.AddDate(0, 0, 1)}},
		"due": {{ID: "r"}, {ID: "q", Until: day.AddDate(0, 0, -1)}}, "due too": {{ID: "r", Until: day.AddDate(0, 0, -2)}},
	} {
		task := newTask(t, "county of "+id, id, start())
		task.Recordings = recordings
		ok(t, s.Tasks.Insert(ctx, task))
	}
	list := func(before time.Time, after string, limit int) []string {
		var ids []string
		for _, task := range must[[]workflow.TaskRef](t)(s.Tasks.Recorded(ctx, before, after, limit)) {
			ids = append(ids, task.ID)
			same(t, "tenant", task.Tenant, "county of "+task.ID)
		}
		return ids
	}
	same(t, "due", list(day, "", 9), []string{"due", "due too"})
	same(t, "a page", list(day, "", 1), []string{"due"})
	same(t, "the next page", list(day, "due", 1), []string{"due too"})
	same(t, "none", list(day.AddDate(0, 0, -2), "", 9), []string(nil))

	task := must[*casefile.Task](t)(s.Tasks.Get(ctx, "county of due", "due"))
	task.Recordings[1].Until, task.Recordings[1].RemovedOn = time.Time{}, "2026-03-01"
	move(t, &task.Head, "see", casefile.TaskSeen, start())
	ok(t, s.Tasks.Update(ctx, task, task.Version-1))
	same(t, "once it is removed", list(day, "", 9), []string{"due too"})
}

// collected finds tasks by the day until which what was collected is kept, also
// once that was made longer without a new version.
func collected(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx, day := t.Context(), start()
	for id, until := range map[string]time.Time{"never": {}, "now": day.AddDate(0, 0, -1), "now too": day.AddDate(0, 0, -2), "later": day.AddDate(0, 0, 1)} {
		task := newTask(t, "county of what was collected", id, start())
		task.Until = until
		ok(t, s.Tasks.Insert(ctx, task))
	}
	list := func(after string, limit int) []string {
		var ids []string
		for _, task := range must[[]workflow.TaskRef](t)(s.Tasks.Collected(ctx, day, after, limit)) {
			ids = append(ids, task.ID)
		}
		return ids
	}
	same(t, "due", list("", 9), []string{"now", "now too"})
	same(t, "the next page", list("now", 1), []string{"now too"})
	ok(t, s.Tasks.Prolong(ctx, "county of what was collected", "now", day, day.AddDate(1, 0, 0)))
	same(t, "after another day was read", list("", 9), []string{"now", "now too"})
	ok(t, s.Tasks.Prolong(ctx, "county of what was collected", "now", day.AddDate(0, 0, -1), day.AddDate(1, 0, 0)))
	same(t, "after it was made longer", list("", 9), []string{"now too"})
	task := must[*casefile.Task](t)(s.Tasks.Get(ctx, "county of what was collected", "now"))
	same(t, "its version", task.Version, int64(1))
	same(t, "its day", task.Until, day.AddDate(1, 0, 0))
}

func filters(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx := t.Context()
	for i, area := range []string{"220182000000", "220182103000", "220182103001001", "220182104001001", "220183001001001"} {
		task := newTask(t, "county", fmt.Sprint(i), start())
		task.Area, task.Cause = area, fmt.Sprint("report", i%2)
		task.Assigned = []string{fmt.Sprint("person", i), "all"}
		if i > 2 {
			task.State = casefile.TaskSeen
		}
		if i > 3 {
			task.State = casefile.TaskDone
		}
		ok(t, s.Tasks.Insert(ctx, task))
	}
	for name, row := range map[string]struct {
		q    workflow.Query
		want []string
	}{
		"tenant":             {workflow.Query{}, []string{"0", "1", "2", "3", "4"}},
		"state":              {workflow.Query{States: []casefile.State{casefile.TaskSeen}}, []string{"3"}},
		"states":             {workflow.Query{States: []casefile.State{casefile.TaskSeen, casefile.TaskAssigned}}, []string{"0", "1", "2", "3"}},
		"province":           {workflow.Query{Areas: []string{"220000000000"}}, []string{"0", "1", "2", "3", "4"}},
		"county":             {workflow.Query{Areas: []string{"220182000000"}}, []string{"0", "1", "2", "3"}},
		"township":           {workflow.Query{Areas: []string{"220182103000"}}, []string{"1", "2"}},
		"two townships":      {workflow.Query{Areas: []string{"220182103000", "220182104000"}}, []string{"1", "2", "3"}},
		"grid":               {workflow.Query{Areas: []string{"220182104001001"}}, []string{"3"}},
		"assigned":           {workflow.Query{Assigned: "person2"}, []string{"2"}},
		"assigned to many":   {workflow.Query{Assigned: "all"}, []string{"0", "1", "2", "3", "4"}},
		"cause":              {workflow.Query{Cause: "report1"}, []string{"1", "3"}},
		"cause, area, state": {workflow.Query{Cause: "report0", Areas: []string{"220182000000"}, States: []casefile.State{casefile.TaskAssigned}}, []string{"0", "2"}},
		"limit":              {workflow.Query{Limit: 2}, []string{"0", "1"}},
		"nothing":            {workflow.Query{Cause: "none"}, nil},
	} {
		row.q.Tenant = "county"
		var got []string
		for _, task := range must[[]casefile.Task](t)(s.Tasks.List(ctx, row.q)) {
			got = append(got, task.ID)
		}
		same(t, name, got, row.want)
	}

	head := newTask(t, "county", "x", start()).Head
	ok(t, s.Awards.Insert(ctx, &casefile.Award{Head: head, Report: "r"}))
	ok(t, s.Openings.Insert(ctx, &casefile.Opening{Head: head, Report: "r"}))
	ok(t, s.Leads.Insert(ctx, &casefile.Lead{Head: head, Report: "r"}))
	ok(t, s.Visits.Insert(ctx, &casefile.Visit{Head: head, Cause: "r"}))
	ok(t, s.Hazards.Insert(ctx, &casefile.Hazard{Head: head, Visit: "v", Cause: "r"}))
	ok(t, s.Penalties.Insert(ctx, &casefile.Penalty{Head: head, Visit: "v", Cause: "r"}))
	for _, wrong := range []bool{false, true} {
		report := workflow.Query{Tenant: "county", Report: "r"}
		visit := workflow.Query{Tenant: "county", Visit: "v"}
		cause := workflow.Query{Tenant: "county", Cause: "r"}
		want := 1
		if wrong {
			report.Report, visit.Visit, cause.Cause, want = "no", "no", "no", 0
		}
		same(t, "awards of a report", len(must[[]casefile.Award](t)(s.Awards.List(ctx, report))), want)
		same(t, "openings of a report", len(must[[]casefile.Opening](t)(s.Openings.List(ctx, report))), want)
		same(t, "leads of a report", len(must[[]casefile.Lead](t)(s.Leads.List(ctx, report))), want)
		same(t, "visits of a cause", len(must[[]casefile.Visit](t)(s.Visits.List(ctx, cause))), want)
		same(t, "hazards of a visit", len(must[[]casefile.Hazard](t)(s.Hazards.List(ctx, visit))), want)
		same(t, "penalties of a visit", len(must[[]casefile.Penalty](t)(s.Penalties.List(ctx, visit))), want)
		same(t, "penalties of a cause", len(must[[]casefile.Penalty](t)(s.Penalties.List(ctx, cause))), want)
	}
}

// pages walks a list whose times tie, and must meet each record once, in order.
func pages(t *testing.T, s *mongostore.Store) {
	t.Helper()
	type place struct {
		At time.Time
		ID string
	}
	var want []place
	for i := range 40 {
		at := start().Add(time.Duration(i/7) * time.Minute)
		task := newTask(t, "county", fmt.Sprintf("%02x", i*89%251), at)
		if i%2 == 1 {
			task.State = casefile.TaskDone
		}
		ok(t, s.Tasks.Insert(t.Context(), task))
		want = append(want, place{at, task.ID})
	}
	slices.SortFunc(want, func(a, b place) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	for name, states := range map[string][]casefile.State{
		"all": nil, "two states": {casefile.TaskDone, casefile.TaskAssigned},
	} {
		var got []place
		q := workflow.Query{Tenant: "county", States: states, Limit: 3}
		for {
			page := must[[]casefile.Task](t)(s.Tasks.List(t.Context(), q))
			if len(page) == 0 {
				break
			}
			for _, task := range page {
				got = append(got, place{task.At, task.ID})
			}
			last := page[len(page)-1]
			q.After = workflow.Cursor{At: last.At, ID: last.ID}
		}
		same(t, name, got, want)
	}
}
