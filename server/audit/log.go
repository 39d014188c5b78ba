package audit

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
)

const (
	every     = time.Second      // looks for leaves that wait
	leaseLife = 10 * time.Second // a sequencer that is gone keeps others waiting so long
	batchSize = 1024
)

// Config is what a Log needs.
type Config struct {
	Store Store
	// Signer returns the signer of the next checkpoint: keys change while a log
	// is sequenced.
	Signer func() (note.Signer, error)
	Hour   int              // of the day in Asia/Shanghai, from which the checkpoint is due
	Owner  string           // this process, for the lease
	Batch  int              // most leaves of a batch; 0 is 1024
	Now    func() time.Time // UTC or not
	Random io.Reader
	Log    *slog.Logger
}

// Log sequences leaves and signs checkpoints. Any number of processes may do
// so on one store.
type Log struct {
	Config
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// New returns a Log.
func New(c Config) *Log {
	if c.Batch == 0 {
		c.Batch = batchSize
	}
	return &Log{Config: c}
}

// Start begins to sequence and returns at once.
func (l *Log) Start(ctx context.Context) {
	ctx, l.cancel = context.WithCancel(ctx)
	l.done.Go(func() { l.run(ctx) })
}

// Stop ends the sequencer and waits until it has ended.
func (l *Log) Stop() {
	if l.cancel != nil {
		l.cancel()
	}
	l.done.Wait()
}

func (l *Log) run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := l.Tick(ctx); err != nil && ctx.Err() == nil {
			l.Log.LogAttrs(ctx, slog.LevelError, "the log's sequencer stopped short", slog.String("error", err.Error()))
		}
	}
}

// Tick does what is due, if this process has the lease.
func (l *Log) Tick(ctx context.Context) error {
	now := l.Now()
	mine, err := l.Store.Lease(ctx, l.Owner, now.Add(leaseLife), now)
	if err != nil || !mine {
		return err
	}
	if err := l.drain(ctx); err != nil {
		return err
	}
	return l.Checkpoint(ctx)
}

// drain appends until nothing waits. That another was first is no error.
func (l *Log) drain(ctx context.Context) error {
	for {
		n, err := l.Append(ctx)
		if errors.Is(err, ErrRaced) {
			return nil
		}
		if err != nil || n < l.Batch {
			return err
		}
	}
}

// Append gives one batch of waiting leaves their places and returns how many.
// It returns ErrRaced if another sequencer was first; nothing is lost then.
func (l *Log) Append(ctx context.Context) (int, error) {
	h, err := l.head(ctx)
	if err != nil {
		return 0, err
	}
	waiting, err := l.Store.Waiting(ctx, l.Batch)
	if err != nil || len(waiting) == 0 {
		return 0, err
	}
	return len(waiting), l.advance(ctx, h, waiting)
}

// head reads the head and brings to its places what its batch left.
func (l *Log) head(ctx context.Context) (Head, error) {
	h, err := l.Store.Head(ctx)
	if err != nil {
		return Head{}, err
	}
	return h, l.settle(ctx, h)
}

// advance appends leaves to the tree of a head. Within a batch they stand in
// the order of their salted commitments, which tells nothing of who was first.
func (l *Log) advance(ctx context.Context, h Head, leaves []Leaf) error {
	slices.SortFunc(leaves, func(a, b Leaf) int { return bytes.Compare(a.Data, b.Data) })
	next, err := h.extend(leaves)
	if err != nil {
		return err
	}
	if err := l.Store.Advance(ctx, next, h.Size); err != nil {
		return err
	}
	return l.settle(ctx, next)
}

// settle writes what a head has decided: whole tiles and the leaves' indexes.
// It may be done any number of times, by anybody, also late.
func (l *Log) settle(ctx context.Context, h Head) error {
	if full := h.full(); len(full) > 0 {
		if err := l.Store.PutTiles(ctx, full); err != nil {
			return err
		}
	}
	if len(h.Batch) == 0 {
		return nil
	}
	return l.Store.Place(ctx, h.Size-int64(len(h.Batch)), h.Batch)
}

// shanghai is the time zone of days.
func shanghai() *time.Location { return time.FixedZone("Asia/Shanghai", 8*60*60) }

// Day returns the day of a time as statements and checkpoints have it.
func Day(at time.Time) string { return at.In(shanghai()).Format(time.DateOnly) }

// Checkpoint signs the day's checkpoint if it is due. A day on which nothing
// happened gets a tile of leaves that commit to nothing, so that it looks like
// one on which something did.
func (l *Log) Checkpoint(ctx context.Context) error {
	now := l.Now().In(shanghai())
	last, err := l.Store.Latest(ctx)
	if err != nil && !errors.Is(err, ErrNone) {
		return err
	}
	if now.Hour() < l.Hour || last.Day >= Day(now) {
		return nil
	}
	if err := l.drain(ctx); err != nil {
		return err
	}
	h, err := l.head(ctx)
	if err != nil {
		return err
	}
	if h.Size == last.Size || h.Size%width != 0 {
		if err := l.pad(ctx, h); err != nil {
			return err
		}
		if h, err = l.Store.Head(ctx); err != nil {
			return err
		}
	}
	if h.Size%width != 0 { // another sequencer went on; the next tick pads again
		return nil
	}
	by, err := l.Signer()
	if err != nil {
		return err
	}
	c, err := sign(h.tree(), Day(now), by)
	if err != nil {
		return err
	}
	return l.Store.PutCheckpoint(ctx, c)
}

// pad fills the last tile.
func (l *Log) pad(ctx context.Context, h Head) error {
	leaves := make([]Leaf, width-h.Size%width)
	for i := range leaves {
		random := make([]byte, 48)
		if _, err := io.ReadFull(l.Random, random); err != nil {
			return fmt.Errorf("audit: pad: %w", err)
		}
		leaves[i] = Leaf{ID: "pad:" + hex.EncodeToString(random[:16]), Data: random[16:], Index: Unplaced}
	}
	if err := l.Store.Add(ctx, leaves); err != nil {
		return err
	}
	err := l.advance(ctx, h, leaves)
	if errors.Is(err, ErrRaced) {
		return nil
	}
	return err
}

// nextCheckpoint returns the day of the checkpoint that comes next.
func (l *Log) nextCheckpoint(last Checkpoint) string {
	if today := Day(l.Now()); last.Day < today {
		return today
	}
	day, err := time.ParseInLocation(time.DateOnly, last.Day, shanghai())
	if err != nil { // no checkpoint has another form
		return last.Day
	}
	return Day(day.AddDate(0, 0, 1))
}
