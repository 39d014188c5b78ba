package blob_test

import (
	"context"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
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

// TestAStoreThatIsAwayNamesNoObject: the error of a request had its address, and
// so the object's name, which a log kept with the time of day: when a report's
// evidence came.
func TestAStoreThatIsAwayNamesNoObject(t *testing.T) {
	t.Parallel()
	cfg := blobtest.Locate(t)
	there, err := url.Parse(cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(httputil.NewSingleHostReverseProxy(there)) // which can go away
	defer proxy.Close()
	cfg.URL, cfg.Bucket, cfg.Prefix = proxy.URL, blobtest.Bucket, "canary-prefix/"
	nowhere, err := blob.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer nowhere.Close()
	if err := nowhere.Put(t.Context(), "region", nil); err != nil { // where it is, is asked once
		t.Fatal(err)
	}
	if err := nowhere.Delete(t.Context(), "region"); err != nil {
		t.Fatal(err)
	}
	proxy.Close()
	const key = "county/canary-record/canary-item/000001"
	for name, call := range map[string]func(context.Context) error{
		"put":    func(ctx context.Context) error { return nowhere.Put(ctx, key, []byte("x")) },
		"get":    func(ctx context.Context) error { _, _, err := nowhere.Get(ctx, key); return err },
		"delete": func(ctx context.Context) error { return nowhere.Delete(ctx, key) },
		"list": func(ctx context.Context) error {
			return nowhere.List(ctx, key, func(string, time.Time) error { return nil })
		},
		"lock": func(ctx context.Context) error { return nowhere.Lock(ctx, key, time.Now().Add(time.Hour)) },
		"hold": func(ctx context.Context) error { return nowhere.Hold(ctx, key, true) },
	} {
		if err := call(t.Context()); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got %v, want an error without a name", name, err)
		}
	}
}
