package storetest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"gridwatch/server/audit"
	"gridwatch/server/mongostore"
)

// LogKey is the key of the suite's logs.
func LogKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, 32)) }

// LogVerifiers are by which the suite's checkpoints are checked.
func LogVerifiers(tb testing.TB) note.Verifiers {
	tb.Helper()
	key, err := audit.VerifierKey(LogKey().Public().(ed25519.PublicKey))
	if err != nil {
		tb.Fatal(err)
	}
	known, err := audit.Verifiers(key)
	if err != nil {
		tb.Fatal(err)
	}
	return known
}

// NewLog returns a process that sequences; day counts from the suite's first.
func NewLog(tb testing.TB, s audit.Store, owner string, day int) *audit.Log {
	tb.Helper()
	signer, err := audit.NewSigner(LogKey())
	if err != nil {
		tb.Fatal(err)
	}
	return audit.New(audit.Config{
		Store: s, Signer: func() (note.Signer, error) { return signer, nil }, Hour: 4, Owner: owner, Batch: 200, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return start().AddDate(0, 0, day) },
	})
}

// Leaves makes leaves that wait.
func Leaves(first, n int) []audit.Leaf {
	leaves := make([]audit.Leaf, n)
	for i := range leaves {
		sum := sha256.Sum256(fmt.Append(nil, first+i))
		leaves[i] = audit.Leaf{ID: fmt.Sprintf("record%d:1", first+i), Data: sum[:], Index: audit.Unplaced}
	}
	return leaves
}

// whole wants a log that verifies and holds, besides padding, each of so many
// leaves once.
func whole(t *testing.T, s audit.Store, leaves int, old ...audit.Signed) audit.Report {
	t.Helper()
	report := must[audit.Report](t)(audit.VerifyStore(t.Context(), s, LogVerifiers(t), old...))
	for _, fault := range report.Faults {
		t.Error(fault)
	}
	placed := must[[]audit.Leaf](t)(s.Placed(t.Context(), 0, int(report.Size)))
	real := map[string]bool{}
	for _, l := range placed {
		if !strings.HasPrefix(l.ID, "pad:") {
			real[l.ID] = true
		}
	}
	if len(real) != leaves || int64(len(placed)) != report.Size {
		t.Errorf("got %d leaves of %d, in a log of %d", len(real), leaves, report.Size)
	}
	waiting := must[[]audit.Leaf](t)(s.Waiting(t.Context(), 1))
	same(t, "leaves left", len(waiting), 0)
	return report
}

// logStore shows what the parts of an audit.Store promise.
func logStore(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx, a := t.Context(), s.Audit
	same(t, "no head", must[audit.Head](t)(a.Head(ctx)), audit.Head{})
	if _, err := a.Latest(ctx); !errors.Is(err, audit.ErrNone) {
		t.Errorf("got %v, want none", err)
	}
	if _, err := a.Leaf(ctx, "record0:1"); !errors.Is(err, audit.ErrNone) {
		t.Errorf("got %v, want none", err)
	}

	ok(t, a.Add(ctx, Leaves(0, 3)))
	ok(t, a.Place(ctx, 7, []string{"record1:1"}))
	ok(t, a.Add(ctx, Leaves(0, 4))) // three of them a repeat, and one of them placed
	same(t, "waiting", len(must[[]audit.Leaf](t)(a.Waiting(ctx, 9))), 3)
	same(t, "placed", must[audit.Leaf](t)(a.Leaf(ctx, "record1:1")).Index, int64(7))
	same(t, "from there on", len(must[[]audit.Leaf](t)(a.Placed(ctx, 8, 9))), 0)
	same(t, "from there", len(must[[]audit.Leaf](t)(a.Placed(ctx, 7, 9))), 1)

	tile := audit.Tile{ID: "0/0", Hashes: []byte("first")}
	ok(t, a.PutTiles(ctx, []audit.Tile{tile}))
	ok(t, a.PutTiles(ctx, []audit.Tile{{ID: "0/0", Hashes: []byte("second")}, {ID: "0/1", Hashes: []byte("other")}}))
	same(t, "tiles", must[[]audit.Tile](t)(a.Tiles(ctx, []string{"0/0", "0/9"})), []audit.Tile{tile})

	c := audit.Checkpoint{Day: "2026-03-01", Size: 256, Note: "first"}
	ok(t, a.PutCheckpoint(ctx, c))
	ok(t, a.PutCheckpoint(ctx, audit.Checkpoint{Day: c.Day, Size: 512, Note: "second"}))
	same(t, "first of the day", must[audit.Checkpoint](t)(a.Checkpoint(ctx, c.Day)), c)
	c.Note = "countersigned"
	ok(t, a.Countersign(ctx, c, "first"))
	if err := a.Countersign(ctx, c, "first"); !errors.Is(err, audit.ErrRaced) {
		t.Errorf("got %v, want raced", err)
	}
	ok(t, a.PutCheckpoint(ctx, audit.Checkpoint{Day: "2026-02-28", Size: 1}))
	same(t, "latest", must[audit.Checkpoint](t)(a.Latest(ctx)), c)
	same(t, "all", len(must[[]audit.Checkpoint](t)(a.Checkpoints(ctx))), 2)

	lease := func(owner string, after time.Duration) bool {
		return must[bool](t)(a.Lease(ctx, owner, start().Add(after+time.Minute), start().Add(after)))
	}
	same(t, "leases", []bool{
		lease("one", 0), lease("two", time.Second), lease("one", time.Second), lease("two", time.Minute), lease("two", 2*time.Minute), lease("one", 2*time.Minute),
	}, []bool{true, false, true, false, true, false})
}

// logHead lets many move one head, the first of all among them.
func logHead(t *testing.T, s *mongostore.Store) {
	t.Helper()
	for size := range int64(3) {
		won := 0
		for _, err := range race(func(n int) error {
			return s.Audit.Advance(t.Context(), audit.Head{Size: size + 1, Root: []byte{byte(n)}}, size)
		}) {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, audit.ErrRaced):
				t.Error(err)
			}
		}
		same(t, "winners", won, 1)
	}
}

// logRace lets sixteen processes without a lease sequence at once what others
// go on to add: one wins each batch, no leaf enters twice and none is lost.
func logRace(t *testing.T, s *mongostore.Store) {
	t.Helper()
	const each = 60
	var adding atomic.Int32
	adding.Store(racers)
	for _, err := range race(func(n int) error {
		l := NewLog(t, s.Audit, fmt.Sprint(n), 0)
		l.Batch = 40
		for i := range each {
			if err := s.Audit.Add(t.Context(), Leaves(n*each+i, 1)); err != nil {
				return err
			}
			if i%20 != 19 {
				continue
			}
			if _, err := l.Append(t.Context()); err != nil && !errors.Is(err, audit.ErrRaced) {
				return err
			}
		}
		adding.Add(-1)
		for {
			last := adding.Load() == 0
			got, err := l.Append(t.Context())
			if err != nil && !errors.Is(err, audit.ErrRaced) {
				return err
			}
			if err == nil && got == 0 && last {
				return l.Checkpoint(t.Context())
			}
		}
	}) {
		ok(t, err)
	}
	// Who padded the day's last tile too late left padding for the next day.
	last := NewLog(t, s.Audit, "last", 0)
	for n := 1; n > 0; {
		var err error
		n, err = last.Append(t.Context())
		ok(t, err)
	}
	report := whole(t, s.Audit, racers*each)
	same(t, "checkpoints", len(report.Checkpoints), 1)
}

// errKilled stands for the end of the process: nothing is written any more.
var errKilled = errors.New("killed")

// dying is a store whose process is killed before its n-th write, or after it.
type dying struct {
	audit.Store
	writes int
	after  bool // the write is done, and its answer lost
}

func (d *dying) write(do func() error) error {
	d.writes--
	if d.writes < 0 || (d.writes == 0 && !d.after) {
		return errKilled
	}
	err := do()
	if d.writes == 0 {
		return errKilled
	}
	return err
}

// Add implements audit.Leaves.
func (d *dying) Add(ctx context.Context, leaves []audit.Leaf) error {
	return d.write(func() error { return d.Store.Add(ctx, leaves) })
}

// Place implements audit.Leaves. The second half is lost with the process.
func (d *dying) Place(ctx context.Context, first int64, ids []string) error {
	half := len(ids) / 2
	if err := d.write(func() error { return d.Store.Place(ctx, first, ids[:half]) }); err != nil {
		return err
	}
	return d.write(func() error { return d.Store.Place(ctx, first+int64(half), ids[half:]) })
}

// Advance implements audit.Trees.
func (d *dying) Advance(ctx context.Context, h audit.Head, was int64) error {
	return d.write(func() error { return d.Store.Advance(ctx, h, was) })
}

// PutTiles implements audit.Trees.
func (d *dying) PutTiles(ctx context.Context, tiles []audit.Tile) error {
	return d.write(func() error { return d.Store.PutTiles(ctx, tiles) })
}

// PutCheckpoint implements audit.Checkpoints.
func (d *dying) PutCheckpoint(ctx context.Context, c audit.Checkpoint) error {
	return d.write(func() error { return d.Store.PutCheckpoint(ctx, c) })
}

// logKilled kills the sequencer before and after each of its writes, day after
// day on one log: the next one repairs what was left, and every checkpoint is
// consistent with all that came later.
func logKilled(t *testing.T, s *mongostore.Store) {
	t.Helper()
	const leaves = 120
	kills, finished := 0, false
	var old []audit.Signed
	for day := 0; !finished; day++ {
		finished = true
		for _, after := range []bool{false, true} {
			ok(t, s.Audit.Add(t.Context(), Leaves(kills*leaves, leaves)))
			kills++
			victim := NewLog(t, &dying{Store: s.Audit, writes: day + 1, after: after}, "victim", kills)
			if err := victim.Tick(t.Context()); err != nil {
				if !errors.Is(err, errKilled) {
					t.Fatal(err)
				}
				finished = false
			}
			report := must[audit.Report](t)(audit.VerifyStore(t.Context(), s.Audit, LogVerifiers(t), old...))
			same(t, "faults of what the dead left", len(report.Faults), 0)
			// The lease of the dead is still on: the next day's sequencer comes later.
			heir := NewLog(t, s.Audit, "heir", kills)
			heir.Now = func() time.Time { return start().AddDate(0, 0, kills).Add(time.Hour) }
			ok(t, heir.Tick(t.Context()))
			report = whole(t, s.Audit, kills*leaves, old...)
			old = report.Checkpoints[len(report.Checkpoints)-1:]
		}
	}
	report := whole(t, s.Audit, kills*leaves)
	same(t, "checkpoints", len(report.Checkpoints), kills)
	if kills < 18 {
		t.Errorf("the sequencer was killed %d times only", kills)
	}
	if !slices.IsSortedFunc(report.Checkpoints, func(a, b audit.Signed) int { return int(a.Size - b.Size) }) {
		t.Error("a later checkpoint is smaller")
	}
}

// logDays shows that a day without a leaf looks like one with some.
func logDays(t *testing.T, s *mongostore.Store) {
	t.Helper()
	for day, leaves := range []int{0, 1, 255, 256, 257, 0} {
		if leaves > 0 {
			ok(t, s.Audit.Add(t.Context(), Leaves(day*1000, leaves)))
		}
		l, early := NewLog(t, s.Audit, "one", day), NewLog(t, s.Audit, "one", day)
		early.Now = func() time.Time { return start().AddDate(0, 0, day).Add(-12*time.Hour - time.Minute) } // 03:59 in Shanghai
		ok(t, early.Tick(t.Context()))
		same(t, "checkpoints before the hour", len(must[[]audit.Checkpoint](t)(s.Audit.Checkpoints(t.Context()))), day)
		ok(t, l.Tick(t.Context()))
		ok(t, l.Tick(t.Context())) // one a day
	}
	sizes := []int64{}
	for _, c := range whole(t, s.Audit, 1+255+256+257).Checkpoints {
		sizes = append(sizes, c.Size)
	}
	same(t, "public sizes", sizes, []int64{256, 512, 768, 1024, 1536, 1792})
}
