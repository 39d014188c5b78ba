package casefile

import "time"

// States of the opening of an identity (开封).
const (
	OpeningAsked    State = "ASKED"
	OpeningKeyed    State = "KEYED"
	OpeningPeeled   State = "PEELED"
	OpeningFinished State = "FINISHED"
	OpeningDenied   State = "DENIED"
)

// OpeningMoves is the table of moves of an opening (confidentiality 2).
var OpeningMoves = Table{Noun: "opening", Moves: []Move{
	{[]State{New}, "ask", []State{OpeningAsked}, "R36"},
	{[]State{OpeningAsked}, "key", []State{OpeningKeyed}, "R36"},
	{[]State{OpeningKeyed}, "peel", []State{OpeningPeeled}, "R36"},
	{[]State{OpeningAsked, OpeningKeyed, OpeningPeeled}, "deny", []State{OpeningDenied}, "R36"},
	{[]State{OpeningPeeled}, "finish", []State{OpeningFinished}, "R36"},

	// It expired before it was finished, or its report was erased: the layer is gone.
	{[]State{OpeningPeeled}, "lapse", nil, "R36"},

	// A step that was refused, so that it is noticed; its event has the code.
	{[]State{OpeningAsked, OpeningKeyed, OpeningPeeled, OpeningFinished, OpeningDenied}, "refused", nil, "R36"},
}}

// Purpose (用途) of an opening.
type Purpose string

// The purposes. The first is of an award, the others of a report.
const (
	RewardPayment     Purpose = "reward_payment"      // 奖励发放
	CallBack          Purpose = "call_back"           // 回访
	TransferToJustice Purpose = "transfer_to_justice" // 移送司法

	// These open what was said in a report that was sealed away, and not who
	// reported.
	ArchiveCourt     Purpose = "archive_court"     // 诉讼、复议调卷
	ArchiveComplaint Purpose = "archive_complaint" // 对办理的投诉
)

// Ask returns the action of asking for an opening of this purpose.
func (p Purpose) Ask() Action {
	switch p {
	case RewardPayment:
		return OpeningAskPayment
	case CallBack:
		return OpeningAskCallBack
	case TransferToJustice:
		return OpeningAskJustice
	case ArchiveCourt, ArchiveComplaint:
		return OpeningAskArchive
	}
	return ""
}

// OfArchive says whether what was said is opened, and not who reported.
func (p Purpose) OfArchive() bool { return p == ArchiveCourt || p == ArchiveComplaint }

// OpeningResult is what ring A's officer says of an opened identity.
type OpeningResult string

// The results, as the custody tool states them.
const (
	Opened     OpeningResult = "opened"
	Unreadable OpeningResult = "unreadable" // the envelope cannot be opened, or names nobody
	Swapped    OpeningResult = "swapped"    // not the envelope that was sealed
	Unbound    OpeningResult = "binding"    // the identity of another report
)

// Opening (开封) is a request to learn who reported, and what came of it. It
// never holds the identity.
type Opening struct {
	Head `bson:",inline"`

	Report    string    `bson:"report"`
	Area      string    `bson:"area"`
	Party     string    `bson:"party"` // the desk's words for the target, for declared ties
	Award     string    `bson:"award"` // of a payment; "" for other purposes
	Purpose   Purpose   `bson:"purpose"`
	Basis     string    `bson:"basis"` // legal basis
	Expires   time.Time `bson:"expires"`
	Requester string    `bson:"requester"`
	RingA     string    `bson:"ring_a"` // person who opens
	RingB     string    `bson:"ring_b"` // person who peels

	Recipient     string        `bson:"recipient"` // one-time age recipient
	Wrapped       []byte        `bson:"wrapped"`   // inner file, to that recipient; gone when finished or expired
	InnerDigest   string        `bson:"inner_digest"`
	WrappedDigest string        `bson:"wrapped_digest"`
	PeelSignature []byte        `bson:"peel_signature"`
	PeelKey       []byte        `bson:"peel_key"` // Ed25519, of the officer who peeled, as of that time
	Result        OpeningResult `bson:"result"`
	Signature     []byte        `bson:"signature"` // ring A's, over the outcome
	DenialReason  string        `bson:"denial_reason"`
}

// Subject is what policy must know of the opening.
func (o *Opening) Subject() Subject {
	return Subject{Tenant: o.Tenant, Area: o.Area, Party: o.Party, Report: o.Report}
}
