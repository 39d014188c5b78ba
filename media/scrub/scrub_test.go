package scrub_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/image/draw"

	"gridwatch/media/mediatest"
	"gridwatch/media/probe"
	"gridwatch/media/scrub"
)

const canary = "CANARY-7f3a"

var (
	red    = color.RGBA{220, 30, 30, 255}
	green  = color.RGBA{30, 200, 30, 255}
	blue   = color.RGBA{30, 30, 220, 255}
	yellow = color.RGBA{230, 220, 30, 255}
)

// quarters returns a picture with a colour in each corner.
func quarters(w, h int, topLeft, topRight, bottomLeft, bottomRight color.Color) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i, c := range []color.Color{topLeft, topRight, bottomLeft, bottomRight} {
		at := image.Pt(i%2*w/2, i/2*h/2)
		draw.Draw(img, image.Rect(0, 0, w/2, h/2).Add(at), image.NewUniform(c), image.Point{}, draw.Src)
	}
	return img
}

func encode(tb testing.TB, img image.Image, kind string) []byte {
	tb.Helper()
	var buf bytes.Buffer
	err := png.Encode(&buf, img)
	if kind == "jpeg" {
		buf.Reset()
		err = jpeg.Encode(&buf, img, &jpeg.Options{Quality: 95})
	}
	if err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

func clean(tb testing.TB, c *scrub.Cleaner, original []byte) (scrub.Copy, image.Image) {
	tb.Helper()
	out, err := c.Clean(tb.Context(), bytes.NewReader(original))
	if err != nil {
		tb.Fatalf("clean: %v", err)
	}
	img, err := jpeg.Decode(bytes.NewReader(out.JPEG))
	if err != nil {
		tb.Fatalf("the copy is not a JPEG: %v", err)
	}
	if got := img.Bounds().Size(); got != image.Pt(out.Width, out.Height) {
		tb.Fatalf("the copy has %v pixels, said to be %dx%d", got, out.Width, out.Height)
	}
	return out, img
}

// near says whether two colours look the same after a JPEG.
func near(a, b color.Color) bool {
	const loss = 0x1800
	ar, ag, ab, _ := a.RGBA()
	br, bg, bb, _ := b.RGBA()
	return max(ar, br)-min(ar, br) < loss && max(ag, bg)-min(ag, bg) < loss && max(ab, bb)-min(ab, bb) < loss
}

func TestCleanTurnsUpright(t *testing.T) {
	t.Parallel()
	// What stands in the corners of the file so that the picture shows red and
	// green above blue and yellow (CIPA DC-008: row 0 and column 0 by orientation).
	stored := map[int][4]color.Color{
		0: {red, green, blue, yellow},
		1: {red, green, blue, yellow}, // top, left
		2: {green, red, yellow, blue}, // top, right
		3: {yellow, blue, green, red}, // bottom, right
		4: {blue, yellow, red, green}, // bottom, left
		5: {red, blue, green, yellow}, // left, top
		6: {green, yellow, red, blue}, // right, top
		7: {yellow, green, blue, red}, // right, bottom
		8: {blue, red, yellow, green}, // left, bottom
	}
	for _, kind := range []string{"jpeg", "png"} {
		for orientation, c := range stored {
			w, h := 96, 64
			if orientation >= 5 {
				w, h = h, w
			}
			file := encode(t, quarters(w, h, c[0], c[1], c[2], c[3]), kind)
			file = withEXIF(file, kind, mediatest.Options{Orientation: orientation})
			out, img := clean(t, scrub.New(scrub.Config{}), file)
			if out.Width != 96 || out.Height != 64 {
				t.Errorf("%s, orientation %d: got %dx%d, want 96x64", kind, orientation, out.Width, out.Height)
			}
			for at, want := range map[image.Point]color.Color{{20, 15}: red, {75, 15}: green, {20, 50}: blue, {75, 50}: yellow} {
				if got := img.At(at.X, at.Y); !near(got, want) {
					t.Errorf("%s, orientation %d: got %v at %v, want %v", kind, orientation, got, at, want)
				}
			}
		}
	}
}

func TestCleanShrinks(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ w, h, wantW, wantH int }{
		"small stays":          {50, 30, 50, 30},
		"as large as allowed":  {100, 75, 100, 75},
		"one more":             {101, 60, 100, 59},
		"wide, in two steps":   {1000, 500, 100, 50},
		"tall, in two steps":   {300, 900, 33, 100},
		"a line keeps a pixel": {1200, 2, 100, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := encode(t, quarters(test.w, test.h, red, green, red, green), "png")
			out, img := clean(t, scrub.New(scrub.Config{Side: 100}), file)
			if out.Width != test.wantW || out.Height != test.wantH {
				t.Errorf("got %dx%d, want %dx%d", out.Width, out.Height, test.wantW, test.wantH)
			}
			if got := img.At(out.Width/8, out.Height/2); !near(got, red) {
				t.Errorf("got %v on the left, want %v", got, red)
			}
		})
	}
}

func TestCleanDrawsOnWhite(t *testing.T) {
	t.Parallel()
	_, img := clean(t, scrub.New(scrub.Config{}), encode(t, image.NewNRGBA(image.Rect(0, 0, 32, 32)), "png"))
	if got := img.At(16, 16); !near(got, color.White) {
		t.Errorf("transparent became %v, want white", got)
	}
}

func withEXIF(file []byte, kind string, o mediatest.Options) []byte {
	if kind == "jpeg" {
		return mediatest.Tag(file, o)
	}
	return chunk(file, "eXIf", mediatest.EXIF(o))
}

// chunk puts a chunk behind the header of a PNG.
func chunk(file []byte, name string, body []byte) []byte {
	const header = 8 + 4 + 4 + 13 + 4
	out := binary.BigEndian.AppendUint32(bytes.Clone(file[:header]), uint32(len(body)))
	out = append(append(out, name...), body...)
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[header+4:]))
	return append(out, file[header:]...)
}

// segment puts an application segment at the beginning of a JPEG.
func segment(file []byte, marker byte, body string) []byte {
	out := append([]byte{0xFF, 0xD8, 0xFF, marker}, byte((len(body)+2)>>8), byte(len(body)+2))
	return append(append(out, body...), file[2:]...)
}

func TestCleanLeavesNoMetadata(t *testing.T) {
	t.Parallel()
	picture := encode(t, quarters(64, 64, red, green, blue, yellow), "jpeg")
	plain := encode(t, quarters(64, 64, red, green, blue, yellow), "png")
	exif := mediatest.Options{Lon: 126.5, Lat: 44.8, Time: time.Unix(1e9, 0), Make: canary, Serial: canary, Comment: canary}
	tests := map[string][]byte{
		"EXIF":              mediatest.Tag(picture, exif),
		"XMP":               segment(picture, 0xE1, "http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta>"+canary+"</x:xmpmeta>"),
		"IPTC":              segment(picture, 0xED, "Photoshop 3.0\x008BIM\x04\x04\x00\x00\x00\x00\x00\x10\x1c\x02\x78\x00\x0b"+canary),
		"ICC":               segment(picture, 0xE2, "ICC_PROFILE\x00\x01\x01"+canary),
		"COM":               segment(picture, 0xFE, canary),
		"APP15":             segment(picture, 0xEF, canary),
		"behind the end":    append(bytes.Clone(picture), canary...),
		"PNG EXIF":          chunk(plain, "eXIf", mediatest.EXIF(exif)),
		"PNG tEXt":          chunk(plain, "tEXt", []byte("Comment\x00"+canary)),
		"PNG iTXt":          chunk(plain, "iTXt", []byte("XML:com.adobe.xmp\x00\x00\x00\x00\x00"+canary)),
		"PNG private chunk": chunk(plain, "prVt", []byte(canary)),
	}
	for name, file := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !bytes.Contains(file, []byte(canary)) {
				t.Fatal("the original holds no canary")
			}
			out, img := clean(t, scrub.New(scrub.Config{}), file)
			if bytes.Contains(out.JPEG, []byte(canary)) {
				t.Error("the canary is in the copy")
			}
			if facts := probe.Read(out.JPEG, "image/jpeg"); facts != (probe.Facts{}) {
				t.Errorf("the copy tells %+v", facts)
			}
			if !near(img.At(10, 10), red) || !near(img.At(50, 50), yellow) {
				t.Error("the copy shows something else")
			}
			if got, want := markers(out.JPEG), "d8 db c0 c4 da"; got != want {
				t.Errorf("the copy has the segments %s, want %s: what a decoder needs", got, want)
			}
		})
	}
}

// markers lists the segments of a JPEG up to its pixels.
func markers(file []byte) string {
	list := []string{"d8"}
	for at := 2; at < len(file); at += 2 + int(binary.BigEndian.Uint16(file[at+2:])) {
		list = append(list, string("0123456789abcdef"[file[at+1]>>4])+string("0123456789abcdef"[file[at+1]&15]))
		if file[at+1] == 0xDA {
			break
		}
	}
	return strings.Join(list, " ")
}

func TestCleanRefuses(t *testing.T) {
	t.Parallel()
	picture := encode(t, quarters(64, 64, red, green, blue, yellow), "jpeg")
	plain := encode(t, quarters(64, 64, red, green, blue, yellow), "png")
	bomb := bytes.Clone(plain) // says it is 60,000 pixels wide and high
	binary.BigEndian.PutUint32(bomb[16:], 60_000)
	binary.BigEndian.PutUint32(bomb[20:], 60_000)
	binary.BigEndian.PutUint32(bomb[29:], crc32.ChecksumIEEE(bomb[12:29]))
	frame := bytes.Clone(picture)
	sof := bytes.Index(frame, []byte{0xFF, 0xC0})
	binary.BigEndian.PutUint16(frame[sof+5:], 60_000)
	binary.BigEndian.PutUint16(frame[sof+7:], 60_000)
	lost := errors.New("lost")
	tests := map[string]struct {
		r    io.Reader
		want error
	}{
		"nothing":         {strings.NewReader(""), scrub.ErrBroken},
		"text":            {strings.NewReader("hello"), scrub.ErrBroken},
		"GIF":             {strings.NewReader("GIF89a\x01\x00\x01\x00\x00\x00\x00;"), scrub.ErrBroken},
		"cut JPEG":        {bytes.NewReader(picture[:len(picture)/2]), scrub.ErrBroken},
		"cut PNG":         {bytes.NewReader(plain[:len(plain)/2]), scrub.ErrBroken},
		"header only":     {bytes.NewReader(picture[:4]), scrub.ErrBroken},
		"PNG flood":       {bytes.NewReader(bomb), scrub.ErrTooLarge},
		"JPEG flood":      {bytes.NewReader(frame), scrub.ErrTooLarge},
		"one pixel more":  {bytes.NewReader(encode(t, image.NewGray(image.Rect(0, 0, 101, 100)), "png")), scrub.ErrTooLarge},
		"16 bit channels": {bytes.NewReader(encode(t, image.NewNRGBA64(image.Rect(0, 0, 80, 80)), "png")), scrub.ErrTooLarge},
		"too many bytes":  {io.LimitReader(zeros{}, 1<<20+1), scrub.ErrTooLarge},
		"reader fails":    {iotest.ErrReader(lost), lost},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := scrub.New(scrub.Config{MaxBytes: 1 << 20, MaxPixels: 100 * 100})
			if _, err := c.Clean(t.Context(), test.r); !errors.Is(err, test.want) {
				t.Errorf("got error %v, want %v", err, test.want)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestCleanWaitsForASlot(t *testing.T) {
	t.Parallel()
	c := scrub.New(scrub.Config{Parallel: 1})
	picture := encode(t, quarters(64, 64, red, green, blue, yellow), "jpeg")
	r, w := io.Pipe()
	var first sync.WaitGroup
	first.Go(func() {
		if _, err := c.Clean(t.Context(), r); err != nil {
			t.Error(err)
		}
	})
	if _, err := w.Write(picture[:10]); err != nil { // taken, so the slot is too
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Clean(ctx, bytes.NewReader(picture)); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v while the slot is taken, want context.Canceled", err)
	}
	if _, err := w.Write(picture[10:]); err != nil {
		t.Fatal(err)
	}
	w.Close()
	first.Wait()
	clean(t, c, picture)
}
