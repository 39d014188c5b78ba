// Package outbox keeps pushes until they are sent.
//
// An entry is one effect of a record for one person. It enters once, whoever
// adds it how often, and leaves when every device of that person has it, or
// when it has expired. A push may reach a device twice, always under the same
// push id. A person without a device gets nothing here: the list that the app
// fetches is complete without pushes.
//
// Entries lie in slots by the hash of their record. A worker leases a slot, so
// entries are claimed without contention; the lease's term fences off a worker
// that was too slow. If no push service is configured, no Worker runs and
// nobody may add entries: nothing would take them out.
package outbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash/fnv"
	"strconv"
	"time"
)

// Slots is the number of slots. It is stored with every entry by way of
// Entry.Slot and therefore never changes.
const Slots = 16

// ErrLost means that the lease is not held any more: another worker has the
// slot, or may have it.
var ErrLost = errors.New("outbox: lease lost")

// Entry is a push to all devices of one person.
type Entry struct {
	ID        string    // record:seq:recipient; unique, so that an effect enters once
	Slot      int       // 0 to Slots-1, by the hash of the record
	Tenant    string    // tenant of the recipient
	Recipient string    // person id
	Kind      string    // goes into the push, see notify.Message
	Ref       string    // goes into the push, see notify.Message
	PushID    string    // goes into the push; the same for every try and device
	NotBefore time.Time // no try before it, UTC
	ExpiresAt time.Time // no try from here on, UTC
	Tries     int       // failed tries so far
}

// For returns an entry for the effect seq of a record and one recipient, with
// ID, Slot and PushID. They follow from the arguments alone: a relay that adds
// an effect again after it was sent makes the same push id, and the device
// does not show it again. The push id tells nothing if the record's id cannot
// be guessed.
func For(record string, seq uint64, recipient string) Entry {
	id := record + ":" + strconv.FormatUint(seq, 10) + ":" + recipient
	slot := fnv.New32a()
	_, _ = slot.Write([]byte(record))
	digest := sha256.Sum256([]byte("push:" + id))
	return Entry{
		ID:        id,
		Slot:      int(slot.Sum32() % Slots),
		Recipient: recipient,
		PushID:    hex.EncodeToString(digest[:16]),
	}
}

// Lease is the right to work on a slot until it ends.
type Lease struct {
	Slot  int
	Term  int64 // grows by one with every lease of the slot
	Owner string
	Until time.Time // UTC
}

// Store keeps entries and leases. Every time comes from the caller, who holds
// it in UTC and whole milliseconds. outboxtest.Run is its contract as a test.
type Store interface {
	// Add stores the entry. An entry with this ID that is there already stays
	// as it is, and that is no error.
	Add(ctx context.Context, e Entry) error
	// Ready returns the slots that have an entry to try at now, ascending.
	Ready(ctx context.Context, now time.Time) ([]int, error)
	// Lease gives the slot to owner until the time given and raises its term.
	// It returns false if the slot is leased to anyone, owner included, and
	// that lease ends after now. Of many callers at once one gets it.
	Lease(ctx context.Context, slot int, owner string, until, now time.Time) (Lease, bool, error)
	// Due returns up to limit entries of the slot whose NotBefore is not after
	// now, by NotBefore and then ID.
	Due(ctx context.Context, slot int, now time.Time, limit int) ([]Entry, error)
	// Done removes an entry of the lease's slot. One that is gone already is
	// no error. It returns ErrLost, and removes nothing, if the slot has
	// another term or was released.
	Done(ctx context.Context, l Lease, id string) error
	// Retry stores the count of failed tries and when to try again. An entry
	// that is gone stays gone. It returns ErrLost as Done does.
	Retry(ctx context.Context, l Lease, id string, notBefore time.Time, tries int) error
	// Release frees the slot for the next worker. A lease that is lost already
	// is no error and changes nothing. The term stays.
	Release(ctx context.Context, l Lease) error
}

// Devices knows the device tokens of persons.
type Devices interface {
	// Tokens returns the tokens of the person's devices, none if there are none.
	Tokens(ctx context.Context, tenant, person string) ([]string, error)
	// Drop forgets a token, whoever has it. An unknown one is no error.
	Drop(ctx context.Context, token string) error
}
