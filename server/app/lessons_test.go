package app_test

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gridwatch/media/mediatest"
	"gridwatch/server/app"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/casefile"
)

// top is the folder of the module.
const top = "../.."

// visit calls see for every file of the module with one of some names' endings.
func visit(t *testing.T, see func(path string, text []byte), endings ...string) {
	t.Helper()
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if slices.Contains([]string{".git", ".stack", "node_modules"}, entry.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if !slices.ContainsFunc(endings, func(end string) bool { return strings.HasSuffix(path, end) }) {
			return nil
		}
		text, err := os.ReadFile(path)
		see(path, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestEveryTestOfTheThreatModelExists reads SECURITY.md: a row that names no
// test, or one that is not there, promises what nobody checks.
func TestEveryTestOfTheThreatModelExists(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(top, "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	exist := map[string]bool{}
	visit(t, func(_ string, text []byte) {
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			exist[m[1]] = true
		}
	}, "_test.go")
	named := regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w+`)
	for _, name := range named.FindAllString(string(text), -1) {
		if !exist[name] {
			t.Errorf("SECURITY.md names %s, which is no test", name)
		}
	}
	rows := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(strings.TrimSpace(cells[0]), "---") || strings.Contains(line, " test |") {
			continue
		}
		rows++
		if last := cells[len(cells)-1]; !named.MatchString(last) && !strings.Contains(last, "None:") {
			t.Errorf("this row names neither a test nor why there is none: %s", line)
		}
	}
	if rows < 29 {
		t.Errorf("got %d rows, want those of nine adversaries and twenty lessons", rows)
	}
}

// TestFileNamesAreNeverPaths: what a sender calls a file is data for the desk.
// It is in no object's key, opens no other folder, and steers no header.
func TestFileNamesAreNeverPaths(t *testing.T) {
	t.Parallel()
	w := start(t)
	key := regexp.MustCompile(`^[a-z0-9]+(/[0-9a-f-]+)+$`)
	for _, name := range []string{
		"../../../../tmp/escaped.jpg", `..\..\escaped.jpg`, "/etc/cron.d/escaped", `C:\escaped.jpg`, "escaped.jpg/../../../x", "..", "",
		"<script>escaped</script>.svg", "escaped\"; filename=\"other.html", "escaped\r\nX-Escaped: 1", strings.Repeat("escaped", 40), "逃.jpg\u202egpj.exe",
	} {
		p := newParcel(t)
		text, err := json.Marshal(map[string]any{
			"mode": casefile.Anonymous, "narrative": "n", "targetText": "t", "allegations": []doc{{"matter": casefile.IllegalAct, "text": "t"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		photo := mediatest.Picture(mediatest.Options{Width: 64, Height: 48})
		form := new(apiclient.Form).JSON("report", text).File("evidence", name, "image/jpeg", photo)
		a, err := w.anyone().Do(t.Context(), apiclient.Call{Method: http.MethodPost, Path: reportsPath, Key: p.key, Form: form}, nil)
		if a.Status != http.StatusCreated && a.Status != http.StatusBadRequest {
			t.Errorf("%q: got %d, %v", name, a.Status, err)
		}
		if strings.Contains(string(a.Body), "escaped") || a.Header.Get("X-Escaped") != "" {
			t.Errorf("%q comes back in the answer: %v %s", name, a.Header, a.Body)
		}
	}
	objects := 0
	err := w.objects.List(t.Context(), "", func(at string, _ time.Time) error {
		if objects++; !key.MatchString(at) {
			t.Errorf("got the object %s, whose key is not random alone", at)
		}
		return nil
	})
	if err != nil || objects < 5 {
		t.Fatalf("got %d objects, %v", objects, err)
	}
	desk := w.as(t, "desk1")
	w.allSettled(t)
	for _, r := range w.reports(t) {
		for _, item := range r.Evidence {
			path := "/v1/office/reports/" + r.ID + "/evidence/" + item.ID + "?copy=display"
			a, err := desk.Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: path}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if d := a.Header.Get("Content-Disposition"); strings.Contains(d, "escaped") || strings.ContainsAny(d, `/\`) {
				t.Errorf("got Content-Disposition %s", d)
			}
		}
	}
}

// TestIdsAndNumbersTellNoVolume: neither the number of a registration nor any
// id says how many came before, or when.
func TestIdsAndNumbersTellNoVolume(t *testing.T) {
	t.Parallel()
	w := start(t)
	const sent = 12 // in order by chance once in 479 million
	var numbers, ids []string
	for range sent {
		a, err := newParcel(t).send(t.Context(), w.anyone())
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, answered(t, a).Number)
	}
	reports := w.reports(t)
	for _, n := range numbers {
		ids = append(ids, reports[n].ID)
	}
	for name, list := range map[string][]string{"numbers": numbers, "ids": ids} {
		back := slices.Clone(list)
		slices.Reverse(back)
		if slices.IsSorted(list) || slices.IsSorted(back) {
			t.Errorf("the %s are in order: %v", name, list)
		}
		if len(slices.Compact(slices.Sorted(slices.Values(list)))) != sent {
			t.Errorf("got %s %v, want %d different ones", name, list, sent)
		}
	}
	random := regexp.MustCompile(`^[0-9a-f]{32}$`)
	for _, r := range reports {
		for _, id := range []string{r.ID, r.Envelope, r.Allegations[0].ID, r.Evidence[0].ID} {
			if !random.MatchString(id) {
				t.Errorf("got the id %s, want 128 random bits", id)
			}
		}
	}
}

// TestOnlyCommandsChangeAnything: what reads is GET and no command, what writes
// is not GET; and a cookie, which a browser would send by itself, signs nobody
// in, so that no other page can make it sign out or act.
func TestOnlyCommandsChangeAnything(t *testing.T) {
	t.Parallel()
	w := start(t)
	for _, r := range app.Routes(w.app.Service(), nil) {
		if r.Method == http.MethodGet && r.Command {
			t.Errorf("%s is a command", pattern(r))
		}
	}
	c := w.as(t, "desk1")
	for _, call := range [][2]string{{http.MethodDelete, "/v1/session"}, {http.MethodGet, "/v1/office/reports"}, {http.MethodDelete, "/v1/session/all"}} {
		req, err := http.NewRequestWithContext(t.Context(), call[0], w.base+call[1], nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"token", "access", "session", "Authorization", "Bearer"} {
			req.AddCookie(&http.Cookie{Name: name, Value: c.Token})
		}
		res, err := w.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized || len(res.Cookies()) > 0 {
			t.Errorf("%v with cookies: got %d and cookies %v", call, res.StatusCode, res.Cookies())
		}
	}
	if _, err := c.Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/office/reports"}, nil); err != nil {
		t.Errorf("the session has ended: %v", err)
	}
}

// TestNoAddressIsTakenIn: no body has a field for an address that the server
// would ask, so that nobody can make it ask for them.
func TestNoAddressIsTakenIn(t *testing.T) {
	t.Parallel()
	address := regexp.MustCompile(`(?i)(^|[a-z])(url|uri|href|webhook|callback|endpoint|host|domain)s?$`)
	var walk func(file, at string, v any)
	walk = func(file, at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, inside := range v {
				if at == "properties" && address.MatchString(name) {
					t.Errorf("%s takes %s in", file, name)
				}
				if format, ok := inside.(string); name == "format" && ok && address.MatchString(format) {
					t.Errorf("%s takes a %s in", file, format)
				}
				walk(file, name, inside)
			}
		case []any:
			for _, inside := range v {
				walk(file, at, inside)
			}
		}
	}
	read := 0
	visit(t, func(path string, text []byte) {
		if !strings.Contains(path, filepath.Join("schemas", "json")) {
			return
		}
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		read++
		walk(path, "", v)
	}, ".json")
	if read < 40 {
		t.Errorf("got %d schemas", read)
	}
}

// TestDependenciesArePinned: what is built is what was looked at. Go checks the
// digests of go.sum by itself.
func TestDependenciesArePinned(t *testing.T) {
	t.Parallel()
	visit(t, func(path string, text []byte) {
		switch filepath.Base(path) {
		case "go.mod":
			if regexp.MustCompile(`(?m)^replace|=>`).Match(text) {
				t.Errorf("%s replaces a module", path)
			}
		case "package-lock.json":
			var lock struct {
				Packages map[string]struct {
					Integrity string `json:"integrity"`
					Link      bool   `json:"link"`
				} `json:"packages"`
			}
			if err := json.Unmarshal(text, &lock); err != nil {
				t.Fatal(err)
			}
			for name, p := range lock.Packages {
				if name != "" && !p.Link && !strings.HasPrefix(p.Integrity, "sha512-") {
					t.Errorf("%s has no digest of %s", path, name)
				}
			}
		default:
			for _, image := range regexp.MustCompile(`(?m)^\s*(?:image:|FROM)\s+(\S+)`).FindAllStringSubmatch(string(text), -1) {
				if strings.HasSuffix(image[1], ":latest") || !strings.Contains(image[1], ":") && image[1] != "scratch" && image[1] != "build" {
					t.Errorf("%s takes whatever %s is that day", path, image[1])
				}
			}
		}
	}, "go.mod", "package-lock.json", "Dockerfile", "compose.yaml")
}
