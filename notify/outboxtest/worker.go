package outboxtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gridwatch/notify/fcm"
	"gridwatch/notify/fcmtest"
	"gridwatch/notify/outbox"
)

// Engine is what the worker runs on, empty.
type Engine struct {
	Store   outbox.Store
	Devices outbox.Devices
	// Register makes a token the person's device.
	Register func(ctx context.Context, tenant, person, token string) error
}

// RunWorker checks the worker on a real store, with the real FCM sender
// against the stand-in. open returns an empty engine. The caller's TestMain
// runs goleak, so that a worker that outlives Stop is found.
func RunWorker(t *testing.T, open func(t *testing.T) Engine) {
	t.Helper()
	tests := map[string]func(t *testing.T, b *bench){
		"delivered once, to every device":     delivered,
		"no device":                           noDevice,
		"an unregistered token is dropped":    unregistered,
		"outage, then delivered":              outage,
		"a message at fault is not repeated":  atFault,
		"expired":                             expired,
		"a kill after the send repeats it":    killed,
		"a slot in other hands is left alone": leased,
		"two workers":                         twoWorkers,
		"start, kick, stop":                   startStop,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newBench(t, open(t)))
		})
	}
}

// bench is an engine with a stand-in, a sender for it and a clock.
type bench struct {
	Engine
	fcm     *fcmtest.Server
	sender  *fcm.Sender
	arrived chan struct{} // one signal for each request the stand-in answered
	log     *lockedBuffer

	mu  sync.Mutex
	now time.Time
}

func newBench(t *testing.T, e Engine) *bench {
	t.Helper()
	b := &bench{Engine: e, arrived: make(chan struct{}, 1000), log: &lockedBuffer{}, now: epoch()}
	b.fcm = fcmtest.NewServer(b.clock)
	inner := b.fcm.Handler()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r)
		b.arrived <- struct{}{}
	}))
	t.Cleanup(web.Close)
	sender, err := fcm.New(t.Context(), fcm.Config{ProjectID: "demo", Endpoint: web.URL})
	must(t, err)
	t.Cleanup(sender.Close)
	b.sender = sender
	must(t, e.Register(t.Context(), "tenant-1", "person-1", "token-1"))
	return b
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) wait(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

// worker returns a worker on the store, which is the engine's or a wrapper.
func (b *bench) worker(owner string, store outbox.Store) *outbox.Worker {
	return outbox.New(outbox.Config{
		Store: store, Devices: b.Devices, Sender: b.sender, Now: b.clock, Random: rand.Reader,
		Logger: slog.New(slog.NewTextHandler(b.log, nil)), Owner: owner, Poll: time.Hour,
	})
}

// add stores an entry for person-1 and returns it.
func (b *bench) add(t *testing.T, seq uint64) outbox.Entry {
	t.Helper()
	e := entry("record-1", seq, "person-1")
	must(t, b.Store.Add(t.Context(), e))
	return e
}

// round lets the worker go over the slots once and deal with want entries.
func round(t *testing.T, w *outbox.Worker, want int) {
	t.Helper()
	got, err := w.RunOnce(t.Context())
	if err != nil || got != want {
		t.Fatalf("round: got %d entries, %v, want %d", got, err, want)
	}
}

// phone checks how often each push reached the phone, in order of first
// arrival; the phone shows each once. It also checks that no secret was logged.
func (b *bench) phone(t *testing.T, token string, arrived ...int) {
	t.Helper()
	shown := b.fcm.Shown(token)
	var got []int
	for _, p := range shown {
		got = append(got, p.Arrived)
		if p.Kind != "task" || p.Ref != "ref-record-1" || len(p.ID) != 32 {
			t.Errorf("phone %s: got %+v, want a task's push", token, p)
		}
	}
	if !slices.Equal(got, arrived) {
		t.Errorf("phone %s: got pushes %v times, want %v", token, got, arrived)
	}
	for _, secret := range []string{"token-", "person-", "record-"} {
		if text := b.log.String(); strings.Contains(text, secret) {
			t.Errorf("the log says %q: %s", secret, text)
		}
	}
}

func delivered(t *testing.T, b *bench) {
	t.Helper()
	must(t, b.Register(t.Context(), "tenant-1", "person-1", "token-2"))
	must(t, b.Register(t.Context(), "tenant-1", "person-2", "token-3"))
	must(t, b.Register(t.Context(), "tenant-2", "person-1", "token-4"))
	w := b.worker("worker-1", b.Store)
	e := b.add(t, 1)
	round(t, w, 1)
	round(t, w, 0)
	b.phone(t, "token-1", 1)
	b.phone(t, "token-2", 1)
	b.phone(t, "token-3")
	b.phone(t, "token-4")
	must(t, b.Store.Add(t.Context(), e)) // a relay that adds again after it was sent
	round(t, w, 1)
	b.phone(t, "token-1", 2)
}

func noDevice(t *testing.T, b *bench) {
	t.Helper()
	e := entry("record-1", 1, "person-without")
	must(t, b.Store.Add(t.Context(), e))
	round(t, b.worker("worker-1", b.Store), 1)
	check(t, b.Store, e.Slot, epoch())
}

func unregistered(t *testing.T, b *bench) {
	t.Helper()
	must(t, b.Register(t.Context(), "tenant-1", "person-1", "token-2"))
	b.fcm.Fail("token-1", fcmtest.Failure{Code: fcmtest.Unregistered})
	w := b.worker("worker-1", b.Store)
	b.add(t, 1)
	round(t, w, 1)
	b.add(t, 2)
	round(t, w, 1)
	b.phone(t, "token-1")
	b.phone(t, "token-2", 1, 1)
	tokens, err := b.Devices.Tokens(t.Context(), "tenant-1", "person-1")
	if err != nil || len(tokens) != 1 || tokens[0] != "token-2" {
		t.Errorf("got tokens %v, %v, want the other one only", tokens, err)
	}
}

func outage(t *testing.T, b *bench) {
	t.Helper()
	b.fcm.Fail("token-1",
		fcmtest.Failure{Code: fcmtest.Unavailable},
		fcmtest.Failure{Code: fcmtest.Unavailable, RetryAfter: 5 * time.Minute},
		fcmtest.Failure{Code: fcmtest.QuotaExceeded})
	w := b.worker("worker-1", b.Store)
	b.add(t, 1)
	round(t, w, 1)
	round(t, w, 0)
	b.wait(time.Minute)
	round(t, w, 1)
	b.wait(4 * time.Minute) // less than asked for
	round(t, w, 0)
	b.wait(4 * time.Minute)
	round(t, w, 1)
	b.phone(t, "token-1")
	b.wait(time.Hour)
	round(t, w, 1)
	round(t, w, 0)
	b.phone(t, "token-1", 1)
}

func atFault(t *testing.T, b *bench) {
	t.Helper()
	b.fcm.Fail("token-1", fcmtest.Failure{Code: fcmtest.InvalidArgument})
	w := b.worker("worker-1", b.Store)
	e := b.add(t, 1)
	round(t, w, 1)
	check(t, b.Store, e.Slot, epoch().Add(24*time.Hour))
	b.phone(t, "token-1")
}

func expired(t *testing.T, b *bench) {
	t.Helper()
	e := b.add(t, 1)
	b.wait(24 * time.Hour)
	round(t, b.worker("worker-1", b.Store), 1)
	check(t, b.Store, e.Slot, b.clock())
	b.phone(t, "token-1")
}

// cut is a store whose process dies before Done or Release reach it.
type cut struct{ outbox.Store }

var errCut = errors.New("killed")

func (cut) Done(context.Context, outbox.Lease, string) error { return errCut }

func (cut) Release(context.Context, outbox.Lease) error { return errCut }

func killed(t *testing.T, b *bench) {
	t.Helper()
	b.add(t, 1)
	if _, err := b.worker("worker-1", cut{b.Store}).RunOnce(t.Context()); !errors.Is(err, errCut) {
		t.Fatalf("got %v, want %v", err, errCut)
	}
	w := b.worker("worker-2", b.Store)
	round(t, w, 0) // the dead worker's lease still holds
	b.wait(time.Minute)
	round(t, w, 1)
	b.phone(t, "token-1", 2)
}

func leased(t *testing.T, b *bench) {
	t.Helper()
	e := b.add(t, 1)
	other := lease(t, b.Store, e.Slot, epoch())
	w := b.worker("worker-2", b.Store)
	round(t, w, 0)
	must(t, b.Store.Release(t.Context(), other))
	round(t, w, 1)
	b.phone(t, "token-1", 1)
}

func twoWorkers(t *testing.T, b *bench) {
	t.Helper()
	const pushes = 40
	for i := range pushes {
		must(t, b.Store.Add(t.Context(), entry(fmt.Sprintf("record-%d", i), 1, "person-1")))
	}
	for _, owner := range []string{"worker-1", "worker-2"} {
		w := b.worker(owner, b.Store)
		w.Start(t.Context())
		t.Cleanup(w.Stop)
	}
	for range pushes {
		<-b.arrived
	}
	if got := len(b.fcm.Shown("token-1")); got != pushes {
		t.Errorf("got %d pushes in %d messages, want each once", got, pushes)
	}
}

// startStop stops a worker wherever it happens to be. Whatever that is, every
// push arrives and none is shown twice.
func startStop(t *testing.T, b *bench) {
	t.Helper()
	w := b.worker("worker-1", b.Store)
	w.Stop() // not started: nothing to do
	const pushes = 30
	for i := range uint64(pushes) {
		b.add(t, i)
		w.Start(t.Context())
		w.Start(t.Context()) // runs already: nothing to do
		w.Kick()
		if i%3 == 0 {
			<-b.arrived
		}
		w.Stop()
	}
	w.Start(t.Context())
	for len(b.fcm.Shown("token-1")) < pushes {
		<-b.arrived
	}
	w.Stop()
}

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
