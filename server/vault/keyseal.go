package vault

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"time"

	"gridwatch/server/fault"
)

// keyClass is the size that a data key is padded to before it is sealed.
const keyClass = 512

// errKeyPlace says that a sealed key is for something else.
var errKeyPlace = fault.New(fault.Conflict, "custody.key_place", "the sealed key belongs to another record or item")

// sealedKey is the clear form of a data key that only the two rings open. Place
// is what the key was wrapped for, so that a swapped file is noticed.
type sealedKey struct {
	Place string `json:"place"`
	Key   []byte `json:"key"`
}

// SealKey unwraps the data key of a place and seals it to both rings: age(ring
// B, age(ring A, key)). Once the caller has kept the answer and dropped the
// wrapped key, what the key sealed opens by two officers only. It returns
// ErrNotOpened if the key was not wrapped for the place.
func (k *Keyring) SealKey(rings Rings, place string, wrapped []byte) (Envelope, error) {
	raw, err := k.unwrap(place, wrapped)
	if err != nil {
		return Envelope{}, err
	}
	text, err := json.Marshal(sealedKey{Place: place, Key: raw})
	if err != nil || len(text) > keyClass {
		return Envelope{}, errors.New("vault: a place is too long to seal its key")
	}
	for len(text) < keyClass {
		text = append(text, ' ')
	}
	inner, err := encrypt(text, rings.a)
	if err != nil {
		return Envelope{}, err
	}
	outer, err := encrypt(inner, rings.b)
	if err != nil {
		return Envelope{}, err
	}
	return Envelope{File: outer, InnerDigest: digest(inner)}, nil
}

// OpenKey reads a data key out of a layer that ring B peeled for a request. It
// returns what Open returns, and the Fault custody.key_place if the key is not
// that of the place.
func OpenKey(ring []*RingKey, once *RequestKey, verify ed25519.PublicKey, layer PeeledLayer, innerDigest, place string, req Request, now time.Time) (*DataKey, error) {
	text, err := openLayer(ring, once, verify, layer, innerDigest, req, now)
	if err != nil {
		return nil, err
	}
	var sealed sealedKey
	if json.Unmarshal(text, &sealed) != nil {
		return nil, ErrUnreadable
	}
	if sealed.Place != place {
		return nil, errKeyPlace
	}
	return newDataKey(sealed.Key)
}
