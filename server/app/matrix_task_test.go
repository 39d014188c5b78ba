package app_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gridwatch/server/app/apiclient"
)

var anID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// shape says of every value where it stands and of what form it is. Released
// pictures are left out: a patrol that was planned has none, as has many a
// report.
func shape(at string, v any, into map[string]string) map[string]string {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			shape(at+"."+name, v[name], into)
		}
	case []any:
		into[at] = "list"
		for i, item := range v {
			if at != ".evidence" {
				shape(fmt.Sprintf("%s[%d]", at, i), item, into)
			}
		}
	case string:
		into[at] = "text " + v
		if anID.MatchString(v) {
			into[at] = "id"
		} else if _, err := time.Parse(time.RFC3339Nano, v); err == nil {
			into[at] = "time"
		}
	default:
		into[at] = fmt.Sprintf("%T %v", v, v)
	}
	return into
}

func shapeOf(t *testing.T, text []byte) map[string]string {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return shape("", v, map[string]string{})
}

// alikeTasks compares a patrol of a report with one of a plan in the same
// words: for the inspector, for the township, and in the push. Both are done then.
func alikeTasks(t *testing.T, c *filedCase) {
	t.Helper()
	const field, office = "/v1/field/tasks", "/v1/office/tasks"
	alike(t, c, c.inspector, http.MethodGet, field, "")
	alikeRows(t, c, c.inspector, field)
	alikePushes(t, c)
	alike(t, c, c.inspector, http.MethodPost, field, "/seen")
	alike(t, c, "township1", http.MethodGet, office, "")
	alike(t, c, c.inspector, http.MethodPost, field, "/acknowledge")
	alike(t, c, c.inspector, http.MethodGet, field, "")
	alike(t, c, c.inspector, http.MethodPost, field, "/result")
	alike(t, c, "township1", http.MethodGet, office, "")
	alikeRows(t, c, "township1", office)

	var task struct {
		Evidence []struct{ ID string }
	}
	c.get("township1", office+"/"+c.ids["task"], &task)
	c.ids["found"] = task.Evidence[0].ID
}

// alike compares what is answered of the two.
func alike(t *testing.T, c *filedCase, login, method, path, part string) {
	t.Helper()
	var shapes []map[string]string
	var headers []http.Header
	for _, id := range []string{c.ids["task"], c.ids["planned"]} {
		call := apiclient.Call{Method: method, Path: path + "/" + id + part}
		if method == http.MethodPost {
			call.Key = freshKey()
		}
		if part == "/result" {
			var task struct{ Items []struct{ Ref string } }
			c.get(login, path+"/"+id, &task)
			call.Form = c.result(map[string]string{"allegation": task.Items[0].Ref})
		}
		a, err := c.client(login).Do(t.Context(), call, nil)
		if err != nil {
			t.Fatal(err)
		}
		a.Header.Del("Date")
		a.Header.Del("Content-Length") // differs by the released picture and the digits of times
		shapes, headers = append(shapes, shapeOf(t, a.Body)), append(headers, a.Header)
	}
	if diff := cmp.Diff(shapes[0], shapes[1]) + cmp.Diff(headers[0], headers[1]); diff != "" {
		t.Errorf("%s %s%s as %s: a report's differs from a plan's (-report +plan):\n%s", method, path, part, login, diff)
	}
}

// alikeRows compares them in a list.
func alikeRows(t *testing.T, c *filedCase, login, path string) {
	t.Helper()
	ids := []string{c.ids["task"], c.ids["planned"]}
	var page struct{ Items []json.RawMessage }
	c.get(login, path, &page)
	var rows []map[string]string
	for _, id := range ids {
		for _, item := range page.Items {
			var head struct {
				ID string `json:"id"`
			}
			if err := json.Unmarshal(item, &head); err != nil {
				t.Fatal(err)
			}
			if head.ID == id {
				rows = append(rows, shapeOf(t, item))
			}
		}
	}
	if len(rows) != len(ids) {
		t.Fatalf("%s as %s: got %d of the tasks, want %d", path, login, len(rows), len(ids))
	}
	if diff := cmp.Diff(rows[0], rows[1]); diff != "" {
		t.Errorf("%s as %s: (-report +plan):\n%s", path, login, diff)
	}
}

// alikePushes compares the pushes, once both have come.
func alikePushes(t *testing.T, c *filedCase) {
	t.Helper()
	ids := []string{c.ids["task"], c.ids["planned"]}
	bodies := map[string]map[string]string{}
	awaited(t, "a push of each task", func() bool {
		for _, m := range c.fcm.Received() {
			for _, p := range c.fcm.Shown(c.phone()) {
				if m.Token == c.phone() && within(m.Body, p.Ref) {
					bodies[p.Ref] = shapeOf(t, m.Body)
				}
			}
		}
		return len(bodies) == len(ids)
	})
	if diff := cmp.Diff(bodies[ids[0]], bodies[ids[1]]); diff != "" || bodies[ids[0]] == nil {
		t.Errorf("pushes differ (-report +plan):\n%s", diff)
	}
}
