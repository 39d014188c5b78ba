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
// (ISO 15076-1). A profile that is not one of RGB, or cannot be read, is left
// out of account: what was scaled down is RGB by then.
func toSRGB(src *image.RGBA, profile []byte) (out *image.RGBA) {
	if len(profile) == 0 || len(profile) > maxProfile {
		return src
	}
	opaque := &image.NRGBA{Pix: bytes.Clone(src.Pix), Stride: src.Stride, Rect: src.Rect} // on white: no pixel lets through
	defer func() {
		if recover() != nil {
			out = src
		}
	}()
	p, err := icc.NewProfileReader(bytes.NewReader(profile)).ReadProfile()
	if err != nil || p.Header.DataColorSpace != icc.ColorSpaceRGB {
		return src
	}
	converted, err := imaging.ConvertToSRGB(p, icc.RelativeColorimetricRenderingIntent, false, opaque)
	if c, ok := converted.(*image.NRGBA); err == nil && ok && c.Rect == src.Rect {
		return &image.RGBA{Pix: c.Pix, Stride: c.Stride, Rect: c.Rect}
	}
	return src
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
