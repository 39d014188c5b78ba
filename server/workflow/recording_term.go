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

// keepRecordingTerms looks at recordings of enforcement whose term is near its
// end: of those that are linked to something the locks are made longer, the
// others are removed when their day has come. It returns how many were removed.
//
// A recording is linked (关联), and cannot be removed by anyone, while
//   - its inspection (检查) is not recorded and signed by all officers;
//   - a hazard (隐患) that the inspection found is not closed, or a penalty
//     (行政处罚) that rests on its record is not at its end;
//   - the report behind the inspection is being verified, answered or rechecked
//     (复核), is on hold (封存), or has an award (奖励) that is not at its end;
//   - one of its segments is on legal hold (保全), or still on its way.
//
// Afterwards it has its class: caseRecordingDays from the last step of a penalty,
// otherwise recordingDays from its arrival or the last step of a hazard. The
// whole process is recorded and archived (行政处罚法 art. 47; 国办发〔2018〕118号);
// neither sets a number, and places that do have from the case file's own term
// to for ever, hence the links.
//
// What cannot be done of one inspection is left to the next time and holds no
// other up.
func (s *Service) keepRecordingTerms(ctx context.Context, owner string, failed *failures) (int, error) {
	return s.termsOfTasks(ctx, owner, failed, s.Tasks.Recorded, s.recordingTerms)
}

// termsOfTasks does what is due of tasks of which something is kept until a day
// that is near, in small pages, and returns how much was removed.
func (s *Service) termsOfTasks(
	ctx context.Context, owner string, failed *failures, near func(context.Context, time.Time, string, int) ([]TaskRef, error),
	do func(context.Context, *casefile.Task) (int, error),
) (int, error) {
	removed := 0
	before := s.now().AddDate(0, 0, s.Terms.Quiet.Days)
	for after, more := "", true; more; {
		page, err := near(ctx, before, after, termPage)
		if err != nil {
			return removed, err
		}
		for i := range page {
			mine, err := s.Leases.Take(ctx, "terms", owner, s.now().Add(termLease), s.now())
			if err != nil || !mine {
				return removed, err
			}
			after = page[i].ID
			n := 0
			t, err := s.Tasks.Get(ctx, page[i].Tenant, page[i].ID)
			if err == nil {
				n, err = do(ctx, t)
			}
			removed += n
			if ctx.Err() != nil {
				return removed, ctx.Err()
			}
			if fault.CodeOf(err) != "record.stale" { // somebody changed it meanwhile
				failed.add(err)
			}
		}
		more = len(page) == termPage
	}
	return removed, nil
}

// recordingTerms does what is due of one inspection's recordings.
func (s *Service) recordingTerms(ctx context.Context, t *casefile.Task) (int, error) {
	tenant, err := s.Directory.Tenant(ctx, t.Tenant)
	if err != nil {
		return 0, err
	}
	links, err := s.linksOf(ctx, t, tenant.Policy)
	if err != nil {
		return 0, err
	}
	removed, renew := 0, time.Time{}
	for i := range t.Recordings {
		r := &t.Recordings[i]
		until := links.until
		if links.open || linked(r.ID, t.Collected) {
			until = dayAfter(s.now().In(Shanghai()), links.days)
		}
		switch near := s.now().AddDate(0, 0, min(s.Terms.Quiet.Days, links.days/2)); {
		case r.Until.IsZero():
		case !r.Removed() && until.After(r.Until):
			if r.Until.Before(near) && until.After(renew) {
				renew = until
			}
		case r.Removed() || !s.now().Before(r.Until):
			gone, err := s.removeRecording(ctx, t, r)
			if err != nil {
				return removed, err
			}
			if gone {
				removed++
			}
		}
	}
	if renew.IsZero() {
		return removed, nil
	}
	return removed, s.renewRecordings(ctx, t, renew)
}

// linked says whether something of a recording itself keeps it, or with "" of
// what else was collected.
func linked(recording string, items []casefile.Evidence) bool {
	return slices.ContainsFunc(items, func(e casefile.Evidence) bool {
		return e.Recording == recording && (e.Held || e.State == casefile.EvidenceExpected || e.State == casefile.EvidenceReceiving)
	})
}

// links are what all recordings of an inspection, or all else that was collected
// for a task, are kept for.
type links struct {
	open  bool      // something is not at its end
	until time.Time // the class of what is, counted from its last step
	days  int       // of the class that they have now
}

func (l *links) saw(h casefile.Head, days int, ends []casefile.State) {
	l.days = max(l.days, days)
	l.open = l.open || !slices.Contains(ends, h.State)
	if until := dayAfter(h.Changed.In(Shanghai()), days); until.After(l.until) {
		l.until = until
	}
}

// linksOf finds what is linked to the recordings of an inspection. See
// keepRecordingTerms.
func (s *Service) linksOf(ctx context.Context, t *casefile.Task, p Policy) (links, error) {
	out := links{open: t.State != casefile.TaskDone, days: p.RecordingDays}
	if len(t.Cases) > 0 {
		out.days = p.CaseRecordingDays
	}
	visit := Query{Tenant: t.Tenant, Visit: visitOf(t.ID)}
	err := every(ctx, s.Penalties, visit, func(c *casefile.Penalty) {
		out.saw(c.Head, p.CaseRecordingDays, casefile.PenaltyEnds())
	})
	if err != nil {
		return out, err
	}
	err = every(ctx, s.Hazards, visit, func(h *casefile.Hazard) {
		out.saw(h.Head, p.RecordingDays, []casefile.State{casefile.HazardClosed})
	})
	if err == nil && t.Cause != "" {
		err = s.linksOfReport(ctx, t, &out)
	}
	return out, err
}

// linksOfReport adds what of the report behind a task keeps what was recorded or
// collected for it. That it was kept for it is written nowhere: its readers do
// not know whether there is a report.
func (s *Service) linksOfReport(ctx context.Context, t *casefile.Task, out *links) error {
	r, err := s.Reports.Get(ctx, t.Tenant, t.Cause)
	if fault.KindOf(err) == fault.NotFound || (err == nil && r.State == casefile.ReportErased) {
		return nil
	}
	if err != nil {
		return err
	}
	elsewhere := []casefile.State{casefile.ReportErasing, casefile.ReportTransferred, casefile.ReportMerged, casefile.ReportArchived}
	out.open = out.open || r.Held() || !slices.Contains(append(casefile.Ended(), elsewhere...), r.State)
	return every(ctx, s.Awards, Query{Tenant: t.Tenant, Report: r.ID}, func(a *casefile.Award) {
		out.open = out.open || !slices.Contains(casefile.AwardEnds(), a.State)
	})
}

// every hands out all records that a query selects, oldest first.
func every[T any, P record[T]](ctx context.Context, of Records[T], q Query, see func(P)) error {
	for q.Limit = maxOfReport; ; {
		page, err := of.List(ctx, q)
		if err != nil {
			return err
		}
		for i := range page {
			see(&page[i])
		}
		if len(page) < q.Limit {
			return nil
		}
		last := P(&page[len(page)-1]).Header()
		q.After = Cursor{At: last.At, ID: last.ID}
	}
}

// renewRecordings keeps an inspection's recordings until a later day: first the
// locks, then the record, so that no lock ends before the day that is written.
func (s *Service) renewRecordings(ctx context.Context, t *casefile.Task, until time.Time) error {
	if err := s.lockItems(ctx, t, isSegment, until, "", "term:"+audit.Day(until)); err != nil {
		return err
	}
	return s.onCollected(ctx, t, "keep_recordings", "", func() {
		for i := range t.Recordings {
			if !t.Recordings[i].Until.IsZero() {
				t.Recordings[i].Keep(until)
			}
		}
	})
}

// removeRecording removes a recording whose class has ended: that it is so is
// written first, then bytes go, and keys last, so that what the object store
// refuses to let go is as it was. It may be done again, by another process too,
// and goes on where it broke off. It returns false where the store has kept it:
// a lock or hold that was set there by hand, or its clock, has the last word.
func (s *Service) removeRecording(ctx context.Context, t *casefile.Task, r *casefile.Recording) (bool, error) {
	if !r.Removed() {
		if err := s.onCollected(ctx, t, "end_recording", r.ID, func() { r.RemovedOn = s.today() }); err != nil {
			return false, err
		}
	}
	gone, err := s.removeItems(ctx, t, r.ID)
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return false, err
	}
	command := casefile.Command("remove_recording")
	if err != nil {
		command = "return_recording"
		s.Log.LogAttrs(ctx, slog.LevelWarn, "the object store keeps a recording longer than its class")
	}
	kept := err != nil
	return !kept, s.onCollected(ctx, t, command, r.ID, func() {
		for _, item := range gone {
			*item = casefile.Evidence{ID: item.ID, Kind: item.Kind, State: casefile.EvidenceRemoved, Recording: r.ID, Cased: item.Cased}
		}
		r.Until = time.Time{}
		if kept {
			r.RemovedOn = ""
			r.Keep(dayAfter(s.now().In(Shanghai()), 1))
		}
	})
}

// removeItems removes the bytes of a recording, or with "" of what else was
// collected, each original before its copies, and says so in the chains. It
// returns the items of which nothing is left.
func (s *Service) removeItems(ctx context.Context, t *casefile.Task, recording string) ([]*casefile.Evidence, error) {
	var gone []*casefile.Evidence
	for i := range t.Collected {
		item := &t.Collected[i]
		if item.Recording != recording || item.Object == "" {
			continue
		}
		for _, ref := range refs(*item) {
			if err := s.Media.Delete(ctx, ref); err != nil {
				return gone, err
			}
		}
		kinds := []casefile.CopyKind{casefile.OriginalCopy}
		for _, c := range item.Copies {
			kinds = append(kinds, c.Kind)
		}
		for _, kind := range kinds {
			link := s.linkAt(s.now(), casefile.CustodyDelete, t.Tenant, t.ID, item.ID, "system")
			link.Copy, link.Note, link.Source = string(kind), "term", "remove:"+recording+":"+string(kind)
			if err := s.link(ctx, link); err != nil {
				return gone, err
			}
		}
		gone = append(gone, item)
	}
	return gone, nil
}

// onCollected is a move that a term brings to what was collected for a task.
func (s *Service) onCollected(ctx context.Context, t *casefile.Task, command casefile.Command, ref string, do func()) error {
	_, err := move(ctx, s, t, s.Tasks, casefile.TaskMoves, casefile.Event{At: s.now(), Command: command, By: "system", Ref: ref},
		func(*casefile.Task, *casefile.Event) ([]casefile.Effect, error) {
			do()
			return nil, nil
		})
	return err
}
