package copies_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridwatch/media/cliptest"
	"gridwatch/media/copies"
	"gridwatch/media/mediatest"
)

// flood returns a PNG of a few bytes that says it has many pixels.
func flood(tb testing.TB, width, height uint32) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		tb.Fatal(err)
	}
	const ihdr = 8 + 4 // behind the signature and the length
	out := b.Bytes()
	binary.BigEndian.PutUint32(out[ihdr+4:], width)
	binary.BigEndian.PutUint32(out[ihdr+8:], height)
	binary.BigEndian.PutUint32(out[ihdr+4+13:], crc32.ChecksumIEEE(out[ihdr:ihdr+4+13]))
	return out
}

// Every file is refused for what is wrong with it, and nothing of it is left.
func TestHostileFilesAreRefusedByReason(t *testing.T) {
	t.Parallel()
	m := newMaker(t, nil)
	mp4 := cliptest.Film(t, "mp4", "", 2)
	endless := bytes.Repeat([]byte{0xFF}, 4)
	tests := map[string]struct {
		file   []byte
		limits copies.Limits
		want   *copies.RejectedError
	}{
		"pixel flood, PNG":             {file: flood(t, 60_000, 60_000), want: copies.ErrPixels},
		"pixel flood, JPEG":            {file: cliptest.Patched(t, mediatest.Picture(mediatest.Options{Width: 8, Height: 8}), "\xFF\xC0\x00\x11", 1, 0xFF, 0xFF, 0xFF, 0xFF), want: copies.ErrPixels},
		"pixel flood, WebP":            {file: []byte("RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\xFF\x3F\x00\xFF\x3F\x00"), want: copies.ErrPixels},
		"pixel flood, HEIC":            {file: cliptest.Patched(t, phone(t), "ispe", 4, append(endless, endless...)...), want: copies.ErrPixels},
		"pixel flood, film":            {file: mp4, limits: copies.Limits{Pixels: 320*240 - 1}, want: copies.ErrPixels},
		"endless by its header":        {file: cliptest.Patched(t, mp4, "stts", 12, 0x7F, 0xFF, 0xFF, 0xFF), want: copies.ErrLength},
		"longer than allowed":          {file: mp4, limits: copies.Limits{Length: time.Second}, want: copies.ErrLength},
		"longer than it says":          {file: cliptest.Sound(t, "aac", "", 8), limits: copies.Limits{Length: 2 * time.Second}, want: copies.ErrLength},
		"10,000 streams":               {file: cliptest.Tracks(t, 10_000), want: copies.ErrStreams},
		"more streams than allowed":    {file: cliptest.Tracks(t, 17), want: copies.ErrStreams},
		"more pages than allowed":      {file: pdf(t, 101), want: copies.ErrPages},
		"a billion pages":              {file: bytes.Replace(pdf(t, 1), []byte("/Count 1 "), []byte("/Count 1000000000 "), 1), want: copies.ErrBroken},
		"no pages":                     {file: write("<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Count 0 /Kids [] >>"), want: copies.ErrBroken},
		"stream that unpacks for ever": {file: blown(t, 2), limits: copies.Limits{Wall: 2 * time.Second}, want: copies.ErrEffort},
		"boxes longer than the file":   {file: cliptest.Patched(t, mp4, "mdat", -8, 0x7F, 0xFF, 0xFF, 0xFF), want: copies.ErrBroken},
		"boxes of 2^63 bytes":          {file: cliptest.Patched(t, mp4, "moov", -8, 0, 0, 0, 1, 'm', 'o', 'o', 'v', 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF), want: copies.ErrBroken},
		"boxes that hold nothing":      {file: cliptest.Patched(t, mp4, "trak", -8, 0, 0, 0, 8), want: copies.ErrBroken},
		"HEIC whose boxes lie":         {file: cliptest.Patched(t, phone(t), "meta", -8, 0x7F, 0xFF, 0xFF, 0xFF), want: copies.ErrBroken},
		"HEIC cut off":                 {file: phone(t)[:100_000], want: copies.ErrBroken},
		"more bytes than allowed":      {file: mp4, limits: copies.Limits{Bytes: int64(len(mp4)) - 1}, want: copies.ErrTooLarge},
		"archive":                      {file: []byte("PK\x03\x04" + strings.Repeat("\x00", 64)), want: copies.ErrType},
		"playlist":                     {file: []byte("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"), want: copies.ErrType},
		"markup":                       {file: []byte("<html><script>alert(1)</script>"), want: copies.ErrType},
		"nothing":                      {file: nil, want: copies.ErrType},
		"a first line and no more":     {file: []byte("%PDF-1.7\n"), want: copies.ErrBroken},
		"PDF with an archive in front": {file: append([]byte("PK\x03\x04"), pdf(t, 1)...), want: copies.ErrType},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := makeCopies(t, m, test.file, copies.Options{Voice: copies.Keep, Limits: test.limits})
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

// What a file is decides, not what it was called or said to be: a HEIC named
// .jpg is drawn, and a file cannot bring others in by their names.
func TestContentDecides(t *testing.T) {
	t.Parallel()
	m := newMaker(t, nil)
	if out := mustMake(t, m, phone(t), copies.Options{}); out[copies.Display].Width != 2560 {
		t.Errorf("a HEIC named .jpg: got %d pixels, want 2560", out[copies.Display].Width)
	}
	// A page of a thousand kilometres is drawn as large as any other.
	wide := mustMake(t, m, bytes.ReplaceAll(pdf(t, 1), []byte("[0 0 595 842]"), []byte("[0 0 2000000000 2000000000]")), copies.Options{})
	if got := wide[copies.Display]; got.Width > 2560 || got.Height > 2560 {
		t.Errorf("a wide page: got %dx%d", got.Width, got.Height)
	}
	// An archive behind a document is not on its pages.
	var archive bytes.Buffer
	packed := zip.NewWriter(&archive)
	if w, err := packed.CreateHeader(&zip.FileHeader{Name: "../../" + canary, Method: zip.Store}); err != nil {
		t.Fatal(err)
	} else if _, err := w.Write(bytes.Repeat([]byte(canary), 1000)); err != nil {
		t.Fatal(err)
	}
	if err := packed.Close(); err != nil {
		t.Fatal(err)
	}
	for _, made := range mustMake(t, m, append(pdf(t, 1), archive.Bytes()...), copies.Options{}) {
		mustBeClean(t, "a document that is an archive too", made)
		if bytes.Contains(made.bytes, []byte("PK\x03\x04")) {
			t.Errorf("an archive is in the %s", made.Use)
		}
	}
	secret := filepath.Join(t.TempDir(), "secret.mp4")
	if err := os.WriteFile(secret, cliptest.Film(t, "mp4", "", 1), 0o644); err != nil { // readable on purpose
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{
		"a film that is a list of films": []byte("\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isomiso2\nffconcat version 1.0\nfile " + secret + "\n"),
		"a film by its first bytes only": append([]byte("\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isomiso2"), "#EXTM3U\n"+secret+"\n"...),
		"a sound that is a page":         append([]byte("OggS"), "<html>"...),
	} {
		out, err := makeCopies(t, m, file, copies.Options{})
		if err == nil || len(out) != 0 {
			t.Errorf("%s: got %d copies, %v", name, len(out), err)
		}
	}
}

// A mutated file costs itself: a reason or a copy comes out, no process is left
// over, no file.
func TestMutatedFiles(t *testing.T) {
	t.Parallel()
	m := newMaker(t, nil)
	r := rand.New(rand.NewPCG(2026, 11))
	seeds := [][]byte{
		mediatest.Picture(mediatest.Options{Width: 160, Height: 120, Orientation: 3, Make: "m"}), flood(t, 40, 40),
		cliptest.Media(t, "webp", "-f", "lavfi", "-i", "testsrc=size=64x64", "-frames:v", "1"),
		cliptest.Film(t, "mp4", "", 1), cliptest.Film(t, "mov", "", 1), cliptest.Film(t, "webm", "", 1), cliptest.Film(t, "3gp", "", 1),
		cliptest.Sound(t, "m4a", "", 1), cliptest.Sound(t, "wav", "", 1), cliptest.Sound(t, "mp3", "", 1), cliptest.Sound(t, "ogg", "", 1), cliptest.AMR(1),
		pdf(t, 2), attached(t), cliptest.HEIC(t, "png", painted(t, 128, 96, red, green, blue, yellow)),
	}
	const rounds = 15 // 15 seeds: 225 files
	outcomes := map[string]int{}
	for n := range rounds {
		for _, seed := range seeds {
			file := cliptest.Mutated(r, seed, n)
			_, err := makeCopies(t, m, file, copies.Options{Voice: copies.Disguise, Limits: copies.Limits{Wall: 20 * time.Second}})
			var rejected *copies.RejectedError
			switch {
			case err == nil:
				outcomes["copied"]++
			case errors.As(err, &rejected):
				outcomes[rejected.Reason]++
			default:
				t.Errorf("a mutated file: got %v", err)
			}
		}
	}
	t.Logf("%d files: %v", rounds*len(seeds), outcomes)
	if out := mustMake(t, m, photo(), copies.Options{}); len(out) != 2 {
		t.Errorf("afterwards a photo has %d copies", len(out))
	}
	cliptest.NoZombies(t, os.Getpid())
}

func TestVoices(t *testing.T) {
	t.Parallel()
	m := newMaker(t, nil)
	file := cliptest.Film(t, "mp4", "", 3)
	tests := map[copies.Voice]bool{"": false, copies.Mute: false, copies.Disguise: true, copies.Keep: true}
	for voice, heard := range tests {
		out := mustMake(t, m, file, copies.Options{Voice: voice})
		if got := strings.Contains(cliptest.Tags(t, out[copies.Film].bytes), "AudioChannels"); got != heard {
			t.Errorf("film, %q: sound %t, want %t", voice, got, heard)
		}
		sounds := mustMake(t, m, cliptest.Sound(t, "wav", "", 3), copies.Options{Voice: voice})
		if _, got := sounds[copies.Sound]; got != heard {
			t.Errorf("sound, %q: copy %t, want %t", voice, got, heard)
		}
	}
	// The tone of 440 Hz is another after a disguise, and not twice the same.
	pitches := map[int]bool{}
	for range 4 {
		hz := pitch(t, mustMake(t, m, cliptest.Sound(t, "wav", "", 3), copies.Options{Voice: copies.Disguise})[copies.Sound].bytes)
		if hz > 400 && hz < 500 {
			t.Errorf("disguised: got %d Hz out of 440", hz)
		}
		pitches[hz] = true
	}
	if len(pitches) < 2 {
		t.Errorf("four disguises, all of %v Hz", pitches)
	}
	if hz := pitch(t, mustMake(t, m, cliptest.Sound(t, "wav", "", 3), copies.Options{Voice: copies.Keep})[copies.Sound].bytes); hz < 435 || hz > 445 {
		t.Errorf("kept: got %d Hz, want 440", hz)
	}
}

// pitch counts how often a tone crosses zero upwards in its second second.
func pitch(tb testing.TB, file []byte) int {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "a.m4a")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		tb.Fatal(err)
	}
	raw := cliptest.Media(tb, "raw", "-ss", "1", "-t", "1", "-i", path, "-ac", "1", "-ar", "44100", "-f", "s16le")
	n, last := 0, int16(0)
	for i := 0; i+1 < len(raw); i += 2 {
		v := int16(binary.LittleEndian.Uint16(raw[i:]))
		if last < 0 && v >= 0 {
			n++
		}
		last = v
	}
	return n
}
