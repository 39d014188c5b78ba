package likeness_test

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/image/draw"

	"gridwatch/media/likeness"
	"gridwatch/media/scrub"
)

// Photos of one scene among the files below, saved with other metadata or turned.
var variants = [][]string{
	{"f1-exif.jpg", "f2-exif.jpg", "f3-exif.jpg", "f4-exif.jpg", "f5-exif.jpg", "f6-exif.jpg", "f7-exif.jpg", "f8-exif.jpg"},
	{"withExifAndIptc.jpg", "withIptcExifGps.jpg"},
	{"withIptc.jpg", "withIptcPhotoshop6.jpg"},
	{"withTypicalHuffman.jpg", "withXmp.jpg"},
	{"metadata_demo_exif_only.jpg", "metadata_demo_iim_and_xmp_only.jpg", "metadata_demo_inc_exif_out_of_sync_Inc_adobe.jpg"},
	{"hugo-issue-8996.jpg"}, // there twice
}

// sceneOf says which scene a file shows.
func sceneOf(name string) string {
	for _, group := range variants {
		for _, each := range group {
			if each == name {
				return group[0]
			}
		}
	}
	return name
}

// camera is a photo as the server takes prints of it: upright, of its clean copy.
type camera struct {
	name    string
	picture *image.RGBA
	print   likeness.Print
}

// cameras returns those of the 109 JPEG files of a library for metadata that
// show something.
func cameras(t *testing.T) []camera {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/bep/imagemeta").Output()
	if err != nil {
		t.Fatal(err)
	}
	var out []camera
	files, empty, small := 0, 0, 0
	cleaner := scrub.New(scrub.Config{Side: 640}) // quicker than 2560, and as good for a print
	err = filepath.WalkDir(strings.TrimSpace(string(dir)), func(path string, _ os.DirEntry, err error) error {
		if ext := strings.ToLower(filepath.Ext(path)); err != nil || ext != ".jpg" && ext != ".jpeg" {
			return err
		}
		files++
		file, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		clean, err := cleaner.Clean(t.Context(), bytes.NewReader(file))
		if errors.Is(err, scrub.ErrBroken) {
			empty++ // metadata alone
			return nil
		}
		if err != nil {
			return err
		}
		drawn, err := jpeg.Decode(bytes.NewReader(clean.JPEG))
		if err != nil {
			return err
		}
		p, err := likeness.Of(drawn)
		if errors.Is(err, likeness.ErrFlat) {
			small++
			return nil
		}
		c := camera{name: filepath.Base(path), picture: image.NewRGBA(drawn.Bounds()), print: p}
		draw.Draw(c.picture, c.picture.Rect, drawn, image.Point{}, draw.Src)
		out = append(out, c)
		return err
	})
	if err != nil || files != 109 {
		t.Fatalf("got %d files, %v", files, err)
	}
	t.Logf("%d files: %d have no picture, %d are of some pixels only, %d are photos", files, empty, small, len(out))
	return out
}

// TestNearCopiesOfPhotos does with photos of many cameras what the test of drawn
// pictures does: every near-copy is known, the same scene saved otherwise is, and
// no other is flagged, neither among them nor among a thousand drawn ones.
func TestNearCopiesOfPhotos(t *testing.T) {
	t.Parallel()
	photos := cameras(t)
	found, copies, worst := 0, 0, 0
	for _, c := range photos {
		size := 40 // percent
		if c.picture.Rect.Dx() < 100 || c.picture.Rect.Dy() < 100 {
			size = 200 // a thumbnail's thumbnail shows nothing
		}
		for name, near := range map[string]image.Image{
			"resized": resized(c.picture, size), "recompressed": recompressed(t, c.picture, 30),
			"cropped at the left": cropped(c.picture, 1, 0), "cropped at the right": cropped(c.picture, 0, 1), "cropped at each edge": trimmed(c.picture),
			"all three": recompressed(t, resized(trimmed(c.picture), max(size, 80)), 60),
		} {
			copies++
			d := likeness.Distance(printOf(t, near), c.print)
			worst = max(worst, d)
			if d <= radius {
				found++
			} else {
				t.Errorf("%s %s is %d bits away, want at most %d", c.name, name, d, radius)
			}
		}
	}
	scenes, same, flagged := map[string]bool{}, 0, 0
	for i, a := range photos {
		again, wrong := false, false
		for _, b := range photos[:i] {
			alike, known := likeness.Distance(a.print, b.print) <= radius, sceneOf(a.name) == sceneOf(b.name)
			switch {
			case known && !alike:
				t.Errorf("%s and %s show the same and were not known", b.name, a.name)
			case alike && !known:
				wrong = true
				t.Logf("%s was taken for %s", a.name, b.name)
			}
			again = again || known
		}
		if scenes[sceneOf(a.name)] = true; again {
			same++
		}
		if wrong {
			flagged++
		}
	}
	for n, drawn := range drawnPrints() {
		for _, c := range photos {
			if likeness.Distance(drawn, c.print) <= radius {
				t.Logf("the drawn picture %d was taken for %s", n, c.name)
				flagged++
				break
			}
		}
	}
	t.Logf("near-copies of photos known: %d of %d, the farthest %d bits away; %d photos of %d scenes, %d known as saved before; false flags among them and %d drawn pictures: %d",
		found, copies, worst, len(photos), len(scenes), same, len(drawnPrints()), flagged)
	if flagged > 2 {
		t.Errorf("%d pictures were taken for another one, want at most 2", flagged)
	}
}
