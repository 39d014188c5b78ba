package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"gridwatch/media/blob"
	"gridwatch/server/fault"
)

// objects is the object store as the program uses it: one that is away is a
// reason to try again, as a database is.
type objects struct{ *blob.Store }

var errStoreAway = fault.New(fault.Busy, "store.busy", "the store of evidence is away; try again")

func busy(err error) error {
	if errors.Is(err, blob.ErrAway) {
		return fmt.Errorf("%w: %w", errStoreAway, err)
	}
	return err
}

// Put stores body under key.
func (o objects) Put(ctx context.Context, key string, body []byte) error {
	return busy(o.Store.Put(ctx, key, body))
}

// Get returns what is under key.
func (o objects) Get(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	body, size, err := o.Store.Get(ctx, key)
	return body, size, busy(err)
}

// Delete removes key.
func (o objects) Delete(ctx context.Context, key string) error {
	return busy(o.Store.Delete(ctx, key))
}

// List visits keys with the prefix.
func (o objects) List(ctx context.Context, prefix string, visit func(key string, modified time.Time) error) error {
	return busy(o.Store.List(ctx, prefix, visit))
}

// Lock keeps key before a time.
func (o objects) Lock(ctx context.Context, key string, until time.Time) error {
	return busy(o.Store.Lock(ctx, key, until))
}

// Hold keeps a locked key until the hold is lifted.
func (o objects) Hold(ctx context.Context, key string, on bool) error {
	return busy(o.Store.Hold(ctx, key, on))
}
