// Package probe reads the facts of capture out of a picture: where, when and
// with what it was taken, as the camera wrote it into EXIF.
//
// The facts are claims of the sender's device and nothing is decided here.
// They identify the sender: whoever keeps them seals them.
package probe

import (
	"bytes"
	"io"
	"strings"
	"time"

	"github.com/bep/imagemeta"
	"golang.org/x/image/riff"
)

// Limits on hostile metadata. A camera writes some hundred tags.
const (
	maxHead    = 1 << 20 // bytes searched: cameras write EXIF first
	maxTags    = 2000
	maxTagSize = 4 << 10
	maxText    = 64           // bytes kept of one text
	maxOffset  = 14 * 60 * 60 // seconds from UTC of the farthest zone; what is far off has no JSON
)

// Facts is what a picture says of its capture. What it does not say is zero.
type Facts struct {
	Position    *Position  `json:"position,omitempty"`
	Taken       *time.Time `json:"taken,omitempty"`      // by the camera's clock; UTC stands for local time if OffsetKnown is false
	OffsetKnown bool       `json:"offsetKnown"`          // the camera wrote its offset from UTC
	Make        string     `json:"make,omitempty"`       // maker of the device
	Model       string     `json:"model,omitempty"`      // model of the device
	Serial      string     `json:"serial,omitempty"`     // serial number of the device
	Software    string     `json:"software,omitempty"`   // program that wrote the file
	Orientation int        `json:"orientation,omitzero"` // EXIF orientation, 1 to 8
}

// Position is a place in WGS-84 degrees as EXIF gives it.
type Position struct {
	Lon      float64 `json:"lon"`
	Lat      float64 `json:"lat"`
	Accuracy float64 `json:"accuracy,omitzero"` // metres, 0 if not given
}

// formats are how to read the facts of a media type. The EXIF of a WebP stands
// behind its pixels and is found before.
var formats = map[string]imagemeta.ImageFormat{
	"image/jpeg": imagemeta.JPEG, "image/png": imagemeta.PNG, "image/webp": imagemeta.TIFF, "image/heic": imagemeta.HEIF,
}

// Read returns the facts in the first bytes of a picture of the media type
// image/jpeg, image/png, image/webp or image/heic, none of any other. Damaged or
// hostile metadata gives the facts before the damage; imagemeta turns its own
// panics into errors.
func Read(head []byte, mediaType string) Facts {
	format, ok := formats[mediaType]
	if !ok {
		return Facts{}
	}
	if mediaType == "image/webp" {
		head = webp(head)
	}
	tags := exif{}
	// The error only says that reading ended early.
	_, _ = imagemeta.Decode(imagemeta.Options{
		R:            bytes.NewReader(head[:min(len(head), maxHead)]),
		ImageFormat:  format,
		Sources:      imagemeta.EXIF,
		LimitNumTags: maxTags,
		LimitTagSize: maxTagSize,
		HandleTag: func(tag imagemeta.TagInfo) error {
			tags[tag.Tag] = tag.Value
			return nil
		},
	})
	f := Facts{
		Position: tags.position(),
		Make:     tags.text("Make"),
		Model:    tags.text("Model"),
		Serial:   tags.text("SerialNumber"),
		Software: tags.text("Software"),
	}
	if o, ok := tags["Orientation"].(uint16); ok && o >= 1 && o <= 8 {
		f.Orientation = int(o)
	}
	f.Taken, f.OffsetKnown = tags.taken()
	return f
}

// webp returns the EXIF of a WebP (RFC 9649, 2.7), nil if there is none.
// imagemeta does not know that chunks of an odd length are padded.
func webp(file []byte) []byte {
	form, chunks, err := riff.NewReader(bytes.NewReader(file))
	if err != nil || form != (riff.FourCC{'W', 'E', 'B', 'P'}) {
		return nil
	}
	for range maxTags {
		name, _, body, err := chunks.Next()
		if err != nil {
			return nil
		}
		if name == (riff.FourCC{'E', 'X', 'I', 'F'}) {
			exif, _ := io.ReadAll(io.LimitReader(body, maxHead)) // what was read before an error counts
			return bytes.TrimPrefix(exif, []byte("Exif\x00\x00"))
		}
	}
	return nil
}

// exif is the tags of the main picture by name.
type exif map[string]any

func (e exif) text(name string) string {
	s, _ := e[name].(string)
	s = strings.TrimRight(s, "\x00 ")
	return strings.ToValidUTF8(s[:min(len(s), maxText)], "")
}

func (e exif) taken() (*time.Time, bool) {
	const layout = "2006:01:02 15:04:05"
	at, offset := e.text("DateTimeOriginal"), e.text("OffsetTimeOriginal")
	if t, err := time.Parse(layout+"-07:00", at+offset); err == nil {
		if _, seconds := t.Zone(); max(seconds, -seconds) <= maxOffset {
			return &t, true
		}
	}
	if t, err := time.Parse(layout, at); err == nil {
		return &t, false
	}
	return nil, false
}

func (e exif) position() *Position {
	lon, ok1 := e["GPSLongitude"].(float64)
	lat, ok2 := e["GPSLatitude"].(float64)
	// Written so that NaN fails too.
	if !ok1 || !ok2 || !(lon >= 0 && lon <= 180) || !(lat >= 0 && lat <= 90) {
		return nil
	}
	if e.text("GPSLongitudeRef") == "W" {
		lon = -lon
	}
	if e.text("GPSLatitudeRef") == "S" {
		lat = -lat
	}
	p := &Position{Lon: lon, Lat: lat}
	if r, ok := e["GPSHPositioningError"].(imagemeta.Rat[uint32]); ok && r.Den() != 0 {
		p.Accuracy = r.Float64()
	}
	return p
}
