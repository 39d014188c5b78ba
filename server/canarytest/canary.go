// Package canarytest searches all that a system keeps and says for texts that
// must not be there.
//
// A canary is such a text or value; a place is what is searched. Each canary
// is looked for in every form in which it may turn up: other encodings, inside
// base64 at any alignment, as a digest, and inside what is compressed. The
// package knows nothing of the system: who hands it places and canaries says
// which kinds belong where.
package canarytest

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// Kind is a class of canaries that belong in the same places.
type Kind string

// Canary is something that must be found nowhere but where its kind belongs.
type Canary struct {
	Kind Kind
	Name string // says in a finding which it is
	Raw  []byte // at least 8 bytes
	// Common says that other runs may use the same text: it is not looked for
	// in a place that is shared with them.
	Common bool
	// Hashed says that a digest may be kept: nobody finds so many random bits
	// by trying.
	Hashed bool
}

// Text is a canary of text, named by what it is and what it says.
func Text(kind Kind, name, text string) Canary {
	return Canary{Kind: kind, Name: name + " " + strconv.Quote(text), Raw: []byte(text)}
}

// Degrees are the forms that give a coordinate away, in degrees: its digits, a
// float64 and the seconds of EXIF in ten-thousandths. Digits is the coordinate
// as text, without its last digits, so that rounding hides nothing.
func Degrees(kind Kind, name, digits string, v float64) []Canary {
	_, part := math.Modf(v * 60)
	seconds := uint32(math.Round(part * 60 * 10_000))
	out := []Canary{{Kind: kind, Name: name + " in digits " + digits, Raw: []byte(digits)}}
	for _, order := range []interface {
		binary.AppendByteOrder
		String() string
	}{binary.LittleEndian, binary.BigEndian} {
		out = append(out,
			Canary{Kind: kind, Name: fmt.Sprint(name, " as float64, ", order), Raw: order.AppendUint64(nil, math.Float64bits(v))},
			Canary{Kind: kind, Name: fmt.Sprint(name, " as EXIF seconds, ", order), Raw: order.AppendUint32(order.AppendUint32(nil, seconds), 10_000)})
	}
	return out
}

// encodings are the forms of a text that keep its characters.
func encodings() map[string]func(text []byte) []byte {
	units := func(order binary.AppendByteOrder) func([]byte) []byte {
		return func(text []byte) []byte {
			var out []byte
			for _, unit := range utf16.Encode([]rune(string(text))) {
				out = order.AppendUint16(out, unit)
			}
			return out
		}
	}
	big := units(binary.BigEndian)
	escape := func(text []byte) []byte { return []byte(strings.Trim(strconv.QuoteToASCII(string(text)), `"`)) }
	return map[string]func(text []byte) []byte{
		"UTF-16LE": units(binary.LittleEndian),
		"UTF-16BE": big,
		"GBK": func(text []byte) []byte {
			out, _ := simplifiedchinese.GBK.NewEncoder().Bytes(text) // nothing if GBK has no such character
			return out
		},
		"percent":      func(text []byte) []byte { return []byte(url.QueryEscape(string(text))) },
		"percent, low": func(text []byte) []byte { return lowPercent(url.QueryEscape(string(text))) },
		"JSON":         escape,
		"JSON, HIGH":   func(text []byte) []byte { return highEscape(escape(text)) },
		"HTML": func(text []byte) []byte {
			var out []byte
			for _, r := range string(text) {
				out = fmt.Appendf(out, "&#%d;", r)
			}
			return out
		},
		"hex of UTF-16BE": func(text []byte) []byte { return hex.AppendEncode(nil, big(text)) }, // in PDF
		"HEX of UTF-16BE": func(text []byte) []byte { return bytes.ToUpper(hex.AppendEncode(nil, big(text))) },
	}
}

// lowPercent writes the digits of percent escapes in lower case.
func lowPercent(text string) []byte {
	out := []byte(text)
	for i, c := range out {
		if c == '%' && i+2 < len(out) {
			copy(out[i:], bytes.ToLower(out[i:i+3]))
		}
	}
	return out
}

// highEscape writes the digits of \u escapes in upper case.
func highEscape(text []byte) []byte {
	out := bytes.Clone(text)
	for i, c := range out {
		if c == '\\' && i+5 < len(out) && out[i+1] == 'u' {
			copy(out[i+2:], bytes.ToUpper(out[i+2:i+6]))
		}
	}
	return out
}

// digests are those that somebody might think hide a text.
func digests(raw []byte) map[string][]byte {
	a, b, c, d := md5.Sum(raw), sha1.Sum(raw), sha256.Sum256(raw), sha512.Sum512(raw)
	return map[string][]byte{"MD5": a[:], "SHA-1": b[:], "SHA-256": c[:], "SHA-512": d[:]}
}

// written adds a byte sequence as it is and as hex and base64 write it.
func written(out map[string][]byte, name string, raw []byte, alignments int) {
	join := func(form string) string { return strings.TrimPrefix(name+" as "+form, " as ") }
	out[join("clear")] = raw
	out[join("hex")] = hex.AppendEncode(nil, raw)
	out[join("HEX")] = bytes.ToUpper(out[join("hex")])
	for n := range alignments { // what comes before shifts what base64 makes of it
		from, to := (n*8+5)/6, (n+len(raw))*8/6
		shifted := append(make([]byte, n), raw...)
		out[join(fmt.Sprintf("base64 at %d", n))] = []byte(base64.StdEncoding.EncodeToString(shifted)[from:to])
		out[join(fmt.Sprintf("base64url at %d", n))] = []byte(base64.URLEncoding.EncodeToString(shifted)[from:to])
	}
}

// Forms are all byte sequences that give a canary away, by what they are.
func (c Canary) Forms() map[string][]byte {
	out := map[string][]byte{}
	written(out, "", c.Raw, 3)
	if utf8.Valid(c.Raw) {
		for name, of := range encodings() {
			out[name] = of(c.Raw)
		}
	}
	if !c.Hashed {
		for name, sum := range digests(c.Raw) {
			written(out, name, sum, 1)
		}
	}
	for name, form := range out {
		if len(form) < shortest || name != "clear" && bytes.Equal(form, c.Raw) {
			delete(out, name)
		}
	}
	return out
}
