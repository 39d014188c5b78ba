package workflow

import (
	"context"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
)

// OpenReceipt returns the actor behind a receipt code. A code that is not known
// is an Unauthorized Fault.
func (s *Service) OpenReceipt(ctx context.Context, text string) (casefile.Actor, error) {
	code, err := vault.ParseCode(text)
	if err != nil {
		return casefile.Actor{}, err
	}
	r, err := s.Reports.ByReceipt(ctx, s.Keyring.LookupHashes(code))
	if fault.KindOf(err) == fault.NotFound {
		return casefile.Actor{}, errUnknownCode()
	}
	if err != nil {
		return casefile.Actor{}, err
	}
	if r.Behind.Provisional {
		return casefile.Actor{}, fault.New(fault.Conflict, "receipt.provisional", "this code was read out to you: exchange it for one that only you know")
	}
	return casefile.Actor{Tenant: r.Tenant, Report: r.ID, Receipt: r.Receipt}, nil
}

// ReceiptView is what the reporter sees behind the receipt.
type ReceiptView struct {
	Report   *casefile.Report
	Refusal  string // text, when refused
	Award    *casefile.Award
	Openings []casefile.Opening
	Leads    []casefile.Lead
	Contacts []casefile.ContactUse

	TriesLeft int // of the claim password
}

// ReadReceipt shows the reporter the state of the report, the reply, the award
// once it is notified, every opening and use of the contact (confidentiality 3)
// and every lead that was or would be released. An answer that is
// shown for the first time is served with it.
func (s *Service) ReadReceipt(ctx context.Context, actor casefile.Actor) (ReceiptView, error) {
	r, err := load(ctx, actor, s.Reports, actor.Report, casefile.ReceiptRead)
	if err != nil {
		return ReceiptView{}, err
	}
	if unserved(r) {
		if err := s.serve(ctx, r); err != nil {
			return ReceiptView{}, err
		}
	}
	view := ReceiptView{Report: r, TriesLeft: s.triesLeft(r.Behind.Claim)}
	if r.Refusal.Reason != "" && r.State != casefile.ReportErased {
		key, err := s.reportKey(ctx, r)
		if err != nil {
			return ReceiptView{}, err
		}
		if err := openJSON(key, r.Refusal.Sealed, &view.Refusal, refusalAD(r.ID)); err != nil {
			return ReceiptView{}, err
		}
	}
	if view.Award, err = s.awardOf(ctx, r); err != nil {
		return ReceiptView{}, err
	}
	of := Query{Tenant: r.Tenant, Report: r.ID, Limit: maxOfReport}
	if view.Openings, err = s.Openings.List(ctx, of); err != nil {
		return ReceiptView{}, err
	}
	if view.Leads, err = s.Leads.List(ctx, of); err != nil {
		return ReceiptView{}, err
	}
	view.Contacts, err = s.contactsOf(ctx, r)
	return view, err
}

// contactsOf returns every use of a report's contact, oldest first.
func (s *Service) contactsOf(ctx context.Context, r *casefile.Report) ([]casefile.ContactUse, error) {
	var all []casefile.ContactUse
	q := Query{Tenant: r.Tenant, Report: r.ID, Limit: maxOfReport}
	for {
		page, err := s.Contacts.List(ctx, q)
		all = append(all, page...)
		if err != nil || len(page) < q.Limit {
			return all, err
		}
		last := page[len(page)-1]
		q.After = Cursor{At: last.At, ID: last.ID}
	}
}

// awardOf returns the award the reporter may see: one that was notified, or
// that is not due.
func (s *Service) awardOf(ctx context.Context, r *casefile.Report) (*casefile.Award, error) {
	awards, err := s.Awards.List(ctx, Query{Tenant: r.Tenant, Report: r.ID, Limit: maxOfReport})
	if err != nil {
		return nil, err
	}
	for i := range awards {
		if !awards[i].NotifiedAt.IsZero() {
			return &awards[i], nil
		}
	}
	return nil, nil //nolint:nilnil // most reports have none
}

// AskAward is the reporter asking for the award to be paid. Who asks is then
// confirmed through the two rings, which makes it claimed (R31).
func (s *Service) AskAward(ctx context.Context, call Call) (casefile.Outcome, error) {
	r, err := load(ctx, call.Actor, s.Reports, call.Actor.Report, casefile.AwardClaim)
	if err != nil {
		return casefile.Outcome{}, err
	}
	a, err := s.awardOf(ctx, r)
	if err != nil {
		return casefile.Outcome{}, err
	}
	if a == nil {
		return casefile.Outcome{}, fault.Absent()
	}
	return s.onAward(ctx, call, a.ID, casefile.AwardClaim, "ask",
		func(a *casefile.Award, e *casefile.Event) ([]casefile.Effect, error) {
			if !e.At.Before(a.ClaimBy) {
				return nil, errClaimOver()
			}
			if a.AskedAt.IsZero() {
				a.AskedAt = e.At
			}
			return nil, nil
		})
}
