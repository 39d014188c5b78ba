// Package workflow holds the use cases, one method a command: each authorises,
// changes one record by a move of its table and hands the effects to the relay.
//
// It is the only writer of records. It knows no HTTP and no database; what it
// needs of storage stands in store.go.
package workflow

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"gridwatch/media"
	"gridwatch/media/copies"
	"gridwatch/media/redact"
	"gridwatch/media/scrub"
	"gridwatch/media/upload"
	"gridwatch/schemas/catalog/retention"
	"gridwatch/server/audit"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/grid"
	"gridwatch/server/reward"
	"gridwatch/server/vault"
)

// maxTries bounds how often a command is decided again after the record
// changed under it.
const maxTries = 16

// Push is a notice that waits to be sent: an effect of a record for a person.
type Push struct {
	Record string
	Seq    int64
	Tenant string
	Person string
	Kind   string
	Ref    string
	At     time.Time
}

// Pushes queues notices durably. A record's effect enters once for a person,
// however often it is queued.
type Pushes interface {
	Queue(ctx context.Context, p Push) error
}

// Deps is everything a Service needs.
type Deps struct {
	Reports   Reports
	Tasks     Tasks
	Visits    Records[casefile.Visit]
	Hazards   Records[casefile.Hazard]
	Penalties Records[casefile.Penalty]
	Awards    Awards
	Openings  Openings
	Rings     RingRecords
	Leads     Records[casefile.Lead]
	Approvals Records[casefile.Approval]
	Contacts  Records[casefile.ContactUse]
	Held      Records[casefile.Held]
	Batches   Records[casefile.Batch]
	Payouts   Records[casefile.Payout]
	Envelopes Envelopes
	Messages  Messages
	Uploads   upload.Store
	CopyJobs  CopyJobs
	Claims    Claims

	WrappedKeys WrappedKeys
	Erasures    Erasures
	Leases      Leases
	Terms       retention.Terms

	Chains    Chains
	Prints    Prints
	Pending   Pending
	Directory Directory
	Accounts  Accounts
	SignIns   SignIns
	Rosters   Rosters
	Ledger    reward.Ledger

	Statistics Statistics

	Pushes Pushes // nil when push is off: the pull list is enough
	Audit  *audit.Log

	Gateway   Gateway // for contacts; nil when there is none
	HandOvers Pushes  // queues what goes to the gateway; nil with it

	Media    *media.Ingest
	Cleaner  *scrub.Cleaner
	Copies   *copies.Maker
	Painter  *redact.Painter
	Keyring  *vault.Keyring
	Hasher   *vault.Hasher
	Passkeys *webauthn.WebAuthn // nil when there are none: TOTP is enough
	Schemes  []reward.Scheme

	Now    func() time.Time
	Random io.Reader
	Log    *slog.Logger
}

// Service carries commands out. It may be used by many goroutines and by many
// processes on one store.
type Service struct {
	Deps
	kick   chan struct{}          // to the relay
	copy   map[Lane]chan struct{} // to the copiers
	closed atomic.Bool            // intake, while the clock is wrong
	mu     sync.Mutex
	grids  map[string]gridSet
	albums map[string]*album // by tenant
	stamps *stamps
}

type gridSet struct {
	index *grid.Index
	until time.Time
}

// New returns a Service.
func New(d Deps) *Service {
	return &Service{Deps: d, kick: make(chan struct{}, 1), copy: copyKicks(), grids: map[string]gridSet{}, albums: map[string]*album{}, stamps: newStamps()}
}

// Call is who asks, and how often asked it is the same thing.
type Call struct {
	Actor   casefile.Actor
	Route   string        // method and pattern; scope of the key
	Key     vault.IdemKey // of a command
	Body    []byte        // JSON of the command
	Files   []vault.File  // that came with it
	IfMatch int64         // version the caller saw; 0 does not ask
}

// now is the time as records keep it: UTC, whole milliseconds.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Millisecond) }

func (s *Service) newID() (string, error) { return vault.NewID(s.Random) }

// record is any record a command can change.
type record[T any] interface {
	*T
	Header() *casefile.Head
	Subject() casefile.Subject
}

// keys returns the hashes of a call's key and the tag of its body. The record's
// id is part of the body: the same key on another record is another command.
func (s *Service) keys(call Call, id string) ([]string, vault.BodyTag, error) {
	body := call.Body
	if len(body) == 0 {
		body = []byte("null")
	}
	canonical, err := vault.Canonical(body, call.Files...)
	if err != nil {
		return nil, vault.BodyTag{}, err
	}
	keys := s.Keyring.KeyHashes(call.Key, call.Actor.Tenant, call.Actor.Name(), call.Route, id)
	return keys, call.Key.Tag(canonical), nil
}

// repeat answers a command that was carried out before.
func (s *Service) repeat(h *casefile.Head, keys []string, tag vault.BodyTag) (casefile.Outcome, bool, error) {
	e, ok := h.Find(keys)
	if !ok {
		return casefile.Outcome{}, false, nil
	}
	if !s.Keyring.SameBody(e.Tag, tag) {
		return casefile.Outcome{}, true, errOtherBody()
	}
	return e.Outcome(h.ID), true, nil
}

func errOtherBody() error {
	return fault.New(fault.Conflict, "idempotency.other_body", "this key was used with another body")
}

// load reads a record the actor may do an action on; what the actor may not
// know of is answered as if it did not exist.
func load[T any, P record[T]](ctx context.Context, actor casefile.Actor, of Records[T], id string, action casefile.Action) (P, error) {
	rec, err := of.Get(ctx, actor.Tenant, id)
	if err != nil {
		return nil, err
	}
	if !actor.May(action, P(rec).Subject()) {
		return nil, fault.Absent()
	}
	return P(rec), nil
}

// listed lists records in the areas where the actor may do an action.
func listed[T any, P record[T]](ctx context.Context, actor casefile.Actor, of Records[T], action casefile.Action, q Query) ([]T, error) {
	q.Tenant, q.Areas = actor.Tenant, actor.Reach(action)
	return page[T, P](ctx, actor, of, action, q)
}

// page lists records after the one that the cursor names. A cursor of a record
// that the actor may not know of is one that no page gave.
func page[T any, P record[T]](ctx context.Context, actor casefile.Actor, of Records[T], action casefile.Action, q Query) ([]T, error) {
	if q.After.ID != "" {
		last, err := load[T, P](ctx, actor, of, q.After.ID, action)
		if fault.KindOf(err) == fault.NotFound {
			return nil, fault.New(fault.Invalid, "page.cursor", "a cursor is what the page before gave as next").At("?cursor")
		}
		if err != nil {
			return nil, err
		}
		q.After.At = last.Header().At
	}
	return of.List(ctx, q)
}

// change carries a command out on a record: read, authorise, find a repeat, do,
// check the move, write if nothing changed meanwhile; otherwise again. Do sets
// the event's command (and To, where a command can lead to several states) and
// changes the record it is given, which is a copy until it is written.
func change[T any, P record[T]](
	ctx context.Context, s *Service, call Call, of Records[T], table casefile.Table, id string, action casefile.Action,
	do func(P, *casefile.Event) ([]casefile.Effect, error),
) (casefile.Outcome, error) {
	keys, tag, err := s.keys(call, id)
	if err != nil {
		return casefile.Outcome{}, err
	}
	for range maxTries {
		rec, err := load[T, P](ctx, call.Actor, of, id, action)
		if err != nil {
			return casefile.Outcome{}, err
		}
		head := rec.Header()
		if out, ok, err := s.repeat(head, keys, tag); ok {
			return out, err
		}
		if call.Actor.Tied(rec.Subject()) {
			return casefile.Outcome{}, errTied()
		}
		if call.IfMatch != 0 && call.IfMatch != head.Version {
			return casefile.Outcome{}, fault.New(fault.Conflict, "record.changed", "the record changed since it was read; read it again")
		}
		out, err := move(ctx, s, rec, of, table, casefile.Event{
			At: s.now(), By: call.Actor.Name(), Key: keys[0], Tag: s.Keyring.StoredTag(tag),
		}, do)
		if fault.CodeOf(err) == "record.stale" {
			continue
		}
		return out, err
	}
	return casefile.Outcome{}, fault.New(fault.Busy, "record.contended", "the record is being changed by others; try again")
}

// move applies one event to a record that was read and writes it.
func move[T any, P record[T]](
	ctx context.Context, s *Service, rec P, of Records[T], table casefile.Table, e casefile.Event,
	do func(P, *casefile.Event) ([]casefile.Effect, error),
) (casefile.Outcome, error) {
	head := rec.Header()
	was := head.Version
	effects, err := do(rec, &e)
	if err != nil {
		return casefile.Outcome{}, err
	}
	if e.To == casefile.New {
		if e.To, err = table.To(head.State, e.Command); err != nil {
			return casefile.Outcome{}, err
		}
	}
	if err := head.Record(table, e, effects...); err != nil {
		return casefile.Outcome{}, err
	}
	if err := of.Update(ctx, rec, was); err != nil {
		return casefile.Outcome{}, err
	}
	s.Kick()
	return head.Timeline[len(head.Timeline)-1].Outcome(head.ID), nil
}

// create makes a record under an id that derives from the call's key, so that
// a repeat finds it. Build fills the record; its head is filled here.
func create[T any, P record[T]](
	ctx context.Context, s *Service, call Call, of Records[T], table casefile.Table,
	build func(P, *casefile.Event) ([]casefile.Effect, error),
) (casefile.Outcome, error) {
	ids := s.Keyring.RecordIDs(call.Key, call.Actor.Tenant, call.Actor.Name(), call.Route)
	return createAs(ctx, s, call, of, table, ids, build)
}

// createAs is create with the candidates for the id given: the first is used.
func createAs[T any, P record[T]](
	ctx context.Context, s *Service, call Call, of Records[T], table casefile.Table, ids []string,
	build func(P, *casefile.Event) ([]casefile.Effect, error),
) (casefile.Outcome, error) {
	keys, tag, err := s.keys(call, "")
	if err != nil {
		return casefile.Outcome{}, err
	}
	out, found, err := findMade[T, P](ctx, s, call, of, ids, keys, tag)
	if found || err != nil {
		return out, err
	}
	rec := P(new(T))
	head := rec.Header()
	head.ID, head.Tenant = ids[0], call.Actor.Tenant
	e := casefile.Event{At: s.now(), By: call.Actor.Name(), Key: keys[0], Tag: s.Keyring.StoredTag(tag)}
	effects, err := build(rec, &e)
	if err != nil {
		return casefile.Outcome{}, err
	}
	if call.Actor.Tied(rec.Subject()) {
		return casefile.Outcome{}, errTied()
	}
	if e.To == casefile.New {
		if e.To, err = table.To(casefile.New, e.Command); err != nil {
			return casefile.Outcome{}, err
		}
	}
	if err := head.Record(table, e, effects...); err != nil {
		return casefile.Outcome{}, err
	}
	err = of.Insert(ctx, rec)
	if fault.CodeOf(err) == "record.exists" {
		if out, found, err = findMade[T, P](ctx, s, call, of, ids, keys, tag); !found && err == nil {
			err = errors.New("a record exists and cannot be read")
		}
		return out, err
	}
	if err != nil {
		return casefile.Outcome{}, err
	}
	s.Kick()
	return head.Timeline[0].Outcome(head.ID), nil
}

// findMade looks for what an earlier call with the same key made.
func findMade[T any, P record[T]](
	ctx context.Context, s *Service, call Call, of Records[T], ids, keys []string, tag vault.BodyTag,
) (casefile.Outcome, bool, error) {
	for _, id := range ids {
		rec, err := of.Get(ctx, call.Actor.Tenant, id)
		if fault.KindOf(err) == fault.NotFound {
			continue
		}
		if err != nil {
			return casefile.Outcome{}, false, err
		}
		out, ok, err := s.repeat(P(rec).Header(), keys, tag)
		if !ok {
			err = fault.New(fault.Conflict, "record.exists", "there is such a record already")
		}
		return out, true, err
	}
	return casefile.Outcome{}, false, nil
}

// gridsOf returns the index of a tenant's grids, at most a minute old.
func (s *Service) gridsOf(ctx context.Context, tenant string) (*grid.Index, error) {
	s.mu.Lock()
	set, ok := s.grids[tenant]
	s.mu.Unlock()
	now := s.now()
	if ok && now.Before(set.until) {
		return set.index, nil
	}
	grids, err := s.Directory.Grids(ctx, tenant)
	if err != nil {
		return nil, err
	}
	set = gridSet{index: grid.NewIndex(grids, now), until: now.Add(time.Minute)}
	s.mu.Lock()
	s.grids[tenant] = set
	s.mu.Unlock()
	return set.index, nil
}

// place converts a position as it was sent.
func place(p grid.Place, pointer string) (casefile.Place, grid.WGS84, error) {
	at, err := p.WGS84(pointer)
	if err != nil {
		return casefile.Place{}, grid.WGS84{}, err
	}
	return casefile.Place{
		Lon: at.Lon, Lat: at.Lat, AccuracyM: p.AccuracyM, Datum: string(p.Datum), SentLon: p.Lon, SentLat: p.Lat,
	}, at, nil
}

// located is a place as it is kept, with the code of its area and of its grid.
type located struct {
	casefile.Place
	area string // the grid's code, else the tenant's area
	grid string // "" outside every grid
}

// locate finds out where a place lies that was sent at a pointer.
func (s *Service) locate(ctx context.Context, t Tenant, p grid.Place, pointer string) (located, error) {
	at, point, err := place(p, pointer)
	if err != nil {
		return located{}, err
	}
	index, err := s.gridsOf(ctx, t.ID)
	if err != nil {
		return located{}, err
	}
	if g, ok := index.Locate(point); ok {
		return located{Place: at, area: string(g.Code), grid: string(g.Code)}, nil
	}
	return located{Place: at, area: t.Area}, nil
}

// SetClock opens the intake or closes it: the order of reporters is the order
// of the servers' clocks, so a process whose clock is more than two seconds off
// the database's takes no reports in.
func (s *Service) SetClock(right bool) { s.closed.Store(!right) }

// Intake refuses while the clock is wrong.
func (s *Service) Intake() error {
	if s.closed.Load() {
		return fault.New(fault.Busy, "server.clock", "this server's clock is being set; send the same again in a minute")
	}
	return nil
}
