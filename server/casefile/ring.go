package casefile

import (
	"slices"
	"time"
)

// RingOpen is the one state of a ring.
const RingOpen State = "OPEN"

// RingMoves is the table of moves of a ring (confidentiality 1).
var RingMoves = Table{Noun: "ring", Moves: []Move{
	{[]State{New}, "create", []State{RingOpen}, "R36"},
	{[]State{RingOpen}, "ask", nil, "R36"},
	{[]State{RingOpen}, "prove", nil, "R36"},
	{[]State{RingOpen}, "admit", nil, "R36"},
	{[]State{RingOpen}, "witness", nil, "R36"},
	{[]State{RingOpen}, "leave", nil, "R36"},
	{[]State{RingOpen}, "offer", nil, "R36"},
	{[]State{RingOpen}, "exchange", nil, "R36"},
	{[]State{RingOpen}, "lapse", nil, "R36"},
	{[]State{RingOpen}, "check", nil, "R36"},
}}

// How far a person is on the way into a ring.
const (
	RingAsked    State = "ASKED"    // has a challenge to answer
	RingProved   State = "PROVED"   // answered it
	RingAdmitted State = "ADMITTED" // an officer of the ring wrapped the key
	RingEnrolled State = "ENROLLED" // an officer of the other ring saw it done
)

// Ring is one of a tenant's two rings: the versions of its key, who holds them,
// and what was found of its envelopes. The private half of a key stands here
// only wrapped to officers' own keys, which the server never sees.
type Ring struct {
	Head `bson:",inline"`

	Ring     string        `bson:"ring"` // a (保密员) or b (监督领导)
	Recovery RingHolder    `bson:"recovery"`
	Versions []RingVersion `bson:"versions"` // oldest first; the last is sealed to
	Officers []RingOfficer `bson:"officers"`
	Left     []string      `bson:"left,omitempty"` // persons who were given its key and are no officers any more
	Checks   []RingCheck   `bson:"checks"`         // the newest of each day

	Offer     *RingExchange  `bson:"offer"`     // recovery key that is to come; nil if none is
	Exchanged []RingExchange `bson:"exchanged"` // those that came, oldest first, without what was wrapped
}

// Drop takes officers out of the ring; who was given its key stays known.
func (r *Ring) Drop(which func(RingOfficer) bool) {
	for _, o := range r.Officers {
		if which(o) && len(o.Shares) > 0 && !slices.Contains(r.Left, o.Person) {
			r.Left = append(r.Left, o.Person)
		}
	}
	r.Officers = slices.DeleteFunc(r.Officers, which)
}

// RingHolder is the public half of an officer's or a recovery key.
type RingHolder struct {
	Recipient string `bson:"recipient" json:"recipient"` // age1pq1...
	Verify    []byte `bson:"verify" json:"verify"`       // Ed25519
}

// RingVersion is one version of a ring's key.
type RingVersion struct {
	Number    int       `bson:"number"`
	Recipient string    `bson:"recipient"`
	Recovery  []byte    `bson:"recovery"` // wrapped to the recovery key
	From      time.Time `bson:"from"`
	MadeBy    string    `bson:"made_by"`
	Signature []byte    `bson:"signature"`
}

// RingOfficer is a person in a ring, or on the way into it.
type RingOfficer struct {
	Person string     `bson:"person"`
	Key    RingHolder `bson:"key"`
	State  State      `bson:"state"`

	Challenge []byte      `bson:"challenge"` // nonce, sealed to the person
	Nonce     string      `bson:"nonce"`     // its digest
	Proof     []byte      `bson:"proof"`     // signature over it
	Shares    []RingShare `bson:"shares"`
	Sum       string      `bson:"sum"`     // of the shares, as it was signed
	Sponsor   string      `bson:"sponsor"` // who wrapped; the person's own id by the recovery key
	Admission []byte      `bson:"admission"`
	Witness   string      `bson:"witness"` // of the other ring
	Witnessed []byte      `bson:"witnessed"`
}

// RingExchange is a recovery key that is to take the place of a ring's, or took
// it. A version of the ring's key comes with it, so that the old recovery key
// opens nothing that is sealed from then on.
type RingExchange struct {
	Key RingHolder `bson:"key"`
	Old RingHolder `bson:"old"` // whose place it takes

	Challenge []byte        `bson:"challenge"` // nonce, sealed to the key
	Nonce     string        `bson:"nonce"`     // its digest
	Shares    []RingShare   `bson:"shares"`    // the older versions, wrapped to the key
	Made      RingVersion   `bson:"made"`      // the version that comes with it, by the officer who offers
	Held      []PersonShare `bson:"held"`      // of that version
	Sum       string        `bson:"sum"`       // of all that, as it was signed
	Until     time.Time     `bson:"until"`     // by when the other ring sees it done

	Proof     []byte `bson:"proof"`   // signature over the nonce
	Witness   string `bson:"witness"` // of the other ring
	Witnessed []byte `bson:"witnessed"`
}

// PersonShare is a version of the ring's key, wrapped to one officer.
type PersonShare struct {
	Person  string `bson:"person" json:"person"`
	Wrapped []byte `bson:"wrapped" json:"wrapped"`
}

// RingShare is a version of the ring's key, wrapped to one person.
type RingShare struct {
	Version int    `bson:"version"`
	Wrapped []byte `bson:"wrapped"`
}

// RingCheck is what ring B's tool found of the envelopes of one day.
type RingCheck struct {
	Day        string `bson:"day"`
	Readable   int    `bson:"readable"`
	Unreadable int    `bson:"unreadable"`
	Swapped    int    `bson:"swapped"`
	By         string `bson:"by"`
	Signature  []byte `bson:"signature"`
}

// Subject is what policy must know of the ring.
func (r *Ring) Subject() Subject { return Subject{Tenant: r.Tenant} }

// Officer finds a person in the ring, in whatever state.
func (r *Ring) Officer(person string) (*RingOfficer, bool) {
	for i := range r.Officers {
		if r.Officers[i].Person == person {
			return &r.Officers[i], true
		}
	}
	return nil, false
}

// Enrolled finds a person who holds the ring's key.
func (r *Ring) Enrolled(person string) (*RingOfficer, bool) {
	o, ok := r.Officer(person)
	return o, ok && o.State == RingEnrolled
}
