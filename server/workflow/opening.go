package workflow

import (
	"context"
	"errors"
	"slices"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
)

// OpeningRequest asks that two rings open who reported.
type OpeningRequest struct {
	Award   string // of a payment
	Report  string // of any other purpose
	Purpose casefile.Purpose
	Basis   string // legal basis, an article
	Hours   int    // how long the request lives; at most the tenant's OpeningHours
}

// AskOpening (开封申请) asks for the identity behind an award whose reporter has
// asked for payment, or behind a report to call its reporter back or because
// the case goes to justice (confidentiality 2). Who may ask for which purpose
// stands in the policy table. Of a case that is transferred the tenant stays
// the holder of the identity: there is no purpose that sends it on.
func (s *Service) AskOpening(ctx context.Context, call Call, in OpeningRequest) (casefile.Outcome, error) {
	ask := in.Purpose.Ask()
	if !call.Actor.May(ask, casefile.Subject{}) {
		return casefile.Outcome{}, fault.New(fault.Conflict, "opening.other_role", "an opening for this purpose is asked for by another role").At("/purpose")
	}
	report, claimed, err := s.openingOf(ctx, call.Actor, in)
	if err != nil {
		return casefile.Outcome{}, err
	}
	tenant, err := s.Directory.Tenant(ctx, report.Tenant)
	if err != nil {
		return casefile.Outcome{}, err
	}
	if in.Hours < 1 || in.Hours > tenant.Policy.OpeningHours {
		return casefile.Outcome{}, fault.New(fault.Invalid, "opening.too_long", "a request lives from 1 to %d hours", tenant.Policy.OpeningHours).At("/hours")
	}
	return create(ctx, s, call, s.Openings, casefile.OpeningMoves,
		func(o *casefile.Opening, e *casefile.Event) ([]casefile.Effect, error) {
			if in.Purpose == casefile.RewardPayment && !claimed {
				return nil, fault.New(fault.Conflict, "opening.not_claimed", "the reporter has not asked for this award").At("/award")
			}
			e.Command = "ask"
			*o = casefile.Opening{
				Head: o.Head, Report: report.ID, Area: report.Area, Party: report.Target.Name, Award: in.Award, Purpose: in.Purpose, Basis: in.Basis,
				Expires: e.At.Add(time.Duration(in.Hours) * time.Hour), Requester: call.Actor.Person,
			}
			return s.logged(ctx, o.Report, &o.Head, casefile.OpeningMoves, *e, nil)
		})
}

// openingOf reads the report that a request is about, and says whether its
// reporter has asked for the award that is to be paid.
func (s *Service) openingOf(ctx context.Context, actor casefile.Actor, in OpeningRequest) (*casefile.Report, bool, error) {
	if in.Purpose != casefile.RewardPayment {
		r, err := load(ctx, actor, s.Reports, in.Report, in.Purpose.Ask())
		if err == nil && in.Purpose.OfArchive() && r.Strongbox.Recipient == "" {
			err = fault.New(fault.Conflict, "opening.not_archived", "nothing of this report was sealed away: the desk reads it").At("/report")
		}
		return r, false, err
	}
	a, err := load(ctx, actor, s.Awards, in.Award, in.Purpose.Ask())
	if err != nil {
		return nil, false, err
	}
	r, err := s.Reports.Get(ctx, a.Tenant, a.Report)
	return r, a.State == casefile.AwardNotified && !a.AskedAt.IsZero(), err
}

func (s *Service) onOpening(
	ctx context.Context, call Call, id string, action casefile.Action, command casefile.Command,
	do func(*casefile.Opening, *casefile.Event) ([]casefile.Effect, error),
) (casefile.Outcome, error) {
	out, err := change(ctx, s, call, s.Openings, casefile.OpeningMoves, id, action,
		func(o *casefile.Opening, e *casefile.Event) ([]casefile.Effect, error) {
			e.Command = command
			if command != "deny" && !e.At.Before(o.Expires) {
				return nil, vault.ErrExpired
			}
			others := []string{o.Requester, o.RingA, o.RingB}
			if command == "finish" {
				others = []string{o.Requester, o.RingB}
			}
			if command != "deny" && slices.Contains(others, call.Actor.Person) {
				return nil, fault.New(fault.Conflict, "opening.second_person", "requester and the officers of both rings are three different persons")
			}
			effects, err := do(o, e)
			if err != nil {
				return nil, err
			}
			return s.logged(ctx, o.Report, &o.Head, casefile.OpeningMoves, *e, effects)
		})
	if refused(err) {
		err = errors.Join(err, noteRefusal(ctx, s, s.Openings, casefile.OpeningMoves, call.Actor, id, "", err))
	}
	return out, err
}

// KeyOpening is ring A's officer bringing a one-time recipient to a request.
func (s *Service) KeyOpening(ctx context.Context, call Call, id, recipient string) (casefile.Outcome, error) {
	return s.onOpening(ctx, call, id, casefile.OpeningFinish, "key",
		func(o *casefile.Opening, _ *casefile.Event) ([]casefile.Effect, error) {
			o.Recipient, o.RingA = recipient, call.Actor.Person
			return nil, vault.CheckRecipient(recipient)
		})
}

// requestOf returns the request as the custody tools sign it.
func requestOf(o *casefile.Opening) vault.Request {
	return vault.Request{
		ID: o.ID, Tenant: o.Tenant, Report: o.Report, Purpose: string(o.Purpose), LegalBasis: o.Basis, Expires: o.Expires, OneTime: o.Recipient,
	}
}

// layerOf returns ring B's layer as the server keeps it.
func layerOf(o *casefile.Opening) vault.PeeledLayer {
	return vault.PeeledLayer{
		RequestID: o.ID, Wrapped: o.Wrapped, InnerDigest: o.InnerDigest, WrappedDigest: o.WrappedDigest, Signature: o.PeelSignature,
	}
}

// PeelOpening is ring B's officer taking the outer layer off. The server checks
// signature, digest and single use; it can read nothing of it.
func (s *Service) PeelOpening(ctx context.Context, call Call, id string, layer vault.PeeledLayer) (casefile.Outcome, error) {
	return s.onOpening(ctx, call, id, casefile.OpeningPeel, "peel",
		func(o *casefile.Opening, e *casefile.Event) ([]casefile.Effect, error) {
			verify, err := s.signer(ctx, o.Tenant, vault.RingB, call.Actor.Person)
			if err != nil {
				return nil, err
			}
			r, err := s.Reports.Get(ctx, o.Tenant, o.Report)
			if err != nil {
				return nil, err
			}
			_, inner, err := s.sealedFor(ctx, o, r)
			if err != nil {
				return nil, err
			}
			if err := vault.VerifyPeel(verify, layer, inner, requestOf(o), e.At); err != nil {
				return nil, err
			}
			o.RingB, o.Wrapped, o.InnerDigest, o.WrappedDigest = call.Actor.Person, layer.Wrapped, layer.InnerDigest, layer.WrappedDigest
			o.PeelSignature, o.PeelKey = layer.Signature, verify
			return nil, nil
		})
}

// FinishOpening is ring A's officer saying what came of it. The layer is
// dropped; an identity that was read to pay an award makes it claimed.
func (s *Service) FinishOpening(ctx context.Context, call Call, id string, outcome vault.Outcome) (casefile.Outcome, error) {
	return s.onOpening(ctx, call, id, casefile.OpeningFinish, "finish",
		func(o *casefile.Opening, e *casefile.Event) ([]casefile.Effect, error) {
			if call.Actor.Person != o.RingA {
				return nil, fault.New(fault.Conflict, "opening.other_officer", "the officer who brought the one-time key finishes the request")
			}
			verify, err := s.signer(ctx, o.Tenant, vault.RingA, call.Actor.Person)
			if err != nil {
				return nil, err
			}
			if err := vault.VerifyOutcome(verify, outcome, layerOf(o), requestOf(o)); err != nil {
				return nil, err
			}
			o.Result, o.Signature, o.Wrapped, e.Code = casefile.OpeningResult(outcome.Result), outcome.Signature, nil, string(outcome.Result)
			if o.Result != casefile.Opened || o.Award == "" {
				return nil, nil
			}
			return []casefile.Effect{{Follow: &casefile.Follow{Record: o.Award, Command: "claim", Ref: o.ID}}}, nil
		})
}

// DenyOpening ends a request with a reason, by either ring.
func (s *Service) DenyOpening(ctx context.Context, call Call, id, reason string) (casefile.Outcome, error) {
	return s.onOpening(ctx, call, id, casefile.OpeningDeny, "deny",
		func(o *casefile.Opening, _ *casefile.Event) ([]casefile.Effect, error) {
			o.DenialReason, o.Wrapped = reason, nil
			return nil, nil
		})
}

// OpeningView is a request with what the caller's ring needs to go on.
type OpeningView struct {
	casefile.Opening
	Request  vault.Request
	Envelope []byte             // ring B, once there is a one-time recipient
	Inner    string             // digest recorded when the identity was sealed; both rings
	Layer    *vault.PeeledLayer // ring A, once peeled
	Binding  string             // ring A, once peeled
	PeeledBy []byte             // ring A: the signing key of ring B's officer
	Payment  *Payment           // ring A, once peeled, to pay an award
}

// Payment is what the bank is told of an award besides whom it is paid to.
type Payment struct {
	Number string `json:"number"` // of the award
	Fen    int64  `json:"fen"`
	Memo   string `json:"memo"` // the same for every transfer
}

// paymentOf returns the payment that a request is for, nil if it is for another
// purpose.
func (s *Service) paymentOf(ctx context.Context, o *casefile.Opening) (*Payment, error) {
	if o.Award == "" {
		return nil, nil //nolint:nilnil // not every request is to pay
	}
	a, err := s.Awards.Get(ctx, o.Tenant, o.Award)
	if err != nil {
		return nil, err
	}
	t, err := s.Directory.Tenant(ctx, o.Tenant)
	return &Payment{Number: a.Number, Fen: a.Fen, Memo: t.Policy.PayoutMemo}, err
}

// ReadOpening returns a request; material goes to the ring whose turn it is.
func (s *Service) ReadOpening(ctx context.Context, actor casefile.Actor, id string) (OpeningView, error) {
	o, err := load(ctx, actor, s.Openings, id, casefile.OpeningRead)
	if err != nil {
		return OpeningView{}, err
	}
	view := OpeningView{Opening: *o, Request: requestOf(o)}
	view.Wrapped = nil
	if !s.now().Before(o.Expires) {
		return view, nil
	}
	r, err := s.Reports.Get(ctx, o.Tenant, o.Report)
	if err != nil {
		return OpeningView{}, err
	}
	file, inner, err := s.sealedFor(ctx, o, r)
	if err != nil {
		return OpeningView{}, err
	}
	switch {
	case o.State == casefile.OpeningKeyed && actor.May(casefile.OpeningPeel, o.Subject()):
		view.Envelope, view.Inner = file, inner
	case o.State == casefile.OpeningPeeled && actor.Person == o.RingA:
		layer := layerOf(o)
		view.Layer, view.Inner, view.Binding, view.PeeledBy = &layer, inner, r.Binding, o.PeelKey
		if view.Payment, err = s.paymentOf(ctx, o); err != nil {
			return OpeningView{}, err
		}
	}
	return view, nil
}

// sealedFor returns what a request is to open, and the digest of its inner file:
// who reported, or the strongbox.
func (s *Service) sealedFor(ctx context.Context, o *casefile.Opening, r *casefile.Report) ([]byte, string, error) {
	if r.State == casefile.ReportErased {
		return nil, "", errErased()
	}
	if o.Purpose.OfArchive() {
		return r.Strongbox.File, r.Strongbox.Inner, nil
	}
	envelope, err := s.Envelopes.Get(ctx, o.Tenant, r.Envelope)
	return envelope.Identity, r.InnerHash, err
}

// ListOpenings lists requests, oldest first: for the rings those of the tenant,
// for who may ask those of the own area.
func (s *Service) ListOpenings(ctx context.Context, actor casefile.Actor, q Query) ([]casefile.Opening, error) {
	return listed(ctx, actor, s.Openings, casefile.OpeningRead, q)
}
