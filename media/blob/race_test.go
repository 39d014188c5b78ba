package blob_test

import (
	"context"
	"crypto/rand"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"gridwatch/media/blob"
	"gridwatch/media/blobtest"
)

// TestManyMakeOneBucket: several processes start at once on a new MinIO.
func TestManyMakeOneBucket(t *testing.T) {
	t.Parallel()
	cfg := blobtest.Locate(t)
	cfg.Bucket = "race-" + strings.ToLower(rand.Text())
	t.Cleanup(func() { removeBucket(t, cfg) })
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			s, err := blob.Open(cfg)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if err := s.EnsureBucket(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func removeBucket(t *testing.T, cfg blob.Config) {
	t.Helper()
	u, err := url.Parse(cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := minio.DefaultTransport(false)
	if err != nil {
		t.Fatal(err)
	}
	defer transport.CloseIdleConnections()
	client, err := minio.New(u.Host, &minio.Options{
		Creds: credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, ""), Secure: u.Scheme == "https", Transport: transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.RemoveBucket(context.WithoutCancel(t.Context()), cfg.Bucket); err != nil {
		t.Error(err)
	}
}
