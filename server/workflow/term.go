package workflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gridwatch/schemas/catalog/retention"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

const (
	termPage  = 50              // reports in one go
	termLease = 5 * time.Minute // one process looks at the terms; renewed with each page
)

// DueReports selects reports of all tenants that a term may be over of.
type DueReports struct {
	States   []casefile.State
	Before   time.Time // last changed
	Readable bool      // not sealed away yet
	After    string    // id
	Limit    int
}

// Leases lets one of several processes do what need not be done twice.
type Leases interface {
	// Take returns false while another owner has the lease.
	Take(ctx context.Context, name, owner string, until, now time.Time) (bool, error)
}

// Kept counts what the terms brought.
type Kept struct {
	Closed    int // nobody objected in time
	Archived  int // sealed away to the rings
	Announced int // about to be erased
	Erased    int

	Recordings int // of enforcement, removed
	Collected  int // tasks of which all else that was collected was removed

	Lapsed    int // openings that nobody finished in time, and offers of a recovery key: what was wrapped was destroyed
	Forfeited int // awards that nobody asked for in time

	Failed int // records that were left as they are by an error
}

// failures are what went wrong with some records, while the others went on.
type failures struct {
	n     int
	first error
}

func (f *failures) add(err error) {
	if err == nil {
		return
	}
	if f.n++; f.first == nil {
		f.first = err
	}
}

// err is nil where nothing failed.
func (f *failures) err() error {
	if f.n == 0 {
		return nil
	}
	return fmt.Errorf("%d records are left as they are; of the first: %w", f.n, f.first)
}

// KeepTerms carries out, in small pages, what terms bring: reports nobody
// objected to are closed, closed ones sealed away to the rings, and what has
// been kept for its time is erased, recordings of enforcement and what staff
// collected too. Any number of processes may call it; the lease lets one work,
// and the versions of the records would let several. A record that fails is left
// as it is, and the others go on; the error says so. While the clock is wrong
// nothing is done: what it destroys does not come back.
func (s *Service) KeepTerms(ctx context.Context, owner string) (Kept, error) {
	var out Kept
	if err := s.Intake(); err != nil {
		return out, err
	}
	var failed failures
	ofReports := s.keepReportTerms(ctx, owner, &out, &failed)
	var ofAwards, ofOpenings, ofRecordings, ofCollected error
	out.Forfeited, ofAwards = s.lapseAwards(ctx, &failed)
	out.Lapsed, ofOpenings = s.lapseOpenings(ctx, &failed)
	offers, ofOffers := s.lapseOffers(ctx, &failed)
	out.Lapsed += offers
	out.Recordings, ofRecordings = s.keepRecordingTerms(ctx, owner, &failed)
	out.Collected, ofCollected = s.termsOfTasks(ctx, owner, &failed, s.Tasks.Collected, s.evidenceTerms)
	out.Failed = failed.n
	return out, errors.Join(ofReports, ofAwards, ofOpenings, ofOffers, ofRecordings, ofCollected, failed.err())
}

func (s *Service) keepReportTerms(ctx context.Context, owner string, out *Kept, failed *failures) error {
	quiet := s.daysAgo(s.Terms.Quiet.Days)
	shortest := slices.MinFunc(termsOf(s.Terms), func(a, b retention.Term) int { return a.Days - b.Days })
	for _, pass := range []struct {
		due  DueReports
		do   func(context.Context, *casefile.Report) (bool, error)
		done *int
	}{
		{DueReports{States: []casefile.State{casefile.ReportReplied}, Before: s.now()}, s.closeUnobjected, &out.Closed},
		{DueReports{States: casefile.Ended(), Before: quiet, Readable: true}, s.sealAway, &out.Archived},
		{DueReports{States: casefile.Ended(), Before: s.daysAgo(shortest.Days)}, s.announceErasure, &out.Announced},
		{DueReports{States: []casefile.State{casefile.ReportErasing}, Before: s.daysAgo(s.Terms.Notice.Days)}, s.erase, &out.Erased},
	} {
		pass.due.Limit = termPage
		for more := true; more; {
			mine, err := s.Leases.Take(ctx, "terms", owner, s.now().Add(termLease), s.now())
			if err != nil || !mine {
				return err
			}
			page, err := s.Reports.Due(ctx, pass.due)
			if err != nil {
				return err
			}
			for i := range page {
				pass.due.After = page[i].ID
				did, err := pass.do(ctx, &page[i])
				if fault.CodeOf(err) == "record.stale" {
					continue // something new arrived; the next time looks again
				}
				if ctx.Err() != nil {
					return ctx.Err()
				}
				failed.add(err)
				if did {
					*pass.done++
				}
			}
			more = len(page) == termPage
		}
	}
	return nil
}

func termsOf(t retention.Terms) []retention.Term {
	var all []retention.Term
	for _, term := range t.Classes {
		all = append(all, term)
	}
	return all
}

func (s *Service) daysAgo(n int) time.Time { return s.now().AddDate(0, 0, -n) }

// onTerm is a move that a term brings to a report.
func (s *Service) onTerm(
	ctx context.Context, r *casefile.Report, command casefile.Command, do func(*casefile.Report) ([]casefile.Effect, error),
) (bool, error) {
	_, err := move(ctx, s, r, s.Reports, casefile.ReportMoves, casefile.Event{At: s.now(), Command: command, By: "system"},
		func(r *casefile.Report, e *casefile.Event) ([]casefile.Effect, error) {
			to, err := casefile.ReportMoves.To(r.State, command)
			if err != nil {
				return nil, err
			}
			e.To = to
			var leaves []casefile.Effect
			if kind, ok := casefile.ReportMoves.LeafKind(command, to); ok {
				salt, err := s.saltOf(ctx, r) // while it can be read
				if err != nil {
					return nil, err
				}
				leaves = append(leaves, casefile.Effect{Leaf: leafOf(r, salt, kind, r.ID, r.Seq+1, e.At).Data()})
			}
			effects, err := do(r)
			return append(effects, leaves...), err
		})
	return err == nil, err
}

// objectionOver says whether the time to object to a report's answer is over.
// A report that its reporter withdrew has no answer.
func (s *Service) objectionOver(ctx context.Context, r *casefile.Report) (bool, error) {
	if r.Behind.LaidOn == "" {
		return r.State == casefile.ReportWithdrawn, nil
	}
	t, err := s.Directory.Tenant(ctx, r.Tenant)
	if err != nil {
		return false, err
	}
	return s.today() > daysAfter(served(r.Behind, s.today(), t.Policy), t.Policy.ObjectionDays), nil
}

// closeUnobjected (结案; R10) closes a report whose answer nobody objected to.
func (s *Service) closeUnobjected(ctx context.Context, r *casefile.Report) (bool, error) {
	over, err := s.objectionOver(ctx, r)
	if err != nil || !over {
		return false, err
	}
	return s.onTerm(ctx, r, "term_over", func(r *casefile.Report) ([]casefile.Effect, error) {
		t, err := s.Directory.Tenant(ctx, r.Tenant)
		r.Behind.ServedOn = served(r.Behind, s.today(), t.Policy)
		return nil, err
	})
}

// around is what hangs on a report.
type around struct {
	rewarded bool
	unpaid   bool      // an award, an opening, a use of the contact or an item that is not at its end
	open     bool      // anything that is not at its end
	newest   time.Time // change of anything
}

func (s *Service) around(ctx context.Context, r *casefile.Report) (around, error) {
	out := around{newest: r.Changed}
	for _, e := range slices.Concat(r.Evidence, r.Behind.Sent) { // on their way, until they come or are given up
		if e.State == casefile.EvidenceExpected || e.State == casefile.EvidenceReceiving {
			out.unpaid, out.open = true, true
		}
	}
	saw := func(h casefile.Head, ends ...casefile.State) bool {
		if h.Changed.After(out.newest) {
			out.newest = h.Changed
		}
		open := !slices.Contains(ends, h.State)
		out.open = out.open || open
		return open
	}
	of := Query{Tenant: r.Tenant, Report: r.ID}
	cause := Query{Tenant: r.Tenant, Cause: r.ID}
	err := errors.Join(
		every(ctx, s.Awards, of, func(a *casefile.Award) {
			out.rewarded = out.rewarded || a.State == casefile.AwardPaid
			if saw(a.Head, casefile.AwardEnds()...) {
				out.unpaid = true
			}
		}),
		every(ctx, s.Openings, of, func(o *casefile.Opening) {
			if s.now().Before(o.Expires) && saw(o.Head, casefile.OpeningFinished, casefile.OpeningDenied) {
				out.unpaid = true
			}
		}),
		every(ctx, s.Contacts, of, func(u *casefile.ContactUse) {
			if s.now().Before(u.Expires) && saw(u.Head, casefile.ContactFinished) {
				out.unpaid = true
			}
		}),
		every(ctx, s.Leads, of, func(l *casefile.Lead) { saw(l.Head, l.State) }),
		every(ctx, s.Penalties, cause, func(p *casefile.Penalty) { saw(p.Head, casefile.PenaltyEnds()...) }),
		every(ctx, s.Hazards, cause, func(h *casefile.Hazard) { saw(h.Head, casefile.HazardClosed) }),
	)
	return out, err
}

// announceErasure says behind the receipt that a report is about to be erased,
// when its class has been kept for its time and nothing is open or held.
func (s *Service) announceErasure(ctx context.Context, r *casefile.Report) (bool, error) {
	if r.Held() {
		return false, nil
	}
	there, err := s.around(ctx, r)
	if err != nil || there.open {
		return false, err
	}
	term, ok := s.Terms.Classes[string(r.Class(there.rewarded))]
	if !ok || there.newest.After(s.daysAgo(max(term.Days, s.Terms.Quiet.Days))) {
		return false, nil
	}
	return s.onTerm(ctx, r, "erase", func(r *casefile.Report) ([]casefile.Effect, error) {
		r.EndedAs = r.State
		return nil, nil
	})
}

// erase (销毁) takes out of the record what was said, and has what lies outside
// destroyed. It is decided by the version of the record: what arrived before
// keeps the report, what arrives after finds it erased.
func (s *Service) erase(ctx context.Context, r *casefile.Report) (bool, error) {
	there, err := s.around(ctx, r)
	if err != nil || there.open || r.Held() {
		return false, err
	}
	return s.onTerm(ctx, r, "erased", func(r *casefile.Report) ([]casefile.Effect, error) {
		gone := casefile.Effect{Erasure: &casefile.Erasure{Envelope: r.Envelope, Day: s.today()}}
		r.Erase(onlyDay)
		return []casefile.Effect{gone}, nil
	})
}

// SetHold (封存) keeps a report as it is until the hold is lifted. One that is
// about to be erased goes back to where it ended.
func (s *Service) SetHold(ctx context.Context, call Call, id, reason string) (casefile.Outcome, error) {
	return s.onHold(ctx, call, id, "hold", func(r *casefile.Report, e *casefile.Event) error {
		if len(r.Holds) == maxHolds {
			return fault.New(fault.Conflict, "report.too_many_holds", "a report has at most %d holds, lifted ones too", maxHolds)
		}
		hold, err := s.newID()
		r.Holds = append(r.Holds, casefile.Hold{ID: hold, Reason: reason, SetBy: call.Actor.Person, SetOn: s.today()})
		e.Ref = hold
		return err
	})
}

// maxHolds bounds the holds of a report.
const maxHolds = 50

// Lifting says which hold is lifted, and why.
type Lifting struct{ Hold, Reason string }

// LiftHold (解除封存) ends a hold.
func (s *Service) LiftHold(ctx context.Context, call Call, id string, in Lifting) (casefile.Outcome, error) {
	return s.onHold(ctx, call, id, "lift_hold", func(r *casefile.Report, e *casefile.Event) error {
		i := slices.IndexFunc(r.Holds, func(h casefile.Hold) bool { return h.ID == in.Hold })
		if i < 0 {
			return fault.New(fault.Invalid, "report.unknown_hold", "the report has no such hold").At("/hold")
		}
		h := &r.Holds[i]
		if h.LiftedOn != "" {
			return fault.New(fault.Conflict, "report.hold_lifted", "this hold was lifted before")
		}
		h.LiftedBy, h.LiftedOn, h.Why = call.Actor.Person, s.today(), in.Reason
		e.Ref = h.ID
		return nil
	})
}

// onHold is a command about a hold. It enters the log.
func (s *Service) onHold(
	ctx context.Context, call Call, id string, command casefile.Command, do func(*casefile.Report, *casefile.Event) error,
) (casefile.Outcome, error) {
	return s.onReport(ctx, call, id, casefile.ReportHold, command,
		func(r *casefile.Report, e *casefile.Event) ([]casefile.Effect, error) {
			if err := do(r, e); err != nil {
				return nil, err
			}
			to := r.State
			if e.To != casefile.New {
				to = e.To
			}
			kind, _ := casefile.ReportMoves.LeafKind(command, to)
			salt, err := s.saltOf(ctx, r)
			if err != nil {
				return nil, err
			}
			return []casefile.Effect{{Leaf: leafOf(r, salt, kind, r.ID, r.Seq+1, e.At).Data()}}, nil
		})
}
