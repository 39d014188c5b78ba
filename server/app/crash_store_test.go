package app_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"gridwatch/media/blob"
	"gridwatch/mobileapi/tus"
	"gridwatch/server/casefile"
)

// ownStore is an object store that a test may kill.
type ownStore struct {
	cfg  blob.Config
	args []string
	env  []string
	run  *process
}

// ownStore starts the stack's object store on a folder of the test's own, and
// has the world's server use it.
func (w *world) ownStore(t *testing.T) *ownStore {
	t.Helper()
	minio := os.Getenv("GRID_STACK_MINIO")
	if minio == "" {
		t.Fatal("no object store to kill: GRID_STACK_MINIO is not set; run: make stack-up, and take what .stack/env says")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := free.Addr().String()
	_ = free.Close()
	s := &ownStore{cfg: blob.Config{URL: "http://" + at, AccessKey: rand.Text(), SecretKey: rand.Text(), Bucket: "own", Lock: blob.Governance}}
	s.args = []string{minio, "server", "--quiet", "--certs-dir=" + filepath.Join(t.TempDir(), "certs"), "--address=" + at, t.TempDir()}
	s.env = append(os.Environ(), "MINIO_ROOT_USER="+s.cfg.AccessKey, "MINIO_ROOT_PASSWORD="+s.cfg.SecretKey, "MINIO_BROWSER=off", "MINIO_UPDATE=off")
	w.settings = with(w.settings, "GRID_S3_URL="+s.cfg.URL, "GRID_S3_ACCESS_KEY="+s.cfg.AccessKey, "GRID_S3_SECRET_KEY="+s.cfg.SecretKey,
		"GRID_S3_BUCKET="+s.cfg.Bucket, "GRID_S3_PREFIX=")
	if w.objects, err = blob.Open(s.cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.objects.Close)
	s.start(t)
	return s
}

// start starts it, again too, and waits until it answers.
func (s *ownStore) start(t *testing.T) {
	t.Helper()
	s.run = launch(t, s.args[0], s.env, s.args[1:]...)
	awaited(t, "the object store", func() bool {
		res, err := http.Get(s.cfg.URL + "/minio/health/ready")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	http.DefaultClient.CloseIdleConnections()
}

// TestAnUploadOutlivesTheObjectStore kills the object store between two pieces
// and while one is on its way: what was acknowledged stays, what could not be
// stored is refused as something to try again, and the upload goes on when the
// store is back.
func TestAnUploadOutlivesTheObjectStore(t *testing.T) {
	t.Parallel()
	f := &torrent{storm: &storm{world: apart(t), path: program(t), killed: make(chan struct{})}}
	store := f.ownStore(t)
	launch(t, f.path, f.settings, "serve")
	f.ready(t)
	content := picturesOf(9<<20, 1)
	c, items := f.rights(t, 1, len(content))
	a, err := f.tus(t.Context(), c, http.MethodPost, tus.Path, nil, "Upload-Length", strconv.Itoa(len(content)),
		"Upload-Metadata", "right "+base64.StdEncoding.EncodeToString([]byte(items[0].Right)))
	if err != nil {
		t.Fatal(err)
	}
	at, acked, away := a.Header.Get("Location"), 0, 0
	send := func(ctx context.Context, n int) error {
		a, err := f.tus(ctx, c, http.MethodPatch, at, bytes.NewReader(content[acked:acked+n]), "Upload-Offset", strconv.Itoa(acked), "Content-Type", tus.Type)
		if err == nil {
			acked, err = strconv.Atoi(a.Header.Get("Upload-Offset"))
		} else if a.Status != http.StatusServiceUnavailable && a.Status != http.StatusLocked && a.Status != http.StatusConflict {
			t.Errorf("got %d, %v, want that the store is busy", a.Status, err)
		}
		return err
	}
	for acked < len(content) {
		n := min(1<<20+1<<19, len(content)-acked)
		if err := send(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		before := acked
		if before == len(content) {
			break
		}
		store.run.end(t, syscall.SIGKILL)
		if send(t.Context(), min(n, len(content)-acked)) != nil {
			away++
		}
		store.start(t)
		awaited(t, "the upload to be free", func() bool {
			a, err := f.tus(t.Context(), c, http.MethodHead, at, nil)
			if err != nil {
				return false
			}
			said, err := strconv.Atoi(a.Header.Get("Upload-Offset"))
			if err != nil || said != before {
				t.Errorf("got the offset %d, want %d, which was acknowledged", said, before)
			}
			return true
		})
		acked = before
	}
	if away == 0 {
		t.Error("nothing was refused while the store was away")
	}
	f.allSettled(t)
	for _, r := range f.reports(t) {
		if len(r.Evidence) == 0 {
			continue
		}
		if e := r.Evidence[0]; e.State != casefile.EvidenceDerived || !bytes.Equal(f.originals(t, &r)[e.ID], content) {
			t.Errorf("the file is %s, and not as it was sent", e.State)
		}
	}
}
