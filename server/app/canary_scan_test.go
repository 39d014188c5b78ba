package app_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"index/suffixarray"
	"io/fs"
	"math"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// Kinds of canary, by who may see them.
const (
	identity = "identity" // nobody but the two rings together
	words    = "words"    // what a sender wrote: the desk
	capture  = "capture"  // what a picture tells of its maker: the desk
	secret   = "secret"   // keys, codes, tokens, passwords: who is given them, when they are given
	phone    = "phone"    // push tokens: the push service
)

// canary is something that must be found nowhere but where it belongs.
type canary struct {
	kind, name string
	raw        []byte
}

// haystack is a place that is searched.
type haystack struct {
	name string
	data []byte
	may  []string // kinds of canary that belong here
}

// disguises are the forms in which text turns up.
func disguises() map[string]func(text []byte) []byte {
	utf := func(order binary.AppendByteOrder) func([]byte) []byte {
		return func(text []byte) []byte {
			var out []byte
			for _, unit := range utf16.Encode([]rune(string(text))) {
				out = order.AppendUint16(out, unit)
			}
			return out
		}
	}
	return map[string]func([]byte) []byte{
		"clear":    func(text []byte) []byte { return text },
		"UTF-16LE": utf(binary.LittleEndian),
		"UTF-16BE": utf(binary.BigEndian),
		"GBK": func(text []byte) []byte {
			out, _ := simplifiedchinese.GBK.NewEncoder().Bytes(text) // nothing if GBK has no such character
			return out
		},
		"hex":     func(text []byte) []byte { return hex.AppendEncode(nil, text) },
		"HEX":     func(text []byte) []byte { return bytes.ToUpper(hex.AppendEncode(nil, text)) },
		"percent": func(text []byte) []byte { return []byte(url.QueryEscape(string(text))) },
		"JSON":    func(text []byte) []byte { return []byte(strings.Trim(strconv.QuoteToASCII(string(text)), `"`)) },
	}
}

// forms are all byte sequences that give a canary away.
func (c canary) forms() map[string][]byte {
	out := map[string][]byte{}
	for name, of := range disguises() {
		if form := of(c.raw); utf8.Valid(c.raw) || slices.Contains([]string{"clear", "hex", "HEX"}, name) {
			out[name] = form
		}
	}
	for n := range 3 { // what comes before shifts what base64 makes of it
		from, to := (n*8+5)/6, (n+len(c.raw))*8/6
		shifted := append(make([]byte, n), c.raw...)
		out[fmt.Sprintf("base64 at %d", n)] = []byte(base64.StdEncoding.EncodeToString(shifted)[from:to])
		out[fmt.Sprintf("base64url at %d", n)] = []byte(base64.URLEncoding.EncodeToString(shifted)[from:to])
	}
	for name, form := range out {
		if len(form) == 0 || name != "clear" && bytes.Equal(form, c.raw) {
			delete(out, name)
		}
	}
	return out
}

// scan says which canaries are where they do not belong, and in what form.
func scan(hay []haystack, canaries []canary) []string {
	forms := make([]map[string][]byte, len(canaries))
	for i, c := range canaries {
		forms[i] = c.forms()
	}
	var hits []string
	for _, h := range hay {
		index := suffixarray.New(h.data) // thousands of forms are looked up
		for i, c := range canaries {
			if slices.Contains(h.may, c.kind) {
				continue
			}
			for name, form := range forms[i] {
				if len(index.Lookup(form, 1)) > 0 {
					hits = append(hits, fmt.Sprintf("%s %s as %s in %s", c.kind, c.name, name, h.name))
				}
			}
		}
	}
	slices.Sort(hits)
	return hits
}

// checkScan plants a canary in a copy of each haystack in every form, with
// something before and behind it, and wants each found.
func checkScan(t *testing.T, hay []haystack) {
	t.Helper()
	c := canary{words, "planted", []byte(chinese() + "?/ü" + chinese())}
	for _, h := range hay {
		h.may = nil
		if hits := scan([]haystack{h}, []canary{c}); len(hits) > 0 {
			t.Fatalf("found before it was planted: %v", hits)
		}
		leaks := map[string][]byte{}
		for name, of := range disguises() {
			leaks[name] = slices.Concat(of([]byte("before")), of(c.raw), of([]byte("behind")))
		}
		for n := range 3 {
			whole := slices.Concat([]byte("xyz"[:n]), c.raw, []byte("behind"))
			leaks[fmt.Sprintf("base64 at %d", n)] = []byte(base64.StdEncoding.EncodeToString(whole))
			leaks[fmt.Sprintf("base64url at %d", n)] = []byte(base64.URLEncoding.EncodeToString(whole))
		}
		var want []string
		at := rand.IntN(len(h.data) + 1)
		planted := slices.Clone(h.data[:at])
		for name, leak := range leaks {
			planted = append(planted, leak...)
			want = append(want, fmt.Sprintf("words planted as %s in %s", name, h.name))
		}
		h.data = append(planted, h.data[at:]...)
		slices.Sort(want)
		if diff := cmp.Diff(want, scan([]haystack{h}, []canary{c})); diff != "" {
			t.Errorf("what was planted and what was found (-want +got)\n%s", diff)
		}
	}
}

// chinese is a random text of eight common characters.
func chinese() string {
	var text []byte
	for range 8 {
		text = append(text, byte(0xB0+rand.IntN(0x27)), byte(0xA1+rand.IntN(0x5E))) // GB 2312, level 1
	}
	out, _ := simplifiedchinese.GBK.NewDecoder().Bytes(text) // every one of these is a character
	return string(out)
}

// degrees draws a coordinate of whole degrees and some, and the forms that
// give it away: digits, a float64, and the seconds of EXIF.
func degrees(kind, name string, whole int) (float64, []canary) {
	digits := fmt.Sprintf("%d.%06d", whole, 100_000+rand.IntN(800_000))
	v, _ := strconv.ParseFloat(digits+"5", 64) // these are digits
	_, part := math.Modf(v * 60)
	seconds := uint32(math.Round(part * 60 * 10_000))
	out := []canary{{kind, name + " (digits)", []byte(digits)}}
	for _, order := range []interface {
		binary.AppendByteOrder
		String() string
	}{binary.LittleEndian, binary.BigEndian} {
		out = append(out,
			canary{kind, name + " (float64, " + order.String() + ")", order.AppendUint64(nil, math.Float64bits(v))},
			canary{kind, name + " (rational, " + order.String() + ")", order.AppendUint32(order.AppendUint32(nil, seconds), 10_000)})
	}
	return v, out
}

// folder reads all files under a folder but those in a folder that keeps
// secrets on purpose.
func folder(t *testing.T, dir, but string) []byte {
	t.Helper()
	var all []byte
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == but {
			return fs.SkipDir
		}
		all = append(append(all, path...), '\n')
		if !entry.Type().IsRegular() {
			return nil
		}
		content, err := os.ReadFile(path)
		all = append(append(all, content...), '\n')
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// ofDemo are what the demo's reporter says and is.
func ofDemo() []canary {
	var all []canary
	for kind, texts := range map[string][]string{
		identity: {"demo reporter", "演示举报人"},
		words:    {"men weld next to them", "车间内气瓶靠近火源", "are kept beside a stove, without", "Welding goes on without", "the workshop by the road in"},
		capture:  {"DEMO-SERIAL-0001", "DemoPhone"},
	} {
		for _, text := range texts {
			all = append(all, canary{kind, "of the demo: " + text, []byte(text)})
		}
	}
	return all
}
