package copies_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gridwatch/media/cliptest"
	"gridwatch/media/copies"
	"gridwatch/media/mediatest"
	"gridwatch/media/sandbox"
)

// TestIsolationThatWorksNoMoreIsNotTheFilesFault: what the wrapper of a program
// said when it could not isolate any more was taken for what the program says of
// a broken file, which was rejected for good.
func TestIsolationThatWorksNoMoreIsNotTheFilesFault(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"bwrap", "unshare"} {
		var dir string
		m := newMaker(t, func(c *copies.Config) { c.Ways, dir = sandbox.Only(way), c.Scratch })
		want := error(nil)
		if os.Geteuid() == 0 { // whose programs run as another user, and do not get through
			want = copies.ErrNoIsolation
		}
		for name, file := range map[string][]byte{"film": film(t, "mp4"), "document": pdf(t, 1), "HEIC": phone(t)} {
			if err := os.Chmod(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if _, err := makeCopies(t, m, file, copies.Options{}); !errors.Is(err, want) {
				t.Errorf("%s, %s: got %v, want %v", way, name, err, want)
			}
			if err := os.Chmod(dir, 0o711); err != nil {
				t.Fatal(err)
			}
			mustMake(t, m, file, copies.Options{})
		}
	}
}

// TestAFolderThatIsGoneIsNotTheFilesFault: after five tries within minutes a file
// was given up, because somebody had cleared the memory's folder.
func TestAFolderThatIsGoneIsNotTheFilesFault(t *testing.T) {
	t.Parallel()
	var dir string
	m := newMaker(t, func(c *copies.Config) { dir = c.Scratch })
	own, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(own) != 1 {
		t.Fatalf("got %v, %v", own, err)
	}
	if err := os.Remove(own[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := makeCopies(t, m, film(t, "mp4"), copies.Options{}); !errors.Is(err, copies.ErrNoRoom) {
		t.Errorf("got %v, want %v", err, copies.ErrNoRoom)
	}
}

// TestAFullFolderIsTheFaultOfWhoFilledIt: a program that found no room ended with
// an error, and the file was rejected as broken.
func TestAFullFolderIsTheFaultOfWhoFilledIt(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		size, free, own int64
		want            error
	}{
		"room":           {64 << 20, 2 << 20, 60 << 20, nil},
		"filled by it":   {64 << 20, 4096, 60 << 20, copies.ErrEffort},
		"filled by else": {64 << 20, 0, 20 << 20, copies.ErrNoRoom},
	} {
		if err := copies.Crowded(tt.size, tt.free, tt.own); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
}

// TestAPhotoAsLargeAsItMayBeSentHasCopies: a photo of more than 20 MiB was taken
// in by pieces, whole, and then rejected; and the policy's number of pixels held
// for films and HEIC alone.
func TestAPhotoAsLargeAsItMayBeSentHasCopies(t *testing.T) {
	t.Parallel()
	m := newMaker(t, nil)
	file := append(photo(), make([]byte, 24<<20)...)
	if got := mustMake(t, m, file, copies.Options{Size: int64(len(file))}); len(got) != 2 {
		t.Errorf("got %d copies, want 2", len(got))
	}
	if _, err := makeCopies(t, m, photo(), copies.Options{Limits: copies.Limits{Pixels: 1000}}); !errors.Is(err, copies.ErrPixels) {
		t.Errorf("got %v, want %v", err, copies.ErrPixels)
	}
	long := append(photo(), make([]byte, 64<<20)...)
	if _, err := makeCopies(t, m, long, copies.Options{}); !errors.Is(err, copies.ErrTooLarge) {
		t.Errorf("got %v, want %v", err, copies.ErrTooLarge)
	}
}

// told calls a function at the first read, and knows when the last was.
type told struct {
	io.Reader
	first func()
	last  time.Time
}

// Read implements io.Reader.
func (t *told) Read(p []byte) (int, error) {
	t.first()
	t.last = time.Now()
	return t.Reader.Read(p)
}

// TestWaitingForOthersIsNotTheFilesFault: the time that a file may take ran while
// others were before it, and while a slow store gave it out. Who sent documents
// that take long had every HEIC behind them rejected.
func TestWaitingForOthersIsNotTheFilesFault(t *testing.T) {
	t.Parallel()
	m := newMaker(t, nil)
	var others sync.WaitGroup
	defer others.Wait()
	busy, free := make(chan struct{}), make(chan struct{})
	others.Go(func() {
		held := sync.OnceFunc(func() { close(busy); <-free })
		if err := m.Make(t.Context(), bytes.NewReader(pdf(t, 1)), copies.Options{}, func(context.Context, copies.Copy) error {
			held()
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
	<-busy
	r := &told{Reader: bytes.NewReader(pdf(t, 1)), first: sync.OnceFunc(func() { close(free) })} // when its time ran
	err := m.Make(t.Context(), r, copies.Options{}, func(ctx context.Context, _ copies.Copy) error {
		if ends, ok := ctx.Deadline(); !ok || ends.Before(r.last.Add(copies.DefaultWall)) {
			t.Errorf("its time ends %s, want %s from when it was here", ends.Sub(r.last), copies.DefaultWall)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestAHEICBehindADocumentHeldACopier: a HEIC waited for a document, or for
// another HEIC, where pictures are copied; two of them kept all pictures waiting
// for as long.
func TestAHEICBehindADocumentHeldACopier(t *testing.T) {
	t.Parallel()
	m := newMaker(t, nil)
	var others sync.WaitGroup
	defer others.Wait()
	free := make(chan struct{})
	defer close(free)
	hold := func(file []byte) {
		busy := make(chan struct{})
		others.Go(func() {
			begun := sync.OnceFunc(func() { close(busy) })
			defer begun()
			if err := m.Make(t.Context(), bytes.NewReader(file), copies.Options{}, func(context.Context, copies.Copy) error {
				begun()
				<-free
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
		<-busy
	}
	heic := cliptest.HEIC(t, "jpg", photo())
	hold(pdf(t, 1))
	hold(heic) // it does not wait for the document
	none := func(context.Context, copies.Copy) error { return nil }
	if err := m.Make(t.Context(), bytes.NewReader(heic), copies.Options{}, none); !errors.Is(err, copies.ErrOccupied) {
		t.Errorf("got %v for a second HEIC, want ErrOccupied at once", err)
	}
	picture := mediatest.Picture(mediatest.Options{Width: 64, Height: 48})
	if err := m.Make(t.Context(), bytes.NewReader(picture), copies.Options{}, none); err != nil {
		t.Errorf("got %v for a picture meanwhile", err)
	}
}
