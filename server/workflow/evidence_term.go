package workflow

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"gridwatch/server/audit"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// evidenceTerms does what is due of what staff collected for a task, recordings
// apart. It has the class (保管期限) of the weightiest that it is linked to:
//   - evidenceDays from its arrival if nothing came of it;
//   - hazardEvidenceDays from the last step of a hazard (隐患), and
//     caseEvidenceDays from that of a penalty (行政处罚), that its inspection or the
//     report behind the task led to;
//   - accidentEvidenceDays from the task if the report behind it was found to tell
//     of a concealed accident (瞒报事故).
//
// While one of these, the report's handling or its award is not at its end, or an
// item is on hold (保全) or on its way, the locks are made longer before they end.
// It returns 1 if all was removed.
func (s *Service) evidenceTerms(ctx context.Context, t *casefile.Task) (int, error) {
	until, days, err := s.evidenceUntil(ctx, t)
	if err != nil || days == 0 {
		return 0, err
	}
	switch near := s.now().AddDate(0, 0, min(s.Terms.Quiet.Days, days/2)); {
	case t.RemovedOn == "" && until.After(t.Until):
		if t.Until.Before(near) {
			return 0, s.renewEvidence(ctx, t, until)
		}
		return 0, nil
	case t.RemovedOn == "" && s.now().Before(t.Until):
		return 0, nil
	}
	return s.removeEvidence(ctx, t)
}

// evidenceUntil is until when what was collected for a task has to be kept by
// what it is linked to now, zero for nothing, and the days of its class, 0 for an
// office that has no terms of evidence.
func (s *Service) evidenceUntil(ctx context.Context, t *casefile.Task) (time.Time, int, error) {
	tenant, err := s.Directory.Tenant(ctx, t.Tenant)
	if err != nil || tenant.Policy.EvidenceDays == 0 {
		return time.Time{}, 0, err
	}
	p := tenant.Policy
	out := links{open: t.State != casefile.TaskDone, days: p.EvidenceDays}
	from := []Query{{Tenant: t.Tenant, Visit: visitOf(t.ID)}}
	if t.Cause != "" {
		from = append(from, Query{Tenant: t.Tenant, Cause: t.Cause})
	}
	for _, q := range from {
		err := errors.Join(
			every(ctx, s.Penalties, q, func(c *casefile.Penalty) { out.saw(c.Head, p.CaseEvidenceDays, casefile.PenaltyEnds()) }),
			every(ctx, s.Hazards, q, func(h *casefile.Hazard) {
				out.saw(h.Head, p.HazardEvidenceDays, []casefile.State{casefile.HazardClosed})
			}),
		)
		if err != nil {
			return time.Time{}, 0, err
		}
	}
	if t.Cause != "" {
		if err := s.linksOfReport(ctx, t, &out); err != nil {
			return time.Time{}, 0, err
		}
		accident, err := s.concealed(ctx, t)
		if err != nil {
			return time.Time{}, 0, err
		}
		if accident { // from the task: its chain does not tell when the report changed
			out.saw(casefile.Head{Changed: t.At}, p.AccidentEvidenceDays, []casefile.State{""})
		}
	}
	if out.open || linked("", t.Collected) {
		out.until = dayAfter(s.now().In(Shanghai()), out.days)
	}
	return out.until, out.days, nil
}

// concealed says whether the report behind a task was found to tell of an accident
// that was concealed. That outlives the erasure of what was said.
func (s *Service) concealed(ctx context.Context, t *casefile.Task) (bool, error) {
	r, err := s.Reports.Get(ctx, t.Tenant, t.Cause)
	if fault.KindOf(err) == fault.NotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(r.Allegations, func(a casefile.Allegation) bool {
		return a.Matter == casefile.ConcealedAccident && a.Finding.Upheld()
	}), nil
}

// keepCollected carries a step of a penalty to what was collected for the
// inspection that it rests on, and for the other tasks of the same cause: from now
// on it has the case's class. It may be done again.
func (s *Service) keepCollected(ctx context.Context, tenant string, f casefile.Follow) error {
	v, err := s.Visits.Get(ctx, tenant, f.Record)
	if err != nil {
		return err
	}
	inspection, err := s.Tasks.Get(ctx, tenant, v.Task)
	if err != nil {
		return err
	}
	tasks := []*casefile.Task{inspection}
	if v.Cause != "" {
		err = every(ctx, s.Tasks, Query{Tenant: tenant, Cause: v.Cause}, func(t *casefile.Task) {
			if t.ID != inspection.ID {
				tasks = append(tasks, t)
			}
		})
		if err != nil {
			return err
		}
	}
	for _, t := range tasks {
		if t.Until.IsZero() || t.RemovedOn != "" {
			continue
		}
		until, _, err := s.evidenceUntil(ctx, t)
		if err == nil && until.After(t.Until) {
			err = s.renewEvidence(ctx, t, until)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// renewEvidence keeps what was collected for a task until a later day: first the
// locks, then the record, so that no lock ends before the day that is written.
func (s *Service) renewEvidence(ctx context.Context, t *casefile.Task, until time.Time) error {
	if err := s.lockItems(ctx, t, isLoose, until, "", "term:"+audit.Day(until)); err != nil {
		return err
	}
	return s.Tasks.Prolong(ctx, t.Tenant, t.ID, t.Until, until)
}

func isLoose(e casefile.Evidence) bool { return e.Recording == "" }

// removeEvidence removes what was collected for a task, as removeRecording does.
func (s *Service) removeEvidence(ctx context.Context, t *casefile.Task) (int, error) {
	if t.RemovedOn == "" {
		if err := s.onCollected(ctx, t, "end_evidence", "", func() { t.RemovedOn = s.today() }); err != nil {
			return 0, err
		}
	}
	gone, err := s.removeItems(ctx, t, "")
	kept := errors.Is(err, fs.ErrPermission)
	if err != nil && !kept {
		return 0, err
	}
	removed, command := 1, casefile.Command("remove_evidence")
	if kept {
		removed, command = 0, "return_evidence"
		s.Log.LogAttrs(ctx, slog.LevelWarn, "the object store keeps evidence longer than its class")
	} else if err := s.forgetPrints(ctx, t.Tenant, t.ID); err != nil {
		return 0, err
	}
	return removed, s.onCollected(ctx, t, command, "", func() {
		for _, item := range gone {
			*item = casefile.Evidence{ID: item.ID, Kind: item.Kind, State: casefile.EvidenceRemoved}
		}
		t.Until, t.RemovedOn = time.Time{}, ""
		if kept {
			t.Until = dayAfter(s.now().In(Shanghai()), 1)
		}
	})
}
