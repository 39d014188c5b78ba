package workflow

import (
	"context"
	"time"

	"gridwatch/media/copies"
	"gridwatch/server/casefile"
	"gridwatch/server/grid"
	"gridwatch/server/vault"
)

// Records keeps one kind of record. T is the record, e.g. casefile.Report.
type Records[T any] interface {
	// Get returns the record of the tenant. It returns fault.Absent if there
	// is none, and the same if it is another tenant's.
	Get(ctx context.Context, tenant, id string) (*T, error)
	// Insert writes a new record and its pending effects. It returns the
	// Conflict Fault "record.exists" if the id is taken: of any number of
	// callers with one id exactly one succeeds.
	Insert(ctx context.Context, record *T) error
	// Update writes the record and appends its new effects if the stored
	// version is was. It returns the Conflict Fault "record.stale" otherwise.
	// Nothing is written in part.
	Update(ctx context.Context, record *T, was int64) error
	// List returns a page in order of (at, id), oldest first.
	List(ctx context.Context, q Query) ([]T, error)
}

// Query selects records of one tenant. Empty fields do not select.
type Query struct {
	Tenant   string
	States   []casefile.State
	Areas    []string // area codes; what lies under any of them
	Assigned string   // person id
	Cause    string   // report id
	Report   string   // report id, of awards and openings
	Visit    string   // visit id, of penalties and hazards
	After    Cursor
	Limit    int
}

// Cursor is the place in a list after which a page begins. Callers of use
// cases give the ID alone: the time is not for everybody to know.
type Cursor struct {
	At time.Time
	ID string
}

// Envelope holds who reported, sealed to two rings, and the report's data key,
// wrapped by the keyring. It is written before its report; one that no report
// names after a day is swept.
type Envelope struct {
	ID       string    `bson:"_id"`
	Tenant   string    `bson:"tenant"`
	Report   string    `bson:"report"`
	Key      []byte    `bson:"key"`      // wrapped data key
	Identity []byte    `bson:"identity"` // age(ring B, age(ring A, identity))
	Contact  []byte    `bson:"contact"`
	Rings    int       `bson:"rings"` // version of the rings' keys
	At       time.Time `bson:"at"`
}

// Envelopes keeps envelopes.
type Envelopes interface {
	Insert(ctx context.Context, e Envelope) error
	// Get returns fault.Absent if there is none.
	Get(ctx context.Context, tenant, id string) (Envelope, error)
	Delete(ctx context.Context, tenant, id string) error
	// DropKey destroys the wrapped data key and keeps who reported.
	DropKey(ctx context.Context, tenant, id string) error
	// Before lists envelopes written before a time, for the sweep.
	Before(ctx context.Context, at time.Time, after string, limit int) ([]Envelope, error)
}

// Reports adds to Records what only reports are asked for.
type Reports interface {
	Records[casefile.Report]
	// ByReceipt finds a report by any of the keyed hashes of its receipt code.
	ByReceipt(ctx context.Context, hashes []string) (*casefile.Report, error)
	// ByDigests lists reports of a tenant with an item of any of the keyed
	// digests, oldest first.
	ByDigests(ctx context.Context, tenant string, digests []string, limit int) ([]casefile.Report, error)
	// Due lists reports of all tenants in order of their ids.
	Due(ctx context.Context, q DueReports) ([]casefile.Report, error)
	// ByExchanged finds a report by the hashes of a code that was exchanged.
	ByExchanged(ctx context.Context, hashes []string) (*casefile.Report, error)
}

// Openings adds to Records what only openings are asked for.
type Openings interface {
	Records[casefile.Opening]
	// Lapsed lists openings of all tenants with a layer that expired before a
	// time, in order of their ids after one.
	Lapsed(ctx context.Context, before time.Time, after string, limit int) ([]casefile.Opening, error)
}

// RingRecords adds to Records what only the rings of officers are asked for.
type RingRecords interface {
	Records[casefile.Ring]
	// Lapsed lists rings of all tenants with a recovery key on its way that was
	// to be seen done before a time, in order of their ids after one.
	Lapsed(ctx context.Context, before time.Time, after string, limit int) ([]casefile.Ring, error)
}

// Awards adds to Records what only awards are asked for.
type Awards interface {
	Records[casefile.Award]
	// Unclaimed lists notified awards of all tenants whose last day to claim was
	// before a time, in order of their ids after one.
	Unclaimed(ctx context.Context, before time.Time, after string, limit int) ([]casefile.Award, error)
}

// Tasks adds to Records what only tasks are asked for.
type Tasks interface {
	Records[casefile.Task]
	// Recorded lists tasks of all tenants with a recording that is kept until a
	// time before the one given, in order of their ids after one. Of the tasks,
	// which may be large, it returns where they are.
	Recorded(ctx context.Context, before time.Time, after string, limit int) ([]TaskRef, error)
	// Collected lists those of which anything else is kept until such a time.
	Collected(ctx context.Context, before time.Time, after string, limit int) ([]TaskRef, error)
	// Prolong keeps what else was collected for a task until a later day than the
	// one that was read. It is no event and no new version: see Task.Seen. A write of
	// the whole task at the same time may undo it; the next look does it again.
	Prolong(ctx context.Context, tenant, id string, was, until time.Time) error
}

// TaskRef is where a task is.
type TaskRef struct {
	ID     string `bson:"_id"`
	Tenant string `bson:"tenant"`
}

// Messages keeps the dialogue behind receipts.
type Messages interface {
	// Insert returns the Conflict Fault "record.exists" if the id is taken.
	Insert(ctx context.Context, m casefile.Message) error
	DeleteAll(ctx context.Context, tenant, report string) error
	// List returns the messages of a report after a number, in their order.
	List(ctx context.Context, tenant, report string, after, limit int) ([]casefile.Message, error)
}

// Chains keeps the chains of custody of items of evidence (证据保管链).
type Chains interface {
	// Append keeps an event. It returns the Conflict Fault "record.exists" if
	// its place in the chain is taken.
	Append(ctx context.Context, e casefile.CustodyEvent) error
	// Last returns the number of an item's newest event, 0 if it has none.
	Last(ctx context.Context, tenant, item string) (int, error)
	// Caused says whether an item's chain has an event of a source.
	Caused(ctx context.Context, tenant, item, source string) (bool, error)
	// List returns events of an item after a number, in their order.
	List(ctx context.Context, tenant, item string, after, limit int) ([]casefile.CustodyEvent, error)
	// Unlogged lists events whose leaf may not be in the log, in any order.
	Unlogged(ctx context.Context, limit int) ([]casefile.CustodyEvent, error)
	// Logged notes that an event's leaf is in the log.
	Logged(ctx context.Context, id string) error
	// Forget takes digests and salts out of the events of a record whose leaves
	// are in the log.
	Forget(ctx context.Context, tenant, record string) error
}

// Lane is where jobs of one sort wait: a long film holds no photo up.
type Lane string

// The lanes.
const (
	PhotoLane Lane = "photo"
	FilmLane  Lane = "film" // films, sounds and documents
)

// CopyJob asks for the clean copies of one item of a record.
type CopyJob struct {
	ID     string    `bson:"_id"` // record:item; a job enters once
	Tenant string    `bson:"tenant"`
	Kind   string    `bson:"kind"` // of record, as Waiting.Kind
	Record string    `bson:"record"`
	Item   string    `bson:"item"`
	Lane   Lane      `bson:"lane"`
	Next   time.Time `bson:"next"`  // free from then on; a lease while it is worked on
	Tries  int       `bson:"tries"` // that failed
}

// CopyJobs keeps jobs until they are done.
type CopyJobs interface {
	// Add keeps a job. One that is there stays as it is.
	Add(ctx context.Context, j CopyJob) error
	// Due lists jobs of a lane that are free, the longest waiting first.
	Due(ctx context.Context, lane Lane, now time.Time, limit int) ([]CopyJob, error)
	// Turn moves a job to another time and count of tries if its time is still
	// the one given, and says whether it was. Of many callers one turns it.
	Turn(ctx context.Context, j CopyJob, next time.Time, tries int) (bool, error)
	// Done removes a job. One that is gone is no error.
	Done(ctx context.Context, id string) error
}

// Waiting is a record whose effects wait to be carried out.
type Waiting struct {
	Kind string
	Head casefile.Head
}

// Pending is what the relay needs of every kind of record.
type Pending interface {
	// Due lists records of all kinds with an effect due at a time.
	Due(ctx context.Context, now time.Time, limit int) ([]Waiting, error)
	// Relayed notes that all effects up to a sequence were carried out.
	Relayed(ctx context.Context, kind, id string, seq int64) error
	// Postpone tries a record's effects again at a time.
	Postpone(ctx context.Context, kind, id string, until time.Time) error
	// Archive keeps an event that left a record's timeline. It is idempotent.
	Archive(ctx context.Context, kind, record string, e casefile.Event) error
}

// Tenant (租户) is one county-level department with its townships.
type Tenant struct {
	ID   string `bson:"_id" json:"id"` // short and stable, not an area code
	Name string `bson:"name" json:"name"`
	Area string `bson:"area" json:"area"` // county code
	// Above is the tenant of the level above, "" if it is not served here.
	// Reports about this department and its officers go there.
	Above  string `bson:"above" json:"above"`
	Policy Policy `bson:"policy" json:"policy"`

	// Root verifies lists of keys; its private half is offline.
	Root []byte              `bson:"root" json:"root"` // Ed25519
	Keys vault.SignedKeyList `bson:"keys" json:"keys"` // empty before the rings are founded
	// Rings are what Keys says. No report is taken in without.
	Rings Rings `bson:"rings" json:"-"`
}

// Rings are the public keys that envelopes are sealed to.
type Rings struct {
	Version int      `bson:"version"` // of the list
	A       []string `bson:"a"`       // age recipient of ring A
	B       []string `bson:"b"`       // of ring B
}

// Policy (政策) are the numbers a tenant may set.
type Policy struct {
	DecideDays   int `bson:"decide_days" json:"decideDays"`     // accept or refuse, calendar days (R2)
	ConcludeDays int `bson:"conclude_days" json:"concludeDays"` // from acceptance (R6)
	TaskHours    int `bson:"task_hours" json:"taskHours"`       // default time for a task
	PayDays      int `bson:"pay_days" json:"payDays"`           // penalty, from receipt (R21)
	RepeatHours  int `bson:"repeat_hours" json:"repeatHours"`   // a repeated registration gets the code again
	OpeningHours int `bson:"opening_hours" json:"openingHours"` // longest life of an opening request
	ApprovalUses int `bson:"approval_uses" json:"approvalUses"` // of contacts, by one standing approval at most
	ApprovalDays int `bson:"approval_days" json:"approvalDays"` // longest life of a standing approval
	ContactHours int `bson:"contact_hours" json:"contactHours"` // a use that was taken is made within them
	MaxItems     int `bson:"max_items" json:"maxItems"`         // evidence items of one form

	ServiceDays    int `bson:"service_days" json:"serviceDays"`       // an answer nobody opened counts as served (R10)
	ObjectionDays  int `bson:"objection_days" json:"objectionDays"`   // to object, from service (R10)
	RecheckDays    int `bson:"recheck_days" json:"recheckDays"`       // to recheck, from the objection (R10)
	MaxManifest    int `bson:"max_manifest" json:"maxManifest"`       // items of a report with what came later, and as many attachments
	MaxMessages    int `bson:"max_messages" json:"maxMessages"`       // of both sides behind one receipt
	AttachmentDays int `bson:"attachment_days" json:"attachmentDays"` // what the desk sent in pieces waits for its message, from the end of its upload's time
	LeadDays       int `bson:"lead_days" json:"leadDays"`             // a reporter has to agree to the release of a lead
	SuppressUnder  int `bson:"suppress_under" json:"suppressUnder"`   // smaller figures are not published
	FiguresDays    int `bson:"figures_days" json:"figuresDays"`       // from the end of a quarter to its figures
	ResultsMin     int `bson:"results_min" json:"resultsMin"`         // results of a published batch
	ResultsShare   int `bson:"results_share" json:"resultsShare"`     // percent of them that may come from reports

	PayoutMin  int    `bson:"payout_min" json:"payoutMin"`   // awards that are paid together
	PayoutDay  int    `bson:"payout_day" json:"payoutDay"`   // of the month, on which fewer are; 0 for none
	PayoutMemo string `bson:"payout_memo" json:"payoutMemo"` // of every transfer

	// Doubts are the limits of what staff are told to doubt.
	Doubts DoubtLimits `bson:"doubts" json:"doubts"`

	// Cover of a verification; 0 hours or tasks is none.
	CoverHours int `bson:"cover_hours" json:"coverHours"` // longest wait before it is handed out
	CoverFrom  int `bson:"cover_from" json:"coverFrom"`   // hour of the day from which tasks are handed out
	CoverTo    int `bson:"cover_to" json:"coverTo"`       // and until which, at most 24
	CoverTasks int `bson:"cover_tasks" json:"coverTasks"` // patrols it is bundled with

	// EvidenceDays is how long what staff collected is kept, its originals under
	// object lock (留存), in days; 0 locks and removes nothing. The others are for
	// what was linked to something since.
	EvidenceDays         int `bson:"evidence_days" json:"evidenceDays"`
	HazardEvidenceDays   int `bson:"hazard_evidence_days" json:"hazardEvidenceDays"`     // from a hazard's last step
	CaseEvidenceDays     int `bson:"case_evidence_days" json:"caseEvidenceDays"`         // from a penalty's last step
	AccidentEvidenceDays int `bson:"accident_evidence_days" json:"accidentEvidenceDays"` // of an accident that was concealed

	// How long a recording of enforcement is kept and under object lock, in days;
	// a case counts from its last step.
	RecordingDays     int `bson:"recording_days" json:"recordingDays"`          // no case rests on it
	CaseRecordingDays int `bson:"case_recording_days" json:"caseRecordingDays"` // a penalty rests on it

	MaxRecordings int `bson:"max_recordings" json:"maxRecordings"` // of one inspection
	MaxSegments   int `bson:"max_segments" json:"maxSegments"`     // of one recording

	// PlainViews says that pictures are shown without the viewer's stamp (水印).
	PlainViews bool `bson:"plain_views" json:"plainViews"`

	UploadHours     int          `bson:"upload_hours" json:"uploadHours"` // an upload may take from its announcement
	PhotoMiB        int          `bson:"photo_mib" json:"photoMiB"`       // of one picture sent in pieces, MiB
	VideoMiB        int          `bson:"video_mib" json:"videoMiB"`
	AudioMiB        int          `bson:"audio_mib" json:"audioMiB"`
	DocumentMiB     int          `bson:"document_mib" json:"documentMiB"`
	ReporterVoice   copies.Voice `bson:"reporter_voice" json:"reporterVoice"`     // in copies: mute, disguise or keep; empty is mute
	MediaMinutes    int          `bson:"media_minutes" json:"mediaMinutes"`       // of one film or sound
	MediaMegapixels int          `bson:"media_megapixels" json:"mediaMegapixels"` // of one picture or frame
	MediaStreams    int          `bson:"media_streams" json:"mediaStreams"`       // of one film
	MediaPages      int          `bson:"media_pages" json:"mediaPages"`           // of one document
	CopyMinutes     int          `bson:"copy_minutes" json:"copyMinutes"`         // that making the copies of one file may take

	// SecondFactor are the roles that sign in with a second factor.
	SecondFactor []casefile.Role `bson:"second_factor" json:"secondFactor"`
}

// Account is how a person signs in. Its id is tenant:login.
type Account struct {
	ID        string    `bson:"_id"`
	Tenant    string    `bson:"tenant"`
	Person    string    `bson:"person"`
	Hash      string    `bson:"hash,omitempty"`       // argon2id; an import without one leaves it as it is
	Issued    string    `bson:"issued,omitempty"`     // that an import wrote, of a password which others know
	ChangedBy string    `bson:"changed_by,omitempty"` // family that put another password in force last
	Failures  int       `bson:"failures"`             // in a row, of either factor
	Until     time.Time `bson:"until"`                // no try before

	// Imports leave these as they are.
	Version int64         `bson:"version,omitempty"` // of what sign-ins change
	Factors *Factors      `bson:"factors,omitempty"`
	Known   []KnownDevice `bson:"known,omitempty"` // oldest first
}

// KnownDevice is a device on which the person signed in: its wrong tries count
// apart, so that those of strangers keep nobody out.
type KnownDevice struct {
	Device   string    `bson:"device"` // hash of the device's own id
	Failures int       `bson:"failures"`
	Until    time.Time `bson:"until"`
}

// Factors are a person's second factors, sealed under a key of the account.
type Factors struct {
	Key      []byte    `bson:"key"`      // data key, wrapped
	TOTP     []byte    `bson:"totp"`     // secret in force
	Step     int64     `bson:"step"`     // of the newest code used; no code of it or before is right again
	Pending  []byte    `bson:"pending"`  // secret that waits for its first code
	Recovery []string  `bson:"recovery"` // hashes of the codes left
	Passkeys []Passkey `bson:"passkeys"`
}

// Passkey is a credential of an authenticator.
type Passkey struct {
	ID     string    `bson:"id"`
	Label  string    `bson:"label"`
	Added  time.Time `bson:"added"`
	Sealed []byte    `bson:"sealed"` // the credential with its sign counter
}

// Ticket is a step of a sign-in or of an enrolment that waits for the next, a
// few minutes. It is used once.
type Ticket struct {
	ID      string    `bson:"_id"` // hash of its token
	Purpose string    `bson:"purpose"`
	Tenant  string    `bson:"tenant"`
	Person  string    `bson:"person"`
	Login   string    `bson:"login"`
	Device  string    `bson:"device"` // hash of the device's own id
	Label   string    `bson:"label"`  // of the device
	Under   string    `bson:"under"`  // digest of the password's hash: another password ends it
	Data    []byte    `bson:"data"`   // of a ceremony
	Expires time.Time `bson:"expires"`
}

// Family is one sign-in on one device and its refresh tokens.
type Family struct {
	ID       string    `bson:"_id"`
	Tenant   string    `bson:"tenant"`
	Person   string    `bson:"person"`
	Device   string    `bson:"device"`   // keyed hash of the device's own id
	Current  string    `bson:"current"`  // keyed hash of the valid token
	Previous string    `bson:"previous"` // keyed hash of the one before
	Turned   time.Time `bson:"turned"`   // when Current replaced Previous
	Counter  int64     `bson:"counter"`
	Expires  time.Time `bson:"expires"`
	Revoked  bool      `bson:"revoked"`
	Label    string    `bson:"label"`  // of the device, as its owner names it
	Begun    time.Time `bson:"begun"`  // the sign-in
	Strong   bool      `bson:"strong"` // with a second factor
}

// Device is a phone that pushes go to. Its id is a hash of the token.
type Device struct {
	ID     string    `bson:"_id"`
	Tenant string    `bson:"tenant"`
	Person string    `bson:"person"`
	Token  []byte    `bson:"token"` // sealed
	At     time.Time `bson:"at"`
}

// Directory keeps tenants, areas, grids and people.
type Directory interface {
	Tenant(ctx context.Context, id string) (Tenant, error)
	// Person returns fault.Absent if there is none in the tenant.
	Person(ctx context.Context, tenant, id string) (casefile.Person, error)
	// Holders lists persons with a post of a role that is not yet over.
	Holders(ctx context.Context, tenant string, role casefile.Role) ([]casefile.Person, error)
	// Grids lists every grid of a tenant.
	Grids(ctx context.Context, tenant string) ([]grid.Grid, error)
}

// Accounts keeps sign-ins.
type Accounts interface {
	Account(ctx context.Context, tenant, login string) (Account, error)
	// TurnAccount writes what sign-ins change of an account if its version is
	// was; a Conflict Fault record.stale otherwise.
	TurnAccount(ctx context.Context, a Account, was int64) error
	// PutPassword writes the hash of a new password, and the family that changes
	// it, if the one in force is was; a Conflict Fault record.stale otherwise.
	PutPassword(ctx context.Context, account, was, hash, family string) error
	InsertFamily(ctx context.Context, f Family) error
	Family(ctx context.Context, id string) (Family, error)
	// TurnFamily replaces a family if its counter is was; a Conflict Fault otherwise.
	TurnFamily(ctx context.Context, f Family, was int64) error
	PutDevice(ctx context.Context, d Device) error
	DropDevice(ctx context.Context, id, person string) error
}

// SignIns keeps what is between a password and a session, and lists sessions.
type SignIns interface {
	InsertTicket(ctx context.Context, t Ticket) error
	// Ticket returns fault.Absent if there is none.
	Ticket(ctx context.Context, id string) (Ticket, error)
	// UseTicket removes a ticket. Of any number of callers exactly one
	// succeeds; the others get fault.Absent.
	UseTicket(ctx context.Context, id string) error
	// Families lists a person's families that are not revoked, oldest first.
	Families(ctx context.Context, tenant, person string) ([]Family, error)
	// RevokeFamilies revokes all families of a person but one, "" for none.
	RevokeFamilies(ctx context.Context, tenant, person, but string) error
}

// Rosters keeps a tenant's roster, and the people that its decisions change.
type Rosters interface {
	// Roster returns the empty roster if nothing was decided yet.
	Roster(ctx context.Context, tenant string) (Roster, error)
	// TurnRoster writes a roster, and with it a policy if there is one, in one
	// write if the version is was; a Conflict Fault record.stale otherwise.
	TurnRoster(ctx context.Context, tenant string, r Roster, p *Policy, was int64) error
	// People lists everybody of a tenant in order of id.
	People(ctx context.Context, tenant string) ([]casefile.Person, error)
	// Revise carries a decision out on a person, unless a later one was.
	Revise(ctx context.Context, tenant, person string, r Revision) error
	// AddTie adds a tie to a person. It returns fault.Absent if there is none.
	AddTie(ctx context.Context, tenant, person string, t casefile.Tie) error
}

// Loader writes what imports bring in: all of a call or nothing is visible.
type Loader interface {
	Roster(ctx context.Context, tenant string) (Roster, error)
	TurnRoster(ctx context.Context, tenant string, r Roster, p *Policy, was int64) error
	PutTenant(ctx context.Context, t Tenant) error
	PutAreas(ctx context.Context, tenant string, areas []grid.Area) error
	PutGrids(ctx context.Context, tenant string, grids []grid.Grid) error
	PutPerson(ctx context.Context, p casefile.Person, a Account) error
	Areas(ctx context.Context, tenant string) ([]grid.Area, error)
}
