// Package mediatest draws the pictures that tests and the demonstration send:
// a pit head under a sky with a gas bottle in front, and the EXIF a phone would
// write. It is the only writer of EXIF here; the server never writes any.
package mediatest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"time"

	"golang.org/x/image/draw"
	"golang.org/x/image/vector"
)

// Options say what a picture shows and what its EXIF tells. A zero field of
// EXIF is left out, a position if both Lon and Lat are zero.
type Options struct {
	Seed          uint64 // another seed, another picture
	Width, Height int    // pixels; zero means 1280 and 960

	Lon, Lat    float64 // WGS-84 degrees
	Accuracy    float64 // metres
	Time        time.Time
	Make        string
	Model       string
	Serial      string
	Software    string
	Comment     string // in EXIF and in a JPEG comment
	Orientation int    // 1 to 8
}

// Picture returns a JPEG. The same options give the same bytes.
func Picture(o Options) []byte {
	if o.Width == 0 || o.Height == 0 {
		o.Width, o.Height = 1280, 960
	}
	var buf bytes.Buffer
	// A bytes.Buffer takes every write, and the size is of this program's choosing.
	_ = jpeg.Encode(&buf, paint(o.Seed, o.Width, o.Height), &jpeg.Options{Quality: 88})
	return Tag(buf.Bytes(), o)
}

// Tag returns a JPEG with the EXIF and the comment that o tells put in front.
func Tag(picture []byte, o Options) []byte {
	out := append([]byte{}, picture[:2]...) // start of image
	out = segment(out, 0xE1, append([]byte("Exif\x00\x00"), EXIF(o)...))
	if o.Comment != "" {
		out = segment(out, 0xFE, []byte(o.Comment))
	}
	return append(out, picture[2:]...)
}

func segment(out []byte, marker byte, body []byte) []byte {
	out = append(out, 0xFF, marker)
	out = binary.BigEndian.AppendUint16(out, uint16(len(body)+2)) //nolint:gosec // G115: bodies are a few hundred bytes
	return append(out, body...)
}

// canvas is a picture measured from 0 to 1 both ways.
type canvas struct {
	*image.RGBA
	random [sha256.Size]byte // what differs between seeds
}

func paint(seed uint64, w, h int) *image.RGBA {
	c := canvas{
		RGBA:   image.NewRGBA(image.Rect(0, 0, w, h)),
		random: sha256.Sum256(binary.BigEndian.AppendUint64(nil, seed)),
	}
	horizon := c.pick(0, 0.55, 0.75)
	c.sky(horizon)
	c.disc(c.pick(1, 0.1, 0.9), c.pick(2, 0.1, 0.3), c.pick(3, 0.03, 0.07), color.RGBA{255, 236, 170, 255})
	c.shape(color.RGBA{92, 110, 84, 255}, 0, horizon, c.pick(4, 0.1, 0.4), horizon-c.pick(5, 0.1, 0.25), c.pick(6, 0.5, 0.9), horizon, 0, horizon)
	c.shape(color.RGBA{120, 105, 82, 255}, 0, horizon, 1, horizon, 1, 1, 0, 1)
	c.headframe(c.pick(7, 0.2, 0.5), horizon, c.pick(8, 0.3, 0.45))
	c.bottle(c.pick(9, 0.65, 0.85), c.pick(10, 0.85, 0.95), c.pick(11, 0.16, 0.28))
	return c.RGBA
}

// pick returns the n-th random measure between lo and hi.
func (c canvas) pick(n int, lo, hi float64) float64 { return lo + (hi-lo)*float64(c.random[n])/255 }

func (c canvas) sky(horizon float64) {
	blue, haze := c.pick(12, 120, 230), c.pick(13, 150, 230)
	for y := range c.Rect.Dy() {
		t := min(1, float64(y)/float64(c.Rect.Dy())/horizon)
		shade := color.RGBA{uint8(90 + t*(haze-90)), uint8(140 + t*(haze-140)), uint8(blue + t*(haze-blue)), 255}
		draw.Draw(c.RGBA, image.Rect(0, y, c.Rect.Dx(), y+1), image.NewUniform(shade), image.Point{}, draw.Src)
	}
}

// headframe draws the winding tower of a shaft with its wheel and its house.
func (c canvas) headframe(x, ground, height float64) {
	steel := color.RGBA{60, 62, 70, 255}
	top := ground - height
	for _, foot := range []float64{-0.09, -0.04, 0.04, 0.2} {
		c.shape(steel, x+foot, ground, x+foot+0.014, ground, x+0.012, top, x-0.002, top)
	}
	c.disc(x+0.005, top, 0.05, steel)
	c.disc(x+0.005, top, 0.035, color.RGBA{190, 195, 205, 255})
	c.disc(x+0.005, top, 0.01, steel)
	c.shape(color.RGBA{150, 70, 55, 255}, x+0.17, ground, x+0.17, ground-0.1, x+0.24, ground-0.15, x+0.31, ground-0.1, x+0.31, ground)
}

// bottle draws a gas bottle that stands on foot.
func (c canvas) bottle(x, foot, height float64) {
	half := height * 0.2
	body := color.RGBA{uint8(c.pick(14, 150, 230)), uint8(c.pick(15, 40, 90)), 40, 255}
	shoulder := foot - height*0.7
	c.shape(body, x-half, foot, x-half, shoulder, x-half/2, shoulder-half, x+half/2, shoulder-half, x+half, shoulder, x+half, foot)
	c.shape(color.RGBA{70, 70, 70, 255}, x-half/4, shoulder-half, x-half/4, foot-height, x+half/4, foot-height, x+half/4, shoulder-half)
	c.shape(color.RGBA{235, 235, 225, 255}, x-half, foot-height*0.45, x+half, foot-height*0.45, x+half, foot-height*0.35, x-half, foot-height*0.35)
}

// shape fills the polygon of the corners x, y, x, y and so on.
func (c canvas) shape(fill color.Color, corners ...float64) {
	w, h := c.Rect.Dx(), c.Rect.Dy()
	r := vector.NewRasterizer(w, h)
	for i := 0; i+1 < len(corners); i += 2 {
		x, y := float32(corners[i]*float64(w)), float32(corners[i+1]*float64(h))
		if i == 0 {
			r.MoveTo(x, y)
			continue
		}
		r.LineTo(x, y)
	}
	r.ClosePath()
	r.Draw(c.RGBA, c.Rect, image.NewUniform(fill), image.Point{}) // the type it has a quick way for
}

// disc fills a circle whose radius is a part of the width.
func (c canvas) disc(x, y, radius float64, fill color.Color) {
	const sides = 48
	aspect := float64(c.Rect.Dx()) / float64(c.Rect.Dy())
	corners := make([]float64, 0, 2*sides)
	for i := range sides {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / sides)
		corners = append(corners, x+radius*cos, y+radius*aspect*sin)
	}
	c.shape(fill, corners...)
}
