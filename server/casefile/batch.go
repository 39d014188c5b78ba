package casefile

import "time"

// States of a batch of results.
const (
	BatchPrepared State = "PREPARED"
	BatchReleased State = "RELEASED"
)

// BatchMoves is the table of moves of a batch of results (结果公示).
var BatchMoves = Table{Noun: "results", Moves: []Move{
	{[]State{New}, "prepare", []State{BatchPrepared}, "R36"},
	{[]State{BatchPrepared}, "release", []State{BatchReleased}, "R36"},
}}

// Batch (一批公示结果) is what was found and dealt with up to the end of a month,
// from whatever source, as it is published (confidentiality 13).
type Batch struct {
	Head `bson:",inline"`

	Area    string            `bson:"area"`  // of the tenant
	Month   string            `bson:"month"` // the last one in it, 2006-01
	Until   time.Time         `bson:"until"` // the end of that month
	Results []PublishedResult `bson:"results"`
}

// PublishedResult is one result: no source, date, number or reward, and in an
// order that tells nothing.
type PublishedResult struct {
	Area string `bson:"area" json:"area"` // township
	Text string `bson:"text" json:"text"` // officers' own words
}

// Subject is what policy must know of the batch.
func (b *Batch) Subject() Subject { return Subject{Tenant: b.Tenant, Area: b.Area} }
