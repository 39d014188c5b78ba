package copies_test

import (
	"bytes"
	"image"
	"image/draw"
	"image/jpeg"
	"testing"

	"gridwatch/media/copies"
)

// TestTextInFontsOfTheSystemIsDrawn: documents in Chinese often carry no font.
// Without poppler's tables of such fonts their text was missing from the copy.
func TestTextInFontsOfTheSystemIsDrawn(t *testing.T) {
	t.Parallel()
	m := newMaker(t, nil)
	if err := m.Fonts(t.Context()); err != nil {
		t.Fatalf("%v: apt-get install poppler-data fonts-wqy-zenhei", err)
	}
	file := write(
		"<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 120] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		content("", "BT /F1 100 Tf 0 20 Td <4E3E62A5> Tj ET"), // 举报
		"<< /Type /Font /Subtype /Type0 /BaseFont /SimSun /Encoding /UniGB-UCS2-H /DescendantFonts [6 0 R] >>",
		"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /SimSun /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 2 >> /DW 1000 /FontDescriptor 7 0 R >>",
		"<< /Type /FontDescriptor /FontName /SimSun /Flags 4 /FontBBox [0 -200 1000 880] /ItalicAngle 0 /Ascent 880 /Descent -120 /CapHeight 880 /StemV 80 >>",
	)
	page, err := jpeg.Decode(bytes.NewReader(mustMake(t, m, file, copies.Options{})[copies.Display].bytes))
	if err != nil || !copies.TwoCharacters(page) {
		t.Errorf("got %v, and not two characters", err)
	}
}

func TestTwoCharacters(t *testing.T) {
	t.Parallel()
	box := func(at ...image.Rectangle) image.Image {
		page := image.NewGray(image.Rect(0, 0, 200, 100))
		draw.Draw(page, page.Rect, image.White, image.Point{}, draw.Src)
		for _, r := range at {
			draw.Draw(page, r, image.Black, image.Point{}, draw.Src)
		}
		return page
	}
	tests := map[string]struct {
		page image.Image
		want bool
	}{
		"blank":                      {box(), false},
		"one":                        {box(image.Rect(10, 10, 90, 90)), false},
		"the same twice, as of none": {box(image.Rect(10, 10, 90, 90), image.Rect(110, 10, 190, 90)), false},
		"two":                        {box(image.Rect(10, 10, 90, 90), image.Rect(110, 40, 190, 60)), true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := copies.TwoCharacters(tt.page); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}
