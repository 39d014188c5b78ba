// Package blobtest holds the suite that an object store must pass and gives a
// test its own piece of a real one.
package blobtest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"gridwatch/media"
	"gridwatch/media/blob"
)

// Bucket is where tests keep their objects, each under a prefix of its own.
const Bucket = "gridwatch-test"

const patience = 30 * time.Second

// Open returns a store under a random prefix of the real object store, which
// is emptied at the end of the test. The store is that of GRID_TEST_S3_URL, or
// GRID_S3_URL, or of the local stack; without any the test fails.
func Open(tb testing.TB) *blob.Store {
	tb.Helper()
	return OpenAt(tb, rand.Text()+"/")
}

// Plain returns what puts an object into the tests' bucket as minio-go does by
// itself, to compare with. What it puts is removed at the end of the test.
func Plain(tb testing.TB) func(key string, body []byte) error {
	tb.Helper()
	prefix := rand.Text() + "/"
	OpenAt(tb, prefix) // empties it
	cfg := Locate(tb)
	u, err := url.Parse(cfg.URL)
	if err != nil {
		tb.Fatal(err)
	}
	secure := u.Scheme == "https"
	transport, err := minio.DefaultTransport(secure)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(transport.CloseIdleConnections)
	client, err := minio.New(u.Host, &minio.Options{
		Creds: credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, ""), Secure: secure, Transport: transport,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return func(key string, body []byte) error {
		_, err := client.PutObject(tb.Context(), Bucket, prefix+key, bytes.NewReader(body), int64(len(body)), minio.PutObjectOptions{})
		return err //nolint:wrapcheck // a test's
	}
}

// OpenAt is Open under a given prefix.
func OpenAt(tb testing.TB, prefix string) *blob.Store {
	tb.Helper()
	cfg := Locate(tb)
	cfg.Bucket, cfg.Prefix = Bucket, prefix
	store, err := blob.Open(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	if err := store.EnsureBucket(tb.Context()); err != nil {
		tb.Fatalf("the object store does not answer: %v; run: make stack-up", err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), patience) // the test's own has ended
		defer cancel()
		err := store.List(ctx, "", func(key string, _ time.Time) error { return store.Delete(ctx, key) })
		if err != nil {
			tb.Errorf("empty the test's prefix: %v", err)
		}
		store.Close()
	})
	return store
}

// Locate finds the store and the keys to it, as Open does.
func Locate(tb testing.TB) blob.Config {
	tb.Helper()
	for _, prefix := range []string{"GRID_TEST_S3_", "GRID_S3_"} {
		if cfg := config(prefix, os.Getenv); cfg.URL != "" {
			return cfg
		}
	}
	if cfg := config("GRID_S3_", stack(tb)); cfg.URL != "" {
		return cfg
	}
	tb.Fatal("no object store: GRID_TEST_S3_URL is not set and the local stack is down; run: make stack-up")
	return blob.Config{}
}

// Expire ends the retention of all locked objects under a prefix of Bucket, as
// the passing of years does, or an operator with the right to bypass it. Legal
// holds stay.
func Expire(tb testing.TB, prefix string) {
	tb.Helper()
	cfg := Locate(tb)
	u, err := url.Parse(cfg.URL)
	if err != nil {
		tb.Fatal(err)
	}
	transport, err := minio.DefaultTransport(u.Scheme == "https")
	if err != nil {
		tb.Fatal(err)
	}
	defer transport.CloseIdleConnections()
	client, err := minio.New(u.Host, &minio.Options{
		Creds: credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, ""), Secure: u.Scheme == "https", Transport: transport,
	})
	if err != nil {
		tb.Fatal(err)
	}
	for o := range client.ListObjectsIter(tb.Context(), Bucket+"-locked", minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		// Without a mode and a day there is none.
		err := errors.Join(o.Err, client.PutObjectRetention(tb.Context(), Bucket+"-locked", o.Key, minio.PutObjectRetentionOptions{GovernanceBypass: true}))
		if err != nil {
			tb.Fatal(err)
		}
	}
}

func config(prefix string, get func(string) string) blob.Config {
	return blob.Config{URL: get(prefix + "URL"), AccessKey: get(prefix + "ACCESS_KEY"), SecretKey: get(prefix + "SECRET_KEY")}
}

// stack reads the variables that the local stack wrote into .stack/env, in
// lines like export NAME='value', at the root of the module.
func stack(tb testing.TB) func(string) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for exists := false; !exists && dir != filepath.Dir(dir); {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			exists = true
		} else {
			dir = filepath.Dir(dir)
		}
	}
	values := map[string]string{}
	content, err := os.ReadFile(filepath.Join(dir, ".stack", "env"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		tb.Fatal(err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(content)); lines.Scan(); {
		name, value, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "export "), "=")
		values[name] = strings.Trim(value, "'")
	}
	return func(name string) string { return values[name] }
}

// Run runs the suite. Open gives each test an empty store.
func Run(t *testing.T, open func(tb testing.TB) media.Objects) {
	t.Helper()
	tests := map[string]func(t *testing.T, s media.Objects){
		"returns what was put":              returnsWhatWasPut,
		"replaces":                          replaces,
		"knows what it does not have":       knowsWhatItDoesNotHave,
		"deletes":                           deletes,
		"lists a prefix in order":           lists,
		"stops listing at an error":         stopsListing,
		"is whole under sixteen writers":    isWhole,
		"does nothing when the caller left": stopsWithContext,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func put(t *testing.T, s media.Objects, key string, body []byte) {
	t.Helper()
	if err := s.Put(t.Context(), key, body); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

func get(t *testing.T, s media.Objects, key string) []byte {
	t.Helper()
	r, _, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read %s: %v", key, err)
	}
	return body
}

func returnsWhatWasPut(t *testing.T, s media.Objects) {
	for name, size := range map[string]int{"empty": 0, "one": 1, "some": 4096, "part": media.MaxPartSize + 64} {
		body := make([]byte, size)
		_, _ = rand.Read(body)
		put(t, s, "a/"+name, body)
		if !bytes.Equal(get(t, s, "a/"+name), body) {
			t.Errorf("%s: got other bytes than were put", name)
		}
	}
}

func replaces(t *testing.T, s media.Objects) {
	put(t, s, "a", []byte("first, and longer"))
	put(t, s, "a", []byte("second"))
	if got := string(get(t, s, "a")); got != "second" {
		t.Errorf("got %q, want %q", got, "second")
	}
}

func knowsWhatItDoesNotHave(t *testing.T, s media.Objects) {
	put(t, s, "a/b", nil)
	for _, key := range []string{"none", "a", "a/b/c"} {
		if _, _, err := s.Get(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("get %q: got error %v, want one that is fs.ErrNotExist", key, err)
		}
	}
}

func deletes(t *testing.T, s media.Objects) {
	put(t, s, "a", []byte("x"))
	for range 2 {
		if err := s.Delete(t.Context(), "a"); err != nil {
			t.Fatalf("delete: %v", err)
		}
	}
	if _, _, err := s.Get(t.Context(), "a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v after delete, want fs.ErrNotExist", err)
	}
}

func lists(t *testing.T, s media.Objects) {
	for _, key := range []string{"p/2", "q/1", "p/10", "p/1/x", "pp/1"} {
		put(t, s, key, nil)
	}
	var keys []string
	err := s.List(t.Context(), "p/", func(key string, modified time.Time) error {
		if modified.IsZero() {
			t.Errorf("%s has no time of change", key)
		}
		keys = append(keys, key)
		return s.Delete(t.Context(), key)
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"p/1/x", "p/10", "p/2"}, keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func stopsListing(t *testing.T, s media.Objects) {
	for i := range 3 {
		put(t, s, fmt.Sprint(i), nil)
	}
	seen, stop := 0, errors.New("stop")
	err := s.List(t.Context(), "", func(string, time.Time) error {
		seen++
		return stop
	})
	if !errors.Is(err, stop) || seen != 1 {
		t.Errorf("got error %v after %d keys, want the visitor's after 1", err, seen)
	}
}

func isWhole(t *testing.T, s media.Objects) {
	const writers = 16
	var group sync.WaitGroup
	for i := range byte(writers) {
		group.Go(func() {
			body := bytes.Repeat([]byte{i}, 100_000)
			if err := errors.Join(s.Put(t.Context(), "same", body), s.Put(t.Context(), fmt.Sprint(i), body)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	same := get(t, s, "same")
	if len(same) != 100_000 || !bytes.Equal(same, bytes.Repeat(same[:1], len(same))) {
		t.Error("the contested object is not that of one writer")
	}
	for i := range byte(writers) {
		if got := get(t, s, fmt.Sprint(i)); !bytes.Equal(got, bytes.Repeat([]byte{i}, 100_000)) {
			t.Errorf("object %d has other bytes than were put", i)
		}
	}
}

func stopsWithContext(t *testing.T, s media.Objects) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Put(ctx, "a", []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context.Canceled", err)
	}
	if _, _, err := s.Get(t.Context(), "a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v, want fs.ErrNotExist", err)
	}
}
