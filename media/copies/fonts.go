package copies

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"time"
)

// fontsPage has two characters side by side in a font that it does not carry, as
// many documents do (STSong-Light, Adobe-GB1).
//
//go:embed fonts.pdf
var fontsPage []byte

// Fonts draws two Chinese characters, and returns ErrNoFonts where they do not
// come out: the text of a document would be missing from its copy, and nothing
// would say so. Documents wait then, and no longer once they came out.
func (m *Maker) Fonts(ctx context.Context) error {
	if m.box == nil {
		return ErrNoIsolation
	}
	if m.fonts.Load() {
		return nil
	}
	j, err := m.open(ctx, bytes.NewReader(fontsPage), Options{Limits: Limits{Wall: time.Minute}.withDefaults()}, nil)
	if err != nil {
		return err
	}
	defer j.close()
	names, err := j.draw(ctx, 1, 200)
	if err != nil {
		return errors.Join(ErrNoFonts, err)
	}
	page, err := j.read(names[0])
	if err != nil {
		return errors.Join(ErrNoFonts, err)
	}
	drawn, err := jpeg.Decode(bytes.NewReader(page))
	if err != nil || !twoCharacters(drawn) {
		return errors.Join(ErrNoFonts, err)
	}
	m.fonts.Store(true)
	return nil
}

// twoCharacters says whether the halves of a picture show something, and not the
// same: what stands for a character that a font has not is always the same.
func twoCharacters(page image.Image) bool {
	b, other := page.Bounds(), 0
	ink := [2]int{}
	dark := func(x, y int) bool {
		return color.GrayModel.Convert(page.At(x, y)).(color.Gray).Y < 128 //nolint:forcetypeassert // what the model makes
	}
	half := b.Dx() / 2
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := range half {
			left, right := dark(b.Min.X+x, y), dark(b.Min.X+half+x, y)
			if left {
				ink[0]++
			}
			if right {
				ink[1]++
			}
			if left != right {
				other++
			}
		}
	}
	few := half * b.Dy() / 50
	return min(ink[0], ink[1], other) > few
}
