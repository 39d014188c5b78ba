package casefile

import (
	"slices"
	"time"
)

// States of a task (任务).
const (
	TaskAssigned     State = "ASSIGNED"
	TaskSeen         State = "SEEN"
	TaskAcknowledged State = "ACKNOWLEDGED"
	TaskDone         State = "DONE"
)

// TaskMoves is the table of moves of a task (派单 to 办结).
var TaskMoves = Table{Noun: "task", Moves: []Move{
	{[]State{New}, "assign", []State{TaskAssigned}, ""},
	{[]State{TaskAssigned}, "see", []State{TaskSeen}, ""},
	{[]State{TaskSeen, TaskAcknowledged}, "see", nil, ""},
	{[]State{TaskAssigned, TaskSeen}, "acknowledge", []State{TaskAcknowledged}, ""},
	{[]State{TaskAssigned, TaskSeen, TaskAcknowledged}, "save_result", []State{TaskDone}, "R59"},
	{[]State{TaskAssigned, TaskSeen, TaskAcknowledged}, "complete", []State{TaskDone}, "R15"},

	// What becomes of items that come in pieces, also after the result.
	{everyTask(), "announce_evidence", nil, ""},
	{everyTask(), "receive_item", nil, ""},
	{everyTask(), "verify_item", nil, ""},
	// What became of the clean copies of an item.
	{everyTask(), "derive_item", nil, ""},
	{everyTask(), "reject_item", nil, ""},
	{everyTask(), "hold_evidence", nil, ""},
	{everyTask(), "lift_evidence", nil, ""},

	// A recording is opened at work; its segments may come later.
	{[]State{TaskAssigned, TaskSeen, TaskAcknowledged}, "open_recording", nil, ""},
	{everyTask(), "announce_segment", nil, ""},
	{everyTask(), "close_recording", nil, ""},
	{everyTask(), "keep_recordings", nil, ""},
	// Its class has ended: it is shown no more, then its bytes and keys go. It
	// comes back if the object store keeps it longer.
	{[]State{TaskDone}, "end_recording", nil, ""},
	{[]State{TaskDone}, "remove_recording", nil, ""},
	{[]State{TaskDone}, "return_recording", nil, ""},
	// The same for what else was collected.
	{[]State{TaskDone}, "end_evidence", nil, ""},
	{[]State{TaskDone}, "remove_evidence", nil, ""},
	{[]State{TaskDone}, "return_evidence", nil, ""},
}}

func everyTask() []State { return []State{TaskAssigned, TaskSeen, TaskAcknowledged, TaskDone} }

// TaskKind is what an assignee is asked to do. A check of a lead (线索核实) is
// a patrol to everyone but the desk.
type TaskKind string

// The kinds.
const (
	Patrol     TaskKind = "patrol"     // 巡查
	Inspection TaskKind = "inspection" // 行政检查; only with a certificate, two officers
)

// Item (检查项) is one thing to look at. Ref is 128 random bits and says
// nothing of where the item comes from.
type Item struct {
	Ref  string `bson:"ref" json:"ref"`
	Text string `bson:"text" json:"text"`
}

// ItemFinding is what was found about an item.
type ItemFinding struct {
	Ref     string  `bson:"ref" json:"ref"`
	Finding Finding `bson:"finding" json:"finding"`
	Text    string  `bson:"text" json:"text"`
}

// Task (任务) asks persons to go and look. It carries the target place only.
type Task struct {
	Head `bson:",inline"`

	Kind      TaskKind  `bson:"kind"`
	Assigned  []string  `bson:"assigned"`
	Area      string    `bson:"area"` // grid code of its day, else the tenant's area
	Place     Place     `bson:"place"`
	PlaceName string    `bson:"place_name"`
	Brief     string    `bson:"brief"`
	Items     []Item    `bson:"items"`
	Due       time.Time `bson:"due"`
	// Cause is the report behind the task. Only the desk may see it.
	Cause string `bson:"cause"`
	// Evidence are items that the desk released for the assignee. They lie with
	// the report: here is which.
	Evidence []Evidence `bson:"evidence"`
	// Collected is what the assignee took at the place (现场取证).
	Collected []Evidence `bson:"collected"`
	Result    *Result    `bson:"result"`

	// Until is the day until which what was collected is kept by its class
	// (保管期限), recordings apart; none while nothing of it is here, and none once
	// it was removed. RemovedOn is the day on which the removal began; "" again
	// once it is done.
	Until     time.Time `bson:"until"`
	RemovedOn string    `bson:"removed_on"`

	// Recordings are what officers recorded of an inspection (执法全过程记录).
	Recordings []Recording `bson:"recordings,omitempty"`
	Cases      []string    `bson:"cases,omitempty"` // penalties that rest on them
}

// Held is a task that waits to be handed out: its one effect, which is due then,
// makes it. Until then nobody has it, nor can tell that there will be one
// (confidentiality 14).
type Held struct {
	Head `bson:",inline"`
}

// Result (核实结果) of a task. The one position is compared with the target
// when the result is saved (到场核对): no check-in, no track (R59).
type Result struct {
	At         time.Time     `bson:"at"`
	Findings   []ItemFinding `bson:"findings"`
	Note       string        `bson:"note"`
	Position   Place         `bson:"position"`
	InGrid     bool          `bson:"in_grid"`    // inside the target's grid
	DistanceM  float64       `bson:"distance_m"` // metres from the target
	WhyOutside string        `bson:"why_outside"`
}

// Subject is what policy must know of the task.
func (t *Task) Subject() Subject {
	return Subject{Tenant: t.Tenant, Area: t.Area, Party: t.PlaceName, Assigned: t.Assigned}
}

// Seen is the version as the assignee of a patrol sees it: that of its end. What
// becomes of its evidence later goes by what came of the report behind it, if
// there is one (confidentiality 6).
func (t *Task) Seen() int64 {
	if t.Kind == Patrol && t.State == TaskDone {
		for _, e := range t.Timeline {
			if e.To == TaskDone && e.From != TaskDone {
				return e.Version
			}
		}
	}
	return t.Version
}

// Keep has what was collected kept at least until a day. What is kept longer
// stays so.
func (t *Task) Keep(until time.Time) {
	if until.After(t.Until) {
		t.Until = until
	}
}

// Has says whether a reference is one of the task's items.
func (t *Task) Has(ref string) bool {
	return slices.ContainsFunc(t.Items, func(i Item) bool { return i.Ref == ref })
}
