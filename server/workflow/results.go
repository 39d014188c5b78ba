package workflow

import (
	"cmp"
	"context"
	"slices"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// foundResult is a result on its way into a batch.
type foundResult struct {
	casefile.PublishedResult
	reported bool   // a report is behind it
	order    string // keyed: tells nothing of time or source
}

// PrepareResults (结果公示) makes the batch of a month that is over: what was put
// right and what patrols without a report found since the last batch. One that
// has too few results, or too many of them from reports, is not made, and its
// results go into the next one: who knows of one report must not find it there.
func (s *Service) PrepareResults(ctx context.Context, call Call, month string) (casefile.Outcome, error) {
	t, err := s.Directory.Tenant(ctx, call.Actor.Tenant)
	if err != nil {
		return casefile.Outcome{}, err
	}
	if !call.Actor.May(casefile.ResultsPrepare, casefile.Subject{Tenant: t.ID, Area: t.Area}) {
		return casefile.Outcome{}, fault.Absent()
	}
	from, err := time.ParseInLocation("2006-01", month, Shanghai())
	if err != nil {
		return casefile.Outcome{}, fault.New(fault.Invalid, "results.month", "a month is written as 2026-01").At("/month")
	}
	in := Span{From: from, To: from.AddDate(0, 1, 0)}
	if in.To.After(s.now()) {
		return casefile.Outcome{}, fault.New(fault.Conflict, "results.not_over", "a month's results are prepared when it is over").At("/month")
	}
	return createAs(ctx, s, call, s.Batches, casefile.BatchMoves, []string{derivedID("results", t.ID, month)},
		func(b *casefile.Batch, e *casefile.Event) ([]casefile.Effect, error) {
			e.Command = "prepare"
			if in.From, err = s.lastBatch(ctx, t.ID, in); err != nil {
				return nil, err
			}
			all, err := s.results(ctx, t, in)
			if err != nil {
				return nil, err
			}
			reported := 0
			for _, r := range all {
				if r.reported {
					reported++
				}
			}
			if len(all) < max(t.Policy.ResultsMin, 1) || reported*100 > t.Policy.ResultsShare*len(all) {
				return nil, fault.New(fault.Conflict, "results.too_few",
					"there are too few results, or too many of them come from reports: they go into the batch of the next month").At("/month")
			}
			*b = casefile.Batch{Head: b.Head, Area: t.Area, Month: month, Until: in.To.UTC()}
			slices.SortFunc(all, func(x, y foundResult) int { return cmp.Compare(x.order, y.order) })
			for _, r := range all {
				b.Results = append(b.Results, r.PublishedResult)
			}
			return nil, nil
		})
}

// lastBatch returns where the results of the next batch begin: at the end of
// the last one, whether or not it was released, or with the first result.
func (s *Service) lastBatch(ctx context.Context, tenant string, in Span) (time.Time, error) {
	var from time.Time
	for q := (Query{Tenant: tenant, Limit: maxOfReport}); ; {
		page, err := s.Batches.List(ctx, q)
		if err != nil || len(page) == 0 {
			return from, err
		}
		for i := range page {
			if !page[i].Until.Before(in.To) {
				return from, fault.New(fault.Conflict, "results.later_batch", "a later month was prepared: its batch holds these results").At("/month")
			}
			if page[i].Until.After(from) {
				from = page[i].Until
			}
			q.After = Cursor{At: page[i].At, ID: page[i].ID}
		}
	}
}

// results are all that belong into a batch.
func (s *Service) results(ctx context.Context, t Tenant, in Span) ([]foundResult, error) {
	var out []foundResult
	add := func(area, text, id, cause string) {
		out = append(out, foundResult{
			PublishedResult: casefile.PublishedResult{Area: township(area, t.Area), Text: text},
			reported:        cause != "", order: s.Keyring.Shuffle(t.ID, in.To.String(), id),
		})
	}
	err := eachOf(ctx, s.Hazards, Query{Tenant: t.ID, States: []casefile.State{casefile.HazardClosed}}, func(h *casefile.Hazard) {
		closed := h.Timeline[len(h.Timeline)-1].At
		for _, e := range h.Timeline {
			if e.To == casefile.HazardClosed {
				closed = e.At
			}
		}
		if in.holds(closed) {
			add(h.Area, h.Text, h.ID, h.Cause)
		}
	})
	if err != nil {
		return nil, err
	}
	err = eachOf(ctx, s.Tasks, Query{Tenant: t.ID, States: []casefile.State{casefile.TaskDone}}, func(task *casefile.Task) {
		if task.Kind != casefile.Patrol || task.Cause != "" || task.Result == nil || !in.holds(task.Result.At) {
			return
		}
		for _, f := range task.Result.Findings {
			if f.Finding.Upheld() {
				add(task.Area, f.Text, task.ID+f.Ref, "")
			}
		}
	})
	return out, err
}

func (in Span) holds(at time.Time) bool { return !at.Before(in.From) && at.Before(in.To) }

// eachOf goes through all records that a query selects.
func eachOf[T any, P record[T]](ctx context.Context, of Records[T], q Query, do func(P)) error {
	for q.Limit = 500; ; {
		page, err := of.List(ctx, q)
		if err != nil || len(page) == 0 {
			return err
		}
		for i := range page {
			do(&page[i])
			head := P(&page[i]).Header()
			q.After = Cursor{At: head.At, ID: head.ID}
		}
	}
}

// ReleaseResults is a leader publishing a batch that somebody else prepared.
func (s *Service) ReleaseResults(ctx context.Context, call Call, id string) (casefile.Outcome, error) {
	return change(ctx, s, call, s.Batches, casefile.BatchMoves, id, casefile.ResultsRelease,
		func(b *casefile.Batch, e *casefile.Event) ([]casefile.Effect, error) {
			e.Command = "release"
			if b.Timeline[0].By == call.Actor.Person {
				return nil, fault.New(fault.Conflict, "results.second_person", "another person than the one who prepared a batch releases it")
			}
			return nil, nil
		})
}

// ListResults lists the batches of the actor's tenant, oldest first.
func (s *Service) ListResults(ctx context.Context, actor casefile.Actor, q Query) ([]casefile.Batch, error) {
	return listed(ctx, actor, s.Batches, casefile.ResultsRead, q)
}

// ReadResults returns a batch.
func (s *Service) ReadResults(ctx context.Context, actor casefile.Actor, id string) (*casefile.Batch, error) {
	return load(ctx, actor, s.Batches, id, casefile.ResultsRead)
}

// PublicResults lists what a tenant has released, oldest first.
func (s *Service) PublicResults(ctx context.Context, tenant string) ([]casefile.Batch, error) {
	if _, err := s.Directory.Tenant(ctx, tenant); err != nil {
		return nil, err
	}
	var out []casefile.Batch
	err := eachOf(ctx, s.Batches, Query{Tenant: tenant, States: []casefile.State{casefile.BatchReleased}}, func(b *casefile.Batch) {
		out = append(out, *b)
	})
	return out, err
}
