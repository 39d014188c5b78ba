package console

import (
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/grid"
)

// head is what every view of a record begins with.
type head struct {
	ID      string         `json:"id"`
	State   casefile.State `json:"state"`
	Version int64          `json:"version"`
}

func newHead(h *casefile.Head) head { return head{ID: h.ID, State: h.State, Version: h.Version} }

func (h head) etag() int64 { return h.Version }

// event is a command that was carried out, without its key and tag.
type event struct {
	Command casefile.Command `json:"command"`
	From    casefile.State   `json:"from"` // "" before the first
	To      casefile.State   `json:"to"`
	At      time.Time        `json:"at"`
	By      string           `json:"by"` // person id, or a kind of caller
}

func newTimeline(events []casefile.Event) []event {
	return each(events, func(e casefile.Event) event {
		return event{Command: e.Command, From: e.From, To: e.To, At: e.At, By: e.By}
	})
}

// place is a point in WGS-84.
type place struct {
	Lon       float64    `json:"lon"` // degrees
	Lat       float64    `json:"lat"` // degrees
	Datum     grid.Datum `json:"datum"`
	AccuracyM float64    `json:"accuracyM,omitempty"` // metres
}

// newPlace returns nil for a place that nobody gave.
func newPlace(p casefile.Place) *place {
	if p.Datum == "" {
		return nil
	}
	return &place{Lon: p.Lon, Lat: p.Lat, Datum: grid.DatumWGS84, AccuracyM: p.AccuracyM}
}

// officer is one who inspected or ordered.
type officer struct {
	Person      string    `json:"person"`
	Certificate string    `json:"certificate"`
	SignedAt    time.Time `json:"signedAt,omitzero"`
}

func newOfficers(officers []casefile.Officer) []officer {
	return each(officers, func(o casefile.Officer) officer { return officer(o) })
}

// each makes a list that is never null in JSON.
func each[A, B any](in []A, show func(A) B) []B {
	out := make([]B, 0, len(in))
	for _, a := range in {
		out = append(out, show(a))
	}
	return out
}

// whole returns a list as it is, but never null in JSON.
func whole[A any](in []A) []A { return each(in, func(a A) A { return a }) }
