package mongostore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/storetest"
	"gridwatch/server/workflow"
)

// TestListsStream wants each list to have an index that gives it in its order:
// no scan of the collection, no sort. DocumentDB answers with PostgreSQL's plan,
// MongoDB with its own; both are read.
func TestListsStream(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	start := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	for i := range 40 {
		task := casefile.Task{Area: "220182103001001", Assigned: []string{fmt.Sprint(i % 9)}, Cause: fmt.Sprint(i % 5)}
		task.ID, task.Tenant, task.At = fmt.Sprint(i), "county", start.Add(time.Duration(i)*time.Minute)
		task.State = casefile.TaskMoves.States()[i%4]
		if err := s.Tasks.Insert(t.Context(), &task); err != nil {
			t.Fatal(err)
		}
	}
	one := []casefile.State{casefile.TaskSeen}
	two := []casefile.State{casefile.TaskSeen, casefile.TaskAssigned}
	after := workflow.Cursor{At: start.Add(time.Hour), ID: "60"}
	for name, row := range map[string]struct {
		q     workflow.Query
		index string
	}{
		"queue":             {workflow.Query{States: one}, "tenant_1_state_1_at_1__id_1"},
		"queue, next page":  {workflow.Query{States: one, After: after}, "tenant_1_state_1_at_1__id_1"},
		"queue of an area":  {workflow.Query{States: one, Areas: []string{"220182000000"}}, "tenant_1_state_1_at_1__id_1"},
		"states":            {workflow.Query{States: two}, "tenant_1_state_1_at_1__id_1"},
		"states, next page": {workflow.Query{States: two, After: after}, "tenant_1_state_1_at_1__id_1"},
		"all":               {workflow.Query{}, "tenant_1_at_1__id_1"},
		"own tasks":         {workflow.Query{Assigned: "3"}, "tenant_1_assigned_1_at_1__id_1"},
		"of a report":       {workflow.Query{Cause: "3"}, "tenant_1_cause_1_at_1__id_1"},
	} {
		row.q.Tenant, row.q.Limit = "county", 20
		plan, err := s.Explain(t.Context(), "task", row.index, row.q)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(plan, row.index) {
			t.Errorf("%s: the plan does not use %s: %s", name, row.index, plan)
		}
		for _, bad := range []string{`"Node Type":"Sort"`, `"Node Type":"Seq Scan"`, `"stage":"SORT"`, `"stage":"COLLSCAN"`} {
			if strings.Contains(plan, bad) {
				t.Errorf("%s: the plan has %s: %s", name, bad, plan)
			}
		}
	}
}
