package web

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

func routesUnderTest() []Route {
	absent := func(*Request) (Reply, error) {
		return Reply{}, fault.New(fault.NotFound, "task.gone", "no task %s", "T")
	}
	return []Route{
		{Method: "GET", Path: "/v1/public/:tenant/x", Action: casefile.TenantRead, Handle: func(q *Request) (Reply, error) {
			return Reply{Body: map[string]string{"tenant": q.Actor.Tenant, "who": q.Actor.Name(), "q": q.Query("q")}, ETag: 7}, nil
		}},
		{Method: "POST", Path: "/v1/public/:tenant/x", Action: casefile.ReportSubmit, Body: "common", MaxBody: 1000, Command: true, Handle: echo},
		{Method: "POST", Path: "/v1/up", Action: casefile.ReportSubmit, Stream: true, Type: "application/octet-stream", MaxBody: 300 << 10, Handle: echo},
		{Method: "POST", Path: "/v1/office/:id", Action: casefile.ReportDecide, Body: "common", Command: true, Handle: absent},
		{Method: "POST", Path: "/v1/office/:id/seen", Action: casefile.ReportDecide, Handle: func(*Request) (Reply, error) { return Reply{}, nil }},
		{Method: "GET", Path: "/v1/receipt", Action: casefile.ReceiptRead, Handle: func(q *Request) (Reply, error) {
			return Reply{Body: q.Actor.Report}, nil
		}},
		{Method: "GET", Path: "/v1/panic", Action: casefile.TenantRead, Handle: func(q *Request) (Reply, error) { panic("canary-" + q.Query("q")) }},
		{Method: "GET", Path: "/v1/broken", Action: casefile.TenantRead, Handle: func(*Request) (Reply, error) {
			return Reply{}, errors.New("canary-database said so")
		}},
	}
}

// A refused role, an absent record, a path that names nothing and a path that
// does not exist are one answer, whatever the body.
func TestRefusedIsAbsent(t *testing.T) {
	t.Parallel()
	r := start(t, Deps{}, routesUnderTest()...)
	desk, inspector := r.token(Staff, string(casefile.DeskOfficer), "f"), r.token(Staff, string(casefile.Inspector), "f")
	right := []string{"Content-Type", jsonType, "Idempotency-Key", aKey}
	want := r.ask("POST", "/v1/office/1", strings.NewReader(`{}`), append(right, "Authorization", "Bearer "+desk)...)
	if want.status != http.StatusNotFound || want.code() != "record.not_found" {
		t.Fatalf("got %d %s", want.status, want.body)
	}
	tests := map[string]answer{
		"wrong role":                  r.ask("POST", "/v1/office/1", strings.NewReader(`{}`), append(right, "Authorization", "Bearer "+inspector)...),
		"wrong role, broken body":     r.ask("POST", "/v1/office/1", strings.NewReader(`{`), "Authorization", "Bearer "+inspector),
		"wrong role, too large":       r.ask("POST", "/v1/office/1", strings.NewReader(strings.Repeat("x", 70<<10)), "Authorization", "Bearer "+inspector),
		"receipt on a staff route":    r.ask("POST", "/v1/office/1", strings.NewReader(`{}`), append(right, "Authorization", "Bearer "+r.token(Receipt, "R", ""))...),
		"staff on a receipt route":    r.ask("GET", "/v1/receipt", nil, "Authorization", "Bearer "+desk),
		"no such path":                r.ask("GET", "/v2/nothing", nil),
		"a path that can be no id":    r.ask("POST", "/v1/office/%00", strings.NewReader(`{}`), append(right, "Authorization", "Bearer "+desk)...),
		"a tenant that can be no one": r.ask("GET", "/v1/public/%7B%24ne%3A1%7D/x", nil),
	}
	for name, got := range tests {
		if got.status != want.status || got.body != want.body {
			t.Errorf("%s: got %d %s", name, got.status, got.body)
		}
		for _, h := range []http.Header{got.header, want.header} {
			h.Del("Date")
			h.Del("Connection")
		}
		if diff := cmp.Diff(want.header, got.header); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestWhoAsks(t *testing.T) {
	t.Parallel()
	r := start(t, Deps{}, routesUnderTest()...)
	tests := map[string]struct {
		authorization string
		status        int
		code          string
	}{
		"none":            {"", 401, "session.invalid"},
		"another scheme":  {"Basic " + r.token(Staff, string(casefile.DeskOfficer), "f"), 401, "session.invalid"},
		"no scheme":       {r.token(Staff, string(casefile.DeskOfficer), "f"), 401, "session.invalid"},
		"nonsense":        {"Bearer nonsense", 401, "session.invalid"},
		"revoked family":  {"Bearer " + r.token(Staff, string(casefile.DeskOfficer), "gone"), 401, "session.invalid"},
		"a desk officer":  {"Bearer " + r.token(Staff, string(casefile.DeskOfficer), "f"), 204, ""},
		"lower-case word": {"bearer " + r.token(Staff, string(casefile.DeskOfficer), "f"), 204, ""},
	}
	for name, tt := range tests {
		got := r.ask("POST", "/v1/office/1/seen", nil, "Authorization", tt.authorization)
		if got.status != tt.status || got.code() != tt.code {
			t.Errorf("%s: got %d %s, want %d %s", name, got.status, got.body, tt.status, tt.code)
		}
		if got.status == 401 && got.header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%s: got no WWW-Authenticate", name)
		}
	}
	if got := r.ask("GET", "/v1/receipt", nil, "Authorization", "Bearer "+r.token(Receipt, "R1", "")); got.body != `"R1"` {
		t.Errorf("got %s, want the report of the receipt", got.body)
	}
	r.staff.mu.Lock()
	defer r.staff.mu.Unlock()
	if r.staff.asked != 2 { // the revoked one, and the officer once
		t.Errorf("got %d look-ups, want 2", r.staff.asked)
	}
	if log := r.log.String(); strings.Contains(log, "/v1/receipt") || strings.Count(log, `"person":"desk_officer"`) != 2 {
		t.Errorf("got log %s, want staff's requests only", log)
	}
}

func TestPublic(t *testing.T) {
	t.Parallel()
	r := start(t, Deps{Strict: true}, routesUnderTest()...)
	got := r.ask("GET", "/v1/public/demo/x?q=1", nil, "Authorization", "Bearer nonsense")
	if got.status != 200 || got.body != `{"q":"1","tenant":"demo","who":"anyone"}` || got.header.Get("ETag") != `"7"` {
		t.Errorf("got %d %s %v", got.status, got.body, got.header)
	}
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Cache-Control": "no-store", "Strict-Transport-Security": "max-age=31536000", "Server": "", "Set-Cookie": "",
	} {
		if got.header.Get(name) != want {
			t.Errorf("%s: got %q, want %q", name, got.header.Get(name), want)
		}
	}
	if got := r.ask("DELETE", "/v1/receipt", nil); got.status != 405 || got.code() != "request.method" || got.header.Get("Allow") != "GET" {
		t.Errorf("got %d %s %v", got.status, got.body, got.header)
	}
	if got := r.ask("GET", "/v1/receipt", nil, "X-Large", strings.Repeat("x", 9<<10)); got.status != 431 || got.code() != "request.header_too_large" {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

// What went wrong inside is told to nobody, and a panic's words not even to the log.
func TestInside(t *testing.T) {
	t.Parallel()
	r := start(t, Deps{}, routesUnderTest()...)
	for _, path := range []string{"/v1/panic?q=secret", "/v1/broken"} {
		got := r.ask("GET", path, nil)
		if got.status != 500 || got.code() != "server.internal" || strings.Contains(got.body, "canary") {
			t.Errorf("%s: got %d %s", path, got.status, got.body)
		}
	}
	log := r.log.String()
	if strings.Contains(log, "canary-secret") || strings.Contains(log, "secret") || !strings.Contains(log, "canary-database said so") {
		t.Errorf("got log %s", log)
	}
	if got := r.ask("GET", "/v1/public/demo/x", nil); got.status != 200 {
		t.Errorf("got %d after a panic", got.status)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	slow := Route{Method: "GET", Path: "/slow", Action: casefile.TenantRead, Handle: func(*Request) (Reply, error) {
		entered <- struct{}{}
		<-leave
		return Reply{}, nil
	}}
	r := start(t, Deps{PublicRequests: 1, PerMinute: 4}, append(routesUnderTest(), slow)...)
	first := make(chan answer, 1)
	go func() { first <- r.ask("GET", "/slow", nil) }()
	<-entered
	if got := r.ask("GET", "/v1/public/demo/x", nil); got.status != 503 || got.code() != "server.busy" || got.header.Get("Retry-After") == "" {
		t.Errorf("got %d %s", got.status, got.body)
	}
	close(leave)
	if got := <-first; got.status != 204 {
		t.Errorf("got %d", got.status)
	}
	token := "Bearer " + r.token(Receipt, "R", "")
	if got := r.ask("GET", "/v1/receipt", nil, "Authorization", token); got.status != 200 {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if got := r.ask("GET", "/v1/receipt", nil, "Authorization", token); got.status != 503 || got.code() != "server.too_many" {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if got := r.ask("GET", "/v1/receipt", nil, "Authorization", "Bearer "+r.token(Receipt, "other", "")); got.status != 200 {
		t.Errorf("got %d for another receipt", got.status)
	}
}

func TestDownload(t *testing.T) {
	t.Parallel()
	data := strings.Repeat("pixels", 40_000)
	r := start(t, Deps{}, Route{Method: "GET", Path: "/file", Action: casefile.TenantRead, Download: true, Handle: func(q *Request) (Reply, error) {
		rc := io.NopCloser(&untilDone{q, strings.NewReader(data)})
		return Reply{Stream: &Stream{ReadCloser: rc, Size: int64(len(data)), Type: "image/jpeg", Name: "照片.jpg"}}, nil
	}})
	got := r.ask("GET", "/file", nil)
	if got.body != data || got.header.Get("Content-Type") != "image/jpeg" || got.header.Get("Content-Security-Policy") != "default-src 'none'; sandbox" ||
		!strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment;") || got.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("got %d bytes, %v", len(got.body), got.header)
	}
}

// untilDone reads as long as the request's context lives.
type untilDone struct {
	q *Request
	io.Reader
}

func (u *untilDone) Read(p []byte) (int, error) {
	if err := u.q.Context().Err(); err != nil {
		return 0, err
	}
	return u.Reader.Read(p)
}
