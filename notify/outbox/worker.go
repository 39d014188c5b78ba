package outbox

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gridwatch/notify"
)

const (
	defaultPoll = 2 * time.Second
	batch       = 32               // entries of one slot in a row
	leaseTime   = 30 * time.Second // length of a lease
	entryTime   = 10 * time.Second // limit for all sends of one entry
	settleTime  = 5 * time.Second  // limit for a short write that Stop does not cut off
)

// Config is what a Worker needs. Only Poll and Counter may be left out.
type Config struct {
	Store   Store
	Devices Devices
	Sender  notify.Sender
	Now     func() time.Time
	Random  io.Reader // jitter of the retries
	Logger  *slog.Logger
	Owner   string        // names this worker in leases; unique among all that run
	Poll    time.Duration // longest wait before it looks again; 2 s if 0
	Counter string        // name of what Collector counts; grid_pushes_total if empty
}

// Worker sends what is due. Several may run on one Store.
type Worker struct {
	cfg    Config
	kick   chan struct{}
	pushes *prometheus.CounterVec

	mu   sync.Mutex
	stop context.CancelFunc // nil while it does not run
	done chan struct{}
}

// New returns a Worker that does not run yet.
func New(cfg Config) *Worker {
	cfg.Poll = cmp.Or(cfg.Poll, defaultPoll)
	return &Worker{
		cfg:  cfg,
		kick: make(chan struct{}, 1),
		pushes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: cmp.Or(cfg.Counter, "grid_pushes_total"),
			Help: "Tries to send by what became of them.",
		}, []string{"outcome"}),
	}
}

// Collector returns the counter, by outcome: those of
// notify.Outcome for each send, "no_device" and "expired" for entries that
// left without one.
func (w *Worker) Collector() prometheus.Collector { return w.pushes }

// Start lets the Worker run until Stop, or until ctx ends, and returns at
// once. On a Worker that runs it does nothing.
func (w *Worker) Start(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop != nil {
		return
	}
	ctx, w.stop = context.WithCancel(ctx)
	w.done = make(chan struct{})
	go w.run(ctx, w.done)
}

// Stop ends the Worker and waits for it. A send under way is given up and its
// entry stays; what was sent is recorded. A Worker may be started again.
func (w *Worker) Stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop == nil {
		return
	}
	w.stop()
	<-w.done
	w.stop = nil
}

// Kick makes a running Worker look at once, because something was added.
// It never blocks.
func (w *Worker) Kick() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// now returns the time as the Store keeps it.
func (w *Worker) now() time.Time { return w.cfg.Now().UTC().Truncate(time.Millisecond) }

func (w *Worker) run(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	tick := time.NewTicker(w.cfg.Poll)
	defer tick.Stop()
	for ctx.Err() == nil {
		n, err := w.RunOnce(ctx)
		if err != nil && ctx.Err() == nil {
			w.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "push round broken off", slog.Any("error", err))
		}
		if n > 0 && err == nil {
			continue // there may be more
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-w.kick:
		}
	}
}

// RunOnce goes once over the slots that have something due and returns how
// many entries it has dealt with: sent, put off or given up. Start calls it in
// a loop. Trouble with one slot does not keep it from the next.
func (w *Worker) RunOnce(ctx context.Context) (int, error) {
	slots, err := w.cfg.Store.Ready(ctx, w.now())
	if err != nil {
		return 0, fmt.Errorf("look for due slots: %w", err)
	}
	total := 0
	for _, slot := range slots {
		n, failed := w.drain(ctx, slot)
		total += n
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("slot %d: %w", slot, failed))
		}
	}
	return total, err
}

// drain leases the slot and deals with its due entries in order, as long as
// the lease is good for one more.
func (w *Worker) drain(ctx context.Context, slot int) (int, error) {
	if ctx.Err() != nil {
		return 0, nil
	}
	now := w.now()
	settle, cancel := unstoppable(ctx)
	defer cancel()
	lease, ok, err := w.cfg.Store.Lease(settle, slot, w.cfg.Owner, now.Add(leaseTime), now)
	if err != nil {
		return 0, fmt.Errorf("lease: %w", err)
	}
	if !ok {
		return 0, nil
	}
	n, err := w.work(ctx, lease)
	settle, cancelRelease := unstoppable(ctx)
	defer cancelRelease()
	return n, errors.Join(err, w.cfg.Store.Release(settle, lease))
}

// unstoppable returns a context for a short write that Stop must not cut off:
// nobody would know whether it was made.
func unstoppable(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), settleTime)
}

func (w *Worker) work(ctx context.Context, lease Lease) (int, error) {
	due, err := w.cfg.Store.Due(ctx, lease.Slot, w.now(), batch)
	if err != nil {
		return 0, fmt.Errorf("read due entries: %w", err)
	}
	for n, e := range due {
		if lease.Until.Sub(w.now()) < entryTime+settleTime {
			return n, nil
		}
		if err := w.handle(ctx, lease, e); err != nil {
			return n, err
		}
	}
	return len(due), nil
}

// handle tries one entry and writes down what became of it.
func (w *Worker) handle(ctx context.Context, lease Lease, e Entry) error {
	again, asked, err := w.try(ctx, e)
	if err != nil {
		return err
	}
	settle, cancel := unstoppable(ctx)
	defer cancel()
	if !again {
		return w.cfg.Store.Done(settle, lease, e.ID)
	}
	if ctx.Err() != nil {
		return nil // stopped in the middle: as if not tried
	}
	var b [4]byte
	if _, err := io.ReadFull(w.cfg.Random, b[:]); err != nil {
		return fmt.Errorf("read randomness: %w", err)
	}
	jitter := float64(binary.BigEndian.Uint32(b[:])) / (1 << 32)
	tries := e.Tries + 1
	notBefore := w.now().Add(backoff(tries, asked, jitter).Truncate(time.Millisecond))
	return w.cfg.Store.Retry(settle, lease, e.ID, notBefore, tries)
}

// try sends the entry to every device of its recipient. It reports whether one
// of them must be tried again and the wait the push service asked for; then
// all get it again, with the same push id.
func (w *Worker) try(ctx context.Context, e Entry) (bool, time.Duration, error) {
	if !w.now().Before(e.ExpiresAt) {
		w.pushes.WithLabelValues("expired").Inc()
		w.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "push expired", slog.Int("tries", e.Tries))
		return false, 0, nil
	}
	tokens, err := w.cfg.Devices.Tokens(ctx, e.Tenant, e.Recipient)
	if err != nil {
		return false, 0, fmt.Errorf("look up devices: %w", err)
	}
	if len(tokens) == 0 {
		w.pushes.WithLabelValues("no_device").Inc()
		return false, 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, entryTime)
	defer cancel()
	again, asked := false, time.Duration(0)
	for _, token := range tokens {
		r := w.cfg.Sender.Send(ctx, notify.Message{ID: e.PushID, Kind: e.Kind, Ref: e.Ref, Token: token})
		w.pushes.WithLabelValues(r.Outcome.String()).Inc()
		switch r.Outcome {
		case notify.Delivered:
		case notify.Later:
			again, asked = true, max(asked, r.After)
		case notify.Gone:
			if err := w.cfg.Devices.Drop(ctx, token); err != nil {
				return false, 0, fmt.Errorf("drop device: %w", err)
			}
		case notify.Never:
			w.cfg.Logger.LogAttrs(ctx, slog.LevelError, "push refused", slog.Any("error", r.Err))
		}
	}
	return again, asked, nil
}
