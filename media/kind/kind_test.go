package kind_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"gridwatch/media/cliptest"
	"gridwatch/media/kind"
	"gridwatch/media/mediatest"
)

func TestDetect(t *testing.T) {
	t.Parallel()
	still := []string{"-f", "lavfi", "-i", "testsrc=size=32x32", "-frames:v", "1"}
	tests := map[string]struct {
		file []byte
		want string // empty: not accepted
	}{
		"JPEG":      {mediatest.Picture(mediatest.Options{Width: 8, Height: 8}), "photo image/jpeg "},
		"PNG":       {cliptest.Media(t, "png", still...), "photo image/png "},
		"WebP":      {cliptest.Media(t, "webp", still...), "photo image/webp "},
		"HEIC":      {heic(box("ispe", make([]byte, 12))), "photo image/heic "},
		"HEIF":      {box("ftyp", []byte("mif1\x00\x00\x00\x00")), "photo image/heic "},
		"MP4":       {cliptest.Film(t, "mp4", "", 1), "video video/mp4 mov"},
		"MOV":       {cliptest.Film(t, "mov", "", 1), "video video/quicktime mov"},
		"WebM":      {cliptest.Film(t, "webm", "", 1), "video video/webm matroska"},
		"3GP":       {cliptest.Film(t, "3gp", "", 1), "video video/3gpp mov"},
		"M4A":       {cliptest.Sound(t, "m4a", "", 1), "audio audio/mp4 mov"},
		"AAC":       {cliptest.Sound(t, "aac", "", 1), "audio audio/aac aac"},
		"AMR":       {cliptest.AMR(1), "audio audio/amr amr"},
		"WAV":       {cliptest.Sound(t, "wav", "", 1), "audio audio/wav wav"},
		"MP3":       {cliptest.Sound(t, "mp3", "", 1), "audio audio/mpeg mp3"},
		"OGG":       {cliptest.Sound(t, "ogg", "", 1), "audio audio/ogg ogg"},
		"PDF":       {[]byte("%PDF-1.7\n"), "document application/pdf "},
		"Matroska":  {cliptest.Media(t, "mkv", still...), ""},
		"AVI":       {cliptest.Media(t, "avi", still...), ""},
		"GIF":       {cliptest.Media(t, "gif", still...), ""},
		"playlist":  {[]byte("#EXTM3U\nhttp://127.0.0.1/x.ts\n"), ""},
		"archive":   {[]byte("PK\x03\x04\x14\x00\x00\x00"), ""},
		"program":   {[]byte("\x7fELF\x02\x01\x01"), ""},
		"markup":    {[]byte("<html><script>"), ""},
		"SVG":       {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), ""},
		"text":      {[]byte("hello"), ""},
		"nothing":   {nil, ""},
		"zip first": {append([]byte("PK\x03\x04"), "%PDF-1.7\n"...), ""},
	}
	for name, test := range tests {
		k, ok := kind.Detect(test.file[:min(len(test.file), kind.Head)])
		got := strings.Join([]string{string(k.Class), k.Type, k.Demuxer}, " ")
		if ok != (test.want != "") || (ok && got != test.want) {
			t.Errorf("%s: got %q, %t, want %q", name, got, ok, test.want)
		}
	}
}

func box(name string, content ...[]byte) []byte {
	all := bytes.Join(content, nil)
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(all)))
	return append(append(b, name...), all...)
}

func ispe(width, height uint32) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 4), width)
	return box("ispe", binary.BigEndian.AppendUint32(b, height))
}

// heic returns the boxes of a HEIC with some properties.
func heic(properties ...[]byte) []byte {
	ipco := box("ipco", properties...)
	meta := box("meta", make([]byte, 4), box("hdlr", make([]byte, 24)), box("iprp", ipco))
	return append(box("ftyp", []byte("heic\x00\x00\x00\x00mif1heic")), append(meta, box("mdat", make([]byte, 64))...)...)
}

func TestHEIC(t *testing.T) {
	t.Parallel()
	profile := bytes.Repeat([]byte{7}, 200)
	got, err := kind.HEIC(heic(ispe(512, 512), ispe(5712, 4284), ispe(320, 240), box("colr", []byte("nclx"), make([]byte, 7)), box("colr", []byte("prof"), profile)))
	if err != nil || got.Width != 5712 || got.Height != 4284 || !bytes.Equal(got.Profile, profile) {
		t.Errorf("got %d x %d, profile of %d, %v", got.Width, got.Height, len(got.Profile), err)
	}
	// A size that overflows when multiplied in 32 or 63 bits stays what it says.
	if got, err := kind.HEIC(heic(ispe(4, 4), ispe(1<<32-1, 1<<32-1))); err != nil || uint64(got.Width) != 1<<32-1 || uint64(got.Height) != 1<<32-1 {
		t.Errorf("got %d x %d, %v", got.Width, got.Height, err)
	}
	whole := heic(ispe(64, 48))
	// Lengths of 64 bits and "to the end" are as good as others, empty boxes too.
	open, wide := box("free"), append(append([]byte{0, 0, 0, 1}, "free"...), 0, 0, 0, 0, 0, 0, 0, 16)
	binary.BigEndian.PutUint32(open, 0)
	short := box("colr", []byte("rICC"))
	for name, file := range map[string][]byte{
		"a length of 64 bits":     append(bytes.Clone(wide), append(whole, box("free")...)...),
		"one with content":        append(append([]byte{0, 0, 0, 1}, "free\x00\x00\x00\x00\x00\x00\x00\x11?"...), whole...),
		"the last to the end":     append(bytes.Clone(whole), append(open, 1, 2, 3)...),
		"a profile without bytes": heic(ispe(64, 48), short, box("colr", []byte("rICCone")), box("colr", []byte("proftwo"))),
	} {
		got, err := kind.HEIC(file)
		if want := map[bool]string{true: "one"}[name == "a profile without bytes"]; err != nil || got.Width != 64 || got.Height != 48 || string(got.Profile) != want {
			t.Errorf("%s: got %d x %d, profile %q, %v", name, got.Width, got.Height, got.Profile, err)
		}
	}
	most := append([]byte("prof"), make([]byte, 1<<20-4)...)
	for name, c := range map[string]struct {
		colr []byte
		want int
	}{"the largest profile": {most, 1<<20 - 4}, "a larger one": {append(most, 0), 0}} {
		if got, err := kind.HEIC(heic(ispe(64, 48), box("colr", c.colr))); err != nil || len(got.Profile) != c.want {
			t.Errorf("%s: got one of %d, %v", name, len(got.Profile), err)
		}
	}
	long := box("free", make([]byte, 8))
	binary.BigEndian.PutUint32(long, 1)
	binary.BigEndian.PutUint64(long[8:], 1<<63)
	lies := map[string][]byte{
		"nothing":                {},
		"no size":                heic(box("pixi", make([]byte, 8))),
		"no boxes":               []byte("hello, world"),
		"cut off":                whole[:len(whole)-3],
		"longer than the file":   append(bytes.Clone(whole), 0xFF, 0xFF, 0xFF, 0xFF, 'f', 'r', 'e', 'e'),
		"shorter than a header":  append(bytes.Clone(whole), 0, 0, 0, 7, 'f', 'r', 'e', 'e'),
		"a long length":          append(bytes.Clone(whole), long...),
		"a long length, cut off": append(bytes.Clone(whole), 0, 0, 0, 1, 'f', 'r', 'e', 'e', 0),
		"size without content":   heic(box("ispe", []byte{0})),
		"meta without version":   box("meta", []byte{0}),
		"ten thousand boxes":     append(bytes.Clone(whole), bytes.Repeat(box("free"), 10_000)...),
		"no height":              heic(ispe(100, 0)),
		"a meta that lies":       append(bytes.Clone(whole), box("meta", make([]byte, 4), []byte("\x00\x00\x00\x09free"))...),
		"seven bytes":            append(bytes.Clone(whole), 0, 0, 0, 8, 'f', 'r', 'e'),
		"size of zero":           heic(ispe(0, 100)),
	}
	for name, file := range lies {
		if got, err := kind.HEIC(file); !errors.Is(err, kind.ErrBoxes) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, kind.ErrBoxes)
		}
	}
}

func FuzzHEIC(f *testing.F) {
	f.Add(heic(ispe(64, 48), box("colr", []byte("prof"), make([]byte, 128))))
	f.Add(heic(ispe(1<<32-1, 1<<32-1)))
	f.Add(append([]byte{0, 0, 0, 1, 'm', 'e', 't', 'a', 0, 0, 0, 0, 0, 0, 0, 24}, make([]byte, 8)...))
	f.Add([]byte{0, 0, 0, 0, 'm', 'e', 't', 'a', 0, 0, 0, 0, 0, 0, 0, 8, 'i', 'p', 'r', 'p'})
	f.Fuzz(func(t *testing.T, file []byte) {
		s, err := kind.HEIC(file)
		if err == nil && (s.Width <= 0 || s.Height <= 0 || len(s.Profile) > len(file)) {
			t.Errorf("got %d x %d, profile of %d out of %d", s.Width, s.Height, len(s.Profile), len(file))
		}
	})
}

func FuzzDetect(f *testing.F) {
	f.Add([]byte("%PDF-1.7\n"))
	f.Add(heic())
	f.Fuzz(func(t *testing.T, head []byte) {
		if k, ok := kind.Detect(head); ok && (k.Class == "" || k.Type == "") {
			t.Errorf("got %+v", k)
		}
	})
}
