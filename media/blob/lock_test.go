package blob_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"gridwatch/media/blob"
	"gridwatch/media/blobtest"
)

func rawClient(t *testing.T, cfg blob.Config) *minio.Client {
	t.Helper()
	u, err := url.Parse(cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := minio.DefaultTransport(u.Scheme == "https")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdleConnections)
	client, err := minio.New(u.Host, &minio.Options{
		Creds: credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, ""), Secure: u.Scheme == "https", Transport: transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// openLocked is a store with a bucket of its own, and what removes it with all
// that is locked in it.
func openLocked(t *testing.T) (*blob.Store, *minio.Client, string) {
	t.Helper()
	cfg := blobtest.Locate(t)
	cfg.Bucket = "lock-" + strings.ToLower(rand.Text())
	s, err := blob.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.EnsureBucket(t.Context()), s.EnsureLocked(t.Context())); err != nil {
		t.Fatal(err)
	}
	client := rawClient(t, cfg)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for _, bucket := range []string{cfg.Bucket, cfg.Bucket + "-locked"} {
			for v := range client.ListObjectsIter(ctx, bucket, minio.ListObjectsOptions{WithVersions: true, Recursive: true}) {
				off := minio.LegalHoldDisabled
				_ = client.PutObjectLegalHold(ctx, bucket, v.Key, minio.PutObjectLegalHoldOptions{Status: &off, VersionID: v.VersionID})
				err := client.RemoveObject(ctx, bucket, v.Key, minio.RemoveObjectOptions{VersionID: v.VersionID, GovernanceBypass: true})
				if err != nil {
					t.Error(err)
				}
			}
			if err := client.RemoveBucket(ctx, bucket); err != nil {
				t.Error(err)
			}
		}
		s.Close()
	})
	return s, client, cfg.Bucket
}

func read(t *testing.T, s *blob.Store, key string) (string, error) {
	t.Helper()
	body, _, err := s.Get(t.Context(), key)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		t.Fatal(err)
	}
	return string(text), nil
}

func TestLockedObjectCannotBeRemoved(t *testing.T) {
	t.Parallel()
	s, client, bucket := openLocked(t)
	ctx := t.Context()
	if err := s.Put(ctx, "a", []byte("sealed")); err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(time.Hour)
	if err := s.Lock(ctx, "a", until); err != nil {
		t.Fatal(err)
	}
	if text, err := read(t, s, "a"); text != "sealed" || err != nil {
		t.Errorf("got %q, %v of a locked object", text, err)
	}
	if err := s.Delete(ctx, "a"); !errors.Is(err, blob.ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
	if text, err := read(t, s, "a"); text != "sealed" || err != nil {
		t.Errorf("got %q, %v after an attempt to remove it", text, err)
	}
	// Neither over our own interface nor past it, without the right to bypass.
	info, err := client.StatObject(ctx, bucket+"-locked", "a", minio.StatObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.RemoveObject(ctx, bucket+"-locked", "a", minio.RemoveObjectOptions{VersionID: info.VersionID}); err == nil {
		t.Error("the object store removed a locked version")
	}
	if _, err := client.StatObject(ctx, bucket, "a", minio.StatObjectOptions{}); err == nil {
		t.Error("the object lies unlocked beside the locked one")
	}
	// Again, as after a crash between copy and removal, and for longer.
	later := until.Add(time.Hour)
	if err := s.Lock(ctx, "a", later); err != nil {
		t.Fatal(err)
	}
	if err := s.Lock(ctx, "a", until); err != nil {
		t.Fatal(err)
	}
	if _, kept, err := client.GetObjectRetention(ctx, bucket+"-locked", "a", ""); err != nil || kept.Unix() != later.Unix() {
		t.Errorf("kept until %v, %v, want %v", kept, err, later)
	}
	if err := s.Lock(ctx, "none", until); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("got %v for no object, want ErrNotFound", err)
	}
}

func TestHoldOutlivesRetention(t *testing.T) {
	t.Parallel()
	s, client, bucket := openLocked(t)
	ctx := t.Context()
	if err := s.Put(ctx, "b", []byte("sealed")); err != nil {
		t.Fatal(err)
	}
	if err := s.Lock(ctx, "b", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := s.Hold(ctx, "b", true); err != nil {
		t.Fatal(err)
	}
	info, err := client.StatObject(ctx, bucket+"-locked", "b", minio.StatObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	bypass := minio.RemoveObjectOptions{VersionID: info.VersionID, GovernanceBypass: true}
	if err := client.RemoveObject(ctx, bucket+"-locked", "b", bypass); err == nil {
		t.Error("an object on hold was removed")
	}
	if err := s.Hold(ctx, "b", false); err != nil {
		t.Fatal(err)
	}
	if err := client.RemoveObject(ctx, bucket+"-locked", "b", bypass); err != nil {
		t.Errorf("after the hold was lifted: %v", err)
	}
	if err := s.Hold(ctx, "none", true); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("got %v for no object, want ErrNotFound", err)
	}
	if err := s.Delete(ctx, "none"); err != nil {
		t.Errorf("delete of no object: %v", err)
	}
}

func TestBucketWithoutLockIsRefused(t *testing.T) {
	t.Parallel()
	cfg := blobtest.Locate(t)
	cfg.Bucket = "bare-" + strings.ToLower(rand.Text())
	client := rawClient(t, cfg)
	if err := client.MakeBucket(t.Context(), cfg.Bucket+"-locked", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.RemoveBucket(context.Background(), cfg.Bucket+"-locked") })
	s, err := blob.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.EnsureLocked(t.Context()); err == nil || !strings.Contains(err.Error(), cfg.Bucket+"-locked") {
		t.Errorf("got %v, want an error that names the bucket", err)
	}
}
