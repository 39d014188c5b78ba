package workflow

import (
	"context"
	"slices"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/dispatch"
	"gridwatch/server/fault"
	"gridwatch/server/grid"
	"gridwatch/server/vault"
)

// DeskReport is a report as the accepting desk sees it: with what the sender
// wrote, which nobody else sees.
type DeskReport struct {
	casefile.Report
	Body  casefile.ReportBody
	Facts []casefile.EvidenceFacts // of Evidence, same order
	Seen  [][]Verdict              // of Evidence, same order

	Doubts [][]casefile.Doubt // of Evidence, same order

	Objection  string               // text, "" if there is none
	Withdrawal *casefile.Withdrawal // nil if there is none
}

// Queue lists reports of the actor's desk, oldest first.
func (s *Service) Queue(ctx context.Context, actor casefile.Actor, q Query) ([]casefile.Report, error) {
	return listed(ctx, actor, s.Reports, casefile.ReportList, q)
}

// Briefs lists reports for who signs and rewards, in the desk's words.
func (s *Service) Briefs(ctx context.Context, actor casefile.Actor, q Query) ([]casefile.Report, error) {
	return listed(ctx, actor, s.Reports, casefile.ReportBrief, q)
}

// ReadReport opens a report for the desk.
func (s *Service) ReadReport(ctx context.Context, actor casefile.Actor, id string) (DeskReport, error) {
	r, err := load(ctx, actor, s.Reports, id, casefile.ReportRead)
	if err != nil {
		return DeskReport{}, err
	}
	out := DeskReport{Report: *r}
	if r.State == casefile.ReportErased {
		return out, nil
	}
	var key *vault.DataKey
	if key, out.Body, err = s.bodyOf(ctx, r); err != nil {
		return DeskReport{}, err
	}
	for _, item := range r.Evidence {
		facts, err := s.facts(placeOfReport(r), item)
		if err != nil {
			return DeskReport{}, err
		}
		found, err := s.doubtsOf(placeOfReport(r), item)
		if err != nil {
			return DeskReport{}, err
		}
		out.Facts, out.Doubts = append(out.Facts, facts), append(out.Doubts, found)
	}
	if out.Seen, err = s.verdicts(ctx, actor, r, out.Facts); err != nil {
		return DeskReport{}, err
	}
	return out, readAnswers(key, &out)
}

// ReadBrief returns a report for who signs and rewards: the record without
// what is sealed in it. It shows nothing but the desk's words.
func (s *Service) ReadBrief(ctx context.Context, actor casefile.Actor, id string) (*casefile.Report, error) {
	return load(ctx, actor, s.Reports, id, casefile.ReportBrief)
}

// OverseenTask is a task with what the rules find of its evidence, by item.
type OverseenTask struct {
	*casefile.Task
	Doubts map[string][]casefile.Doubt
}

// ReadTask returns a task in the actor's area.
func (s *Service) ReadTask(ctx context.Context, actor casefile.Actor, id string) (OverseenTask, error) {
	t, err := load(ctx, actor, s.Tasks, id, casefile.TaskOversee)
	if err != nil {
		return OverseenTask{}, err
	}
	return s.overseen(ctx, t)
}

// overseen adds to a task what the rules find of its evidence.
func (s *Service) overseen(ctx context.Context, t *casefile.Task) (OverseenTask, error) {
	out := OverseenTask{Task: t, Doubts: map[string][]casefile.Doubt{}}
	for _, item := range t.Collected {
		found, err := s.doubtsOf(placeOfTask(t), item)
		if err != nil {
			return OverseenTask{}, err
		}
		same, err := s.sameOfTasks(ctx, t, item)
		if err != nil {
			return OverseenTask{}, err
		}
		out.Doubts[item.ID] = append(found, same...)
	}
	return out, nil
}

// onReport carries a command of the desk out.
func (s *Service) onReport(
	ctx context.Context, call Call, id string, action casefile.Action, command casefile.Command,
	do func(*casefile.Report, *casefile.Event) ([]casefile.Effect, error),
) (casefile.Outcome, error) {
	return change(ctx, s, call, s.Reports, casefile.ReportMoves, id, action,
		func(r *casefile.Report, e *casefile.Event) ([]casefile.Effect, error) {
			e.Command = command
			if r.State == casefile.ReportErasing && command != "erased" { // whatever arrives takes it back
				e.To, r.EndedAs = r.EndedAs, ""
			}
			if do == nil {
				return nil, nil
			}
			return do(r, e)
		})
}

// AcceptReport (受理) starts the clock of the verification (R2, R6).
func (s *Service) AcceptReport(ctx context.Context, call Call, id string) (casefile.Outcome, error) {
	tenant, err := s.Directory.Tenant(ctx, call.Actor.Tenant)
	if err != nil {
		return casefile.Outcome{}, err
	}
	return s.onReport(ctx, call, id, casefile.ReportDecide, "accept",
		func(r *casefile.Report, e *casefile.Event) ([]casefile.Effect, error) {
			r.ConcludeBy = e.At.AddDate(0, 0, tenant.Policy.ConcludeDays)
			return nil, nil
		})
}

// Refusal is why a report is not taken up (R3).
type Refusal struct {
	Reason string
	Text   string
}

// RefuseReport (不予受理) needs a coded reason, which the reporter is told.
func (s *Service) RefuseReport(ctx context.Context, call Call, id string, in Refusal) (casefile.Outcome, error) {
	return s.onReport(ctx, call, id, casefile.ReportDecide, "refuse",
		func(r *casefile.Report, e *casefile.Event) ([]casefile.Effect, error) {
			key, err := s.reportKey(ctx, r)
			if err != nil {
				return nil, err
			}
			r.Refusal.Reason, e.Code = in.Reason, in.Reason
			r.Lay(s.today())
			r.Refusal.Sealed, err = sealJSON(key, in.Text, refusalAD(r.ID))
			return nil, err
		})
}

// Target is what the desk makes of the place a report is about.
type Target struct {
	Place grid.Place
	Name  string
}

// ConfirmTarget sets the target in the desk's words; the report then lies in
// the grid that holds it.
func (s *Service) ConfirmTarget(ctx context.Context, call Call, id string, in Target) (casefile.Outcome, error) {
	tenant, err := s.Directory.Tenant(ctx, call.Actor.Tenant)
	if err != nil {
		return casefile.Outcome{}, err
	}
	at, err := s.locate(ctx, tenant, in.Place, "/place")
	if err != nil {
		return casefile.Outcome{}, err
	}
	return s.onReport(ctx, call, id, casefile.ReportDecide, "confirm_target",
		func(r *casefile.Report, e *casefile.Event) ([]casefile.Effect, error) {
			r.Target = casefile.Target{Place: at.Place, Grid: at.grid, Name: in.Name, Confirmed: e.At}
			r.Area = at.area
			return nil, nil
		})
}

// Brief is what handlers outside the desk see instead of the report.
type Brief struct {
	Text  string
	Items []casefile.Item // Ref is the id of an allegation
}

// WriteBrief sets the desk's wording (confidentiality 6): of the whole and of
// every allegation.
func (s *Service) WriteBrief(ctx context.Context, call Call, id string, in Brief) (casefile.Outcome, error) {
	return s.onReport(ctx, call, id, casefile.ReportDecide, "brief",
		func(r *casefile.Report, _ *casefile.Event) ([]casefile.Effect, error) {
			r.Brief = in.Text
			for i := range r.Allegations {
				r.Allegations[i].Brief = ""
			}
			for _, item := range in.Items {
				a, ok := r.Allegation(item.Ref)
				if !ok {
					return nil, fault.New(fault.Invalid, "brief.unknown_allegation", "each item names an allegation of the report").At("/items")
				}
				a.Brief = item.Text
			}
			for _, a := range r.Allegations {
				if a.Brief == "" {
					return nil, fault.New(fault.Invalid, "brief.incomplete", "every allegation needs the desk's wording").At("/items")
				}
			}
			return nil, nil
		})
}

// Assignee is an inspector who could take a task.
type Assignee struct {
	Person casefile.Person
	Own    bool // the target lies in the inspector's own grid or village
	Open   int  // tasks not done
}

// SuggestAssignees ranks the inspectors for a report's target: nearest area
// first, then the fewest open tasks.
func (s *Service) SuggestAssignees(ctx context.Context, actor casefile.Actor, id string) ([]Assignee, error) {
	r, err := load(ctx, actor, s.Reports, id, casefile.ReportRead)
	if err != nil {
		return nil, err
	}
	people, err := s.Directory.Holders(ctx, r.Tenant, casefile.Inspector)
	if err != nil {
		return nil, err
	}
	byID := map[string]Assignee{}
	var candidates []dispatch.Candidate
	for _, p := range people {
		c := dispatch.Candidate{Person: p.ID}
		for _, post := range p.PostsAt(s.now()) {
			if post.Role == casefile.Inspector && casefile.Under(r.Area, post.Area) {
				c.Reach = max(c.Reach, len(casefile.AreaPrefix(post.Area)))
			}
		}
		if c.Reach == 0 || p.Disabled || p.Tied(r.Subject()) {
			continue
		}
		open, err := s.Tasks.List(ctx, Query{Tenant: r.Tenant, Assigned: p.ID, States: openTasks(), Limit: maxOpenTasks})
		if err != nil {
			return nil, err
		}
		c.Open = len(open)
		candidates = append(candidates, c)
		byID[p.ID] = Assignee{Person: p, Own: c.Reach >= 12, Open: c.Open}
	}
	var out []Assignee
	for _, c := range dispatch.Rank(candidates) {
		out = append(out, byID[c.Person])
	}
	return out, nil
}

// maxOpenTasks bounds how many open tasks of a person are counted.
const maxOpenTasks = 100

func openTasks() []casefile.State {
	return []casefile.State{casefile.TaskAssigned, casefile.TaskSeen, casefile.TaskAcknowledged}
}

// Assignment asks persons to go and look.
type Assignment struct {
	Persons []string
	Due     time.Time // zero: the tenant's default
	// Imminent says that somebody may come to harm (危及人身安全): the task is
	// handed out at once and alone.
	Imminent bool
}

// AssignCheck sends an inspector to check the lead (线索核实). The task is a
// patrol like any other.
func (s *Service) AssignCheck(ctx context.Context, call Call, id string, in Assignment) (casefile.Outcome, error) {
	return s.assign(ctx, call, id, "assign", casefile.Patrol, casefile.Inspector, in)
}

// AssignInspection sends two officers with certificates to inspect (行政检查; R13).
func (s *Service) AssignInspection(ctx context.Context, call Call, id string, in Assignment) (casefile.Outcome, error) {
	return s.assign(ctx, call, id, "assign_inspection", casefile.Inspection, casefile.Enforcer, in)
}

func (s *Service) assign(
	ctx context.Context, call Call, id string, command casefile.Command, kind casefile.TaskKind, role casefile.Role, in Assignment,
) (casefile.Outcome, error) {
	tenant, err := s.Directory.Tenant(ctx, call.Actor.Tenant)
	if err != nil {
		return casefile.Outcome{}, err
	}
	return s.onReport(ctx, call, id, casefile.ReportDecide, command,
		func(r *casefile.Report, e *casefile.Event) ([]casefile.Effect, error) {
			if r.Target.Confirmed.IsZero() {
				return nil, fault.New(fault.Conflict, "report.target_open", "confirm the target first")
			}
			if r.Brief == "" {
				return nil, fault.New(fault.Conflict, "report.brief_open", "write the brief first")
			}
			persons, err := s.assignable(ctx, in.Persons, role, r.Subject())
			if err != nil {
				return nil, err
			}
			if kind == casefile.Inspection {
				if err := casefile.CheckOfficers(persons, e.At); err != nil {
					return nil, err
				}
			}
			task := &casefile.Task{
				Kind: kind, Area: r.Area, Place: r.Target.Place, PlaceName: r.Target.Name, Brief: r.Brief,
				Due: in.Due, Cause: r.ID,
			}
			for _, a := range r.Allegations {
				task.Items = append(task.Items, casefile.Item{Ref: a.ID, Text: a.Brief})
			}
			for i, item := range r.Evidence {
				if item.Released {
					r.Evidence[i].Used = true
					task.Evidence = append(task.Evidence, casefile.Evidence{
						ID: item.ID, Kind: item.Kind, State: item.State, Released: true, OnSite: item.OnSite,
					})
				}
			}
			at, err := s.handOut(tenant.Policy, r, in, e.At)
			if err != nil {
				return nil, err
			}
			covers, err := s.bundle(ctx, tenant, r, in, *task, persons, at)
			if err != nil {
				return nil, err
			}
			effect, err := s.newTask(tenant, at, task, persons)
			if err != nil {
				return nil, err
			}
			e.Ref = task.ID
			r.Tasks = append(r.Tasks, task.ID)
			e.To = casefile.ReportVerifying
			return dispatch.Draw(s.Random, append(covers, effect), len(covers)+1)
		})
}

// assignable returns the persons if each holds the role over the place and none
// has a tie to it.
func (s *Service) assignable(ctx context.Context, ids []string, role casefile.Role, of casefile.Subject) ([]casefile.Person, error) {
	var out []casefile.Person
	for _, id := range ids {
		p, err := s.Directory.Person(ctx, of.Tenant, id)
		if err != nil && fault.KindOf(err) != fault.NotFound {
			return nil, err
		}
		if err != nil || p.Disabled || !p.Holds(role, of.Area, s.now()) {
			return nil, fault.New(fault.Invalid, "assignee.unfit", "each person needs a post of the right role over the place").At("/persons")
		}
		if slices.ContainsFunc(out, func(q casefile.Person) bool { return q.ID == p.ID }) {
			return nil, fault.New(fault.Invalid, "assignee.twice", "each person once").At("/persons")
		}
		if p.Tied(of) {
			return nil, errTied().At("/persons")
		}
		out = append(out, p)
	}
	return out, nil
}
