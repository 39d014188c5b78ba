package mediatest

import (
	"encoding/binary"
	"math"
)

// Types of a TIFF field (TIFF 6.0, section 2).
const (
	ascii    = 2
	short    = 3
	long     = 4
	rational = 5
)

// field is one entry of a TIFF directory, its value in little-endian.
type field struct {
	tag, kind uint16
	count     int
	value     []byte
}

// EXIF returns a TIFF block with what o tells of the capture, as it stands in
// an APP1 segment of a JPEG or in an eXIf chunk of a PNG. Tags are those of
// CIPA DC-008 (EXIF 2.32).
func EXIF(o Options) []byte {
	var main, photo, gps []field
	main = text(main, 0x010E, o.Comment) // ImageDescription
	main = text(main, 0x010F, o.Make)
	main = text(main, 0x0110, o.Model)
	if o.Orientation != 0 {
		main = append(main, field{0x0112, short, 1, binary.LittleEndian.AppendUint16(nil, uint16(o.Orientation))}) //nolint:gosec // G115: 1 to 8
	}
	main = text(main, 0x0131, o.Software)
	if !o.Time.IsZero() {
		photo = text(photo, 0x9003, o.Time.Format("2006:01:02 15:04:05")) // DateTimeOriginal
		photo = text(photo, 0x9011, o.Time.Format("-07:00"))              // OffsetTimeOriginal
	}
	photo = text(photo, 0xA431, o.Serial) // BodySerialNumber
	if o.Lon != 0 || o.Lat != 0 {
		gps = text(gps, 1, reference(o.Lat, "N", "S"))
		gps = append(gps, degrees(2, o.Lat))
		gps = text(gps, 3, reference(o.Lon, "E", "W"))
		gps = append(gps, degrees(4, o.Lon))
		if o.Accuracy != 0 {
			gps = append(gps, field{31, rational, 1, ratio(nil, o.Accuracy, 100)}) // GPSHPositioningError
		}
	}
	// The main directory comes first and points at the other two.
	const start = 8
	photoAt := start + size(main) + 2*12
	gpsAt := photoAt + size(photo)
	main = append(main, pointer(0x8769, photoAt), pointer(0x8825, gpsAt))
	out := []byte{'I', 'I', 42, 0, start, 0, 0, 0}
	for _, directory := range [][]field{main, photo, gps} {
		out = appendDirectory(out, directory)
	}
	return out
}

func text(to []field, tag uint16, s string) []field {
	if s == "" {
		return to
	}
	return append(to, field{tag, ascii, len(s) + 1, append([]byte(s), 0)})
}

func reference(degrees float64, positive, negative string) string {
	if degrees < 0 {
		return negative
	}
	return positive
}

// degrees returns a field of degrees, minutes and seconds, the seconds to 1/10000.
func degrees(tag uint16, v float64) field {
	whole, part := math.Modf(math.Abs(v))
	minutes, part := math.Modf(part * 60)
	return field{tag, rational, 3, ratio(ratio(ratio(nil, whole, 1), minutes, 1), part*60, 10_000)}
}

func ratio(to []byte, v float64, denominator uint32) []byte {
	to = binary.LittleEndian.AppendUint32(to, uint32(math.Round(v*float64(denominator))))
	return binary.LittleEndian.AppendUint32(to, denominator)
}

func pointer(tag uint16, at int) field {
	return field{tag, long, 1, binary.LittleEndian.AppendUint32(nil, uint32(at))} //nolint:gosec // G115: a few hundred bytes
}

// size returns the length of a directory with the values that follow it.
func size(fields []field) int {
	n := 2 + 12*len(fields) + 4
	for _, f := range fields {
		if len(f.value) > 4 {
			n += len(f.value)
		}
	}
	return n
}

func appendDirectory(out []byte, fields []field) []byte {
	values := []byte{}
	at := len(out) + 2 + 12*len(fields) + 4
	out = binary.LittleEndian.AppendUint16(out, uint16(len(fields))) //nolint:gosec // G115: under a dozen
	for _, f := range fields {
		out = binary.LittleEndian.AppendUint16(out, f.tag)
		out = binary.LittleEndian.AppendUint16(out, f.kind)
		out = binary.LittleEndian.AppendUint32(out, uint32(f.count)) //nolint:gosec // G115: a few hundred
		if len(f.value) <= 4 {
			out = append(out, f.value...)
			out = append(out, make([]byte, 4-len(f.value))...)
			continue
		}
		out = binary.LittleEndian.AppendUint32(out, uint32(at+len(values))) //nolint:gosec // G115: a few hundred bytes
		values = append(values, f.value...)
	}
	out = append(out, 0, 0, 0, 0) // no next directory
	return append(out, values...)
}
