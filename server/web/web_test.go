package web

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Clocks that these libraries keep for the life of a process.
		goleak.IgnoreAnyFunction("github.com/gofiber/fiber/v2/utils.StartTimeStampUpdater.func1.1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		// It sleeps up to ten seconds before it sees that its pool was stopped.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

// ring is a set of session keys, newest last.
type ring []byte

func (r ring) SessionKey() (string, ed25519.PrivateKey) {
	last := r[len(r)-1]
	return string('a' + rune(last)), ed25519.NewKeyFromSeed(bytes.Repeat([]byte{last}, ed25519.SeedSize))
}

func (r ring) SessionKeys() map[string]ed25519.PublicKey {
	keys := map[string]ed25519.PublicKey{}
	for i := range r {
		id, key := r[:i+1].SessionKey()
		keys[id] = key.Public().(ed25519.PublicKey)
	}
	return keys
}

// staffList is a Directory: subjects are roles.
type staffList struct {
	mu      sync.Mutex
	asked   int
	revoked string // family
	fails   error
}

func (l *staffList) Actor(_ context.Context, tenant, person, family string, at time.Time) (casefile.Actor, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	if l.fails != nil {
		return casefile.Actor{}, l.fails
	}
	if family == l.revoked {
		return casefile.Actor{}, fault.New(fault.Unauthorized, "session.revoked", "signed out")
	}
	post := casefile.Post{Role: casefile.Role(person), Area: "220182000000", From: at}
	return casefile.Actor{Tenant: tenant, Person: person, Posts: []casefile.Post{post}}, nil
}

// logbook is a log that tests can read while the server writes.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// rig is a server on a socket.
type rig struct {
	t        *testing.T
	addr     string
	client   *http.Client
	tokens   *Tokens
	staff    *staffList
	log      *logbook
	registry *prometheus.Registry
	stop     context.CancelFunc
	served   chan error
}

func start(t *testing.T, d Deps, routes ...Route) *rig {
	t.Helper()
	r := &rig{t: t, log: &logbook{}, staff: &staffList{revoked: "gone"}, registry: prometheus.NewRegistry(), served: make(chan error, 1)}
	if d.Now == nil {
		d.Now = time.Now
	}
	r.tokens = NewTokens("gridwatch", ring{1}, time.Now)
	metrics, err := NewMetrics(r.registry, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	d.Tokens, d.Directory, d.Metrics, d.Log = r.tokens, r.staff, metrics, slog.New(slog.NewJSONHandler(r.log, nil))
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	s := New(d)
	if err := s.Mount(ctx, routes); err != nil {
		t.Fatal(err)
	}
	ln, err := Listening{Addr: "127.0.0.1:0"}.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r.addr = ln.Addr().String()
	r.client = &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
	go func() {
		r.served <- s.Serve(ctx, ln, 10*time.Second)
		close(r.served)
	}()
	t.Cleanup(func() {
		r.client.CloseIdleConnections()
		stop()
		if err := <-r.served; err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *rig) token(audience Audience, subject, family string) string {
	r.t.Helper()
	text, _, err := r.tokens.Issue(Claims{Audience: audience, Tenant: "demo", Subject: subject, Family: family})
	if err != nil {
		r.t.Fatal(err)
	}
	return text
}

// answer is a response, read.
type answer struct {
	status int
	header http.Header
	body   string
	close  bool
}

func (a answer) code() string {
	var p Problem
	_ = json.Unmarshal([]byte(a.body), &p)
	return p.Code
}

// ask sends a request; headers are name, value, name, value.
func (r *rig) ask(method, path string, body io.Reader, headers ...string) answer {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.addr+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	return read(r.t, res)
}

func read(t *testing.T, res *http.Response) answer {
	t.Helper()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(text), res.Close}
}

// readAnswer reads a response off a socket.
func readAnswer(t *testing.T, in *bufio.Reader) answer {
	t.Helper()
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	return read(t, res)
}

// dial opens a socket to write requests on by hand.
func (r *rig) dial() net.Conn {
	r.t.Helper()
	c, err := new(net.Dialer).DialContext(r.t.Context(), "tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		r.t.Fatal(err)
	}
	return c
}

const (
	jsonType = "application/json"
	aKey     = "0123456789abcdef0123456789abcdef"
)

// echo answers with how many bytes the handler was given.
func echo(q *Request) (Reply, error) {
	if q.route.Stream {
		n, err := io.Copy(io.Discard, q.Body())
		return Reply{Body: map[string]int64{"bytes": n}}, err
	}
	return Reply{Body: map[string]int{"bytes": len(q.RawBody())}}, nil
}

func TestMountRefuses(t *testing.T) {
	t.Parallel()
	good := Route{Method: "GET", Path: "/x", Action: casefile.TenantRead, Handle: echo}
	tests := map[string]func(r *Route){
		"unknown action":    func(r *Route) { r.Action = "no.such" },
		"no action":         func(r *Route) { r.Action = "" },
		"unknown schema":    func(r *Route) { r.Body = "no_such" },
		"schema and stream": func(r *Route) { r.Body, r.Stream = "common", true },
		"no handler":        func(r *Route) { r.Handle = nil },
		"command by GET":    func(r *Route) { r.Command = true },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := good
			spoil(&r)
			if err := New(Deps{}).Mount(t.Context(), []Route{r}); err == nil {
				t.Error("got no error")
			}
		})
	}
	if err := New(Deps{}).Mount(t.Context(), []Route{good}); err != nil {
		t.Error(err)
	}
}
