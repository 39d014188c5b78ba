package media

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"
)

// sealedMax bounds what Read takes from the store for one part: a full part
// and more than any sealing adds.
const sealedMax = MaxPartSize + 4<<10

// Read returns the clear content of what was stored at p, part by part, to be
// closed by the caller. It returns ErrDamaged if ref does not belong to p or
// the first part is not what was stored; reading returns ErrDamaged where a
// later part is not. The end is reached only when every part was.
func (in *Ingest) Read(ctx context.Context, ref Ref, key Sealer, p Place) (io.ReadCloser, error) {
	if at, ok := PlaceOf(ref.Object); !ok || at != p || ref.Parts < 1 {
		return nil, ErrDamaged
	}
	n := 0
	r := &reader{next: func() ([]byte, error) {
		if n == ref.Parts {
			return nil, io.EOF
		}
		n++
		return in.Part(ctx, ref, n, n == ref.Parts, key)
	}}
	r.fetch()
	if r.err != nil {
		return nil, r.err
	}
	r.skip = func(part int) { n = part }
	r.parts, r.runs = ref.Parts, ref.Runs
	if len(r.runs) == 0 {
		r.runs = []Run{{Parts: ref.Parts, Size: len(r.part)}}
	}
	return r, nil
}

// Part returns the clear content of part n, counted from 1, which was stored as
// the last or as one before it. It returns
// ErrDamaged if it is not what was stored.
func (in *Ingest) Part(ctx context.Context, ref Ref, n int, last bool, key Sealer) ([]byte, error) {
	sealed, err := in.SealedPart(ctx, ref, n)
	if err != nil {
		return nil, err
	}
	return OpenPart(sealed, ref, n, last, key)
}

// reader hands out one part after the other.
type reader struct {
	next func() ([]byte, error)
	part []byte
	err  error

	skip  func(part int) // so many parts are behind
	parts int
	runs  []Run // of all parts; of those of one go the last may be smaller
}

func (r *reader) fetch() { r.part, r.err = r.next() }

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	for len(r.part) == 0 && r.err == nil {
		r.fetch()
	}
	n := copy(p, r.part)
	r.part = r.part[n:]
	if n == 0 {
		return 0, r.err
	}
	return n, nil
}

// Close implements io.Closer. Reading after it returns fs.ErrClosed.
func (r *reader) Close() error {
	r.part, r.err = nil, fs.ErrClosed
	return nil
}

// Delete removes a stored item: the parts that ref names, locked ones too, and
// what else is listed under its object. That it is gone already is not an error;
// one that matches fs.ErrPermission says that object lock keeps it.
func (in *Ingest) Delete(ctx context.Context, ref Ref) error {
	if _, ok := PlaceOf(ref.Object); !ok {
		return errors.New("media: not a reference to a stored item")
	}
	for n := range ref.Parts { // a locked part is not listed
		if err := in.objects.Delete(ctx, ref.key(n+1)); err != nil {
			return err
		}
	}
	return in.remove(ctx, ref.Object)
}

// DropOthers removes what was written under ref's object up to a term and is not
// part of it. What has a later term is another writer's.
func (in *Ingest) DropOthers(ctx context.Context, ref Ref, term int64) error {
	return in.objects.List(ctx, ref.Object+"/", func(key string, _ time.Time) error {
		if ref.holds(key) || termOf(key) > term {
			return nil
		}
		return in.objects.Delete(ctx, key)
	})
}

// Lock (对象锁定) keeps the parts of an item from being removed before a time. It
// goes on where it broke off.
func (in *Ingest) Lock(ctx context.Context, ref Ref, until time.Time) error {
	if _, ok := PlaceOf(ref.Object); !ok {
		return errors.New("media: not a reference to a stored item")
	}
	for n := range ref.Parts {
		if err := in.objects.Lock(ctx, ref.key(n+1), until); err != nil {
			return err
		}
	}
	return nil
}

// Hold (保全) keeps the parts of a locked item whatever their time, until it is
// lifted.
func (in *Ingest) Hold(ctx context.Context, ref Ref, on bool) error {
	for n := range ref.Parts {
		if err := in.objects.Hold(ctx, ref.key(n+1), on); err != nil {
			return err
		}
	}
	return nil
}

func (in *Ingest) remove(ctx context.Context, object string) error {
	return in.objects.List(ctx, object+"/", func(key string, _ time.Time) error {
		return in.objects.Delete(ctx, key)
	})
}

// Sweep removes the items under the key prefix that no record owns and of
// which every part is older than olderThan, and parts that an owner does not
// name. It returns how many items and how many of such parts it removed.
// OlderThan must leave an upload and the insert of its record the time they may
// take. Owned is asked once for each old item and returns what the record names
// of it, nil if it names nothing; PlaceOf tells it the record. An item that
// fails is left, and the others go on, unless ctx is done; the error says how
// many were left.
func (in *Ingest) Sweep(ctx context.Context, prefix string, olderThan time.Time,
	owned func(ctx context.Context, object string) (*Ref, error),
) (int, error) {
	removed := 0
	var object string // the item whose parts are being listed
	var newest time.Time
	var keys []string
	left := 0
	var first error
	settle := func() error {
		if object == "" || !newest.Before(olderThan) {
			return nil
		}
		ref, err := owned(ctx, object)
		switch {
		case err != nil:
			return err
		case ref == nil:
			removed++
			return in.remove(ctx, object)
		}
		for _, key := range keys {
			if ref.holds(key) {
				continue
			}
			if err := in.objects.Delete(ctx, key); err != nil {
				return err
			}
			removed++
		}
		return nil
	}
	settled := func() error {
		if err := settle(); err != nil {
			left, first = left+1, cmp.Or(first, err)
		}
		return ctx.Err()
	}
	err := in.objects.List(ctx, prefix, func(key string, modified time.Time) error {
		if next := path.Dir(key); next != object {
			if err := settled(); err != nil {
				return err
			}
			object, newest, keys = next, modified, nil
		}
		keys = append(keys, key)
		if modified.After(newest) {
			newest = modified
		}
		return nil
	})
	if err == nil {
		err = settled()
	}
	if first != nil {
		err = errors.Join(err, fmt.Errorf("%d items are left to the next sweep; of the first: %w", left, first))
	}
	return removed, err
}
