// Package vault keeps who reported: keys, sealed identities and contacts,
// their opening by two rings of officers, receipt codes and the per-record
// data keys under which everything else of a report lies at rest.
//
// It holds no record, speaks to no store and reads no clock. The server can
// seal an identity and cannot open one: opening needs a key of each ring, and
// those live with the officers (confidentiality 1 and 2; rule R36). What is
// secret here cannot be printed, logged or marshalled by accident.
//
// SM2, SM3 and SM4 would take the place of age in envelope.go, of HMAC-SHA-256
// and Ed25519 in keyring.go, and of AES-GCM in datakey.go.
package vault

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

const shown = "[sealed]"

// errSealed is what marshalling a secret gives.
var errSealed = errors.New("vault: a secret is not marshalled")

// secret, embedded, makes a type say "[sealed]" wherever it is printed or
// logged, and refuse to be marshalled.
type secret struct{}

// Format implements fmt.Formatter for every verb.
func (secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, shown) }

// String implements fmt.Stringer.
func (secret) String() string { return shown }

// LogValue implements slog.LogValuer.
func (secret) LogValue() slog.Value { return slog.StringValue(shown) }

// MarshalText always fails, and with it JSON, XML and gob.
func (secret) MarshalText() ([]byte, error) { return nil, errSealed }

// MarshalBSON always fails.
func (secret) MarshalBSON() ([]byte, error) { return nil, errSealed }

// hidden holds a value where fmt does not find it: fmt asks no method of what
// lies in an unexported field, and follows pointers, but not functions.
type hidden[T any] func() T

func hide[T any](v T) hidden[T] { return func() T { return v } }

// frame joins parts so that no two lists of parts give the same bytes: each is
// preceded by its length in 8 bytes, big-endian.
func frame(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = binary.BigEndian.AppendUint64(out, uint64(len(p)))
		out = append(out, p...)
	}
	return out
}

// texts is frame's argument for strings.
func texts(parts ...string) [][]byte {
	out := make([][]byte, len(parts))
	for i, p := range parts {
		out[i] = []byte(p)
	}
	return out
}
