package vault

import (
	"errors"
	"fmt"
	"io"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
)

// ErrNotOpened means that sealed bytes were changed, cut, moved to another
// place, or sealed under another key. Which of these cannot be told.
var ErrNotOpened = errors.New("vault: sealed bytes do not open here")

// DataKey seals the fields and items of one record (confidentiality 5). It is
// safe for use by several goroutines. Destroying its wrapped form is erasure.
type DataKey struct {
	secret
	aead hidden[*subtle.AESGCM]
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
	wrapper, err := newDataKey(k.keys()[AtRest][0].Key)
	if err != nil {
		return nil, nil, err
	}
	wrapped, err := wrapper.Seal(raw, AD("data_key", record, ""))
	if err != nil {
		return nil, nil, err
	}
	return key, wrapped, nil
}

// OpenDataKey unwraps the data key of a record, under whichever key of the
// keyring it was wrapped. It returns ErrNotOpened if there is none.
func (k *Keyring) OpenDataKey(record string, wrapped []byte) (*DataKey, error) {
	for _, e := range k.keys()[AtRest] {
		wrapper, err := newDataKey(e.Key)
		if err != nil {
			return nil, err
		}
		if raw, err := wrapper.Open(wrapped, AD("data_key", record, "")); err == nil {
			return newDataKey(raw)
		}
	}
	return nil, ErrNotOpened
}

func newDataKey(raw []byte) (*DataKey, error) {
	aead, err := subtle.NewAESGCM(raw)
	if err != nil {
		return nil, errors.New("vault: not an AES-256 key")
	}
	return &DataKey{aead: hide(aead)}, nil
}

// Seal encrypts plain and binds it to its place ad, made by AD. The answer is
// 28 bytes longer. One data key seals at most 2^32 pieces.
func (d *DataKey) Seal(plain, ad []byte) ([]byte, error) { return d.aead().Encrypt(plain, ad) }

// Open returns what Seal was given. It returns ErrNotOpened if sealed was not
// made by this key for this place.
func (d *DataKey) Open(sealed, ad []byte) ([]byte, error) {
	plain, err := d.aead().Decrypt(sealed, ad)
	if err != nil {
		return nil, ErrNotOpened
	}
	return plain, nil
}

// AD returns the associated data that binds sealed bytes to one field of one
// record of a kind. Different places never give the same bytes.
func AD(kind, record, field string) []byte { return frame(texts(kind, record, field)...) }
