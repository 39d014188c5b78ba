package app_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridwatch/server/casefile"
)

const deskPost = `[{"role": "desk_officer", "area": "220283000000", "from": "2026-01-01T00:00:00+08:00"}]`

// TestACountyIsWrittenDownByItsOperator imports a tenant and its people as the
// README says, from files with every mistake an operator can make first.
func TestACountyIsWrittenDownByItsOperator(t *testing.T) {
	t.Parallel()
	w := &world{dir: filepath.Join(t.TempDir(), "demo"), logs: &buffer{}, fcmURL: "http://127.0.0.1:1"}
	w.settings = w.engines(t)
	run := func(name, text string, args ...string) (string, error) {
		t.Helper()
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return w.at(t, time.Now(), append(args, path)...)
	}
	root := base64.StdEncoding.EncodeToString(make([]byte, 32))
	tenant := func(change string) string {
		fields := map[string]json.RawMessage{}
		for _, text := range []string{`{"id": "shulan", "name": "舒兰市应急管理局", "area": "220283000000", "root": "` + root + `"}`, change} {
			if err := json.Unmarshal([]byte(text), &fields); err != nil {
				t.Fatal(err)
			}
		}
		text, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	person := func(login, password, posts string) string {
		return `{"login": "` + login + `", "password": "` + password + `", "label": "desk", "posts": ` + posts + `}`
	}
	good := "a long enough password"
	people := []string{"people", "import", "--tenant", "shulan"}

	steps := []struct {
		name, text string
		args       []string
		says       []string // of the error; none is no error
	}{
		{"people before the tenant", "[" + person("desk1", good, deskPost) + "]", people, []string{"tenant.unknown"}},
		{"an area that is none", tenant(`{"area": "220283"}`), []string{"tenant", "import"}, []string{"/area: "}},
		{"no root, and a name of two lines", tenant(`{"root": "", "name": "a\nb"}`), []string{"tenant", "import"}, []string{"/root: ", "/name: "}},
		{"a level above that is not there", tenant(`{"id": "other", "above": "jilin"}`), []string{"tenant", "import"}, []string{"/above: tenant.above"}},
		{"a misspelt number", tenant(`{"policy": {"decideDay": 3}}`), []string{"tenant", "import"}, []string{`unknown field "decideDay"`}},
		{"a number of nothing", tenant(`{"policy": {"decideDays": 0}}`), []string{"tenant", "import"}, []string{"/policy/decideDays: "}},
		{"numbers that do not fit each other", tenant(`{"policy": {"coverFrom": 20, "coverTo": 8}}`), []string{"tenant", "import"}, []string{"/policy/coverFrom: policy.cover_day"}},
		{"no policy", tenant(`{}`), []string{"tenant", "import"}, nil},
		{"a number", tenant(`{"policy": {"decideDays": 7}}`), []string{"tenant", "import"}, nil},
		{"again without", tenant(`{}`), []string{"tenant", "import"}, nil},
		{"another root", tenant(`{"root": "` + strings.Replace(root, "A", "B", 1) + `"}`), []string{"tenant", "import"}, []string{"/root: keys.root"}},
		{"no people", "[]", people, []string{": : "}},
		{"not a list", person("desk1", good, deskPost), people, []string{"cannot unmarshal object"}},
		{
			"a short password and a role that is none", "[" + person("desk1", "12345678901", `[{"role": "chief", "area": "220283000000", "from": "2026-01-01T00:00:00+08:00"}]`) + "]",
			people,
			[]string{"/0/password: at least 12", "/0/posts/0/role: "},
		},
		{"somebody new without a password", `[{"login": "desk3", "label": "desk", "posts": []}]`, people, []string{"/0/password: account.no_password"}},
		{"one login for two, and a post elsewhere", "[" + person("desk1", good, deskPost) + "," + person("desk1", good, deskPost) + "," +
			person("desk2", good, strings.Replace(deskPost, "2202", "2101", 1)) + "]", people, []string{"/1/login: account.exists", "/2/posts: person.outside_area"}},
	}
	for _, s := range steps {
		_, err := run("file.json", s.text, s.args...)
		if (err == nil) != (len(s.says) == 0) {
			t.Errorf("%s: got %v", s.name, err)
		}
		for _, text := range s.says {
			if err != nil && !strings.Contains(err.Error(), text) {
				t.Errorf("%s: it says %q, without %q", s.name, err, text)
			}
		}
	}
	desks := func() int {
		t.Helper()
		found, err := w.store.Directory.Holders(t.Context(), "shulan", casefile.DeskOfficer)
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	if n := desks(); n != 0 {
		t.Errorf("got %d people of files with mistakes, want none", n)
	}
	if _, err := run("people.json", "["+person("desk1", good, deskPost)+"]", people...); err != nil || desks() != 1 {
		t.Errorf("got %v and %d people", err, desks())
	}
	again := `[{"login": "desk1", "label": "desk", "posts": []}]` // no post any more, the password as it is
	if _, err := run("people.json", again, people...); err != nil || desks() != 0 {
		t.Errorf("without a password: got %v and %d people at the desk", err, desks())
	}
	got, err := w.store.Directory.Tenant(t.Context(), "shulan")
	if err != nil || got.Policy.DecideDays != 7 || got.Policy.MaxItems != 10 {
		t.Errorf("got %v, %d days to decide and %d items, want what was said before and what a tenant begins with", err, got.Policy.DecideDays, got.Policy.MaxItems)
	}
}
