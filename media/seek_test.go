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
