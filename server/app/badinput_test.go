package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"gridwatch/server/app/demo"
)

// marker stands in bad values. No answer and no log may repeat it.
const marker = "Zq7xMarker5k"

// badRow is a request that has to be refused.
type badRow struct {
	who    string // demo login; "" has no credentials
	method string // "" is POST
	path   string
	header http.Header // instead of what a right request says
	body   any         // JSON; []byte and io.Reader as they are; nil has none
	form   []part      // instead of a body

	status int
	code   string
	// at is the field that is at fault and what is wrong with it, which is
	// the code if not said; "" names no field.
	at string
}

// part is a part of a form.
type part struct {
	name, file, media string
	body              []byte
	digest            string // Content-Digest
}

type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Errors []struct {
		Field  string `json:"field"`
		Code   string `json:"code"`
		Detail string `json:"detail"`
	} `json:"errors"`
}

func jsonPart(name string, v any) part {
	text, ok := v.([]byte)
	if !ok {
		text, _ = json.Marshal(v)
	}
	return part{name: name, media: "application/json", body: text}
}

// encodeForm writes a form and returns its media type.
func encodeForm(t *testing.T, form []part) ([]byte, string) {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	for _, p := range form {
		said := textproto.MIMEHeader{"Content-Type": {p.media}, "Content-Disposition": {fmt.Sprintf("form-data; name=%q", p.name)}}
		if p.file != "" {
			said.Set("Content-Disposition", fmt.Sprintf("form-data; name=%q; filename=%q", p.name, p.file))
		}
		if p.digest != "" {
			said.Set("Content-Digest", p.digest)
		}
		to, err := w.CreatePart(said)
		if err == nil {
			_, err = to.Write(p.body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), w.FormDataContentType()
}

// request makes the row's request, right in all that the row does not say.
func (r badRow) request(t *testing.T, w *world, lang string) *http.Request {
	t.Helper()
	media := "application/json"
	var body io.Reader
	switch b := r.body.(type) {
	case nil:
		if r.form != nil {
			var text []byte
			text, media = encodeForm(t, r.form)
			body = bytes.NewReader(text)
		}
	case func() io.Reader:
		body = b()
	case []byte:
		body = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	method := http.MethodPost
	if r.method != "" {
		method = r.method
	}
	q, err := http.NewRequestWithContext(t.Context(), method, w.base+r.path, body)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		q.Header.Set("Content-Type", media)
	}
	q.Header.Set("Idempotency-Key", newKey(t))
	q.Header.Set("Accept-Language", lang)
	if r.who != "" {
		q.Header.Set("Authorization", "Bearer "+w.as(t, r.who).Token)
	}
	for name, values := range r.header {
		q.Header[name] = values
	}
	return q
}

// send sends the row, again when the account has asked too often.
func (r badRow) send(t *testing.T, w *world, lang string) (int, http.Header, []byte) {
	t.Helper()
	var status int
	var header http.Header
	var text []byte
	awaited(t, "room for the account", func() bool {
		res, err := w.http.Do(r.request(t, w, lang))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if text, err = io.ReadAll(res.Body); err != nil {
			t.Fatal(err)
		}
		status, header = res.StatusCode, res.Header
		return !bytes.Contains(text, []byte(tooMany))
	})
	return status, header, text
}

// check sends the row and looks at the answer.
func (r badRow) check(t *testing.T, w *world, lang string) {
	t.Helper()
	status, header, text := r.send(t, w, lang)
	var p problem
	if err := json.Unmarshal(text, &p); err != nil || header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("got %d %s %s, want a problem document", status, header.Get("Content-Type"), text)
	}
	if status != r.status || p.Status != r.status || p.Code != r.code || p.Type == "" || p.Title == "" || p.Detail == "" {
		t.Errorf("got %d %s, want %d %s", status, text, r.status, r.code)
	}
	field, code, ok := strings.Cut(r.at, " ")
	if !ok {
		code = r.code
	}
	named := false
	for _, e := range p.Errors {
		named = named || (e.Field == field && e.Code == code && e.Detail != "")
	}
	if named != (r.at != "") || (r.at == "" && len(p.Errors) > 0) {
		t.Errorf("got the fields %s, want %q %s", text, field, code)
	}
	if bytes.Contains(text, []byte(marker)) || strings.Contains(fmt.Sprint(header), marker) {
		t.Errorf("the answer repeats what was sent: %s", text)
	}
	for _, said := range []string{p.Title, p.Detail} {
		if got := strings.ContainsFunc(said, func(r rune) bool { return unicode.Is(unicode.Han, r) }); got != (lang == "zh-CN") {
			t.Errorf("%s was asked for: %s", lang, text)
		}
	}
}

// refuseAll sends every row in both languages and makes sure that nothing of
// what is kept has changed.
func refuseAll(t *testing.T, w *world, rows map[string]badRow) {
	t.Helper()
	for _, r := range rows { // signing in changes something
		if r.who != "" {
			w.as(t, r.who)
		}
	}
	before := w.settled(t)
	for name, r := range rows {
		t.Run(name, func(t *testing.T) {
			r.check(t, w, "en")
			r.check(t, w, "zh-CN")
		})
	}
	after := w.kept(t)
	for _, line := range before {
		if _, still := slices.BinarySearch(after, line); !still {
			t.Errorf("gone or changed: %.300s", line)
		}
	}
	for _, line := range after {
		if _, had := slices.BinarySearch(before, line); !had {
			t.Errorf("new or changed: %.300s", line)
		}
	}
}

// withoutRefusals takes out of an opening, an approval or a use of a contact
// what a refused step leaves there on purpose: an event that says so, its leaf on the way to the log, and the
// numbers that count events.
func withoutRefusals(t *testing.T, line string) string {
	t.Helper()
	kind, text, _ := strings.Cut(line, " ")
	if !slices.Contains([]string{"opening", "approval", "contact_use"}, kind) {
		return line
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"version", "seq", "changed", "pending", "relayed", "next_effect_at"} {
		delete(doc, name)
	}
	doc["timeline"] = slices.DeleteFunc(doc["timeline"].([]any), func(e any) bool { return e.(map[string]any)["command"] == "refused" })
	left, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return kind + " " + string(left)
}

// kept is all that the program keeps, sorted: documents and names of objects.
// Left out are the leases of workers and the log, which move by themselves (a
// leaf follows a record), and accounts, which count wrong passwords.
func (w *world) kept(t *testing.T) []string {
	t.Helper()
	var dump bytes.Buffer
	if err := w.store.Dump(t.Context(), &dump); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(dump.String()) {
		switch collection, _, _ := strings.Cut(line, " "); collection {
		case "slot", "handover_slot", "account", "log", "leaf", "tile", "checkpoint":
		default:
			lines = append(lines, withoutRefusals(t, line))
		}
	}
	err := w.objects.List(t.Context(), "", func(key string, _ time.Time) error {
		lines = append(lines, "object "+key)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

// settled returns what is kept once the workers have nothing left to do.
func (w *world) settled(t *testing.T) []string {
	t.Helper()
	last := w.kept(t)
	awaited(t, "the workers to come to rest", func() bool {
		was := last
		last = w.kept(t)
		return slices.Equal(was, last) && !slices.ContainsFunc(last, func(line string) bool {
			return strings.Contains(line, "next_effect_at") || strings.HasPrefix(line, "outbox ") || strings.HasPrefix(line, "copy_job ")
		})
	})
	return last
}

// TestBadInput sends what no honest client sends, and what honest ones send by
// mistake, to every surface. Each is refused with its code and field, says what
// would be right in the reader's language, repeats nothing and changes nothing.
func TestBadInput(t *testing.T) { //nolint:tparallel // each group compares what is kept before and after it
	t.Parallel()
	w := start(t)
	for name, rows := range map[string]func(*testing.T, *world) map[string]badRow{
		"report":   badReports,
		"evidence": badEvidence,
		"envelope": badEnvelopes,
		"upload":   badUploads,
		"receipt":  badReceipts,
		"session":  badSessions,
		"lists":    badLists,
		"desk":     badDesk,
		"task":     badTasks,
		"visit":    badVisits,
		"hazard":   badHazards,
		"penalty":  badPenalties,
		"lead":     badLeads,
		"award":    badAwards,
		"budget":   badBudgets,
		"custody":  badCustody,
		"contact":  badContacts,
		"ring":     badRings,
	} {
		t.Run(name, func(t *testing.T) { refuseAll(t, w, rows(t, w)) })
	}
	log := w.logs.String()
	if strings.Contains(log, marker) || strings.Contains(log, `"level":"ERROR"`) {
		for line := range strings.Lines(log) {
			if strings.Contains(line, marker) || strings.Contains(line, `"level":"ERROR"`) {
				t.Errorf("in the log: %s", line)
			}
		}
	}
}

// sameSignIn makes sure that an unknown login and a wrong password are answered
// the same, byte for byte.
func sameSignIn(t *testing.T, w *world) {
	t.Helper()
	answers := map[string]bool{}
	for _, login := range []string{"auditor1", "nobody1"} {
		r := badRow{path: "/v1/session", body: object{"tenant": demo.Tenant, "login": login, "password": marker, "device": newKey(t)}}
		status, _, text := r.send(t, w, "en")
		answers[fmt.Sprint(status, string(text))] = true
	}
	if len(answers) != 1 {
		t.Errorf("a wrong password and an unknown login are told apart: %v", answers)
	}
}
