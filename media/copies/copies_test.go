package copies_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"gridwatch/media/copies"
	"gridwatch/media/sandbox"
	"gridwatch/media/scrub"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == copies.HEICCommand { // this program in its own sandbox
		if err := copies.DrawHEIC(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	var err error
	if built, err = os.MkdirTemp("", "copies-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(built)
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// made is a copy that was kept.
type made struct {
	copies.Copy

	bytes []byte
}

// newMaker returns a Maker with a scratch folder of its own, which is empty at
// the end of the test.
func newMaker(tb testing.TB, change func(*copies.Config)) *copies.Maker {
	tb.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "copies-test-") //nolint:usetesting // it has to lie in memory
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil { // the user of jobs goes through it
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		for _, left := range leftovers(tb, dir) {
			tb.Errorf("left in scratch: %s", left)
		}
		_ = os.RemoveAll(dir)
	})
	cfg := copies.Config{Scratch: dir, Random: rand.Reader, Photos: scrub.New(scrub.Config{}), HEIC: heicReader(tb)}
	if change != nil {
		change(&cfg)
	}
	m, err := copies.New(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// heicReader returns this test's program built without the race detector, under
// which the HEIC decoder takes minutes.
func heicReader(tb testing.TB) string {
	tb.Helper()
	path, err := plain()
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

var plain = sync.OnceValues(func() (string, error) {
	path := filepath.Join(built, "copies.test")
	out, err := exec.Command("go", "test", "-c", "-race=false", "-tags", "nodynamic", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// built is where plain builds; TestMain removes it.
var built string

func leftovers(tb testing.TB, dir string) []string {
	tb.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		tb.Fatal(err)
	}
	return found
}

func makeCopies(tb testing.TB, m *copies.Maker, file []byte, o copies.Options) (map[copies.Use]made, error) {
	tb.Helper()
	out := map[copies.Use]made{}
	err := m.Make(tb.Context(), bytes.NewReader(file), o, func(_ context.Context, c copies.Copy) error {
		b, err := io.ReadAll(c.Body)
		if err == nil && int64(len(b)) != c.Size {
			err = fmt.Errorf("%s: has %d bytes, said to have %d", c.Use, len(b), c.Size)
		}
		out[c.Use] = made{c, b}
		return err
	})
	return out, err
}

func mustMake(tb testing.TB, m *copies.Maker, file []byte, o copies.Options) map[copies.Use]made {
	tb.Helper()
	out, err := makeCopies(tb, m, file, o)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func TestIsolationIsSaid(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"bwrap", "unshare"} {
		m := newMaker(t, func(c *copies.Config) { c.Ways = sandbox.Only(way) })
		if got := m.Isolation(); got != way {
			t.Errorf("got %s, want %s", got, way)
		}
	}
}

// Without isolation pictures are drawn and all else waits.
func TestNoIsolation(t *testing.T) {
	t.Parallel()
	m := newMaker(t, func(c *copies.Config) { c.Ways = sandbox.Only() })
	if got := m.Isolation(); got != "none" {
		t.Errorf("got %s", got)
	}
	for name, file := range map[string][]byte{"film": film(t, "mp4"), "sound": sound(t, "wav"), "document": pdf(t, 1), "HEIC": phone(t)} {
		if _, err := makeCopies(t, m, file, copies.Options{}); !errors.Is(err, copies.ErrNoIsolation) {
			t.Errorf("%s: got %v, want %v", name, err, copies.ErrNoIsolation)
		}
	}
	if got := mustMake(t, m, photo(), copies.Options{}); len(got) != 2 {
		t.Errorf("got %d copies of a photo, want 2", len(got))
	}
}

func TestScratchOnADiskIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := copies.New(t.Context(), copies.Config{Scratch: dir, Random: rand.Reader, Photos: scrub.New(scrub.Config{})}); err == nil {
		t.Errorf("%s was taken", dir)
	}
}

// What a killed process left is removed at the next start; what another process
// is working on stays.
func TestScratchIsClearedAtTheStart(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("/dev/shm", "copies-test-") //nolint:usetesting // it has to lie in memory
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	cfg := copies.Config{Scratch: dir, Random: rand.Reader, Photos: scrub.New(scrub.Config{}), Ways: sandbox.Only()}
	if _, err := copies.New(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(dir, fmt.Sprintf("gridwatch-%d", os.Geteuid()), "gridwatch-job-1")
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(left, "in"), []byte("clear"), 0o600); err != nil {
		t.Fatal(err)
	}
	hold, err := copies.Claim(left)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{1, 0} {
		if _, err := copies.New(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		if got := leftovers(t, dir); len(got) != want {
			t.Errorf("got %v left, want %d", got, want)
		}
		_ = hold.Close()
	}
}
