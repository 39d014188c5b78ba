package workflow

import (
	"context"
	"time"

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
	// Before lists envelopes written before a time, for the sweep.
	Before(ctx context.Context, at time.Time, after string, limit int) ([]Envelope, error)
}

// Reports adds to Records what only reports are asked for.
type Reports interface {
	Records[casefile.Report]
	// ByReceipt finds a report by any of the keyed hashes of its receipt code.
	ByReceipt(ctx context.Context, hashes []string) (*casefile.Report, error)
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
	ID     string `bson:"_id" json:"id"` // short and stable, not an area code
	Name   string `bson:"name" json:"name"`
	Area   string `bson:"area" json:"area"` // county code
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
	MaxItems     int `bson:"max_items" json:"maxItems"`         // evidence items of a report
}

// Account is how a person signs in. Its id is tenant:login.
type Account struct {
	ID       string    `bson:"_id"`
	Tenant   string    `bson:"tenant"`
	Person   string    `bson:"person"`
	Hash     string    `bson:"hash"`     // argon2id
	Failures int       `bson:"failures"` // in a row
	Until    time.Time `bson:"until"`    // no try before
}

// Family is one sign-in on one device and its refresh tokens (writes.md).
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
	// Failed counts a wrong password and sets the time of the next try.
	Failed(ctx context.Context, id string, failures int, until time.Time) error
	InsertFamily(ctx context.Context, f Family) error
	Family(ctx context.Context, id string) (Family, error)
	// TurnFamily replaces a family if its counter is was; a Conflict Fault otherwise.
	TurnFamily(ctx context.Context, f Family, was int64) error
	PutDevice(ctx context.Context, d Device) error
	DropDevice(ctx context.Context, id, person string) error
}

// Loader writes what imports bring in: all of a call or nothing is visible.
type Loader interface {
	PutTenant(ctx context.Context, t Tenant) error
	PutAreas(ctx context.Context, tenant string, areas []grid.Area) error
	PutGrids(ctx context.Context, tenant string, grids []grid.Grid) error
	PutPerson(ctx context.Context, p casefile.Person, a Account) error
	Areas(ctx context.Context, tenant string) ([]grid.Area, error)
}
