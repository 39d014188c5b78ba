package casefile

import "time"

// States of a standing approval (常设批准).
const (
	ApprovalInForce State = "IN_FORCE"
	ApprovalUsedUp  State = "USED_UP"
	ApprovalRevoked State = "REVOKED"
)

// ApprovalMoves is the table of moves of a standing approval (confidentiality 1).
var ApprovalMoves = Table{Noun: "approval", Moves: []Move{
	{[]State{New}, "give", []State{ApprovalInForce}, "R36"},
	{[]State{ApprovalInForce}, "take", []State{ApprovalInForce, ApprovalUsedUp}, "R36"},
	{[]State{ApprovalInForce, ApprovalUsedUp}, "revoke", []State{ApprovalRevoked}, "R36"},

	// A use that was refused; its event has the code and, as Ref, the report.
	{[]State{ApprovalInForce, ApprovalUsedUp, ApprovalRevoked}, "refused", nil, "R36"},
}}

// States of a use of a contact (联系方式使用).
const (
	ContactTaken      State = "TAKEN"       // the officer has the sealed contact
	ContactHandedOver State = "HANDED_OVER" // sealed to the gateway, on its way there
	ContactFinished   State = "FINISHED"
)

// ContactMoves is the table of moves of a use of a contact.
var ContactMoves = Table{Noun: "contact", Moves: []Move{
	{[]State{New}, "take", []State{ContactTaken}, "R36"},
	{[]State{ContactTaken}, "hand_over", []State{ContactHandedOver}, "R36"},
	{[]State{ContactHandedOver}, "answer", []State{ContactFinished}, "R36"}, // the gateway's
	{[]State{ContactTaken}, "finish", []State{ContactFinished}, "R36"},
	{[]State{ContactHandedOver}, "lapse", []State{ContactFinished}, "R40"}, // its report was erased

	// A step that was refused, so that it is noticed; its event has the code.
	{[]State{ContactTaken, ContactHandedOver, ContactFinished}, "refused", nil, "R36"},
}}

// ContactPurpose (用途) is what a contact is used for.
type ContactPurpose string

// The purposes.
const (
	ContactCallBack ContactPurpose = "call_back" // 回访
	ContactNotice   ContactPurpose = "notice"    // 提示查询: look behind the receipt
)

// Way is how a contact is used.
type Way string

// The ways.
const (
	ByGateway  Way = "gateway"  // a dialling or SMS gateway with a key of its own; no officer sees it
	ByTerminal Way = "terminal" // shown to one officer for one call
)

// Approval (常设批准) lets ring A's officers use contacts for a purpose, so many
// times and until a day. An officer of ring B gives it and signs it; what is
// signed is vault.Approval.
type Approval struct {
	Head `bson:",inline"`

	Statement string         `bson:"statement"` // id in what was signed, so that it is given once
	Purpose   ContactPurpose `bson:"purpose"`
	Basis     string         `bson:"basis"` // legal basis
	Way       Way            `bson:"way"`
	Gateway   string         `bson:"gateway"` // age recipient, for the way of that name
	Uses      int            `bson:"uses"`
	Expires   time.Time      `bson:"expires"`
	GivenBy   string         `bson:"given_by"`
	Key       []byte         `bson:"key"`       // Ed25519, of the officer who gave it, as of that time
	Signature []byte         `bson:"signature"` // vault.SignApproval
	// Taken are the uses of contacts that were taken, by id: one stands here
	// once, however often it is asked for.
	Taken []string `bson:"taken"`
}

// Subject is what policy must know of the approval.
func (a *Approval) Subject() Subject { return Subject{Tenant: a.Tenant} }

// ContactResult is how a use of a contact ended.
type ContactResult string

// The results. A contact that reaches nobody, or holds nothing, is finished:
// who does not open it learns nothing of it by the result.
const (
	ContactDone   ContactResult = "finished"
	ContactFailed ContactResult = "failed" // it could not be opened, or the gateway could not try
)

// ContactUse (联系方式使用) is one use of a reporter's contact, for one stated
// call. It never holds the contact in clear.
type ContactUse struct {
	Head `bson:",inline"`

	Report    string         `bson:"report"`
	Area      string         `bson:"area"`
	Party     string         `bson:"party"` // the desk's words for the target, for declared ties
	Approval  string         `bson:"approval"`
	Purpose   ContactPurpose `bson:"purpose"`
	Way       Way            `bson:"way"`
	Gateway   string         `bson:"gateway"` // age recipient that the approval names
	Officer   string         `bson:"officer"` // person of ring A who took it
	Expires   time.Time      `bson:"expires"` // the sealed contact is not given from here on
	Sealed    []byte         `bson:"sealed"`  // to the gateway, for this use alone; gone when finished
	Result    ContactResult  `bson:"result"`
	Signature []byte         `bson:"signature"` // of the officer, over the handover or the outcome
}

// Subject is what policy must know of the use.
func (u *ContactUse) Subject() Subject {
	return Subject{Tenant: u.Tenant, Area: u.Area, Party: u.Party, Report: u.Report}
}
