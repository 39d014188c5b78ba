package casefile

import "time"

// States of a penalty (行政处罚).
const (
	PenaltyFiled    State = "FILED"
	PenaltyNoticed  State = "NOTICED"
	PenaltyDecided  State = "DECIDED"
	PenaltyNone     State = "NO_PENALTY"
	PenaltyServed   State = "SERVED"
	PenaltyPaid     State = "PAID"
	PenaltyAnnulled State = "ANNULLED"
)

// PenaltyMoves is the table of moves of a penalty decision (regulations 4.2).
var PenaltyMoves = Table{Noun: "penalty", Moves: []Move{
	{[]State{New}, "file", []State{PenaltyFiled}, "R13 R19"},
	{[]State{PenaltyFiled}, "notice", []State{PenaltyNoticed}, "R20"},
	{[]State{PenaltyNoticed}, "decide", []State{PenaltyDecided, PenaltyNone}, "R20 R46"},
	{[]State{PenaltyDecided}, "serve", []State{PenaltyServed}, "R20"},
	{[]State{PenaltyServed}, "pay", []State{PenaltyServed, PenaltyPaid}, "R21 R22"},
	{[]State{PenaltyFiled, PenaltyNoticed, PenaltyDecided, PenaltyNone, PenaltyServed, PenaltyPaid}, "add_exhibit", nil, "R36"},
	{[]State{PenaltyDecided, PenaltyNone, PenaltyServed, PenaltyPaid}, "annul", []State{PenaltyAnnulled}, "R23"},
}}

// PenaltyEnds are the states in which a penalty is at its end.
func PenaltyEnds() []State { return []State{PenaltyNone, PenaltyPaid, PenaltyAnnulled} }

// PartyKind tells a unit from a person.
type PartyKind string

// The kinds of party.
const (
	Unit       PartyKind = "unit"   // 单位
	Individual PartyKind = "person" // 个人: main responsible person and others
)

// PenaltyLine (处罚事项) is one violation punished in a decision
// (分别裁量，合并处罚; R24b).
type PenaltyLine struct {
	ID        string    `bson:"id" json:"id"`
	Violation string    `bson:"violation" json:"violation"`
	Article   string    `bson:"article" json:"article"` // e.g. 安全生产法 第99条
	Kind      PartyKind `bson:"kind" json:"kind"`
	Party     string    `bson:"party" json:"party"`
	Fen       int64     `bson:"fen" json:"fen"`     // fine in fen
	Items     []string  `bson:"items" json:"items"` // the visit's items it punishes
}

// Payment (缴款) of a penalty.
type Payment struct {
	At     time.Time `bson:"at" json:"at"`
	Fen    int64     `bson:"fen" json:"fen"`
	Ticket string    `bson:"ticket" json:"ticket"` // the bank's receipt number
}

// Penalty (行政处罚) is one decision, with lines.
type Penalty struct {
	Head `bson:",inline"`

	Visit     string        `bson:"visit"`
	Cause     string        `bson:"cause"` // desk and reward only
	Area      string        `bson:"area"`
	Party     string        `bson:"party"`
	Officers  []Officer     `bson:"officers"`
	Notice    string        `bson:"notice"` // what the party was told (告知, art. 44)
	Heard     string        `bson:"heard"`  // what the party said (陈述申辩, art. 45)
	Lines     []PenaltyLine `bson:"lines"`
	Reason    string        `bson:"reason"`
	DecidedBy string        `bson:"decided_by"`
	DecidedAt time.Time     `bson:"decided_at"`
	ServedAt  time.Time     `bson:"served_at"`
	DueBy     time.Time     `bson:"due_by"`
	Payments  []Payment     `bson:"payments"`
	Exhibits  []Exhibit     `bson:"exhibits"`
}

// Subject is what policy must know of the penalty.
func (p *Penalty) Subject() Subject { return Subject{Tenant: p.Tenant, Area: p.Area, Party: p.Party} }

// Total returns the sum of all lines, in fen.
func (p *Penalty) Total() int64 {
	var sum int64
	for _, l := range p.Lines {
		sum += l.Fen
	}
	return sum
}

// Paid returns the sum of all payments, in fen.
func (p *Penalty) Paid() int64 {
	var sum int64
	for _, m := range p.Payments {
		sum += m.Fen
	}
	return sum
}
