package app_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"gridwatch/server/app"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/canarytest"
	"gridwatch/server/casefile"
	"gridwatch/server/web"
	"gridwatch/server/web/work"
)

// oddMarker is a marker with what encodings make something else of.
const oddMarker = `标Zq8y<"'&\%/>Marker6j记`

// echo sends markers in every place of a request.
type echo struct {
	*world

	t       *testing.T
	needles map[string][]byte
	tried   int
}

// unguarded returns which header is missing or wrong of those that every answer
// has; download says that it is a file.
func unguarded(h http.Header, download bool) string {
	policy := "default-src 'none'; frame-ancestors 'none'"
	if download {
		policy = "default-src 'none'; sandbox"
		if kind, _, err := mime.ParseMediaType(h.Get("Content-Disposition")); err != nil || kind != "attachment" {
			return "Content-Disposition"
		}
	}
	for name, want := range map[string]string{
		"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin", "Set-Cookie": "", "Server": "",
	} {
		if h.Get(name) != want {
			return name
		}
	}
	return ""
}

// looks reads an answer: it is guarded, and holds no marker in any form.
func (e *echo) looks(what string, res *http.Response) {
	e.t.Helper()
	e.tried++
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	_ = res.Body.Close()
	if err != nil {
		e.t.Errorf("%s: %v", what, err)
	}
	if wrong := unguarded(res.Header, false); wrong != "" {
		e.t.Errorf("%s: got %d with the header %s %q", what, res.StatusCode, wrong, res.Header.Get(wrong))
	}
	if res.StatusCode >= http.StatusInternalServerError && res.StatusCode != http.StatusServiceUnavailable {
		e.t.Errorf("%s: got %d %s", what, res.StatusCode, body)
	}
	var all bytes.Buffer
	_ = res.Header.Write(&all)
	all.Write(body)
	e.clean(what, all.Bytes())
}

// clean makes sure that a text holds no marker.
func (e *echo) clean(what string, text []byte) {
	e.t.Helper()
	for form, needle := range e.needles {
		if bytes.Contains(text, needle) {
			e.t.Errorf("%s: repeats what was sent, in the form %s", what, form)
		}
	}
}

// trial is one request of a route with markers in one place of it.
type trial struct {
	path   string
	header http.Header
	body   []byte
	media  string
	noKey  bool
}

func (e *echo) send(what string, r web.Route, token string, tr trial) {
	e.t.Helper()
	req, err := http.NewRequestWithContext(e.t.Context(), r.Method, e.base+tr.path, bytes.NewReader(tr.body))
	if err != nil {
		e.t.Fatal(err)
	}
	if r.Command && !tr.noKey {
		req.Header.Set("Idempotency-Key", freshKey())
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if tr.body != nil {
		req.Header.Set("Content-Type", tr.media)
	}
	for name, values := range tr.header {
		req.Header[name] = values
	}
	if host := tr.header.Get("Host"); host != "" {
		req.Host = host
	}
	res, err := e.http.Do(req)
	if err != nil {
		e.t.Fatalf("%s %s: %v", pattern(r), what, err)
	}
	e.looks(pattern(r)+", "+what, res)
}

// at is the path of a route, each of its values one text.
func (e *echo) at(r web.Route, value string) string {
	parts := strings.Split(r.Path, "/")
	for i, p := range parts {
		switch {
		case p == ":tenant" && value != marker:
			parts[i] = demo.Tenant
		case strings.HasPrefix(p, ":"):
			parts[i] = value
		}
	}
	return strings.Join(parts, "/")
}

// trials are the requests that a route is tried with, by where the markers are.
func (e *echo) trials(r web.Route) map[string]trial {
	path := e.at(r, hexID(e.t))
	all := map[string]trial{}
	if strings.Contains(r.Path, ":") {
		all["path"] = trial{path: e.at(r, marker)}
		all["odd path"] = trial{path: e.at(r, url.PathEscape(oddMarker))}
	}
	query := url.Values{}
	for _, name := range []string{"cursor", "limit", "after", "about", "state", "sort", "from", "to", "at", "area", "year", "lon", "lat", "datum", "q", marker} {
		query.Set(name, marker)
		if r.Method == http.MethodGet || name == "about" {
			all["query "+name] = trial{path: path + "?" + url.Values{name: {marker}}.Encode()}
		}
	}
	all["query"] = trial{path: path + "?" + query.Encode()}
	all["query, odd"] = trial{path: path + "?cursor=" + web.Cursor(oddMarker) + "&limit=" + url.QueryEscape(oddMarker)}
	all["query, broken"] = trial{path: path + "?%zz" + marker + "=%&&;" + marker}
	for name, value := range map[string]string{
		"Accept-Language": "x-" + marker, "Accept": "text/" + marker, "If-Match": `"` + marker + `"`, "If-None-Match": marker, "If-Range": marker,
		"Range": "bytes=" + marker, "Content-Encoding": marker, "Idempotency-Key": marker, work.Header: marker,
	} {
		all["header "+name] = trial{path: path, header: http.Header{name: {value}}, body: []byte("{}"), media: "application/json", noKey: name == "Idempotency-Key"}
	}
	all["other headers"] = trial{path: path, header: http.Header{
		"Cookie": {marker + "=" + marker}, "Host": {marker + ".test"}, "User-Agent": {marker}, "Referer": {"https://" + marker + ".test/"},
		"Origin": {"https://" + marker + ".test"}, "X-Forwarded-For": {marker}, "X-Request-Id": {marker}, "Traceparent": {marker},
		"X-Http-Method-Override": {marker}, marker: {marker}, "Tus-Resumable": {marker}, "Upload-Metadata": {"filename " + marker},
		"Upload-Length": {marker}, "Upload-Offset": {marker}, "Upload-Checksum": {marker},
	}}
	all["header Authorization"] = trial{path: path, header: http.Header{"Authorization": {"Bearer " + marker}}}
	all["content type"] = trial{path: path, body: []byte(marker), media: "application/" + marker + "; charset=" + marker}
	all["content type, odd"] = trial{path: path, body: []byte(marker), media: `multipart/form-data; boundary="` + marker}
	all["text"] = trial{path: path, body: []byte(marker), media: "application/json"}
	all["text, cut"] = trial{path: path, body: []byte(`{"` + marker + `":"` + marker), media: "application/json"}
	all["text in GBK"] = trial{path: path, body: []byte("{\"a\":\"" + marker + "\xb1\xea\"}"), media: "application/json"}
	for what, value := range map[string]any{
		"a text": marker, "an odd text": oddMarker, "members": map[string]any{marker: marker}, "a list": []any{marker, marker},
		"a long text": strings.Repeat(marker, 500),
	} {
		body, err := json.Marshal(e.filled(r.Body, value))
		if err != nil {
			e.t.Fatal(err)
		}
		all["fields, "+what] = trial{path: path, body: body, media: "application/json"}
	}
	if r.Stream {
		for what, form := range e.forms() {
			body, media := encodeForm(e.t, form)
			all["form, "+what] = trial{path: path, body: body, media: media}
		}
	}
	return all
}

// filled is a body in which every member that the schema knows, and one that it
// does not, is one value.
func (e *echo) filled(schema string, value any) map[string]any {
	body := map[string]any{marker: value}
	if schema == "" {
		schema = "report-submit"
	}
	text, err := os.ReadFile("../../schemas/json/" + schema + ".json")
	if err != nil {
		e.t.Fatal(err)
	}
	var known struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(text, &known); err != nil {
		e.t.Fatal(err)
	}
	for name := range known.Properties {
		body[name] = value
	}
	return body
}

// forms are multipart bodies with markers in names, types, digests and content.
func (e *echo) forms() map[string][]part {
	whole := jsonPart("report", json.RawMessage(anonymousReport))
	return map[string][]part{
		"part name":      {{name: marker, media: "text/plain", body: []byte(marker)}},
		"second name":    {whole, {name: oddMarker, file: oddMarker, media: marker, body: []byte(marker)}},
		"file name":      {whole, {name: "evidence", file: marker + ".exe", media: "image/" + marker, body: []byte(marker)}},
		"odd file name":  {whole, {name: "evidence", file: "../" + oddMarker, media: "image/jpeg", body: []byte(oddMarker)}},
		"only a file":    {{name: "evidence", file: marker, media: "image/png", body: []byte("\x89PNG\r\n\x1a\n" + marker)}},
		"digest":         {whole, {name: "evidence", file: "a.jpg", media: "image/jpeg", body: []byte(marker), digest: "sha-256=:" + base64.StdEncoding.EncodeToString([]byte(marker)) + ":"}},
		"odd digest":     {whole, {name: "evidence", file: "a.jpg", media: "image/jpeg", body: []byte(marker), digest: marker}},
		"JSON of fields": {jsonPart("report", e.filled("report-submit", marker))},
		"JSON of result": {jsonPart("result", e.filled("task-result", oddMarker))},
		"sealed parts":   {jsonPart("report", map[string]any{"mode": "real_name", "narrative": "n", "targetText": "t", "allegations": []map[string]string{{"matter": "illegal_act", "text": "t"}}, "sealed": map[string]string{"innerDigest": strings.Repeat("0", 64), "binding": strings.Repeat("0", 32)}}), {name: "identity", media: marker, body: []byte(marker)}, {name: "contact", media: marker, body: []byte(marker)}},
	}
}

// tokens are who is let in, by role.
func (e *echo) tokens() map[casefile.Role]string {
	all := map[casefile.Role]string{}
	for _, p := range e.people {
		for _, role := range p.Roles {
			if all[role] == "" {
				all[role] = e.as(e.t, p.Tenant+":"+p.Login).Token
			}
		}
	}
	return all
}

// No answer of any route repeats what was sent, in any form and in whatever place
// of a request it stood; none lacks the headers that keep a browser from
// running, framing, caching or passing it on; and the log holds none of it.
func TestNoAnswerRepeatsInput(t *testing.T) {
	t.Parallel()
	w := start(t, "GRID_REQUESTS_PER_MINUTE=1000000")
	e := &echo{world: w, t: t, needles: map[string][]byte{}}
	for _, m := range []string{marker, oddMarker} {
		for form, needle := range canarytest.Text(words, "marker", m).Forms() {
			e.needles[m+" "+form] = needle
		}
	}
	staff := e.tokens()
	answer, err := newParcel(t).send(t.Context(), w.anyone())
	if err != nil {
		t.Fatal(err)
	}
	var session struct {
		Token string `json:"token"`
	}
	call := apiclient.Call{Method: http.MethodPost, Path: "/v1/receipt/session", Body: map[string]string{"code": answered(t, answer).Code}}
	if _, err := w.anyone().Do(t.Context(), call, &session); err != nil {
		t.Fatal(err)
	}
	staff[casefile.ReceiptHolder], staff[casefile.Anyone] = session.Token, ""
	var last []web.Route
	routes := app.Routes(w.app.Service(), nil)
	for _, r := range routes {
		if r.Action == casefile.SessionUse && r.Method == http.MethodDelete { // the session ends with it
			last = append(last, r)
			continue
		}
		e.route(r, staff)
	}
	for _, r := range last {
		e.route(r, staff)
	}
	e.unrouted()
	e.clean("the log", []byte(w.logs.String()))
	t.Logf("%d routes, %d requests", len(routes), e.tried)
}

func (e *echo) route(r web.Route, tokens map[casefile.Role]string) {
	e.t.Helper()
	roles := casefile.RolesFor(r.Action)
	at := slices.IndexFunc(roles, func(role casefile.Role) bool { _, ok := tokens[role]; return ok })
	if at < 0 {
		e.t.Errorf("%s: nobody may use it", pattern(r))
		return
	}
	for what, tr := range e.trials(r) {
		e.send(what, r, tokens[roles[at]], tr)
	}
	if roles[at] != casefile.Anyone {
		e.send("without a token", r, "", trial{path: e.at(r, marker), body: []byte(marker), media: "text/" + marker})
	}
}

// unrouted sends what reaches no route or cannot be read at all.
func (e *echo) unrouted() {
	e.t.Helper()
	for what, text := range map[string]string{
		"no such path":       "GET /v9/" + marker + " HTTP/1.1\r\nHost: h\r\n\r\n",
		"no such method":     strings.ToUpper(marker) + " /v1/receipt HTTP/1.1\r\nHost: h\r\n\r\n",
		"another method":     "PUT /v1/receipt?" + marker + " HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
		"another version":    "GET /" + marker + " HTTP/" + marker + "\r\nHost: h\r\n\r\n",
		"no request":         marker + "\r\n\r\n",
		"a broken header":    "GET /v1/receipt HTTP/1.1\r\nHost: h\r\nX\x01" + marker + ": 1\r\n\r\n",
		"a header too large": "GET /v1/receipt HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat(marker, 900) + "\r\n\r\n",
		"a broken length":    "POST /v1/receipt/session HTTP/1.1\r\nHost: h\r\nContent-Length: " + marker + "\r\n\r\n",
		"a broken encoding":  "POST /v1/receipt/session HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: " + marker + "\r\n\r\n",
		"an expectation":     "POST /v1/receipt/session HTTP/1.1\r\nHost: h\r\nExpect: " + marker + "\r\nContent-Length: 0\r\n\r\n",
		"a broken escape":    "GET /%zz" + marker + " HTTP/1.1\r\nHost: h\r\n\r\n",
		"a page's neighbour": "GET " + app.ReportPage + marker + " HTTP/1.1\r\nHost: h\r\n\r\n",
		"an absolute path":   "GET http://" + marker + "/v1/receipt HTTP/1.1\r\nHost: h\r\n\r\n",
	} {
		conn, err := new(net.Dialer).DialContext(e.t.Context(), "tcp", strings.TrimPrefix(e.base, "http://"))
		if err != nil {
			e.t.Fatal(err)
		}
		if _, err := io.WriteString(conn, text); err != nil {
			e.t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			e.t.Errorf("%s: %v", what, err)
		} else {
			e.looks(fmt.Sprintf("%s (%d)", what, res.StatusCode), res)
		}
		_ = conn.Close()
	}
}
