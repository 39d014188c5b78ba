package casefile

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

// CustodyAct is what was done with an item of evidence.
type CustodyAct string

// The acts of a chain of custody (证据保管链).
const (
	CustodyStore    CustodyAct = "store"    // the original is whole and durable
	CustodyDerive   CustodyAct = "derive"   // a clean copy was made
	CustodySeal     CustodyAct = "seal"     // the original's key went to the rings; nobody here opens it alone
	CustodyLock     CustodyAct = "lock"     // the original is under object lock
	CustodyRelease  CustodyAct = "release"  // the desk lets others see a copy
	CustodyWithdraw CustodyAct = "withdraw" // a release was taken back
	CustodyView     CustodyAct = "view"     // somebody was shown it
	CustodyExport   CustodyAct = "export"   // it left in an archive
	CustodyHold     CustodyAct = "hold"     // legal hold (保全)
	CustodyLift     CustodyAct = "lift"     // the hold was lifted
	CustodyDelete   CustodyAct = "delete"   // bytes or key were destroyed
)

// CustodyEvent is one link of an item's chain, a document of its own that is
// never changed. N counts from 1 without a gap, so that a missing one shows.
type CustodyEvent struct {
	ID     string     `bson:"_id" json:"-"` // item:n
	Tenant string     `bson:"tenant" json:"tenant"`
	Record string     `bson:"record" json:"record"` // report or task
	Item   string     `bson:"item" json:"item"`
	N      int        `bson:"n" json:"n"`
	Act    CustodyAct `bson:"act" json:"act"`
	On     string     `bson:"on" json:"on"`                    // day in China, 2006-01-02
	At     time.Time  `bson:"at,omitempty" json:"at,omitzero"` // of what staff did; a reporter's acts have the day alone
	By     string     `bson:"by" json:"by"`                    // person, "reporter" or "system"
	Copy   string     `bson:"copy" json:"copy,omitempty"`      // which copy, or original
	// Digest is the SHA-256 in hex of the copy, or of the original of staff; of a
	// reporter's original it is a keyed hash, which tells others nothing.
	Digest string `bson:"digest" json:"digest,omitempty"`
	Note   string `bson:"note" json:"note,omitempty"` // why, in a code
	Salt   []byte `bson:"salt" json:"salt"`           // of the leaf's commitment, 256 bits

	// Source is what caused the event: it enters the chain once.
	Source string `bson:"source" json:"-"`
	// Unlogged says that its leaf may not be in the log yet.
	Unlogged bool `bson:"unlogged,omitempty" json:"-"`
}

// CustodyID names the n-th event of an item.
func CustodyID(item string, n int) string { return fmt.Sprintf("%s:%d", item, n) }

// LeafKind is what the log calls the event.
func (e CustodyEvent) LeafKind() string { return "evidence." + string(e.Act) }

// Commitment is what the event's leaf commits to: the SHA-256 in hex of the
// event's parts, each preceded by its length in 8 bytes, big-endian.
func (e CustodyEvent) Commitment() string {
	at := ""
	if !e.At.IsZero() {
		at = e.At.UTC().Format(time.RFC3339Nano)
	}
	h := sha256.New()
	for _, part := range []string{
		"gridwatch/custody/1", e.Tenant, e.Record, e.Item, fmt.Sprint(e.N), string(e.Act), e.On, at, e.By, e.Copy, e.Digest, e.Note,
	} {
		_ = binary.Write(h, binary.BigEndian, uint64(len(part))) // a hash takes everything
		h.Write([]byte(part))
	}
	return hex.EncodeToString(h.Sum(nil))
}
