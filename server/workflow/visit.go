package workflow

import (
	"context"
	"slices"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/grid"
)

// InspectionRecord is what the first officer files of an inspection.
type InspectionRecord struct {
	Task     string
	On       time.Time
	Place    grid.Place
	Party    string // the inspected unit
	Record   string // 现场检查记录
	Findings []casefile.ItemFinding
	Unit     casefile.UnitSignature
}

// FileInspection (现场检查记录) is filed by one officer of an inspection task
// and waits for the signature of the others. Every officer needs a certificate
// valid on the day (R13); the unit signs, or its refusal is recorded and
// reported (安全生产法 art. 68; R15).
func (s *Service) FileInspection(ctx context.Context, call Call, in InspectionRecord) (casefile.Outcome, error) {
	task, err := load(ctx, call.Actor, s.Tasks, in.Task, casefile.VisitFile)
	if err != nil {
		return casefile.Outcome{}, err
	}
	if task.Kind != casefile.Inspection {
		return casefile.Outcome{}, errNotInspection().At("/task")
	}
	if err := checkInspection(task, in, s.now()); err != nil {
		return casefile.Outcome{}, err
	}
	at, _, err := place(in.Place, "/place")
	if err != nil {
		return casefile.Outcome{}, err
	}
	var officers []casefile.Person
	for _, id := range task.Assigned {
		p, err := s.Directory.Person(ctx, call.Actor.Tenant, id)
		if err != nil {
			return casefile.Outcome{}, err
		}
		if p.Tied(casefile.Subject{Area: task.Area, Party: in.Party}) {
			return casefile.Outcome{}, errTied().At("/party")
		}
		officers = append(officers, p)
	}
	if err := casefile.CheckOfficers(officers, in.On); err != nil {
		return casefile.Outcome{}, err
	}
	// The id is made of the task: of two officers who file at once one does.
	out, err := createAs(ctx, s, call, s.Visits, casefile.VisitMoves, []string{visitOf(task.ID)},
		func(v *casefile.Visit, e *casefile.Event) ([]casefile.Effect, error) {
			e.Command = "file"
			*v = casefile.Visit{
				Head: v.Head, Task: task.ID, Cause: task.Cause, Area: task.Area, Place: at, Party: in.Party, Record: in.Record,
				Findings: in.Findings, Unit: in.Unit, On: in.On,
			}
			for _, p := range officers {
				certificate, _ := p.Certificate(in.On)
				o := casefile.Officer{Person: p.ID, Certificate: certificate.Number}
				if p.ID == call.Actor.Person {
					o.SignedAt = e.At
				}
				v.Officers = append(v.Officers, o)
			}
			return nil, nil
		})
	if fault.CodeOf(err) == "record.exists" {
		err = fault.New(fault.Conflict, "visit.recorded", "the inspection of this task is recorded; another one needs another task").At("/task")
	}
	return out, err
}

// visitOf is the id of the record of a task's inspection, made or not.
func visitOf(task string) string { return derivedID("inspection", task) }

func errNotInspection() *fault.Fault {
	return fault.New(fault.Conflict, "visit.not_inspection", "this task is no inspection")
}

func checkInspection(task *casefile.Task, in InspectionRecord, now time.Time) error {
	if in.On.After(now) {
		return fault.New(fault.Invalid, "visit.not_yet", "an inspection is recorded after it took place").At("/on")
	}
	if in.Unit.Signed == (in.Unit.Refusal != "") || (in.Unit.Signed && in.Unit.By == "") || (!in.Unit.Signed && in.Unit.ReportedTo == "") {
		return fault.New(fault.Invalid, "visit.unit_signature",
			"the unit signs, with the signer's function; or its refusal is recorded with whom it was reported to").At("/unit")
	}
	answered := map[string]bool{}
	for _, f := range in.Findings {
		if !task.Has(f.Ref) || answered[f.Ref] {
			return fault.New(fault.Invalid, "visit.unknown_item", "each finding names one item of the task, once").At("/findings")
		}
		answered[f.Ref] = true
	}
	if len(answered) < len(task.Items) {
		return fault.New(fault.Invalid, "visit.items_open", "every item needs a finding").At("/findings")
	}
	return nil
}

// SignInspection is the signature of the other officers. With the last one the
// record is signed and its task done.
func (s *Service) SignInspection(ctx context.Context, call Call, id string) (casefile.Outcome, error) {
	return change(ctx, s, call, s.Visits, casefile.VisitMoves, id, casefile.VisitFile,
		func(v *casefile.Visit, e *casefile.Event) ([]casefile.Effect, error) {
			e.Command = "sign"
			mine := slices.IndexFunc(v.Officers, func(o casefile.Officer) bool { return o.Person == call.Actor.Person })
			if mine < 0 || !v.Officers[mine].SignedAt.IsZero() {
				return nil, fault.New(fault.Conflict, "visit.signed_before", "an officer signs once; another one signs now")
			}
			v.Officers[mine].SignedAt = e.At
			if slices.ContainsFunc(v.Officers, func(o casefile.Officer) bool { return o.SignedAt.IsZero() }) {
				e.To = casefile.VisitFiled
				return nil, nil
			}
			e.To = casefile.VisitSigned
			return []casefile.Effect{{Follow: &casefile.Follow{Record: v.Task, Command: "complete", Ref: v.ID}}}, nil
		})
}

// ReadInspection returns a record of an inspection.
func (s *Service) ReadInspection(ctx context.Context, actor casefile.Actor, id string) (*casefile.Visit, error) {
	return load(ctx, actor, s.Visits, id, casefile.VisitRead)
}

// ListInspections lists records of inspections in the actor's area, oldest first.
func (s *Service) ListInspections(ctx context.Context, actor casefile.Actor, q Query) ([]casefile.Visit, error) {
	return listed(ctx, actor, s.Visits, casefile.VisitList, q)
}

// Conclusion is what a leader signs.
type Conclusion struct {
	Record   string // 书面材料
	Findings []casefile.ItemFinding
}

// ConcludeReport (核查结论) is signed by a leader for every allegation. What is
// substantiated needs a signed record of an inspection that found it (R11,
// R13, R15): there is no other way to it.
func (s *Service) ConcludeReport(ctx context.Context, call Call, id string, in Conclusion) (casefile.Outcome, error) {
	return s.onReport(ctx, call, id, casefile.ReportSign, "conclude",
		func(r *casefile.Report, e *casefile.Event) ([]casefile.Effect, error) {
			visits, err := s.Visits.List(ctx, Query{Tenant: r.Tenant, Cause: r.ID, States: []casefile.State{casefile.VisitSigned}, Limit: maxOfReport})
			if err != nil {
				return nil, err
			}
			for i := range r.Allegations {
				r.Allegations[i].Finding = ""
			}
			for _, f := range in.Findings {
				a, ok := r.Allegation(f.Ref)
				if !ok || a.Finding != "" {
					return nil, fault.New(fault.Invalid, "report.unknown_allegation", "each finding names one allegation of the report, once").At("/findings")
				}
				found := slices.ContainsFunc(visits, func(v casefile.Visit) bool { return v.Upheld(f.Ref) })
				if f.Finding.Upheld() && !found {
					return nil, fault.New(fault.Conflict, "report.no_inspection",
						"what is substantiated needs the signed record of an inspection by two officers that found it").At("/findings")
				}
				a.Finding = f.Finding
			}
			if slices.ContainsFunc(r.Allegations, func(a casefile.Allegation) bool { return a.Finding == "" }) {
				return nil, fault.New(fault.Invalid, "report.findings_open", "every allegation needs a finding").At("/findings")
			}
			r.Conclusion = casefile.Conclusion{Record: in.Record, SignedBy: call.Actor.Person, SignedAt: e.At}
			return nil, nil
		})
}

// maxOfReport bounds how many records of one kind a report is asked for.
const maxOfReport = 100

// ReplyToReporter (答复) lays the four elements behind the receipt (R7).
func (s *Service) ReplyToReporter(ctx context.Context, call Call, id string, in casefile.Reply) (casefile.Outcome, error) {
	return s.onReport(ctx, call, id, casefile.ReportDecide, "reply",
		func(r *casefile.Report, e *casefile.Event) ([]casefile.Effect, error) {
			in.At = e.At
			r.Reply = in
			r.Lay(s.today())
			return nil, nil
		})
}
