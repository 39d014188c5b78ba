package media_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"testing"

	"gridwatch/media"
	"gridwatch/media/blobtest"
	"gridwatch/media/mediatest"
)

func TestReadFromTheMiddle(t *testing.T) {
	t.Parallel()
	in, k := media.New(blobtest.Open(t), rand.Reader, media.Config{PartSize: partSize}), newKey()
	for _, size := range []int{partSize / 2, partSize, 3*partSize + 7} {
		content := picture(t, size, mediatest.Options{})
		stored, err := in.Store(t.Context(), source(content), k, place)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []int{0, 1, partSize - 1, partSize, 2 * partSize, size - 1, size} {
			if at > size {
				continue
			}
			r, err := in.Read(t.Context(), stored.Ref, k, place)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.(io.Seeker).Seek(int64(at), io.SeekStart); err != nil {
				t.Fatalf("%d of %d: %v", at, size, err)
			}
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, content[at:]) {
				t.Errorf("%d of %d: got %d bytes, %v, want %d", at, size, len(got), err, size-at)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := r.(io.Seeker).Seek(0, io.SeekStart); !errors.Is(err, fs.ErrClosed) {
				t.Errorf("got %v after the end, want fs.ErrClosed", err)
			}
		}
		r, err := in.Read(t.Context(), stored.Ref, k, place)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.(io.Seeker).Seek(int64(size+1), io.SeekStart); err == nil {
			t.Error("sought beyond the end")
		}
	}
}

// inPieces stores parts of sizes as media/upload does, each under the term of its
// number, and returns their content.
func inPieces(t *testing.T, in *media.Ingest, k media.Sealer, sizes ...int) (media.Ref, []byte) {
	t.Helper()
	object, err := in.NewObject(place)
	if err != nil {
		t.Fatal(err)
	}
	ref, content := media.Ref{Object: object}, []byte(nil)
	for i, size := range sizes {
		w := in.Writer(k, object, int64(i+1), nil)
		buf, err := w.Buffer(t.Context(), size)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = rand.Read(buf[:size])
		content = append(content, buf[:size]...)
		ref.Add(size, int64(i+1))
		if err := errors.Join(w.Put(t.Context(), ref.Parts, buf, size, i == len(sizes)-1), w.Flush()); err != nil {
			t.Fatal(err)
		}
		w.Close()
	}
	return ref, content
}

// TestWhatCameInPiecesIsReadFromItsMiddle: parts of other sizes than the first
// were taken for as large as it, and a range of a film began elsewhere.
func TestWhatCameInPiecesIsReadFromItsMiddle(t *testing.T) {
	t.Parallel()
	in, k := media.New(blobtest.Open(t), rand.Reader, media.Config{}), newKey()
	ref, content := inPieces(t, in, k, 700, 700, 3000, 5, 5, 90)
	for _, at := range []int{0, 699, 700, 1399, 1400, 4399, 4400, 4405, 4409, 4410, 4499, 4500} {
		r, err := in.Read(t.Context(), ref, k, place)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.(io.Seeker).Seek(int64(at), io.SeekStart); err != nil {
			t.Errorf("%d: %v", at, err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content[at:]) {
			t.Errorf("%d: got %d bytes, %v, want %d", at, len(got), err, len(content)-at)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestALateClearingTakesNothingOfTheNextWriter: who had let go of an upload
// cleared away what it had left, and with it the parts of whoever came next.
func TestALateClearingTakesNothingOfTheNextWriter(t *testing.T) {
	t.Parallel()
	in, k := media.New(blobtest.Open(t), rand.Reader, media.Config{}), newKey()
	ref, content := inPieces(t, in, k, 100, 200, 300) // the last by the next writer, under term 3
	before := media.Ref{Object: ref.Object, Parts: 1, Runs: ref.Runs[:1]}
	if err := in.DropOthers(t.Context(), before, 2); err != nil {
		t.Fatal(err)
	}
	if _, err := in.SealedPart(t.Context(), ref, 2); !errors.Is(err, media.ErrDamaged) {
		t.Errorf("got %v of a part that nobody names, want that it is gone", err)
	}
	got, err := in.Part(t.Context(), ref, 3, true, k)
	if err != nil || !bytes.Equal(got, content[300:]) {
		t.Errorf("got %d bytes, %v, want the next writer's part", len(got), err)
	}
}
