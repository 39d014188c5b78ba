package casefile

import "time"

// States of a report (举报), regulations 9.1.
const (
	ReportReceived     State = "RECEIVED"
	ReportAccepted     State = "ACCEPTED"
	ReportRejected     State = "REJECTED"
	ReportTransferred  State = "TRANSFERRED"
	ReportMerged       State = "MERGED"
	ReportVerifying    State = "VERIFYING"
	ReportConcluded    State = "CONCLUDED"
	ReportReplied      State = "REPLIED"
	ReportRechecking   State = "RECHECKING"
	ReportClosed       State = "CLOSED"
	ReportWithdrawn    State = "WITHDRAWN"
	ReportEscalatedGov State = "ESCALATED_GOV"
	ReportArchived     State = "ARCHIVED"
	ReportErasing      State = "ERASING" // by the term of its class; what arrives now revives it
	ReportErased       State = "ERASED"
)

// ReportMoves is the table of moves of a report.
var ReportMoves = Table{Noun: "report", Moves: []Move{
	{[]State{New}, "register", []State{ReportReceived}, "R1"},
	{[]State{ReportReceived}, "accept", []State{ReportAccepted}, "R2"},
	{[]State{ReportReceived}, "refuse", []State{ReportRejected}, "R3"},
	{[]State{ReportReceived, ReportAccepted}, "transfer", []State{ReportTransferred}, "R4"},
	{[]State{ReportTransferred}, "acknowledge_receipt", nil, "R4"},
	{[]State{ReportTransferred}, "returned", []State{ReportReceived}, "R4"},
	{[]State{ReportReceived, ReportAccepted, ReportVerifying}, "merge", []State{ReportMerged}, "R8"},
	{[]State{ReportMerged}, "unmerge", []State{ReportReceived, ReportAccepted, ReportVerifying}, "R8"},
	{[]State{ReportAccepted}, "assign", []State{ReportVerifying}, ""},
	{[]State{ReportVerifying}, "extend", nil, "R6"},
	{[]State{ReportVerifying}, "conclude", []State{ReportConcluded}, "R11 R13 R15"},
	{[]State{ReportConcluded}, "reply", []State{ReportReplied}, "R7"},
	{[]State{ReportReplied}, "object", []State{ReportRechecking}, "R10"},
	{[]State{ReportRechecking}, "recheck_done", []State{ReportReplied}, "R10"},
	{[]State{ReportReplied}, "term_over", []State{ReportClosed}, "R10"},
	{[]State{ReportRejected}, "object", []State{ReportReceived}, "R10"},
	{[]State{ReportReceived, ReportAccepted, ReportMerged, ReportVerifying, ReportConcluded}, "withdraw", []State{ReportWithdrawn}, "R9"},
	{liveReport(), "death", []State{ReportEscalatedGov}, "R5"},
	{[]State{ReportEscalatedGov}, "gov_concluded", []State{ReportConcluded}, "R5"},
	{[]State{ReportClosed}, "reopen", []State{ReportVerifying}, ""},
	{[]State{ReportClosed, ReportWithdrawn, ReportRejected}, "archive", []State{ReportArchived}, ""},

	// What the desk does without moving the report.
	{[]State{ReportReceived, ReportAccepted, ReportVerifying}, "confirm_target", nil, ""},
	{[]State{ReportAccepted, ReportVerifying, ReportRechecking}, "brief", nil, "R36"},
	{[]State{ReportVerifying}, "assign", nil, ""},
	{[]State{ReportVerifying}, "assign_inspection", nil, "R13"},
	{[]State{ReportAccepted, ReportVerifying, ReportConcluded}, "release_evidence", nil, "R36"},
	{[]State{ReportAccepted, ReportVerifying, ReportConcluded}, "withdraw_evidence", nil, "R36"},
	{liveReport(), "desk_message", nil, ""},

	// What the reporter does behind the receipt without moving the report.
	{liveReport(), "exchange_code", nil, "R33"},
	{liveReport(), "close_receipt", nil, ""},
	{liveReport(), "try_password", nil, "R33"},
	{liveReport(), "reporter_message", nil, ""},
	{liveReport(), "add_evidence", nil, ""},
	{liveReport(), "announce_evidence", nil, ""},

	// What becomes of items that come in pieces.
	{liveReport(), "announce_attachment", nil, ""},
	{everyReport(), "receive_item", nil, ""},
	{everyReport(), "verify_item", nil, ""},
	{everyReport(), "derive_item", nil, ""},
	{append(everyReport(), ReportErasing), "reject_item", nil, ""},
	{[]State{ReportRejected, ReportReplied}, "serve", nil, "R10"},

	// What the terms bring (casefile/term.go). Whatever arrives while a report is
	// about to be erased takes it back to where it ended.
	{Ended(), "seal_away", nil, "R10"},
	{Ended(), "erase", []State{ReportErasing}, "R40"},
	{[]State{ReportErasing}, "reporter_message", Ended(), ""},
	{[]State{ReportErasing}, "add_evidence", Ended(), ""},
	{[]State{ReportErasing}, "announce_evidence", Ended(), ""},
	{[]State{ReportErasing}, "hold", Ended(), "R40"},
	{[]State{ReportErasing}, "hold_evidence", Ended(), "R40"},
	{[]State{ReportErasing}, "erased", []State{ReportErased}, "R40"},
	{liveReport(), "hold", nil, "R40"},
	{liveReport(), "lift_hold", nil, "R40"},
	{liveReport(), "hold_evidence", nil, "R40"},
	{liveReport(), "lift_evidence", nil, "R40"},
	{append(liveReport(), ReportErasing), "erased_before", []State{ReportErased}, "R40"}, // a restored copy

	// What ring B's tool found: whoever reported cannot be asked by name.
	{everyReport(), "seal_fault", nil, "R36"},
}}

// ForReporter is a report's state as its reporter sees it. Who reported what
// another one had reported before is not told: that report is being verified
// like any other (confidentiality 7).
func (s State) ForReporter() State {
	if s == ReportMerged {
		return ReportVerifying
	}
	return s
}

// everyReport are all states of a report.
func everyReport() []State { return append(liveReport(), ReportArchived) }

// liveReport are the states of a report that is not archived.
func liveReport() []State {
	return []State{
		ReportReceived, ReportAccepted, ReportRejected, ReportTransferred, ReportMerged, ReportVerifying, ReportConcluded,
		ReportReplied, ReportRechecking, ReportClosed, ReportWithdrawn, ReportEscalatedGov,
	}
}

// Mode (举报方式) says how far the reporter wants to be known and reached. It
// stands only in the sealed body of a report.
type Mode string

// The modes.
const (
	Anonymous   Mode = "anonymous"   // 匿名
	ByCode      Mode = "code"        // claims with code and password where a scheme allows
	Contactable Mode = "contactable" // 留联系方式
	RealName    Mode = "real_name"   // 实名
)

// Matter (举报事项) is what kind of thing is reported (regulations 3.3, 10).
type Matter string

// The matters of the national reward measure (安监总财〔2018〕19号 art. 2, 11).
const (
	MajorHazard       Matter = "major_hazard"       // 重大事故隐患
	IllegalAct        Matter = "illegal_act"        // 安全生产违法行为
	ConcealedAccident Matter = "concealed_accident" // 瞒报谎报事故
)

// Finding (核查结论) is what an inspection or a conclusion says of one allegation.
type Finding string

// The findings.
const (
	Substantiated   Finding = "SUBSTANTIATED"
	Partial         Finding = "PARTIAL"
	Unsubstantiated Finding = "UNSUBSTANTIATED"
	Unable          Finding = "UNABLE"
)

// Upheld says whether a finding supports a penalty and an award.
func (f Finding) Upheld() bool { return f == Substantiated || f == Partial }

// Allegation (举报事项) is one thing a report says. Its wording is sealed in
// the report's body; others than the desk see the desk's wording in the brief.
type Allegation struct {
	ID      string  `bson:"id"` // 128 random bits; the item of tasks and visits
	Matter  Matter  `bson:"matter"`
	Brief   string  `bson:"brief"` // the desk's wording
	Finding Finding `bson:"finding"`
}

// Target (举报对象) is the place the report is about.
type Target struct {
	Place     Place     `bson:"place"`
	Grid      string    `bson:"grid"` // grid code of its day; "" outside every grid
	Name      string    `bson:"name"` // the desk's wording of it
	Confirmed time.Time `bson:"confirmed"`
}

// Place is a point as stored: WGS-84 degrees, with what was sent.
type Place struct {
	Lon       float64 `bson:"lon" json:"lon"`
	Lat       float64 `bson:"lat" json:"lat"`
	AccuracyM float64 `bson:"accuracy_m" json:"accuracyM"` // metres, 0 unknown
	Datum     string  `bson:"datum" json:"datum"`          // as sent
	SentLon   float64 `bson:"sent_lon" json:"sentLon"`
	SentLat   float64 `bson:"sent_lat" json:"sentLat"`
}

// Conclusion (核查结论) of a report, signed by a leader (安全生产法 art. 73; R11).
type Conclusion struct {
	Record   string    `bson:"record"` // the written record (书面材料)
	SignedBy string    `bson:"signed_by"`
	SignedAt time.Time `bson:"signed_at"`
}

// Reply (答复) has four elements (应急〔2023〕106号; R7).
type Reply struct {
	Conclusion string    `bson:"conclusion" json:"conclusion"`
	Facts      string    `bson:"facts" json:"facts"`
	Decision   string    `bson:"decision" json:"decision"`
	Reward     string    `bson:"reward" json:"reward"`
	At         time.Time `bson:"at" json:"-"`
}

// Report (举报) is a report of a hazard or an illegal act. What its sender
// wrote stands in Sealed only.
type Report struct {
	Head `bson:",inline"`

	Number     string `bson:"number"`  // registration number; random, never a sequence
	Channel    string `bson:"channel"` // web, hotline
	Area       string `bson:"area"`    // the tenant's area, or the target's grid
	Envelope   string `bson:"envelope"`
	Sealed     []byte `bson:"sealed"`       // ReportBody under the report's data key
	BodyTag    string `bson:"body_tag"`     // keyed hash of the tag of the canonical body
	Receipt    string `bson:"receipt"`      // keyed hash of the receipt code
	ReceiptKey string `bson:"receipt_key"`  // id of the key the code derives from
	SignedWith string `bson:"signed_with"`  // id of the key that signed the statement
	Commitment string `bson:"commitment"`   // what the statement commits to
	StatedDay  string `bson:"stated_day"`   // 2006-01-02, Asia/Shanghai
	Binding    string `bson:"binding"`      // digest of the envelope's binding
	InnerHash  string `bson:"inner_digest"` // SHA-256 of the inner identity file

	SealFault string `bson:"seal_fault"` // unreadable or swapped, as ring B's tool found

	Allegations []Allegation `bson:"allegations"`
	Evidence    []Evidence   `bson:"evidence"`
	Target      Target       `bson:"target"`
	Brief       string       `bson:"brief"`
	Refusal     Refusal      `bson:"refusal"`
	DecideBy    time.Time    `bson:"decide_by"`
	ConcludeBy  time.Time    `bson:"conclude_by"`
	Conclusion  Conclusion   `bson:"conclusion"`
	Reply       Reply        `bson:"reply"`
	Tasks       []string     `bson:"tasks"`

	Behind Behind `bson:"behind"` // the receipt

	Holds     []Hold    `bson:"holds"`
	Strongbox Strongbox `bson:"strongbox"`
	Archive   Archive   `bson:"archive"`
	EndedAs   State     `bson:"ended_as"` // of one that is erased, or about to be
}

// Refusal (不予受理) has a coded reason (R3); its text is sealed under the report's key.
type Refusal struct {
	Reason string `bson:"reason"`
	Sealed []byte `bson:"sealed"`
}

// ReportBody is the clear form of Report.Sealed: all that the sender wrote.
type ReportBody struct {
	Mode      Mode              `json:"mode"`
	Narrative string            `json:"narrative"`
	Wording   map[string]string `json:"wording"` // by allegation id
	Target    string            `json:"target"`  // the sender's words for the target
	Stood     *Place            `json:"stood"`   // where the sender stood
	Salt      []byte            `json:"salt"`    // of the commitment, 256 bits
}

// Allegation finds an allegation by id.
func (r *Report) Allegation(id string) (*Allegation, bool) {
	for i := range r.Allegations {
		if r.Allegations[i].ID == id {
			return &r.Allegations[i], true
		}
	}
	return nil, false
}

// Subject is what policy must know of the report.
func (r *Report) Subject() Subject {
	return Subject{Tenant: r.Tenant, Area: r.Area, Party: r.Target.Name, Report: r.ID, Receipt: r.Receipt}
}
