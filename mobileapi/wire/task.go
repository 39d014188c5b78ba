package wire

import (
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/grid"
	"gridwatch/server/workflow"
)

// Task (任务) as its assignee sees it. Nothing in it, nor what is left out,
// tells whether a report is behind it (confidentiality 6).
type Task struct {
	ID        string            `json:"id"`
	Kind      casefile.TaskKind `json:"kind"`
	State     casefile.State    `json:"state"`
	PlaceName string            `json:"placeName"`
	Place     Point             `json:"place"`
	Grid      string            `json:"grid"` // code; of the county where there is no grid
	Brief     string            `json:"brief"`
	Items     []Item            `json:"items"`
	Evidence  []TaskItem        `json:"evidence"`
	Due       time.Time         `json:"due"`
	Version   int64             `json:"version"`

	// Recordings are there of an inspection, once one was opened.
	Recordings []Recording `json:"recordings,omitempty"`
}

// Point is a point in WGS-84 degrees.
type Point struct {
	Lon   float64    `json:"lon"`
	Lat   float64    `json:"lat"`
	Datum grid.Datum `json:"datum"`
}

// Item (检查项) is one thing to look at.
type Item struct {
	Ref  string `json:"ref"`
	Text string `json:"text"`
}

// TaskItem is a picture that the assignee may look at.
type TaskItem struct {
	ID     string                `json:"id"`
	Kind   casefile.EvidenceKind `json:"kind"`
	OnSite bool                  `json:"onSite"` // may be shown to people there
}

// FromTask shows a task.
func FromTask(t *casefile.Task) Task {
	out := Task{
		ID: t.ID, Kind: t.Kind, State: t.State, PlaceName: t.PlaceName,
		Place: Point{t.Place.Lon, t.Place.Lat, grid.DatumWGS84}, Grid: t.Area, Brief: t.Brief,
		Items: []Item{}, Evidence: []TaskItem{}, Due: t.Due.UTC().Truncate(time.Second), Version: t.Seen(),
	}
	for _, i := range t.Items {
		out.Items = append(out.Items, Item{i.Ref, i.Text})
	}
	for _, e := range t.Evidence {
		out.Evidence = append(out.Evidence, TaskItem{ID: e.ID, Kind: e.Kind, OnSite: e.OnSite})
	}
	for i := range t.Recordings {
		out.Recordings = append(out.Recordings, fromRecording(&t.Recordings[i], t.Collected))
	}
	return out
}

// Result is the part result of what is saved at the place (schema task-result).
type Result struct {
	Findings   []Finding  `json:"findings"`
	Note       string     `json:"note,omitempty"`
	Position   grid.Place `json:"position"`
	WhyOutside string     `json:"whyOutside,omitempty"`
	Mock       bool       `json:"mock,omitempty"` // the device says that its position is made up
	Clock      *Clock     `json:"clock,omitempty"`
	PhotoIDs   []string   `json:"photoIds,omitempty"` // of the files in their order, given when they were taken
}

// Clock is what the device says of its clock when it sends.
type Clock struct {
	Now       time.Time `json:"now"`
	ElapsedMS int64     `json:"elapsedMs"` // since the result was saved, by ticks that no clock setting changes
}

func (c *Clock) clock() *workflow.Clock {
	if c == nil {
		return nil
	}
	return &workflow.Clock{Now: c.Now, ElapsedMS: c.ElapsedMS}
}

// Finding is what was found about an item.
type Finding struct {
	Ref     string           `json:"ref"`
	Finding casefile.Finding `json:"finding"`
	Text    string           `json:"text,omitempty"`
}

// TaskResult returns the result; its files are the caller's to add.
func (r Result) TaskResult() workflow.TaskResult {
	out := workflow.TaskResult{Note: r.Note, Position: r.Position, WhyOutside: r.WhyOutside, Mock: r.Mock, Clock: r.Clock.clock(), Photos: r.PhotoIDs}
	for _, f := range r.Findings {
		out.Findings = append(out.Findings, casefile.ItemFinding{Ref: f.Ref, Finding: f.Finding, Text: f.Text})
	}
	return out
}
