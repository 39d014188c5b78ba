// Package audit is the log that cannot be changed without being seen: one
// Merkle tree for the installation (confidentiality 11).
//
// A leaf is a salted commitment to what happened with a report and on which
// day; it names nothing. A sequencer gives leaves their index, in batches,
// whenever some wait. Once a day the tree is padded to whole tiles with leaves
// that commit to nothing, and its size and root are signed: that checkpoint is
// all that is public of the log's growth.
//
// The package knows no storage: Store says what it needs of one. Whoever moves
// the head of the tree has won a batch; everything else is written after it
// from what stands in the head, and written again by the next sequencer if the
// one before did not come to it. Tiles are not written first, as two
// sequencers may fill the same tile with different leaves.
package audit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	height = 8 // of a tile
	width  = 1 << height

	tileBytes = width * tlog.HashSize
)

// ErrRaced means that another sequencer moved the head.
var ErrRaced = errors.New("audit: another sequencer was first")

// ErrNone means that there is no such thing in the store.
var ErrNone = errors.New("audit: there is none")

// Unplaced is the index of a leaf that waits for the sequencer.
const Unplaced = -1

// Leaf is one entry of the log.
type Leaf struct {
	ID    string `bson:"_id"`   // record:sequence, so that an event enters once
	Data  []byte `bson:"data"`  // 32 bytes, a commitment; the tree holds its tlog.RecordHash
	Index int64  `bson:"index"` // Unplaced until it was sequenced
}

// Statement (存证) is what a leaf commits to. Who knows the salt can show it.
type Statement struct {
	Kind       string `json:"kind"`       // record, command and the state it led to
	Commitment string `json:"commitment"` // of the report, as in the registration statement
	Day        string `json:"day"`        // 2006-01-02 in Asia/Shanghai
	Salt       []byte `json:"salt"`       // 256 bits
}

// Data returns the commitment that a leaf holds: the SHA-256 of the parts,
// each preceded by its length in 8 bytes, big-endian.
func (s Statement) Data() []byte {
	h := sha256.New()
	for _, part := range []string{"gridwatch/leaf/1", s.Kind, s.Commitment, s.Day, string(s.Salt)} {
		_ = binary.Write(h, binary.BigEndian, uint64(len(part))) // a hash takes everything
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}

// Head is how far the tree has come, and what the last batch still has to
// write elsewhere.
type Head struct {
	Size  int64    `bson:"size"`
	Root  []byte   `bson:"root"`
	Tiles []Tile   `bson:"tiles"` // the right edge, and the tiles that the last batch filled
	Batch []string `bson:"batch"` // ids of the last batch's leaves, in their order; they end at Size
}

// Tile is 256 hashes of one level of the tree, fewer at its right edge.
type Tile struct {
	ID     string `bson:"_id"` // level/index
	Hashes []byte `bson:"hashes"`
}

// TileID names a tile.
func TileID(level int, index int64) string { return fmt.Sprintf("%d/%d", level, index) }

// Checkpoint (检查点) is the public state of the log on one day.
type Checkpoint struct {
	Day  string `bson:"_id"`  // 2006-01-02 in Asia/Shanghai
	Size int64  `bson:"size"` // a multiple of 256
	Note string `bson:"note"` // signed text with size, root and day
}

// Leaves keeps leaves.
type Leaves interface {
	// Add keeps leaves that wait. One whose id is known stays as it is.
	Add(ctx context.Context, leaves []Leaf) error
	// Waiting lists at most limit leaves that wait, in no order that tells of time.
	Waiting(ctx context.Context, limit int) ([]Leaf, error)
	// Place notes the indexes of leaves: first, first+1 and so on. It is idempotent.
	Place(ctx context.Context, first int64, ids []string) error
	// Placed lists at most limit leaves from an index on, in order.
	Placed(ctx context.Context, from int64, limit int) ([]Leaf, error)
	// Leaf returns ErrNone if there is no leaf of that id.
	Leaf(ctx context.Context, id string) (Leaf, error)
}

// Trees keeps the tree.
type Trees interface {
	// Head returns the zero Head before the first leaf.
	Head(ctx context.Context) (Head, error)
	// Advance replaces the head if its size is was; ErrRaced otherwise.
	Advance(ctx context.Context, h Head, was int64) error
	// PutTiles keeps whole tiles. One that is there stays as it is.
	PutTiles(ctx context.Context, tiles []Tile) error
	// Tiles returns those of the tiles that are there, in any order.
	Tiles(ctx context.Context, ids []string) ([]Tile, error)
	// Lease makes owner the one who sequences, until a time, unless another
	// is now. It only keeps processes from working in vain.
	Lease(ctx context.Context, owner string, until, now time.Time) (bool, error)
}

// Checkpoints keeps checkpoints.
type Checkpoints interface {
	// PutCheckpoint keeps the checkpoint of a day. If the day has one, that stays.
	PutCheckpoint(ctx context.Context, c Checkpoint) error
	// Latest returns ErrNone before the first checkpoint.
	Latest(ctx context.Context) (Checkpoint, error)
	// Checkpoint returns ErrNone if the day has none.
	Checkpoint(ctx context.Context, day string) (Checkpoint, error)
	// Checkpoints lists all, oldest first.
	Checkpoints(ctx context.Context) ([]Checkpoint, error)
	// Countersign replaces the note of a day's checkpoint if it was as given;
	// ErrRaced otherwise.
	Countersign(ctx context.Context, c Checkpoint, was string) error
}

// Store is everything the log needs kept.
type Store interface {
	Leaves
	Trees
	Checkpoints
}
