package copies_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/image/draw"

	"gridwatch/media/cliptest"
	"gridwatch/media/copies"
)

var (
	red    = color.RGBA{220, 30, 30, 255}
	green  = color.RGBA{30, 200, 30, 255}
	blue   = color.RGBA{30, 30, 220, 255}
	yellow = color.RGBA{230, 220, 30, 255}
)

// painted returns a PNG with a colour in each corner.
func painted(tb testing.TB, w, h int, corners ...color.Color) []byte {
	tb.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i, c := range corners {
		at := image.Pt(i%2*w/2, i/2*h/2)
		draw.Draw(img, image.Rect(0, 0, w/2, h/2).Add(at), image.NewUniform(c), image.Point{}, draw.Src)
	}
	return encoded(tb, img)
}

func encoded(tb testing.TB, img image.Image) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// webp returns a picture as a WebP, lossy or not.
func webp(tb testing.TB, picture []byte, lossless string) []byte {
	tb.Helper()
	return cliptest.Media(tb, "webp", "-i", saved(tb, "png", picture), "-lossless", lossless, "-quality", "95")
}

func saved(tb testing.TB, ext string, file []byte) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "file."+ext)
	if err := os.WriteFile(path, file, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// A WebP turned by its EXIF and a HEIC turned by its boxes show what they
// should. JPEG and PNG: media/scrub.
func TestWebPAndHEICAreUpright(t *testing.T) {
	t.Parallel()
	m := newMaker(t, nil)
	// What stands in the corners of the file so that the picture shows red and
	// green above blue and yellow, by EXIF orientation (CIPA DC-008), and the same
	// turn as boxes: quarters to the left (irot), then what is exchanged (imir, 0:
	// top and bottom, 1: left and right; ISO/IEC 23008-12:2022, 6.5.10 and 6.5.12).
	turns := map[int]struct {
		stored     []color.Color
		irot, imir int // -1 for none
	}{
		1: {[]color.Color{red, green, blue, yellow}, -1, -1},
		2: {[]color.Color{green, red, yellow, blue}, -1, 1},
		3: {[]color.Color{yellow, blue, green, red}, 2, -1},
		4: {[]color.Color{blue, yellow, red, green}, -1, 0},
		5: {[]color.Color{red, blue, green, yellow}, 1, 0},
		6: {[]color.Color{green, yellow, red, blue}, 3, -1},
		7: {[]color.Color{yellow, green, blue, red}, 3, 0},
		8: {[]color.Color{blue, red, yellow, green}, 1, -1},
	}
	for orientation, turn := range turns {
		w, h := 192, 128
		if orientation >= 5 {
			w, h = h, w
		}
		picture := painted(t, w, h, turn.stored...)
		tag := []string{"-n", fmt.Sprintf("-Orientation=%d", orientation), "-Artist=" + canary}
		heic := cliptest.Turned(t, cliptest.HEIC(t, "png", picture), turn.irot, turn.imir)
		for name, file := range map[string][]byte{
			"WebP":           cliptest.Tagged(t, "webp", webp(t, picture, "0"), tag...),
			"lossless WebP":  cliptest.Tagged(t, "webp", webp(t, picture, "1"), tag...),
			"HEIC":           heic,
			"HEIC with EXIF": cliptest.Tagged(t, "heic", heic, tag...), // says it again: not turned twice
		} {
			out := mustMake(t, m, file, copies.Options{})
			for use, size := range map[copies.Use]image.Point{copies.Display: {192, 128}, copies.Thumbnail: {192, 128}} {
				img := decode(t, out[use])
				if img.Bounds().Size() != size {
					t.Errorf("%s, orientation %d: the %s has %v, want %v", name, orientation, use, img.Bounds().Size(), size)
				}
				for at, want := range map[image.Point]color.Color{{40, 30}: red, {150, 30}: green, {40, 100}: blue, {150, 100}: yellow} {
					if got := img.At(at.X, at.Y); !near(got, want, 12) {
						t.Errorf("%s, orientation %d: the %s has %v at %v, want %v", name, orientation, use, got, at, want)
					}
				}
				if orientation == 6 { // exiftool takes its time
					mustBeClean(t, name, out[use])
				}
			}
		}
	}
}

// The same colour in a wide colour space, and without a profile, in every kind
// of picture.
func TestColoursOfEveryKind(t *testing.T) {
	t.Parallel()
	m := newMaker(t, nil)
	// (230, 76, 51) in Display P3 is (250, 58, 33) in sRGB: both have sRGB's curve, and between
	// them lies the matrix 1.2249 -0.2247 0; -0.0420 1.0419 0; -0.0197 -0.0786 1.0979.
	flat := color.RGBA{230, 76, 51, 255}
	wide := "-ICC_Profile<=" + profile(t, "displayp3.icc")
	picture := painted(t, 192, 128, flat, flat, flat, flat)
	img, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, img, &jpeg.Options{Quality: 100}); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ plain, wide []byte }{
		"JPEG":          {photo.Bytes(), cliptest.Tagged(t, "jpg", photo.Bytes(), wide)},
		"PNG":           {picture, cliptest.Tagged(t, "png", picture, wide)},
		"WebP":          {webp(t, picture, "0"), cliptest.Tagged(t, "webp", webp(t, picture, "0"), wide)},
		"lossless WebP": {webp(t, picture, "1"), cliptest.Tagged(t, "webp", webp(t, picture, "1"), wide)},
		"HEIC":          {cliptest.HEIC(t, "png", picture), cliptest.HEIC(t, "jpg", cliptest.Tagged(t, "jpg", photo.Bytes(), wide))},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c := decode(t, mustMake(t, m, test.plain, copies.Options{})[copies.Display]).At(32, 32); !near(c, flat, 5) {
				t.Errorf("without a profile: got %v, want %v", c, flat)
			}
			want := color.RGBA{250, 58, 33, 255}
			for use, made := range mustMake(t, m, test.wide, copies.Options{}) {
				if c := decode(t, made).At(32, 32); !near(c, want, 5) {
					t.Errorf("in Display P3: the %s has %v, want %v", use, c, want)
				}
			}
		})
	}
}

// Rows of a HEIC that the decoder mixes up are not shown.
func TestNarrowHEICIsRefused(t *testing.T) {
	t.Parallel()
	m := newMaker(t, nil)
	for width, want := range map[int]error{64: copies.ErrBroken, 96: copies.ErrBroken, 98: nil} {
		out, err := makeCopies(t, m, cliptest.HEIC(t, "png", painted(t, width, 128, red, green, blue, yellow)), copies.Options{})
		if !errors.Is(err, want) {
			t.Errorf("%d pixels: got %v, want %v", width, err, want)
		}
		if err == nil && !near(decode(t, out[copies.Display]).At(12, 100), blue, 12) {
			t.Errorf("%d pixels: got another colour", width)
		}
	}
}

// profile is the path of an ICC profile.
func profile(tb testing.TB, name string) string {
	tb.Helper()
	return filepath.Join(module(tb, "github.com/kovidgoyal/imaging"), "prism/meta/icc/test-profiles", name)
}

// One photo, saved in several colour spaces, for screens and for print, gives
// one copy.
func TestColoursOfOnePhoto(t *testing.T) {
	t.Parallel()
	m := newMaker(t, nil)
	drawn := func(name string) image.Image {
		file := read(t, module(t, "github.com/kovidgoyal/imaging"), "prism/test-images", name)
		return decode(t, mustMake(t, m, file, copies.Options{})[copies.Display])
	}
	want := drawn("pizza-rgb8-srgb.jpg")
	for _, name := range []string{
		"pizza-rgb8-adobergb.jpg", "pizza-rgb8-displayp3.jpg", "pizza-rgb8-displayp3-vp8x.webp", "pizza-rgb8-prophotorgb.jpg", "pizza-cmyk8-usswop.jpg",
	} {
		if d := distance(want, drawn(name)); d > 3 { // out of 255; 7.8 where the profile of the last is left out of account
			t.Errorf("%s: differs by %.1f on average", name, d)
		}
	}
}

// A grey picture whose profile has another curve than sRGB gets brighter or
// darker; a profile of grey says nothing of a picture with colours.
func TestGreyProfile(t *testing.T) {
	t.Parallel()
	m := newMaker(t, nil)
	dark := "-ICC_Profile<=" + profile(t, "gray-v2-gamma1.8-d65.icc")
	even := image.NewGray(image.Rect(0, 0, 64, 64))
	for i := range even.Pix {
		even.Pix[i] = 100
	}
	// 255 * sRGB((100/255)^1.8) = 119
	c := decode(t, mustMake(t, m, cliptest.Tagged(t, "png", encoded(t, even), dark), copies.Options{})[copies.Display]).At(32, 32)
	if want := (color.RGBA{119, 119, 119, 255}); !near(c, want, 2) {
		t.Errorf("got %v, want %v", c, want)
	}
	c = decode(t, mustMake(t, m, cliptest.Tagged(t, "png", painted(t, 64, 64, green, green, green, green), dark), copies.Options{})[copies.Display]).At(32, 32)
	if !near(c, green, 4) {
		t.Errorf("a picture with colours: got %v, want %v", c, green)
	}
}

func decode(tb testing.TB, c made) image.Image {
	tb.Helper()
	img, err := jpeg.Decode(bytes.NewReader(c.bytes))
	if err != nil {
		tb.Fatal(err)
	}
	return img
}

func near(a, b color.Color, most int) bool {
	ar, ag, ab, _ := a.RGBA()
	br, bg, bb, _ := b.RGBA()
	off := func(x, y uint32) bool { return int(math.Abs(float64(x>>8)-float64(y>>8))) > most }
	return !off(ar, br) && !off(ag, bg) && !off(ab, bb)
}

// distance is the mean difference of two pictures of one size, 0 to 255.
func distance(a, b image.Image) float64 {
	if a.Bounds() != b.Bounds() {
		return 255
	}
	sum, n := 0.0, 0
	for y := a.Bounds().Min.Y; y < a.Bounds().Max.Y; y++ {
		for x := a.Bounds().Min.X; x < a.Bounds().Max.X; x++ {
			ar, ag, ab, _ := a.At(x, y).RGBA()
			br, bg, bb, _ := b.At(x, y).RGBA()
			sum += math.Abs(float64(ar>>8)-float64(br>>8)) + math.Abs(float64(ag>>8)-float64(bg>>8)) + math.Abs(float64(ab>>8)-float64(bb>>8))
			n += 3
		}
	}
	return sum / float64(n)
}
