package workflow

import (
	"context"
	"slices"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
)

// maxChecks is how many days a ring's record tells of; a day takes 200 bytes.
const maxChecks = 400

// SealedIdentity is what ring B's tool peels in memory to say whether it could
// be opened: an envelope, and the digest that was recorded with it.
type SealedIdentity struct {
	Report      string
	Number      string
	Envelope    []byte
	InnerDigest string
}

// SealedOn lists the identity envelopes of the reports of one day (2006-01-02,
// Asia/Shanghai) for ring B, after a report of the same day.
func (s *Service) SealedOn(ctx context.Context, actor casefile.Actor, day, after string, limit int) ([]SealedIdentity, error) {
	if _, err := s.signer(ctx, actor.Tenant, vault.RingB, actor.Person); err != nil {
		return nil, err
	}
	from, err := dayOf(day)
	if err != nil {
		return nil, err
	}
	// Any id follows the empty one: the page begins with the day.
	sealed := []SealedIdentity{}
	q := Query{Tenant: actor.Tenant, After: Cursor{At: from, ID: after}, Limit: limit}
	for more := true; more; {
		reports, err := page[casefile.Report](ctx, actor, s.Reports, casefile.EnvelopeCheck, q)
		if err != nil {
			return nil, err
		}
		for i := range reports {
			r := &reports[i]
			if !r.At.Before(from.AddDate(0, 0, 1)) || len(sealed) == limit {
				return sealed, nil
			}
			q.After.ID = r.ID
			if r.State == casefile.ReportErased { // there is nothing to check
				continue
			}
			e, err := s.Envelopes.Get(ctx, r.Tenant, r.Envelope)
			if err != nil && fault.KindOf(err) != fault.NotFound { // a lost one is not readable
				return nil, err
			}
			sealed = append(sealed, SealedIdentity{Report: r.ID, Number: r.Number, Envelope: e.Identity, InnerDigest: r.InnerHash})
		}
		more = len(reports) == q.Limit
	}
	return sealed, nil
}

func dayOf(text string) (time.Time, error) {
	day, err := time.ParseInLocation(time.DateOnly, text, Shanghai())
	if err != nil {
		return day, fault.Absent()
	}
	return day, nil
}

// DayCheck is what ring B's tool found of a day's envelopes, signed.
type DayCheck struct {
	vault.Tally
	Signature []byte `json:"signature"` // vault.SignTally
}

// CheckDay keeps the count of a day; a later one of the same day takes its place.
func (s *Service) CheckDay(ctx context.Context, call Call, in DayCheck) (casefile.Outcome, error) {
	verify, err := s.signer(ctx, call.Actor.Tenant, vault.RingB, call.Actor.Person)
	if err != nil {
		return casefile.Outcome{}, err
	}
	if err := vault.VerifyTally(verify, call.Actor.Tenant, in.Tally, in.Signature); err != nil {
		return casefile.Outcome{}, err
	}
	return s.onRing(ctx, call, RingID(call.Actor.Tenant, vault.RingB), "check", func(r *casefile.Ring, _ *casefile.Event) error {
		r.Checks = slices.DeleteFunc(r.Checks, func(c casefile.RingCheck) bool { return c.Day == in.Day })
		r.Checks = append(r.Checks, casefile.RingCheck{
			Day: in.Day, Readable: in.Readable, Unreadable: in.Unreadable, Swapped: in.Swapped, By: call.Actor.Person, Signature: in.Signature,
		})
		r.Checks = r.Checks[max(0, len(r.Checks)-maxChecks):]
		return nil
	})
}

// NoteEnvelope tells the desk that a report's identity cannot be opened: the
// reporter is to be asked, through the receipt, to report again.
func (s *Service) NoteEnvelope(ctx context.Context, call Call, report string, result vault.Result) (casefile.Outcome, error) {
	if _, err := s.signer(ctx, call.Actor.Tenant, vault.RingB, call.Actor.Person); err != nil {
		return casefile.Outcome{}, err
	}
	return change(ctx, s, call, s.Reports, casefile.ReportMoves, report, casefile.EnvelopeCheck,
		func(r *casefile.Report, e *casefile.Event) ([]casefile.Effect, error) {
			e.Command, e.Code = "seal_fault", string(result)
			r.SealFault = string(result)
			return nil, nil
		})
}
