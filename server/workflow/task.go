package workflow

import (
	"context"
	"time"

	"gridwatch/media"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/grid"
)

// newTask returns the effect that makes a task: the relay inserts it, and its
// own pushes wait inside it.
func (s *Service) newTask(tenant Tenant, at time.Time, task *casefile.Task, persons []casefile.Person) (casefile.Effect, error) {
	var err error
	if task.ID, err = s.newID(); err != nil {
		return casefile.Effect{}, err
	}
	task.Tenant = tenant.ID
	pushes, err := s.hand(tenant, at, task, persons)
	if err != nil {
		return casefile.Effect{}, err
	}
	err = task.Record(casefile.TaskMoves, casefile.Event{At: at, Command: "assign", To: casefile.TaskAssigned, By: "desk"}, pushes...)
	return casefile.Effect{Task: task}, err
}

// hand names the persons and the time of a task and returns their pushes.
func (s *Service) hand(tenant Tenant, at time.Time, task *casefile.Task, persons []casefile.Person) ([]casefile.Effect, error) {
	if task.Due.IsZero() {
		task.Due = at.Add(time.Duration(tenant.Policy.TaskHours) * time.Hour)
	}
	if !task.Due.After(at) {
		return nil, fault.New(fault.Invalid, "task.due_past", "the time a task is due lies ahead").At("/due")
	}
	var pushes []casefile.Effect
	for _, p := range persons {
		task.Assigned = append(task.Assigned, p.ID)
		pushes = append(pushes, casefile.Effect{Push: &casefile.Push{Person: p.ID, Kind: "task", Ref: task.ID}})
	}
	return pushes, nil
}

// PatrolPlan is a patrol (巡查) that a township or the desk asks for.
type PatrolPlan struct {
	Persons   []string
	Place     grid.Place
	PlaceName string
	Brief     string
	Items     []string
	Due       time.Time
}

// CreatePatrol makes a patrol task without any report behind it.
func (s *Service) CreatePatrol(ctx context.Context, call Call, in PatrolPlan) (casefile.Outcome, error) {
	tenant, err := s.Directory.Tenant(ctx, call.Actor.Tenant)
	if err != nil {
		return casefile.Outcome{}, err
	}
	at, err := s.locate(ctx, tenant, in.Place, "/place")
	if err != nil {
		return casefile.Outcome{}, err
	}
	area := at.area
	if !call.Actor.May(casefile.TaskCreate, casefile.Subject{Tenant: tenant.ID, Area: area}) {
		return casefile.Outcome{}, fault.New(fault.Invalid, "task.outside_area", "the place lies outside the area of your post").At("/place")
	}
	persons, err := s.assignable(ctx, in.Persons, casefile.Inspector,
		casefile.Subject{Tenant: tenant.ID, Area: area, Party: in.PlaceName})
	if err != nil {
		return casefile.Outcome{}, err
	}
	return create(ctx, s, call, s.Tasks, casefile.TaskMoves,
		func(t *casefile.Task, e *casefile.Event) ([]casefile.Effect, error) {
			e.Command = "assign"
			*t = casefile.Task{
				Head: t.Head, Kind: casefile.Patrol, Area: area, Place: at.Place, PlaceName: in.PlaceName, Brief: in.Brief, Due: in.Due,
			}
			for _, text := range in.Items {
				ref, err := s.newID()
				if err != nil {
					return nil, err
				}
				t.Items = append(t.Items, casefile.Item{Ref: ref, Text: text})
			}
			return s.hand(tenant, e.At, t, persons)
		})
}

// MyTasks lists tasks assigned to the actor, oldest first.
func (s *Service) MyTasks(ctx context.Context, actor casefile.Actor, q Query) ([]casefile.Task, error) {
	q.Tenant, q.Assigned = actor.Tenant, actor.Person
	if len(q.States) == 0 {
		q.States = openTasks()
	}
	return page(ctx, actor, s.Tasks, casefile.TaskWork, q)
}

// OverseeTasks lists tasks in the actor's area.
func (s *Service) OverseeTasks(ctx context.Context, actor casefile.Actor, q Query) ([]casefile.Task, error) {
	return listed(ctx, actor, s.Tasks, casefile.TaskOversee, q)
}

// CollectedEvidence returns what was taken at the place of a task.
func (s *Service) CollectedEvidence(ctx context.Context, actor casefile.Actor, id, item string) (Original, error) {
	t, err := load(ctx, actor, s.Tasks, id, casefile.TaskOversee)
	if err != nil {
		return Original{}, err
	}
	return s.showCollected(ctx, actor, t, item)
}

// InspectionEvidence returns what was taken at an inspection, to who may read
// its record.
func (s *Service) InspectionEvidence(ctx context.Context, actor casefile.Actor, visit, item string) (Original, error) {
	t, err := s.recorded(ctx, actor, visit)
	if err != nil {
		return Original{}, err
	}
	return s.showCollected(ctx, actor, t, item)
}

func (s *Service) showCollected(ctx context.Context, actor casefile.Actor, t *casefile.Task, item string) (Original, error) {
	e, ok := casefile.FindEvidence(t.Collected, item)
	if !ok || e.Recording != "" || t.Removed(*e) {
		return Original{}, fault.Absent()
	}
	return s.show(ctx, actor, sight{record: t.ID, at: placeOfTask(t), item: *e, copied: casefile.OriginalCopy})
}

// MyTask returns a task assigned to the actor.
func (s *Service) MyTask(ctx context.Context, actor casefile.Actor, id string) (*casefile.Task, error) {
	return load(ctx, actor, s.Tasks, id, casefile.TaskWork)
}

// TaskEvidence returns a released copy of an item for the assignee.
func (s *Service) TaskEvidence(ctx context.Context, actor casefile.Actor, id, item string) (Original, error) {
	t, err := load(ctx, actor, s.Tasks, id, casefile.TaskWork)
	if err != nil {
		return Original{}, err
	}
	if _, ok := casefile.FindEvidence(t.Evidence, item); !ok || t.Cause == "" {
		return Original{}, fault.Absent()
	}
	r, err := s.Reports.Get(ctx, t.Tenant, t.Cause)
	if err != nil {
		return Original{}, err
	}
	e, ok := casefile.FindEvidence(r.Evidence, item)
	if !ok || !e.Released {
		return Original{}, fault.Absent()
	}
	return s.show(ctx, actor, sight{record: r.ID, at: placeOfReport(r), item: *e, copied: e.Shown()})
}

// SeeTask notes that the assignee has seen the task.
func (s *Service) SeeTask(ctx context.Context, call Call, id string) (casefile.Outcome, error) {
	return s.onTask(ctx, call, id, "see")
}

// AcknowledgeTask notes that the assignee takes the task.
func (s *Service) AcknowledgeTask(ctx context.Context, call Call, id string) (casefile.Outcome, error) {
	return s.onTask(ctx, call, id, "acknowledge")
}

func (s *Service) onTask(ctx context.Context, call Call, id string, command casefile.Command) (casefile.Outcome, error) {
	return change(ctx, s, call, s.Tasks, casefile.TaskMoves, id, casefile.TaskWork,
		func(_ *casefile.Task, e *casefile.Event) ([]casefile.Effect, error) {
			e.Command = command
			return nil, nil
		})
}

// TaskResult is what an inspector saves once at the place.
type TaskResult struct {
	Findings   []casefile.ItemFinding
	Note       string
	Position   grid.Place
	WhyOutside string
	Mock       bool   // the device says that its position is made up
	Clock      *Clock // of the device; nil if it does not say
	Files      Files
	Photos     []string // ids that the app gave the files when they were taken, in their order; or none
}

// SaveResult (核实反馈) ends a patrol task. The one position is compared with
// the target: outside its grid a reason is asked for, nothing is blocked (R59).
func (s *Service) SaveResult(ctx context.Context, call Call, id string, in TaskResult) (casefile.Outcome, error) {
	task, err := load(ctx, call.Actor, s.Tasks, id, casefile.TaskWork)
	if err != nil {
		return casefile.Outcome{}, err
	}
	if task.Kind != casefile.Patrol {
		return casefile.Outcome{}, fault.New(fault.Conflict, "task.needs_inspection", "an inspection ends with the signed record, not here")
	}
	tenant, err := s.Directory.Tenant(ctx, call.Actor.Tenant)
	if err != nil {
		return casefile.Outcome{}, err
	}
	result, err := s.result(ctx, task, in)
	if err != nil {
		return casefile.Outcome{}, err
	}
	st := &stage{id: task.ID, tenant: task.Tenant, max: tenant.Policy.MaxItems}
	err = s.storeAll(ctx, st, in.Files, s.storeOne)
	if err == nil {
		err = s.claimForm(ctx, task, in.Photos, st.files)
	}
	if err != nil {
		s.discard(ctx, st.items)
		return casefile.Outcome{}, err
	}
	if err := s.doubt(ctx, st, circumstances{
		received: s.now(), begun: task.At, position: &result.Position, mock: in.Mock, target: true, inGrid: result.InGrid,
		distance: result.DistanceM, clock: in.Clock,
	}, tenant.Policy.Doubts); err != nil {
		s.discard(ctx, st.items)
		return casefile.Outcome{}, err
	}
	call.Files = st.files
	used := false
	out, err := change(ctx, s, call, s.Tasks, casefile.TaskMoves, id, casefile.TaskWork,
		func(t *casefile.Task, e *casefile.Event) ([]casefile.Effect, error) {
			result.At, t.Result = e.At, &result
			t.Collected = append(t.Collected, st.items...)
			if e.Command = "save_result"; len(st.items) > 0 {
				t.Keep(tenant.Policy.keepUntil(e.At))
			}
			used = true
			return append(s.storedLinks(t.Tenant, t.ID, *e, st, tenant.Policy.keepUntil(e.At)), casefile.CopiesOf(st.items)...), nil
		})
	// After a write was tried only a Fault says that it did not happen.
	if !used || fault.KindOf(err) == fault.Conflict {
		s.discard(ctx, st.items)
	}
	return out, err
}

// placeOfTask is where what was taken for a task lies.
func placeOfTask(t *casefile.Task) media.Place { return media.Place{Tenant: t.Tenant, Record: t.ID} }

// result checks the answers and compares the position with the target.
func (s *Service) result(ctx context.Context, t *casefile.Task, in TaskResult) (casefile.Result, error) {
	answered := map[string]bool{}
	for _, f := range in.Findings {
		if !t.Has(f.Ref) || answered[f.Ref] {
			return casefile.Result{}, fault.New(fault.Invalid, "task.unknown_item", "each finding names one item of the task, once").At("/findings")
		}
		answered[f.Ref] = true
	}
	if len(answered) < len(t.Items) {
		return casefile.Result{}, fault.New(fault.Invalid, "task.items_open", "every item needs a finding").At("/findings")
	}
	at, point, err := place(in.Position, "/position")
	if err != nil {
		return casefile.Result{}, err
	}
	out := casefile.Result{Findings: in.Findings, Note: in.Note, Position: at, WhyOutside: in.WhyOutside}
	known, inGrid, distance, err := s.toTarget(ctx, t, point)
	if err != nil {
		return casefile.Result{}, err
	}
	out.InGrid, out.DistanceM = inGrid, distance
	if known && !out.InGrid && in.WhyOutside == "" {
		return out, fault.New(fault.Invalid, "task.outside", "the position lies outside the grid of the place: say why").At("/whyOutside")
	}
	return out, nil
}

// toTarget compares a point with the target of a task: whether the grid of the
// target is known, whether it holds the point, and how many metres lie between.
func (s *Service) toTarget(ctx context.Context, t *casefile.Task, point grid.WGS84) (known, inGrid bool, distance float64, err error) {
	index, err := s.gridsOf(ctx, t.Tenant)
	if err != nil {
		return false, false, 0, err
	}
	g, known := index.Grid(grid.Code(t.Area))
	return known, known && g.Holds(point), grid.DistanceM(point, grid.WGS84{Lon: t.Place.Lon, Lat: t.Place.Lat}), nil
}
