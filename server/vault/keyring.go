package vault

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"
)

// Purpose says what a key of the Keyring is for. No key serves two purposes.
type Purpose string

// The purposes.
const (
	AtRest      Purpose = "at_rest"     // AES-256-GCM, wraps the data keys of records
	Idempotency Purpose = "idempotency" // HMAC, record ids and key hashes from idempotency keys
	Receipt     Purpose = "receipt"     // HMAC, derives receipt codes
	Lookup      Purpose = "lookup"      // HMAC, finds a report by its receipt code
	Pepper      Purpose = "pepper"      // HMAC, over passwords before argon2id
	Digest      Purpose = "digest"      // HMAC, index of file digests
	Signing     Purpose = "statement"   // Ed25519 seed, registration statements
	Session     Purpose = "session"     // Ed25519 seed, access tokens
	LogSigning  Purpose = "log"         // Ed25519 seed, checkpoints of the log
	Challenge   Purpose = "challenge"   // HMAC, challenges of the proof of work
	ToGateway   Purpose = "gateway"     // Ed25519 seed, requests to the contact gateway
)

// purposes returns every Purpose; a keyring has keys for all of them.
func purposes() []Purpose {
	return []Purpose{AtRest, Idempotency, Receipt, Lookup, Pepper, Digest, Signing, Session, LogSigning, Challenge, ToGateway}
}

// ErrNoKey means that a keyring has no key of that id: it was removed too soon.
var ErrNoKey = errors.New("vault: no such key in the keyring")

// Keyring holds the server's own keys by purpose and id. It is safe for use by
// several goroutines, and may be replaced as a whole while it is used. It opens
// no identity.
type Keyring struct {
	secret
	held *atomic.Pointer[hidden[map[Purpose][]keyEntry]]
}

// keys are the keys by purpose: the one new things are made with first, those
// that only open last.
func (k *Keyring) keys() map[Purpose][]keyEntry { return (*k.held.Load())() }

// Replace makes the keyring hold another one's keys, for whoever uses it.
func (k *Keyring) Replace(by *Keyring) { k.held.Store(by.held.Load()) }

// Parse reads a keyring file. The error lists every mistake and holds no key.
func Parse(file []byte) (*Keyring, error) {
	f, err := readKeyFile(file)
	if err != nil {
		return nil, err
	}
	keys := map[Purpose][]keyEntry{}
	for p, all := range f.Keys {
		for _, waiting := range []bool{false, true} {
			for _, e := range all {
				if e.Waiting == waiting {
					keys[p] = append(keys[p], e)
				}
			}
		}
	}
	held := hide(keys)
	k := &Keyring{held: new(atomic.Pointer[hidden[map[Purpose][]keyEntry]])}
	k.held.Store(&held)
	return k, nil
}

// NewestID returns the id of the key that new things of a purpose are made
// with. A record keeps it, so that the same answer can be made again later.
func (k *Keyring) NewestID(p Purpose) string { return k.keys()[p][0].ID }

func (k *Keyring) key(p Purpose, id string) ([]byte, error) {
	for _, e := range k.keys()[p] {
		if e.ID == id {
			return e.Key, nil
		}
	}
	return nil, fmt.Errorf("%w: %s", ErrNoKey, p)
}

// macs returns HMAC-SHA-256 over domain and parts under every key of a purpose, newest first.
func (k *Keyring) macs(p Purpose, domain string, parts ...[]byte) [][]byte {
	out := make([][]byte, len(k.keys()[p]))
	for i, e := range k.keys()[p] {
		out[i] = mac(e.Key, domain, parts...)
	}
	return out
}

// hashes is macs as text: the first 128 bits of each in hex.
func (k *Keyring) hashes(p Purpose, domain string, parts ...[]byte) []string {
	out := make([]string, len(k.keys()[p]))
	for i, sum := range k.macs(p, domain, parts...) {
		out[i] = hex.EncodeToString(sum[:16])
	}
	return out
}

func mac(key []byte, domain string, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(frame([]byte(domain)))
	h.Write(frame(parts...))
	return h.Sum(nil)
}

// FileIndex returns what a file's SHA-256 is indexed under within a tenant:
// newest key first, to store the first and look for all.
func (k *Keyring) FileIndex(tenant string, sum [sha256.Size]byte) []string {
	return k.hashes(Digest, "gridwatch/file-index/1", []byte(tenant), sum[:])
}

// PhotoIndex returns what the id that an app gave a photo is kept under within a
// tenant: newest key first, to store the first and look for all.
func (k *Keyring) PhotoIndex(tenant, photo string) []string {
	return k.hashes(Digest, "gridwatch/photo-index/1", []byte(tenant), []byte(photo))
}

// Shuffle returns a text by which things can be put in an order that tells
// nothing of them to who lacks the key.
func (k *Keyring) Shuffle(parts ...string) string {
	var all [][]byte
	for _, p := range parts {
		all = append(all, []byte(p))
	}
	return k.hashes(Digest, "shuffle/1", all...)[0]
}

// ChallengeMACs signs a challenge of the proof of work: under every key, newest
// first, to issue with the first and to check by all.
func (k *Keyring) ChallengeMACs(text string) []string {
	return k.hashes(Challenge, "gridwatch/challenge/1", []byte(text))
}

// SessionKey returns the newest key for access tokens and its id (JWT "kid").
func (k *Keyring) SessionKey() (string, ed25519.PrivateKey) {
	e := k.keys()[Session][0]
	return e.ID, ed25519.NewKeyFromSeed(e.Key)
}

// SessionKeys returns the public keys by which access tokens are checked, by id.
func (k *Keyring) SessionKeys() map[string]ed25519.PublicKey { return k.publicKeys(Session) }

// GatewayKey returns the newest key for requests to the contact gateway and its
// id (RFC 9421 "keyid").
func (k *Keyring) GatewayKey() (string, ed25519.PrivateKey) {
	e := k.keys()[ToGateway][0]
	return e.ID, ed25519.NewKeyFromSeed(e.Key)
}

// GatewayKeys returns the public keys by which a gateway checks requests, by id.
func (k *Keyring) GatewayKeys() map[string]ed25519.PublicKey { return k.publicKeys(ToGateway) }

// LogKey returns the newest key for checkpoints of the log.
func (k *Keyring) LogKey() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(k.keys()[LogSigning][0].Key)
}

// LogKeys returns the public keys by which checkpoints are checked, newest first.
func (k *Keyring) LogKeys() []ed25519.PublicKey {
	var out []ed25519.PublicKey
	for _, e := range k.keys()[LogSigning] {
		out = append(out, publicOf(ed25519.NewKeyFromSeed(e.Key)))
	}
	return out
}

// StatementKeys returns the public keys of registration statements, by id.
func (k *Keyring) StatementKeys() map[string]ed25519.PublicKey { return k.publicKeys(Signing) }

func (k *Keyring) publicKeys(p Purpose) map[string]ed25519.PublicKey {
	out := map[string]ed25519.PublicKey{}
	for _, e := range k.keys()[p] {
		out[e.ID] = publicOf(ed25519.NewKeyFromSeed(e.Key))
	}
	return out
}

func publicOf(key ed25519.PrivateKey) ed25519.PublicKey {
	return ed25519.PublicKey(bytes.Clone(key[ed25519.SeedSize:]))
}
