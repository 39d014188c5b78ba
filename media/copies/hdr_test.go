package copies_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image/color"
	"testing"

	"gridwatch/media/cliptest"
	"gridwatch/media/copies"
)

// A film of high dynamic range looks in its copy as on the screen it was made for:
// dark and middle tones and colours as they are, white near white, and lights above
// it still brighter. Unmapped, white would be a middle grey.
func TestHighDynamicRangeIsMapped(t *testing.T) {
	t.Parallel()
	m := newMaker(t, nil)
	// Code values of BT.2100, 10 bits, for what a screen of BT.709 shows as want, where
	// white is 203 cd/m²: Y', Cb and Cr of BT.2020 through PQ or HLG.
	type band struct {
		y, cb, cr uint16
		want      color.RGBA
	}
	tests := map[string][]band{
		"smpte2084": {
			{377, 512, 512, color.RGBA{97, 97, 97, 255}},    // 20 cd/m²: 255 (20/203)^(1/2.4)
			{340, 457, 563, color.RGBA{140, 60, 30, 255}},   // a brown
			{573, 512, 512, color.RGBA{215, 215, 215, 255}}, // 203 cd/m²
			{723, 512, 512, color.RGBA{249, 249, 249, 255}}, // 1000 cd/m²
		},
		"arib-std-b67": {
			{327, 512, 512, color.RGBA{86, 86, 86, 255}},
			{721, 512, 512, color.RGBA{215, 215, 215, 255}}, // reference white: 75 % (BT.2408)
			{940, 512, 512, color.RGBA{249, 249, 249, 255}},
		},
	}
	for transfer, bands := range tests {
		t.Run(transfer, func(t *testing.T) {
			t.Parallel()
			const side = 64 // of a band
			w := side * len(bands)
			var frame []byte
			for plane := range 3 {
				part := min(plane, 1) + 1 // colours have half the samples each way
				for range side / part {
					for _, b := range bands {
						for range side / part {
							frame = binary.LittleEndian.AppendUint16(frame, []uint16{b.y, b.cb, b.cr}[plane])
						}
					}
				}
			}
			raw := saved(t, "raw", bytes.Repeat(frame, 10))
			size := []string{"-f", "rawvideo", "-pix_fmt", "yuv420p10le", "-s", fmt.Sprintf("%dx%d", w, side), "-r", "10"}
			tags := []string{"-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc", "-color_range", "tv"}
			film := cliptest.Media(t, "mp4", append(append(size, "-i", raw, "-c:v", "libx265", "-crf", "10",
				"-x265-params", "log-level=none:colorprim=bt2020:transfer="+transfer+":colormatrix=bt2020nc"), tags...)...)
			out := mustMake(t, m, film, copies.Options{})
			poster := decode(t, out[copies.Poster])
			shown := cliptest.Media(t, "rgb", "-i", saved(t, "mp4", out[copies.Film].bytes), "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24")
			for i, b := range bands {
				x := i*side + side/2
				at := 3 * (side/2*w + x)
				got := color.RGBA{shown[at], shown[at+1], shown[at+2], 255}
				if !near(got, b.want, 8) || !near(poster.At(x, side/2), b.want, 10) {
					t.Errorf("band %d: the film has %v, its poster %v, want %v", i, got, poster.At(x, side/2), b.want)
				}
			}
			for _, c := range out {
				mustBeClean(t, "a film of high dynamic range", c)
			}
		})
	}
}
