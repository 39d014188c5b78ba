package workflow

import (
	"context"
	"encoding/json"
	"errors"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// Hold (保全) is a legal hold on an item, or the end of one.
type Hold struct {
	Item   string `json:"item"`
	Reason string `json:"reason"` // code
}

// HoldEvidence keeps an item of a task, a segment of a recording too, whatever its
// term, until the hold is lifted: its original cannot be removed from the store.
func (s *Service) HoldEvidence(ctx context.Context, call Call, id string, in Hold) (casefile.Outcome, error) {
	return s.holdCollected(ctx, call, id, in, holding)
}

// LiftEvidence ends a hold on an item of a task.
func (s *Service) LiftEvidence(ctx context.Context, call Call, id string, in Hold) (casefile.Outcome, error) {
	return s.holdCollected(ctx, call, id, in, lifting)
}

// HoldReported keeps an item of a report whatever its term, until the hold is
// lifted: meanwhile the report is neither sealed away nor erased. One that is about
// to be erased goes back to where it ended.
func (s *Service) HoldReported(ctx context.Context, call Call, id string, in Hold) (casefile.Outcome, error) {
	return s.holdReported(ctx, call, id, in, holding)
}

// LiftReported ends a hold on an item of a report.
func (s *Service) LiftReported(ctx context.Context, call Call, id string, in Hold) (casefile.Outcome, error) {
	return s.holdReported(ctx, call, id, in, lifting)
}

// way is which way a hold goes.
type way struct {
	command casefile.Command
	act     casefile.CustodyAct
}

var (
	holding = way{"hold_evidence", casefile.CustodyHold}
	lifting = way{"lift_evidence", casefile.CustodyLift}
)

// hold sets or lifts the hold on an item that is here, and returns the link of
// its chain.
func (s *Service) hold(w way, tenant, record string, item *casefile.Evidence, in Hold, e *casefile.Event) (*casefile.CustodyEvent, error) {
	held := w.act == casefile.CustodyHold
	if item.Held == held {
		return nil, fault.New(fault.Conflict, "evidence.hold", "the hold is as it was asked for")
	}
	item.Held = held
	e.Command, e.Ref, e.Code = w.command, item.ID, in.Reason
	link := s.linkAt(e.At, w.act, tenant, record, item.ID, e.By)
	link.Copy, link.Note = string(casefile.OriginalCopy), in.Reason
	return &link, nil
}

func (s *Service) holdCollected(ctx context.Context, call Call, id string, in Hold, w way) (casefile.Outcome, error) {
	tenant, err := s.Directory.Tenant(ctx, call.Actor.Tenant)
	if err != nil {
		return casefile.Outcome{}, err
	}
	if call.Body, err = json.Marshal(in); err != nil {
		return casefile.Outcome{}, errors.New("a hold has no JSON")
	}
	return change(ctx, s, call, s.Tasks, casefile.TaskMoves, id, casefile.EvidenceHold,
		func(t *casefile.Task, e *casefile.Event) ([]casefile.Effect, error) {
			item, ok := casefile.FindEvidence(t.Collected, in.Item)
			if !ok || (t.State != casefile.TaskDone && item.Recording == "") {
				return nil, fault.Absent()
			}
			switch {
			case !item.Stored() || t.Removed(*item):
				return nil, errNotHere()
			case tenant.Policy.EvidenceDays == 0 && item.Recording == "":
				return nil, fault.New(fault.Conflict, "evidence.no_lock", "this office keeps nothing under object lock: set evidenceDays first")
			}
			link, err := s.hold(w, t.Tenant, t.ID, item, in, e)
			if err != nil {
				return nil, err
			}
			return []casefile.Effect{{Link: link, Keep: tenant.Policy.keepItem(*item, e.At)}}, nil
		})
}

// holdReported needs no object lock, under which nothing of a reporter's lies: what
// removes their items is the report's end alone, and that looks for holds.
func (s *Service) holdReported(ctx context.Context, call Call, id string, in Hold, w way) (casefile.Outcome, error) {
	var err error
	if call.Body, err = json.Marshal(in); err != nil {
		return casefile.Outcome{}, errors.New("a hold has no JSON")
	}
	return s.onReport(ctx, call, id, casefile.EvidenceHold, w.command,
		func(r *casefile.Report, e *casefile.Event) ([]casefile.Effect, error) {
			item, ok := casefile.FindEvidence(r.Evidence, in.Item)
			if !ok {
				return nil, fault.Absent()
			}
			if !item.Stored() {
				return nil, errNotHere()
			}
			link, err := s.hold(w, r.Tenant, r.ID, item, in, e)
			if err != nil {
				return nil, err
			}
			return []casefile.Effect{{Link: link}}, nil
		})
}
