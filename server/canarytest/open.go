package canarytest

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"io"
	"strconv"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

const (
	deepest   = 4        // containers in containers that are opened
	largest   = 64 << 20 // bytes that are taken out of one
	leastOpen = 8        // what is shorter holds no canary
)

// container finds something packed in data: where to go on looking, and a
// reader of what is inside, nil if there is none.
type container struct {
	name  string
	magic []byte
	open  func(at []byte) io.Reader // at begins with the magic
}

// containers are opened wherever they lie, whole or cut off: a reader gives
// what it can. PDF keeps its text in zlib streams, PNG its pixels and texts;
// a member of a zip is opened by its own header, so that an archive without
// its end is read too.
func containers() []container {
	deflated := func(at []byte) io.Reader {
		if r, err := zlib.NewReader(bytes.NewReader(at)); err == nil {
			return r
		}
		return nil
	}
	return []container{
		{"gzip", []byte{0x1f, 0x8b, 0x08}, func(at []byte) io.Reader {
			if r, err := gzip.NewReader(bytes.NewReader(at)); err == nil {
				return r
			}
			return nil
		}},
		{"zstd", []byte{0x28, 0xb5, 0x2f, 0xfd}, func(at []byte) io.Reader {
			if r, err := zstd.NewReader(bytes.NewReader(at), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(largest)); err == nil {
				return r.IOReadCloser()
			}
			return nil
		}},
		{"zip", []byte("PK\x03\x04"), zipMember},
		{"zlib", []byte{0x78, 0x01}, deflated},
		{"zlib", []byte{0x78, 0x5e}, deflated},
		{"zlib", []byte{0x78, 0x9c}, deflated},
		{"zlib", []byte{0x78, 0xda}, deflated},
	}
}

// zipMember reads the member whose local header data begins with (APPNOTE 4.3.7).
func zipMember(at []byte) io.Reader {
	const header = 30
	if len(at) < header || binary.LittleEndian.Uint16(at[8:]) != 8 { // what is stored lies in clear
		return nil
	}
	from := header + int(binary.LittleEndian.Uint16(at[26:])) + int(binary.LittleEndian.Uint16(at[28:]))
	if from > len(at) {
		return nil
	}
	return flate.NewReader(bytes.NewReader(at[from:]))
}

// open hands over what lies packed in data, and in that, down to a depth.
func open(piece string, data []byte, depth int, see func(inside string, opened []byte)) {
	if depth == 0 {
		return
	}
	inside := func(name string, at int, opened []byte) {
		if len(opened) < leastOpen {
			return
		}
		name = piece + " > " + name + " at " + strconv.Itoa(at)
		see(name, opened)
		open(name, opened, depth-1, see)
	}
	for _, c := range containers() {
		for at := 0; ; at++ {
			next := bytes.Index(data[at:], c.magic)
			if next < 0 {
				break
			}
			at += next
			r := c.open(data[at:])
			if r == nil {
				continue
			}
			opened, _ := io.ReadAll(io.LimitReader(r, largest)) // what is cut off or no archive gives what it can
			if closer, ok := r.(io.Closer); ok {
				_ = closer.Close()
			}
			inside(c.name, at, opened)
		}
	}
	runs(data, func(at int, decoded []byte) { inside("base64", at, decoded) })
}

// runs decodes long runs of base64, so that what is packed inside is seen: the
// forms of a canary see only what is not.
func runs(data []byte, see func(at int, decoded []byte)) {
	const long = 64 // characters
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		var is [256]bool
		for c := range 256 {
			_, err := encoding.DecodeString(string([]byte{byte(c), 'A'}))
			is[c] = err == nil && c != '\r' && c != '\n'
		}
		for i := 0; i < len(data); i++ {
			if !is[data[i]] {
				continue
			}
			end := i
			for end < len(data) && is[data[end]] {
				end++
			}
			for from := i; from < i+4 && end-from >= long; from++ { // what stands before may be of the alphabet too
				run := data[from : end-(end-from)%4]
				if decoded := make([]byte, encoding.DecodedLen(len(run))); packed(decoded, run, encoding) {
					see(from, decoded)
				}
			}
			i = end
		}
	}
}

// packed decodes a run and says whether it may hold something packed.
func packed(into, run []byte, encoding *base64.Encoding) bool {
	if _, err := encoding.Decode(into, run); err != nil {
		return false
	}
	for _, c := range containers() {
		if bytes.Contains(into, c.magic) {
			return true
		}
	}
	return false
}
