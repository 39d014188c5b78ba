package workflow

import (
	"context"
	"errors"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/reward"
)

// lapse destroys what hangs on a report that is erased and would still tell of
// it: the layer of an opening that nobody finished, a contact that no gateway
// took, the copy of a lead that never entered a case file. It may be done again.
func (s *Service) lapse(ctx context.Context, tenant, report string) error {
	of, key := Query{Tenant: tenant, Report: report}, "erased:"+report
	var errs []error
	failed := func(err error) { errs = append(errs, err) }
	failed(every(ctx, s.Openings, of, func(o *casefile.Opening) {
		if len(o.Wrapped) > 0 {
			failed(s.dropLayer(ctx, o, key))
		}
	}))
	failed(every(ctx, s.Contacts, of, func(u *casefile.ContactUse) {
		if len(u.Sealed) > 0 {
			failed(followOn(ctx, s, s.Contacts, casefile.ContactMoves, tenant, casefile.Follow{Record: u.ID, Command: "lapse"}, key,
				func(u *casefile.ContactUse, _ *casefile.Event) ([]casefile.Effect, error) {
					u.Sealed, u.Result = nil, casefile.ContactFailed
					return nil, nil
				}))
		}
	}))
	failed(every(ctx, s.Leads, of, func(l *casefile.Lead) {
		if l.State == casefile.LeadReleased { // it is the file's
			return
		}
		if len(l.Copy.CopyKey) > 0 {
			failed(followOn(ctx, s, s.Leads, casefile.LeadMoves, tenant, casefile.Follow{Record: l.ID, Command: "lapse"}, key,
				func(l *casefile.Lead, _ *casefile.Event) ([]casefile.Effect, error) {
					l.Copy.CopyKey = nil
					return nil, nil
				}))
		}
		failed(s.dropObjects(ctx, tenant, l.ID))
	}))
	return errors.Join(errs...)
}

// lapseOpenings destroys the layers of openings that expired before ring A
// finished them: what ring B agreed to was for that time. It returns how many.
func (s *Service) lapseOpenings(ctx context.Context, failed *failures) (int, error) {
	lapsed := 0
	for after, more := "", true; more; {
		page, err := s.Openings.Lapsed(ctx, s.now(), after, termPage)
		if err != nil {
			return lapsed, err
		}
		for i := range page {
			after = page[i].ID
			if err := s.dropLayer(ctx, &page[i], "expired:"+page[i].ID); err != nil {
				failed.add(err)
				continue
			}
			lapsed++
		}
		more = len(page) == termPage
	}
	return lapsed, nil
}

func (s *Service) dropLayer(ctx context.Context, o *casefile.Opening, key string) error {
	return followOn(ctx, s, s.Openings, casefile.OpeningMoves, o.Tenant, casefile.Follow{Record: o.ID, Command: "lapse"}, key,
		func(o *casefile.Opening, _ *casefile.Event) ([]casefile.Effect, error) {
			o.Wrapped = nil
			return nil, nil
		})
}

// lapseAwards (逾期未领; R31) ends awards that nobody asked for until the last day
// to claim, once the quiet days are over too: a reporter who never comes back must
// not keep a report readable for good. The money is free again. It returns how
// many there were.
func (s *Service) lapseAwards(ctx context.Context, failed *failures) (int, error) {
	lapsed := 0
	for after, more := "", true; more; {
		page, err := s.Awards.Unclaimed(ctx, s.daysAgo(s.Terms.Quiet.Days), after, termPage)
		if err != nil {
			return lapsed, err
		}
		for i := range page {
			a := &page[i]
			after = a.ID
			if !a.AskedAt.IsZero() { // it is for the rings to go on
				continue
			}
			if err := s.lapseAward(ctx, a); err != nil {
				failed.add(err)
				continue
			}
			lapsed++
		}
		more = len(page) == termPage
	}
	return lapsed, nil
}

func (s *Service) lapseAward(ctx context.Context, a *casefile.Award) error {
	key := "unclaimed:" + a.ID + ":" + a.ClaimBy.Format(time.DateOnly)
	return followOn(ctx, s, s.Awards, casefile.AwardMoves, a.Tenant, casefile.Follow{Record: a.ID, Command: "lapse"}, key,
		func(a *casefile.Award, e *casefile.Event) ([]casefile.Effect, error) {
			e.At = onlyDay(e.At)
			return s.logged(ctx, a.Report, &a.Head, casefile.AwardMoves, *e, []casefile.Effect{released(a)})
		})
}

// released frees what the budget holds for an award that is not paid.
func released(a *casefile.Award) casefile.Effect {
	return casefile.Effect{Budget: &casefile.BudgetEffect{Step: string(reward.Release), Fen: a.Fen, Year: a.Year, By: "system"}}
}
