// Package scrub makes the copy of a picture that others may see.
//
// The copy is drawn anew from the pixels: no byte of the original file, and so
// nothing of its metadata, goes into it. What the pixels show stays.
package scrub

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/draw"
	"golang.org/x/image/webp"

	"gridwatch/media/kind"
	"gridwatch/media/probe"
)

// Errors of the picture.
var (
	ErrBroken   = errors.New("scrub: not a readable JPEG or PNG")
	ErrTooLarge = errors.New("scrub: the picture is larger than the limit")
)

// Limits of a Config that leaves them zero.
const (
	DefaultMaxBytes  = 20 << 20   // bytes of the original
	DefaultMaxPixels = 50_000_000 // width times height of the original
	DefaultSide      = 2560       // pixels of the copy's longer side
	DefaultParallel  = 2          // pictures in work at once; one may take 0.5 GB
)

const quality = 85 // of the JPEG written

// Config bounds a Cleaner. A zero field means its default.
type Config struct {
	MaxBytes  int64
	MaxPixels int64
	Side      int
	Parallel  int
}

// Cleaner makes clean copies. It may be used by many goroutines.
type Cleaner struct {
	cfg   Config
	slots chan struct{}
}

// Copy is a clean picture.
type Copy struct {
	JPEG   []byte
	Width  int // pixels
	Height int
}

// New returns a Cleaner.
func New(cfg Config) *Cleaner {
	cfg.MaxBytes = cmp.Or(cfg.MaxBytes, DefaultMaxBytes)
	cfg.MaxPixels = cmp.Or(cfg.MaxPixels, DefaultMaxPixels)
	cfg.Side = cmp.Or(cfg.Side, DefaultSide)
	return &Cleaner{cfg: cfg, slots: make(chan struct{}, cmp.Or(cfg.Parallel, DefaultParallel))}
}

// Clean reads a JPEG, PNG or WebP and returns a JPEG of what it shows: upright,
// in sRGB, scaled down to the longest side allowed, on white where it was
// transparent, without metadata. It waits while as many pictures as allowed are
// in work. It returns ErrBroken, ErrTooLarge (bytes or pixels, refused before
// decoding), or the error of r or ctx.
func (c *Cleaner) Clean(ctx context.Context, r io.Reader) (Copy, error) {
	leave, err := c.enter(ctx) // before the picture lies in memory
	if err != nil {
		return Copy{}, err
	}
	defer leave()
	original, err := io.ReadAll(io.LimitReader(r, c.cfg.MaxBytes+1))
	if err != nil {
		return Copy{}, fmt.Errorf("read picture: %w", err)
	}
	if int64(len(original)) > c.cfg.MaxBytes {
		return Copy{}, ErrTooLarge
	}
	copies, err := c.draw(original, c.cfg.Side)
	if err != nil {
		return Copy{}, err
	}
	return copies[0], nil
}

// Draw does what Clean does, once for each longest side, the largest first. How
// many bytes the original has is its caller's business, who has them in memory.
func (c *Cleaner) Draw(ctx context.Context, original []byte, sides ...int) ([]Copy, error) {
	leave, err := c.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return c.draw(original, sides...)
}

// enter waits for a slot and returns what gives it back.
func (c *Cleaner) enter(ctx context.Context) (func(), error) {
	select {
	case c.slots <- struct{}{}:
		return func() { <-c.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *Cleaner) draw(original []byte, sides ...int) ([]Copy, error) {
	picture, kind, err := c.decode(original)
	if err != nil {
		return nil, err
	}
	return Paint(picture, probe.Read(original, kind).Orientation, profileIn(original), sides...)
}

// Paint draws copies of a decoded picture, one for each longest side, the
// largest first: turned as the EXIF orientation says, and brought to sRGB from
// the ICC profile, if there is one that can be read.
func Paint(picture image.Image, orientation int, profile []byte, sides ...int) ([]Copy, error) {
	if ink, ok := picture.(*image.CMYK); ok {
		picture = fromInk(ink, profile, sides[0])
	}
	copies := make([]Copy, len(sides))
	for i, side := range sides {
		out := shrink(picture, side)
		if i == 0 {
			out = upright(toSRGB(out, profile), orientation)
		}
		var buf bytes.Buffer
		if err := jpeg.Encode(&buf, out, &jpeg.Options{Quality: quality}); err != nil {
			return nil, fmt.Errorf("encode picture: %w", err)
		}
		copies[i] = Copy{JPEG: buf.Bytes(), Width: out.Rect.Dx(), Height: out.Rect.Dy()}
		picture = out
	}
	return copies, nil
}

// readers are how to read the kinds of pictures that this process decodes.
var readers = map[string]struct {
	size   func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}{
	"image/jpeg": {jpeg.DecodeConfig, jpeg.Decode},
	"image/png":  {png.DecodeConfig, png.Decode},
	"image/webp": {webp.DecodeConfig, webp.Decode},
}

// decode returns the picture and its media type.
func (c *Cleaner) decode(original []byte) (image.Image, string, error) {
	found, _ := kind.Detect(original[:min(len(original), kind.Head)])
	reader, ok := readers[found.Type]
	if !ok {
		return nil, "", ErrBroken
	}
	cfg, err := reader.size(bytes.NewReader(original))
	if err != nil {
		return nil, "", ErrBroken
	}
	pixels := int64(cfg.Width) * int64(cfg.Height)
	if cfg.ColorModel == color.NRGBA64Model || cfg.ColorModel == color.RGBA64Model {
		pixels *= 2 // 16 bits a channel take twice the memory
	}
	if pixels > c.cfg.MaxPixels {
		return nil, "", ErrTooLarge
	}
	picture, err := reader.decode(bytes.NewReader(original))
	if err != nil || picture.Bounds().Empty() {
		return nil, "", ErrBroken
	}
	if found.Type == "image/webp" {
		fullRange(picture)
	}
	return picture, found.Type, nil
}

// shrink returns src with its longer side at most side pixels. From far above
// it goes by a cheap filter to twice the size first: a good filter over every
// pixel of a large picture costs half a second.
func shrink(src image.Image, side int) *image.RGBA {
	b := src.Bounds()
	long := max(b.Dx(), b.Dy())
	if long > 2*side {
		src = scale(src, 2*side, draw.ApproxBiLinear)
	}
	return scale(src, min(long, side), draw.CatmullRom)
}

// scale returns src on white with a longer side of exactly side pixels.
func scale(src image.Image, side int, filter draw.Scaler) *image.RGBA {
	b := src.Bounds()
	long := max(b.Dx(), b.Dy())
	dst := image.NewRGBA(image.Rect(0, 0, max(1, b.Dx()*side/long), max(1, b.Dy()*side/long)))
	draw.Draw(dst, dst.Rect, image.White, image.Point{}, draw.Src)
	if dst.Rect.Size() == b.Size() {
		draw.Draw(dst, dst.Rect, src, b.Min, draw.Over)
	} else {
		filter.Scale(dst, dst.Rect, src, b, draw.Over, nil)
	}
	return dst
}

// upright turns and mirrors src as its EXIF orientation (CIPA DC-008, tag
// 0x0112) says, so that it shows right without the tag.
func upright(src *image.RGBA, orientation int) *image.RGBA {
	if orientation < 2 || orientation > 8 {
		return src
	}
	w, h := src.Rect.Dx(), src.Rect.Dy()
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	if orientation >= 5 { // rows were columns
		dst = image.NewRGBA(image.Rect(0, 0, h, w))
	}
	for y := range h {
		for x := range w {
			to := image.Point{}
			switch orientation {
			case 2:
				to = image.Pt(w-1-x, y)
			case 3:
				to = image.Pt(w-1-x, h-1-y)
			case 4:
				to = image.Pt(x, h-1-y)
			case 5:
				to = image.Pt(y, x)
			case 6:
				to = image.Pt(h-1-y, x)
			case 7:
				to = image.Pt(h-1-y, w-1-x)
			case 8:
				to = image.Pt(y, w-1-x)
			}
			dst.SetRGBA(to.X, to.Y, src.RGBAAt(x, y))
		}
	}
	return dst
}
