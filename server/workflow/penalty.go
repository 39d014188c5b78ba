package workflow

import (
	"context"
	"slices"
	"strconv"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// FilePenalty (立案) opens a penalty on the signed record of an inspection; no
// other way leads to one (R13).
func (s *Service) FilePenalty(ctx context.Context, call Call, visitID string) (casefile.Outcome, error) {
	visit, err := s.signedVisit(ctx, call.Actor, visitID, casefile.PenaltyWork)
	if err != nil {
		return casefile.Outcome{}, err
	}
	if !slices.ContainsFunc(visit.Findings, func(f casefile.ItemFinding) bool { return f.Finding.Upheld() }) {
		return casefile.Outcome{}, fault.New(fault.Conflict, "penalty.nothing_found", "the inspection found no violation").At("/visit")
	}
	return create(ctx, s, call, s.Penalties, casefile.PenaltyMoves,
		func(p *casefile.Penalty, e *casefile.Event) ([]casefile.Effect, error) {
			e.Command = "file"
			*p = casefile.Penalty{
				Head: p.Head, Visit: visit.ID, Cause: visit.Cause, Area: visit.Area, Party: visit.Party, Officers: visit.Officers,
			}
			return restsOn(p), nil
		})
}

func (s *Service) onPenalty(
	ctx context.Context, call Call, id string, action casefile.Action, command casefile.Command,
	do func(*casefile.Penalty, *casefile.Event) error,
) (casefile.Outcome, error) {
	return change(ctx, s, call, s.Penalties, casefile.PenaltyMoves, id, action,
		func(p *casefile.Penalty, e *casefile.Event) ([]casefile.Effect, error) {
			e.Command = command
			err := do(p, e)
			return restsOn(p), err
		})
}

// restsOn tells the inspection's recordings that a case rests on them.
func restsOn(p *casefile.Penalty) []casefile.Effect {
	return []casefile.Effect{{Follow: &casefile.Follow{Record: p.Visit, Command: "keep_recordings", Ref: p.ID}}}
}

// Notice is what the party was told and what it answered.
type Notice struct {
	Told  string // facts, grounds and proposed penalty (行政处罚法 art. 44)
	Heard string // statement and defence (art. 45); "" when it waived them
}

// GivePenaltyNotice (处罚告知) comes before any decision (行政处罚法 art. 62).
func (s *Service) GivePenaltyNotice(ctx context.Context, call Call, id string, in Notice) (casefile.Outcome, error) {
	return s.onPenalty(ctx, call, id, casefile.PenaltyWork, "notice", func(p *casefile.Penalty, _ *casefile.Event) error {
		p.Notice, p.Heard = in.Told, in.Heard
		return nil
	})
}

// Decision is a penalty decision in lines; without lines there is no penalty.
type Decision struct {
	Reason string
	Lines  []casefile.PenaltyLine
}

// DecidePenalty (处罚决定) is signed by a leader. Each line punishes one
// violation of one party and names the items it rests on (R24b).
func (s *Service) DecidePenalty(ctx context.Context, call Call, id string, in Decision) (casefile.Outcome, error) {
	return s.onPenalty(ctx, call, id, casefile.PenaltySign, "decide", func(p *casefile.Penalty, e *casefile.Event) error {
		visit, err := s.Visits.Get(ctx, p.Tenant, p.Visit)
		if err != nil {
			return err
		}
		for i, line := range in.Lines {
			for _, item := range line.Items {
				if !visit.Upheld(item) {
					return fault.New(fault.Invalid, "penalty.item_not_found", "each line rests on items that the inspection found to be so").
						At("/lines/" + strconv.Itoa(i) + "/items")
				}
			}
			in.Lines[i].ID = strconv.Itoa(i + 1)
		}
		e.To = casefile.PenaltyDecided
		if len(in.Lines) == 0 {
			e.To = casefile.PenaltyNone
		}
		p.Lines, p.Reason, p.DecidedBy, p.DecidedAt = in.Lines, in.Reason, call.Actor.Person, e.At
		return nil
	})
}

// ServePenalty (送达) starts the time to pay (行政处罚法 art. 67; R21).
func (s *Service) ServePenalty(ctx context.Context, call Call, id string) (casefile.Outcome, error) {
	tenant, err := s.Directory.Tenant(ctx, call.Actor.Tenant)
	if err != nil {
		return casefile.Outcome{}, err
	}
	return s.onPenalty(ctx, call, id, casefile.PenaltyWork, "serve", func(p *casefile.Penalty, e *casefile.Event) error {
		p.ServedAt, p.DueBy = e.At, e.At.AddDate(0, 0, tenant.Policy.PayDays)
		return nil
	})
}

// Receipt is what the bank says of a payment.
type Receipt struct {
	Fen    int64
	Ticket string
}

// PayPenalty (缴款) notes a payment to the treasury; the fine is paid when the
// payments make up its total.
func (s *Service) PayPenalty(ctx context.Context, call Call, id string, in Receipt) (casefile.Outcome, error) {
	return s.onPenalty(ctx, call, id, casefile.PenaltyWork, "pay", func(p *casefile.Penalty, e *casefile.Event) error {
		if slices.ContainsFunc(p.Payments, func(m casefile.Payment) bool { return m.Ticket == in.Ticket }) {
			return fault.New(fault.Conflict, "penalty.paid_before", "this bank receipt is noted already").At("/ticket")
		}
		if in.Fen > p.Total()-p.Paid() {
			return fault.New(fault.Invalid, "penalty.overpaid", "the payment is more than what is owed").At("/fen")
		}
		p.Payments = append(p.Payments, casefile.Payment{At: e.At, Fen: in.Fen, Ticket: in.Ticket})
		e.To = casefile.PenaltyServed
		if p.Paid() == p.Total() {
			e.To = casefile.PenaltyPaid
		}
		return nil
	})
}

// ListPenalties lists penalties in the actor's area, oldest first.
func (s *Service) ListPenalties(ctx context.Context, actor casefile.Actor, q Query) ([]casefile.Penalty, error) {
	return listed(ctx, actor, s.Penalties, casefile.PenaltyRead, q)
}

// ReadPenalty returns a penalty.
func (s *Service) ReadPenalty(ctx context.Context, actor casefile.Actor, id string) (*casefile.Penalty, error) {
	return load(ctx, actor, s.Penalties, id, casefile.PenaltyRead)
}
