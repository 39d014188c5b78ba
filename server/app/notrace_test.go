package app_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"gridwatch/server/app"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/canarytest"
	"gridwatch/server/casefile"
)

// trace is what tells of a caller.
const trace canarytest.Kind = "trace"

// passer is a caller with an address, a program, a page it comes from and
// whatever else a request can tell of who makes it.
type passer struct {
	http.RoundTripper

	header http.Header
	query  string
	asked  int
}

// RoundTrip implements http.RoundTripper.
func (p *passer) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	for name, values := range p.header {
		req.Header[name] = values
	}
	if req.URL.RawQuery != "" {
		req.URL.RawQuery += "&"
	}
	req.URL.RawQuery += p.query
	p.asked++
	return p.RoundTripper.RoundTrip(req)
}

// pass returns a client that tells of itself all that it can, and what is
// looked for afterwards.
func (w *world) pass(t *testing.T) (apiclient.Client, *passer, []canarytest.Canary) {
	t.Helper()
	address := net.IPv4(127, 77, 203, 91)
	canaries := []canarytest.Canary{
		canarytest.Text(trace, "address", address.String()), canarytest.Text(trace, "address", "127.77.203"),
		canarytest.Text(trace, "address as a number", "2135804763"), canarytest.Text(trace, "address in hex", "7f4dcb5b"),
		canarytest.Text(trace, "address as IPv6 has it", "ffff:7f4d:cb5b"),
	}
	p := &passer{header: http.Header{}}
	mark := func(name string) string {
		text := rand.Text()
		canaries = append(canaries, canarytest.Text(trace, name, text))
		return text
	}
	for name, form := range map[string]string{
		"User-Agent": "Mozilla/5.0 (*)", "Referer": "https://*.test/page", "Origin": "https://*.test", "Cookie": "id=*", "X-Forwarded-For": "*, 203.0.113.77",
		"X-Real-Ip": "*", "Forwarded": `for="*"`, "X-Request-Id": "*", "Traceparent": "00-*-01", "Via": "1.1 *", "Sec-Ch-Ua": `"*"`,
		"Accept-Language": "x-*", "If-None-Match": `"*"`, "X-Requested-With": "*", "Device-Memory": "*", "Dnt": "*",
	} {
		p.header.Set(name, strings.ReplaceAll(form, "*", mark(name)))
	}
	canaries = append(canaries, canarytest.Text(trace, "address that a proxy names", "203.0.113.77"))
	p.query = "utm=" + mark("query") + "&" + mark("query's name") + "=1"
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: address}}
	through := &http.Transport{DialContext: dialer.DialContext}
	t.Cleanup(through.CloseIdleConnections)
	p.RoundTripper = through
	return apiclient.Client{Base: w.base, HTTP: &http.Client{Transport: p, Timeout: w.http.Timeout}}, p, canaries
}

// What a reporter does leaves nothing of where it came from: no address, no
// header, no query value, on no route that a reporter uses, whether it is served
// or refused; neither in the log at its most talkative nor in metrics, profiles,
// database, object store or files. It is not parallel, as the sweep is not.
func TestNoTraceOfTheCaller(t *testing.T) {
	s := newSweep(t)
	c, p, canaries := s.pass(t)
	anyone := c

	report := newParcel(t)
	report.body["evidence"] = []map[string]string{{"sha256": report.digest()}}
	answer, err := report.send(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	var session struct {
		Token string `json:"token"`
	}
	call := apiclient.Call{Method: http.MethodPost, Path: "/v1/receipt/session", Body: map[string]string{"code": answered(t, answer).Code}}
	if _, err := c.Do(t.Context(), call, &session); err != nil {
		t.Fatal(err)
	}
	c.Token = session.Token
	for _, call := range []apiclient.Call{
		{Method: http.MethodGet, Path: "/v1/receipt"},
		{Method: http.MethodPost, Path: "/v1/receipt/messages", Key: freshKey(), Body: map[string]string{"text": "a word more"}},
		{Method: http.MethodPost, Path: "/v1/receipt/evidence", Key: freshKey(), Form: new(apiclient.Form).File("evidence", "b.jpg", "image/jpeg", newParcel(t).photo)},
	} {
		if _, err := c.Do(t.Context(), call, nil); err != nil {
			t.Fatal(err)
		}
	}
	e := &echo{world: s.world, t: t}
	served := 0
	for _, r := range app.Routes(s.app.Service(), nil) {
		roles := casefile.RolesFor(r.Action)
		if !slices.Contains(roles, casefile.Anyone) && !slices.Contains(roles, casefile.ReceiptHolder) {
			continue
		}
		served++
		for _, by := range []apiclient.Client{anyone, c} {
			for _, call := range []apiclient.Call{
				{Method: r.Method, Path: e.at(r, hexID(t)), Key: freshKey()},
				{Method: r.Method, Path: e.at(r, hexID(t)), Key: freshKey(), Body: map[string]string{"wrong": "body"}},
			} {
				a, err := by.Do(t.Context(), call, nil)
				if a.Status == 0 || a.Status == http.StatusInternalServerError {
					t.Errorf("%s: got %d %v", pattern(r), a.Status, err)
				}
			}
		}
	}
	if _, err := anyone.Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: app.ReportPage}, nil); err != nil {
		t.Fatal(err)
	}
	c.HTTP.CloseIdleConnections() // what is on its way is no trace
	s.settled(t)

	result, err := canarytest.Sweep([]canarytest.Place{
		{Name: "the log", Read: canarytest.Bytes([]byte(s.logs.String()))},
		{Name: "the metrics", Read: s.asked(t, "/metrics", "/readyz")},
		{Name: "the profiles", Read: s.asked(t, profiles()...)},
		{Name: "the database", Read: s.database(t, func(string) bool { return true })},
		{Name: "the object store", Read: s.stored(t)},
		{Name: "the temporary files", Read: canarytest.Folder(os.TempDir(), s.began, s.dir)},
	}, canaries)
	if err != nil {
		t.Fatal(err)
	}
	if err := result.Print(t.Output()); err != nil {
		t.Error(err)
	}
	if n := len(result.Leaks()); n > 0 {
		t.Errorf("%d leaks, see above", n)
	}
	t.Logf("%d requests on %d routes", p.asked, served)

	// Were one of them kept, it would be found.
	for _, c := range canaries {
		kept, err := json.Marshal(map[string]string{"from": string(c.Raw)})
		if err != nil {
			t.Fatal(err)
		}
		planted, err := canarytest.Sweep([]canarytest.Place{{Name: "a log", Read: canarytest.Bytes(bytes.Join([][]byte{[]byte(s.logs.String()), kept}, []byte("\n")))}}, canaries)
		if err != nil || len(planted.Leaks()) == 0 {
			t.Errorf("%s in a log is not found: %v", c.Name, err)
		}
	}
}
