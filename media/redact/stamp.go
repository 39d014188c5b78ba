package redact

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"regexp"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// ErrLabel says that a stamp cannot be drawn: the font has ASCII only.
var ErrLabel = errors.New("redact: a stamp is 1 to 80 printable ASCII characters")

var label = regexp.MustCompile(`^[ -~]{1,80}$`)

// Stamp (水印) draws a label over all of a picture, in rows that no crop gets
// around: who looks at it, and on which day. It returns ErrBroken, ErrLabel, or
// the error of r or ctx.
func (p *Painter) Stamp(ctx context.Context, r io.Reader, text string) (Picture, error) {
	if !label.MatchString(text) {
		return Picture{}, ErrLabel
	}
	return p.draw(ctx, r, func(canvas *image.RGBA) (*image.RGBA, error) { return canvas, stampAll(canvas, text) })
}

func newFace(pixels int) (font.Face, error) {
	parsed, err := opentype.Parse(goregular.TTF)
	if err != nil {
		return nil, fmt.Errorf("read font: %w", err)
	}
	face, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: float64(pixels), DPI: 72})
	if err != nil {
		return nil, fmt.Errorf("scale font: %w", err)
	}
	return face, nil
}

// stamp writes rows of the label, each begun further to the left than the one
// above, dark under light so that it shows on any ground.
func stamp(canvas *image.RGBA, face font.Face, size int, text string) {
	wide := font.MeasureString(face, text).Ceil() + 2*size
	for row, y := 0, size; y < canvas.Rect.Dy()+size; row, y = row+1, y+6*size {
		for x := -(row % 3) * wide / 3; x < canvas.Rect.Dx(); x += wide {
			write(canvas, face, x+1, y+1, color.RGBA{A: 0x70}, text)
			write(canvas, face, x, y, color.RGBA{R: 0x70, G: 0x70, B: 0x70, A: 0x70}, text)
		}
	}
}

func write(canvas *image.RGBA, face font.Face, x, y int, ink color.RGBA, text string) {
	d := font.Drawer{Dst: canvas, Src: image.NewUniform(ink), Face: face, Dot: fixed.P(x, y)}
	d.DrawString(text)
}

// Label is a stamp alone on a picture of a size in pixels without anything else,
// as a PNG: to be laid over a film. It returns ErrLabel.
func Label(size image.Point, text string) ([]byte, error) {
	if !label.MatchString(text) {
		return nil, ErrLabel
	}
	canvas := image.NewRGBA(image.Rectangle{Max: size})
	if err := stampAll(canvas, text); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := png.Encode(&out, canvas); err != nil {
		return nil, fmt.Errorf("write label: %w", err)
	}
	return out.Bytes(), nil
}

// stampAll stamps a canvas in letters of its size.
func stampAll(canvas *image.RGBA, text string) error {
	size := max(12, min(canvas.Rect.Dx(), canvas.Rect.Dy())/28)
	face, err := newFace(size)
	if err != nil {
		return err
	}
	stamp(canvas, face, size, text)
	return face.Close()
}
