package web

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"strings"
	"testing"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// unsized hides a reader's length, so that the client sends it in chunks.
func unsized(text string) io.Reader { return struct{ io.Reader }{strings.NewReader(text)} }

func TestBodies(t *testing.T) {
	t.Parallel()
	r := start(t, Deps{}, routesUnderTest()...)
	const doc, up, none = "/v1/public/demo/x", "/v1/up", "/v1/office/1/seen"
	right := []string{"Content-Type", jsonType, "Idempotency-Key", aKey}
	octets := []string{"Content-Type", "application/octet-stream"}
	desk := []string{"Authorization", "Bearer " + r.token(Staff, string(casefile.DeskOfficer), "f")}
	pad := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	tests := map[string]struct {
		path    string
		body    io.Reader
		headers []string
		status  int
		code    string // of the problem, or of its first error
		closes  bool
	}{
		"right":                       {doc, strings.NewReader(pad(1000)), right, 200, "", false},
		"right, chunked":              {doc, unsized(pad(1000)), right, 200, "", false},
		"right, charset":              {doc, strings.NewReader(`{}`), []string{"Content-Type", "application/json; charset=UTF-8", "Idempotency-Key", aKey}, 200, "", false},
		"one byte too many":           {doc, strings.NewReader(pad(1001)), right, 413, "body.too_large", true},
		"one byte too many, chunked":  {doc, unsized(pad(1001)), right, 413, "body.too_large", true},
		"megabytes":                   {doc, strings.NewReader(pad(3 << 20)), right, 413, "body.too_large", true},
		"megabytes, chunked":          {doc, unsized(pad(3 << 20)), right, 413, "body.too_large", true},
		"no content type":             {doc, strings.NewReader(`{}`), []string{"Idempotency-Key", aKey}, 415, "body.media_type", false},
		"another content type":        {doc, strings.NewReader(`{}`), []string{"Content-Type", "text/plain", "Idempotency-Key", aKey}, 415, "body.media_type", false},
		"another charset":             {doc, strings.NewReader(`{}`), []string{"Content-Type", "application/json; charset=gbk", "Idempotency-Key", aKey}, 415, "body.media_type", false},
		"compressed":                  {doc, strings.NewReader(`{}`), append(right, "Content-Encoding", "gzip"), 415, "body.encoded", false},
		"said not to be compressed":   {doc, strings.NewReader(`{}`), append(right, "Content-Encoding", "identity"), 200, "", false},
		"no body":                     {doc, nil, right, 400, "body.syntax", false},
		"not JSON":                    {doc, strings.NewReader(`{`), right, 400, "body.syntax", false},
		"key twice":                   {doc, strings.NewReader(`{"canary":1,"canary":2}`), right, 400, "body.duplicate_key", false},
		"no idempotency key":          {doc, strings.NewReader(`{}`), []string{"Content-Type", jsonType}, 400, "idempotency_key.format", false},
		"short idempotency key":       {doc, strings.NewReader(`{}`), []string{"Content-Type", jsonType, "Idempotency-Key", "canary"}, 400, "idempotency_key.format", false},
		"broken body before bad key":  {doc, strings.NewReader(`{`), []string{"Content-Type", jsonType}, 400, "body.syntax", false},
		"stream at its limit":         {up, strings.NewReader(strings.Repeat("x", 300<<10)), octets, 200, "", false},
		"stream at its limit, chunks": {up, unsized(strings.Repeat("x", 300<<10)), octets, 200, "", false},
		"stream over its limit":       {up, strings.NewReader(strings.Repeat("x", 300<<10+1)), octets, 413, "body.too_large", true},
		"stream over, chunks":         {up, unsized(strings.Repeat("x", 300<<10+1)), octets, 413, "body.too_large", true},
		"stream of another type":      {up, strings.NewReader("x"), []string{"Content-Type", "multipart/form-data; boundary=b"}, 415, "body.media_type", false},
		"none wanted, none sent":      {none, nil, desk, 204, "", false},
		"none wanted, one sent":       {none, strings.NewReader(`{}`), append(desk, "Content-Type", jsonType), 400, "body.unexpected", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := r.ask("POST", tt.path, tt.body, tt.headers...)
			if got.status != tt.status || (tt.code != "" && !strings.Contains(got.body, `"code":"`+tt.code+`"`)) || got.close != tt.closes {
				t.Errorf("got %d %s, closes %v; want %d %s, %v", got.status, got.body, got.close, tt.status, tt.code, tt.closes)
			}
			if strings.Contains(got.body, "canary") {
				t.Errorf("got input in %s", got.body)
			}
		})
	}
}

// What was not read of one body is not taken for the next request.
func TestRestOfABody(t *testing.T) {
	t.Parallel()
	r := start(t, Deps{}, routesUnderTest()...)
	smuggled := "GET /v1/panic?q=smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, head := range map[string]string{
		"by length": fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(smuggled)+20_000, strings.Repeat("a", 20_000)+smuggled),
		"by chunks": fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(smuggled), smuggled),
	} {
		c := r.dial()
		write(t, c, "POST /v1/office/1 HTTP/1.1\r\nHost: x\r\n"+head)
		write(t, c, "GET /v1/public/demo/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		in := bufio.NewReader(c)
		for _, want := range []int{401, 200} {
			if got := readAnswer(t, in); got.status != want {
				t.Errorf("%s: got %d, want %d", name, got.status, want)
			}
		}
	}
	if strings.Contains(r.log.String(), "panic") {
		t.Error("got the smuggled request served")
	}
}

func write(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// A body that breaks off is not taken for a whole one.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	ends := make(chan error, 1)
	r := start(t, Deps{}, Route{
		Method: "POST", Path: "/up", Action: casefile.ReportSubmit, Stream: true, Type: "application/octet-stream",
		Handle: func(q *Request) (Reply, error) {
			_, err := io.Copy(io.Discard, q.Body())
			ends <- err
			return Reply{}, err
		},
	})
	head := "POST /up HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
	for name, sent := range map[string]string{
		"by length":              "Content-Length: 20000\r\n\r\n" + strings.Repeat("x", 10_000),
		"between two chunks":     "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"inside a chunk":         "Transfer-Encoding: chunked\r\n\r\n30\r\nabc",
		"inside a chunk's size":  "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0",
		"chunk size is nonsense": "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
	} {
		c := r.dial()
		write(t, c, head+sent)
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if err := <-ends; fault.CodeOf(err) != "body.incomplete" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A slow body goes on as long as it comes, also past the time that its head
// had; one that stops is cut.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	const stall = 4 * time.Second // far more than a busy machine needs for a step of this test
	r := start(t, Deps{Stall: stall}, routesUnderTest()...)
	c := r.dial()
	const pieces = 4
	write(t, c, fmt.Sprintf("POST /v1/up HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", pieces*piece))
	began := time.Now()
	tick := time.NewTicker(stall * 3 / 8)
	defer tick.Stop()
	for i := range pieces {
		if i > 0 {
			<-tick.C
		}
		write(t, c, strings.Repeat("x", piece))
	}
	in := bufio.NewReader(c)
	got := readAnswer(t, in)
	if took := time.Since(began); got.status != 200 || took < stall {
		t.Errorf("got %d after %v, want 200 after more than %v", got.status, took, stall)
	}

	write(t, c, "POST /v1/up HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("x", 9000))
	if got = readAnswer(t, in); got.status != 408 || !got.close || got.code() != "body.stalled" {
		t.Errorf("got %d %s, want it cut", got.status, got.body)
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the connection closed", err)
	}
}

func TestMultipart(t *testing.T) {
	t.Parallel()
	r := start(t, Deps{}, Route{
		Method: "POST", Path: "/form", Action: casefile.ReportSubmit, Stream: true, MaxBody: 1 << 20,
		Handle: func(q *Request) (Reply, error) {
			var names []string
			for {
				part, err := q.NextPart()
				if errors.Is(err, io.EOF) {
					return Reply{Body: names}, nil
				}
				if err != nil {
					return Reply{}, err
				}
				names = append(names, part.FormName())
				if part.FormName() == "json" {
					var v map[string]any
					if _, err := ReadJSON(part, 100, "common", &v); err != nil {
						return Reply{}, err
					}
				} else if _, err := io.Copy(io.Discard, part); err != nil {
					return Reply{}, fmt.Errorf("store: %w", err)
				}
			}
		},
	})
	form := func(doc string, closing bool) (io.Reader, string) {
		var buf bytes.Buffer
		w := multipart.NewWriter(&buf)
		_ = w.WriteField("json", doc)
		_ = w.WriteField("photo", strings.Repeat("x", 30_000))
		if closing {
			_ = w.Close()
		}
		return &buf, w.FormDataContentType()
	}
	tests := map[string]struct {
		doc     string
		closing bool
		status  int
		want    string
	}{
		"right":          {`{"a":1}`, true, 200, `["json","photo"]`},
		"not closed":     {`{"a":1}`, false, 400, "body.multipart"},
		"JSON broken":    {`{"a":`, true, 400, "body.syntax"},
		"JSON too large": {`{"a":"` + strings.Repeat("x", 100) + `"}`, true, 413, "body.too_large"},
	}
	for name, tt := range tests {
		body, contentType := form(tt.doc, tt.closing)
		got := r.ask("POST", "/form", body, "Content-Type", contentType)
		if got.status != tt.status || !strings.Contains(got.body, tt.want) {
			t.Errorf("%s: got %d %s, want %d %s", name, got.status, got.body, tt.status, tt.want)
		}
	}
	got := r.ask("POST", "/form", strings.NewReader("--b\r\ncanary\x00\r\n"), "Content-Type", "multipart/form-data; boundary=b")
	if got.status != 400 || got.code() != "body.multipart" || strings.Contains(got.body+r.log.String(), "canary") {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

// JSON has one kind of number: a whole one may be written with a fraction.
func TestWholeNumberWithAFraction(t *testing.T) {
	t.Parallel()
	var in struct {
		Lines []struct{ Fen int64 }
	}
	if err := decode([]byte(`{"Lines": [{"Fen": 100.0}, {"Fen": 1e3}, {"Fen": 1000000000000000}]}`), &in); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int64{100, 1000, 1e15} {
		if got := in.Lines[i].Fen; got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
}
