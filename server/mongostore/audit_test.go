package mongostore_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gridwatch/server/audit"
	"gridwatch/server/mongostore"
	"gridwatch/server/storetest"
)

// filled returns a log of some days with so many leaves each.
func filled(t *testing.T, leaves ...int) *mongostore.Store {
	t.Helper()
	s := storetest.Open(t)
	for day, n := range leaves {
		if n > 0 {
			check(t, s.Audit.Add(t.Context(), storetest.Leaves(1000*day, n)))
		}
		check(t, storetest.NewLog(t, s.Audit, "one", day).Tick(t.Context()))
	}
	return s
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func verify(t *testing.T, s *mongostore.Store, old ...audit.Signed) []string {
	t.Helper()
	report, err := audit.VerifyStore(t.Context(), s.Audit, storetest.LogVerifiers(t), old...)
	check(t, err)
	return report.Faults
}

// faults wants exactly the faults that hold these texts, in their order.
func faults(t *testing.T, got []string, want ...string) {
	t.Helper()
	fits := len(got) == len(want)
	for i := 0; fits && i < len(want); i++ {
		fits = strings.Contains(got[i], want[i])
	}
	if !fits {
		t.Errorf("got faults\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func at(t *testing.T, s *mongostore.Store, index int64) audit.Leaf {
	t.Helper()
	leaves, err := s.Audit.Placed(t.Context(), index, 1)
	check(t, err)
	return leaves[0]
}

func tile(t *testing.T, s *mongostore.Store, id string) []byte {
	t.Helper()
	tiles, err := s.Audit.Tiles(t.Context(), []string{id})
	check(t, err)
	return tiles[0].Hashes
}

func flipped(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 1
	return b
}

// TestTamperedLog changes the database directly. Each step is undone before
// the next.
func TestTamperedLog(t *testing.T) {
	t.Parallel()
	s := filled(t, 300, 0, 600, 10)
	faults(t, verify(t, s))
	ctx := t.Context()
	set := func(collection, id, field string, value any) { check(t, s.Change(ctx, collection, id, field, value)) }

	low, leaf := tile(t, s, "0/3"), at(t, s, 3*256+5)
	set("tile", "0/3", "hashes", flipped(low, 5*32))
	faults(t, verify(t, s), fmt.Sprintf("leaf 773 (%s) and tile 0/3 disagree", leaf.ID))
	set("tile", "0/3", "hashes", low[:100])
	faults(t, verify(t, s), "tile 0/3 is missing or cut")
	check(t, s.Remove(ctx, "tile", "0/3"))
	faults(t, verify(t, s), "tile 0/3 is missing or cut")
	check(t, s.Audit.PutTiles(ctx, []audit.Tile{{ID: "0/3", Hashes: low}}))

	set("leaf", leaf.ID, "data", flipped(leaf.Data, 0))
	faults(t, verify(t, s), fmt.Sprintf("leaf 773 (%s) and tile 0/3 disagree", leaf.ID), "tile 0/3 was changed, or what tile 1/0 says of it",
		"(1536 leaves) has another root than the log", "(1792 leaves) has another root", "the head's root is not that of its 1792 leaves")
	set("leaf", leaf.ID, "data", leaf.Data)
	set("leaf", leaf.ID, "index", 774)
	faults(t, verify(t, s), "leaf 773 is gone", "leaf 774 is there 2 times")
	check(t, s.Remove(ctx, "leaf", leaf.ID))
	faults(t, verify(t, s), "leaf 773 is gone")
	check(t, s.Audit.Add(ctx, []audit.Leaf{leaf}))
	faults(t, verify(t, s))

	head, err := s.Audit.Head(ctx)
	check(t, err)
	edge := slices.IndexFunc(head.Tiles, func(t audit.Tile) bool { return t.ID == "1/0" })
	tiles := slices.Clone(head.Tiles)
	tiles[edge].Hashes = flipped(tiles[edge].Hashes, 3*32)
	set("log", "head", "tiles", tiles)
	faults(t, verify(t, s), "tile 0/3 was changed, or what tile 1/0 says of it")
	set("log", "head", "tiles", slices.Delete(slices.Clone(head.Tiles), edge, edge+1))
	faults(t, verify(t, s), "tile 1/0 is missing or cut")
	set("log", "head", "tiles", head.Tiles)
	set("log", "head", "root", flipped(head.Root, 0))
	faults(t, verify(t, s), "the head's root is not that of its 1792 leaves")
	set("log", "head", "root", head.Root)
	set("log", "head", "size", head.Size-256) // the newest day is to be forgotten
	faults(t, verify(t, s), "tile 1/0", "has 1792 leaves, the log has 1536: leaves were removed", "the head's root")
	set("log", "head", "size", head.Size)

	c, err := s.Audit.Latest(ctx)
	check(t, err)
	set("checkpoint", c.Day, "note", strings.Replace(c.Note, "1792", "1536", 1))
	faults(t, verify(t, s), "the checkpoint kept for "+c.Day+" is not one that the log signed for it")
	set("checkpoint", c.Day, "note", c.Note)
	faults(t, verify(t, s))
}

// TestForkedLog writes the whole log anew, with the log's own key and without
// one leaf. It is whole in itself; a checkpoint that somebody kept, or that was
// countersigned, tells.
func TestForkedLog(t *testing.T) {
	t.Parallel()
	s := filled(t, 300, 20)
	known := storetest.LogVerifiers(t)
	kept, err := s.Audit.Latest(t.Context())
	check(t, err)
	old, err := audit.OpenCheckpoint(kept.Note, known)
	check(t, err)
	faults(t, verify(t, s, old))

	for _, c := range []string{"leaf", "tile", "checkpoint"} {
		check(t, s.RemoveAll(t.Context(), c))
	}
	check(t, s.Remove(t.Context(), "log", "head"))
	for day, leaves := range [][]audit.Leaf{storetest.Leaves(1, 299), storetest.Leaves(1000, 20)} {
		check(t, s.Audit.Add(t.Context(), leaves))
		check(t, storetest.NewLog(t, s.Audit, "one", day).Tick(t.Context()))
	}
	faults(t, verify(t, s))
	faults(t, verify(t, s, old), "the checkpoint of 2026-03-02 (768 leaves) has another root than the log: changed or forked since")
}

// BenchmarkAppend shows what batches are for: the leaves of a second in one
// batch, against one batch for each leaf.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1, 100} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := storetest.Open(b)
			l := storetest.NewLog(b, s.Audit, "one", 0)
			l.Batch = size
			n := 0
			for b.Loop() {
				if err := s.Audit.Add(b.Context(), storetest.Leaves(n, size)); err != nil {
					b.Fatal(err)
				}
				n += size
				if got, err := l.Append(b.Context()); got != size || err != nil {
					b.Fatal(got, err)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "leaves/s")
		})
	}
}
