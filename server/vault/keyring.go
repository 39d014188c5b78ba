package vault

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"time"
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
)

// purposes returns every Purpose; a keyring has keys for all of them.
func purposes() []Purpose {
	return []Purpose{AtRest, Idempotency, Receipt, Lookup, Pepper, Digest, Signing, Session, LogSigning, Challenge}
}

const (
	keyringVersion = 1
	keyBytes       = 32
)

var keyIDPattern = regexp.MustCompile(`^[0-9a-f]{8}$`)

// ErrNoKey means that a keyring has no key of that id: it was removed too soon.
var ErrNoKey = errors.New("vault: no such key in the keyring")

type keyFile struct {
	Version int                    `json:"v"`
	Keys    map[Purpose][]keyEntry `json:"keys"` // newest first
}

type keyEntry struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Key     []byte    `json:"key"`
}

// Keyring holds the server's own keys by purpose and id. It is read-only and
// safe for use by several goroutines. It opens no identity.
type Keyring struct {
	secret
	keys hidden[map[Purpose][]keyEntry]
}

// GenerateKeyring returns the file of a new keyring with one key for each
// purpose. It is to be written with mode 0600 and kept apart from the database.
func GenerateKeyring(random io.Reader, now time.Time) ([]byte, error) {
	f := keyFile{Version: keyringVersion}
	return f.complete(random, now)
}

// CompleteKeyring returns the keyring file with a key for each purpose that it
// has none for, as one of an older version may lack; a file that lacks nothing
// is returned as it is.
func CompleteKeyring(file []byte, random io.Reader, now time.Time) ([]byte, error) {
	f, err := decodeKeyFile(file)
	if err != nil {
		return nil, err
	}
	if f.check() == nil {
		return file, nil
	}
	whole, err := f.complete(random, now)
	if err != nil {
		return nil, err
	}
	return whole, f.check()
}

func (f *keyFile) complete(random io.Reader, now time.Time) ([]byte, error) {
	if f.Keys == nil {
		f.Keys = map[Purpose][]keyEntry{}
	}
	for _, p := range purposes() {
		if len(f.Keys[p]) > 0 {
			continue
		}
		if err := f.add(p, random, now); err != nil {
			return nil, err
		}
	}
	return json.MarshalIndent(f, "", "  ")
}

// Rotate returns the keyring file with a new key of a purpose in front. The
// older keys stay, for whatever was made under them.
func Rotate(file []byte, p Purpose, random io.Reader, now time.Time) ([]byte, error) {
	if !slices.Contains(purposes(), p) {
		return nil, errors.New("vault: no such purpose")
	}
	f, err := readKeyFile(file)
	if err != nil {
		return nil, err
	}
	if err := f.add(p, random, now); err != nil {
		return nil, err
	}
	return json.MarshalIndent(f, "", "  ")
}

func (f *keyFile) add(p Purpose, random io.Reader, now time.Time) error {
	fresh := make([]byte, 4+keyBytes)
	if _, err := io.ReadFull(random, fresh); err != nil {
		return fmt.Errorf("vault: new key: %w", err)
	}
	e := keyEntry{ID: hex.EncodeToString(fresh[:4]), Created: now.UTC().Truncate(time.Second), Key: fresh[4:]}
	f.Keys[p] = append([]keyEntry{e}, f.Keys[p]...)
	return nil
}

// Load reads the keyring file at path, which only its owner may be able to read.
func Load(path string) (*Keyring, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("vault: keyring: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, errors.New("vault: the keyring file is open to others than its owner: chmod 600")
	}
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("vault: keyring: %w", err)
	}
	return Parse(file)
}

// Parse reads a keyring file. The error lists every mistake and holds no key.
func Parse(file []byte) (*Keyring, error) {
	f, err := readKeyFile(file)
	if err != nil {
		return nil, err
	}
	return &Keyring{keys: hide(f.Keys)}, nil
}

func readKeyFile(file []byte) (keyFile, error) {
	f, err := decodeKeyFile(file)
	if err != nil {
		return keyFile{}, err
	}
	if err := f.check(); err != nil {
		return keyFile{}, err
	}
	return f, nil
}

func decodeKeyFile(file []byte) (keyFile, error) {
	var f keyFile
	d := json.NewDecoder(bytes.NewReader(file))
	d.DisallowUnknownFields()
	if d.Decode(&f) != nil || f.Version != keyringVersion { // the decoder's text may quote the file
		return keyFile{}, fmt.Errorf("vault: the keyring is not a JSON keyring file of version %d", keyringVersion)
	}
	return f, nil
}

func (f *keyFile) check() error {
	var errs []error
	mistake := func(p Purpose, text string) { errs = append(errs, fmt.Errorf("vault: keyring: %s: %s", p, text)) }
	for p := range f.Keys {
		if !slices.Contains(purposes(), p) {
			errs = append(errs, errors.New("vault: keyring: an unknown purpose"))
		}
	}
	used := map[string]bool{}
	for _, p := range purposes() {
		if len(f.Keys[p]) == 0 {
			mistake(p, "no key: run server keys init on the file")
		}
		ids := map[string]bool{}
		for i, e := range f.Keys[p] {
			if !keyIDPattern.MatchString(e.ID) {
				mistake(p, "an id is not 8 lower-case hex digits")
			}
			if ids[e.ID] {
				mistake(p, "an id occurs twice")
			}
			if len(e.Key) != keyBytes {
				mistake(p, "a key is not 32 bytes long")
			}
			if used[string(e.Key)] {
				mistake(p, "a key occurs twice")
			}
			if i > 0 && e.Created.After(f.Keys[p][i-1].Created) {
				mistake(p, "the newest key is not first")
			}
			ids[e.ID], used[string(e.Key)] = true, true
		}
	}
	return errors.Join(errs...)
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
