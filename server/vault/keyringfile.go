package vault

import (
	"bytes"
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

const (
	keyringVersion = 1
	keyBytes       = 32
)

var keyIDPattern = regexp.MustCompile(`^[0-9a-f]{8}$`)

type keyFile struct {
	Version int                    `json:"v"`
	Keys    map[Purpose][]keyEntry `json:"keys"` // newest first
}

type keyEntry struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Key     []byte    `json:"key"`
	// Waiting keys open what was made with them; nothing is made with them yet.
	Waiting bool `json:"waiting,omitempty"`
	// Replaced is when another key took over; zero for the one in use.
	Replaced time.Time `json:"replaced,omitzero"`
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
	return f.text()
}

// AddKey returns the keyring file with a new key of a purpose that waits: every
// process has to know it before the first makes anything with it. A key that
// waits already stays the one.
func AddKey(file []byte, p Purpose, random io.Reader, now time.Time) ([]byte, error) {
	f, err := readKeyFile(file)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(purposes(), p) {
		return nil, errPurpose(p)
	}
	if f.Keys[p][0].Waiting {
		return file, nil
	}
	if err := f.add(p, random, now); err != nil {
		return nil, err
	}
	f.Keys[p][0].Waiting = true
	return f.text()
}

// UseKey returns the keyring file with the key of a purpose that waited in use.
// The older keys stay, for whatever was made with them. Where no key waits the
// file is returned as it is.
func UseKey(file []byte, p Purpose, now time.Time) ([]byte, error) {
	f, err := readKeyFile(file)
	if err != nil {
		return nil, err
	}
	keys := f.Keys[p]
	if len(keys) < 2 || !keys[0].Waiting {
		return file, nil
	}
	keys[0].Waiting, keys[1].Replaced = false, now.UTC().Truncate(time.Second)
	return f.text()
}

// OldKey is a key that another one has taken over from.
type OldKey struct {
	Purpose  Purpose
	ID       string
	Replaced time.Time // UTC
}

// OldKeys lists the keys of a keyring file that are not in use any more.
func OldKeys(file []byte) ([]OldKey, error) {
	f, err := readKeyFile(file)
	if err != nil {
		return nil, err
	}
	var old []OldKey
	for _, p := range purposes() {
		for _, e := range f.Keys[p] {
			if !e.Replaced.IsZero() {
				old = append(old, OldKey{Purpose: p, ID: e.ID, Replaced: e.Replaced})
			}
		}
	}
	return old, nil
}

// WithoutKey returns the keyring file without an old key.
func WithoutKey(file []byte, p Purpose, id string) ([]byte, error) {
	f, err := readKeyFile(file)
	if err != nil {
		return nil, err
	}
	left := slices.DeleteFunc(slices.Clone(f.Keys[p]), func(e keyEntry) bool { return e.ID == id && !e.Replaced.IsZero() })
	if len(left) == len(f.Keys[p]) {
		return nil, fmt.Errorf("vault: keyring: %s: only a key that another took over from is removed", p)
	}
	f.Keys[p] = left
	return f.text()
}

func errPurpose(p Purpose) error {
	return fmt.Errorf("vault: there is no purpose %q: they are %v", p, purposes())
}

func (f *keyFile) text() ([]byte, error) { return json.MarshalIndent(f, "", "  ") }

func (f *keyFile) add(p Purpose, random io.Reader, now time.Time) error {
	fresh := make([]byte, 4+keyBytes)
	if _, err := io.ReadFull(random, fresh); err != nil {
		return fmt.Errorf("vault: new key: %w", err)
	}
	e := keyEntry{ID: hex.EncodeToString(fresh[:4]), Created: now.UTC().Truncate(time.Second), Key: fresh[4:]}
	f.Keys[p] = append([]keyEntry{e}, f.Keys[p]...)
	return nil
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
		if !f.inOrder(p) {
			mistake(p, "it is one key in use, before it at most one that waits, after it those that were replaced")
		}
		for _, text := range mistakesOf(f.Keys[p], used) {
			mistake(p, text)
		}
	}
	return errors.Join(errs...)
}

// mistakesOf lists what is wrong with the keys of a purpose, of which none may be
// used already.
func mistakesOf(keys []keyEntry, used map[string]bool) []string {
	var texts []string
	wrong := func(is bool, text string) {
		if is {
			texts = append(texts, text)
		}
	}
	ids := map[string]bool{}
	for i, e := range keys {
		wrong(!keyIDPattern.MatchString(e.ID), "an id is not 8 lower-case hex digits")
		wrong(ids[e.ID], "an id occurs twice")
		wrong(len(e.Key) != keyBytes, "a key is not 32 bytes long")
		wrong(used[string(e.Key)], "a key occurs twice")
		wrong(i > 0 && e.Created.After(keys[max(0, i-1)].Created), "the newest key is not first")
		ids[e.ID], used[string(e.Key)] = true, true
	}
	return texts
}

// inOrder says whether at most one key waits, the next is in use and all others
// are replaced.
func (f *keyFile) inOrder(p Purpose) bool {
	rest := f.Keys[p]
	if len(rest) > 1 && rest[0].Waiting {
		rest = rest[1:]
	}
	for i, e := range rest {
		if e.Waiting || e.Replaced.IsZero() != (i == 0) {
			return false
		}
	}
	return true
}

// ReadFile reads the keyring file at path, which only its owner may be able to
// read.
func ReadFile(path string) ([]byte, error) {
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
	return file, nil
}

// Load is Parse of ReadFile.
func Load(path string) (*Keyring, error) {
	file, err := ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(file)
}
