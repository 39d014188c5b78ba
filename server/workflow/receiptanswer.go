package workflow

import (
	"context"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
)

// Withdraw (撤回; R9) ends the report before its reply; what was found at the
// place goes on in its own records. Who withdraws under pressure can say so to
// the desk alone, which then calls back.
func (s *Service) Withdraw(ctx context.Context, call Call, in casefile.Withdrawal) (casefile.Outcome, error) {
	return s.onReport(ctx, call, call.Actor.Report, casefile.ReceiptWrite, "withdraw",
		func(r *casefile.Report, e *casefile.Event) ([]casefile.Effect, error) {
			key, err := s.reportKey(ctx, r)
			if err != nil {
				return nil, err
			}
			e.At = onlyDay(e.At)
			r.Behind.Withdrawal, err = sealPadded(key, in, textClass, withdrawalAD(r.ID))
			return nil, err
		})
}

func withdrawalAD(report string) []byte { return vault.AD("report", report, "withdrawal") }

// served returns the day the newest answer counts as served: it was opened, or
// lay behind the code for the tenant's ServiceDays.
func served(b casefile.Behind, today string, p Policy) string {
	if b.ServedOn != "" {
		return b.ServedOn
	}
	return min(today, daysAfter(b.LaidOn, p.ServiceDays))
}

// unserved says that an answer lies behind the code which nobody opened.
func unserved(r *casefile.Report) bool {
	answered := r.State == casefile.ReportReplied || r.State == casefile.ReportRejected
	return answered && r.Behind.LaidOn != "" && r.Behind.ServedOn == ""
}

// serve notes the day on which the reporter first opened an answer (送达; R10).
func (s *Service) serve(ctx context.Context, r *casefile.Report) error {
	tenant, err := s.Directory.Tenant(ctx, r.Tenant)
	if err != nil {
		return err
	}
	id := r.ID
	for range maxTries {
		if !unserved(r) {
			return nil
		}
		_, err = move(ctx, s, r, s.Reports, casefile.ReportMoves, casefile.Event{
			At: onlyDay(s.now()), Command: "serve", By: string(casefile.ReceiptHolder),
		}, func(r *casefile.Report, _ *casefile.Event) ([]casefile.Effect, error) {
			r.Behind.ServedOn = served(r.Behind, s.today(), tenant.Policy)
			return nil, nil
		})
		if fault.CodeOf(err) != "record.stale" {
			return err
		}
		if r, err = s.Reports.Get(ctx, tenant.ID, id); err != nil {
			return err
		}
	}
	return fault.New(fault.Busy, "record.contended", "the record is being changed by others; try again")
}

// Object (提出异议; R10) asks for the answer to be looked at again: once, and
// within the tenant's ObjectionDays of its service.
func (s *Service) Object(ctx context.Context, call Call, text string) (casefile.Outcome, error) {
	tenant, err := s.Directory.Tenant(ctx, call.Actor.Tenant)
	if err != nil {
		return casefile.Outcome{}, err
	}
	return s.onReport(ctx, call, call.Actor.Report, casefile.ReceiptWrite, "object",
		func(r *casefile.Report, e *casefile.Event) ([]casefile.Effect, error) {
			if r.Behind.Objection.On != "" {
				return nil, fault.New(fault.Conflict, "report.objected_before", "there is one objection to a report")
			}
			if r.Behind.LaidOn == "" {
				return nil, fault.New(fault.Conflict, "report.no_answer", "there is no answer yet to object to")
			}
			today := s.today()
			r.Behind.ServedOn = served(r.Behind, today, tenant.Policy)
			// The day of service does not count, the last day counts whole. What was
			// sealed away when it was over cannot be looked at again, also if the policy
			// has more days since.
			if r.Archived() || today > daysAfter(r.Behind.ServedOn, tenant.Policy.ObjectionDays) {
				return nil, fault.New(fault.Conflict, "report.objection_over", "the time to object is over")
			}
			key, err := s.reportKey(ctx, r)
			if err != nil {
				return nil, err
			}
			e.At = onlyDay(e.At)
			r.Behind.Objection = casefile.Objection{On: today, RecheckBy: daysAfter(today, tenant.Policy.RecheckDays)}
			r.Behind.Objection.Sealed, err = sealPadded(key, text, textClass, objectionAD(r.ID))
			return nil, err
		})
}

func objectionAD(report string) []byte { return vault.AD("report", report, "objection") }

// readAnswers opens for the desk what the reporter said to an answer.
func readAnswers(key *vault.DataKey, r *DeskReport) error {
	if r.Archived() {
		return nil
	}
	if r.Behind.Objection.On != "" {
		if err := openJSON(key, r.Behind.Objection.Sealed, &r.Objection, objectionAD(r.ID)); err != nil {
			return err
		}
	}
	if len(r.Behind.Withdrawal) == 0 {
		return nil
	}
	return openJSON(key, r.Behind.Withdrawal, &r.Withdrawal, withdrawalAD(r.ID))
}

// Rechecks lists the reports that the level above has to recheck (复查).
func (s *Service) Rechecks(ctx context.Context, actor casefile.Actor, q Query) ([]casefile.Report, error) {
	q.States = []casefile.State{casefile.ReportRechecking}
	return listed(ctx, actor, s.Reports, casefile.ReportRecheck, q)
}

// ReadRecheck returns a report for the level above, as the desk worded it: the
// desk puts the point of the objection into the brief. What the reporter wrote
// stays with the desk.
func (s *Service) ReadRecheck(ctx context.Context, actor casefile.Actor, id string) (*casefile.Report, error) {
	r, err := load(ctx, actor, s.Reports, id, casefile.ReportRecheck)
	if err == nil && r.State != casefile.ReportRechecking {
		return nil, fault.Absent()
	}
	return r, err
}

// FinishRecheck (复查答复) lays the level above's reply behind the code. Who had
// a part in the case before does not recheck it.
func (s *Service) FinishRecheck(ctx context.Context, call Call, id string, in casefile.Reply) (casefile.Outcome, error) {
	return s.onReport(ctx, call, id, casefile.ReportRecheck, "recheck_done",
		func(r *casefile.Report, e *casefile.Event) ([]casefile.Effect, error) {
			for _, before := range r.Timeline {
				if before.By == call.Actor.Person {
					return nil, fault.New(fault.Conflict, "report.other_person", "a recheck is done by who had no part in the case before")
				}
			}
			in.At = e.At
			r.Reply = in
			r.Lay(s.today())
			return nil, nil
		})
}

// AddressOfficials refuses what is about the department itself or its officers
// where the level above is served here too: it takes such a report in, under
// its own rings and its own desk, before anyone below has read a word of it.
func (s *Service) AddressOfficials(ctx context.Context, tenant string) error {
	t, err := s.Directory.Tenant(ctx, tenant)
	if err != nil || t.Above == "" {
		return err
	}
	return fault.New(fault.Conflict, "report.to_the_level_above", "a report about an office or an officer goes to the level above: send it to the tenant %q", t.Above)
}
