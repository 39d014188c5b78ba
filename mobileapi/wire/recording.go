package wire

import (
	"time"

	"gridwatch/server/casefile"
)

// OpenRecording begins a recording of an inspection (schema recording-open).
type OpenRecording struct {
	Kind casefile.EvidenceKind `json:"kind"` // video or audio
}

// Segment announces a segment of a recording (schema recording-segment).
type Segment struct {
	N          int       `json:"n"`                // from 1, in any order
	Size       int64     `json:"size"`             // bytes
	SHA256     string    `json:"sha256,omitempty"` // hex; "" if the sender cannot tell yet
	StartedAt  time.Time `json:"startedAt"`        // by the device's clock
	OffsetMS   int64     `json:"offsetMs"`         // since the recording began, by ticks that no clock setting changes
	DurationMS int64     `json:"durationMs"`
	Captured
}

// CloseRecording states the number of segments (schema recording-close).
type CloseRecording struct {
	Segments int `json:"segments"`
}

// Recording (执法全过程记录) as who made it sees it.
type Recording struct {
	ID       string                  `json:"id"`
	Kind     casefile.EvidenceKind   `json:"kind"`
	State    casefile.RecordingState `json:"state"`
	Count    int                     `json:"count"`    // segments, as stated; 0 while open
	Missing  []int                   `json:"missing"`  // numbers that are not here whole
	Duration int64                   `json:"duration"` // of what is here, ms
	Segments []SentSegment           `json:"segments"`
}

// SentSegment is a segment that was announced.
type SentSegment struct {
	N     int                    `json:"n"`
	Item  string                 `json:"item"`
	State casefile.EvidenceState `json:"state"`
}

func fromRecording(r *casefile.Recording, items []casefile.Evidence) Recording {
	out := Recording{
		ID: r.ID, Kind: r.Kind, State: r.State(items), Count: r.Count, Missing: r.Missing(items), Duration: r.DurationMS(items), Segments: []SentSegment{},
	}
	for _, s := range r.Segments {
		item, _ := casefile.FindEvidence(items, s.Item)
		out.Segments = append(out.Segments, SentSegment{N: s.N, Item: s.Item, State: item.State})
	}
	return out
}
