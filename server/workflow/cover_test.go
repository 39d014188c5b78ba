package workflow_test

import (
	"slices"
	"testing"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/grid"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// verifiable is a report that waits for its assignment.
func (b *bench) verifiable(matter casefile.Matter) string {
	b.t.Helper()
	out, err := b.s.Register(b.t.Context(), workflow.Submission{
		Tenant: "county", Key: b.key(), Body: []byte(`{}`), Channel: "web", Mode: casefile.Anonymous, Narrative: "narrative",
		Allegations: []workflow.SubmittedAllegation{{Matter: matter, Text: "text"}}, Files: noFiles{},
		Identity: &vault.Identity{Relation: vault.RelationNone}, Contact: &vault.Contact{},
	})
	b.ok(err)
	actor, err := b.s.OpenReceipt(b.t.Context(), out.Code.Reveal())
	b.ok(err)
	desk := func() workflow.Call { return b.call("d1", casefile.DeskOfficer) }
	_, err = b.s.AcceptReport(b.t.Context(), desk(), actor.Report)
	b.ok(err)
	_, err = b.s.ConfirmTarget(b.t.Context(), desk(), actor.Report, workflow.Target{
		Place: grid.Place{Lon: 126.2, Lat: 44.8, Datum: grid.DatumWGS84}, Name: "workshop of the report",
	})
	b.ok(err)
	r, err := b.store.Reports.Get(b.t.Context(), "county", actor.Report)
	b.ok(err)
	_, err = b.s.WriteBrief(b.t.Context(), desk(), actor.Report, workflow.Brief{
		Text: "Storage of gas bottles", Items: []casefile.Item{{Ref: r.Allegations[0].ID, Text: "Distance to fire"}},
	})
	b.ok(err)
	return actor.Report
}

// inspector appoints one for the county.
func (b *bench) inspector(id string, ties ...casefile.Tie) casefile.Actor {
	b.t.Helper()
	p := casefile.Person{
		ID: id, Tenant: "county", Login: id, Posts: []casefile.Post{{Role: casefile.Inspector, Area: county, From: b.now.AddDate(-1, 0, 0)}}, Ties: ties,
	}
	b.ok(b.store.Loader.PutPerson(b.t.Context(), p, workflow.Account{}))
	return casefile.Actor{Tenant: "county", Person: id, Posts: p.Posts, Ties: ties}
}

// relay carries out what is due.
func (b *bench) relay() {
	b.t.Helper()
	for {
		n, err := b.s.RelayOnce(b.t.Context())
		b.ok(err)
		if n == 0 {
			return
		}
	}
}

func (b *bench) tasksOf(who casefile.Actor) []casefile.Task {
	b.t.Helper()
	tasks, err := b.s.MyTasks(b.t.Context(), who, workflow.Query{Limit: 100})
	b.ok(err)
	return tasks
}

// TestVerificationWaits: what is not urgent is handed out after a wait that is
// drawn, in the hours of the day in which tasks are handed out, and until then
// no trace of it is found by anybody; the task then is as one that was planned
// at that time. What is urgent is handed out at once.
func TestVerificationWaits(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	who := b.inspector("inspector")
	p := b.policy()
	p.CoverTasks = 0
	b.ok(b.importer().Tenant(t.Context(), workflow.Tenant{ID: "county", Name: "demo county", Area: county, Root: b.custody.Root.Public(), Policy: p}))
	assign := func(report string, in workflow.Assignment) string {
		in.Persons = []string{"inspector"}
		out, err := b.s.AssignCheck(t.Context(), b.call("d1", casefile.DeskOfficer), report, in)
		b.ok(err)
		return out.Ref
	}
	at := b.now
	var waiting []string
	for range 8 {
		waiting = append(waiting, assign(b.verifiable(casefile.IllegalAct), workflow.Assignment{}))
	}
	soon := assign(b.verifiable(casefile.IllegalAct), workflow.Assignment{Due: at.Add(2 * time.Hour)})
	now := []string{
		assign(b.verifiable(casefile.IllegalAct), workflow.Assignment{Imminent: true}),
		assign(b.verifiable(casefile.ConcealedAccident), workflow.Assignment{}),
	}
	b.relay()
	for _, task := range b.tasksOf(who) {
		if !slices.Contains(now, task.ID) && task.At.After(b.now) {
			t.Errorf("task %s is there before its time", task.ID)
		}
		now = slices.DeleteFunc(now, func(id string) bool { return id == task.ID })
	}
	if len(now) > 0 {
		t.Errorf("%d of the urgent ones wait", len(now))
	}
	if len(b.tasksOf(who)) > 4 { // 8 waits of 20 open hours: five over at once is one in a hundred thousand
		t.Error("nothing waits")
	}
	_, err := b.s.ReadTask(t.Context(), b.call("t1", casefile.TownshipOfficer).Actor, waiting[0])
	if held := fault.KindOf(err) == fault.NotFound; !held {
		t.Logf("the first wait was drawn as nought")
	}

	b.now = at.Add(time.Hour)
	b.relay()
	if _, err := b.s.MyTask(t.Context(), who, soon); err != nil {
		t.Errorf("after half of the time until it is due: %v", err)
	}
	b.now = at.Add(48 * time.Hour)
	b.relay()
	released := map[time.Time]bool{}
	for _, id := range waiting {
		task, err := b.s.MyTask(t.Context(), who, id)
		if err != nil {
			t.Errorf("after the longest wait: %v", err)
			continue
		}
		released[task.At] = true
		hour := task.At.In(workflow.Shanghai()).Hour()
		if task.At.Before(at) || task.At.After(at.Add(48*time.Hour)) || hour < p.CoverFrom || hour >= p.CoverTo {
			t.Errorf("handed out at %s, want it within 48 hours of %s and by day", task.At, at)
		}
		if !task.Timeline[0].At.Equal(task.At) || task.Version != 1 || !task.Due.Equal(task.At.Add(time.Duration(p.TaskHours)*time.Hour)) {
			t.Errorf("got %+v, want a task as if planned at that time", task.Head)
		}
	}
	if len(released) < 6 {
		t.Errorf("got %d different times of %d", len(released), len(waiting))
	}
}

// TestVerificationIsBundled: the inspector gets it among patrols in the same
// words at places that are patrolled anyhow, without a tie to any of them, and
// in an order that tells nothing.
func TestVerificationIsBundled(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	who := b.inspector("inspector", casefile.Tie{Firm: "the cousin's mill"})
	p := b.policy()
	p.CoverHours = 0
	b.ok(b.importer().Tenant(t.Context(), workflow.Tenant{ID: "county", Name: "demo county", Area: county, Root: b.custody.Root.Public(), Policy: p}))
	for i, name := range []string{"the cousin's mill", "bakery", "joinery", "paint shop"} {
		task := &casefile.Task{Kind: casefile.Patrol, Area: county, PlaceName: name, Place: casefile.Place{Lon: 126.2, Lat: 44.8 + float64(i)/1000, Datum: "wgs84"}}
		task.ID, task.Tenant, task.At, task.Version, task.Seq = name, "county", b.now.AddDate(0, 0, -3), 1, 1
		b.ok(b.store.Tasks.Insert(t.Context(), task))
	}
	first, places := 0, map[string]bool{}
	const rounds = 14
	for range rounds {
		report := b.verifiable(casefile.IllegalAct)
		before := b.tasksOf(who)
		_, err := b.s.AssignCheck(t.Context(), b.call("d1", casefile.DeskOfficer), report, workflow.Assignment{Persons: []string{"inspector"}})
		b.ok(err)
		r, err := b.store.Reports.Get(t.Context(), "county", report)
		b.ok(err)
		var order []string
		for _, e := range r.Pending {
			if e.Task != nil {
				order = append(order, e.Task.Cause)
			}
		}
		if slices.Index(order, report) == 0 {
			first++
		}
		b.relay()
		tasks := slices.DeleteFunc(b.tasksOf(who), func(task casefile.Task) bool {
			return slices.ContainsFunc(before, func(old casefile.Task) bool { return old.ID == task.ID })
		})
		if len(tasks) != 1+p.CoverTasks {
			t.Fatalf("got %d tasks, want the verification and %d more", len(tasks), p.CoverTasks)
		}
		for _, task := range tasks {
			places[task.PlaceName] = true
			if !task.At.Equal(tasks[0].At) || !task.Due.Equal(tasks[0].Due) || task.Kind != tasks[0].Kind || task.Brief != tasks[0].Brief ||
				len(task.Items) != 1 || task.Items[0].Text != tasks[0].Items[0].Text || len(task.Items[0].Ref) != len(tasks[0].Items[0].Ref) ||
				task.Version != 1 || len(task.Timeline) != 1 || task.Timeline[0].By != tasks[0].Timeline[0].By {
				t.Errorf("the tasks of a bundle differ: %+v, %+v", task, tasks[0])
			}
		}
	}
	if places["the cousin's mill"] || !places["bakery"] || !places["workshop of the report"] {
		t.Errorf("got the places %v, want none with a tie", places)
	}
	if first == rounds { // one in 3^14
		t.Error("the verification always comes first")
	}
	urgent := b.verifiable(casefile.IllegalAct)
	before := len(b.tasksOf(who))
	_, err := b.s.AssignCheck(t.Context(), b.call("d1", casefile.DeskOfficer), urgent, workflow.Assignment{Persons: []string{"inspector"}, Imminent: true})
	b.ok(err)
	b.relay()
	if got := len(b.tasksOf(who)) - before; got != 1 {
		t.Errorf("got %d tasks where danger is imminent, want it alone", got)
	}
	tied := b.inspector("tied", casefile.Tie{Firm: "workshop of the report"})
	_, err = b.s.AssignCheck(t.Context(), b.call("d1", casefile.DeskOfficer), b.verifiable(casefile.IllegalAct), workflow.Assignment{Persons: []string{tied.Person}})
	b.refused(err, "officer.tie")
}
