package audit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Proof shows that a statement is in the log of a checkpoint.
type Proof struct {
	Statement
	Index *int64      `json:"index,omitempty"` // nil while it waits
	Path  []tlog.Hash `json:"path,omitempty"`
	// Pending is the day of the checkpoint that it waits for, "" if it is in the log.
	Pending string `json:"pending,omitempty"`
}

// Proofs are what lies behind a receipt, and what is checked offline.
type Proofs struct {
	Size   int64   `json:"size"` // of the checkpoint that the paths lead to
	Proofs []Proof `json:"proofs"`
}

// ReadProofs reads proofs as they were saved.
func ReadProofs(r io.Reader) (Proofs, error) {
	var p Proofs
	if err := json.NewDecoder(r).Decode(&p); err != nil {
		return Proofs{}, fmt.Errorf("the proofs are not JSON as the server gives it: %w", err)
	}
	return p, nil
}

// Waits says whether a proof may wait for a later checkpoint than that of a day.
// Who drops a leaf says every day that it comes tomorrow: a checkpoint holds
// all of the days before its own.
func (p Proof) Waits(day string) bool {
	made, err := time.Parse(time.DateOnly, p.Day)
	return err == nil && p.Index == nil && p.Pending > day && day <= made.AddDate(0, 0, 1).Format(time.DateOnly)
}

// Check says whether a proof leads to a checkpoint.
func (p Proof) Check(c Signed) error {
	if p.Index == nil {
		return fmt.Errorf("%s of %s is not in the checkpoint of %s: it was dropped, or the proofs are of another day", p.Kind, p.Day, c.Day)
	}
	if err := tlog.CheckRecord(p.Path, c.Tree.N, c.Tree.Hash, *p.Index, tlog.RecordHash(p.Data())); err != nil {
		return fmt.Errorf("%s of %s is not leaf %d of the checkpoint of %s: %w", p.Kind, p.Day, *p.Index, c.Day, err)
	}
	return nil
}

// Check says whether every proof leads to a checkpoint, or waits for a later one.
func (p Proofs) Check(c Signed) error {
	var errs []error
	for _, proof := range p.Proofs {
		switch {
		case proof.Waits(c.Day):
		case p.Size != c.Size:
			return fmt.Errorf("the proofs are for the checkpoint of size %d, this one has size %d", p.Size, c.Size)
		default:
			errs = append(errs, proof.Check(c))
		}
	}
	return errors.Join(errs...)
}

// Register says whether the registration that a statement was signed for is
// among the proofs, and nothing of another report: what is left out proves
// itself as well as what is shown.
func (p Proofs) Register(commitment, day string) error {
	found := false
	for _, proof := range p.Proofs {
		if proof.Commitment != commitment {
			return fmt.Errorf("%s of %s is of another report than the statement", proof.Kind, proof.Day)
		}
		found = found || (proof.Kind == registration && proof.Day == day)
	}
	if !found {
		return fmt.Errorf("the registration of %s, which the statement was signed for, is not among the proofs", day)
	}
	return nil
}

// registration is the kind of the first leaf of every report.
const registration = "report.register.RECEIVED"

// tiles are the lowest tiles of a tree, one after the other.
type tiles func(index int64, w int) ([]byte, error)

// rebuild computes a tree from its lowest tiles. It keeps the roots of the
// sizes it is asked for.
type rebuild struct {
	roots map[int64]tlog.Hash // by size; a key asks
	// whole is called with each tile of a higher level, as it grows.
	whole func(level int, index int64, hashes []byte) error

	stored map[int64]tlog.Hash
	above  map[int][]byte
}

func newRebuild(whole func(int, int64, []byte) error, sizes ...int64) *rebuild {
	r := &rebuild{roots: map[int64]tlog.Hash{}, whole: whole, stored: map[int64]tlog.Hash{}, above: map[int][]byte{}}
	for _, size := range sizes {
		r.roots[size] = tlog.Hash{}
	}
	return r
}

// ReadHashes implements tlog.HashReader.
func (r *rebuild) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		found[i] = r.stored[x]
	}
	return found, nil
}

func (r *rebuild) run(size int64, lowest tiles) error {
	for first := int64(0); first < size; first += width {
		w := int(min(width, size-first))
		data, err := lowest(first/width, w)
		if err != nil {
			return err
		}
		for i := range w {
			if err := r.add(first+int64(i), tlog.Hash(data[i*tlog.HashSize:(i+1)*tlog.HashSize])); err != nil {
				return err
			}
		}
		r.forget(first + int64(w))
	}
	for n := range r.roots {
		if n > size {
			delete(r.roots, n)
		}
	}
	return nil
}

// add appends the leaf of an index.
func (r *rebuild) add(at int64, hash tlog.Hash) error {
	added, err := tlog.StoredHashesForRecordHash(at, hash, r)
	if err != nil {
		return err
	}
	first := tlog.StoredHashIndex(0, at)
	for k, hash := range added {
		r.stored[first+int64(k)] = hash
		if k == 0 || k%height != 0 {
			continue
		}
		level, n := k/height, at>>k
		r.above[level] = append(r.above[level], hash[:]...)
		if err := r.whole(level, n/width, r.above[level]); err != nil {
			return err
		}
		if n%width == width-1 {
			r.above[level] = nil
		}
	}
	if _, asked := r.roots[at+1]; asked {
		r.roots[at+1], err = tlog.TreeHash(at+1, r)
	}
	return err
}

// forget keeps only the hashes that larger trees need.
func (r *rebuild) forget(size int64) {
	kept := map[int64]tlog.Hash{}
	for level, n := 0, size; n > 0; level, n = level+1, n/2 {
		if n%2 == 1 {
			index := tlog.StoredHashIndex(level, n-1)
			kept[index] = r.stored[index]
		}
	}
	r.stored = kept
}

// Report is what a verification found.
type Report struct {
	Size        int64 // leaves looked at
	Checkpoints []Signed
	Faults      []string // what is wrong, each named
}

func (r *Report) fault(format string, args ...any) {
	r.Faults = append(r.Faults, fmt.Sprintf(format, args...))
}

// sizes are those whose roots are wanted.
func (r *Report) sizes() []int64 {
	all := []int64{r.Size}
	for _, c := range r.Checkpoints {
		all = append(all, c.Size)
	}
	return all
}

// roots compares signed checkpoints with the trees that were rebuilt.
func (r *Report) roots(built map[int64]tlog.Hash) {
	for _, c := range r.Checkpoints {
		if hash, ok := built[c.Size]; !ok {
			r.fault("the checkpoint of %s has %d leaves, the log has %d: leaves were removed", c.Day, c.Size, r.Size)
		} else if hash != c.Tree.Hash {
			r.fault("the checkpoint of %s (%d leaves) has another root than the log: changed or forked since", c.Day, c.Size)
		}
	}
}

// VerifyStore rebuilds the whole log from the store and compares every tile,
// every leaf, the head and every checkpoint. Old are checkpoints kept elsewhere.
func VerifyStore(ctx context.Context, s Store, known note.Verifiers, old ...Signed) (Report, error) {
	kept, err := s.Checkpoints(ctx) // before the head, which goes on meanwhile
	if err != nil {
		return Report{}, err
	}
	h, err := s.Head(ctx)
	if err != nil {
		return Report{}, err
	}
	r := Report{Size: h.Size, Checkpoints: old}
	for _, c := range kept {
		signed, err := OpenCheckpoint(c.Note, known)
		if err != nil || signed.Day != c.Day || signed.Size != c.Size {
			r.fault("the checkpoint kept for %s is not one that the log signed for it", c.Day)
			continue
		}
		r.Checkpoints = append(r.Checkpoints, signed)
	}
	v := verification{Report: &r, head: h, store: s}
	built, err := v.run(ctx)
	if err != nil {
		return r, err
	}
	r.roots(built)
	if hash := built[h.Size]; h.Size > 0 && !bytes.Equal(hash[:], h.Root) {
		r.fault("the head's root is not that of its %d leaves", h.Size)
	}
	return r, nil
}

type verification struct {
	*Report
	head  Head
	store Store
}

func (v verification) run(ctx context.Context) (map[int64]tlog.Hash, error) {
	r := newRebuild(func(level int, index int64, hashes []byte) error {
		last := int64(len(hashes)/tlog.HashSize)+index*width == v.Size>>(height*level)
		if len(hashes) < tileBytes && !last {
			return nil
		}
		return v.above(ctx, level, index, hashes)
	}, v.sizes()...)
	err := r.run(v.Size, func(index int64, w int) ([]byte, error) { return v.lowest(ctx, index, w) })
	return r.roots, err
}

// tile reads a tile. The right edge is that of the head, however far the log
// has gone on; what the head has filled may not be written yet.
func (v verification) tile(ctx context.Context, id string) ([]byte, error) {
	i := slices.IndexFunc(v.head.Tiles, func(t Tile) bool { return t.ID == id })
	if i >= 0 && len(v.head.Tiles[i].Hashes) < tileBytes {
		return v.head.Tiles[i].Hashes, nil
	}
	found, err := v.store.Tiles(ctx, []string{id})
	switch {
	case err != nil:
		return nil, err
	case len(found) > 0:
		return found[0].Hashes, nil
	case i >= 0:
		return v.head.Tiles[i].Hashes, nil
	}
	return nil, nil
}

// placed lists leaves of the log in order. Those of the last batch may not know
// their index yet.
func (v verification) placed(ctx context.Context, first int64, w int) ([]Leaf, error) {
	leaves, err := v.store.Placed(ctx, first, w)
	if err != nil {
		return nil, err
	}
	for i, id := range v.head.Batch {
		at := v.head.Size - int64(len(v.head.Batch)) + int64(i)
		if at < first || at >= first+int64(w) || slices.ContainsFunc(leaves, func(l Leaf) bool { return l.ID == id }) {
			continue
		}
		leaf, err := v.store.Leaf(ctx, id)
		switch {
		case errors.Is(err, ErrNone):
		case err != nil:
			return nil, err
		case leaf.Index == Unplaced || leaf.Index == at:
			leaf.Index = at
			leaves = append(leaves, leaf)
		}
	}
	slices.SortStableFunc(leaves, func(a, b Leaf) int { return cmp.Compare(a.Index, b.Index) })
	return leaves, nil
}

// lowest compares a tile of the lowest level with its leaves. What the leaves
// say goes up, so that the roots tell whether a leaf was changed or its tile.
func (v verification) lowest(ctx context.Context, index int64, w int) ([]byte, error) {
	id, first := TileID(0, index), index*width
	stored, err := v.tile(ctx, id)
	if err != nil {
		return nil, err
	}
	leaves, err := v.placed(ctx, first, w)
	if err != nil {
		return nil, err
	}
	there := len(stored) == w*tlog.HashSize
	if !there {
		v.fault("tile %s is missing or cut", id)
		stored = make([]byte, w*tlog.HashSize)
	}
	data := bytes.Clone(stored)
	for i := range w {
		at, place := first+int64(i), data[i*tlog.HashSize:(i+1)*tlog.HashSize]
		n := 0
		for n < len(leaves) && leaves[n].Index == at {
			n++
		}
		if n > 1 {
			v.fault("leaf %d is there %d times", at, n)
		}
		says := slices.IndexFunc(leaves[:n], func(l Leaf) bool { return tlog.RecordHash(l.Data) == tlog.Hash(place) })
		switch {
		case n == 0:
			v.fault("leaf %d is gone", at)
		case says < 0:
			if there {
				v.fault("leaf %d (%s) and tile %s disagree", at, leaves[0].ID, id)
			}
			hash := tlog.RecordHash(leaves[0].Data)
			copy(place, hash[:])
		}
		leaves = leaves[n:]
	}
	return data, nil
}

// above compares a tile of a higher level with what lies under it.
func (v verification) above(ctx context.Context, level int, index int64, hashes []byte) error {
	id := TileID(level, index)
	stored, err := v.tile(ctx, id)
	if err != nil {
		return err
	}
	if len(stored) != len(hashes) {
		v.fault("tile %s is missing or cut", id)
		return nil
	}
	for i := 0; i < len(hashes); i += tlog.HashSize {
		if !bytes.Equal(stored[i:i+tlog.HashSize], hashes[i:i+tlog.HashSize]) {
			below := index*width + int64(i/tlog.HashSize)
			v.fault("tile %s was changed, or what tile %s says of it", TileID(level-1, below), id)
		}
	}
	return nil
}

// VerifyPublic rebuilds the tree of the first of some checkpoints, the newest,
// from its public tiles and compares the roots of all.
func VerifyPublic(checkpoints []Signed, tile func(index int64) ([]byte, error)) (Report, error) {
	r := Report{Size: checkpoints[0].Size, Checkpoints: checkpoints}
	tree := newRebuild(func(int, int64, []byte) error { return nil }, r.sizes()...)
	err := tree.run(r.Size, func(index int64, _ int) ([]byte, error) {
		data, err := tile(index)
		if err == nil && len(data) != tileBytes {
			err = fmt.Errorf("tile %s is cut", TileID(0, index))
		}
		return data, err
	})
	if err != nil {
		return r, err
	}
	r.roots(tree.roots)
	return r, nil
}
