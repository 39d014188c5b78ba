package workflow

import (
	"context"
	"errors"

	"gridwatch/server/casefile"
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
