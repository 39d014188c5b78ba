package copies_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gridwatch/media/cliptest"
	"gridwatch/media/copies"
	"gridwatch/media/mediatest"
)

const canary = "CANARY-7f3a"

// module returns the folder of a module in the module cache.
func module(tb testing.TB, path string) string {
	tb.Helper()
	out, err := exec.CommandContext(tb.Context(), "go", "list", "-m", "-f", "{{.Dir}}", path).Output()
	if err != nil {
		tb.Fatalf("%s is not in the module cache: %v", path, err)
	}
	return strings.TrimSpace(string(out))
}

func read(tb testing.TB, path ...string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func phone(tb testing.TB) []byte {
	tb.Helper()
	return read(tb, module(tb, "github.com/bep/imagemeta"), "testdata/images/iphone.heic")
}

func photo() []byte {
	return mediatest.Picture(mediatest.Options{
		Width: 640, Height: 480, Lon: 125.5, Lat: 43.1, Make: canary, Model: canary, Serial: canary, Software: canary, Comment: canary, Orientation: 6,
	})
}

func film(tb testing.TB, ext string) []byte {
	tb.Helper()
	return cliptest.Film(tb, ext, canary, 2)
}

func sound(tb testing.TB, ext string) []byte {
	tb.Helper()
	return cliptest.Sound(tb, ext, canary, 2)
}

// allowed are the tags that exiftool makes up of a file or that a decoder needs,
// by kind. Whatever else it finds in a copy is a leak.
var allowed = map[string]*regexp.Regexp{
	"image/jpeg": regexp.MustCompile(`^(\[ExifTool\]|\[System\]|\[File\] +(FileType|FileTypeExtension|MIMEType|ImageWidth|ImageHeight|EncodingProcess|BitsPerSample|ColorComponents|YCbCrSubSampling) |\[Composite\] +(ImageSize|Megapixels) )`),
	"video/mp4": regexp.MustCompile(`^(\[ExifTool\]|\[System\]|\[File\] +(FileType|FileTypeExtension|MIMEType) |\[Composite\] +(ImageSize|Megapixels|AvgBitrate|Rotation) ` +
		`|\[(QuickTime|Track\d)\] +(MajorBrand|MinorVersion|CompatibleBrands|MovieHeaderVersion|TimeScale|Duration|PreferredRate|PreferredVolume` +
		`|PreviewTime|PreviewDuration|PosterTime|SelectionTime|SelectionDuration|CurrentTime|NextTrackID|TrackHeaderVersion|TrackID|TrackDuration|TrackLayer|TrackVolume` +
		`|ImageWidth|ImageHeight|GraphicsMode|OpColor|CompressorID|SourceImageWidth|SourceImageHeight|XResolution|YResolution|BitDepth|VideoFrameRate|PixelAspectRatio` +
		`|MatrixStructure|MediaHeaderVersion|MediaTimeScale|MediaDuration|MediaLanguageCode|HandlerType|HandlerDescription|Balance|AudioFormat|AudioChannels` +
		`|AudioBitsPerSample|AudioSampleRate|BufferSize|MaxBitrate|AverageBitrate|MediaDataSize|MediaDataOffset|ColorProfiles|ColorPrimaries|TransferCharacteristics` +
		`|MatrixCoefficients|VideoFullRangeFlag|CompressorName|HandlerVendorID|Unknown_edts|Unknown_esds|Unknown_btrt|Free|MediaData|AVCConfiguration|SyncSampleTable|TimeToSampleTable|CompositionTimeToSample` +
		`|SampleToChunk|SampleSizes|ChunkOffset|SampleGroupDescription|SampleToGroup|(Create|Modify|TrackCreate|TrackModify|MediaCreate|MediaModify)Date) )`),
	"application/pdf": regexp.MustCompile(`^(\[ExifTool\]|\[System\]|\[File\] +(FileType|FileTypeExtension|MIMEType) |\[PDF\] +(PDFVersion|Linearized|PageCount) )`),
}

// mustBeClean holds a copy against what may be in it.
func mustBeClean(tb testing.TB, name string, c made) {
	tb.Helper()
	for _, secret := range []string{canary, strings.ToUpper(canary), "C\x00A\x00N\x00A\x00R\x00Y", "\x00C\x00A\x00N\x00A\x00R\x00Y"} {
		if bytes.Contains(c.bytes, []byte(secret)) {
			tb.Errorf("%s: %s holds the canary", name, c.Use)
		}
	}
	rule := allowed[map[bool]string{true: "video/mp4", false: c.Type}[c.Type == "audio/mp4"]]
	for line := range strings.Lines(cliptest.Tags(tb, c.bytes)) {
		if !rule.MatchString(line) {
			tb.Errorf("%s: %s tells %s", name, c.Use, line)
		}
		if strings.Contains(line, "Date ") && strings.HasPrefix(line, "[Q") && !strings.Contains(line, "0000:00:00") {
			tb.Errorf("%s: %s tells a date: %s", name, c.Use, line)
		}
	}
}

// The 109 JPEG files that a library for metadata is tested with.
func TestPicturesOfManyCameras(t *testing.T) {
	t.Parallel()
	m := newMaker(t, nil)
	var files []string
	err := filepath.WalkDir(module(t, "github.com/bep/imagemeta"), func(path string, _ os.DirEntry, err error) error {
		if ext := strings.ToLower(filepath.Ext(path)); ext == ".jpg" || ext == ".jpeg" {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) != 109 {
		t.Fatalf("got %d files, %v", len(files), err)
	}
	grafted := 0
	var all []string
	dir := t.TempDir()
	for i, path := range files {
		file := read(t, path)
		if _, err := jpeg.Decode(bytes.NewReader(file)); err != nil {
			// Nothing but metadata: refused as it is, drawn with a picture behind it.
			if _, err := makeCopies(t, m, file, copies.Options{}); !errors.Is(err, copies.ErrBroken) {
				t.Errorf("%s without a picture: got %v, want %v", filepath.Base(path), err, copies.ErrBroken)
			}
			file = graft(file)
			grafted++
		}
		out := mustMake(t, m, file, copies.Options{})
		for use, c := range out {
			name := filepath.Join(dir, filepath.Base(path)+"-"+string(rune('0'+i%10))+"-"+string(use)+".jpg")
			if err := os.WriteFile(name, c.bytes, 0o600); err != nil {
				t.Fatal(err)
			}
			all = append(all, name)
		}
	}
	t.Logf("%d files, of which %d had metadata and no picture and got one", len(files), grafted)
	// One run over all of them: exiftool takes a while to start.
	out, err := exec.CommandContext(t.Context(), "exiftool", append([]string{"-q", "-a", "-G1", "-s", "-u"}, all...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "========") && !allowed["image/jpeg"].MatchString(line) {
			t.Errorf("a copy tells %s", line)
		}
	}
}

// graft returns a picture with the metadata of a JPEG in front.
func graft(file []byte) []byte {
	out := []byte{0xFF, 0xD8}
	for at := 2; at+4 <= len(file) && file[at] == 0xFF; {
		end := at + 2 + int(binary.BigEndian.Uint16(file[at+2:]))
		if marker := file[at+1]; end > len(file) || marker != 0xFE && (marker < 0xE0 || marker > 0xEF) {
			break
		}
		out = append(out, file[at:end]...)
		at = end
	}
	return append(out, mediatest.Picture(mediatest.Options{Width: 64, Height: 48})[2:]...)
}

// Every way that exiftool knows to put something into a file.
func TestCopiesAreClean(t *testing.T) {
	t.Parallel()
	m := newMaker(t, nil)
	dir := t.TempDir()
	profile := filepath.Join(module(t, "github.com/kovidgoyal/imaging"), "prism/meta/icc/test-profiles/displayp3.icc")
	marked := filepath.Join(dir, "marked.icc") // the name of the profile is the canary
	if err := os.WriteFile(marked, bytes.Replace(read(t, profile), []byte("Copyright A"), []byte(canary), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	thumbnail := filepath.Join(dir, "thumbnail.jpg")
	if err := os.WriteFile(thumbnail, mediatest.Picture(mediatest.Options{Width: 64, Height: 48, Comment: canary}), 0o600); err != nil {
		t.Fatal(err)
	}
	track := filepath.Join(dir, "track.gpx")
	if err := os.WriteFile(track, []byte(`<?xml version="1.0"?><gpx version="1.1" creator="`+canary+`"><trk><trkseg>`+
		`<trkpt lat="43.1" lon="125.5"><time>2026-11-20T08:00:00Z</time></trkpt><trkpt lat="43.2" lon="125.6"><time>2026-11-20T09:00:00Z</time></trkpt></trkseg></trk></gpx>`), 0o600); err != nil {
		t.Fatal(err)
	}
	still := []string{"-f", "lavfi", "-i", "testsrc=size=320x240", "-frames:v", "1"}
	everything := []string{
		"-EXIF:Artist=" + canary, "-EXIF:SerialNumber=" + canary, "-EXIF:UserComment=" + canary, "-GPS:all=", "-GPSLatitude=43.1", "-GPSLatitudeRef=N",
		"-GPSLongitude=125.5", "-GPSLongitudeRef=E", "-XMP:Creator=" + canary, "-XMP:Location=" + canary, "-XMP-photoshop:City=" + canary,
	}
	iptc := []string{"-IPTC:By-line=" + canary, "-IPTC:City=" + canary, "-Comment=" + canary, "-ICC_Profile<=" + profile, "-ThumbnailImage<=" + thumbnail, "-Photoshop:CopyrightFlag=1"}
	moving := []string{
		"-UserData:Comment=" + canary, "-Keys:Author=" + canary, "-ItemList:Artist=" + canary, "-XMP:Creator=" + canary, "-Keys:GPSCoordinates=43.1, 125.5",
		"-UserData:GPSCoordinates=43.1, 125.5, 200", "-QuickTime:CreateDate=2026:11:20 08:00:00", "-QuickTime:TrackCreateDate=2026:11:20 08:00:00",
	}
	maker := read(t, module(t, "github.com/bep/imagemeta"), "testdata/images/metadata-extractor/nikonMakernoteType2b.jpg")
	tests := map[string][]byte{
		"JPEG":             cliptest.Tagged(t, "jpg", photo(), slices.Concat(everything, iptc)...),
		"JPEG, MakerNote":  cliptest.Tagged(t, "jpg", maker, "-Artist="+canary, "-XMP:Creator="+canary),
		"JPEG, GPS track":  cliptest.Tagged(t, "jpg", cliptest.Tagged(t, "jpg", photo(), "-DateTimeOriginal=2026:11:20 08:30:00"), "-geotag", track, "-geotime<${DateTimeOriginal}+00:00"),
		"PNG, tEXt":        cliptest.Tagged(t, "png", cliptest.Media(t, "png", still...), slices.Concat(everything, []string{"-PNG:Comment=" + canary, "-PNG:Author=" + canary, "-ICC_Profile<=" + profile})...),
		"WebP":             cliptest.Tagged(t, "webp", cliptest.Media(t, "webp", still...), everything...),
		"WebP, ICC":        cliptest.Tagged(t, "webp", cliptest.Media(t, "webp", still...), "-ICC_Profile<="+marked),
		"HEIC":             cliptest.Tagged(t, "heic", phone(t), everything...),
		"HEIC, ICC":        cliptest.HEIC(t, "jpg", cliptest.Tagged(t, "jpg", mediatest.Picture(mediatest.Options{Width: 320, Height: 240}), "-ICC_Profile<="+marked)),
		"MP4":              cliptest.Tagged(t, "mp4", film(t, "mp4"), moving...),
		"MOV":              cliptest.Tagged(t, "mov", film(t, "mov"), moving...),
		"MOV, two tracks":  film(t, "mov"),
		"WebM":             film(t, "webm"),
		"3GP":              cliptest.Tagged(t, "3gp", film(t, "3gp"), "-UserData:Author="+canary, "-UserData:LocationInformation="+canary+" Lat=43.1 Lon=125.5"),
		"MP4, subtitles":   subtitled(t),
		"M4A":              cliptest.Tagged(t, "m4a", sound(t, "m4a"), "-ItemList:Artist="+canary, "-Keys:Author="+canary),
		"AAC":              sound(t, "aac"),
		"AMR":              cliptest.AMR(2),
		"WAV":              sound(t, "wav"),
		"MP3":              sound(t, "mp3"),
		"OGG":              sound(t, "ogg"),
		"PDF":              cliptest.Tagged(t, "pdf", pdf(t, 2), "-PDF:Author="+canary, "-PDF:Producer="+canary, "-XMP:Creator="+canary),
		"PDF, attachments": attached(t),
	}
	want := map[string][]copies.Use{
		"photo": {copies.Display, copies.Thumbnail}, "video": {copies.Film, copies.Poster, copies.Thumbnail}, "audio": {copies.Sound},
		"document": {copies.Pages, copies.Display, copies.Thumbnail},
	}
	for name, file := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.HasPrefix(name, "AAC") && name != "AMR" && name != "MOV, two tracks" && name != "JPEG, GPS track" && !bytes.Contains(file, []byte(canary)) {
				t.Error("the canary was never in the file")
			}
			out := mustMake(t, m, file, copies.Options{Voice: copies.Keep})
			for _, c := range out {
				mustBeClean(t, name, c)
			}
			class := "photo"
			switch strings.Split(name, ",")[0] {
			case "MP4", "MOV", "WebM", "3GP":
				class = "video"
			case "M4A", "AAC", "AMR", "WAV", "MP3", "OGG":
				class = "audio"
			case "PDF":
				class = "document"
			}
			if len(out) != len(want[class]) {
				t.Errorf("got %d copies, want %v", len(out), want[class])
			}
			for _, use := range want[class] {
				if _, ok := out[use]; !ok {
					t.Errorf("got no %s", use)
				}
			}
		})
	}
}

// subtitled returns a film with a track of text, as cameras write places.
func subtitled(tb testing.TB) []byte {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "place.srt")
	if err := os.WriteFile(path, []byte("1\n00:00:00,000 --> 00:00:02,000\n"+canary+" 43.1N 125.5E\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	return cliptest.Media(tb, "mp4", "-f", "lavfi", "-t", "2", "-i", "testsrc=size=320x240:rate=10", "-i", path, "-c:v", "libx264", "-pix_fmt", "yuv420p",
		"-c:s", "mov_text", "-bsf:v", "h264_metadata=sei_user_data=086f3693-b7b3-4f2c-9653-21492feee5b8+"+canary)
}

func TestPicturesAreUprightAndSmall(t *testing.T) {
	t.Parallel()
	m := newMaker(t, nil)
	out := mustMake(t, m, mediatest.Picture(mediatest.Options{Width: 3000, Height: 2000, Orientation: 6}), copies.Options{})
	for use, want := range map[copies.Use]image.Point{copies.Display: {1706, 2560}, copies.Thumbnail: {213, 320}} {
		if got := image.Pt(out[use].Width, out[use].Height); got != want {
			t.Errorf("%s: got %v, want %v", use, got, want)
		}
	}
	small := mustMake(t, m, photo(), copies.Options{})
	if got := small[copies.Display]; got.Width != 480 || got.Height != 640 {
		t.Errorf("got %dx%d, want 480x640: nothing is made larger", got.Width, got.Height)
	}
}
