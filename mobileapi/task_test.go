package mobileapi_test

import (
	"bytes"
	"image/jpeg"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gridwatch/mobileapi/wire"
	"gridwatch/server/casefile"
	"gridwatch/server/grid"
	"gridwatch/server/vault"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

const tasks = "/v1/field/tasks"

func target() grid.Place { return grid.Place{Lon: 126.55, Lat: 44.85, Datum: grid.DatumWGS84} }

// desk is a command of the desk.
func (r *rig) desk() workflow.Call {
	return workflow.Call{
		Actor: casefile.Actor{Tenant: "county", Person: "desk", Posts: []casefile.Post{{Role: casefile.DeskOfficer, Area: "220182000000"}}},
		Route: "test", Key: must(vault.ParseIdemKey(newKey())),
	}
}

// patrol plans a patrol and returns its id.
func (r *rig) patrol() string {
	r.t.Helper()
	return must(r.service.CreatePatrol(r.t.Context(), r.desk(), workflow.PatrolPlan{
		Persons: []string{"inspector"}, Place: target(), PlaceName: "demo works", Brief: "look at the gas store", Items: []string{"gas bottles"},
	})).ID
}

// checkOf takes a report with a picture to the inspector and returns the task.
func (r *rig) checkOf() string {
	r.t.Helper()
	ctx, s := r.t.Context(), r.service
	read[wire.Registration](r, r.form(reports, "", newKey(), jsonPart("report", report()), photo(picture(1))), http.StatusCreated)
	id := must(s.Reports.List(ctx, workflow.Query{Tenant: "county", Limit: 1}))[0].ID
	made := must(s.Reports.Get(ctx, "county", id))
	must(s.AcceptReport(ctx, r.desk(), id))
	must(s.ConfirmTarget(ctx, r.desk(), id, workflow.Target{Place: target(), Name: "demo works"}))
	must(s.WriteBrief(ctx, r.desk(), id, workflow.Brief{
		Text: "look at the gas store", Items: []casefile.Item{{Ref: made.Allegations[0].ID, Text: "gas bottles"}},
	}))
	for must(s.RelayOnce(ctx)) > 0 {
	}
	for must(s.CopyOnce(ctx, workflow.PhotoLane)) {
	}
	must(s.ReleaseEvidence(ctx, r.desk(), id, made.Evidence[0].ID, workflow.Release{}))
	out := must(s.AssignCheck(ctx, r.desk(), id, workflow.Assignment{Persons: []string{"inspector"}}))
	must(s.RelayOnce(ctx))
	return out.Ref
}

// A check of a report and a patrol have the same fields, none of which tells
// of a beginning or a cause.
func TestTasksLookAlike(t *testing.T) {
	t.Parallel()
	r := start(t)
	token := r.signIn("inspector").Access
	patrol, check := tasks+"/"+r.patrol(), tasks+"/"+r.checkOf()
	a, b := r.get(patrol, token), r.get(check, token)
	one, other := read[map[string]any](r, a, http.StatusOK), read[map[string]any](r, b, http.StatusOK)
	want := []string{"brief", "due", "evidence", "grid", "id", "items", "kind", "place", "placeName", "state", "version"}
	for _, v := range []map[string]any{one, other} {
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(v))); diff != "" {
			t.Error(diff)
		}
	}
	x, y := read[wire.Task](r, a, http.StatusOK), read[wire.Task](r, b, http.StatusOK)
	if x.Grid != inGrid || x.Place != (wire.Point{Lon: 126.55, Lat: 44.85, Datum: grid.DatumWGS84}) {
		t.Errorf("got grid %s, place %+v", x.Grid, x.Place)
	}
	y.ID, y.Items[0].Ref, y.Due = x.ID, x.Items[0].Ref, x.Due
	shown := y.Evidence
	y.Evidence = x.Evidence
	if diff := cmp.Diff(x, y); diff != "" {
		t.Error(diff)
	}
	r.lacks(b, "canary")

	if len(shown) != 1 || shown[0].Kind != "photo" {
		t.Fatalf("got evidence %+v", shown)
	}
	file := r.get(check+"/evidence/"+shown[0].ID, token)
	if _, err := jpeg.Decode(bytes.NewReader(file.body)); err != nil || file.status != http.StatusOK || file.header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("got %d %v, %v", file.status, file.header, err)
	}
	r.lacks(file, "canary")
	for name, a := range map[string]answer{
		"evidence of another task": r.get(patrol+"/evidence/"+shown[0].ID, token),
		"another's evidence":       r.get(check+"/evidence/"+shown[0].ID, r.signIn("other").Access),
		"another's task":           r.get(check, r.signIn("other").Access),
		"the desk":                 r.get(check, r.signIn("desk").Access),
	} {
		if a.status != http.StatusNotFound {
			t.Errorf("%s: got %d", name, a.status)
		}
	}
}

func TestTaskList(t *testing.T) {
	t.Parallel()
	r := start(t)
	var want []string
	for range 5 {
		want = append(want, r.patrol())
		r.clock.pass(time.Second)
	}
	token := r.signIn("inspector").Access
	var got []string
	for next, more := "", true; more; more = next != "" {
		a := r.get(tasks+"?limit=2&cursor="+next, token)
		r.lacks(a, r.clock.now().UTC().Format("2006-01-02T15:04"))
		page := read[web.Page[wire.Task]](r, a, http.StatusOK)
		for _, task := range page.Items {
			got = append(got, task.ID)
		}
		next = page.Next
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	r.post(tasks+"/"+want[0]+"/seen", token, newKey(), nil)
	for query, n := range map[string]int{"?state=SEEN": 1, "?state=ASSIGNED": 4, "?state=DONE": 0, "": 5} {
		page := read[web.Page[wire.Task]](r, r.get(tasks+query, token), http.StatusOK)
		if len(page.Items) != n || page.Next != "" || page.Items == nil {
			t.Errorf("%s: got %d tasks, want %d", query, len(page.Items), n)
		}
	}
	for query, want := range map[string]string{
		"?state=canary": "query.value ?state", "?limit=101": "query.value ?limit", "?cursor=canary": "page.cursor ?cursor",
		"?cursor=" + web.Cursor("canary"): "page.cursor ?cursor",
	} {
		a := r.get(tasks+query, token)
		if a.code() != want {
			t.Errorf("%s: got %s, want %s", query, a.code(), want)
		}
		r.lacks(a, "canary")
	}
	if page := read[web.Page[wire.Task]](r, r.get(tasks, r.signIn("other").Access), http.StatusOK); len(page.Items) != 0 {
		t.Errorf("another sees %d tasks", len(page.Items))
	}
}

func TestTaskIsWorked(t *testing.T) {
	t.Parallel()
	r := start(t)
	token, path := r.signIn("inspector").Access, tasks+"/"+r.patrol()
	task := read[wire.Task](r, r.get(path, token), http.StatusOK)
	key, want := newKey(), casefile.Outcome{ID: task.ID, State: casefile.TaskSeen, Version: 2}
	for range 2 {
		a := r.post(path+"/seen", token, key, nil)
		if got := read[casefile.Outcome](r, a, http.StatusOK); got != want || a.header.Get("ETag") != `"2"` {
			t.Errorf("got %+v %s, want %+v", got, a.header.Get("ETag"), want)
		}
	}
	if got := read[casefile.Outcome](r, r.post(path+"/acknowledge", token, newKey(), nil), http.StatusOK); got.State != casefile.TaskAcknowledged {
		t.Errorf("got %s", got.State)
	}

	away := wire.Result{
		Findings: []wire.Finding{{Ref: task.Items[0].Ref, Finding: casefile.Substantiated, Text: "seen from the road"}},
		Position: grid.Place{Lon: 126.7, Lat: 44.85, Datum: grid.DatumWGS84, AccuracyM: 8},
	}
	unknown := away
	unknown.Findings = []wire.Finding{{Ref: newKey(), Finding: casefile.Unable}}
	open := away
	open.Findings = []wire.Finding{}
	for want, parts := range map[string][]part{
		"task.outside /whyOutside":    {jsonPart("result", away), photo(picture(1))},
		"task.unknown_item /findings": {jsonPart("result", unknown)},
		"task.items_open /findings":   {jsonPart("result", open)},
		"body.parts /result":          {},
		"body.parts /*":               {jsonPart("report", away)},
		"body.part_order /evidence":   {photo(picture(1)), jsonPart("result", away)},
	} {
		if a := r.form(path+"/result", token, newKey(), parts...); a.code() != want {
			t.Errorf("got %d %s, want %s", a.status, a.code(), want)
		}
	}

	away.WhyOutside = "the road is flooded"
	key = newKey()
	first := r.form(path+"/result", token, key, jsonPart("result", away), photo(picture(1)))
	if got := read[casefile.Outcome](r, first, http.StatusOK); got.State != casefile.TaskDone {
		t.Errorf("got %s", got.State)
	}
	if a := r.form(path+"/result", token, key, jsonPart("result", away), photo(picture(1))); !bytes.Equal(a.body, first.body) {
		t.Errorf("a repeat: got %d %s, want %s", a.status, a.body, first.body)
	}
	if a := r.form(path+"/result", token, key, jsonPart("result", away), photo(picture(2))); a.code() != "idempotency.other_body" {
		t.Errorf("another picture: got %s", a.code())
	}
	stored := must(r.service.Tasks.Get(t.Context(), "county", task.ID))
	if stored.Result.InGrid || stored.Result.WhyOutside != away.WhyOutside || len(stored.Collected) != 1 {
		t.Errorf("got %+v", stored)
	}

	inside := read[wire.Task](r, r.get(tasks+"/"+r.patrol(), token), http.StatusOK)
	in := wire.Result{Findings: []wire.Finding{{Ref: inside.Items[0].Ref, Finding: casefile.Unsubstantiated}}, Position: target()}
	read[casefile.Outcome](r, r.form(tasks+"/"+inside.ID+"/result", token, newKey(), jsonPart("result", in)), http.StatusOK)
	if got := must(r.service.Tasks.Get(t.Context(), "county", inside.ID)).Result; !got.InGrid {
		t.Errorf("got %+v", got)
	}
}
