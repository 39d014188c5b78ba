package web

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"gridwatch/server/casefile"
)

func TestOps(t *testing.T) {
	t.Parallel()
	fine := Check{Name: "store", Run: func(context.Context) error { return nil }}
	said := Check{Name: "isolation", Run: fine.Run, Says: func() string { return "bwrap" }}
	ill := Check{Name: "database", Run: func(ctx context.Context) error {
		if _, ok := ctx.Deadline(); !ok {
			return errors.New("no deadline")
		}
		return errors.New("canary-connection refused")
	}}
	home, away := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, &net.TCPAddr{IP: net.IPv4zero}
	tests := map[string]struct {
		addr   net.Addr
		checks []Check
		path   string
		status int
		body   string
	}{
		"alive":                   {home, []Check{ill}, "/healthz", 204, ""},
		"ready":                   {home, []Check{fine}, "/readyz", 200, `{"store":"ok"}` + "\n"},
		"ready, and says":         {home, []Check{said}, "/readyz", 200, `{"isolation":"bwrap"}` + "\n"},
		"not ready":               {home, []Check{fine, ill}, "/readyz", 503, `{"database":"failed","store":"ok"}` + "\n"},
		"profile on loopback":     {home, nil, "/debug/pprof/goroutine", 200, ""},
		"heap on loopback":        {home, nil, "/debug/pprof/heap", 200, ""},
		"heap off loopback":       {away, nil, "/debug/pprof/heap", 404, ""},
		"profile off loopback":    {away, nil, "/debug/pprof/", 404, ""},
		"metrics off loopback":    {away, nil, "/metrics", 200, ""},
		"nothing else is served":  {home, nil, "/", 404, ""},
		"a check is read by GETs": {home, []Check{fine}, "/readyz?x=1", 200, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &logbook{}
			ops := Ops(tt.addr, prometheus.NewRegistry(), slog.New(slog.NewTextHandler(log, nil)), tt.checks...)
			res := httptest.NewRecorder()
			ops.Handler.ServeHTTP(res, httptest.NewRequestWithContext(t.Context(), http.MethodGet, tt.path, nil))
			if res.Code != tt.status || (tt.body != "" && res.Body.String() != tt.body) {
				t.Errorf("got %d %s, want %d %s", res.Code, res.Body, tt.status, tt.body)
			}
			if strings.Contains(res.Body.String(), "canary") {
				t.Error("got the reason in the answer")
			}
			if tt.status == 503 && !strings.Contains(log.String(), "canary") {
				t.Error("got no reason in the log")
			}
		})
	}
}

// A count of public requests moves on the hour, so that it tells no one's time.
func TestHourlyCounts(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 8, 10, 0, 0, time.UTC)
	registry := prometheus.NewRegistry()
	m, err := NewMetrics(registry, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	route := Route{Method: "POST", Path: "/v1/public/:tenant/reports"}
	shown := func() string {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "grid_public_requests_total" {
				return f.GetMetric()[0].String()
			}
		}
		return ""
	}
	m.unseen(route, 201)
	if got := shown(); got != "" {
		t.Errorf("got %s within the hour", got)
	}
	now = now.Add(49 * time.Minute)
	m.unseen(route, 201)
	now = now.Add(time.Minute) // 9:00
	if got := shown(); !strings.Contains(got, "value:2") || !strings.Contains(got, "2xx") {
		t.Errorf("got %s, want 2 after the hour", got)
	}
	m.unseen(route, 201)
	if got := shown(); !strings.Contains(got, "value:2") {
		t.Errorf("got %s, want 2 until the next hour", got)
	}
}

// What metrics say of a request: its pattern, method and class, no value of it.
func TestMetricsOfRequests(t *testing.T) {
	t.Parallel()
	r := start(t, Deps{}, routesUnderTest()...)
	r.ask("POST", "/v1/office/canary/seen", nil, "Authorization", "Bearer "+r.token(Staff, string(casefile.DeskOfficer), "f"))
	r.ask("GET", "/v1/public/canary/x?q=canary", nil, "User-Agent", "canary", "Referer", "canary")
	if n, err := testutil.GatherAndCount(r.registry, "grid_request_seconds"); err != nil || n != 1 {
		t.Errorf("got %d series, %v, want the staff route's one", n, err)
	}
	families, err := r.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if text := f.String(); strings.Contains(text, "canary") {
			t.Errorf("got %s", text)
		}
	}
	if log := r.log.String(); strings.Contains(log, "canary") || !strings.Contains(log, `"route":"POST /v1/office/:id/seen"`) {
		t.Errorf("got log %s", log)
	}
}

func TestListening(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}
	tests := map[string]struct {
		l  Listening
		ok bool
	}{
		"loopback":            {Listening{Addr: "127.0.0.1:0"}, true},
		"localhost":           {Listening{Addr: "localhost:0"}, true},
		"IPv6 loopback":       {Listening{Addr: "[::1]:0"}, true},
		"every address":       {Listening{Addr: "0.0.0.0:0"}, false},
		"no address":          {Listening{Addr: ":0"}, false},
		"a name":              {Listening{Addr: "grid.example:0"}, false},
		"behind proxies":      {Listening{Addr: ":0", Proxies: proxies}, true},
		"TLS":                 {Listening{Addr: ":0", Cert: "c", Key: "k"}, true},
		"certificate, no key": {Listening{Addr: "127.0.0.1:0", Cert: "c"}, false},
		"no port":             {Listening{Addr: "127.0.0.1"}, false},
	}
	for name, tt := range tests {
		if err := tt.l.Check(); (err == nil) != tt.ok {
			t.Errorf("%s: got %v", name, err)
		}
	}
	ln := &listener{proxies: proxies}
	for peer, want := range map[string]bool{"10.0.0.9:1": true, "[::ffff:10.0.0.9]:1": true, "127.0.0.1:1": true, "10.0.1.1:1": false, "[2001:db8::1]:1": false} {
		if got := ln.admits(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(peer))); got != want {
			t.Errorf("%s: got %v, want %v", peer, got, want)
		}
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	l := Listening{Addr: "127.0.0.1:0", Cert: filepath.Join(t.TempDir(), "cert"), Key: filepath.Join(t.TempDir(), "key")}
	for path, block := range map[string]*pem.Block{l.Cert: {Type: "CERTIFICATE", Bytes: cert}, l.Key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ln, err := l.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	s := New(Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	go func() { served <- s.Serve(ctx, ln, time.Second) }()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}
	res, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Get("https://" + ln.Addr().String() + "/x")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("got %d", res.StatusCode)
	}
	transport.CloseIdleConnections()
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// A request that is being served when the server is told to stop gets its
// answer, with a context that lives; no other is taken.
func TestDrain(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	r := start(t, Deps{}, Route{Method: "GET", Path: "/slow", Action: casefile.TenantRead, Handle: func(q *Request) (Reply, error) {
		close(entered)
		<-leave
		return Reply{Body: "whole"}, q.Context().Err()
	}})
	got := make(chan answer, 1)
	go func() { got <- r.ask("GET", "/slow", nil) }()
	<-entered
	r.stop()
	for refused := false; !refused; { // the listener closes at once, in another goroutine
		c, err := net.Dial("tcp", r.addr)
		if refused = err != nil; !refused {
			_ = c.Close()
		}
	}
	close(leave)
	if a := <-got; a.status != 200 || a.body != `"whole"` {
		t.Errorf("got %d %s", a.status, a.body)
	}
	if err := <-r.served; err != nil {
		t.Error(err)
	}
}

// A request ends at its deadline.
func TestDeadline(t *testing.T) {
	t.Parallel()
	r := start(t, Deps{RequestDeadline: 20 * time.Millisecond}, Route{Method: "GET", Path: "/", Action: casefile.TenantRead, Handle: func(q *Request) (Reply, error) {
		<-q.Context().Done()
		return Reply{}, q.Context().Err()
	}})
	if got := r.ask("GET", "/", nil); got.status != 503 || got.code() != "server.deadline" {
		t.Errorf("got %d %s", got.status, got.body)
	}
}
