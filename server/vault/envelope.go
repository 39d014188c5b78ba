package vault

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"

	"filippo.io/age"

	"gridwatch/server/fault"
)

// Size classes of what is padded, in bytes. A compartment, real or dummy, is
// in its first class; one that is too long for it takes the next, twice as
// long, and shows by that that it is not a dummy: forms bound their fields so
// that it does not happen. Above the third class it is refused.
const (
	identityClass = 2 << 10
	contactClass  = 1 << 10
	classes       = 3
)

// Relation is what binds a reporter to the enterprise (rule R26).
type Relation string

// The relations.
const (
	RelationNone      Relation = "none"      // 无关系
	RelationEmployee  Relation = "employee"  // 从业人员
	RelationFamily    Relation = "family"    // 从业人员家属
	RelationInformant Relation = "informant" // 其他知情人员
)

// Identity is who reported (举报人身份). Without a Name it is a dummy, which
// an anonymous report carries so that absence tells nothing. Its fields leave
// the process only sealed. It is passed on, never kept in an unexported field,
// where fmt would not ask its methods.
type Identity struct {
	Name         string   `json:"name"`
	IDNumber     string   `json:"idNumber"` // 身份证号
	Employer     string   `json:"employer"`
	Relation     Relation `json:"relation"`
	PayeeName    string   `json:"payeeName"` // who the reward is paid to
	PayeeBank    string   `json:"payeeBank"`
	PayeeAccount string   `json:"payeeAccount"`
	Binding      string   `json:"binding"` // NewID; stands in the report too
}

// Contact is how the reporter is reached (联系方式) and nothing else. Without
// a Value it is a dummy.
type Contact struct {
	Kind    string `json:"kind"` // phone, email, ...
	Value   string `json:"value"`
	Binding string `json:"binding"` // NewID; stands in the report too
}

// Identity and Contact print and marshal as secret does. They do not embed it,
// because sealing needs their JSON: plainIdentity and plainContact have it.
type (
	plainIdentity Identity
	plainContact  Contact
)

// Format implements fmt.Formatter for every verb.
func (Identity) Format(f fmt.State, verb rune) { secret{}.Format(f, verb) }

// LogValue implements slog.LogValuer.
func (Identity) LogValue() slog.Value { return secret{}.LogValue() }

// MarshalText always fails, and with it JSON, XML and gob.
func (Identity) MarshalText() ([]byte, error) { return nil, errSealed }

// MarshalBSON always fails.
func (Identity) MarshalBSON() ([]byte, error) { return nil, errSealed }

// Format implements fmt.Formatter for every verb.
func (Contact) Format(f fmt.State, verb rune) { secret{}.Format(f, verb) }

// LogValue implements slog.LogValuer.
func (Contact) LogValue() slog.Value { return secret{}.LogValue() }

// MarshalText always fails, and with it JSON, XML and gob.
func (Contact) MarshalText() ([]byte, error) { return nil, errSealed }

// MarshalBSON always fails.
func (Contact) MarshalBSON() ([]byte, error) { return nil, errSealed }

// Rings holds the public keys of a tenant's two rings: A, identity officers
// (保密员), and B, supervising leaders.
type Rings struct {
	a, b []age.Recipient
}

// ParseRings reads the hybrid age recipients ("age1pq1...") of both rings. It
// returns an error that names the mistake if a ring is empty, a recipient is
// of another type, or a key stands twice, be it in one ring or in both.
func ParseRings(a, b []string) (Rings, error) {
	if len(a) == 0 || len(b) == 0 {
		return Rings{}, errors.New("vault: a ring has no key")
	}
	all := slices.Sorted(slices.Values(slices.Concat(a, b)))
	if len(slices.Compact(all)) != len(a)+len(b) {
		return Rings{}, errors.New("vault: a key stands twice in the rings")
	}
	var rings Rings
	var err error
	if rings.a, err = parseRecipients(a); err != nil {
		return Rings{}, err
	}
	if rings.b, err = parseRecipients(b); err != nil {
		return Rings{}, err
	}
	return rings, nil
}

func parseRecipients(texts []string) ([]age.Recipient, error) {
	out := make([]age.Recipient, len(texts))
	for i, text := range texts {
		r, err := age.ParseHybridRecipient(text)
		if err != nil {
			return nil, errors.New("vault: a ring's key is not a hybrid age recipient (age1pq1...)")
		}
		out[i] = r
	}
	return out, nil
}

var bindingPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)

// Envelope is a sealed compartment.
type Envelope struct {
	File        []byte // age
	InnerDigest string // SHA-256 of ring A's layer in hex, by which a swapped file is noticed
}

// SealIdentity returns age(ring B, age(ring A, padded identity)). It works in
// memory only. It returns an Invalid or TooLarge Fault envelope.*.
func SealIdentity(rings Rings, id Identity) (Envelope, error) {
	switch id.Relation {
	case RelationNone, RelationEmployee, RelationFamily, RelationInformant:
	default:
		return Envelope{}, fault.New(fault.Invalid, "envelope.relation", "a relation is none, employee, family or informant").At("/relation")
	}
	padded, err := pad(plainIdentity(id), id.Binding, identityClass)
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

// SealContact returns age(ring A, padded contact); the digest is of the whole
// file. It works in memory only. It returns an Invalid or TooLarge Fault envelope.*.
func SealContact(rings Rings, c Contact) (Envelope, error) {
	padded, err := pad(plainContact(c), c.Binding, contactClass)
	if err != nil {
		return Envelope{}, err
	}
	file, err := encrypt(padded, rings.a)
	if err != nil {
		return Envelope{}, err
	}
	return Envelope{File: file, InnerDigest: digest(file)}, nil
}

// CheckIdentity checks of an identity sealed by a client what a server can: it
// is age, has as many hybrid recipients as ring B has and no other, and has
// the exact length of a size class. Whether the keys are the right ones only
// the custodians can tell. It returns an Invalid Fault envelope.*.
func CheckIdentity(file []byte, rings Rings) error {
	return checkSealed(file, "/identity", len(rings.b), func(class int) int {
		return ageLength(len(rings.b), ageLength(len(rings.a), identityClass<<class))
	})
}

// CheckContact is CheckIdentity for a contact, which ring A alone is given.
func CheckContact(file []byte, rings Rings) error {
	return checkSealed(file, "/contact", len(rings.a), func(class int) int {
		return ageLength(len(rings.a), contactClass<<class)
	})
}

// What age v1 writes, in bytes: a stanza is a line with the encapsulated key
// and one with the wrapped file key; the payload is in chunks with a tag each.
const (
	stanzaPrefix = "-> mlkem768x25519 "
	stanzaLine   = len(stanzaPrefix) + 1494 // 1,120 bytes in base64
	bodyLine     = 43                       // 32 bytes in base64
	introLine    = len("age-encryption.org/v1")
	macLine      = len("--- ") + 43
	payloadNonce = 16
	chunkSize    = 64 << 10
	chunkTag     = 16
)

// ageLength returns the length of an age file to so many hybrid recipients.
func ageLength(recipients, plain int) int {
	header := introLine + 1 + recipients*(stanzaLine+1+bodyLine+1) + macLine + 1
	return header + payloadNonce + plain + chunkTag*((plain+chunkSize-1)/chunkSize)
}

func checkSealed(file []byte, field string, recipients int, length func(class int) int) error {
	fits := false
	for class := range classes {
		fits = fits || len(file) == length(class)
	}
	if !fits {
		return fault.New(fault.Invalid, "envelope.size",
			"an envelope is sealed to the published keys and padded to a size class: %d bytes here", length(0)).At(field)
	}
	header, err := age.ExtractHeader(bytes.NewReader(file))
	if err != nil {
		return fault.New(fault.Invalid, "envelope.format", "an envelope is a binary age file").At(field)
	}
	lines := strings.Split(string(header), "\n") // intro, two a stanza, MAC, and nothing
	if len(lines) != 2*recipients+3 {
		return errRecipients().At(field)
	}
	for stanza := range slices.Chunk(lines[1:2*recipients+1], 2) {
		arg, hybrid := strings.CutPrefix(stanza[0], stanzaPrefix)
		if !hybrid || len(stanza[0]) != stanzaLine || strings.Contains(arg, " ") || len(stanza[1]) != bodyLine {
			return errRecipients().At(field)
		}
	}
	return nil
}

func errRecipients() *fault.Fault {
	return fault.New(fault.Invalid, "envelope.recipients", "an envelope is sealed to all the published keys of its ring, which are hybrid, and to no other")
}

// pad returns a 4-byte big-endian length, v's JSON, and zeros up to a size class.
func pad(v any, binding string, class int) ([]byte, error) {
	if !bindingPattern.MatchString(binding) {
		return nil, fault.New(fault.Invalid, "envelope.binding", "a binding is 128 random bits in lower-case hex").At("/binding")
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, errors.New("vault: a compartment has no JSON")
	}
	for size := class; size < class<<classes; size *= 2 {
		if len(text)+4 <= size {
			out := binary.BigEndian.AppendUint32(make([]byte, 0, size), uint32(len(text))) //nolint:gosec // at most 8 KiB
			out = append(out, text...)
			return append(out, make([]byte, size-len(out))...), nil
		}
	}
	return nil, fault.New(fault.TooLarge, "envelope.too_large", "a compartment has at most %d bytes of JSON", class<<(classes-1)-4)
}

// unpad reads what pad wrote into v. Its error holds nothing of the content.
func unpad(padded []byte, v any) error {
	if len(padded) < 4 {
		return errors.New("vault: a compartment is cut")
	}
	n := int64(binary.BigEndian.Uint32(padded))
	if n > int64(len(padded)-4) || json.Unmarshal(padded[4:4+n], v) != nil {
		return errors.New("vault: a compartment is not padded JSON")
	}
	return nil
}

func encrypt(plain []byte, to []age.Recipient) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to...)
	if err != nil {
		return nil, fmt.Errorf("vault: seal: %w", err)
	}
	if _, err := w.Write(plain); err != nil {
		return nil, fmt.Errorf("vault: seal: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("vault: seal: %w", err)
	}
	return out.Bytes(), nil
}

func decrypt(file []byte, by ...age.Identity) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(file), by...)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func digest(file []byte) string {
	sum := sha256.Sum256(file)
	return hex.EncodeToString(sum[:])
}
