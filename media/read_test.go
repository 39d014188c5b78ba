package media_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gridwatch/media"
	"gridwatch/media/blobtest"
	"gridwatch/media/mediatest"
)

func raw(tb testing.TB, objects media.Objects, key string) []byte {
	tb.Helper()
	r, _, err := objects.Get(tb.Context(), key)
	if err != nil {
		tb.Fatal(err)
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

// TestReadFindsDamage does to the store what its keeper could do.
func TestReadFindsDamage(t *testing.T) {
	t.Parallel()
	content := picture(t, 2*partSize+partSize/2, mediatest.Options{})
	type stored struct {
		objects    media.Objects
		ref, other media.Ref // two attempts of one item under one key
		key        media.Sealer
		place      media.Place
	}
	part := func(ref media.Ref, n int) string { return fmt.Sprintf("%s/%06d", ref.Object, n) }
	move := func(t *testing.T, objects media.Objects, from, to string) {
		t.Helper()
		if err := objects.Put(t.Context(), to, raw(t, objects, from)); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]func(t *testing.T, s *stored){
		"missing first": func(t *testing.T, s *stored) {
			t.Helper()
			if err := s.objects.Delete(t.Context(), part(s.ref, 1)); err != nil {
				t.Fatal(err)
			}
		},
		"missing last": func(t *testing.T, s *stored) {
			t.Helper()
			if err := s.objects.Delete(t.Context(), part(s.ref, 3)); err != nil {
				t.Fatal(err)
			}
		},
		"bit turned": func(t *testing.T, s *stored) {
			t.Helper()
			body := raw(t, s.objects, part(s.ref, 2))
			body[len(body)/2] ^= 1
			if err := s.objects.Put(t.Context(), part(s.ref, 2), body); err != nil {
				t.Fatal(err)
			}
		},
		"cut": func(t *testing.T, s *stored) {
			t.Helper()
			body := raw(t, s.objects, part(s.ref, 2))
			if err := s.objects.Put(t.Context(), part(s.ref, 2), body[:len(body)-1]); err != nil {
				t.Fatal(err)
			}
		},
		"emptied": func(t *testing.T, s *stored) {
			t.Helper()
			if err := s.objects.Put(t.Context(), part(s.ref, 1), nil); err != nil {
				t.Fatal(err)
			}
		},
		"order changed": func(t *testing.T, s *stored) {
			t.Helper()
			body := raw(t, s.objects, part(s.ref, 1))
			move(t, s.objects, part(s.ref, 2), part(s.ref, 1))
			if err := s.objects.Put(t.Context(), part(s.ref, 2), body); err != nil {
				t.Fatal(err)
			}
		},
		"part of another attempt": func(t *testing.T, s *stored) {
			t.Helper()
			move(t, s.objects, part(s.other, 2), part(s.ref, 2))
		},
		"reference cut":        func(_ *testing.T, s *stored) { s.ref.Parts = 2 },
		"reference to no part": func(_ *testing.T, s *stored) { s.ref.Parts = 0 },
		"reference of no form": func(_ *testing.T, s *stored) { s.ref.Object = "x" },
		"another key":          func(_ *testing.T, s *stored) { s.key = newKey() },
		"another record":       func(_ *testing.T, s *stored) { s.place.Record = "R_2" },
		"another item":         func(_ *testing.T, s *stored) { s.place.Item = "i2" },
		"another tenant":       func(_ *testing.T, s *stored) { s.place.Tenant = "other" },
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &stored{objects: blobtest.Open(t), key: newKey(), place: place}
			in := media.New(s.objects, rand.Reader, media.Config{PartSize: partSize})
			for _, ref := range []*media.Ref{&s.ref, &s.other} {
				got, err := in.Store(t.Context(), source(content), s.key, place)
				if err != nil {
					t.Fatal(err)
				}
				*ref = got.Ref
			}
			if s.ref.Object == s.other.Object {
				t.Fatal("two attempts have one key")
			}
			if back, err := read(t, in, s.ref, s.key, s.place); err != nil || !bytes.Equal(back, content) {
				t.Fatalf("undamaged: read %d bytes, error %v", len(back), err)
			}
			damage(t, s)
			back, err := read(t, in, s.ref, s.key, s.place)
			if !errors.Is(err, media.ErrDamaged) {
				t.Errorf("got error %v, want ErrDamaged", err)
			}
			if !bytes.HasPrefix(content, back) {
				t.Error("what was read before the damage is not what was stored")
			}
		})
	}
}

func TestReadEndsWhenClosed(t *testing.T) {
	t.Parallel()
	in, k := media.New(blobtest.Open(t), rand.Reader, media.Config{PartSize: partSize}), newKey()
	stored, err := in.Store(t.Context(), source(picture(t, 2*partSize, mediatest.Options{})), k, place)
	if err != nil {
		t.Fatal(err)
	}
	r, err := in.Read(t.Context(), stored.Ref, k, place)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Read(make([]byte, 10)); n != 0 || !errors.Is(err, fs.ErrClosed) {
		t.Errorf("got %d bytes, error %v, want fs.ErrClosed", n, err)
	}
}

func TestStoreSixteenAtOnce(t *testing.T) {
	t.Parallel()
	objects, k := blobtest.Open(t), newKey()
	in := media.New(objects, rand.Reader, media.Config{PartSize: partSize, Memory: 4 * partSize})
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			content := picture(t, 5*partSize+i, mediatest.Options{Seed: uint64(i)})
			stored, err := in.Store(t.Context(), source(content), k, place) // the same place for all
			if err != nil {
				t.Errorf("store %d: %v", i, err)
				return
			}
			if back, err := read(t, in, stored.Ref, k, place); err != nil || !bytes.Equal(back, content) {
				t.Errorf("read %d: %d bytes, error %v", i, len(back), err)
			}
		})
	}
	group.Wait()
	if got, want := len(keys(t, objects)), 5+15*6; got != want {
		t.Errorf("got %d objects, want %d", got, want)
	}
}

func TestStoreWaitsForMemory(t *testing.T) {
	t.Parallel()
	in, k := media.New(blobtest.Open(t), rand.Reader, media.Config{PartSize: partSize, Memory: partSize}), newKey()
	content := picture(t, partSize, mediatest.Options{})
	r, w := io.Pipe()
	var first sync.WaitGroup
	first.Go(func() {
		if _, err := in.Store(t.Context(), media.Source{Reader: r}, k, place); err != nil {
			t.Error(err)
		}
	})
	if _, err := w.Write(content[:1]); err != nil { // read, so the first is in flight
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := in.Store(ctx, source(content), k, place); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v while another is in flight, want context.Canceled", err)
	}
	if _, err := w.Write(content[1:]); err != nil {
		t.Fatal(err)
	}
	w.Close()
	first.Wait()
	if _, err := in.Store(t.Context(), source(content), k, place); err != nil {
		t.Errorf("after the first: %v", err)
	}
}

// TestSweepGoesOnPastAnItemThatFails: one item whose record did not answer kept
// all that came after it in the store.
func TestSweepGoesOnPastAnItemThatFails(t *testing.T) {
	t.Parallel()
	objects := blobtest.Open(t)
	in := media.New(objects, rand.Reader, media.Config{PartSize: partSize})
	for _, record := range []string{"a", "b", "c"} {
		p := media.Place{Tenant: "demo", Record: record, Item: "i"}
		if _, err := in.Store(t.Context(), source(picture(t, partSize, mediatest.Options{})), newKey(), p); err != nil {
			t.Fatal(err)
		}
	}
	broken := errors.New("this record does not answer")
	n, err := in.Sweep(t.Context(), "", time.Now().Add(time.Hour), func(_ context.Context, object string) (*media.Ref, error) {
		if strings.HasPrefix(object, "demo/b-") {
			return nil, nil
		}
		return nil, broken
	})
	if n != 1 || !errors.Is(err, broken) || !strings.Contains(err.Error(), "2 items are left") {
		t.Errorf("got %d removed, %v, want the one between the two that failed", n, err)
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	objects, k := blobtest.Open(t), newKey()
	in := media.New(objects, rand.Reader, media.Config{PartSize: partSize})
	refs := map[string]media.Ref{}
	for _, item := range []string{"kept", "orphan-1", "orphan-2"} {
		p := media.Place{Tenant: "demo", Record: "r", Item: item}
		stored, err := in.Store(t.Context(), source(picture(t, 2*partSize+1, mediatest.Options{})), k, p)
		if err != nil {
			t.Fatal(err)
		}
		refs[item] = stored.Ref
	}
	if err := objects.Put(t.Context(), "other/r-1/i/000001", nil); err != nil { // another tenant's
		t.Fatal(err)
	}
	asked := map[string]int{}
	owned := func(_ context.Context, object string) (*media.Ref, error) {
		asked[object]++
		if ref := refs["kept"]; object == ref.Object {
			return &ref, nil
		}
		return nil, nil
	}
	for _, key := range []string{"/000001-7", "/000004", "/000000", "/x"} { // that the owner does not name
		if err := objects.Put(t.Context(), refs["kept"].Object+key, nil); err != nil {
			t.Fatal(err)
		}
	}
	sweep := func(prefix string, olderThan time.Time, owned func(context.Context, string) (*media.Ref, error)) (int, error) {
		return in.Sweep(t.Context(), prefix, olderThan, owned)
	}
	future := time.Now().Add(time.Hour)

	if n, err := sweep("", time.Now().Add(-time.Hour), owned); n != 0 || err != nil || len(asked) != 0 {
		t.Errorf("all young: got %d removed, error %v, %d asked, want none", n, err, len(asked))
	}
	unknown := errors.New("records do not answer")
	if n, err := sweep("", future, func(context.Context, string) (*media.Ref, error) { return nil, unknown }); n != 0 || !errors.Is(err, unknown) {
		t.Errorf("owner unknown: got %d removed, error %v, want none and the error", n, err)
	}
	orphan := refs["orphan-1"].Object
	if err := objects.Put(t.Context(), orphan+"/000003", nil); err != nil { // its youngest part decides
		t.Fatal(err)
	}
	var youngest time.Time
	if err := objects.List(t.Context(), orphan, func(_ string, modified time.Time) error {
		youngest = modified
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if n, err := sweep(orphan, youngest, owned); n != 0 || err != nil {
		t.Errorf("one part young: got %d removed, error %v, want none", n, err)
	}
	if n, err := sweep("demo/", future, owned); n != 2+4 || err != nil {
		t.Errorf("got %d removed, error %v, want 2 items and 4 parts", n, err)
	}
	want := map[string]int{refs["kept"].Object: 1, refs["orphan-1"].Object: 1, refs["orphan-2"].Object: 1}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	var left []string
	for n := range refs["kept"].Parts {
		left = append(left, fmt.Sprintf("%s/%06d", refs["kept"].Object, n+1))
	}
	if diff := cmp.Diff(append(left, "other/r-1/i/000001"), keys(t, objects)); diff != "" {
		t.Errorf("objects left (-want +got):\n%s", diff)
	}
	if n, err := sweep("demo/", future, owned); n != 0 || err != nil {
		t.Errorf("again: got %d removed, error %v, want none", n, err)
	}
}
