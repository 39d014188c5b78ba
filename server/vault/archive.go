package vault

import (
	"crypto/ed25519"
	"errors"
	"maps"
	"slices"
	"time"

	"filippo.io/age"
)

// Size classes, in bytes. A strongbox holds one key. Of what is put into it an
// item has two keys of about 200 bytes each, a record some more.
const (
	boxClass  = 512
	awayClass = 1 << 10
)

// plainBox is the private half of a strongbox, which is sealed to the rings.
type plainBox struct {
	Key     string `json:"key"`
	Binding string `json:"binding"`
}

// plainKeys is what is put into a strongbox at a time: data keys by the name
// that each was wrapped for.
type plainKeys struct {
	Keys    map[string][]byte `json:"keys"`
	Binding string            `json:"binding"`
}

// Strongbox (封存箱) is where data keys of one record are put that only both
// rings take out again, together and all at once. Whoever knows its recipient
// can put something in; the private half is in the envelope and nowhere else.
type Strongbox struct {
	Envelope         // of the private half: age(ring B, age(ring A, padded))
	Recipient string // hybrid age recipient
}

// NewStrongbox makes a strongbox for the record of a binding, and forgets its
// private half.
func NewStrongbox(rings Rings, binding string) (Strongbox, error) {
	identity, err := age.GenerateHybridIdentity()
	if err != nil {
		return Strongbox{}, err
	}
	padded, err := pad(plainBox{Key: identity.String(), Binding: binding}, binding, boxClass)
	if err != nil {
		return Strongbox{}, err
	}
	inner, err := encrypt(padded, rings.a)
	if err != nil {
		return Strongbox{}, err
	}
	outer, err := encrypt(inner, rings.b)
	if err != nil {
		return Strongbox{}, err
	}
	return Strongbox{Envelope: Envelope{File: outer, InnerDigest: digest(inner)}, Recipient: identity.Recipient().String()}, nil
}

// SealAway (归档封存) puts data keys, by the names they are wrapped for, into the
// strongbox of a binding: it returns an age file. Once the wrapped keys are
// destroyed only both rings together can read what they seal. It returns
// ErrNotOpened if one of them does not open.
func (k *Keyring) SealAway(recipient, binding string, wrapped map[string][]byte) ([]byte, error) {
	to, err := age.ParseHybridRecipient(recipient)
	if err != nil {
		return nil, errors.New("vault: a strongbox has no hybrid age recipient")
	}
	plain := plainKeys{Keys: map[string][]byte{}, Binding: binding}
	for _, name := range slices.Sorted(maps.Keys(wrapped)) {
		raw, err := k.unwrap(name, wrapped[name])
		if err != nil {
			return nil, err
		}
		plain.Keys[name] = raw
	}
	class := awayClass
	for class < 256*len(wrapped) {
		class *= 2
	}
	padded, err := pad(plain, binding, class)
	if err != nil {
		return nil, err
	}
	return encrypt(padded, []age.Recipient{to})
}

// OpenedBox is a strongbox that both rings opened.
type OpenedBox struct {
	secret
	identity hidden[*age.HybridIdentity]
	binding  string
}

// OpenStrongbox is Open for a strongbox.
func OpenStrongbox(
	ring []*RingKey, once *RequestKey, verify ed25519.PublicKey, layer PeeledLayer, sealed Sealed, req Request, now time.Time,
) (*OpenedBox, error) {
	padded, err := openLayer(ring, once, verify, layer, sealed.InnerDigest, req, now)
	if err != nil {
		return nil, err
	}
	var plain plainBox
	if unpad(padded, &plain) != nil {
		return nil, ErrUnreadable
	}
	if !same(plain.Binding, sealed.Binding) {
		return nil, ErrBinding
	}
	identity, err := age.ParseHybridIdentity(plain.Key)
	if err != nil {
		return nil, ErrUnreadable
	}
	return &OpenedBox{identity: hide(identity), binding: plain.Binding}, nil
}

// Take reads all that SealAway put into the box, file by file. It returns
// ErrUnreadable for a file that was put into another, or ErrBinding.
func (b *OpenedBox) Take(files ...[]byte) (*Archive, error) {
	keys := map[string]*DataKey{}
	for _, file := range files {
		padded, err := decrypt(file, b.identity())
		if err != nil {
			return nil, ErrUnreadable
		}
		var plain plainKeys
		if unpad(padded, &plain) != nil {
			return nil, ErrUnreadable
		}
		if !same(plain.Binding, b.binding) {
			return nil, ErrBinding
		}
		for name, raw := range plain.Keys {
			key, err := newDataKey(raw)
			if err != nil {
				return nil, errors.Join(ErrUnreadable, err)
			}
			keys[name] = key
		}
	}
	return &Archive{keys: hide(keys)}, nil
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
