package console

import (
	"context"
	"slices"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// taskRow is a task in a list.
type taskRow struct {
	head

	Kind      casefile.TaskKind `json:"kind"`
	PlaceName string            `json:"placeName"`
	Area      string            `json:"area"`
	Assigned  []string          `json:"assigned"`
	Due       time.Time         `json:"due"`
}

func newTaskRow(t *casefile.Task) taskRow {
	return taskRow{
		head: newHead(&t.Head), Kind: t.Kind, PlaceName: t.PlaceName, Area: t.Area, Assigned: whole(t.Assigned), Due: t.Due,
	}
}

// task is a task as who oversees it sees it. Cause, and who assigned it, are
// for the desk only: to all others every patrol is like any other.
type task struct {
	taskRow

	Place    *place          `json:"place"`
	Brief    string          `json:"brief"`
	Items    []casefile.Item `json:"items"`
	Result   *result         `json:"result,omitempty"`
	Evidence []collected     `json:"evidence"`
	Cause    string          `json:"cause,omitempty"`
	Timeline []event         `json:"timeline"`
}

// result is what was found at the place.
type result struct {
	At         time.Time              `json:"at"`
	Findings   []casefile.ItemFinding `json:"findings"`
	Note       string                 `json:"note"`
	Position   *place                 `json:"position"`
	InGrid     bool                   `json:"inGrid"`
	DistanceM  float64                `json:"distanceM"` // metres from the target
	WhyOutside string                 `json:"whyOutside,omitempty"`
}

// collected is what was taken at the place, from when it was announced: that a
// picture did not arrive is seen. Segments of recordings are seen as recordings.
type collected struct {
	ID    string                 `json:"id"`
	Kind  casefile.EvidenceKind  `json:"kind"`
	State casefile.EvidenceState `json:"state"`
	Held  bool                   `json:"held"` // legal hold

	Reason string           `json:"reason,omitempty"` // of a rejected one
	Doubts []casefile.Doubt `json:"doubts,omitempty"` // for desk and leader
}

func newCollected(seen workflow.OverseenTask) []collected {
	items := []collected{}
	for _, e := range seen.Collected {
		if e.Recording == "" {
			items = append(items, collected{ID: e.ID, Kind: e.Kind, State: e.State, Held: e.Held, Reason: e.Reason, Doubts: seen.Doubts[e.ID]})
		}
	}
	return items
}

// collection serves GET /v1/office/inspections/:id/evidence.
func collection(s *workflow.Service) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		seen, err := s.CollectedAt(q.Context(), q.Actor, q.Param("id"))
		if err != nil {
			return web.Reply{}, err
		}
		return web.Reply{Body: web.Page[collected]{Items: newCollected(seen)}}, nil
	}
}

func newTask(q *web.Request, seen workflow.OverseenTask) task {
	t := seen.Task
	out := task{
		taskRow: newTaskRow(t), Place: newPlace(t.Place), Brief: t.Brief, Items: whole(t.Items), Evidence: newCollected(seen),
		Timeline: newTimeline(t.Timeline),
	}
	if q.Actor.May(casefile.ReportRead, t.Subject()) {
		out.Cause = t.Cause
	} else {
		out.Timeline = slices.DeleteFunc(out.Timeline, func(e event) bool { return e.From == casefile.New })
	}
	if r := t.Result; r != nil {
		out.Result = &result{
			At: r.At, Findings: whole(r.Findings), Note: r.Note, Position: newPlace(r.Position), InGrid: r.InGrid, DistanceM: r.DistanceM,
			WhyOutside: r.WhyOutside,
		}
	}
	return out
}

// hold handles a legal hold on an item of a task, or its end.
func hold(do func(ctx context.Context, c workflow.Call, id string, in workflow.Hold) (casefile.Outcome, error)) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		c, in, err := decoded[reason](q)
		if err != nil {
			return web.Reply{}, err
		}
		return answer(do(q.Context(), c, q.Param("id"), workflow.Hold{Item: q.Param("item"), Reason: in.Reason}))
	}
}
