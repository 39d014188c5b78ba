package workflow

import (
	"context"

	"gridwatch/media"
	"gridwatch/media/upload"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// ItemRef names an item of evidence wherever it stands.
type ItemRef struct {
	Tenant string
	Of     string // report, reply, task
	Record string // id of the report or task
	Item   string
}

func itemOf(u upload.Upload) ItemRef {
	return ItemRef{Tenant: u.Tenant, Of: u.Of, Record: u.Record, Item: u.Item}
}

// itemsAt returns the manifest that an item is in, and where its objects lie.
func (s *Service) itemsAt(ctx context.Context, of ItemRef) ([]casefile.Evidence, media.Place, error) {
	if of.Of == toTask {
		t, err := s.Tasks.Get(ctx, of.Tenant, of.Record)
		if err != nil {
			return nil, media.Place{}, err
		}
		return t.Collected, placeOfTask(t), nil
	}
	r, err := s.Reports.Get(ctx, of.Tenant, of.Record)
	if err != nil {
		return nil, media.Place{}, err
	}
	return *manifestOf(r, of.Of), placeOfReport(r), nil
}

// itemMove changes an item; false says that there is nothing to do.
type itemMove func(*casefile.Evidence) ([]casefile.Effect, bool)

// on is the move for an item of whatever record.
func on[P any](do itemMove) func(P, *casefile.Evidence) ([]casefile.Effect, bool, error) {
	return func(_ P, e *casefile.Evidence) ([]casefile.Effect, bool, error) {
		effects, changed := do(e)
		return effects, changed, nil
	}
}

// onItem moves an item of a record, if there is something to do.
func (s *Service) onItem(ctx context.Context, of ItemRef, command casefile.Command, do itemMove) error {
	if of.Of == toTask {
		return s.onTaskItem(ctx, of, command, on[*casefile.Task](do))
	}
	return s.onReportItem(ctx, of, command, on[*casefile.Report](do))
}

// onTaskItem is onItem for a move that changes the task as well.
func (s *Service) onTaskItem(
	ctx context.Context, of ItemRef, command casefile.Command, do func(*casefile.Task, *casefile.Evidence) ([]casefile.Effect, bool, error),
) error {
	return moveItem(ctx, s, s.Tasks, casefile.TaskMoves, of, s.itemEvent(of, command),
		func(t *casefile.Task) *[]casefile.Evidence { return &t.Collected }, do)
}

// onReportItem is onItem for a move that changes the report as well.
func (s *Service) onReportItem(
	ctx context.Context, of ItemRef, command casefile.Command, do func(*casefile.Report, *casefile.Evidence) ([]casefile.Effect, bool, error),
) error {
	return moveItem(ctx, s, s.Reports, casefile.ReportMoves, of, s.itemEvent(of, command),
		func(r *casefile.Report) *[]casefile.Evidence { return manifestOf(r, of.Of) }, do)
}

// itemEvent is what the record says of a move. What becomes of a reporter's
// item is dated, not timed.
func (s *Service) itemEvent(of ItemRef, command casefile.Command) casefile.Event {
	e := casefile.Event{At: s.now(), Command: command, By: "system", Ref: of.Item}
	if of.Of == toReport {
		e.At = onlyDay(e.At)
	}
	return e
}

func moveItem[T any, P record[T]](
	ctx context.Context, s *Service, records Records[T], table casefile.Table, of ItemRef, e casefile.Event,
	manifest func(P) *[]casefile.Evidence, do func(P, *casefile.Evidence) ([]casefile.Effect, bool, error),
) error {
	for range maxTries {
		rec, err := records.Get(ctx, of.Tenant, of.Record)
		if err != nil {
			return err
		}
		item, ok := casefile.FindEvidence(*manifest(rec), of.Item)
		if !ok {
			return fault.Absent()
		}
		effects, changed, err := do(P(rec), item)
		if err != nil || !changed {
			return err
		}
		_, err = move(ctx, s, P(rec), records, table, e, func(P, *casefile.Event) ([]casefile.Effect, error) { return effects, nil })
		if fault.CodeOf(err) != "record.stale" {
			return err
		}
	}
	return fault.New(fault.Busy, "record.contended", "the record is being changed by others; try again")
}

func errNotHere() *fault.Fault {
	return fault.New(fault.Conflict, "evidence.not_here", "the file has not arrived whole")
}
