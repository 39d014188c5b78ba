package scrub

import (
	"bytes"
	"image"

	"github.com/kovidgoyal/imaging"
	"github.com/kovidgoyal/imaging/prism/meta/autometa"
	"github.com/kovidgoyal/imaging/prism/meta/icc"
)

// maxProfile bounds the ICC profiles that are read: those of cameras have some
// kilobytes, those of printers do not belong to a photo.
const maxProfile = 1 << 20

// profileIn returns the ICC profile that a JPEG, PNG or WebP carries, nil if
// there is none.
func profileIn(original []byte) (profile []byte) {
	defer func() {
		if recover() != nil { // a hostile file met a mistake of the reader: as if it had none
			profile = nil
		}
	}()
	data, _, err := autometa.Load(bytes.NewReader(original))
	if err != nil || data == nil {
		return nil
	}
	if profile, err = data.ICCProfileData(); err != nil {
		return nil
	}
	return profile
}

// toSRGB returns a picture in sRGB whose values are those of an ICC profile
// (ISO 15076-1) of RGB or grey. Any other profile, one that cannot be read, and
// one of grey in a picture with colours are left out of account: what was scaled
// down is RGB by then.
func toSRGB(src *image.RGBA, profile []byte) *image.RGBA {
	opaque := &image.NRGBA{Pix: bytes.Clone(src.Pix), Stride: src.Stride, Rect: src.Rect} // on white: no pixel lets through
	converted := convert(opaque, profile, func(space icc.ColorSpace) bool {
		return space == icc.ColorSpaceRGB || space == icc.ColorSpaceGray && grey(src)
	})
	if c, ok := converted.(*image.NRGBA); ok && c.Rect == src.Rect {
		return &image.RGBA{Pix: c.Pix, Stride: c.Stride, Rect: c.Rect}
	}
	return src
}

func grey(picture *image.RGBA) bool {
	for i := 0; i < len(picture.Pix); i += 4 {
		if picture.Pix[i] != picture.Pix[i+1] || picture.Pix[i] != picture.Pix[i+2] {
			return false
		}
	}
	return true
}

// convert returns a picture in sRGB, nil if its profile is not of a space that
// fits or cannot be read.
func convert(picture image.Image, profile []byte, fits func(icc.ColorSpace) bool) (out image.Image) {
	if len(profile) == 0 || len(profile) > maxProfile {
		return nil
	}
	defer func() {
		if recover() != nil { // a hostile profile met a mistake of the reader
			out = nil
		}
	}()
	p, err := icc.NewProfileReader(bytes.NewReader(profile)).ReadProfile()
	if err != nil || !fits(p.Header.DataColorSpace) {
		return nil
	}
	out, err = imaging.ConvertToSRGB(p, icc.RelativeColorimetricRenderingIntent, false, picture)
	if err != nil {
		return nil
	}
	return out
}

// fromInk returns a picture for print, scaled down to the side, in sRGB by its
// profile of CMYK, or as it was without such a profile. It changes the picture:
// the inks are scaled where they lie, and black by itself, since four do not fit into a
// colour.
func fromInk(picture *image.CMYK, profile []byte, side int) image.Image {
	black := image.NewGray(picture.Rect)
	for y := range picture.Rect.Dy() {
		row := picture.Pix[y*picture.Stride:][:4*picture.Rect.Dx()]
		for x := range picture.Rect.Dx() {
			black.Pix[y*black.Stride+x], row[4*x+3] = row[4*x+3], 255
		}
	}
	inks := shrink(&image.RGBA{Pix: picture.Pix, Stride: picture.Stride, Rect: picture.Rect}, side)
	key := shrink(black, side)
	for i := 3; i < len(inks.Pix); i += 4 {
		inks.Pix[i] = key.Pix[i-3]
	}
	small := &image.CMYK{Pix: inks.Pix, Stride: inks.Stride, Rect: inks.Rect}
	if out := convert(small, profile, func(space icc.ColorSpace) bool { return space == icc.ColorSpaceCMYK }); out != nil {
		return out
	}
	return small
}

// fullRange stretches the values of a lossy WebP in place. They are BT.601 in
// the range of studios (RFC 9649, 2.5), which x/image/webp hands out as they
// are, while a YCbCr of Go has the full range: unstretched, black is grey.
func fullRange(src image.Image) {
	var planes *image.YCbCr
	switch p := src.(type) {
	case *image.YCbCr:
		planes = p
	case *image.NYCbCrA:
		planes = &p.YCbCr
	default:
		return // lossless: RGB
	}
	var light, colour [256]uint8
	for i := range 256 {
		light[i] = uint8(min(max((i-16)*255/219, 0), 255))
		colour[i] = uint8(min(max((i-128)*255/224+128, 0), 255))
	}
	for i, v := range planes.Y {
		planes.Y[i] = light[v]
	}
	for i := range planes.Cb {
		planes.Cb[i], planes.Cr[i] = colour[planes.Cb[i]], colour[planes.Cr[i]]
	}
}
