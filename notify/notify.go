// Package notify tells a person's device that there is something to fetch.
//
// A push carries a kind, an opaque reference and its own id, never content:
// the app wakes up and asks the server. Everything it says may be read by the
// push service. The package knows nothing of records and persons; it imports
// nothing of the application.
package notify

import (
	"context"
	"time"
)

// Message is one push to one device.
type Message struct {
	ID    string // push id, 128 random-looking bits in hex; a device shows each id once
	Kind  string // what sort of thing waits, e.g. "task"
	Ref   string // opaque reference the device gives back when it asks
	Token string // device token; a secret, never logged
}

// Outcome says what the worker does next.
type Outcome int

// The outcomes. The zero Outcome is Later: nothing is lost by trying again.
const (
	Later     Outcome = iota // not now: quota, outage, no answer
	Delivered                // the push service took it
	Gone                     // the token is of no use any more: drop it
	Never                    // the message itself is at fault: do not repeat it
)

// String returns the outcome as it stands in logs and metrics.
func (o Outcome) String() string {
	switch o {
	case Later:
		return "later"
	case Delivered:
		return "delivered"
	case Gone:
		return "gone"
	case Never:
		return "never"
	}
	return "unknown"
}

// Result is what became of a Send.
type Result struct {
	Outcome Outcome
	After   time.Duration // with Later: the least wait the push service asks for, 0 if it names none
	Err     error         // why it was not delivered; holds neither token nor reference
}

// Sender hands messages to a push service.
type Sender interface {
	// Send sends m and waits for the push service's answer or the end of ctx.
	// A message may arrive twice with the same ID, when an answer was lost.
	Send(ctx context.Context, m Message) Result
}
