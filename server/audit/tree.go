package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// tree is the tree of a head, in tlog's words.
func (h Head) tree() tlog.Tree {
	t := tlog.Tree{N: h.Size}
	copy(t.Hash[:], h.Root)
	return t
}

// extend returns the head after leaves were appended. It reads nothing but the
// head, and checks the edge against the root on the way.
func (h Head) extend(leaves []Leaf) (Head, error) {
	fresh := map[int64]tlog.Hash{}
	edge := tlog.TileHashReader(h.tree(), reader(h.stored))
	hashes := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		return overlay(fresh, edge, indexes)
	})
	next := Head{Size: h.Size}
	for _, l := range leaves {
		added, err := tlog.StoredHashesForRecordHash(next.Size, tlog.RecordHash(l.Data), hashes)
		if err != nil {
			return Head{}, fmt.Errorf("audit: append: %w", err)
		}
		first := tlog.StoredHashIndex(0, next.Size)
		for i, hash := range added {
			fresh[first+int64(i)] = hash
		}
		next.Size++
		next.Batch = append(next.Batch, l.ID)
	}
	root, err := tlog.TreeHash(next.Size, hashes)
	if err != nil {
		return Head{}, fmt.Errorf("audit: append: %w", err)
	}
	next.Root = root[:]
	for _, t := range changed(h.Size, next.Size) {
		data, err := tlog.ReadTileData(t, hashes)
		if err != nil {
			return Head{}, fmt.Errorf("audit: append: %w", err)
		}
		next.Tiles = append(next.Tiles, Tile{TileID(t.L, t.N), data})
	}
	return next, nil
}

// changed lists the tiles that become whole between two sizes, and the right
// edge of the second.
func changed(old, size int64) []tlog.Tile {
	var tiles []tlog.Tile
	for _, t := range tlog.NewTiles(height, old, size) {
		if t.W == width {
			tiles = append(tiles, t)
		}
	}
	for level := 0; size>>(height*level) > 0; level++ {
		n := size >> (height * level)
		if w := int(n % width); w > 0 {
			tiles = append(tiles, tlog.Tile{H: height, L: level, N: n / width, W: w})
		}
	}
	return tiles
}

// overlay reads hashes that are in fresh from there, and the others below.
func overlay(fresh map[int64]tlog.Hash, below tlog.HashReader, indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	var missing []int64
	var places []int
	for i, x := range indexes {
		hash, ok := fresh[x]
		if !ok {
			missing, places = append(missing, x), append(places, i)
		}
		hashes[i] = hash
	}
	if len(missing) == 0 {
		return hashes, nil
	}
	found, err := below.ReadHashes(missing)
	if err != nil {
		return nil, err
	}
	for i, hash := range found {
		hashes[places[i]] = hash
	}
	return hashes, nil
}

// full lists the whole tiles that the head carries.
func (h Head) full() []Tile {
	var tiles []Tile
	for _, t := range h.Tiles {
		if len(t.Hashes) == tileBytes {
			tiles = append(tiles, t)
		}
	}
	return tiles
}

// reader is a tlog.TileReader over tiles by their ids. What it is given may be
// wider than what is asked for.
type reader func(ids []string) ([]Tile, error)

// Height implements tlog.TileReader.
func (reader) Height() int { return height }

// SaveTiles implements tlog.TileReader.
func (reader) SaveTiles([]tlog.Tile, [][]byte) {}

// ReadTiles implements tlog.TileReader.
func (r reader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	ids := make([]string, len(tiles))
	for i, t := range tiles {
		ids[i] = TileID(t.L, t.N)
	}
	found, err := r(ids)
	if err != nil {
		return nil, err
	}
	byID := map[string][]byte{}
	for _, t := range found {
		byID[t.ID] = t.Hashes
	}
	data := make([][]byte, len(tiles))
	for i, t := range tiles {
		if len(byID[ids[i]]) < t.W*tlog.HashSize {
			return nil, fmt.Errorf("tile %s is missing", ids[i])
		}
		data[i] = byID[ids[i]][:t.W*tlog.HashSize]
	}
	return data, nil
}

// stored reads tiles of the head alone.
func (h Head) stored([]string) ([]Tile, error) { return h.Tiles, nil }

// hashes reads a tree of any size up to the head's, and checks what it reads
// against the tree's root.
func hashes(ctx context.Context, s Trees, h Head, tree tlog.Tree) tlog.HashReader {
	return tlog.TileHashReader(tree, reader(func(ids []string) ([]Tile, error) {
		tiles, err := s.Tiles(ctx, ids)
		return append(tiles, h.Tiles...), err
	}))
}

// Prove returns the proof that a statement is in the log of the latest
// checkpoint. While its leaf waits the proof has no path, and says until when.
func (l *Log) Prove(ctx context.Context, last Checkpoint, id string, of Statement) (Proof, error) {
	pending := Proof{Statement: of, Pending: l.nextCheckpoint(last)}
	leaf, err := l.Store.Leaf(ctx, id)
	if errors.Is(err, ErrNone) {
		return pending, nil
	}
	if err != nil || leaf.Index == Unplaced || leaf.Index >= last.Size {
		return pending, err
	}
	if !bytes.Equal(leaf.Data, of.Data()) {
		return pending, fmt.Errorf("audit: leaf %s is not what its record says", id)
	}
	tree, err := last.tree()
	if err != nil {
		return pending, err
	}
	h, err := l.Store.Head(ctx)
	if err != nil {
		return pending, err
	}
	path, err := tlog.ProveRecord(last.Size, leaf.Index, hashes(ctx, l.Store, h, tree))
	if err != nil {
		return pending, fmt.Errorf("audit: prove: %w", err)
	}
	return Proof{Statement: of, Index: &leaf.Index, Path: path}, nil
}

// PublicTile returns a whole tile of the tree of a checkpoint. It returns
// ErrNone for what is not wholly in it.
func PublicTile(ctx context.Context, s Store, c Checkpoint, level int, index int64) (Tile, error) {
	const levels = 63 / height
	if level < 0 || level >= levels || index < 0 || index >= c.Size>>(height*(level+1)) {
		return Tile{}, ErrNone
	}
	h, err := s.Head(ctx)
	if err != nil {
		return Tile{}, err
	}
	id := TileID(level, index)
	tiles, err := s.Tiles(ctx, []string{id})
	if err != nil {
		return Tile{}, err
	}
	for _, t := range append(tiles, h.full()...) {
		if t.ID == id {
			return t, nil
		}
	}
	return Tile{}, fmt.Errorf("audit: tile %s is missing", id)
}
