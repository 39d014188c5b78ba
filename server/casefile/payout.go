package casefile

// States of a payout.
const (
	PayoutDrawn     State = "DRAWN"
	PayoutConfirmed State = "CONFIRMED"
	PayoutSettled   State = "SETTLED"
	PayoutDropped   State = "DROPPED"
)

// PayoutMoves is the table of moves of a payout.
var PayoutMoves = Table{Noun: "payout", Moves: []Move{
	{[]State{New}, "draw", []State{PayoutDrawn}, "R36"},
	{[]State{PayoutDrawn}, "confirm", []State{PayoutConfirmed}, "R36"},
	{[]State{PayoutDrawn}, "drop", []State{PayoutDropped}, ""},
	{[]State{PayoutConfirmed}, "settle", []State{PayoutSettled}, ""},
}}

// Payout (批量支付) is several claimed awards that go to the bank together: one
// transfer on a day of its own could be matched with who reported
// (confidentiality 13).
type Payout struct {
	Head `bson:",inline"`

	Area    string       `bson:"area"`     // of the tenant
	Memo    string       `bson:"memo"`     // of every transfer; the policy's, the same for all
	DrawnBy string       `bson:"drawn_by"` // payer
	Ticket  string       `bson:"ticket"`   // the bank's reference
	Lines   []PayoutLine `bson:"lines"`    // by number, which is random
}

// PayoutLine is one award of a payout.
type PayoutLine struct {
	Award  string `bson:"award" json:"award"`
	Number string `bson:"number" json:"number"`
	Fen    int64  `bson:"fen" json:"fen"`
	Failed string `bson:"failed" json:"failed,omitempty"` // code, when the bank could not pay
}

// Subject is what policy must know of the payout.
func (p *Payout) Subject() Subject { return Subject{Tenant: p.Tenant, Area: p.Area} }
