package casefile

import "time"

// States of a hazard (隐患), regulations 9.2.
const (
	HazardFound      State = "FOUND"
	HazardTriaged    State = "TRIAGED"
	HazardOrdered    State = "ORDERED"
	HazardStopped    State = "STOPPED"
	HazardPlanned    State = "PLANNED"
	HazardListed     State = "LISTED"
	HazardRectifying State = "RECTIFYING"
	HazardClaimed    State = "CLAIMED"
	HazardAcceptance State = "ACCEPTANCE"
	HazardAccepted   State = "ACCEPTED"
	HazardEnforced   State = "ENFORCED"
	HazardClosed     State = "CLOSED"
)

// HazardMoves is the table of moves of a hazard.
var HazardMoves = Table{Noun: "hazard", Moves: []Move{
	{[]State{New}, "find", []State{HazardFound}, ""},
	{[]State{HazardFound}, "triage", []State{HazardTriaged}, "R16"},
	{[]State{HazardTriaged, HazardRectifying}, "regrade", []State{HazardTriaged}, "R16"},
	{[]State{HazardTriaged}, "notify", []State{HazardRectifying}, ""},
	{[]State{HazardTriaged}, "order", []State{HazardOrdered}, "R13"},
	{[]State{HazardTriaged, HazardOrdered}, "stop", []State{HazardStopped}, "R16"},
	{[]State{HazardTriaged, HazardOrdered, HazardStopped}, "plan", []State{HazardPlanned}, "R16"},
	{[]State{HazardPlanned}, "list", []State{HazardListed}, "R17"},
	{[]State{HazardPlanned, HazardListed, HazardOrdered}, "start", []State{HazardRectifying}, ""},
	{[]State{HazardListed, HazardRectifying}, "extend", nil, "R17"},
	{[]State{HazardRectifying}, "claim_done", []State{HazardClaimed}, ""},
	{[]State{HazardClaimed}, "look_again", []State{HazardRectifying, HazardAcceptance, HazardClosed}, ""},
	{[]State{HazardClaimed}, "recheck", []State{HazardRectifying, HazardAcceptance, HazardClosed}, "R13"},
	{[]State{HazardAcceptance}, "accept", []State{HazardAccepted}, "R16"},
	{[]State{HazardAccepted}, "resume", []State{HazardClosed}, "R17"},
	{[]State{HazardAccepted}, "delist", []State{HazardClosed}, "R17"},
	{[]State{
		HazardFound, HazardTriaged, HazardOrdered, HazardStopped, HazardPlanned, HazardListed, HazardRectifying,
		HazardClaimed, HazardAcceptance, HazardAccepted,
	}, "enforce", []State{HazardEnforced}, "R47"},
	{[]State{HazardEnforced}, "complied", []State{HazardAcceptance, HazardClosed}, ""},
	{[]State{HazardEnforced}, "closed_down", []State{HazardClosed}, ""},
	{[]State{HazardClosed}, "reopen", []State{HazardTriaged}, ""},
}}

// Grade (隐患等级) of a hazard.
type Grade string

// The grades.
const (
	General Grade = "general" // 一般
	Major   Grade = "major"   // 重大
)

// CatalogueItem names an item of a hazard catalogue (判定标准), with its version.
type CatalogueItem struct {
	Catalogue string `bson:"catalogue" json:"catalogue"`
	Version   string `bson:"version" json:"version"`
	Item      string `bson:"item" json:"item"`
}

// Hazard (隐患) was found at a party's place and has to be rectified.
type Hazard struct {
	Head `bson:",inline"`

	Visit     string        `bson:"visit"`
	Cause     string        `bson:"cause"` // desk only
	Area      string        `bson:"area"`
	Place     Place         `bson:"place"`
	Party     string        `bson:"party"`
	Item      string        `bson:"item"` // the visit's item it was found under
	Text      string        `bson:"text"`
	Grade     Grade         `bson:"grade"`
	Catalogue CatalogueItem `bson:"catalogue"`
	GradedBy  string        `bson:"graded_by"`
	Officers  []Officer     `bson:"officers"` // of the order
	Measures  string        `bson:"measures"` // what is ordered (责令限期整改)
	Deadline  time.Time     `bson:"deadline"`
	Proof     string        `bson:"proof"`
}

// Subject is what policy must know of the hazard.
func (h *Hazard) Subject() Subject { return Subject{Tenant: h.Tenant, Area: h.Area, Party: h.Party} }
