package console

import (
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/vault"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// opening is a request to learn who reported, and what came of it.
type opening struct {
	head

	Award     string                 `json:"award,omitempty"`  // of a payment
	Report    string                 `json:"report,omitempty"` // of any other purpose
	Purpose   casefile.Purpose       `json:"purpose"`
	Basis     string                 `json:"basis"`
	Expires   time.Time              `json:"expires"`
	Requester string                 `json:"requester"`
	RingA     string                 `json:"ringA,omitempty"`
	RingB     string                 `json:"ringB,omitempty"`
	Result    casefile.OpeningResult `json:"result,omitempty"`
	Denial    string                 `json:"denial,omitempty"`
}

func newOpening(o *casefile.Opening) opening {
	v := opening{
		head: newHead(&o.Head), Award: o.Award, Purpose: o.Purpose, Basis: o.Basis, Expires: o.Expires, Requester: o.Requester,
		RingA: o.RingA, RingB: o.RingB, Result: o.Result, Denial: o.DenialReason,
	}
	if o.Award == "" {
		v.Report = o.Report
	}
	return v
}

// openingTurn is an opening with what the ring whose turn it is feeds its tool.
// Bytes are base64.
type openingTurn struct {
	opening

	Request     vault.Request      `json:"request"`
	Envelope    []byte             `json:"envelope,omitempty"`
	InnerDigest string             `json:"innerDigest,omitempty"`
	Layer       *vault.PeeledLayer `json:"layer,omitempty"`
	Binding     string             `json:"binding,omitempty"`
	PeeledBy    []byte             `json:"peeledBy,omitempty"` // public key
	Payment     *workflow.Payment  `json:"payment,omitempty"`
	Timeline    []openingEvent     `json:"timeline"`
}

// openingEvent also says how an opening ended and why a step was refused.
type openingEvent struct {
	event

	Code string `json:"code,omitempty"`
}

func newOpeningTurn(_ *web.Request, o workflow.OpeningView) openingTurn {
	return openingTurn{
		opening: newOpening(&o.Opening), Request: o.Request, Envelope: o.Envelope, InnerDigest: o.Inner, Layer: o.Layer,
		Binding: o.Binding, PeeledBy: o.PeeledBy, Payment: o.Payment, Timeline: coded(o.Timeline),
	}
}

func coded(events []casefile.Event) []openingEvent {
	return each(events, func(e casefile.Event) openingEvent {
		return openingEvent{event: newTimeline([]casefile.Event{e})[0], Code: e.Code}
	})
}

// onceKey is the body of key: the recipient that the layer is wrapped to.
type onceKey struct {
	Recipient string `json:"recipient"`
}

func (k onceKey) recipient() string { return k.Recipient }

// denial is the body of deny.
type denial struct {
	Reason string `json:"reason"`
}

func (d denial) text() string { return d.Reason }
