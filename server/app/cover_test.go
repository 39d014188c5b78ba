package app_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
)

// TestBundleLooksAlike: of the tasks that a verification is handed out with,
// neither the inspector nor the township can tell which has a report behind it.
func TestBundleLooksAlike(t *testing.T) {
	t.Parallel()
	w := start(t)
	tenant, err := w.store.Directory.Tenant(t.Context(), demo.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	tenant.Policy.CoverHours = 0 // the wait has a test of its own
	if err := w.store.Loader.PutTenant(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	d := newDocket(t, w, casefile.Anonymous, casefile.IllegalAct).accept().confirm().describe()
	const inspector = "township-inspector" // has posts over more than one grid
	w.hire(t, demo.Tenant, inspector, casefile.Inspector, wukeshu)
	person := func() string {
		at := slices.IndexFunc(w.people, func(p demo.SignIn) bool { return p.Login == inspector })
		return w.people[at].Person
	}()
	verification := d.do("desk2", d.path("/assign"), object{"persons": []string{person}}, casefile.ReportVerifying).Ref

	var page struct{ Items []struct{ ID string } }
	awaited(t, "the bundle", func() bool {
		d.get(inspector, "/v1/field/tasks", &page)
		return len(page.Items) == 1+tenant.Policy.CoverTasks
	})
	for login, at := range map[string]string{inspector: "/v1/field/tasks/", "township1": "/v1/office/tasks/"} {
		var first map[string]string
		var header http.Header
		places := map[string]bool{}
		for _, task := range page.Items {
			a, err := w.as(t, login).Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: at + task.ID}, nil)
			if err != nil {
				t.Fatal(err)
			}
			shape := shapeOf(t, a.Body)
			places[shape[".placeName"]] = true
			for _, place := range []string{".placeName", ".place.lon", ".place.lat", ".grid", ".area"} {
				delete(shape, place)
			}
			a.Header.Del("Date")
			a.Header.Del("Content-Length")
			if first == nil {
				first, header = shape, a.Header
			}
			if diff := cmp.Diff(first, shape) + cmp.Diff(header, a.Header); diff != "" {
				t.Errorf("%s: the tasks of a bundle differ:\n%s", login, diff)
			}
		}
		if len(places) != len(page.Items) {
			t.Errorf("%s: got the places %v, want as many as tasks", login, places)
		}
	}
	var desk struct{ Cause string }
	if d.get("desk2", "/v1/office/tasks/"+verification, &desk); desk.Cause != d.report {
		t.Errorf("the desk: got the cause %q", desk.Cause)
	}
}
