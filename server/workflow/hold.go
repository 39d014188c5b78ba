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

// HoldEvidence keeps an item of a task whatever its term, until the hold is
// lifted: its original cannot be removed from the store, if the office has object
// lock. Without it only recordings have a term that a hold can stop.
func (s *Service) HoldEvidence(ctx context.Context, call Call, id string, in Hold) (casefile.Outcome, error) {
	return s.hold(ctx, call, id, in, "hold_evidence", casefile.CustodyHold)
}

// LiftEvidence ends a hold.
func (s *Service) LiftEvidence(ctx context.Context, call Call, id string, in Hold) (casefile.Outcome, error) {
	return s.hold(ctx, call, id, in, "lift_evidence", casefile.CustodyLift)
}

func (s *Service) hold(ctx context.Context, call Call, id string, in Hold, command casefile.Command, act casefile.CustodyAct) (casefile.Outcome, error) {
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
			switch held := act == casefile.CustodyHold; {
			case !item.Stored() || t.Removed(*item):
				return nil, fault.New(fault.Conflict, "evidence.not_here", "the file has not arrived whole")
			case tenant.Policy.EvidenceDays == 0 && item.Recording == "":
				return nil, fault.New(fault.Conflict, "evidence.no_lock", "this office keeps nothing under object lock: set evidenceDays first")
			case item.Held == held:
				return nil, fault.New(fault.Conflict, "evidence.hold", "the hold is as it was asked for")
			default:
				item.Held = held
			}
			e.Command, e.Ref, e.Code = command, item.ID, in.Reason
			link := s.linkAt(e.At, act, t.Tenant, t.ID, item.ID, e.By)
			link.Copy, link.Note = string(casefile.OriginalCopy), in.Reason
			return []casefile.Effect{{Link: &link, Keep: tenant.Policy.keepItem(*item, e.At)}}, nil
		})
}
