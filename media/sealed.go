package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// SealedPart returns a part of a stored item as it lies in the store, for who
// has its key elsewhere. Parts count from 1. It returns ErrDamaged if there is
// none.
func (in *Ingest) SealedPart(ctx context.Context, ref Ref, n int) ([]byte, error) {
	body, size, err := in.objects.Get(ctx, ref.key(n))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: a part is missing", ErrDamaged)
	}
	if err != nil {
		return nil, err
	}
	sealed := make([]byte, max(0, min(size, sealedMax)))
	_, err = io.ReadFull(body, sealed)
	if err = errors.Join(err, body.Close()); err != nil {
		return nil, fmt.Errorf("read part: %w", err)
	}
	return sealed, nil
}

// OpenPart returns the clear content of what SealedPart returned, or ErrDamaged.
func OpenPart(sealed []byte, ref Ref, n int, last bool, key Sealer) ([]byte, error) {
	plain, err := key.Open(sealed, partAD(ref.key(n), last))
	if err != nil {
		return nil, fmt.Errorf("%w: a part does not open", ErrDamaged)
	}
	return plain, nil
}
