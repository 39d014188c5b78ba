package workflow

import (
	"context"
	"errors"
	"fmt"

	"gridwatch/media"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// LeadRequest asks for an item of a report in a case file.
type LeadRequest struct {
	Item   string
	File   casefile.CaseFile
	Record string // id of the penalty or visit
	Reason string // why the file needs it; ring B reads it
}

// AskLead (征询举报人) asks the reporter whether a copy of an item may enter a
// case file that the punished party may read (confidentiality 6). The desk has
// released the item before; the copy that is asked about is made here, and no
// other is released. It asks once for an item and a file: asking again would
// be pressing.
func (s *Service) AskLead(ctx context.Context, call Call, id string, in LeadRequest) (casefile.Outcome, error) {
	r, err := load(ctx, call.Actor, s.Reports, id, casefile.ReportDecide)
	if err != nil {
		return casefile.Outcome{}, err
	}
	tenant, err := s.Directory.Tenant(ctx, r.Tenant)
	if err != nil {
		return casefile.Outcome{}, err
	}
	if err := s.fileOfReport(ctx, r, in); err != nil {
		return casefile.Outcome{}, err
	}
	item, ok := casefile.FindEvidence(r.Evidence, in.Item)
	if !ok {
		return casefile.Outcome{}, fault.New(fault.Invalid, "lead.unknown_item", "the item is one of the report's").At("/item")
	}
	if _, made := item.Copy(item.Shown()); !made || !item.Released {
		return casefile.Outcome{}, fault.New(fault.Conflict, "lead.not_released", "release the item's picture first: it is what the file would get").At("/item")
	}
	n := 1
	for r.Evidence[n-1].ID != item.ID {
		n++
	}
	var copied casefile.Lead
	out, err := createAs(ctx, s, call, s.Leads, casefile.LeadMoves, []string{derivedID("lead", r.ID, item.ID, in.Record)},
		func(l *casefile.Lead, e *casefile.Event) ([]casefile.Effect, error) {
			e.Command = "ask"
			today := s.today()
			*l = casefile.Lead{
				Head: l.Head, Report: r.ID, Area: r.Area, Item: item.ID, N: n, File: in.File, Record: in.Record, Reason: in.Reason,
				AskedBy: call.Actor.Person, AskedOn: today, AnswerBy: daysAfter(today, tenant.Policy.LeadDays),
			}
			if err := s.copyForLead(ctx, r, *item, l); err != nil {
				return nil, err
			}
			copied = *l
			return s.logged(ctx, r.ID, &l.Head, casefile.LeadMoves, *e, nil)
		})
	if err != nil && copied.Copy.ID != "" && fault.KindOf(err) != fault.Internal {
		s.discard(ctx, []casefile.Evidence{copied.Copy}) // another call was first
	}
	if fault.CodeOf(err) == "record.exists" {
		err = fault.New(fault.Conflict, "lead.asked_before", "the reporter was asked about this item and file before").At("/item")
	}
	return out, err
}

// fileOfReport refuses a case file that did not come of the report.
func (s *Service) fileOfReport(ctx context.Context, r *casefile.Report, in LeadRequest) error {
	cause, err := s.causeOfFile(ctx, r.Tenant, in.File, in.Record)
	if fault.KindOf(err) == fault.NotFound || (err == nil && cause != r.ID) {
		return fault.New(fault.Invalid, "lead.unknown_file", "the case file is one that came of this report").At("/record")
	}
	return err
}

func (s *Service) causeOfFile(ctx context.Context, tenant string, file casefile.CaseFile, id string) (string, error) {
	switch file {
	case casefile.OfPenalty:
		p, err := s.Penalties.Get(ctx, tenant, id)
		if err != nil {
			return "", err
		}
		return p.Cause, nil
	case casefile.OfInspection:
		v, err := s.Visits.Get(ctx, tenant, id)
		if err != nil {
			return "", err
		}
		return v.Cause, nil
	}
	return "", fault.Absent()
}

// copyForLead stores the item's pictures once more, under a key of its own: the
// file keeps them when the report's keys are gone, and no object names a report.
func (s *Service) copyForLead(ctx context.Context, r *casefile.Report, item casefile.Evidence, l *casefile.Lead) error {
	at := placeOfLead(l)
	var err error
	if at.Item, err = s.newID(); err != nil {
		return err
	}
	l.Copy = casefile.Evidence{ID: at.Item, Kind: item.Kind, State: casefile.EvidenceDerived, Released: true}
	if _, l.Copy.CopyKey, err = s.Keyring.NewDataKey(copyPlace(at), s.Random); err != nil {
		return err
	}
	for _, c := range item.Copies {
		if c.Kind != casefile.ReleasedCopy && (item.Kind != casefile.Video || c.Kind != casefile.PosterCopy) {
			continue // as the desk let others see it, and no other
		}
		shown, err := s.readCopy(ctx, placeOfReport(r), item, c.Kind)
		if err != nil {
			return err
		}
		stored, err := s.storeCopy(ctx, at, l.Copy.CopyKey, casefile.DisplayCopy, c.Type, shown)
		if err = errors.Join(err, shown.Close()); err != nil {
			return err
		}
		l.Copy.Copies = append(l.Copy.Copies, stored)
	}
	return nil
}

// placeOfLead is where a lead's copy lies.
func placeOfLead(l *casefile.Lead) media.Place { return media.Place{Tenant: l.Tenant, Record: l.ID} }

func (s *Service) onLead(
	ctx context.Context, call Call, id string, action casefile.Action, do func(*casefile.Lead, *casefile.Event) ([]casefile.Effect, error),
) (casefile.Outcome, error) {
	return change(ctx, s, call, s.Leads, casefile.LeadMoves, id, action,
		func(l *casefile.Lead, e *casefile.Event) ([]casefile.Effect, error) {
			effects, err := do(l, e)
			if err != nil {
				return nil, err
			}
			return s.logged(ctx, l.Report, &l.Head, casefile.LeadMoves, *e, effects)
		})
}

// AnswerLead is the reporter's yes or no. A yes is given by the last day, and
// can be taken back until the release; a no is final.
func (s *Service) AnswerLead(ctx context.Context, call Call, id string, agree bool) (casefile.Outcome, error) {
	if _, err := load(ctx, call.Actor, s.Reports, call.Actor.Report, casefile.ReceiptWrite); err != nil {
		return casefile.Outcome{}, err
	}
	return s.onLead(ctx, call, id, casefile.ReceiptWrite, func(l *casefile.Lead, e *casefile.Event) ([]casefile.Effect, error) {
		e.At = onlyDay(e.At)
		e.Command = "refuse"
		if !agree {
			l.Copy.CopyKey = nil
			return nil, nil
		}
		e.Command = "agree"
		if s.today() > l.AnswerBy {
			return nil, fault.New(fault.Conflict, "lead.answer_over", "the last day to agree is over: that was a no")
		}
		return nil, nil
	})
}

// ReleaseLead (同意附卷) is ring B's word: another person than the one of the
// desk who asked. The copy enters the case file with it.
func (s *Service) ReleaseLead(ctx context.Context, call Call, id string) (casefile.Outcome, error) {
	return s.onLead(ctx, call, id, casefile.LeadDecide, func(l *casefile.Lead, e *casefile.Event) ([]casefile.Effect, error) {
		r, err := s.Reports.Get(ctx, l.Tenant, l.Report)
		if err != nil {
			return nil, err
		}
		if r.State == casefile.ReportWithdrawn {
			return nil, fault.New(fault.Conflict, "lead.withdrawn", "the reporter has withdrawn the report, and the yes with it")
		}
		if call.Actor.Person == l.AskedBy {
			return nil, fault.New(fault.Conflict, "lead.second_person", "another person than the one who asked releases a lead")
		}
		e.Command, e.Ref = "release", l.Copy.ID
		l.DecidedBy, l.DecidedOn = call.Actor.Person, s.today()
		return []casefile.Effect{{Follow: &casefile.Follow{Record: l.Record, Command: "add_exhibit", Ref: l.ID}}}, nil
	})
}

// DenyLead (不同意附卷) ends the matter with a reason.
func (s *Service) DenyLead(ctx context.Context, call Call, id, reason string) (casefile.Outcome, error) {
	return s.onLead(ctx, call, id, casefile.LeadDecide, func(l *casefile.Lead, e *casefile.Event) ([]casefile.Effect, error) {
		e.Command = "deny"
		l.DecidedBy, l.DecidedOn, l.Denial, l.Copy.CopyKey = call.Actor.Person, s.today(), reason, nil
		return nil, nil
	})
}

// addExhibit puts the copy of a released lead into its case file.
func (s *Service) addExhibit(ctx context.Context, tenant string, f casefile.Follow, key string) error {
	l, err := s.Leads.Get(ctx, tenant, f.Ref)
	if err != nil {
		return err
	}
	x := casefile.Exhibit{ID: l.Copy.ID, Kind: l.Copy.Kind, Lead: l.ID}
	f.Ref = x.ID
	switch l.File {
	case casefile.OfPenalty:
		return followOn(ctx, s, s.Penalties, casefile.PenaltyMoves, tenant, f, key, func(p *casefile.Penalty, _ *casefile.Event) ([]casefile.Effect, error) {
			p.Exhibits = casefile.AddExhibit(p.Exhibits, x)
			return nil, nil
		})
	case casefile.OfInspection:
		return followOn(ctx, s, s.Visits, casefile.VisitMoves, tenant, f, key, func(v *casefile.Visit, _ *casefile.Event) ([]casefile.Effect, error) {
			v.Exhibits = casefile.AddExhibit(v.Exhibits, x)
			return nil, nil
		})
	}
	return fmt.Errorf("no case file is a %q", l.File)
}

// ListLeads lists leads in the actor's area, oldest first.
func (s *Service) ListLeads(ctx context.Context, actor casefile.Actor, q Query) ([]casefile.Lead, error) {
	return listed(ctx, actor, s.Leads, casefile.LeadRead, q)
}

// ReadLead returns a lead.
func (s *Service) ReadLead(ctx context.Context, actor casefile.Actor, id string) (*casefile.Lead, error) {
	return load(ctx, actor, s.Leads, id, casefile.LeadRead)
}

// LeadCopy returns the picture that the lead is about, for who decides on it.
func (s *Service) LeadCopy(ctx context.Context, actor casefile.Actor, id string) (Original, error) {
	l, err := load(ctx, actor, s.Leads, id, casefile.LeadRead)
	if err != nil {
		return Original{}, err
	}
	return s.readLead(ctx, l)
}

// OwnLeadCopy is LeadCopy for the reporter who is asked.
func (s *Service) OwnLeadCopy(ctx context.Context, actor casefile.Actor, id string) (Original, error) {
	if _, err := load(ctx, actor, s.Reports, actor.Report, casefile.ReceiptRead); err != nil {
		return Original{}, err
	}
	l, err := load(ctx, actor, s.Leads, id, casefile.ReceiptRead)
	if err != nil {
		return Original{}, err
	}
	return s.readLead(ctx, l)
}

func (s *Service) readLead(ctx context.Context, l *casefile.Lead) (Original, error) {
	if len(l.Copy.CopyKey) == 0 {
		return Original{}, fault.Absent()
	}
	return s.readCopy(ctx, placeOfLead(l), l.Copy, casefile.DisplayCopy)
}

// PenaltyExhibit returns an exhibit of a penalty's file.
func (s *Service) PenaltyExhibit(ctx context.Context, actor casefile.Actor, id, item string) (Original, error) {
	p, err := load(ctx, actor, s.Penalties, id, casefile.PenaltyRead)
	if err != nil {
		return Original{}, err
	}
	return s.exhibit(ctx, p.Tenant, p.Exhibits, item)
}

// InspectionExhibit returns an exhibit of an inspection's file.
func (s *Service) InspectionExhibit(ctx context.Context, actor casefile.Actor, id, item string) (Original, error) {
	v, err := load(ctx, actor, s.Visits, id, casefile.VisitRead)
	if err != nil {
		return Original{}, err
	}
	return s.exhibit(ctx, v.Tenant, v.Exhibits, item)
}

func (s *Service) exhibit(ctx context.Context, tenant string, all []casefile.Exhibit, item string) (Original, error) {
	for _, x := range all {
		if x.ID != item {
			continue
		}
		l, err := s.Leads.Get(ctx, tenant, x.Lead)
		if err != nil {
			return Original{}, err
		}
		return s.readLead(ctx, l)
	}
	return Original{}, fault.Absent()
}
