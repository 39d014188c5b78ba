package vault

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
)

// ErrNotOpened means that sealed bytes were changed, cut, moved to another
// place, or sealed under another key. Which of these cannot be told.
var ErrNotOpened = errors.New("vault: sealed bytes do not open here")

// DataKey seals the fields and items of one record (confidentiality 5). It is
// safe for use by several goroutines. Destroying its wrapped form is erasure.
type DataKey struct {
	secret
	aead hidden[cipher.AEAD]
}

// A wrapped data key begins with a mark and the id of the key it is wrapped
// under, so that it is known wherever it lies and an old key is removed only
// when nothing is wrapped under it.
const (
	wrapMark    = "gw\x01\x0bkey\x00"
	wrapIDBytes = 4
	// WrappedLen is the length of a wrapped data key in bytes.
	WrappedLen = len(wrapMark) + wrapIDBytes + keyBytes + 28
)

// WrappedUnder returns the id of the key that bytes are wrapped under, and
// whether they begin with a wrapped data key at all.
func WrappedUnder(b []byte) (string, bool) {
	if len(b) < WrappedLen || !bytes.HasPrefix(b, []byte(wrapMark)) {
		return "", false
	}
	return hex.EncodeToString(b[len(wrapMark):][:wrapIDBytes]), true
}

// NewDataKey returns a new data key for a record and its wrapped form, which
// is stored with the record and opens for that record id only.
func (k *Keyring) NewDataKey(record string, random io.Reader) (*DataKey, []byte, error) {
	raw := make([]byte, keyBytes)
	if _, err := io.ReadFull(random, raw); err != nil {
		return nil, nil, fmt.Errorf("vault: new data key: %w", err)
	}
	key, err := newDataKey(raw)
	if err != nil {
		return nil, nil, err
	}
	wrapped, err := k.wrap(record, raw)
	return key, wrapped, err
}

func (k *Keyring) wrap(record string, raw []byte) ([]byte, error) {
	by := k.keys()[AtRest][0]
	wrapper, err := newDataKey(by.Key)
	if err != nil {
		return nil, err
	}
	sealed, err := wrapper.Seal(raw, AD("data_key", record, ""))
	if err != nil {
		return nil, err
	}
	id, err := hex.DecodeString(by.ID)
	return slices.Concat([]byte(wrapMark), id, sealed), err
}

func (k *Keyring) unwrap(record string, wrapped []byte) ([]byte, error) {
	id, ok := WrappedUnder(wrapped)
	if !ok || len(wrapped) != WrappedLen {
		return nil, ErrNotOpened
	}
	by, err := k.key(AtRest, id)
	if err != nil {
		return nil, errors.Join(ErrNotOpened, err)
	}
	wrapper, err := newDataKey(by)
	if err != nil {
		return nil, err
	}
	raw, err := wrapper.Open(wrapped[WrappedLen-keyBytes-28:], AD("data_key", record, ""))
	if err != nil {
		return nil, ErrNotOpened
	}
	return raw, nil
}

// OpenDataKey unwraps the data key of a record. It returns ErrNotOpened if it
// is another record's, and with it ErrNoKey if the keyring has lost the key.
func (k *Keyring) OpenDataKey(record string, wrapped []byte) (*DataKey, error) {
	raw, err := k.unwrap(record, wrapped)
	if err != nil {
		return nil, err
	}
	return newDataKey(raw)
}

// Rewrap wraps a record's data key again, under the key that is in use. The
// data key stays the same, and so does what it seals.
func (k *Keyring) Rewrap(record string, wrapped []byte) ([]byte, error) {
	raw, err := k.unwrap(record, wrapped)
	if err != nil {
		return nil, err
	}
	return k.wrap(record, raw)
}

func newDataKey(raw []byte) (*DataKey, error) {
	if len(raw) != keyBytes {
		return nil, errors.New("vault: not an AES-256 key")
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return nil, errors.New("vault: not an AES-256 key")
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, errors.New("vault: not an AES-256 key")
	}
	return &DataKey{aead: hide(aead)}, nil
}

// Seal encrypts plain and binds it to its place ad, made by AD. The answer is
// 28 bytes longer. One data key seals at most 2^32 pieces.
func (d *DataKey) Seal(plain, ad []byte) ([]byte, error) { return d.SealTo(nil, plain, ad) }

// SealTo is Seal that appends to dst. Plain may lie where the answer will
// begin: with 28 bytes of room behind it, it is sealed in its place.
func (d *DataKey) SealTo(dst, plain, ad []byte) ([]byte, error) {
	return d.aead().Seal(dst, nil, plain, ad), nil //nolint:gosec // G407: the AEAD draws the nonce itself
}

// Open returns what Seal was given. It returns ErrNotOpened if sealed was not
// made by this key for this place.
func (d *DataKey) Open(sealed, ad []byte) ([]byte, error) {
	plain, err := d.aead().Open(nil, nil, sealed, ad)
	if err != nil {
		return nil, ErrNotOpened
	}
	return plain, nil
}

// AD returns the associated data that binds sealed bytes to one field of one
// record of a kind. Different places never give the same bytes.
func AD(kind, record, field string) []byte { return frame(texts(kind, record, field)...) }
