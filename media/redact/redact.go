// Package redact makes of a clean picture what others may see of it: cut out,
// parts of it hidden for good, and stamped with who looks at it.
//
// It takes pictures that media/scrub has drawn, and draws them anew: what is
// hidden is not in the bytes any more.
package redact

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"

	"golang.org/x/image/draw"
)

// Errors of a picture or an edit.
var (
	ErrBroken  = errors.New("redact: not a readable JPEG within the limits")
	ErrOutside = errors.New("redact: a rectangle is empty or lies outside the picture")
)

// Side is the most pixels of the longer side of a released picture.
const Side = 1280

const (
	maxBytes  = 20 << 20
	maxPixels = 16_000_000
	quality   = 85
	// blocks is how many tiles the shorter side of a pixelated rectangle keeps.
	// Six by six tell no face and no number; a finer grid can be undone by
	// guessing what lies under it.
	blocks = 6
)

// Rect is a rectangle in pixels of the picture it is drawn on, from its upper
// left corner.
type Rect struct {
	X int `json:"x"`
	Y int `json:"y"`
	W int `json:"w"`
	H int `json:"h"`
}

func (r Rect) within(b image.Rectangle) (image.Rectangle, bool) {
	// Bounds first: sums of what a client sends could overflow.
	if r.X < 0 || r.Y < 0 || r.W <= 0 || r.H <= 0 || r.W > b.Dx() || r.H > b.Dy() || r.X > b.Dx()-r.W || r.Y > b.Dy()-r.H {
		return image.Rectangle{}, false
	}
	return image.Rect(r.X, r.Y, r.X+r.W, r.Y+r.H).Add(b.Min), true
}

// Mask hides a rectangle: filled with black, or pixelated.
type Mask struct {
	Rect
	Pixelate bool `json:"pixelate"`
}

// Edit (脱敏) is what the desk makes of a picture before others see it.
type Edit struct {
	Crop *Rect  `json:"crop"` // nil for the whole picture
	Hide []Mask `json:"hide"` // in pixels of the whole picture, not of the crop
}

// Picture is a JPEG and its size in pixels.
type Picture struct {
	JPEG          []byte
	Width, Height int
}

// Painter draws a bounded number of pictures at once. It may be used by many
// goroutines.
type Painter struct{ slots chan struct{} }

// New returns a Painter that draws at most so many pictures at once; 0 is 2.
func New(parallel int) *Painter {
	return &Painter{slots: make(chan struct{}, cmp.Or(parallel, 2))}
}

// Release draws what an edit leaves of a picture: rectangles hidden first, then
// cut, then scaled down to Side. It returns ErrBroken, ErrOutside, or the error
// of r or ctx.
func (p *Painter) Release(ctx context.Context, r io.Reader, e Edit) (Picture, error) {
	return p.draw(ctx, r, func(canvas *image.RGBA) (*image.RGBA, error) {
		for _, m := range e.Hide {
			at, ok := m.within(canvas.Rect)
			if !ok {
				return nil, ErrOutside
			}
			if m.Pixelate {
				pixelate(canvas, at)
			} else {
				draw.Draw(canvas, at, image.Black, image.Point{}, draw.Src)
			}
		}
		cut := canvas.Rect
		if e.Crop != nil {
			var ok bool
			if cut, ok = e.Crop.within(canvas.Rect); !ok {
				return nil, ErrOutside
			}
		}
		return shrink(canvas, cut), nil
	})
}

// draw decodes, lets do draw, and encodes.
func (p *Painter) draw(ctx context.Context, r io.Reader, do func(*image.RGBA) (*image.RGBA, error)) (Picture, error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return Picture{}, ctx.Err()
	}
	text, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		return Picture{}, fmt.Errorf("read picture: %w", err)
	}
	size, err := jpeg.DecodeConfig(bytes.NewReader(text))
	if err != nil || len(text) > maxBytes || int64(size.Width)*int64(size.Height) > maxPixels {
		return Picture{}, ErrBroken
	}
	picture, err := jpeg.Decode(bytes.NewReader(text))
	if err != nil || picture.Bounds().Empty() {
		return Picture{}, ErrBroken
	}
	canvas := image.NewRGBA(image.Rect(0, 0, picture.Bounds().Dx(), picture.Bounds().Dy()))
	draw.Draw(canvas, canvas.Rect, picture, picture.Bounds().Min, draw.Src)
	out, err := do(canvas)
	if err != nil {
		return Picture{}, err
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, out, &jpeg.Options{Quality: quality}); err != nil {
		return Picture{}, fmt.Errorf("encode picture: %w", err)
	}
	return Picture{JPEG: buf.Bytes(), Width: out.Rect.Dx(), Height: out.Rect.Dy()}, nil
}

// shrink returns a part of a picture with its longer side at most Side.
func shrink(src *image.RGBA, cut image.Rectangle) *image.RGBA {
	w, h := cut.Dx(), cut.Dy()
	if long := max(w, h); long > Side {
		w, h = max(1, w*Side/long), max(1, h*Side/long)
	}
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	if dst.Rect.Size() == cut.Size() {
		draw.Draw(dst, dst.Rect, src, cut.Min, draw.Src)
		return dst
	}
	// Of the cut alone: a filter must not reach for pixels beside it.
	draw.CatmullRom.Scale(dst, dst.Rect, src.SubImage(cut), cut, draw.Src, nil)
	return dst
}

// pixelate fills tiles of a rectangle with their mean colours.
func pixelate(canvas *image.RGBA, at image.Rectangle) {
	tile := max(1, (min(at.Dx(), at.Dy())+blocks-1)/blocks)
	for y := at.Min.Y; y < at.Max.Y; y += tile {
		for x := at.Min.X; x < at.Max.X; x += tile {
			t := image.Rect(x, y, x+tile, y+tile).Intersect(at)
			draw.Draw(canvas, t, image.NewUniform(mean(canvas, t)), image.Point{}, draw.Src)
		}
	}
}

func mean(canvas *image.RGBA, t image.Rectangle) color.RGBA {
	var sum [3]int
	for y := t.Min.Y; y < t.Max.Y; y++ {
		for x := t.Min.X; x < t.Max.X; x++ {
			c := canvas.RGBAAt(x, y)
			sum[0], sum[1], sum[2] = sum[0]+int(c.R), sum[1]+int(c.G), sum[2]+int(c.B)
		}
	}
	n := t.Dx() * t.Dy()
	return color.RGBA{R: level(sum[0] / n), G: level(sum[1] / n), B: level(sum[2] / n), A: 0xff}
}

// level keeps the upper three bits of a colour: what a mean tells of the single
// pixels under it is not much, and this is less.
func level(c int) uint8 { return uint8(c&0xe0 | 0x10) } //nolint:gosec // a mean of bytes is a byte
