package tus

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // one of the checksums of the protocol; nothing is trusted to it
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"gridwatch/server/fault"
)

// Limits of headers.
const (
	maxMetadata = 4 << 10 // bytes of Upload-Metadata
	maxPairs    = 16
	maxName     = 255 // bytes of a file name
)

// number reads a length or an offset: a whole number in bytes, in digits.
func number(header, text string) (int64, error) {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || n > math.MaxInt64 || text != strconv.FormatUint(n, 10) {
		return 0, fault.New(fault.Invalid, "upload.header", "%s is a whole number of bytes", header)
	}
	return int64(n), nil
}

// metadata reads Upload-Metadata: pairs of a key and a value in base64, which
// may be missing, between commas. No key stands twice.
func metadata(text string) (map[string]string, error) {
	out := map[string]string{}
	if text == "" {
		return out, nil
	}
	if len(text) > maxMetadata {
		return nil, errMetadata()
	}
	pairs := strings.Split(text, ",")
	if len(pairs) > maxPairs {
		return nil, errMetadata()
	}
	for _, pair := range pairs {
		key, coded, _ := strings.Cut(strings.Trim(pair, " "), " ")
		value, err := base64.StdEncoding.DecodeString(strings.Trim(coded, " "))
		if _, twice := out[key]; err != nil || key == "" || twice || !printable(key) || !utf8.Valid(value) {
			return nil, errMetadata()
		}
		out[key] = string(value)
	}
	return out, nil
}

// printable says whether a text is ASCII without spaces.
func printable(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

func errMetadata() error {
	return fault.New(fault.Invalid, "upload.metadata",
		"Upload-Metadata has keys and values in base64 between commas, at most %d and 4 KiB, no key twice", maxPairs)
}

// checksum reads Upload-Checksum: an algorithm and a digest in base64. It
// returns nil if there is none.
func checksum(text string) (hash.Hash, []byte, error) {
	if text == "" {
		return nil, nil, nil
	}
	name, coded, _ := strings.Cut(text, " ")
	var sum hash.Hash
	switch name {
	case "sha256":
		sum = sha256.New()
	case "sha1":
		sum = sha1.New() //nolint:gosec // see the import
	default:
		return nil, nil, fault.New(fault.Invalid, "upload.checksum_algorithm", "a checksum is sha256 or sha1")
	}
	want, err := base64.StdEncoding.Strict().DecodeString(coded)
	if err != nil || len(want) != sum.Size() {
		return nil, nil, fault.New(fault.Invalid, "upload.header", "Upload-Checksum is an algorithm and the digest in base64")
	}
	return sum, bytes.Clone(want), nil
}
