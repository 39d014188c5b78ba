package vault

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"gridwatch/server/fault"
)

// ErrKeyList is a list of keys that is not to be sealed to.
var ErrKeyList = fault.New(fault.Invalid, "keys.list", "the list of ring keys is not signed by the tenant's root, or not for this tenant")

// keyListDomain stands before the list's text in what the root signs.
const keyListDomain = "gridwatch/keylist/1\n"

// KeyList (密钥清单) is what a tenant publishes: to which keys a report is
// sealed, and who may say that an envelope was peeled or opened.
type KeyList struct {
	Tenant  string        `json:"tenant"`
	Version int           `json:"version"` // from 1; grows with every change
	A       PublishedRing `json:"a"`
	B       PublishedRing `json:"b"`
}

// PublishedRing is one ring in a KeyList. Officers have no names in it.
type PublishedRing struct {
	Version   int                 `json:"version"`   // of the ring's key
	Recipient string              `json:"recipient"` // age1pq1...
	Officers  []ed25519.PublicKey `json:"officers"`  // base64; verify peels and outcomes
}

// SignedKeyList is a KeyList as it travels: the very text that was signed, so
// that nobody needs a canonical form, and the signature of the tenant's root.
type SignedKeyList struct {
	List      string `bson:"list" json:"list"`           // JSON of KeyList
	Signature []byte `bson:"signature" json:"signature"` // Ed25519 over "gridwatch/keylist/1\n" and List; base64
}

// Verify reads a list that a tenant's root signed. It returns ErrKeyList.
func (s SignedKeyList) Verify(root ed25519.PublicKey, tenant string) (KeyList, error) {
	var l KeyList
	if !signedBy(root, []byte(keyListDomain+s.List), s.Signature) {
		return l, ErrKeyList
	}
	d := json.NewDecoder(strings.NewReader(s.List))
	d.DisallowUnknownFields()
	if d.Decode(&l) != nil || l.Tenant != tenant || l.Version < 1 {
		return KeyList{}, ErrKeyList
	}
	if _, err := l.Rings(); err != nil {
		return KeyList{}, ErrKeyList
	}
	return l, nil
}

// Rings returns what envelopes are sealed to. Its error names the mistake.
func (l KeyList) Rings() (Rings, error) {
	return ParseRings([]string{l.A.Recipient}, []string{l.B.Recipient})
}

// Of returns one ring of the list.
func (l KeyList) Of(ring Ring) PublishedRing {
	if ring == RingA {
		return l.A
	}
	return l.B
}

// Lists says whether an officer's public key stands in the list.
func (r PublishedRing) Lists(verify ed25519.PublicKey) bool {
	return slices.ContainsFunc(r.Officers, func(k ed25519.PublicKey) bool { return k.Equal(verify) })
}

// RootKey is the tenant's offline root. It signs lists of keys and nothing
// else; its keeper is in neither ring.
type RootKey struct {
	secret
	signing hidden[ed25519.PrivateKey]
}

// rootPrefix begins the file of a root key, so that it is not taken for another.
const rootPrefix = "GRIDWATCH-ROOT-1 "

// NewRootKey returns a new root.
func NewRootKey(random io.Reader) (*RootKey, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, fmt.Errorf("vault: new root key: %w", err)
	}
	return &RootKey{signing: hide(ed25519.NewKeyFromSeed(seed))}, nil
}

// Public returns the half that clients pin by its Fingerprint.
func (k *RootKey) Public() ed25519.PublicKey { return publicOf(k.signing()) }

// Sign signs a list. It returns what Rings returns for a list that names no
// two keys to seal to.
func (k *RootKey) Sign(l KeyList) (SignedKeyList, error) {
	if _, err := l.Rings(); err != nil {
		return SignedKeyList{}, err
	}
	text, err := json.Marshal(l)
	if err != nil {
		return SignedKeyList{}, fmt.Errorf("vault: key list: %w", err)
	}
	return SignedKeyList{List: string(text), Signature: ed25519.Sign(k.signing(), append([]byte(keyListDomain), text...))}, nil
}

// File returns the key as a file for ParseRootKey, under a passphrase or, if
// that is empty, plain. It is to be written with mode 0600.
func (k *RootKey) File(passphrase string) ([]byte, error) {
	text := rootPrefix + base64.StdEncoding.EncodeToString(k.signing().Seed()) + "\n"
	return lock([]byte(text), passphrase, scryptWork)
}

// ParseRootKey reads a file of RootKey.File. It returns an Invalid Fault
// custody.key_file as ParseOfficerKey does.
func ParseRootKey(file []byte, passphrase string) (*RootKey, error) {
	text, err := unlock(file, passphrase)
	if err != nil {
		return nil, err
	}
	encoded, ok := bytes.CutPrefix(bytes.TrimSpace(text), []byte(rootPrefix))
	seed, err := base64.StdEncoding.DecodeString(string(encoded))
	if !ok || err != nil || len(seed) != ed25519.SeedSize {
		return nil, errKeyFile()
	}
	return &RootKey{signing: hide(ed25519.NewKeyFromSeed(seed))}, nil
}

func sortedKeys(m map[string][]byte) []string { return slices.Sorted(maps.Keys(m)) }
