// Package likeness tells whether a picture was seen before, though it was
// resized, compressed again or cut at its edges since.
//
// It compares difference hashes (dHash): 64 bits that say of each place of a
// coarse grid whether it is brighter than its neighbour. A hash tells roughly
// what a picture shows, so whoever keeps one keeps it sealed.
package likeness

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math/bits"

	"golang.org/x/image/draw"
)

// Windows is how many hashes a Print has: of the whole picture, of what is left
// of it when a twentieth of its sides is cut, in nine places, and when a
// twentieth is cut at each edge.
const Windows = 11

const (
	// The picture is drawn this large in grey once; hashes are taken of it.
	gridW, gridH = 144, 128
	hashW, hashH = 9, 8
	fineW, fineH = 17, 16
	// cut is how much of a side the windows leave out, in thousandths.
	cut = 50
	// flat is the least spread of brightness of which a hash tells anything.
	flat = 24
	// fineRadius bounds how far the fine hashes of two prints may differ, of 256 bits.
	fineRadius = 52
)

// ErrFlat says that a picture has too little structure to be told from others.
var ErrFlat = errors.New("likeness: the picture has no structure")

// ErrPicture says that there is no JPEG of a size that is read here.
var ErrPicture = errors.New("likeness: not a readable JPEG within the limits")

// ErrPrint says that bytes are no print.
var ErrPrint = errors.New("likeness: not a print")

// Print (图像指纹) is what is kept of a picture to know it again.
type Print struct {
	coarse [Windows]uint64
	fine   [Windows][4]uint64
}

// Bounds of a picture that Read reads.
const (
	maxBytes  = 20 << 20
	maxPixels = 16_000_000
)

// Read returns the print of a JPEG. It returns ErrPicture, ErrFlat or the error
// of r.
func Read(r io.Reader) (Print, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		return Print{}, fmt.Errorf("read picture: %w", err)
	}
	size, err := jpeg.DecodeConfig(bytes.NewReader(text))
	if err != nil || len(text) > maxBytes || int64(size.Width)*int64(size.Height) > maxPixels {
		return Print{}, ErrPicture
	}
	picture, err := jpeg.Decode(bytes.NewReader(text))
	if err != nil || picture.Bounds().Empty() {
		return Print{}, ErrPicture
	}
	return Of(picture)
}

// Of returns the print of a picture that stands upright, or ErrFlat, also if it
// has fewer pixels than a hash looks at.
func Of(picture image.Image) (Print, error) {
	if size := picture.Bounds().Size(); size.X < fineW || size.Y < fineH {
		return Print{}, ErrFlat
	}
	grey := image.NewGray(image.Rect(0, 0, gridW, gridH))
	draw.BiLinear.Scale(grey, grey.Rect, picture, picture.Bounds(), draw.Src, nil)
	least, most := uint8(255), uint8(0)
	for _, v := range grey.Pix {
		least, most = min(least, v), max(most, v)
	}
	if most-least < flat {
		return Print{}, ErrFlat
	}
	var p Print
	light := sumsOf(grey)
	for i, w := range windows() {
		p.coarse[i] = light.hash(w, hashW, hashH)[0]
		p.fine[i] = light.hash(w, fineW, fineH)
	}
	return p, nil
}

// windows are the parts of a picture whose hashes a Print has.
func windows() []image.Rectangle {
	whole := image.Rect(0, 0, gridW, gridH)
	dx, dy := (gridW*cut+500)/1000, (gridH*cut+500)/1000
	all := []image.Rectangle{whole}
	for y := range 3 {
		for x := range 3 {
			at := image.Pt(x*dx/2, y*dy/2)
			all = append(all, image.Rect(0, 0, gridW-dx, gridH-dy).Add(at))
		}
	}
	return append(all, image.Rect(dx, dy, gridW-dx, gridH-dy))
}

// sums are how much light is above and to the left of each corner of the grid
// (summed-area table): that of any cell is told from its four corners.
type sums [gridH + 1][gridW + 1]float64

func sumsOf(grey *image.Gray) *sums {
	s := new(sums)
	for y := range gridH {
		row := 0.0
		for x := range gridW {
			row += float64(grey.Pix[y*grey.Stride+x])
			s[y+1][x+1] = s[y][x+1] + row
		}
	}
	return s
}

// above is the light above and to the left of a point, which may lie within a
// pixel of the grid.
func (s *sums) above(x, y float64) float64 {
	i, j := min(int(x), gridW-1), min(int(y), gridH-1)
	dx, dy := x-float64(i), y-float64(j)
	return (1-dy)*((1-dx)*s[j][i]+dx*s[j][i+1]) + dy*((1-dx)*s[j+1][i]+dx*s[j+1][i+1])
}

// hash is the difference hash of a part: one bit for each cell but those of the
// last column, in the upper bits of the first words.
func (s *sums) hash(part image.Rectangle, w, h int) [4]uint64 {
	var out [4]uint64
	x := func(i int) float64 { return float64(part.Min.X) + float64(i*part.Dx())/float64(w) }
	y := func(i int) float64 { return float64(part.Min.Y) + float64(i*part.Dy())/float64(h) }
	n, area := 0, float64(part.Dx()*part.Dy())/float64(w*h)
	for row := range h {
		top, bottom, last := y(row), y(row+1), 0
		left := s.above(x(0), bottom) - s.above(x(0), top)
		for column := range w {
			right := s.above(x(column+1), bottom) - s.above(x(column+1), top)
			cell := int((right-left)/area + .5) // what is less than one of 256 is noise
			if column > 0 {
				if last < cell {
					out[n/64] |= 1 << (63 - n%64)
				}
				n++
			}
			left, last = right, cell
		}
	}
	return out
}

// Distance is how many of 64 bits differ at least between two pictures, one of
// them whole and the other whole or cut. 65 says that the pictures differ in
// their detail, however alike they look from afar.
func Distance(a, b Print) int {
	best := 65
	for i := range Windows {
		best = min(best, apart(a, 0, b, i), apart(a, i, b, 0))
	}
	return best
}

func apart(a Print, i int, b Print, j int) int {
	fine := 0
	for k := range 4 {
		fine += bits.OnesCount64(a.fine[i][k] ^ b.fine[j][k])
	}
	if fine > fineRadius {
		return 65
	}
	return bits.OnesCount64(a.coarse[i] ^ b.coarse[j])
}

// Bytes is the print as it is kept, sealed.
func (p Print) Bytes() []byte {
	out := make([]byte, 0, Windows*5*8)
	for i := range Windows {
		out = binary.BigEndian.AppendUint64(out, p.coarse[i])
		for _, word := range p.fine[i] {
			out = binary.BigEndian.AppendUint64(out, word)
		}
	}
	return out
}

// Parse reads what Bytes gave; ErrPrint otherwise.
func Parse(text []byte) (Print, error) {
	if len(text) != Windows*5*8 {
		return Print{}, ErrPrint
	}
	var p Print
	next := func() uint64 {
		word := binary.BigEndian.Uint64(text)
		text = text[8:]
		return word
	}
	for i := range Windows {
		p.coarse[i] = next()
		for k := range 4 {
			p.fine[i][k] = next()
		}
	}
	return p, nil
}
