package console

import (
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/web"
)

// inspection is the record of an inspection. What it was made for is not in
// it: an enterprise may come to read what is made of it.
type inspection struct {
	head

	Task     string                 `json:"task"`
	On       time.Time              `json:"on"`
	Area     string                 `json:"area"`
	Place    *place                 `json:"place"`
	Party    string                 `json:"party"`
	Record   string                 `json:"record"`
	Officers []officer              `json:"officers"`
	Findings []casefile.ItemFinding `json:"findings"`
	Unit     casefile.UnitSignature `json:"unit"`
	Exhibits []exhibit              `json:"exhibits"`
	Timeline []event                `json:"timeline"`
}

// inspectionRow is an inspection in a list.
type inspectionRow struct {
	head

	On    time.Time `json:"on"`
	Area  string    `json:"area"`
	Party string    `json:"party"`
}

func newInspectionRow(v *casefile.Visit) inspectionRow {
	return inspectionRow{head: newHead(&v.Head), On: v.On, Area: v.Area, Party: v.Party}
}

func newInspection(_ *web.Request, v *casefile.Visit) inspection {
	return inspection{
		head: newHead(&v.Head), Task: v.Task, On: v.On, Area: v.Area, Place: newPlace(v.Place), Party: v.Party, Record: v.Record,
		Officers: newOfficers(v.Officers), Findings: whole(v.Findings), Unit: v.Unit, Exhibits: newExhibits(v.Exhibits), Timeline: newTimeline(v.Timeline),
	}
}
