package console

import (
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/web"
)

// hazard is a hazard without where its inspection came from.
type hazard struct {
	head

	Visit     string                  `json:"visit"`
	Item      string                  `json:"item"`
	Area      string                  `json:"area"`
	Place     *place                  `json:"place"`
	Party     string                  `json:"party"`
	Text      string                  `json:"text"`
	Grade     casefile.Grade          `json:"grade"` // "" before the triage
	GradedBy  string                  `json:"gradedBy,omitempty"`
	Catalogue *casefile.CatalogueItem `json:"catalogue,omitempty"`
	Officers  []officer               `json:"officers"`
	Measures  string                  `json:"measures,omitempty"`
	Deadline  time.Time               `json:"deadline,omitzero"`
	Proof     string                  `json:"proof,omitempty"`
	Timeline  []event                 `json:"timeline"`
}

// hazardRow is a hazard in a list.
type hazardRow struct {
	head

	Area     string         `json:"area"`
	Party    string         `json:"party"`
	Grade    casefile.Grade `json:"grade,omitempty"`
	Deadline time.Time      `json:"deadline,omitzero"`
}

func newHazardRow(h *casefile.Hazard) hazardRow {
	return hazardRow{head: newHead(&h.Head), Area: h.Area, Party: h.Party, Grade: h.Grade, Deadline: h.Deadline}
}

func newHazard(_ *web.Request, h *casefile.Hazard) hazard {
	out := hazard{
		head: newHead(&h.Head), Visit: h.Visit, Item: h.Item, Area: h.Area, Place: newPlace(h.Place), Party: h.Party, Text: h.Text,
		Grade: h.Grade, GradedBy: h.GradedBy, Officers: newOfficers(h.Officers), Measures: h.Measures, Deadline: h.Deadline,
		Proof: h.Proof, Timeline: newTimeline(h.Timeline),
	}
	if h.Catalogue.Item != "" {
		out.Catalogue = &h.Catalogue
	}
	return out
}

// proof is the body of claim-done: what the party shows.
type proof struct {
	Proof string `json:"proof"`
}

func (p proof) text() string { return p.Proof }

// recheck is the body of recheck.
type recheck struct {
	OK bool `json:"ok"`
}

func (r recheck) passed() bool { return r.OK }
