package casefile

import (
	"cmp"
	"slices"
	"time"
)

// Recording (执法全过程记录) is one long recording of an inspection, made by the
// officers themselves and sent in segments. Its bytes are items of the task's
// Collected; here is how they make up one item.
type Recording struct {
	ID       string       `bson:"id"`
	Kind     EvidenceKind `bson:"kind"` // video or audio
	By       string       `bson:"by"`   // the officer who opened it
	OpenedAt time.Time    `bson:"opened_at"`
	Segments []Segment    `bson:"segments"`

	// Count is how many segments there are, as stated when it was closed: a
	// recording that is open has none.
	Count    int       `bson:"count"`
	ClosedAt time.Time `bson:"closed_at"`

	// Until is the day until which its class has it kept (保管期限); none while
	// nothing of it is here, and none once it was removed.
	Until time.Time `bson:"until,omitempty"`
	// RemovedOn is the day on which its class had ended and nothing needed it any
	// more; "" while it is kept.
	RemovedOn string `bson:"removed_on,omitempty"`
}

// Segment is a part of a recording. What its device says of time is kept as it
// said it: the clock may be wrong, the ticks since the recording began are not.
type Segment struct {
	N          int       `bson:"n"` // from 1
	Item       string    `bson:"item"`
	By         string    `bson:"by"`
	StartedAt  time.Time `bson:"started_at"`  // by the device's clock
	OffsetMS   int64     `bson:"offset_ms"`   // ticks since the recording began, ms
	DurationMS int64     `bson:"duration_ms"` // of the device, ms
}

// RecordingState says how far a recording is.
type RecordingState string

// The states of a recording.
const (
	RecordingOpen       RecordingState = "open"       // segments may be announced
	RecordingIncomplete RecordingState = "incomplete" // closed; a segment is not here
	RecordingWhole      RecordingState = "whole"      // closed; every segment is here
	RecordingRemoved    RecordingState = "removed"    // its class had ended
)

// Closed says whether the number of segments was stated.
func (r *Recording) Closed() bool { return r.Count > 0 }

// Removed says whether it is kept no more.
func (r *Recording) Removed() bool { return r.RemovedOn != "" }

// Keep has it kept at least until a day. What is kept longer stays so.
func (r *Recording) Keep(until time.Time) {
	if !r.Removed() && until.After(r.Until) {
		r.Until = until
	}
}

// Segment finds a segment by its number.
func (r *Recording) Segment(n int) (*Segment, bool) {
	i := slices.IndexFunc(r.Segments, func(s Segment) bool { return s.N == n })
	if i < 0 {
		return nil, false
	}
	return &r.Segments[i], true
}

// Last is the highest number announced, 0 if none was.
func (r *Recording) Last() int {
	last := 0
	for _, s := range r.Segments {
		last = max(last, s.N)
	}
	return last
}

// Put adds a segment in its order. One of the same number makes way.
func (r *Recording) Put(s Segment) {
	r.Segments = slices.DeleteFunc(r.Segments, func(old Segment) bool { return old.N == s.N })
	r.Segments = append(r.Segments, s)
	slices.SortFunc(r.Segments, func(a, b Segment) int { return cmp.Compare(a.N, b.N) })
}

// Missing lists the numbers of segments that are not here whole: up to the
// highest that was announced while the recording is open, of all once it is closed.
// Of one that was removed none is missing.
func (r *Recording) Missing(items []Evidence) []int {
	missing := []int{}
	if r.Removed() {
		return missing
	}
	for n := 1; n <= max(r.Count, r.Last()); n++ {
		s, ok := r.Segment(n)
		if ok {
			item, found := FindEvidence(items, s.Item)
			ok = found && item.Stored()
		}
		if !ok {
			missing = append(missing, n)
		}
	}
	return missing
}

// State says how far the recording is.
func (r *Recording) State(items []Evidence) RecordingState {
	switch {
	case r.Removed():
		return RecordingRemoved
	case !r.Closed():
		return RecordingOpen
	case len(r.Missing(items)) > 0:
		return RecordingIncomplete
	}
	return RecordingWhole
}

// DurationMS is how long the segments are that are here, in milliseconds.
func (r *Recording) DurationMS(items []Evidence) int64 {
	var sum int64
	for _, s := range r.Segments {
		if item, ok := FindEvidence(items, s.Item); ok && item.Stored() {
			sum += s.DurationMS
		}
	}
	return sum
}

// FindRecording finds a recording of a task.
func (t *Task) FindRecording(id string) (*Recording, bool) {
	i := slices.IndexFunc(t.Recordings, func(r Recording) bool { return r.ID == id })
	if i < 0 {
		return nil, false
	}
	return &t.Recordings[i], true
}

// Removed says whether an item is kept no more, by itself or with its recording.
func (t *Task) Removed(e Evidence) bool {
	if e.Recording == "" {
		return t.RemovedOn != ""
	}
	r, ok := t.FindRecording(e.Recording)
	return ok && r.Removed()
}

// Loose counts the items that were collected and are no segments: a recording
// has limits of its own.
func (t *Task) Loose() int {
	n := 0
	for _, item := range t.Collected {
		if item.Recording == "" {
			n++
		}
	}
	return n
}
