package vault

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"

	"github.com/gowebpki/jcs"

	"gridwatch/server/fault"
)

// What a client may send as Idempotency-Key: 16 random bytes or more, as
// base64url without padding or as hex. A UUID has 122 random bits and does not
// pass: it is neither hex nor more than hex digits and dashes.
var (
	hexKey    = regexp.MustCompile(`^[0-9A-Fa-f]{32,128}$`)
	base64Key = regexp.MustCompile(`^[0-9A-Za-z_-]{22,128}$`)
	hexOnly   = regexp.MustCompile(`^[0-9A-Fa-f-]*$`)
)

// IdemKey is a client's idempotency key. On public routes it is a secret as
// strong as the receipt code: kept only as HMAC, never logged
// (confidentiality 4).
type IdemKey struct {
	secret
	raw hidden[[]byte]
}

// ParseIdemKey reads an Idempotency-Key header. It returns an Invalid Fault
// idempotency_key.format if it cannot hold 128 random bits.
func ParseIdemKey(text string) (IdemKey, error) {
	if !hexKey.MatchString(text) && (!base64Key.MatchString(text) || hexOnly.MatchString(text)) {
		return IdemKey{}, fault.New(fault.Invalid, "idempotency_key.format",
			"an Idempotency-Key is 16 or more random bytes: 22 to 128 characters of base64url without padding, or 32 to 128 hex digits; not a UUID")
	}
	return IdemKey{raw: hide([]byte(text))}, nil
}

// RecordIDs returns the id that a command with this key gives to the record it
// makes: 128 bits in hex, newest key first. Look for all of them, then insert
// under the first. Scope is (tenant, actor, route) or, on public routes, (tenant, route).
func (k *Keyring) RecordIDs(key IdemKey, scope ...string) []string {
	return k.hashes(Idempotency, "gridwatch/record-id/1", append(texts(scope...), key.raw())...)
}

// KeyHashes returns what a record's timeline keeps of a command's key: 128
// bits in hex, newest key first. Keep the first, look for all.
func (k *Keyring) KeyHashes(key IdemKey, scope ...string) []string {
	return k.hashes(Idempotency, "gridwatch/key-hash/1", append(texts(scope...), key.raw())...)
}

// File is one file of a command's body.
type File struct {
	Name   string
	Size   uint64 // bytes
	SHA256 [sha256.Size]byte
}

// Canonical returns the bytes that two honest sendings of one command share,
// whatever their spacing, member order or multipart boundaries: RFC 8785 of
// the JSON part, then name, size and SHA-256 of each file in order. It returns
// an Invalid Fault body.json if body is not JSON.
func Canonical(body []byte, files ...File) ([]byte, error) {
	canonical, err := jcs.Transform(body)
	if err != nil {
		return nil, fault.New(fault.Invalid, "body.json", "the body is one JSON value in UTF-8 without repeated members")
	}
	parts := [][]byte{canonical}
	for _, f := range files {
		parts = append(parts, []byte(f.Name), binary.BigEndian.AppendUint64(nil, f.Size), f.SHA256[:])
	}
	return frame(parts...), nil
}

// BodyTag ties a command's body to its key. It never leaves the process.
type BodyTag struct {
	secret
	sum hidden[[]byte]
}

// Tag returns HMAC(raw key, canonical body).
func (k IdemKey) Tag(canonical []byte) BodyTag {
	return BodyTag{sum: hide(mac(k.raw(), "gridwatch/body-tag/1", canonical))}
}

// StoredTag returns the form of a tag that a record keeps: HMAC(server key, tag) in hex.
func (k *Keyring) StoredTag(tag BodyTag) string {
	return hex.EncodeToString(k.storedTags(tag)[0])
}

// SameBody reports whether a record's stored tag was made of this tag, under
// whichever key. If not, the key was used before with another body.
func (k *Keyring) SameBody(stored string, tag BodyTag) bool {
	was, err := hex.DecodeString(stored)
	if err != nil {
		return false
	}
	same := false
	for _, sum := range k.storedTags(tag) {
		same = hmac.Equal(was, sum) || same
	}
	return same
}

func (k *Keyring) storedTags(tag BodyTag) [][]byte {
	return k.macs(Idempotency, "gridwatch/stored-tag/1", tag.sum())
}

// NewID returns a random 128-bit id in hex, never time-ordered (confidentiality 10).
func NewID(random io.Reader) (string, error) {
	id := make([]byte, 16)
	if _, err := io.ReadFull(random, id); err != nil {
		return "", fmt.Errorf("vault: new id: %w", err)
	}
	return hex.EncodeToString(id), nil
}
