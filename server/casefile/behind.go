package casefile

// Behind is what lies behind a receipt (查询码) besides the report itself. Days
// are 2006-01-02 in China: of what a reporter does there is no time of day.
type Behind struct {
	// Provisional says that the code was read out by an operator: it can be
	// exchanged for a fresh one and opens nothing. Was is the hash of the code
	// that was exchanged, so that a lost answer can be given again.
	Provisional bool   `bson:"provisional"`
	Was         string `bson:"was"`

	Claim ClaimLock `bson:"claim"`

	// LaidOn is the day the newest answer was laid behind the code, ServedOn the
	// day it counts as served (送达; R10): of the first opening, at the latest
	// the tenant's ServiceDays later.
	LaidOn   string `bson:"laid_on"`
	ServedOn string `bson:"served_on"`

	Withdrawal []byte     `bson:"withdrawal"` // Withdrawal, sealed
	Objection  Objection  `bson:"objection"`
	Dialogue   Dialogue   `bson:"dialogue"`
	Sent       []Evidence `bson:"sent"` // what the desk attached to messages, or will
}

// ClaimLock is the claim password (领奖密码; R33). Its sealed form is as long
// with a password as without one.
type ClaimLock struct {
	Sealed   []byte `bson:"sealed"`
	Failures int    `bson:"failures"`   // in a row
	WaitTill string `bson:"wait_until"` // day; no try before
}

// Withdrawal (撤回; R9) is the clear form of Behind.Withdrawal.
type Withdrawal struct {
	Pressed bool   `json:"pressed"` // the reporter is under pressure: call back (回访)
	Text    string `json:"text"`
}

// Objection (异议; R10) to an answer, the first and only one.
type Objection struct {
	On        string `bson:"on"`         // day, "" for none
	Sealed    []byte `bson:"sealed"`     // text
	RecheckBy string `bson:"recheck_by"` // day
}

// Dialogue counts the messages of both sides.
type Dialogue struct {
	FromReporter int    `bson:"from_reporter"`
	FromDesk     int    `bson:"from_desk"`
	ReporterOn   string `bson:"reporter_on"` // day of the newest
	DeskOn       string `bson:"desk_on"`
}

// Messages is how many there are.
func (d Dialogue) Messages() int { return d.FromReporter + d.FromDesk }

// Side is an end of the dialogue. The desk is an office: no message says whose
// words it holds.
type Side string

// The sides.
const (
	FromReporter Side = "reporter"
	FromDesk     Side = "desk"
)

// Message (留言) is one message of the dialogue behind a receipt, a document of
// its own. N orders the messages of a report, from 1.
type Message struct {
	ID          string   `bson:"_id"` // derived from the idempotency key
	Tenant      string   `bson:"tenant"`
	Report      string   `bson:"report"`
	N           int      `bson:"n"`
	From        Side     `bson:"from"`
	On          string   `bson:"on"`          // day
	Sealed      []byte   `bson:"sealed"`      // text, under the report's data key
	Attachments []string `bson:"attachments"` // ids of items of Behind.Sent
}

// Lay notes the day an answer was laid behind the code: it is not served yet.
func (r *Report) Lay(day string) { r.Behind.LaidOn, r.Behind.ServedOn = day, "" }
