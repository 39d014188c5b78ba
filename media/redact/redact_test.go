package redact_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"testing"

	"gridwatch/media/redact"
)

// checkered is a JPEG with a fine pattern of black and white, and a red field
// in its upper left quarter.
func checkered(t *testing.T, w, h int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{A: 0xff}
			switch {
			case x < w/2 && y < h/2:
				c.R = 0xff
			case (x/8+y/8)%2 == 0:
				c = color.RGBA{R: 0xff, G: 0xff, B: 0xff, A: 0xff}
			}
			m.SetRGBA(x, y, c)
		}
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, m, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func decoded(t *testing.T, p redact.Picture) image.Image {
	t.Helper()
	m, err := jpeg.Decode(bytes.NewReader(p.JPEG))
	if err != nil {
		t.Fatal(err)
	}
	if m.Bounds().Dx() != p.Width || m.Bounds().Dy() != p.Height {
		t.Fatalf("got a picture of %v, said %d×%d", m.Bounds(), p.Width, p.Height)
	}
	return m
}

// spread is the difference between the brightest and the darkest pixel.
func spread(m image.Image, r image.Rectangle) int {
	least, most := 255, 0
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			g := int(color.GrayModel.Convert(m.At(x, y)).(color.Gray).Y)
			least, most = min(least, g), max(most, g)
		}
	}
	return most - least
}

func TestWhatIsHiddenIsGone(t *testing.T) {
	t.Parallel()
	picture := checkered(t, 640, 480)
	hide := redact.Rect{X: 400, Y: 300, W: 160, H: 120}
	for name, pixelated := range map[string]bool{"filled": false, "pixelated": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := redact.New(0).Release(t.Context(), bytes.NewReader(picture),
				redact.Edit{Hide: []redact.Mask{{Rect: hide, Pixelate: pixelated}}})
			if err != nil {
				t.Fatal(err)
			}
			m := decoded(t, out)
			inside := image.Rect(410, 310, 550, 410)
			if got := spread(m, inside); got > 48 {
				t.Errorf("brightness within the hidden rectangle varies by %d: the pattern of 255 still shows", got)
			}
			centre := color.GrayModel.Convert(m.At(480, 360)).(color.Gray).Y
			if black := centre < 32; black == pixelated {
				t.Errorf("got the brightness %d in the middle, want black or the mean of what was there", centre)
			}
			if got := spread(m, image.Rect(400, 240, 560, 290)); got < 200 {
				t.Errorf("brightness beside it varies by %d: too much was hidden", got)
			}
		})
	}
}

func TestCropIsCutAndScaled(t *testing.T) {
	t.Parallel()
	picture := checkered(t, 2560, 1920)
	out, err := redact.New(0).Release(t.Context(), bytes.NewReader(picture), redact.Edit{Crop: &redact.Rect{X: 0, Y: 0, W: 1280, H: 960}})
	if err != nil {
		t.Fatal(err)
	}
	m := decoded(t, out)
	if r, g, _, _ := m.At(1000, 800).RGBA(); out.Width != 1280 || out.Height != 960 || r>>8 < 0xe0 || g>>8 > 0x30 {
		t.Errorf("got %d×%d with colour %d,%d at 1000,800, want the red quarter", out.Width, out.Height, r>>8, g>>8)
	}
	if out, err = redact.New(0).Release(t.Context(), bytes.NewReader(picture), redact.Edit{}); err != nil || out.Width != 1280 || out.Height != 960 {
		t.Errorf("got %d×%d, %v of the whole, want 1280×960", out.Width, out.Height, err)
	}
}

func TestRectanglesOutsideAreRefused(t *testing.T) {
	t.Parallel()
	picture := checkered(t, 64, 64)
	const huge = int(^uint(0) >> 1)
	for name, r := range map[string]redact.Rect{
		"empty": {X: 1, Y: 1}, "negative": {X: -1, W: 2, H: 2}, "too wide": {W: 65, H: 1}, "beyond": {X: 60, W: 5, H: 1},
		"above": {Y: -1, W: 2, H: 2}, "too tall": {W: 1, H: 65}, "below": {Y: 60, W: 1, H: 5}, "no width": {H: 1}, "no height": {W: 1},
		"less than no width": {X: 4, W: -1, H: 1}, "less than no height": {Y: 4, W: 1, H: -1},
		"overflow": {X: huge, Y: huge, W: 1, H: 1}, "huge": {X: 1, W: huge, H: 1},
	} {
		for _, e := range []redact.Edit{{Crop: &r}, {Hide: []redact.Mask{{Rect: r}}}} {
			if _, err := redact.New(0).Release(t.Context(), bytes.NewReader(picture), e); !errors.Is(err, redact.ErrOutside) {
				t.Errorf("%s: got %v, want ErrOutside", name, err)
			}
		}
	}
}

func TestRectanglesUpToTheEdgeAreTaken(t *testing.T) {
	t.Parallel()
	picture := checkered(t, 64, 48)
	for _, r := range []redact.Rect{{W: 64, H: 48}, {X: 63, Y: 47, W: 1, H: 1}} {
		out, err := redact.New(0).Release(t.Context(), bytes.NewReader(picture), redact.Edit{Crop: &r, Hide: []redact.Mask{{Rect: r}, {Rect: r, Pixelate: true}}})
		if err != nil || out.Width != r.W || out.Height != r.H {
			t.Errorf("%+v: got %d×%d, %v", r, out.Width, out.Height, err)
		}
	}
}

func TestStampShowsEverywhere(t *testing.T) {
	t.Parallel()
	grey := image.NewRGBA(image.Rect(0, 0, 800, 600))
	for i := range grey.Pix {
		grey.Pix[i] = 0x80
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, grey, nil); err != nil {
		t.Fatal(err)
	}
	out, err := redact.New(0).Stamp(t.Context(), &buf, "desk-1 2026-03-02")
	if err != nil {
		t.Fatal(err)
	}
	m := decoded(t, out)
	for y := 0; y < 600; y += 200 {
		for x := 0; x < 800; x += 400 {
			if got := spread(m, image.Rect(x, y, x+400, y+200)); got < 40 {
				t.Errorf("brightness of the part at %d,%d varies by %d only: no stamp", x, y, got)
			}
		}
	}
	if _, err := redact.New(0).Stamp(t.Context(), &buf, "李"); !errors.Is(err, redact.ErrLabel) {
		t.Errorf("got %v for a label the font has not, want ErrLabel", err)
	}
}

func TestBrokenPictureAndEndedContext(t *testing.T) {
	t.Parallel()
	p := redact.New(1)
	if _, err := p.Release(t.Context(), bytes.NewReader([]byte("no picture")), redact.Edit{}); !errors.Is(err, redact.ErrBroken) {
		t.Errorf("got %v, want ErrBroken", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Release(ctx, bytes.NewReader(checkered(t, 8, 8)), redact.Edit{}); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v of a context that has ended", err)
	}
}
