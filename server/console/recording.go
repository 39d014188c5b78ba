package console

import (
	"time"

	"gridwatch/server/audit"
	"gridwatch/server/casefile"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// recording (执法全过程记录) is one item to who reads it, whatever it came in.
type recording struct {
	ID       string                  `json:"id"`
	Kind     casefile.EvidenceKind   `json:"kind"`
	State    casefile.RecordingState `json:"state"`
	OpenedBy string                  `json:"openedBy"`
	OpenedAt time.Time               `json:"openedAt"`
	Count    int                     `json:"count"`           // segments, as stated; 0 while open
	Missing  []int                   `json:"missing"`         // numbers of segments that are not here whole
	Duration int64                   `json:"duration"`        // of what is here, ms
	Removed  string                  `json:"removed"`         // day on which its class had ended; "" while it is kept
	Until    string                  `json:"until,omitempty"` // day until which its class has it kept; for desk and leader, for it may be kept for what officers do not know
	Cases    []string                `json:"cases"`           // penalties that rest on it
	Segments []segment               `json:"segments"`
}

// segment is a part of a recording; Item names its copy.
type segment struct {
	N         int                    `json:"n"`
	Item      string                 `json:"item"`
	State     casefile.EvidenceState `json:"state"`
	Held      bool                   `json:"held"` // legal hold
	By        string                 `json:"by"`
	StartedAt time.Time              `json:"startedAt"` // by the device's clock
	Offset    int64                  `json:"offset"`    // since the recording began, by the device's ticks, ms
	Duration  int64                  `json:"duration"`  // ms

	Doubts []casefile.Doubt `json:"doubts,omitempty"` // for desk and leader
}

// recordings serves GET /v1/office/inspections/:id/recordings.
func recordings(s *workflow.Service) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		seen, err := s.CollectedAt(q.Context(), q.Actor, q.Param("id"))
		if err != nil {
			return web.Reply{}, err
		}
		return web.Reply{Body: web.Page[recording]{Items: each(seen.Recordings, func(r casefile.Recording) recording { return newRecording(seen, r) })}}, nil
	}
}

func newRecording(t workflow.OverseenTask, r casefile.Recording) recording {
	out := recording{
		ID: r.ID, Kind: r.Kind, State: r.State(t.Collected), OpenedBy: r.By, OpenedAt: r.OpenedAt, Count: r.Count,
		Missing: r.Missing(t.Collected), Duration: r.DurationMS(t.Collected), Removed: r.RemovedOn, Cases: whole(t.Cases),
		Segments: each(r.Segments, func(s casefile.Segment) segment {
			part := segment{N: s.N, Item: s.Item, By: s.By, StartedAt: s.StartedAt, Offset: s.OffsetMS, Duration: s.DurationMS, Doubts: t.Doubts[s.Item]}
			if e, ok := casefile.FindEvidence(t.Collected, s.Item); ok {
				part.State, part.Held = e.State, e.Held
			}
			return part
		}),
	}
	if t.Doubts != nil && !r.Until.IsZero() {
		out.Until = audit.Day(r.Until)
	}
	return out
}
