package web

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gridwatch/server/casefile"
)

// ahead is a clock that can be put forward.
type ahead struct{ by atomic.Int64 }

func (a *ahead) now() time.Time { return time.Now().Add(time.Duration(a.by.Load())) }

// sending begins a request to /up whose body stops behind some of its bytes. Of these
// there are more than the 8 KiB that fasthttp reads before it calls a handler.
func (r *rig) sending(t *testing.T, auth string, bytes, length int) (net.Conn, *bufio.Reader) {
	t.Helper()
	c := r.dial()
	write(t, c, fmt.Sprintf("POST /up HTTP/1.1\r\nHost: x\r\n%sContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n%s",
		auth, length, strings.Repeat("x", bytes)))
	return c, bufio.NewReader(c)
}

// waitedFor says whether so many bytes came and more are waited for.
func (s *Sender) waitedFor(bytes int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes == bytes && !s.since.IsZero()
}

// TestSlowSendersHeldAllPlaces: 32 callers who sent 64 KiB in half a minute kept
// everybody else from reporting for ten.
func TestSlowSendersHeldAllPlaces(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		action casefile.Action
		deps   Deps
	}{
		"without a name": {casefile.ReportSubmit, Deps{PublicUploads: 2}},
		"with a name":    {casefile.ReceiptWrite, Deps{Uploads: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock, senders := new(ahead), make(chan *Sender, 10_000)
			tt.deps.Now, tt.deps.Patience = clock.now, time.Hour
			r := start(t, tt.deps, Route{
				Method: "POST", Path: "/up", Action: tt.action, Stream: true, Type: "application/octet-stream", MaxBody: 1 << 20,
				Handle: func(q *Request) (Reply, error) {
					senders <- q.Sender()
					return echo(q)
				},
			})
			auth := ""
			if tt.action == casefile.ReceiptWrite {
				auth = "Bearer " + r.token(Receipt, "R", "")
			}
			head := ""
			if auth != "" {
				head = "Authorization: " + auth + "\r\n"
			}
			const length = 200_000
			_, slowest := r.sending(t, head, 10_000, length)
			first := <-senders
			other, others := r.sending(t, head, 100_000, length)
			second := <-senders
			ask := func() answer {
				return r.ask("POST", "/up", strings.NewReader("x"), "Content-Type", "application/octet-stream", "Authorization", auth)
			}
			for !first.waitedFor(10_000) || !second.waitedFor(100_000) {
				if got := ask(); got.status != 503 || got.code() != "server.busy" {
					t.Fatalf("got %d %s while nobody was slow", got.status, got.body)
				}
			}
			clock.by.Store(int64(2 * time.Hour))
			if got := ask(); got.status != 200 {
				t.Fatalf("got %d %s", got.status, got.body)
			}
			if got := readAnswer(t, slowest); got.status != 503 || got.code() != "server.too_slow" || !got.close || got.header.Get("Retry-After") == "" {
				t.Errorf("the slowest got %d %s, closes %v", got.status, got.body, got.close)
			}
			write(t, other, strings.Repeat("x", length-100_000))
			if got := readAnswer(t, others); got.status != 200 {
				t.Errorf("the other got %d %s", got.status, got.body)
			}
		})
	}
}

// One account has so many streams at once, whatever it sends.
func TestOneAccountHoldsFewStreams(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 10)
	r := start(t, Deps{UploadsOfOne: 2}, Route{
		Method: "POST", Path: "/up", Action: casefile.ReceiptWrite, Stream: true, Type: "application/octet-stream",
		Handle: func(q *Request) (Reply, error) {
			entered <- struct{}{}
			return echo(q)
		},
	})
	one, other := "Bearer "+r.token(Receipt, "R", ""), "Bearer "+r.token(Receipt, "S", "")
	ask := func(auth string) answer {
		return r.ask("POST", "/up", strings.NewReader("x"), "Content-Type", "application/octet-stream", "Authorization", auth)
	}
	c, in := r.sending(t, "Authorization: "+one+"\r\n", 10_000, 10_002)
	r.sending(t, "Authorization: "+one+"\r\n", 10_000, 10_002)
	<-entered
	<-entered
	if got := ask(one); got.status != 503 || got.code() != "server.too_many" {
		t.Errorf("got %d %s for a third", got.status, got.body)
	}
	if got := ask(other); got.status != 200 {
		t.Errorf("got %d %s for another account", got.status, got.body)
	}
	write(t, c, "xx")
	if got := readAnswer(t, in); got.status != 200 {
		t.Errorf("got %d %s", got.status, got.body)
	}
	for got := ask(one); got.status != 200; got = ask(one) { // the answer is written before the place is left
		if got.code() != "server.too_many" {
			t.Fatalf("got %d %s", got.status, got.body)
		}
	}
}

// A pause that the server made is not the sender's.
func TestOwnPauseIsNotTheSenders(t *testing.T) {
	t.Parallel()
	clock := new(ahead)
	r := start(t, Deps{Now: clock.now, Stall: 10 * time.Second}, Route{
		Method: "POST", Path: "/up", Action: casefile.ReportSubmit, Stream: true, Type: "application/octet-stream",
		Handle: func(q *Request) (Reply, error) {
			var one [1]byte
			if _, err := io.ReadFull(q.Body(), one[:]); err != nil {
				return Reply{}, err
			}
			before, waited := q.Sender().Progress()
			clock.by.Add(int64(time.Minute)) // we wait for something of ours
			if after, still := q.Sender().Progress(); after != before || still != waited {
				return Reply{}, fmt.Errorf("got %v waited, want %v", still, waited)
			}
			return echo(q)
		},
	})
	if got := r.ask("POST", "/up", strings.NewReader("xyz"), "Content-Type", "application/octet-stream"); got.status != 200 {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

// zeros never end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestSlowTakersHeldMemory: a part of each file lay in memory for as long as its
// taker liked, and one receipt could ask for as many as it liked.
func TestSlowTakersHeldMemory(t *testing.T) {
	t.Parallel()
	const size = 64 << 20 // more than sockets take by themselves
	clock, entered := new(ahead), make(chan struct{}, 100)
	r := start(t, Deps{Now: clock.now, Patience: time.Hour, Downloads: 2, DownloadsOfOne: 1}, Route{
		Method: "GET", Path: "/file", Action: casefile.ReceiptRead, Download: true,
		Handle: func(*Request) (Reply, error) {
			entered <- struct{}{}
			return Reply{Stream: &Stream{ReadCloser: io.NopCloser(io.LimitReader(zeros{}, size)), Size: size, Type: "image/jpeg", Name: "x.jpg"}}, nil
		},
	})
	auth := func(receipt string) string { return "Bearer " + r.token(Receipt, receipt, "") }
	ask := func(receipt string) answer { return r.ask("GET", "/file", nil, "Authorization", auth(receipt)) }
	slow := map[string]net.Conn{}
	for _, receipt := range []string{"R", "S"} {
		c := r.dial()
		slow[receipt] = c
		write(t, c, "GET /file HTTP/1.1\r\nHost: x\r\nAuthorization: "+auth(receipt)+"\r\n\r\n")
		<-entered
		if got := ask(receipt); got.code() != "server.too_many" {
			t.Errorf("got %d for the second file of one", got.status)
		}
	}
	if got := ask("T"); got.code() != "server.busy" {
		t.Errorf("got %d while nobody was slow", got.status)
	}
	clock.by.Store(int64(2 * time.Hour))
	for got := ask("T"); got.status != 200 || len(got.body) != size; got = ask("T") { // until the two are being sent
		if got.code() != "server.busy" {
			t.Fatalf("got %d", got.status)
		}
	}
	whole := 0
	for _, c := range slow {
		if n, err := io.Copy(io.Discard, io.LimitReader(c, size)); err == nil && n == size {
			whole++
		}
	}
	if whole != 1 {
		t.Errorf("got %d of the two whole, want one cut off", whole)
	}
}

// TestSilentConnectionsHeldAllThereAre: who opened all the connections that the
// server takes, and said nothing for half a minute, kept everybody out.
func TestSilentConnectionsHeldAllThereAre(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	held := Route{Method: "GET", Path: "/slow", Action: casefile.TenantRead, Handle: func(*Request) (Reply, error) {
		entered <- struct{}{}
		<-leave
		return Reply{}, nil
	}}
	r := start(t, Deps{Connections: 3}, append(routesUnderTest(), held)...)
	served := r.dial()
	write(t, served, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	<-entered
	oldest, later := r.dial(), r.dial()
	write(t, oldest, "GET /v1/") // half a head
	for range 2 {
		c := r.dial()
		write(t, c, "GET /v1/public/demo/x HTTP/1.1\r\nHost: x\r\n\r\n")
		if got := readAnswer(t, bufio.NewReader(c)); got.status != 200 {
			t.Errorf("got %d %s for who says something", got.status, got.body)
		}
	}
	for _, c := range []net.Conn{oldest, later} {
		if n, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("got %d bytes on a silent connection, want it closed", n)
		}
	}
	close(leave)
	if got := readAnswer(t, bufio.NewReader(served)); got.status != 204 {
		t.Errorf("who was being served got %d %s", got.status, got.body)
	}
}
