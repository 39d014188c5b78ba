// Package cliptest makes the films, sounds and documents that tests send, with
// Debian's ffmpeg and exiftool.
package cliptest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// Media returns what ffmpeg writes for the arguments into a file of the
// extension: cliptest.Media(t, "mp4", "-f", "lavfi", "-i", "testsrc", ...).
func Media(tb testing.TB, ext string, args ...string) []byte {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "file."+ext)
	run(tb, "ffmpeg", append(append([]string{"-v", "error", "-nostdin", "-y"}, args...), path)...)
	return read(tb, path)
}

// Film returns a film of a test card with a tone, of the container's usual
// codecs, with the canary as its title and a place.
func Film(tb testing.TB, ext, canary string, seconds int, more ...string) []byte {
	tb.Helper()
	length := fmt.Sprint(seconds)
	args := []string{
		"-f", "lavfi", "-t", length, "-i", "testsrc=size=320x240:rate=10", "-f", "lavfi", "-t", length, "-i", "sine=frequency=440",
		"-shortest", "-pix_fmt", "yuv420p", "-metadata", "title=" + canary, "-metadata", "comment=" + canary,
		"-metadata", "location=+43.1234+125.5678/",
	}
	switch ext {
	case "webm":
		args = append(args, "-c:v", "libvpx", "-b:v", "200k", "-deadline", "realtime", "-c:a", "libopus")
	case "3gp":
		args = append(args, "-c:v", "h263", "-s", "352x288", "-c:a", "aac", "-ar", "8000", "-ac", "1")
	default:
		args = append(args, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac")
	}
	return Media(tb, ext, append(args, more...)...)
}

// Sound returns a tone.
func Sound(tb testing.TB, ext, canary string, seconds int) []byte {
	tb.Helper()
	args := []string{"-f", "lavfi", "-i", fmt.Sprintf("sine=frequency=440:duration=%d", seconds), "-metadata", "title=" + canary, "-metadata", "artist=" + canary}
	switch ext {
	case "m4a", "aac":
		args = append(args, "-c:a", "aac")
	case "mp3":
		args = append(args, "-c:a", "libmp3lame")
	case "ogg":
		args = append(args, "-c:a", "libvorbis")
	}
	return Media(tb, ext, args...)
}

// AMR returns a tone of AMR-NB, which Debian's ffmpeg reads and does not write:
// 20 ms frames of 12.2 kbit/s without content (RFC 4867, 5.1).
func AMR(seconds int) []byte {
	frame := append([]byte{7<<3 | 4}, make([]byte, 31)...)
	return append([]byte("#!AMR\n"), bytes.Repeat(frame, 50*seconds)...)
}

// Tagged returns a file with the tags that exiftool writes for the arguments.
func Tagged(tb testing.TB, ext string, file []byte, args ...string) []byte {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "file."+ext)
	if err := os.WriteFile(path, file, 0o600); err != nil {
		tb.Fatal(err)
	}
	run(tb, "exiftool", append(append([]string{"-q", "-q", "-m", "-overwrite_original"}, args...), path)...)
	return read(tb, path)
}

// HEIC returns what Debian's heif-enc writes of a JPEG or PNG.
func HEIC(tb testing.TB, ext string, picture []byte) []byte {
	tb.Helper()
	dir := tb.TempDir()
	from, to := filepath.Join(dir, "file."+ext), filepath.Join(dir, "file.heic")
	if err := os.WriteFile(from, picture, 0o600); err != nil {
		tb.Fatal(err)
	}
	run(tb, "heif-enc", "-q", "95", from, "-o", to)
	return read(tb, to)
}

// Turned returns a HEIC that HEIC made of a PNG with the boxes that phones write
// to turn a picture, and Debian's heif-enc does not: quarters to the left (irot),
// then what is exchanged (imir); a negative one is left out. They are put behind
// the other properties (ipco), and linked (ipma) to the one picture that is there
// (ISO/IEC 23008-12, 6.5; ISO/IEC 14496-12, 8.11).
func Turned(tb testing.TB, heic []byte, irot, imir int) []byte {
	tb.Helper()
	var boxes, links []byte
	for i, turn := range []int{irot, imir} {
		if turn >= 0 {
			boxes = append(append(boxes, 0, 0, 0, 9), []string{"irot", "imir"}[i]...)
			boxes = append(boxes, byte(turn))              //nolint:gosec // G115: of two bits
			links = append(links, 0x80|byte(4+len(links))) //nolint:gosec // G115: behind hvcC, ispe and pixi
		}
	}
	at := func(name string) int {
		n := bytes.Index(heic, []byte(name))
		if n < 0 || n != bytes.LastIndex(heic, []byte(name)) {
			tb.Fatalf("the HEIC has not one %s", name)
		}
		return n
	}
	ipma := at("ipma") - 4
	count := ipma + 8 + 4 + 4 + 2
	end := count + 1 + int(heic[count])
	out := slices.Concat(heic[:ipma], boxes, heic[ipma:end], links, heic[end:])
	grow := func(at, by int) { binary.BigEndian.PutUint32(out[at:], binary.BigEndian.Uint32(out[at:])+uint32(by)) } //nolint:gosec // G115: a few bytes
	grow(ipma+len(boxes), len(links))
	out[count+len(boxes)] += byte(len(links)) //nolint:gosec // G115: two at most
	grow(at("ipco")-4, len(boxes))
	for _, moved := range []int{at("iprp") - 4, at("meta") - 4, at("iloc") + 16} { // the last is where the picture begins
		grow(moved, len(boxes)+len(links))
	}
	return out
}

// Tags returns what exiftool -a -G1 finds in a file.
func Tags(tb testing.TB, file []byte) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "file")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		tb.Fatal(err)
	}
	return run(tb, "exiftool", "-a", "-G1", "-s", "-u", "-ee", path)
}

func run(tb testing.TB, program string, args ...string) string {
	tb.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(tb.Context(), program, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("%s: %v (make tools installs it)\n%s", program, err, stderr.String())
	}
	return string(out)
}

func read(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}
