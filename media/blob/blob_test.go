package blob_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gridwatch/media"
	"gridwatch/media/blob"
	"gridwatch/media/blobtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, func(tb testing.TB) media.Objects {
		tb.Helper()
		return blobtest.Open(tb)
	})
}

func TestOpenRefusesAddresses(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "127.0.0.1:9000", "ftp://127.0.0.1", "http://", "http://[", "http://host/path"} {
		if _, err := blob.Open(blob.Config{URL: address, Bucket: "b"}); err == nil {
			t.Errorf("address %q was taken", address)
		}
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	if err := blobtest.Open(t).Ready(t.Context()); err != nil {
		t.Errorf("with store and bucket: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	nowhere, err := blob.Open(blob.Config{URL: "http://127.0.0.1:1", Bucket: blobtest.Bucket})
	if err != nil {
		t.Fatal(err)
	}
	if err := nowhere.Ready(ctx); err == nil {
		t.Error("ready without a store")
	}
}
