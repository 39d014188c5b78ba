package copies_test

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"testing"

	"gridwatch/media/copies"
)

// TestAFilmIsStamped lays a label over the left half of a film: it is there, the
// right half is as it was, sound is kept, and nothing stays in the scratch folder.
func TestAFilmIsStamped(t *testing.T) {
	t.Parallel()
	m := newMaker(t, nil)
	o := copies.Options{Voice: copies.Keep}
	plain := mustMake(t, m, film(t, "mp4"), o)
	var size image.Point
	stamped, err := m.Stamp(t.Context(), bytes.NewReader(plain[copies.Film].bytes), func(of image.Point) ([]byte, error) {
		size = of
		label := image.NewRGBA(image.Rectangle{Max: of})
		draw.Draw(label, image.Rect(0, 0, of.X/2, of.Y), image.NewUniform(color.RGBA{R: 255, A: 255}), image.Point{}, draw.Src)
		var out bytes.Buffer
		err := png.Encode(&out, label)
		return out.Bytes(), err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stamped.Close()
	text, err := io.ReadAll(stamped)
	if err != nil {
		t.Fatal(err)
	}
	mustBeClean(t, "stamped", made{Copy: copies.Copy{Use: copies.Film, Type: "video/mp4"}, bytes: text})
	again := mustMake(t, m, text, o)
	before, after := decode(t, plain[copies.Poster]), decode(t, again[copies.Poster])
	if size != before.Bounds().Size() || after.Bounds() != before.Bounds() {
		t.Fatalf("the label was asked for in %v, the film is of %v", size, after.Bounds())
	}
	if c := after.At(size.X/4, size.Y/2); !near(c, color.RGBA{R: 255, A: 255}, 12) {
		t.Errorf("the left half is %v, want it red", c)
	}
	half := image.Rect(size.X/2+16, 0, size.X, size.Y)
	was, is := image.NewRGBA(half), image.NewRGBA(half)
	draw.Draw(was, half, before, half.Min, draw.Src)
	draw.Draw(is, half, after, half.Min, draw.Src)
	if d := distance(was, is); d > 20 {
		t.Errorf("the right half is %.1f of 255 away from what it was", d)
	}
	if !bytes.Contains(text, []byte("mp4a")) {
		t.Error("the stamped film has no sound")
	}
}

func TestWhatIsNoFilmIsNotStamped(t *testing.T) {
	t.Parallel()
	label := func(image.Point) ([]byte, error) { return nil, errors.New("not asked for") }
	if _, err := newMaker(t, nil).Stamp(t.Context(), bytes.NewReader(photo()), label); !errors.Is(err, copies.ErrBroken) {
		t.Errorf("got %v, want ErrBroken", err)
	}
}
