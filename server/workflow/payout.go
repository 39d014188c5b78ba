package workflow

import (
	"cmp"
	"context"
	"slices"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/reward"
)

// DrawPayout (批量支付) puts claimed awards, or such as the bank could not pay
// before, into one payout under the memo of the policy. Fewer than the policy
// wants go only on its day of the month, when money leaves every month.
func (s *Service) DrawPayout(ctx context.Context, call Call, awards []string) (casefile.Outcome, error) {
	t, err := s.Directory.Tenant(ctx, call.Actor.Tenant)
	if err != nil {
		return casefile.Outcome{}, err
	}
	if !call.Actor.May(casefile.PayoutDraw, casefile.Subject{Tenant: t.ID, Area: t.Area}) {
		return casefile.Outcome{}, fault.Absent()
	}
	return create(ctx, s, call, s.Payouts, casefile.PayoutMoves,
		func(p *casefile.Payout, e *casefile.Event) ([]casefile.Effect, error) {
			if len(awards) < max(t.Policy.PayoutMin, 1) && e.At.In(Shanghai()).Day() != t.Policy.PayoutDay {
				return nil, fault.New(fault.Conflict, "payout.too_few",
					"so few awards are paid together only on the policy's day of the month").At("/awards")
			}
			e.Command, e.At = "draw", onlyDay(e.At)
			*p = casefile.Payout{Head: p.Head, Area: t.Area, Memo: t.Policy.PayoutMemo, DrawnBy: call.Actor.Person}
			var effects []casefile.Effect
			for _, id := range awards {
				a, err := s.payable(ctx, call.Actor, id)
				if err != nil {
					return nil, err
				}
				p.Lines = append(p.Lines, casefile.PayoutLine{Award: a.ID, Number: a.Number, Fen: a.Fen})
				effects = append(effects, casefile.Effect{Follow: &casefile.Follow{Record: a.ID, Command: "pay", Ref: p.ID}})
			}
			slices.SortFunc(p.Lines, func(x, y casefile.PayoutLine) int { return cmp.Compare(x.Number, y.Number) })
			return effects, nil
		})
}

// payable returns an award that the actor may put into a payout.
func (s *Service) payable(ctx context.Context, actor casefile.Actor, id string) (*casefile.Award, error) {
	a, err := load(ctx, actor, s.Awards, id, casefile.PayoutDraw)
	if err != nil {
		return nil, err
	}
	switch {
	case actor.Tied(a.Subject()):
		return nil, errTied()
	case actor.Person == a.ApprovedBy:
		return nil, errSecondPerson()
	case a.State != casefile.AwardClaimed && a.State != casefile.AwardPayFailed:
		return nil, fault.New(fault.Conflict, "payout.not_claimed", "an award is paid that is claimed and in no other payout").At("/awards")
	}
	return a, nil
}

func (s *Service) onPayout(
	ctx context.Context, call Call, id string, action casefile.Action, command casefile.Command,
	do func(*casefile.Payout) ([]casefile.Effect, error),
) (casefile.Outcome, error) {
	return change(ctx, s, call, s.Payouts, casefile.PayoutMoves, id, action,
		func(p *casefile.Payout, e *casefile.Event) ([]casefile.Effect, error) {
			if _, err := casefile.PayoutMoves.To(p.State, command); err != nil {
				return nil, err
			}
			e.Command, e.At = command, onlyDay(e.At)
			return do(p)
		})
}

// ConfirmPayout is by another person than who drew it. Every award has to be
// in it by then: of two payouts that name the same award only one is paid.
func (s *Service) ConfirmPayout(ctx context.Context, call Call, id string) (casefile.Outcome, error) {
	return s.onPayout(ctx, call, id, casefile.PayoutConfirm, "confirm", func(p *casefile.Payout) ([]casefile.Effect, error) {
		if call.Actor.Person == p.DrawnBy {
			return nil, fault.New(fault.Conflict, "payout.second_person", "another person than the one who drew a payout confirms it")
		}
		for _, e := range p.Pending {
			if e.Seq > p.Relayed {
				return nil, fault.New(fault.Conflict, "payout.gathering", "the awards are being gathered; try again")
			}
		}
		for _, line := range p.Lines {
			a, err := s.Awards.Get(ctx, p.Tenant, line.Award)
			if err != nil {
				return nil, err
			}
			if a.Payout != p.ID || a.State != casefile.AwardPaying {
				return nil, fault.New(fault.Conflict, "payout.taken", "an award is in another payout: drop this one and draw it again without")
			}
		}
		return nil, nil
	})
}

// DropPayout gives up a payout that was not confirmed; its awards are claimed
// ones again.
func (s *Service) DropPayout(ctx context.Context, call Call, id string) (casefile.Outcome, error) {
	return s.onPayout(ctx, call, id, casefile.PayoutConfirm, "drop", func(p *casefile.Payout) ([]casefile.Effect, error) {
		return eachLine(p, "put_back", "put_back"), nil
	})
}

// Settlement is the bank's word on a payout: its reference, and which awards
// it could not pay.
type Settlement struct {
	Ticket string
	Failed []FailedPayment
}

// FailedPayment is an award that the bank could not pay.
type FailedPayment struct {
	Award  string
	Reason string // code
}

// SettlePayout notes the bank's word. What was paid leaves the budget, each
// award by its own entry; what was not can go into a later payout.
func (s *Service) SettlePayout(ctx context.Context, call Call, id string, in Settlement) (casefile.Outcome, error) {
	return s.onPayout(ctx, call, id, casefile.PayoutDraw, "settle", func(p *casefile.Payout) ([]casefile.Effect, error) {
		p.Ticket = in.Ticket
		for _, f := range in.Failed {
			i := slices.IndexFunc(p.Lines, func(l casefile.PayoutLine) bool { return l.Award == f.Award })
			if i < 0 {
				return nil, fault.New(fault.Invalid, "payout.not_in", "an award that failed is one of the payout").At("/failed")
			}
			p.Lines[i].Failed = f.Reason
		}
		return eachLine(p, "paid", "failed"), nil
	})
}

// eachLine has every award of a payout follow: with one command where the bank
// paid, with another where it could not.
func eachLine(p *casefile.Payout, paid, failed casefile.Command) []casefile.Effect {
	var effects []casefile.Effect
	for _, line := range p.Lines {
		command := paid
		if line.Failed != "" {
			command = failed
		}
		effects = append(effects, casefile.Effect{Follow: &casefile.Follow{Record: line.Award, Command: command, Ref: p.ID}})
	}
	return effects
}

// followPayout carries out on an award what its payout came to. An award that
// is in another payout stays as it is.
func (s *Service) followPayout(ctx context.Context, tenant string, f casefile.Follow, key string) error {
	p, err := s.Payouts.Get(ctx, tenant, f.Ref)
	if err != nil {
		return err
	}
	return followOn(ctx, s, s.Awards, casefile.AwardMoves, tenant, f, key, func(a *casefile.Award, e *casefile.Event) ([]casefile.Effect, error) {
		e.At = onlyDay(e.At)
		state := a.State
		if f.Command != "pay" && a.Payout != p.ID {
			state = casefile.New // as far as this payout goes
		}
		if _, err := casefile.AwardMoves.To(state, f.Command); err != nil {
			return nil, err
		}
		var effects []casefile.Effect
		switch f.Command {
		case "pay":
			a.Payout, a.PaidBy = p.ID, p.DrawnBy
		case "paid":
			a.Ticket, a.PaidAt = p.Ticket, e.At
			effects = []casefile.Effect{{Budget: &casefile.BudgetEffect{Step: string(reward.Pay), Fen: a.Fen, Year: a.Year, By: a.PaidBy}}}
		default: // failed, put_back
			a.Payout = ""
		}
		return s.logged(ctx, a.Report, &a.Head, casefile.AwardMoves, *e, effects)
	})
}

// ListPayouts lists the payouts of the actor's tenant, oldest first.
func (s *Service) ListPayouts(ctx context.Context, actor casefile.Actor, q Query) ([]casefile.Payout, error) {
	return listed(ctx, actor, s.Payouts, casefile.PayoutRead, q)
}

// ReadPayout returns a payout.
func (s *Service) ReadPayout(ctx context.Context, actor casefile.Actor, id string) (*casefile.Payout, error) {
	return load(ctx, actor, s.Payouts, id, casefile.PayoutRead)
}
