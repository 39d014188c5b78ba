package casefile

import (
	"slices"
	"time"

	"gridwatch/server/fault"
)

// Limits of a record kept as one document.
const (
	maxTimeline = 200 // older events move to a place of their own
	maxPending  = 64  // effects that wait for the relay
)

// Head is what every record has: it is one document, and its timeline and its
// pending effects are written with it in one write.
type Head struct {
	ID       string    `bson:"_id"`
	Tenant   string    `bson:"tenant"`
	State    State     `bson:"state"`
	Version  int64     `bson:"version"` // of what users see; the ETag
	Seq      int64     `bson:"seq"`     // of the newest event
	At       time.Time `bson:"at"`      // first registered, UTC
	Changed  time.Time `bson:"changed"` // last changed, UTC
	Timeline []Event   `bson:"timeline"`

	// Pending are effects that the relay has not carried out; the store
	// appends to them and never writes them as a whole.
	Pending []Effect `bson:"pending"`
	// Relayed is the highest sequence the relay has carried out.
	Relayed int64 `bson:"relayed"`
}

// Event is one command that was carried out.
type Event struct {
	Seq     int64     `bson:"seq"`
	At      time.Time `bson:"at"`
	Command Command   `bson:"command"`
	From    State     `bson:"from"`
	To      State     `bson:"to"`
	By      string    `bson:"by"`
	Version int64     `bson:"version"`
	Key     string    `bson:"key"` // keyed hash of the idempotency key
	Tag     string    `bson:"tag"` // keyed hash of the command's canonical body
	Ref     string    `bson:"ref"` // id of what the command made, if anything
	Code    string    `bson:"code"`
}

// Outcome is the answer to a command. It is made from the event, so that a
// repeat of the command gets the same answer however the record moved on.
type Outcome struct {
	ID      string `json:"id"`
	State   State  `json:"state"`
	Version int64  `json:"version"`
	Ref     string `json:"ref,omitempty"`
}

// Outcome returns the answer to the event's command on a record.
func (e Event) Outcome(record string) Outcome {
	return Outcome{ID: record, State: e.To, Version: e.Version, Ref: e.Ref}
}

// Effect is what a record still has to cause elsewhere. It is carried out at
// least once and is idempotent by (record, sequence, kind).
type Effect struct {
	Seq    int64         `bson:"seq"`
	Task   *Task         `bson:"task"`   // a task to be made
	Push   *Push         `bson:"push"`   // a push to be queued
	Follow *Follow       `bson:"follow"` // a command on another record
	Budget *BudgetEffect `bson:"budget"` // an entry of the budget ledger
	Event  *Event        `bson:"event"`  // an old event to be moved out
	Drop   string        `bson:"drop"`   // an evidence object to be removed
	Leaf   []byte        `bson:"leaf"`   // a salted commitment for the log

	Message *Message `bson:"message"` // a message of the dialogue to be kept

	// Keep is until when nobody can remove the original that Link tells of; zero
	// locks nothing.
	Keep time.Time     `bson:"keep,omitempty"`
	Link *CustodyEvent `bson:"link"` // an event of an item's chain of custody

	Contact  *ContactUse `bson:"contact"`  // a use of a contact to be kept
	HandOver bool        `bson:"handover"` // this use's sealed contact goes to the gateway
	Erasure  *Erasure    `bson:"erasure"`  // what lies outside the record is to be destroyed
	Copies   *Copies     `bson:"copies"`   // clean copies to be made
}

// Push is a notice to a person's devices: a kind and an opaque reference.
type Push struct {
	Person string `bson:"person"`
	Kind   string `bson:"kind"`
	Ref    string `bson:"ref"`
}

// Follow is a command that another record gets because of this one.
type Follow struct {
	Record  string  `bson:"record"`
	Command Command `bson:"command"`
	Ref     string  `bson:"ref"`
}

// Copies asks for the clean copies of an item of the record.
type Copies struct {
	Item string       `bson:"item"`
	Kind EvidenceKind `bson:"kind"`
}

// CopiesOf are the effects that have copies made of items that arrived whole.
func CopiesOf(items []Evidence) []Effect {
	var all []Effect
	for _, e := range items {
		if e.State == EvidenceVerified {
			all = append(all, Effect{Copies: &Copies{Item: e.ID, Kind: e.Kind}})
		}
	}
	return all
}

// BudgetEffect asks for an entry of the budget chain.
type BudgetEffect struct {
	Step string `bson:"step"` // reserve, pay, release
	Fen  int64  `bson:"fen"`
	Year int    `bson:"year"`
	By   string `bson:"by"`
}

// Find returns the event of a command that was already carried out under one
// of the keyed hashes of its idempotency key.
func (h *Head) Find(keys []string) (Event, bool) {
	for _, e := range h.Timeline {
		if slices.Contains(keys, e.Key) {
			return e, true
		}
	}
	return Event{}, false
}

// Record carries a move out: it checks the table, sets the state and appends
// the event and its effects. On an error nothing has changed.
func (h *Head) Record(t Table, e Event, effects ...Effect) error {
	e.From = h.State
	if err := t.Check(e.From, e.Command, e.To); err != nil {
		return err
	}
	if len(h.Pending)+len(effects) > maxPending {
		return fault.New(fault.Busy, "record.too_many_effects", "the record has too much waiting; try again later")
	}
	h.Seq++
	h.Version++
	h.State = e.To
	h.Changed = e.At
	if h.At.IsZero() {
		h.At = e.At
	}
	e.Seq, e.Version = h.Seq, h.Version
	h.Timeline = append(h.Timeline, e)
	for len(h.Timeline) > maxTimeline {
		old := h.Timeline[0]
		effects = append(effects, Effect{Event: &old})
		h.Timeline = h.Timeline[1:]
	}
	for _, f := range effects {
		f.Seq = h.Seq
		h.Pending = append(h.Pending, f)
	}
	return nil
}

// Header gives stores and use cases access to the head of any record.
func (h *Head) Header() *Head { return h }
