package audit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// grown is a tree at some size, with all tiles that were written up to it.
type grown struct {
	Head
	whole map[string]Tile
}

func (g grown) hashes() tlog.HashReader {
	return tlog.TileHashReader(g.tree(), reader(func(ids []string) ([]Tile, error) {
		var tiles []Tile
		for _, id := range ids {
			tiles = append(tiles, g.whole[id])
		}
		return append(tiles, g.Tiles...), nil
	}))
}

func newLeaves(first, n int) []Leaf {
	leaves := make([]Leaf, n)
	for i := range leaves {
		sum := sha256.Sum256(fmt.Append(nil, first+i))
		leaves[i] = Leaf{ID: fmt.Sprint(first + i), Data: sum[:]}
	}
	return leaves
}

// TestEveryPrefixIsConsistent grows trees by batches of any size: each is
// consistent with the one before, and each leaf is where it was put.
func TestEveryPrefixIsConsistent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := grown{whole: map[string]Tile{}}
		var all []Leaf
		for _, n := range rapid.SliceOfN(rapid.IntRange(1, 400), 1, 6).Draw(t, "batches") {
			leaves := newLeaves(len(all), n)
			next, err := g.extend(leaves)
			if err != nil {
				t.Fatal(err)
			}
			was := g.Head
			for _, tile := range next.full() {
				if old, ok := g.whole[tile.ID]; ok && !bytes.Equal(old.Hashes, tile.Hashes) {
					t.Fatalf("tile %s changed", tile.ID)
				}
				g.whole[tile.ID] = tile
			}
			g.Head, all = next, append(all, leaves...)
			if g.Size != int64(len(all)) || len(g.Batch) != n {
				t.Fatalf("got size %d and a batch of %d, want %d and %d", g.Size, len(g.Batch), len(all), n)
			}
			if was.Size > 0 {
				proof, err := tlog.ProveTree(g.Size, was.Size, g.hashes())
				if err != nil {
					t.Fatal(err)
				}
				if err := tlog.CheckTree(proof, g.Size, g.tree().Hash, was.Size, was.tree().Hash); err != nil {
					t.Fatal(err)
				}
			}
			at := rapid.IntRange(0, len(all)-1).Draw(t, "leaf")
			proof, err := tlog.ProveRecord(g.Size, int64(at), g.hashes())
			if err != nil {
				t.Fatal(err)
			}
			if err := tlog.CheckRecord(proof, g.Size, g.tree().Hash, int64(at), tlog.RecordHash(all[at].Data)); err != nil {
				t.Fatal(err)
			}
		}
		rebuilt(t, g, all)
	})
}

// rebuilt computes the tree again from its leaves and compares every tile.
func rebuilt(t *rapid.T, g grown, all []Leaf) {
	stored := map[string][]byte{}
	for _, tile := range g.Tiles {
		stored[tile.ID] = tile.Hashes
	}
	for id, tile := range g.whole {
		stored[id] = tile.Hashes
	}
	lowest := func(index int64, w int) ([]byte, error) {
		var data []byte
		for _, l := range all[index*width:][:w] {
			hash := tlog.RecordHash(l.Data)
			data = append(data, hash[:]...)
		}
		if diff := cmp.Diff(data, stored[TileID(0, index)]); diff != "" {
			t.Fatalf("tile %s (-want +got):\n%s", TileID(0, index), diff)
		}
		return data, nil
	}
	r := newRebuild(func(level int, index int64, hashes []byte) error {
		if !bytes.HasPrefix(stored[TileID(level, index)], hashes) {
			t.Fatalf("tile %s is not what lies under it", TileID(level, index))
		}
		return nil
	}, g.Size)
	if err := r.run(g.Size, lowest); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[int64]tlog.Hash{g.Size: g.tree().Hash}, r.roots); diff != "" {
		t.Fatal(diff)
	}
}

// TestATamperedEdgeIsNotExtended flips a byte of the head.
func TestATamperedEdgeIsNotExtended(t *testing.T) {
	t.Parallel()
	h, err := Head{}.extend(newLeaves(0, 300))
	if err != nil {
		t.Fatal(err)
	}
	for i, tile := range h.Tiles {
		if len(tile.Hashes) == tileBytes {
			continue // not of the edge
		}
		tile.Hashes[7] ^= 1
		if _, err := h.extend(newLeaves(300, 1)); err == nil {
			t.Errorf("tile %d was changed and the tree grew on it", i)
		}
		tile.Hashes[7] ^= 1
	}
	if _, err := h.extend(newLeaves(300, 1)); err != nil {
		t.Error(err)
	}
}

func TestStatementsDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]Statement{}
	for _, s := range []Statement{
		{}, {Kind: "a"}, {Commitment: "a"}, {Day: "a"}, {Salt: []byte("a")}, {Kind: "a", Commitment: "b"}, {Kind: "ab"}, {Kind: "b", Commitment: "a"},
	} {
		data := string(s.Data())
		if other, ok := seen[data]; ok || len(data) != 32 {
			t.Errorf("%+v and %+v have one commitment", s, other)
		}
		seen[data] = s
	}
}

// TestStatementVector pins the form that other programs verify.
func TestStatementVector(t *testing.T) {
	t.Parallel()
	s := Statement{Kind: "report.register.RECEIVED", Commitment: strings.Repeat("ab", 32), Day: "2026-11-22", Salt: bytes.Repeat([]byte{7}, 32)}
	const want = "44ddbd71c87f9dee148fe42d4a6e36239220a80f31fe9e44d52279756b2d4bdd"
	if got := fmt.Sprintf("%x", s.Data()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCheckpoints(t *testing.T) {
	t.Parallel()
	signer, err := NewSigner(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	own, err := VerifierKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, 32)).Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	c, err := sign(tlog.Tree{N: 512, Hash: tlog.RecordHash(nil)}, "2026-11-22", signer)
	if err != nil {
		t.Fatal(err)
	}
	private, above, err := note.GenerateKey(nil, "level-above")
	if err != nil {
		t.Fatal(err)
	}
	upper, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	both, err := Verifiers(own, above, "")
	if err != nil {
		t.Fatal(err)
	}
	signed, err := Countersign(c.Note, both, upper)
	if err != nil {
		t.Fatal(err)
	}
	got, err := OpenCheckpoint(signed, both)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{Origin, "level-above"}, got.By); diff != "" || got.Size != 512 || got.Day != "2026-11-22" {
		t.Errorf("got %+v", got)
	}
	if _, err := Countersign(c.Note, both, signer); err == nil {
		t.Error("the log countersigned itself")
	}

	text, _, _ := strings.Cut(c.Note, "\n\n")
	self, err := note.Sign(&note.Note{Text: text + "\n"}, upper)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"nothing":           "",
		"another size":      strings.Replace(c.Note, "512", "768", 1),
		"another day":       strings.Replace(c.Note, "-22", "-23", 1),
		"signed above only": string(self),
		"no signature":      text + "\n\n",
	} {
		if got, err := OpenCheckpoint(text, both); err == nil {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	for name, text := range map[string]string{
		"another origin": "other\n512\n" + tlog.RecordHash(nil).String() + "\n2026-11-22\n",
		"not whole":      Origin + "\n511\n" + tlog.RecordHash(nil).String() + "\n2026-11-22\n",
		"no day":         Origin + "\n512\n" + tlog.RecordHash(nil).String() + "\n",
		"no root":        Origin + "\n512\nAAAA\n2026-11-22\n",
		"a bent root":    Origin + "\n512\n" + strings.TrimSuffix(tlog.RecordHash(nil).String(), "=") + "!\n2026-11-22\n",
		"no such day":    Origin + "\n512\n" + tlog.RecordHash(nil).String() + "\n2026-11-31\n",
		"of no size":     Origin + "\n0\n" + tlog.RecordHash(nil).String() + "\n2026-11-22\n",
		"less than none": Origin + "\n-256\n" + tlog.RecordHash(nil).String() + "\n2026-11-22\n",
		"one line more":  Origin + "\n512\n" + tlog.RecordHash(nil).String() + "\n2026-11-22\nmore\n",
	} {
		text, err := note.Sign(&note.Note{Text: text}, signer)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := OpenCheckpoint(string(text), both); err == nil {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	if _, err := Verifiers("no key"); err == nil {
		t.Error("a key that is none was taken")
	}
}
