package app_test

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/grid"
	"gridwatch/server/vault"
)

const (
	tooMany   = "server.too_many"
	wukeshu   = "220182100000" // 五棵树镇, where these cases happen
	publicURL = "/v1/public/" + demo.Tenant + "/reports"
)

// docket is one report on its way through the offices. Its steps fail the test
// when they are refused.
type docket struct {
	t *testing.T
	w *world

	target   grid.WGS84
	number   string
	code     string // receipt code
	report   string
	matters  []casefile.Matter
	items    []string // ids of the allegations
	patroler string   // login of who has the patrol task
	patrol   string   // task
	task     string   // of the inspection
	visit    string
	penalty  string
	award    string
	opening  string
}

// object is a JSON object.
type object = map[string]any

func newKey(t *testing.T) string {
	t.Helper()
	key, err := vault.NewID(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newDocket registers a report with one allegation for each matter.
func newDocket(t *testing.T, w *world, mode casefile.Mode, matters ...casefile.Matter) *docket {
	t.Helper()
	d := &docket{t: t, w: w, target: w.centre(t, wukeshu), matters: matters}
	body := object{
		"mode": mode, "narrative": "Gas bottles stand beside a stove.", "targetText": "the workshop by the road",
		"target": object{"lon": d.target.Lon, "lat": d.target.Lat, "datum": "wgs84"},
	}
	var allegations []object
	for _, m := range matters {
		allegations = append(allegations, object{"matter": m, "text": "a thing that is wrong"})
	}
	body["allegations"] = allegations
	if mode == casefile.RealName {
		body["identity"] = object{"name": "demo reporter"}
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	var out struct{ Number, Code string }
	call := apiclient.Call{Method: http.MethodPost, Path: publicURL, Key: newKey(t), Form: new(apiclient.Form).JSON("report", text)}
	if _, err := w.anyone().Do(t.Context(), call, &out); err != nil {
		t.Fatal(err)
	}
	d.number, d.code = out.Number, out.Code
	d.find()
	return d
}

// find looks the report up in the desk's queue.
func (d *docket) find() {
	d.t.Helper()
	type row struct{ ID, Number string }
	var queue struct{ Items []row }
	d.get("desk2", "/v1/office/reports?limit=100&state=RECEIVED", &queue)
	at := slices.IndexFunc(queue.Items, func(r row) bool { return r.Number == d.number })
	if at < 0 {
		d.t.Fatalf("the queue does not list the report")
	}
	d.report = queue.Items[at].ID
	var seen struct{ Allegations []struct{ ID string } }
	d.get("desk2", d.path(""), &seen)
	for _, a := range seen.Allegations {
		d.items = append(d.items, a.ID)
	}
}

// centre returns a point inside the first grid under an area.
func (w *world) centre(t *testing.T, area string) grid.WGS84 {
	t.Helper()
	grids, err := w.store.Directory.Grids(t.Context(), demo.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range grids {
		if g.Code.Under(grid.Code(area)) {
			return g.Centre()
		}
	}
	t.Fatalf("no grid lies under %s", area)
	return grid.WGS84{}
}

func (d *docket) path(part string) string        { return "/v1/office/reports/" + d.report + part }
func (d *docket) penaltyPath(part string) string { return "/v1/office/penalties/" + d.penalty + part }
func (d *docket) awardPath(part string) string   { return "/v1/office/awards/" + d.award + part }
func (d *docket) openingPath(part string) string { return "/v1/custody/openings/" + d.opening + part }

func (d *docket) get(login, path string, out any) {
	d.t.Helper()
	if err := d.send(login, apiclient.Call{Method: http.MethodGet, Path: path}, out); err != nil {
		d.t.Fatal(err)
	}
}

// send asks again when the account has asked too often.
func (d *docket) send(login string, call apiclient.Call, out any) error {
	d.t.Helper()
	var err error
	awaited(d.t, "room for the account", func() bool {
		_, err = d.w.as(d.t, login).Do(d.t.Context(), call, out)
		return apiclient.CodeOf(err) != tooMany
	})
	return err
}

// try asks for a command under a key.
func (d *docket) try(login, path, key string, body any) (casefile.Outcome, error) {
	d.t.Helper()
	var out casefile.Outcome
	return out, d.send(login, apiclient.Call{Method: http.MethodPost, Path: path, Key: key, Body: body}, &out)
}

// do carries a command out that leads to a state.
func (d *docket) do(login, path string, body any, want casefile.State) casefile.Outcome {
	d.t.Helper()
	out, err := d.try(login, path, newKey(d.t), body)
	if err != nil {
		d.t.Fatalf("%s: %v", login, err)
	}
	if out.State != want {
		d.t.Fatalf("%s by %s: got %s, want %s", path, login, out.State, want)
	}
	return out
}

// refused fails unless a command is refused with a code.
func (d *docket) refused(login, path string, body any, code string) {
	d.t.Helper()
	if out, err := d.try(login, path, newKey(d.t), body); apiclient.CodeOf(err) != code {
		d.t.Errorf("%s by %s: got %q %v, want %s", path, login, out.State, err, code)
	}
}

func persons(logins ...string) []string {
	var ids []string
	for _, login := range logins {
		ids = append(ids, demo.Tenant+"-"+login)
	}
	return ids
}

func (d *docket) place() object {
	return object{"lon": d.target.Lon, "lat": d.target.Lat, "datum": "wgs84"}
}

func (d *docket) accept() *docket {
	d.t.Helper()
	d.do("desk2", d.path("/accept"), nil, casefile.ReportAccepted)
	return d
}

func (d *docket) confirm() *docket {
	d.t.Helper()
	d.do("desk2", d.path("/target"), object{"place": d.place(), "name": "demo workshop"}, casefile.ReportAccepted)
	return d
}

func (d *docket) brief() object {
	var items []object
	for _, id := range d.items {
		items = append(items, object{"ref": id, "text": "Storage of gas bottles"})
	}
	return object{"text": "Patrol of a workshop", "items": items}
}

func (d *docket) describe() *docket {
	d.t.Helper()
	d.do("desk2", d.path("/brief"), d.brief(), casefile.ReportAccepted)
	return d
}

// assign gives the patrol task to an inspector of the place.
func (d *docket) assign() *docket {
	d.t.Helper()
	var suggested struct{ Items []struct{ Person string } }
	d.get("desk2", d.path("/assignees"), &suggested)
	person := suggested.Items[0].Person
	d.patroler = person[len(demo.Tenant)+1:]
	d.patrol = d.do("desk2", d.path("/assign"), object{"persons": []string{person}, "imminent": true}, casefile.ReportVerifying).Ref
	d.awaitTask(d.patroler, d.patrol)
	return d
}

// order sends two officers to inspect.
func (d *docket) order() *docket {
	d.t.Helper()
	d.task = d.do("desk2", d.path("/inspection"), object{"persons": persons("enforcer1", "enforcer2"), "imminent": true}, casefile.ReportVerifying).Ref
	d.awaitTask("enforcer1", d.task)
	return d
}

func (d *docket) awaitTask(login, id string) {
	d.t.Helper()
	awaited(d.t, "the task", func() bool {
		_, err := d.w.as(d.t, login).Do(d.t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/field/tasks/" + id}, nil)
		return err == nil
	})
}

// findings says of every item, in order, what was found; the last word holds
// for the rest.
func (d *docket) findings(found ...casefile.Finding) []object {
	var out []object
	for i, id := range d.items {
		out = append(out, object{"ref": id, "finding": found[min(i, len(found)-1)]})
	}
	return out
}

// inspection is the record that an officer files.
func (d *docket) inspection(found ...casefile.Finding) object {
	return object{
		"task": d.task, "on": time.Now().Add(-time.Minute).UTC().Format(time.RFC3339), "place": d.place(), "party": "demo workshop",
		"record": "Three gas bottles stand beside a stove.", "findings": d.findings(found...),
		"unit": object{"signed": true, "by": "person on duty"},
	}
}

func (d *docket) inspect(found ...casefile.Finding) *docket {
	d.t.Helper()
	d.visit = d.do("enforcer1", "/v1/office/inspections", d.inspection(found...), casefile.VisitFiled).ID
	return d
}

func (d *docket) sign() *docket {
	d.t.Helper()
	d.do("enforcer2", "/v1/office/inspections/"+d.visit+"/sign", nil, casefile.VisitSigned)
	return d
}

func (d *docket) conclusion(found ...casefile.Finding) object {
	return object{"record": "Inspected.", "findings": d.findings(found...)}
}

// verify goes from the acceptance to a signed inspection.
func (d *docket) verify(found ...casefile.Finding) *docket {
	d.t.Helper()
	return d.accept().confirm().describe().assign().order().inspect(found...).sign()
}

func (d *docket) conclude(found ...casefile.Finding) *docket {
	d.t.Helper()
	d.do("leader1", d.path("/conclude"), d.conclusion(found...), casefile.ReportConcluded)
	return d
}
