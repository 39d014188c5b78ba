package casefile

import "time"

// States of an award (奖励), regulations 9.3.
const (
	AwardDrafted       State = "DRAFT"
	AwardNotEligible   State = "NOT_ELIGIBLE"
	AwardReviewed      State = "REVIEWED"
	AwardWaitingBudget State = "WAITING_BUDGET"
	AwardApproved      State = "APPROVED"
	AwardFiled         State = "FILED"
	AwardNotified      State = "NOTIFIED"
	AwardClaimed       State = "CLAIMED"
	AwardForfeited     State = "FORFEITED"
	AwardWaived        State = "WAIVED"
	AwardPaying        State = "PAYING"
	AwardPaid          State = "PAID"
	AwardPayFailed     State = "PAY_FAILED"
	AwardRecovery      State = "RECOVERY"
)

// AwardMoves is the table of moves of an award. Approval goes through
// WAITING_BUDGET, since the budget entry comes first and the award follows.
var AwardMoves = Table{Noun: "award", Moves: []Move{
	{[]State{New}, "draft", []State{AwardDrafted, AwardNotEligible}, "R24 R30"},
	{[]State{AwardDrafted}, "review", []State{AwardReviewed}, ""},
	{[]State{AwardReviewed}, "return", []State{AwardDrafted}, ""},
	{[]State{AwardReviewed}, "approve", []State{AwardWaitingBudget}, "R32"},
	{[]State{AwardWaitingBudget}, "fund", []State{AwardApproved}, "R32"},
	{[]State{AwardApproved}, "file", []State{AwardFiled}, "R32"},
	{[]State{AwardFiled}, "notify", []State{AwardNotified}, "R31"},
	{[]State{AwardNotified}, "ask", nil, "R31"},
	{[]State{AwardNotified}, "claim", []State{AwardClaimed}, "R31 R33"},
	{[]State{AwardNotified}, "lapse", []State{AwardForfeited}, "R31"},
	{[]State{AwardNotified}, "waive", []State{AwardWaived}, ""},
	{[]State{AwardForfeited}, "reinstate", []State{AwardNotified}, "R31"},
	{[]State{AwardClaimed, AwardPayFailed}, "pay", []State{AwardPaying}, ""},
	{[]State{AwardPaying}, "put_back", []State{AwardClaimed}, ""},
	{[]State{AwardPaying}, "paid", []State{AwardPaid}, ""},
	{[]State{AwardPaying}, "failed", []State{AwardPayFailed}, ""},
	{[]State{AwardApproved, AwardFiled, AwardNotified, AwardClaimed, AwardPaying, AwardPayFailed}, "adjust", nil, "R23"},
	{[]State{AwardPaid}, "adjust", []State{AwardPaid, AwardRecovery}, "R23 R35"},
	{[]State{AwardRecovery}, "recovered", []State{AwardPaid}, "R35"},
	{[]State{AwardRecovery}, "waived", []State{AwardPaid}, "R35"},
}}

// AwardEnds are the states in which an award is at its end.
func AwardEnds() []State { return []State{AwardPaid, AwardNotEligible, AwardForfeited, AwardWaived} }

// Award (奖励) of a report. Its id is made of the matter and the trigger, so a
// second draft collides.
type Award struct {
	Head `bson:",inline"`

	Report      string `bson:"report"`
	Area        string `bson:"area"`
	Number      string `bson:"number"`      // random; the public notice carries it alone
	Scheme      string `bson:"scheme"`      // id and version
	Calculation []byte `bson:"calculation"` // frozen facts, lines and trace, sealed under the report's key
	Fen         int64  `bson:"fen"`
	Reason      string `bson:"reason"` // code, when not eligible

	DraftedBy  string    `bson:"drafted_by"`
	ReviewedBy string    `bson:"reviewed_by"`
	ApprovedBy string    `bson:"approved_by"`
	Year       int       `bson:"year"`   // of the budget
	Filing     string    `bson:"filing"` // reference of the filing with the level above (备案)
	NotifiedAt time.Time `bson:"notified_at"`
	ClaimBy    time.Time `bson:"claim_by"`
	AskedAt    time.Time `bson:"asked_at"` // the reporter asked for payment
	Opening    string    `bson:"opening"`  // the opening that confirmed who claims
	Payout     string    `bson:"payout"`   // the one that it is in
	PaidBy     string    `bson:"paid_by"`
	PaidAt     time.Time `bson:"paid_at"`
	Ticket     string    `bson:"ticket"` // the bank's reference
}

// Subject is what policy must know of the award.
func (a *Award) Subject() Subject {
	return Subject{Tenant: a.Tenant, Area: a.Area, Report: a.Report}
}
