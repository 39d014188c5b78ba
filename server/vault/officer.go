package vault

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"filippo.io/age/armor"

	"gridwatch/server/fault"
)

// Ring is one of the two rings of officers. Nobody is in both.
type Ring string

// The rings.
const (
	RingA Ring = "a" // identity officers (保密员), who read
	RingB Ring = "b" // supervising leaders, who let them
)

const (
	officerFileVersion = 1
	scryptWork         = 18 // 2^18: about a second to open
)

// OfficerKey is what one officer holds, on the officer's own machine: a hybrid
// age identity, to which the ring's key is wrapped, and an Ed25519 signing key.
// A ring's recovery key is one too, kept offline. The server never sees it.
type OfficerKey struct {
	secret
	ring     Ring
	label    string
	identity hidden[*age.HybridIdentity]
	signing  hidden[ed25519.PrivateKey]
}

// OfficerPublic is the public half of an OfficerKey, which the server keeps.
type OfficerPublic struct {
	Ring      Ring              `json:"ring"`
	Label     string            `json:"label"`     // a post, such as "demo identity officer"
	Recipient string            `json:"recipient"` // age1pq1...
	Verify    ed25519.PublicKey `json:"verify"`    // checks peels or outcomes
}

type officerFile struct {
	Version  int    `json:"v"`
	Ring     Ring   `json:"ring"`
	Label    string `json:"label"`
	Identity string `json:"identity"`
	Signing  []byte `json:"signing"` // Ed25519 seed
}

// NewOfficerKey returns a new key for an officer of a ring.
func NewOfficerKey(ring Ring, label string, random io.Reader) (*OfficerKey, error) {
	if ring != RingA && ring != RingB {
		return nil, errors.New("vault: a ring is a or b")
	}
	identity, err := age.GenerateHybridIdentity()
	if err != nil {
		return nil, fmt.Errorf("vault: new officer key: %w", err)
	}
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, fmt.Errorf("vault: new officer key: %w", err)
	}
	return &OfficerKey{ring: ring, label: label, identity: hide(identity), signing: hide(ed25519.NewKeyFromSeed(seed))}, nil
}

// Public returns the half that the server keeps.
func (k *OfficerKey) Public() OfficerPublic {
	return OfficerPublic{Ring: k.ring, Label: k.label, Recipient: k.identity().Recipient().String(), Verify: publicOf(k.signing())}
}

// File returns the key as a file for ParseOfficerKey: armored age under a
// passphrase, or plain JSON if the passphrase is empty, which is for
// demonstrations only. It is to be written with mode 0600.
func (k *OfficerKey) File(passphrase string) ([]byte, error) {
	text, err := json.Marshal(officerFile{
		Version: officerFileVersion, Ring: k.ring, Label: k.label,
		Identity: k.identity().String(), Signing: k.signing().Seed(),
	})
	if err != nil {
		return nil, fmt.Errorf("vault: officer key: %w", err)
	}
	return lock(text, passphrase, scryptWork)
}

// ParseOfficerKey reads a file of OfficerKey.File. It returns an Invalid Fault
// custody.key_file, which never quotes the file, if it is none or the
// passphrase is wrong.
func ParseOfficerKey(file []byte, passphrase string) (*OfficerKey, error) {
	text, err := unlock(file, passphrase)
	if err != nil {
		return nil, err
	}
	var f officerFile
	if json.Unmarshal(text, &f) != nil || f.Version != officerFileVersion ||
		(f.Ring != RingA && f.Ring != RingB) || len(f.Signing) != ed25519.SeedSize {
		return nil, errKeyFile()
	}
	identity, err := age.ParseHybridIdentity(f.Identity)
	if err != nil {
		return nil, errKeyFile()
	}
	return &OfficerKey{ring: f.Ring, label: f.Label, identity: hide(identity), signing: hide(ed25519.NewKeyFromSeed(f.Signing))}, nil
}

// RequestKey is the one-time key that ring A's officer makes for one request,
// keeps until the answer is opened, and destroys.
type RequestKey struct {
	secret
	identity hidden[*age.HybridIdentity]
}

// NewRequestKey returns a new one-time key.
func NewRequestKey() (*RequestKey, error) {
	identity, err := age.GenerateHybridIdentity()
	if err != nil {
		return nil, fmt.Errorf("vault: new request key: %w", err)
	}
	return &RequestKey{identity: hide(identity)}, nil
}

// Recipient returns what is posted with the request (age1pq1...).
func (k *RequestKey) Recipient() string { return k.identity().Recipient().String() }

// File returns the key as a file for ParseRequestKey, under a passphrase or,
// if that is empty, plain. It is to be written with mode 0600.
func (k *RequestKey) File(passphrase string) ([]byte, error) {
	return lock([]byte(k.identity().String()), passphrase, scryptWork)
}

// ParseRequestKey reads a file of RequestKey.File. It returns an Invalid Fault
// custody.key_file as ParseOfficerKey does.
func ParseRequestKey(file []byte, passphrase string) (*RequestKey, error) {
	text, err := unlock(file, passphrase)
	if err != nil {
		return nil, err
	}
	identity, err := age.ParseHybridIdentity(string(bytes.TrimSpace(text)))
	if err != nil {
		return nil, errKeyFile()
	}
	return &RequestKey{identity: hide(identity)}, nil
}

func errKeyFile() error {
	return fault.New(fault.Invalid, "custody.key_file", "this is no key file of the kind asked for, or the passphrase is wrong")
}

func lock(text []byte, passphrase string, work int) ([]byte, error) {
	if passphrase == "" {
		return text, nil
	}
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, fmt.Errorf("vault: passphrase: %w", err)
	}
	to.SetWorkFactor(work)
	file, err := encrypt(text, []age.Recipient{to})
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := armor.NewWriter(&out)
	if _, err := w.Write(file); err != nil {
		return nil, fmt.Errorf("vault: armor: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("vault: armor: %w", err)
	}
	return out.Bytes(), nil
}

func unlock(file []byte, passphrase string) ([]byte, error) {
	if !bytes.HasPrefix(bytes.TrimSpace(file), []byte(armor.Header)) {
		return file, nil
	}
	by, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, errKeyFile()
	}
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(file)), by)
	if err != nil {
		return nil, errKeyFile()
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, errKeyFile()
	}
	return text, nil
}
