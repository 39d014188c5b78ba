package likeness_test

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"golang.org/x/image/draw"

	"gridwatch/media/likeness"
)

const radius = 10 // of 64 bits; the policy's value

// scene draws a picture with the structure of a photograph: a ground, a
// horizon, light that falls off, and a few dozen bodies with shades.
func scene(seed uint64) *image.RGBA {
	r := rand.New(rand.NewPCG(seed, 7))
	w, h := 224+r.IntN(168), 168+r.IntN(126)
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	horizon, lightX := h/4+r.IntN(h/2), r.Float64()*float64(w)
	sky, ground := 90+r.IntN(160), 20+r.IntN(160)
	for y := range h {
		for x := range w {
			base := sky
			if y > horizon {
				base = ground
			}
			v := float64(base) - 60*math.Abs(float64(x)-lightX)/float64(w) - 30*float64(y)/float64(h) + float64(r.IntN(9))
			g := uint8(max(0, min(255, v)))
			copy(m.Pix[m.PixOffset(x, y):], []uint8{g, g, g, 255})
		}
	}
	for range 12 + r.IntN(24) {
		box := image.Rect(0, 0, w/16+r.IntN(w/3), h/16+r.IntN(h/3)).Add(image.Pt(r.IntN(w)-w/8, r.IntN(h)-h/8)).Intersect(m.Rect)
		tone, slope := r.IntN(256), r.Float64()*80-40
		for y := box.Min.Y; y < box.Max.Y; y++ {
			for x := box.Min.X; x < box.Max.X; x++ {
				g := uint8(max(0, min(255, float64(tone)+slope*float64(x-box.Min.X)/float64(box.Dx()))))
				copy(m.Pix[m.PixOffset(x, y):], []uint8{g, g / 2, 255 - g, 255})
			}
		}
	}
	return m
}

func printOf(t *testing.T, m image.Image) likeness.Print {
	t.Helper()
	p, err := likeness.Of(m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// recompressed is a picture after a bad JPEG.
func recompressed(t *testing.T, m image.Image, quality int) image.Image {
	t.Helper()
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, m, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	out, err := jpeg.Decode(&buf)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func resized(m image.Image, percent int) image.Image {
	b := m.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, b.Dx()*percent/100, b.Dy()*percent/100))
	draw.ApproxBiLinear.Scale(out, out.Rect, m, b, draw.Src, nil)
	return out
}

// cropped leaves out five hundredths of both sides, at a place.
func cropped(m *image.RGBA, x, y float64) image.Image {
	dx, dy := m.Rect.Dx()*5/100, m.Rect.Dy()*5/100
	at := image.Pt(int(x*float64(dx)), int(y*float64(dy)))
	return m.SubImage(image.Rect(0, 0, m.Rect.Dx()-dx, m.Rect.Dy()-dy).Add(at))
}

// trimmed leaves out five hundredths at each edge.
func trimmed(m *image.RGBA) image.Image {
	dx, dy := m.Rect.Dx()*5/100, m.Rect.Dy()*5/100
	return m.SubImage(image.Rect(dx, dy, m.Rect.Dx()-dx, m.Rect.Dy()-dy))
}

// drawnPrints are the prints of a thousand different pictures.
var drawnPrints = sync.OnceValue(func() (out []likeness.Print) {
	for n := range uint64(1000) {
		p, err := likeness.Of(scene(n))
		if err != nil {
			panic(err)
		}
		out = append(out, p)
	}
	return out
})

// TestNearCopiesAreFoundAndOthersAreNot prints what the desk can expect: of a
// thousand different pictures none is taken for another more than twice, and
// of each hundredth every near-copy is known.
func TestNearCopiesAreFoundAndOthersAreNot(t *testing.T) {
	t.Parallel()
	prints := drawnPrints()
	found, copies, worst := 0, 0, 0
	for n := 0; n < len(prints); n += 20 {
		m := scene(uint64(n))
		for name, near := range map[string]image.Image{
			"resized": resized(m, 40), "recompressed": recompressed(t, m, 30),
			"cropped at the middle": cropped(m, .5, .5), "cropped at the left": cropped(m, 1, 0), "cropped at the right": cropped(m, 0, 1),
			"cropped at each edge": trimmed(m), "all three": recompressed(t, resized(cropped(m, .3, .7), 50), 50),
		} {
			copies++
			d := likeness.Distance(printOf(t, near), prints[n])
			worst = max(worst, d)
			if d <= radius {
				found++
			} else {
				t.Errorf("picture %d %s is %d bits away, want at most %d", n, name, d, radius)
			}
		}
	}
	flagged := 0
	for i := range prints {
		for j := range i {
			if likeness.Distance(prints[i], prints[j]) <= radius {
				flagged++
				break
			}
		}
	}
	t.Logf("near-copies known: %d of %d, the farthest %d bits away; false flags among %d different pictures: %d", found, copies, worst, len(prints), flagged)
	if flagged > 2 {
		t.Errorf("%d pictures were taken for an earlier one, want at most 2", flagged)
	}
}

func TestFlatPictureHasNoPrint(t *testing.T) {
	t.Parallel()
	m := image.NewGray(image.Rect(0, 0, 64, 64))
	if _, err := likeness.Of(m); !errors.Is(err, likeness.ErrFlat) {
		t.Errorf("got %v, want ErrFlat", err)
	}
}

func TestPrintIsKeptAsBytes(t *testing.T) {
	t.Parallel()
	p := printOf(t, scene(1))
	again, err := likeness.Parse(p.Bytes())
	if err != nil || again != p {
		t.Errorf("got another print back, %v", err)
	}
	if _, err := likeness.Parse(p.Bytes()[1:]); !errors.Is(err, likeness.ErrPrint) {
		t.Errorf("got %v for a cut print, want ErrPrint", err)
	}
}
