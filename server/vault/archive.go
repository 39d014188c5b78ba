package vault

import (
	"crypto/ed25519"
	"errors"
	"maps"
	"slices"
	"time"
)

// archiveClass is the first size class of an archive, in bytes. A report with
// few items is in it; each item has two keys of about 200 bytes.
const archiveClass = 8 << 10

// plainArchive is what is sealed to the rings: data keys by the name that each
// was wrapped for.
type plainArchive struct {
	Keys    map[string][]byte `json:"keys"`
	Binding string            `json:"binding"`
}

// SealAway (归档封存) seals the data keys of a record to both rings, by the names
// they are wrapped for: age(ring B, age(ring A, padded keys)). Once the wrapped
// keys are destroyed only both rings together can read what they seal. It
// returns ErrNotOpened if one of them does not open.
func (k *Keyring) SealAway(rings Rings, binding string, wrapped map[string][]byte) (Envelope, error) {
	plain := plainArchive{Keys: map[string][]byte{}, Binding: binding}
	for _, name := range slices.Sorted(maps.Keys(wrapped)) {
		raw, err := k.unwrap(name, wrapped[name])
		if err != nil {
			return Envelope{}, err
		}
		plain.Keys[name] = raw
	}
	padded, err := pad(plain, binding, archiveClass)
	if err != nil {
		return Envelope{}, err
	}
	inner, err := encrypt(padded, rings.a)
	if err != nil {
		return Envelope{}, err
	}
	outer, err := encrypt(inner, rings.b)
	if err != nil {
		return Envelope{}, err
	}
	return Envelope{File: outer, InnerDigest: digest(inner)}, nil
}

// Archive holds the data keys of a record that both rings opened.
type Archive struct {
	secret
	keys hidden[map[string]*DataKey]
}

// Key returns the data key that was wrapped for a name.
func (a *Archive) Key(name string) (*DataKey, bool) {
	key, ok := a.keys()[name]
	return key, ok
}

// OpenArchive is Open for what SealAway sealed.
func OpenArchive(
	ring []*RingKey, once *RequestKey, verify ed25519.PublicKey, layer PeeledLayer, sealed Sealed, req Request, now time.Time,
) (*Archive, error) {
	padded, err := openLayer(ring, once, verify, layer, sealed.InnerDigest, req, now)
	if err != nil {
		return nil, err
	}
	var plain plainArchive
	if unpad(padded, &plain) != nil {
		return nil, ErrUnreadable
	}
	if !same(plain.Binding, sealed.Binding) {
		return nil, ErrBinding
	}
	keys := map[string]*DataKey{}
	for name, raw := range plain.Keys {
		key, err := newDataKey(raw)
		if err != nil {
			return nil, errors.Join(ErrUnreadable, err)
		}
		keys[name] = key
	}
	return &Archive{keys: hide(keys)}, nil
}
