package casefile

import (
	"slices"
	"time"

	"gridwatch/server/fault"
)

// States of a visit (检查).
const (
	VisitFiled  State = "FILED"
	VisitSigned State = "SIGNED"
)

// VisitMoves is the table of moves of an inspection record (现场检查记录).
var VisitMoves = Table{Noun: "visit", Moves: []Move{
	{[]State{New}, "file", []State{VisitFiled}, "R13"},
	{[]State{VisitFiled}, "sign", []State{VisitSigned}, "R15"},
	{[]State{VisitFiled, VisitSigned}, "add_exhibit", nil, "R36"},
}}

// Officer is one who inspected, with the certificate shown (行政处罚法 art. 55).
type Officer struct {
	Person      string    `bson:"person" json:"person"`
	Certificate string    `bson:"certificate" json:"certificate"`
	SignedAt    time.Time `bson:"signed_at" json:"signedAt"`
}

// UnitSignature is the inspected unit's signature under the record, or its
// refusal, which is recorded and reported (安全生产法 art. 68; R15).
type UnitSignature struct {
	Signed     bool   `bson:"signed" json:"signed"`
	By         string `bson:"by" json:"by"`                  // the signer's function
	Refusal    string `bson:"refusal" json:"refusal"`        // why there is no signature
	ReportedTo string `bson:"reported_to" json:"reportedTo"` // who was told of the refusal
}

// Visit is an inspection (行政检查) by at least two officers with certificates.
type Visit struct {
	Head `bson:",inline"`

	Task     string        `bson:"task"`
	Cause    string        `bson:"cause"` // desk only, as on the task
	Area     string        `bson:"area"`
	Place    Place         `bson:"place"`
	Party    string        `bson:"party"` // the inspected unit
	Record   string        `bson:"record"`
	Officers []Officer     `bson:"officers"`
	Findings []ItemFinding `bson:"findings"`
	Unit     UnitSignature `bson:"unit"`
	On       time.Time     `bson:"on"` // when the inspection took place
	Exhibits []Exhibit     `bson:"exhibits"`
}

// Subject is what policy must know of the visit.
func (v *Visit) Subject() Subject {
	var officers []string
	for _, o := range v.Officers {
		officers = append(officers, o.Person)
	}
	return Subject{Tenant: v.Tenant, Area: v.Area, Party: v.Party, Assigned: officers}
}

// Upheld says whether a signed inspection found an item to be true.
func (v *Visit) Upheld(ref string) bool {
	return v.State == VisitSigned && slices.ContainsFunc(v.Findings, func(f ItemFinding) bool {
		return f.Ref == ref && f.Finding.Upheld()
	})
}

// CheckOfficers refuses fewer than two different officers, and a certificate
// that was not valid on the day (行政处罚法 art. 42; R13).
func CheckOfficers(officers []Person, at time.Time) error {
	seen := map[string]bool{}
	for _, p := range officers {
		if _, ok := p.Certificate(at); !ok {
			return fault.New(fault.Invalid, "officer.no_certificate", "each officer needs a certificate valid on the day").At("/officers")
		}
		seen[p.ID] = true
	}
	if len(seen) < 2 {
		return fault.New(fault.Invalid, "officer.too_few", "at least two different officers are needed").At("/officers")
	}
	return nil
}
