package canarytest

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

const text = "焊接作业旁的气瓶?/ü与明火" // all of it in GBK

// found are the forms or pieces under which a canary is found in data.
func found(t *testing.T, read func(func(string, []byte)) error, canaries ...Canary) []Hit {
	t.Helper()
	r, err := Sweep([]Place{{Name: "place", Read: read}}, canaries)
	if err != nil {
		t.Fatal(err)
	}
	return r.Hits
}

// noise is something in which a leak can lie.
func noise(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(rand.UintN(256))
	}
	return out
}

func TestEveryFormIsFound(t *testing.T) {
	t.Parallel()
	c := Text("words", "planted", text)
	leaks := map[string][]byte{"clear": []byte(text)}
	for name, of := range encodings() {
		leaks[name] = slices.Concat(of([]byte("before")), of(c.Raw), of([]byte("behind")))
	}
	for name, sum := range digests(c.Raw) {
		leaks[name] = sum
	}
	for n := range 3 {
		whole := slices.Concat([]byte("xyz"[:n]), c.Raw, []byte("behind"))
		leaks[fmt.Sprint("base64 at ", n)] = []byte(base64.StdEncoding.EncodeToString(whole))
		leaks[fmt.Sprint("base64url at ", n)] = []byte(base64.URLEncoding.EncodeToString(whole))
	}
	for name, leak := range leaks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := noise(rand.IntN(5000))
			if hits := found(t, Bytes(before), c); len(hits) > 0 {
				t.Fatalf("found before it was planted: %v", hits)
			}
			hits := found(t, Bytes(slices.Concat(before, leak, noise(rand.IntN(5000)))), c)
			// Where a text has neither + nor /, the two alphabets write it alike.
			if len(hits) != 1 || !strings.HasPrefix(strings.Replace(hits[0].Form, "url", "", 1), strings.Replace(name, "url", "", 1)) {
				t.Errorf("got %v", hits)
			}
		})
	}
}

func TestCoordinatesAreFound(t *testing.T) {
	t.Parallel()
	all := Degrees("words", "stood", "126.483721", 126.4837215)
	if inPhoto := all[4].Raw; !bytes.Equal(inPhoto, []byte{0, 0, 0x36, 0x96, 0, 0, 0x27, 0x10}) { // 126° 29' 1.3974"
		t.Errorf("got %x", inPhoto)
	}
	for _, c := range all {
		if hits := found(t, Bytes(slices.Concat(noise(100), c.Raw, noise(100))), all...); len(hits) != 1 || hits[0].Canary.Name != c.Name {
			t.Errorf("%s: got %v", c.Name, hits)
		}
	}
}

// pack writes text with a writer that compresses.
func pack(t *testing.T, of func(io.Writer) io.WriteCloser, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := of(&out)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	member, err := w.Create("member")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(member, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestContainersAreOpened(t *testing.T) {
	t.Parallel()
	gz := func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
	long := strings.Repeat("and so on, ", 500) + text + strings.Repeat(", and so on", 500)
	packed := pack(t, gz, long)
	for name, data := range map[string][]byte{
		"gzip":                 packed,
		"gzip without its end": pack(t, gz, long+string(noise(5000)))[:2000],
		"zstd": pack(t, func(w io.Writer) io.WriteCloser {
			z, err := zstd.NewWriter(w)
			if err != nil {
				t.Fatal(err)
			}
			return z
		}, long),
		"PDF":                      slices.Concat([]byte("%PDF-1.7\n1 0 obj <</Filter /FlateDecode>>\nstream\r\n"), pack(t, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }, long), []byte("\nendstream")),
		"zip":                      zipped(t, long),
		"zip without its end":      zipped(t, long+string(noise(5000)))[:2000],
		"gzip in zip":              zipped(t, string(packed)),
		"gzip in base64":           []byte(base64.StdEncoding.EncodeToString(packed)),
		"gzip in base64, behind":   []byte("\x00x" + base64.StdEncoding.EncodeToString(packed)),
		"gzip in base64url in zip": zipped(t, base64.RawURLEncoding.EncodeToString(packed)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := Text("words", "planted", text)
			if hits := found(t, Bytes(slices.Concat(noise(1000), data, noise(1000))), c); len(hits) != 1 {
				t.Errorf("got %v", hits)
			}
		})
	}
}

// value is what PostgreSQL keeps of a compressed value behind its length.
func value(t *testing.T, text string) []byte {
	t.Helper()
	packed := make([]byte, lz4.CompressBlockBound(len(text)))
	n, err := lz4.CompressBlock([]byte(text), packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(text))|1<<30), packed[:n]...)
}

// chunks cuts a value as a table of chunks holds it, the last first.
func chunks(value []byte) []byte {
	var out []byte
	var n uint32
	for c := range slices.Chunk(value, chunk) {
		one := binary.LittleEndian.AppendUint32(nil, 77_000)
		one = binary.LittleEndian.AppendUint32(one, n)
		one = binary.LittleEndian.AppendUint32(one, uint32(len(c)+4)<<2)
		out = slices.Concat(one, c, []byte("something between them"), out)
		n++
	}
	return out
}

// pages puts the headers of the log's pages between what it holds.
func pages(stream []byte) []byte {
	var out []byte
	for len(stream) > 0 {
		header, n := make([]byte, 24), page-24
		if len(out)%(16<<20) == 0 {
			header, n = make([]byte, 40), page-40
			header[2] = 2
		}
		header[0], header[1] = 0x18, 0xD1
		n = min(n, len(stream))
		out, stream = slices.Concat(out, header, stream[:n]), stream[n:]
	}
	return out
}

func TestWhatPostgresWritesIsOpened(t *testing.T) {
	t.Parallel()
	c := Text("words", "planted", text)
	long := strings.Repeat("and so on, ", 2000) + text
	packed := value(t, long)
	inPlace := append(binary.LittleEndian.AppendUint32(nil, uint32(len(packed)+4)<<2|2), packed...)
	raw := slices.Concat(noise(chunk-20), []byte(text), noise(3000))
	var mixed strings.Builder
	for range 300 {
		mixed.WriteString(text + string(noise(20)))
	}
	for name, data := range map[string][]byte{
		"compressed":            inPlace,
		"in chunks":             chunks(raw),
		"in chunks, compressed": chunks(value(t, mixed.String())),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.MkdirAll(filepath.Join(dir, "base", "5"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(filepath.Join(dir, "pg_wal"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "base", "5", "1"), slices.Concat(noise(99), data, noise(99)), 0o600); err != nil {
				t.Fatal(err)
			}
			stream := pages(slices.Concat(noise(2*page-500), data, noise(99)))
			for i, half := range [][]byte{stream[:page], stream[page:]} { // two segments
				if err := os.WriteFile(filepath.Join(dir, "pg_wal", fmt.Sprint(i)), half, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for place, read := range map[string]func(time.Time) func(func(string, []byte)) error{
				"data files": func(since time.Time) func(func(string, []byte)) error { return DataFiles(dir, since) },
				"log":        func(since time.Time) func(func(string, []byte)) error { return WriteAheadLog(dir, since) },
			} {
				if hits := found(t, read(time.Time{}), c); len(hits) != 1 {
					t.Errorf("%s: got %v", place, hits)
				}
				if hits := found(t, read(time.Now().Add(time.Hour)), c); len(hits) > 0 {
					t.Errorf("%s: got %v in what was written long ago", place, hits)
				}
			}
		})
	}
}

// The reference back of pglz may reach into what it is just writing.
func TestPglz(t *testing.T) {
	t.Parallel()
	packed := []byte{0b1000, 'a', 'b', 'c', 0x0f, 3, 2, 'd'} // abc, then 20 bytes from 3 back, then d
	want := "abc" + strings.Repeat("abc", 6) + "ab" + "d"
	if got := pglz(packed, len(want)); string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for name, bad := range map[string][]byte{
		"cut": packed[:6], "back too far": {0b0010, 'a', 0x00, 2}, "back by nothing": {0b0010, 'a', 0x00, 0}, "nothing": nil,
	} {
		if got := pglz(bad, len(want)); got != nil {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestWhoseIt(t *testing.T) {
	t.Parallel()
	all := []Canary{Text("a", "own", "AAAAAAAAAAAA"), Text("b", "leak", "BBBBBBBBBBBB"), {Kind: "b", Name: "common", Raw: []byte("CCCCCCCCCCCC"), Common: true}}
	data := Bytes([]byte("AAAAAAAAAAAA BBBBBBBBBBBB CCCCCCCCCCCC AAAAAAAAAAAA"))
	r, err := Sweep([]Place{{Name: "own", May: []Kind{"a"}, Read: data}, {Name: "shared", Shared: true, Read: data}}, all)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range r.Leaks() {
		got = append(got, h.Canary.Name+" in "+h.Place)
	}
	want := []string{`leak "BBBBBBBBBBBB" in own`, `leak "BBBBBBBBBBBB" in shared`, `own "AAAAAAAAAAAA" in shared`, "common in own"}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" || r.Owned("own") != 1 {
		t.Errorf("-want +got\n%s, and %d that belong there", diff, r.Owned("own"))
	}
	var out bytes.Buffer
	if err := r.Print(&out); err != nil || !strings.Contains(out.String(), `LEAK: b leak "BBBBBBBBBBBB" as clear in shared`) || !strings.Contains(out.String(), "4 hits outside") {
		t.Errorf("got %s, %v", out.String(), err)
	}
}

func TestWhatIsNotLookedFor(t *testing.T) {
	t.Parallel()
	if _, err := Sweep(nil, []Canary{Text("a", "short", "1234567")}); err == nil {
		t.Error("a canary that would be found by chance was taken")
	}
	kept := Text("a", "random", text)
	kept.Hashed = true
	for name := range maps.Keys(kept.Forms()) {
		if strings.Contains(name, "SHA") {
			t.Errorf("%s is looked for, where it may be kept", name)
		}
	}
}
