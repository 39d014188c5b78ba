package casefile

// States of the release of a lead (线索转为证据).
const (
	LeadAsked    State = "ASKED"    // the reporter was asked; no answer is no
	LeadAgreed   State = "AGREED"   // the reporter agrees
	LeadRefused  State = "REFUSED"  // the reporter does not, or no longer
	LeadDenied   State = "DENIED"   // ring B does not
	LeadReleased State = "RELEASED" // the copy is in the case file
)

// LeadMoves is the table of moves of a lead (confidentiality 6).
var LeadMoves = Table{Noun: "lead", Moves: []Move{
	{[]State{New}, "ask", []State{LeadAsked}, "R36"},
	{[]State{LeadAsked}, "agree", []State{LeadAgreed}, "R36"},
	{[]State{LeadAsked, LeadAgreed}, "refuse", []State{LeadRefused}, "R9 R36"},
	{[]State{LeadAsked, LeadAgreed}, "deny", []State{LeadDenied}, "R36"},
	{[]State{LeadAgreed}, "release", []State{LeadReleased}, "R36"},
	{[]State{LeadAsked, LeadAgreed}, "lapse", []State{LeadRefused}, "R40"}, // its report was erased
}}

// CaseFile (案卷) is a kind of record that the punished party may read.
type CaseFile string

// The case files.
const (
	OfPenalty    CaseFile = "penalty"    // 行政处罚案卷
	OfInspection CaseFile = "inspection" // 现场检查案卷
)

// Lead (线索) is an item of a report of which a copy is to enter a case file.
// The copy is made when the reporter is asked: what the reporter and ring B
// look at is what is released. One that comes to nothing loses its key.
type Lead struct {
	Head `bson:",inline"`

	Report string   `bson:"report"`
	Area   string   `bson:"area"`
	Item   string   `bson:"item"` // id in the report's manifest
	N      int      `bson:"n"`    // its number there, from 1
	File   CaseFile `bson:"file"`
	Record string   `bson:"record"` // id of the penalty or visit
	Reason string   `bson:"reason"` // why the file needs it, in the desk's words

	AskedBy   string `bson:"asked_by"`   // desk
	AskedOn   string `bson:"asked_on"`   // day
	AnswerBy  string `bson:"answer_by"`  // last day to agree
	DecidedBy string `bson:"decided_by"` // ring B
	DecidedOn string `bson:"decided_on"` // day
	Denial    string `bson:"denial"`     // why not

	Copy Evidence `bson:"copy"` // of the item; keeps no original
}

// Subject is what policy must know of the lead.
func (l *Lead) Subject() Subject { return Subject{Tenant: l.Tenant, Area: l.Area, Report: l.Report} }

// Exhibit (附卷材料) is a picture in a case file: a copy without metadata, and
// nothing of whose it was, what it was called or when it came.
type Exhibit struct {
	ID   string       `bson:"id"` // 128 random bits
	Kind EvidenceKind `bson:"kind"`
	Lead string       `bson:"lead"` // holds the copy; for the server alone
}

// AddExhibit adds an exhibit to a case file, once.
func AddExhibit(all []Exhibit, x Exhibit) []Exhibit {
	for _, there := range all {
		if there.ID == x.ID {
			return all
		}
	}
	return append(all, x)
}
