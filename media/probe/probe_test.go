package probe_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/png"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gridwatch/media/mediatest"
	"gridwatch/media/probe"
)

var taken = time.Date(2026, 11, 20, 8, 15, 30, 0, time.FixedZone("", 8*60*60))

func full() mediatest.Options {
	return mediatest.Options{
		Seed: 1, Width: 160, Height: 120,
		Lon: 126.533333, Lat: 44.840278, Accuracy: 12.5, Time: taken, Make: "Demo", Model: "Phone 1",
		Serial: "SN-0001", Software: "camera 2", Orientation: 6, Comment: "a comment",
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	all := probe.Facts{
		Position: &probe.Position{Lon: 126.533333, Lat: 44.840278, Accuracy: 12.5}, Taken: &taken, OffsetKnown: true,
		Make: "Demo", Model: "Phone 1", Serial: "SN-0001", Software: "camera 2", Orientation: 6,
	}
	picture := mediatest.Picture(full())
	tests := map[string]struct {
		head []byte
		kind string
		want probe.Facts
	}{
		"jpeg":               {picture, "image/jpeg", all},
		"png":                {pngWith(t, mediatest.EXIF(full())), "image/png", all},
		"png without":        {pngWith(t, nil), "image/png", probe.Facts{}},
		"no metadata":        {mediatest.Picture(mediatest.Options{Width: 16, Height: 16}), "image/jpeg", probe.Facts{}},
		"cut after the EXIF": {picture[:1000], "image/jpeg", all},
		"another type":       {picture, "image/png", probe.Facts{}},
		"nothing":            {nil, "image/jpeg", probe.Facts{}},
		"south and west": {
			mediatest.Picture(mediatest.Options{Width: 16, Height: 16, Lon: -70.5, Lat: -33.25}), "image/jpeg",
			probe.Facts{Position: &probe.Position{Lon: -70.5, Lat: -33.25}},
		},
		"no such place": {
			mediatest.Picture(mediatest.Options{Width: 16, Height: 16, Lon: 200, Lat: 44}), "image/jpeg", probe.Facts{},
		},
		"too far north": {
			mediatest.Picture(mediatest.Options{Width: 16, Height: 16, Lon: 126, Lat: 90.5}), "image/jpeg", probe.Facts{},
		},
		"the ends of the world": {
			mediatest.Picture(mediatest.Options{Width: 16, Height: 16, Lon: -180, Lat: 90}), "image/jpeg",
			probe.Facts{Position: &probe.Position{Lon: -180, Lat: 90}},
		},
		"upright":              {mediatest.Picture(mediatest.Options{Width: 16, Height: 16, Orientation: 1}), "image/jpeg", probe.Facts{Orientation: 1}},
		"the last orientation": {mediatest.Picture(mediatest.Options{Width: 16, Height: 16, Orientation: 8}), "image/jpeg", probe.Facts{Orientation: 8}},
		"no such orientation":  {mediatest.Picture(mediatest.Options{Width: 16, Height: 16, Orientation: 9}), "image/jpeg", probe.Facts{}},
		"text with blanks":     {mediatest.Picture(mediatest.Options{Width: 16, Height: 16, Model: "Phone  "}), "image/jpeg", probe.Facts{Model: "Phone"}},
		"offset unknown": {
			bytes.Replace(picture, []byte("+08:00"), []byte("      "), 1), "image/jpeg",
			func() probe.Facts {
				f, local := all, time.Date(2026, 11, 20, 8, 15, 30, 0, time.UTC)
				f.Taken, f.OffsetKnown = &local, false
				return f
			}(),
		},
		"no such offset": {
			bytes.Replace(picture, []byte("+08:00"), []byte("+24:00"), 1), "image/jpeg",
			func() probe.Facts {
				f, local := all, time.Date(2026, 11, 20, 8, 15, 30, 0, time.UTC)
				f.Taken, f.OffsetKnown = &local, false
				return f
			}(),
		},
		"no such time": {
			bytes.Replace(picture, []byte("2026:11:20"), []byte("0000:00:00"), 1), "image/jpeg",
			func() probe.Facts {
				f := all
				f.Taken, f.OffsetKnown = nil, false
				return f
			}(),
		},
		"long text": {
			mediatest.Picture(mediatest.Options{Width: 16, Height: 16, Model: strings.Repeat("字", 500)}), "image/jpeg",
			probe.Facts{Model: strings.Repeat("字", 21)}, // the 64 bytes kept end inside the 22nd
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := probe.Read(test.head, test.kind)
			if diff := cmp.Diff(test.want, got, cmpopts.EquateApprox(0, 1e-6)); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
		})
	}
}

// A WebP whose chunk of pixels has an odd length tells its facts, though they
// stand behind a byte of padding, and behind more than a mebibyte of pixels.
func TestFactsOfWebPStandBehindItsPixels(t *testing.T) {
	t.Parallel()
	for _, pixels := range []int{0, 402, 403, 3<<20 + 1} {
		got := probe.Read(webpWith(pixels, mediatest.EXIF(full())), "image/webp")
		if got.Orientation != 6 || got.Model != "Phone 1" || got.Position == nil || got.Position.Accuracy != 12.5 {
			t.Errorf("%d bytes of pixels: got %+v", pixels, got)
		}
	}
	if got := probe.Read(webpWith(403, nil), "image/webp"); got != (probe.Facts{}) {
		t.Errorf("without EXIF: got %+v", got)
	}
}

// webpWith returns a WebP without a picture: its header, a chunk of the length of
// pixels, and EXIF.
func webpWith(pixels int, exif []byte) []byte {
	body := []byte("WEBP")
	add := func(name string, chunk []byte) {
		body = append(binary.LittleEndian.AppendUint32(append(body, name...), uint32(len(chunk))), chunk...)
		body = append(body, make([]byte, len(chunk)%2)...)
	}
	add("VP8X", []byte{8, 0, 0, 0, 7, 0, 0, 7, 0, 0})
	add("VP8L", make([]byte, pixels))
	if exif != nil {
		add("EXIF", exif)
	}
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

// pngWith returns a small PNG with an eXIf chunk before its pixels.
func pngWith(tb testing.TB, exif []byte) []byte {
	tb.Helper()
	var buf bytes.Buffer
	if err := png.Encode(&buf, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		tb.Fatal(err)
	}
	if exif == nil {
		return buf.Bytes()
	}
	const header = 8 + 4 + 4 + 13 + 4
	chunk := append([]byte("eXIf"), exif...)
	out := binary.BigEndian.AppendUint32(bytes.Clone(buf.Bytes()[:header]), uint32(len(exif)))
	out = append(out, chunk...)
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(chunk))
	return append(out, buf.Bytes()[header:]...)
}

// hostile returns metadata made to hold up or to break its reader.
func hostile(tb testing.TB) map[string][]byte {
	tb.Helper()
	const size = 8 << 20
	loop := mediatest.EXIF(full())
	for at := range len(loop) - 4 { // every pointer to the photo directory points at the first again
		if binary.LittleEndian.Uint16(loop[at:]) == 0x8769 {
			binary.LittleEndian.PutUint32(loop[at+8:], 8)
			break
		}
	}
	huge := mediatest.EXIF(full())
	binary.LittleEndian.PutUint32(huge[8+2+4:], 0xFFFFFFFF) // the count of the first field
	picture := mediatest.Picture(full())
	return map[string][]byte{
		"empty chunks":    append(bytes.Clone(pngWith(tb, nil)[:33]), bytes.Repeat([]byte("\x00\x00\x00\x00tEXt\x00\x00\x00\x00"), size/12)...),
		"empty segments":  append([]byte{0xFF, 0xD8}, bytes.Repeat([]byte{0xFF, 0xEF, 0, 2}, size/4)...),
		"zeros":           append([]byte{0xFF, 0xD8}, make([]byte, size)...),
		"directory loop":  pngWith(tb, loop),
		"huge count":      pngWith(tb, huge),
		"many fields":     pngWith(tb, append([]byte("II*\x00\x08\x00\x00\x00\xFF\xFF"), bytes.Repeat([]byte{0x10, 1, 2, 0, 0, 16, 0, 0, 8, 0, 0, 0}, 65535)...)),
		"length lies":     bytes.Replace(picture, picture[2:6], []byte{0xFF, 0xE1, 0xFF, 0xFF}, 1),
		"cut in the EXIF": picture[:90],
		"WebP of nothing": append([]byte("RIFF\xFE\xFF\xFF\xFFWEBP"), bytes.Repeat([]byte("EXIX\x00\x00\x00\x00"), size/8)...),
		"WebP loop":       webpWith(8, loop),
	}
}

var pictures = []string{"image/jpeg", "image/png", "image/webp"}

// What is made to hold up a reader ends it, and where there is no TIFF
// no fact is found. How long it takes: BenchmarkRead.
func TestReadHostile(t *testing.T) {
	t.Parallel()
	for name, head := range hostile(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, kind := range pictures {
				got := probe.Read(head, kind)
				if diff := cmp.Diff(probe.Facts{}, got); diff != "" && !bytes.Contains(head, []byte("II*")) {
					t.Errorf("as %s, facts of nothing (-want +got):\n%s", kind, diff)
				}
			}
		})
	}
}

// BenchmarkRead compares an honest picture with those made to hold up.
func BenchmarkRead(b *testing.B) {
	heads := hostile(b)
	heads["honest"] = mediatest.Picture(full())
	for _, name := range slices.Sorted(maps.Keys(heads)) {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			for b.Loop() {
				for _, kind := range pictures {
					probe.Read(heads[name], kind)
				}
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(mediatest.Picture(full()))
	f.Add(pngWith(f, mediatest.EXIF(full())))
	f.Add(pngWith(f, nil))
	f.Add(webpWith(3, mediatest.EXIF(full())))
	for _, head := range hostile(f) {
		f.Add(head[:min(len(head), 4096)])
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		for _, kind := range []string{"image/jpeg", "image/png", "image/webp"} {
			facts := probe.Read(head, kind)
			if p := facts.Position; p != nil && (p.Lon < -180 || p.Lon > 180 || p.Lat < -90 || p.Lat > 90) {
				t.Errorf("position %v is nowhere", *p)
			}
			if facts.Orientation < 0 || facts.Orientation > 8 {
				t.Errorf("orientation %d", facts.Orientation)
			}
			if len(facts.Model) > 64 {
				t.Errorf("model of %d bytes", len(facts.Model))
			}
		}
	})
}
