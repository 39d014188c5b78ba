package console

import (
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/vault"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// ring is one of a tenant's rings as the officers of both see it. Bytes are
// base64; what is wrapped opens by an officer's or the recovery key only.
type ring struct {
	head

	Ring     string              `json:"ring"`
	Recovery casefile.RingHolder `json:"recovery"`
	Versions []ringVersion       `json:"versions"`
	Officers []ringOfficer       `json:"officers"`
	Checks   []ringCheck         `json:"checks"`
	Offer    *ringOffer          `json:"offer,omitempty"`
	Timeline []event             `json:"timeline"`
}

type ringVersion struct {
	Number    int       `json:"number"`
	Recipient string    `json:"recipient"`
	Recovery  []byte    `json:"recovery,omitempty"` // for the ring's own officers
	From      time.Time `json:"from"`
	MadeBy    string    `json:"madeBy"`
}

type ringOfficer struct {
	Person    string              `json:"person"`
	Key       casefile.RingHolder `json:"key"`
	State     casefile.State      `json:"state"`
	Challenge []byte              `json:"challenge,omitempty"` // for the person alone
	Shares    []vault.Share       `json:"shares,omitempty"`    // for the person alone
	Sum       string              `json:"sum,omitempty"`       // of the shares, which the witness of an enrolment signs
	Sponsor   string              `json:"sponsor,omitempty"`
	Witness   string              `json:"witness,omitempty"`
}

// ringOffer is a recovery key that is to take the place of the ring's.
type ringOffer struct {
	Key       casefile.RingHolder `json:"key"`
	Challenge []byte              `json:"challenge,omitempty"` // for the key's keeper, brought by the ring's officers
	Shares    []vault.Share       `json:"shares,omitempty"`    // so too, of the versions that there are
	Version   int                 `json:"version"`             // that comes with it
	Recipient string              `json:"recipient"`
	Wrapped   []byte              `json:"wrapped,omitempty"` // of that version
	Sum       string              `json:"sum"`               // of what was wrapped and made, which is signed
	By        string              `json:"by"`
	Until     time.Time           `json:"until"`
}

func newRingOffer(x *casefile.RingExchange) *ringOffer {
	if x == nil {
		return nil
	}
	return &ringOffer{
		Key: x.Key, Challenge: x.Challenge, Shares: newShares(x.Shares),
		Version: x.Made.Number, Recipient: x.Made.Recipient, Wrapped: x.Made.Recovery, Sum: x.Sum, By: x.Made.MadeBy, Until: x.Until,
	}
}

func newShares(shares []casefile.RingShare) []vault.Share {
	return each(shares, func(s casefile.RingShare) vault.Share { return vault.Share(s) })
}

type ringCheck struct {
	Day        string `json:"day"`
	Readable   int    `json:"readable"`
	Unreadable int    `json:"unreadable"`
	Swapped    int    `json:"swapped"`
	By         string `json:"by"`
	Signature  []byte `json:"signature"`
}

func newRing(r *casefile.Ring) ring {
	return ring{
		head: newHead(&r.Head), Ring: r.Ring, Recovery: r.Recovery,
		Versions: each(r.Versions, func(v casefile.RingVersion) ringVersion {
			return ringVersion{Number: v.Number, Recipient: v.Recipient, Recovery: v.Recovery, From: v.From, MadeBy: v.MadeBy}
		}),
		Officers: each(r.Officers, func(o casefile.RingOfficer) ringOfficer {
			return ringOfficer{
				Person: o.Person, Key: o.Key, State: o.State, Challenge: o.Challenge, Sponsor: o.Sponsor, Witness: o.Witness,
				Shares: newShares(o.Shares), Sum: o.Sum,
			}
		}),
		Checks:   each(r.Checks, func(c casefile.RingCheck) ringCheck { return ringCheck(c) }),
		Offer:    newRingOffer(r.Offer),
		Timeline: newTimeline(r.Timeline),
	}
}

// bothRings are a tenant's rings, and who asks.
type bothRings struct {
	Tenant string `json:"tenant"`
	Person string `json:"person"`
	Items  []ring `json:"items"`
}

// readRings shows both rings, A first.
func readRings(s *workflow.Service) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		rings, err := s.ReadRings(q.Context(), q.Actor)
		if err != nil {
			return web.Reply{}, err
		}
		return web.Reply{Body: bothRings{
			Tenant: q.Actor.Tenant, Person: q.Actor.Person, Items: each(rings, func(r casefile.Ring) ring { return newRing(&r) }),
		}}, nil
	}
}

// sealedIdentity is an envelope that ring B's tool says readable of, or not.
type sealedIdentity struct {
	Report      string `json:"report"`
	Number      string `json:"number"`
	Envelope    []byte `json:"envelope"` // base64
	InnerDigest string `json:"innerDigest"`
}

// sealedOn shows the envelopes of a day in pages.
func sealedOn(s *workflow.Service) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		l, err := q.Listing(nil)
		if err != nil {
			return web.Reply{}, err
		}
		sealed, err := s.SealedOn(q.Context(), q.Actor, q.Param("day"), l.After, l.Limit+1)
		if err != nil {
			return web.Reply{}, err
		}
		return web.Reply{Body: web.Paged(l, sealed, func(e *workflow.SealedIdentity) (sealedIdentity, string) {
			return sealedIdentity(*e), e.Report
		})}, nil
	}
}

// sealFault is the body of seal-fault.
type sealFault struct {
	Result vault.Result `json:"result"`
}

func (f sealFault) result() vault.Result { return f.Result }
