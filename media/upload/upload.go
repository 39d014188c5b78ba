// Package upload takes in evidence in pieces, over a network that breaks: what
// was acknowledged is durable and goes on where it stopped, on any process.
//
// A piece becomes parts that are sealed one by one; the record of an upload
// names the parts in force and is written before a piece is acknowledged. A
// lease keeps two writers apart and its term is in the name of every part, so
// that a late one changes nothing. Apart from the parts no byte of it is kept.
//
// It knows no HTTP, no records and no rights: who may send, and what becomes of
// the item, is its caller's.
package upload

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"time"

	"gridwatch/media"
	"gridwatch/media/kind"
	"gridwatch/media/probe"
)

// Errors of a piece.
var (
	ErrNone     = errors.New("upload: there is no such upload")
	ErrExists   = errors.New("upload: there is such an upload")
	ErrEnded    = errors.New("upload: it has ended")
	ErrLocked   = errors.New("upload: another request sends to it")
	ErrOffset   = errors.New("upload: the piece begins elsewhere")
	ErrTooLong  = errors.New("upload: the piece goes beyond the declared length")
	ErrChecksum = errors.New("upload: the piece does not have its checksum")
	ErrFenced   = errors.New("upload: the lease was taken over")
	ErrKind     = errors.New("upload: the content is not of the kind that was announced")
)

const (
	// Lease is how long an upload stays locked after its writer was last seen.
	Lease = 10 * time.Second
	renew = 3 * time.Second // the lease is renewed this often while bytes come
	// fair is the size of a part below which the next piece takes it up again:
	// pieces of any size make parts of at least this size.
	fair = 512 << 10
	// note is how many bytes are read before an unbroken piece is noted.
	note = 8 << 20
	// ending is how long the last writes of a piece may take that broke off.
	ending = 10 * time.Second
)

// Stage says how far an upload is.
type Stage string

// The stages.
const (
	Open     Stage = "open"     // takes pieces
	Whole    Stage = "whole"    // all is here and as declared
	Rejected Stage = "rejected" // see Reason
)

// Upload is the record of an upload. Nothing of its name, digest or declared
// length is in clear: that stands in Sealed. How much of it is here, the parts
// tell in the object store too.
type Upload struct {
	ID      string      `bson:"_id"`
	Tenant  string      `bson:"tenant"`
	Of      string      `bson:"of"`     // what kind of record it is for; the caller's
	Record  string      `bson:"record"` // id of the record; the caller's
	Item    string      `bson:"item"`
	Owner   string      `bson:"owner"` // who may send; the caller's
	Object  string      `bson:"object"`
	Parts   int         `bson:"parts"`
	Runs    []media.Run `bson:"runs"`
	Sealed  []byte      `bson:"sealed"`   // State
	Key     []byte      `bson:"key"`      // the item's keys, wrapped; the caller's
	CopyKey []byte      `bson:"copy_key"` // both gone once it is settled
	Stage   Stage       `bson:"stage"`
	Reason  string      `bson:"reason"`  // code, of a rejected one
	Begun   bool        `bson:"begun"`   // the right was used
	Settled bool        `bson:"settled"` // the record of the item knows the end
	Term    int64       `bson:"term"`    // of the lease
	Until   time.Time   `bson:"until"`   // of the lease
	Expires time.Time   `bson:"expires"`
}

// Ref names the parts in force.
func (u *Upload) Ref() media.Ref { return media.Ref{Object: u.Object, Parts: u.Parts, Runs: u.Runs} }

func (u *Upload) take(ref media.Ref) { u.Parts, u.Runs = ref.Parts, ref.Runs }

// State is what is known of the content. It identifies its sender.
type State struct {
	Length int64      `json:"length"` // bytes, declared
	Offset int64      `json:"offset"` // bytes that are durable
	Want   []byte     `json:"want"`   // SHA-256 as declared; nil if it was not
	Name   string     `json:"name"`   // of the file, as its sender calls it
	Sum    []byte     `json:"sum"`    // state of SHA-256 at Offset
	Class  kind.Class `json:"class"`  // as announced
	Said   []byte     `json:"said"`   // what the sender says of it besides; the caller's
	SHA256 []byte     `json:"sha256"` // of a whole upload

	// What the content is, once the first bytes are here.
	Type    string      `json:"type"`  // media type
	Width   int         `json:"width"` // pixels, of a JPEG or PNG
	Height  int         `json:"height"`
	Capture probe.Facts `json:"capture"`
}

// Store keeps the records of uploads.
type Store interface {
	// Insert returns ErrExists if the id is taken.
	Insert(ctx context.Context, u Upload) error
	// Get returns ErrNone if there is none in the tenant.
	Get(ctx context.Context, tenant, id string) (Upload, error)
	// Lease locks an upload until a time, under the next term, and returns it as
	// it is then; ErrLocked if it is locked at now, ErrNone if it is gone.
	Lease(ctx context.Context, tenant, id string, now, until time.Time) (Upload, error)
	// Save replaces an upload if the stored term is its term; ErrFenced otherwise.
	// Keys that it has stay as they are stored: they may have been wrapped anew
	// since it was read. Those that it has no more go.
	Save(ctx context.Context, u Upload) error
	// Delete removes an upload. That there is none is not an error.
	Delete(ctx context.Context, tenant, id string) error
	// Ended lists uploads that expired before a time, those that came to an end
	// which their record does not know, and those with a lease that ended before
	// the time and was not given back, after an id.
	Ended(ctx context.Context, before time.Time, after string, limit int) ([]Upload, error)
}

// Uploads takes pieces in. It may be used by many goroutines and by many
// processes on one Store.
type Uploads struct {
	Store Store
	Media *media.Ingest
	Now   func() time.Time
}

// New returns the record of an upload that nothing of has come yet. The caller
// fills in what is its own.
func New(id, object string, s State, key media.Sealer, expires time.Time) (Upload, error) {
	s.Sum, s.Offset = nil, 0
	u := Upload{ID: id, Object: object, Stage: Open, Expires: expires}
	return u, u.seal(key, s)
}

func stateAD(id string) []byte { return []byte("upload/" + id + "/state") }

func (u *Upload) seal(key media.Sealer, s State) error {
	text, err := json.Marshal(s)
	if err != nil {
		return errors.New("upload: the state has no JSON")
	}
	u.Sealed, err = key.SealTo(nil, text, stateAD(u.ID))
	if err != nil {
		return fmt.Errorf("seal state: %w", err)
	}
	return nil
}

// State opens what is known of the content.
func (u *Upload) State(key media.Sealer) (State, error) {
	var s State
	text, err := key.Open(u.Sealed, stateAD(u.ID))
	if err != nil {
		return s, fmt.Errorf("open state: %w", err)
	}
	if json.Unmarshal(text, &s) != nil {
		return s, errors.New("upload: the state is not JSON")
	}
	return s, nil
}

// Keys are the two keys of an item: of its bytes and of what is known of them.
type Keys struct {
	Content media.Sealer
	State   media.Sealer
}

// reasonOf is the code by which an error rejects the whole upload, "" if it
// does not.
func reasonOf(err error) string {
	for is, code := range map[error]string{
		media.ErrType: "evidence.type", media.ErrBroken: "evidence.broken", media.ErrPixels: "evidence.pixels",
		media.ErrDigest: "evidence.digest", ErrKind: "evidence.kind",
	} {
		if errors.Is(err, is) {
			return code
		}
	}
	return ""
}

// lock leases an upload that takes pieces.
func (us *Uploads) lock(ctx context.Context, u Upload) (Upload, error) {
	now := us.Now()
	if err := u.check(now); err != nil {
		return u, err
	}
	locked, err := us.Store.Lease(ctx, u.Tenant, u.ID, now, now.Add(Lease))
	if err != nil {
		return u, err
	}
	if err := locked.check(now); err != nil {
		return u, errors.Join(err, us.unlock(ctx, locked))
	}
	return locked, nil
}

func (us *Uploads) unlock(ctx context.Context, u Upload) error {
	u.Until = time.Time{}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ending)
	defer cancel()
	if err := us.Store.Save(ctx, u); !errors.Is(err, ErrFenced) {
		return err
	}
	return nil
}

// check returns ErrEnded unless the upload can still take a piece.
func (u *Upload) check(now time.Time) error {
	if u.Stage != Open || !now.Before(u.Expires) {
		return ErrEnded
	}
	return nil
}

// Begin notes what the sender says when the upload is created: the name of its
// file. It may be said again, until bytes have come.
func (us *Uploads) Begin(ctx context.Context, u Upload, key media.Sealer, name string) (Upload, error) {
	u, err := us.lock(ctx, u)
	if err != nil {
		return u, err
	}
	s, err := u.State(key)
	if err == nil && s.Offset == 0 {
		s.Name = name
		u.Begun = true
		err = u.seal(key, s)
	}
	return u, errors.Join(err, us.unlock(ctx, u))
}

// Reject ends an upload for a reason and removes what it had stored.
func (us *Uploads) Reject(ctx context.Context, u Upload, reason string) (Upload, error) {
	locked, err := us.Store.Lease(ctx, u.Tenant, u.ID, us.Now(), us.Now().Add(Lease))
	if err != nil {
		return u, err
	}
	if locked.Stage == Open {
		return us.reject(ctx, locked, reason)
	}
	return locked, us.unlock(ctx, locked)
}

// reject returns the upload as it was if that could not be noted.
func (us *Uploads) reject(ctx context.Context, u Upload, reason string) (Upload, error) {
	over := u
	over.Stage, over.Reason, over.Until = Rejected, reason, time.Time{}
	over.take(media.Ref{})
	if err := us.Store.Save(ctx, over); err != nil {
		return u, err
	}
	return over, us.Media.Delete(ctx, u.Ref())
}

// Release gives the lease of a writer back that was killed: it would say when
// that was.
func (us *Uploads) Release(ctx context.Context, u Upload) error {
	locked, err := us.Store.Lease(ctx, u.Tenant, u.ID, us.Now(), us.Now().Add(Lease))
	if err != nil {
		return err
	}
	return us.unlock(ctx, locked)
}

// Settle notes that the record of the item knows how an upload ended, which may
// take pieces no more.
func (us *Uploads) Settle(ctx context.Context, u Upload) error {
	u.Settled, u.Key, u.CopyKey = true, nil, nil
	if err := us.Store.Save(ctx, u); !errors.Is(err, ErrFenced) {
		return err
	}
	locked, err := us.Store.Lease(ctx, u.Tenant, u.ID, us.Now(), us.Now().Add(Lease))
	if errors.Is(err, ErrLocked) || errors.Is(err, ErrNone) {
		return nil // another does it, or it is done
	}
	if err != nil {
		return err
	}
	locked.Settled, locked.Key, locked.CopyKey = true, nil, nil
	return us.unlock(ctx, locked)
}

func sumAt(s State) (hash.Hash, error) {
	sum := sha256.New()
	if len(s.Sum) == 0 {
		return sum, nil
	}
	back, ok := sum.(encoding.BinaryUnmarshaler)
	if !ok || back.UnmarshalBinary(s.Sum) != nil {
		return nil, errors.New("upload: the state of the digest is not one")
	}
	return sum, nil
}

func stateOf(sum hash.Hash) ([]byte, error) {
	m, ok := sum.(encoding.BinaryMarshaler)
	if !ok {
		return nil, errors.New("upload: a digest without a state")
	}
	return m.MarshalBinary() //nolint:wrapcheck // never fails
}
