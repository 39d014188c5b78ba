package media_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
	"golang.org/x/crypto/chacha20poly1305"

	"gridwatch/media"
	"gridwatch/media/blobtest"
	"gridwatch/media/kind"
	"gridwatch/media/mediatest"
	"gridwatch/media/probe"
)

// partSize is small so that a picture has several parts.
const partSize = 4 << 10

var place = media.Place{Tenant: "demo", Record: "R_1-a", Item: "i1"}

// key is a real authenticated cipher, as the vault's data key is.
type key [chacha20poly1305.KeySize]byte

func newKey() *key {
	k := new(key)
	_, _ = rand.Read(k[:])
	return k
}

func (k *key) SealTo(dst, plain, ad []byte) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(k[:])
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce)
	return append(dst, aead.Seal(nonce, nonce, plain, ad)...), nil
}

func (k *key) Open(sealed, ad []byte) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(k[:])
	if err != nil {
		return nil, err
	}
	n := aead.NonceSize()
	if len(sealed) < n {
		return nil, errors.New("too short")
	}
	return aead.Open(nil, sealed[:n], sealed[n:], ad)
}

// picture returns a JPEG of exactly size bytes; what follows its end is noise.
func picture(tb testing.TB, size int, o mediatest.Options) []byte {
	tb.Helper()
	o.Width, o.Height = 48, 32
	p := mediatest.Picture(o)
	if size < len(p) {
		tb.Fatalf("a picture has %d bytes, more than %d", len(p), size)
	}
	noise := make([]byte, size-len(p))
	_, _ = rand.Read(noise)
	return append(p, noise...)
}

// keys lists everything under the test's prefix.
func keys(tb testing.TB, objects media.Objects) []string {
	tb.Helper()
	var all []string
	err := objects.List(tb.Context(), "", func(key string, _ time.Time) error {
		all = append(all, key)
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

func read(tb testing.TB, in *media.Ingest, ref media.Ref, k media.Sealer, p media.Place) ([]byte, error) {
	tb.Helper()
	r, err := in.Read(tb.Context(), ref, k, p)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func source(content []byte) media.Source { return media.Source{Reader: bytes.NewReader(content)} }

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStoreAndRead(t *testing.T) {
	t.Parallel()
	objects, k := blobtest.Open(t), newKey()
	tests := map[string]struct {
		size, partSize, parts int
	}{
		"less than a part":   {partSize - 1, partSize, 1},
		"a part":             {partSize, partSize, 1},
		"a part and one":     {partSize + 1, partSize, 2},
		"two parts":          {2 * partSize, partSize, 2},
		"two parts and one":  {2*partSize + 1, partSize, 3},
		"the whole limit":    {media.DefaultMaxBytes, 0, 10},
		"a full part of all": {media.DefaultPartSize, 0, 1},
		"the largest part":   {media.MaxPartSize, media.MaxPartSize, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := media.New(objects, rand.Reader, media.Config{PartSize: test.partSize})
			content := picture(t, test.size, mediatest.Options{})
			sum := sha256.Sum256(content)
			// Parts must not depend on how a body arrives: one byte at a time at first, the end with the last.
			body := iotest.DataErrReader(io.MultiReader(iotest.OneByteReader(bytes.NewReader(content[:100])), bytes.NewReader(content[100:])))
			got, err := in.Store(t.Context(), media.Source{Reader: body, DeclaredSHA256: sum[:]}, k, place)
			if err != nil {
				t.Fatal(err)
			}
			want := media.Stored{
				Ref:  media.Ref{Object: got.Object, Parts: test.parts},
				Size: int64(test.size), SHA256: sum[:],
				Content: media.Content{Kind: kind.Kind{Class: kind.Photo, Type: "image/jpeg"}, Width: 48, Height: 32},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
			if p, ok := media.PlaceOf(got.Object); !ok || p != place {
				t.Errorf("%s is of place %+v, want %+v", got.Object, p, place)
			}
			back, err := read(t, in, got.Ref, k, place)
			if err != nil || !bytes.Equal(back, content) {
				t.Errorf("read %d bytes and error %v, want the %d that were stored", len(back), err, len(content))
			}
			size, digest, err := in.Digest(t.Context(), source(content))
			if err != nil || size != got.Size || !bytes.Equal(digest, got.SHA256) {
				t.Errorf("digest of a repeat: %d bytes, error %v, want what was stored", size, err)
			}
			if err := in.Delete(t.Context(), got.Ref); err != nil {
				t.Fatal(err)
			}
			if _, err := in.Read(t.Context(), got.Ref, k, place); !errors.Is(err, media.ErrDamaged) {
				t.Errorf("read after delete: got error %v, want ErrDamaged", err)
			}
		})
	}
}

func TestStoreTakesByContent(t *testing.T) {
	t.Parallel()
	in := media.New(blobtest.Open(t), rand.Reader, media.Config{MaxPixels: 64 * 64, PartSize: 64 << 10})
	taken := time.Date(2026, 11, 20, 8, 15, 30, 0, time.UTC)
	jpeg := mediatest.Picture(mediatest.Options{Width: 64, Height: 64, Lon: 126.5, Lat: 44.75, Time: taken, Model: "Phone 1"})
	png := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU\x00\x00\x00\x00IEND\xaeB`\x82")
	frame := bytes.Index(jpeg, []byte{0xFF, 0xC0})
	wide := bytes.Clone(jpeg)
	wide[frame+8]++ // one column more
	flat := bytes.Clone(jpeg)
	flat[frame+6] = 0 // no rows
	tests := map[string]struct {
		content []byte
		want    error
	}{
		"JPEG":            {jpeg, nil},
		"PNG":             {png, nil},
		"nothing":         {nil, media.ErrEmpty},
		"one byte":        {[]byte{0xFF}, media.ErrType},
		"two of a JPEG":   {jpeg[:3], media.ErrBroken},
		"cut header":      {jpeg[:frame+3], media.ErrBroken},
		"cut PNG header":  {png[:20], media.ErrBroken},
		"no rows":         {flat, media.ErrBroken},
		"pixels":          {wide, media.ErrPixels},
		"HTML":            {[]byte("<!DOCTYPE html><script>alert(1)</script>"), media.ErrType},
		"SVG":             {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>`), media.ErrType},
		"ZIP":             {[]byte("PK\x03\x04\x14\x00\x00\x00\x00\x00"), media.ErrType},
		"GIF":             {[]byte("GIF89a\x01\x00\x01\x00\x00\x00\x00;"), media.ErrType},
		"PDF":             {[]byte("%PDF-1.7\n"), nil},
		"program":         {[]byte("\x7fELF\x02\x01\x01\x00"), media.ErrType},
		"text":            {[]byte("image/jpeg"), media.ErrType},
		"JPEG behind ZIP": {append([]byte("PK\x03\x04"), jpeg...), media.ErrType},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := in.Store(t.Context(), source(test.content), newKey(), place)
			if !errors.Is(err, test.want) {
				t.Errorf("got error %v, want %v", err, test.want)
			}
		})
	}
	t.Run("facts", func(t *testing.T) {
		t.Parallel()
		got, err := in.Store(t.Context(), source(jpeg), newKey(), place)
		if err != nil {
			t.Fatal(err)
		}
		want := probe.Facts{Position: &probe.Position{Lon: 126.5, Lat: 44.75}, Taken: &taken, OffsetKnown: true, Model: "Phone 1"}
		if diff := cmp.Diff(want, got.Facts, cmpopts.EquateApprox(0, 1e-6)); diff != "" {
			t.Errorf("facts (-want +got):\n%s", diff)
		}
	})
}

// TestStoreLeavesNothing: whatever goes wrong, no object of it stays.
func TestStoreLeavesNothing(t *testing.T) {
	t.Parallel()
	content := picture(t, 3*partSize, mediatest.Options{})
	lost := errors.New("lost")
	tests := map[string]struct {
		body     func(cancel func()) io.Reader
		declared []byte
		place    media.Place
		key      media.Sealer
		want     error
	}{
		"one byte too many": {
			body: func(func()) io.Reader { return bytes.NewReader(append(bytes.Clone(content), 0)) },
			want: media.ErrTooLarge,
		},
		"another digest": {declared: make([]byte, sha256.Size), want: media.ErrDigest},
		"no digest":      {declared: []byte{}, want: media.ErrDigest},
		"reader fails": {
			body: func(func()) io.Reader {
				return io.MultiReader(bytes.NewReader(content[:2*partSize+5]), iotest.ErrReader(lost))
			},
			want: lost,
		},
		"sender goes away": {
			body: func(func()) io.Reader {
				return io.MultiReader(bytes.NewReader(content[:2*partSize+5]), iotest.ErrReader(io.ErrUnexpectedEOF))
			},
			want: io.ErrUnexpectedEOF,
		},
		"cancelled midway": {
			body: func(cancel func()) io.Reader {
				return io.MultiReader(bytes.NewReader(content[:2*partSize+5]), readerFunc(func([]byte) (int, error) {
					cancel()
					return 0, nil
				}))
			},
			want: context.Canceled,
		},
		"key fails": {key: failing{newKey(), lost}, want: lost},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects := blobtest.Open(t)
			in := media.New(objects, rand.Reader, media.Config{PartSize: partSize, MaxBytes: 3 * partSize})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			src := source(content)
			if test.body != nil {
				src.Reader = test.body(cancel)
			}
			src.DeclaredSHA256 = test.declared
			k := test.key
			if k == nil {
				k = newKey()
			}
			got, err := in.Store(ctx, src, k, place)
			if !errors.Is(err, test.want) {
				t.Errorf("got error %v, want %v", err, test.want)
			}
			if diff := cmp.Diff(media.Stored{}, got); diff != "" {
				t.Errorf("something was told to be stored (-want +got):\n%s", diff)
			}
			if left := keys(t, objects); len(left) > 0 {
				t.Errorf("objects left: %v", left)
			}
		})
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// failing is a key that cannot seal the last part.
type failing struct {
	*key
	err error
}

func (f failing) SealTo(dst, plain, ad []byte) ([]byte, error) {
	if bytes.HasSuffix(ad, []byte("last=true")) {
		return nil, f.err
	}
	return f.key.SealTo(dst, plain, ad)
}

func TestStoreRefusesPlaces(t *testing.T) {
	t.Parallel()
	objects := blobtest.Open(t)
	in := media.New(objects, rand.Reader, media.Config{})
	content := picture(t, partSize, mediatest.Options{})
	for _, bad := range []string{"", "a/b", "..", "王", "a b", strings.Repeat("a", 65)} {
		for _, p := range []media.Place{{bad, "r", "i"}, {"t", bad, "i"}, {"t", "r", bad}} {
			if _, err := in.Store(t.Context(), source(content), newKey(), p); err == nil {
				t.Errorf("place %+v was taken", p)
			}
		}
	}
	for _, object := range []string{"", "a", "a/b", "a/b/c", "a/b-/c/d", "/b-1/c", "../b-1/c"} {
		if p, ok := media.PlaceOf(object); ok {
			t.Errorf("PlaceOf(%q) = %+v, want none", object, p)
		}
		if err := in.Delete(t.Context(), media.Ref{Object: object}); err == nil {
			t.Errorf("delete took %q", object)
		}
	}
}

func TestDigestRefuses(t *testing.T) {
	t.Parallel()
	in := media.New(blobtest.Open(t), rand.Reader, media.Config{MaxBytes: 10})
	tests := map[string]struct {
		src  media.Source
		want error
	}{
		"nothing":   {source(nil), media.ErrEmpty},
		"limit":     {source(make([]byte, 10)), nil},
		"too large": {source(make([]byte, 11)), media.ErrTooLarge},
		"declared":  {media.Source{Reader: strings.NewReader("x"), DeclaredSHA256: []byte("y")}, media.ErrDigest},
		"cut":       {media.Source{Reader: iotest.ErrReader(io.ErrUnexpectedEOF)}, io.ErrUnexpectedEOF},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, _, err := in.Digest(t.Context(), test.src); !errors.Is(err, test.want) {
				t.Errorf("got error %v, want %v", err, test.want)
			}
		})
	}
}

// TestNothingInClear stores a picture full of canaries and searches every
// object, its key, and the folder for temporary files.
func TestNothingInClear(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	objects, k := blobtest.Open(t), newKey()
	in := media.New(objects, rand.Reader, media.Config{PartSize: partSize})
	const canary = "CANARY-51c9"
	content := picture(t, 3*partSize, mediatest.Options{Make: canary, Serial: canary, Comment: canary})
	copy(content[partSize+100:], canary)
	stored, err := in.Store(t.Context(), source(content), k, place)
	if err != nil {
		t.Fatal(err)
	}
	if stored.Facts.Serial != canary {
		t.Fatalf("got serial %q, want the canary", stored.Facts.Serial)
	}
	all := keys(t, objects)
	if len(all) != 3 {
		t.Fatalf("got objects %v, want 3", all)
	}
	for _, name := range all {
		body := raw(t, objects, name)
		for _, clear := range []string{canary, "Exif\x00\x00"} {
			if strings.Contains(name, clear) || bytes.Contains(body, []byte(clear)) {
				t.Errorf("%q is in object %s", clear, name)
			}
		}
	}
	files, err := os.ReadDir(temp)
	if err != nil || len(files) > 0 {
		t.Errorf("temporary files %v, error %v, want none", files, err)
	}
	if back, err := read(t, in, stored.Ref, k, place); err != nil || !bytes.Equal(back, content) {
		t.Errorf("read %d bytes, error %v", len(back), err)
	}
}
