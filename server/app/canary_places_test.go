package app_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gridwatch/media"
	"gridwatch/media/blobtest"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/custody"
	"gridwatch/server/app/demo"
	"gridwatch/server/canarytest"
	"gridwatch/server/casefile"
	"gridwatch/server/storetest"
	"gridwatch/server/workflow"
)

// Kinds of canary, by who may see them.
const (
	identity canarytest.Kind = "identity" // nobody but the two rings together
	contact  canarytest.Kind = "contact"  // nobody but an officer of ring A
	words    canarytest.Kind = "words"    // what a sender wrote: the desk
	talk     canarytest.Kind = "talk"     // what desk and sender write to each other: these two
	capture  canarytest.Kind = "capture"  // what a picture tells of its maker: the desk
	digest   canarytest.Kind = "digest"   // of a picture: the desk, and the sender as a receipt for it
	secret   canarytest.Kind = "secret"   // keys, codes, tokens, passwords: who is given them, when they are given
	phone    canarytest.Kind = "phone"    // push tokens: the push service
	caller   canarytest.Kind = "caller"   // address, program, page a reporter came from: nobody
	key      canarytest.Kind = "key"      // private keys of the server and of officers: their files
)

// sweep is a world whose every word is listened to.
type sweep struct {
	*world

	wire    *tap
	line    *line // to the contact gateway
	began   time.Time
	exports string // folder of what commands wrote and printed
	panics  []byte // what a server wrote that was made to show all its stacks
}

// newSweep starts a world with a tap between the clients and the server. The
// folder of temporary files is that of the process.
func newSweep(t *testing.T) *sweep {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	s := &sweep{began: time.Now().Add(-time.Second), exports: t.TempDir()} // a file's time may be a tick behind
	s.line = newLine(t)
	s.world = start(t, s.line.setting(), "GRID_REQUEST_DEADLINE=1m", "GRID_DRAIN=2m") // beside other tests it may be slow
	s.line.run(t, s.world)
	s.wire = &tap{
		Transport: s.http.Transport.(*http.Transport), host: strings.TrimPrefix(s.base, "http://"),
		callers: callers(), who: map[string]string{"": "anyone"}, told: map[string][]byte{}, secrets: map[string]canarytest.Canary{},
	}
	s.http.Transport = s.wire
	return s
}

// places is the list of all that is searched, with what belongs there. What a
// new feature keeps, writes or says is added here.
func (s *sweep) places(t *testing.T) []canarytest.Place {
	t.Helper()
	stack := storetest.StackDir(t)
	data := filepath.Join(stack, "postgres", "data")
	all := []canarytest.Place{
		{Name: "the database", Read: s.database(t)},
		{Name: "the database's write-ahead log", Shared: true, Read: canarytest.WriteAheadLog(data, s.began)},
		{Name: "the database's data files", Shared: true, Read: s.written(t, stack, canarytest.DataFiles(data, s.began))},
		{Name: "the object store", Read: s.stored(t)},
		{Name: "the object store's disk", Read: s.disk(t, stack)},
		{Name: "the object store's own files", Shared: true, Read: canarytest.Folder(filepath.Join(stack, "minio", "disk", ".minio.sys"), s.began)},
		{Name: "the engines' logs", Shared: true, Read: canarytest.Folder(filepath.Join(stack, "log"), s.began)},
		{Name: "the copies of evidence", Read: s.copies(t)},
		{Name: "the log", Read: canarytest.Bytes([]byte(s.logs.String()))},
		{Name: "the metrics", Read: s.asked(t, "/metrics", "/readyz")},
		{Name: "the profiles", Read: s.asked(t, profiles()...)},
		{Name: "the panic output", Read: canarytest.Bytes(s.panics)},
		{Name: "the contact gateway's requests", Read: canarytest.Bytes(s.line.crossed())},
		{Name: "the pushes", May: []canarytest.Kind{phone}, Read: s.pushed()},
		{Name: "the exports", Read: canarytest.Folder(s.exports, s.began)},
		{Name: "the temporary files", Read: canarytest.Folder(os.TempDir(), s.began, s.dir, s.exports)},
	}
	s.wire.mu.Lock()
	defer s.wire.mu.Unlock()
	for who, told := range s.wire.told {
		p := canarytest.Place{Name: "what is told to " + who, Read: canarytest.Bytes(told)}
		switch {
		case strings.HasPrefix(who, "desk"):
			p.May = []canarytest.Kind{words, talk, capture, digest}
		case who == "the reporter":
			p.May = []canarytest.Kind{talk}
		case who == "whom it is issued to":
			p.May = []canarytest.Kind{secret, digest}
		}
		all = append(all, p)
	}
	return all
}

// database is all of the world's database as the driver reads it.
func (s *sweep) database(t *testing.T) func(func(string, []byte)) error {
	t.Helper()
	return func(see func(string, []byte)) error {
		var dump bytes.Buffer
		err := s.store.Dump(t.Context(), &dump)
		see("", dump.Bytes())
		return err
	}
}

// written is a reading of the engine's files after it wrote back what it holds
// in memory. It comes after that of the write-ahead log, of which the database
// may drop a part when it has done so.
func (s *sweep) written(t *testing.T, stack string, read func(func(string, []byte)) error) func(func(string, []byte)) error {
	t.Helper()
	return func(see func(string, []byte)) error {
		tool := filepath.Join(t.TempDir(), "devstack")
		if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", tool, "gridwatch/server/devstack").CombinedOutput(); err != nil {
			return fmt.Errorf("build devstack: %w: %s", err, out)
		}
		checkpoint := exec.CommandContext(t.Context(), tool, "checkpoint")
		checkpoint.Dir = filepath.Dir(stack)
		if out, err := checkpoint.CombinedOutput(); err != nil {
			return fmt.Errorf("CHECKPOINT, without which the data files say little: %w: %s", err, out)
		}
		return read(see)
	}
}

// stored is every object of the world with its name.
func (s *sweep) stored(t *testing.T) func(func(string, []byte)) error {
	t.Helper()
	return func(see func(string, []byte)) error {
		return s.objects.List(t.Context(), "", func(key string, _ time.Time) error {
			body, err := s.objects.Get(t.Context(), key)
			if err != nil {
				return err
			}
			defer body.Close()
			content, err := io.ReadAll(body)
			see(key, append([]byte(key), content...))
			return err
		})
	}
}

// disk is the folders where the object store keeps what is the world's, that
// of the bucket whose objects are locked among them.
func (s *sweep) disk(t *testing.T, stack string) func(func(string, []byte)) error {
	t.Helper()
	folder := func(bucket string) string {
		return filepath.Join(stack, "minio", "disk", bucket, s.setting("GRID_S3_PREFIX"))
	}
	if _, err := os.Stat(folder(blobtest.Bucket)); err != nil {
		t.Fatalf("the object store in use is not that of the local stack in %s, so its disk cannot be searched here: %v", stack, err)
	}
	return func(see func(string, []byte)) error {
		err := canarytest.Folder(folder(blobtest.Bucket), s.began)(see)
		return errors.Join(err, canarytest.Folder(folder(blobtest.Bucket+"-locked"), s.began)(see)) // none if nothing was locked
	}
}

// setting is one of the program's.
func (w *world) setting(name string) string {
	for _, s := range w.settings {
		if value, ok := strings.CutPrefix(s, name+"="); ok {
			return value
		}
	}
	return ""
}

// copies are the derivatives of all evidence in clear: as they are kept, and
// those that were released as handlers download them. It goes past the tap: the
// desk may hear more.
func (s *sweep) copies(t *testing.T) func(func(string, []byte)) error {
	t.Helper()
	desk := s.untapped(t, "desk1")
	return func(see func(string, []byte)) error {
		reports, err := s.store.Reports.List(t.Context(), workflow.Query{Tenant: demo.Tenant, Limit: 100})
		if err != nil {
			return err
		}
		for _, r := range reports {
			for _, item := range r.Evidence {
				for _, c := range item.Copies {
					body, err := s.ingest().Read(t.Context(), media.Ref{Object: c.Object, Parts: c.Parts}, s.copyKey(t, item), placeOf(c.Object))
					if err != nil {
						return err
					}
					content, err := io.ReadAll(body)
					if err := errors.Join(err, body.Close()); err != nil {
						return err
					}
					see(item.ID+" "+string(c.Kind), content)
				}
				if !item.Released {
					continue
				}
				path := "/v1/office/reports/" + r.ID + "/evidence/" + item.ID
				a, err := desk.Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: path}, nil)
				if err != nil {
					return fmt.Errorf("%s: %w", path, err)
				}
				see(item.ID, a.Body)
			}
		}
		return nil
	}
}

func (s *sweep) ingest() *media.Ingest { return media.New(s.objects, rand.Reader, media.Config{}) }

func placeOf(object string) media.Place {
	at, _ := media.PlaceOf(object)
	return at
}

// copyKey is the data key of an item's copies.
func (s *sweep) copyKey(t *testing.T, item casefile.Evidence) media.Sealer {
	t.Helper()
	key, err := s.keyring(t).OpenDataKey(placeOf(item.Object).String()+"/copies", item.CopyKey)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// untapped is a client whose answers are not counted as told: where the desk
// may hear more than the place that is looked at may hold.
func (s *sweep) untapped(t *testing.T, login string) apiclient.Client {
	t.Helper()
	c := s.as(t, login)
	c.HTTP = &http.Client{Transport: s.wire.Transport}
	return c
}

// archive exports the released evidence of a report, as for a court.
func (s *sweep) archive(t *testing.T, r *casefile.Report) {
	t.Helper()
	call := apiclient.Call{Method: http.MethodGet, Path: "/v1/office/reports/" + r.ID + "/export"}
	a, err := s.untapped(t, "desk1").Do(t.Context(), call, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.exports, r.ID+".zip"), a.Body, 0o600); err != nil {
		t.Fatal(err)
	}
}

// asked are answers of the address of operations.
func (s *sweep) asked(t *testing.T, paths ...string) func(func(string, []byte)) error {
	t.Helper()
	return func(see func(string, []byte)) error {
		ops := apiclient.Client{Base: s.ops, HTTP: s.http}
		for _, path := range paths {
			answer, err := ops.Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: path}, nil)
			if err != nil {
				return err
			}
			see(path, answer.Body)
		}
		return nil
	}
}

func profiles() []string {
	const under = "/debug/pprof/"
	return []string{
		under, under + "goroutine", under + "goroutine?debug=1", under + "goroutine?debug=2", under + "heap", under + "heap?debug=1",
		under + "allocs?debug=1", under + "profile?seconds=1", under + "trace?seconds=1",
	}
}

func (s *sweep) pushed() func(func(string, []byte)) error {
	return func(see func(string, []byte)) error {
		for _, m := range s.fcm.Received() {
			see("", m.Body)
		}
		return nil
	}
}

// export runs what writes or prints something to be carried away, and keeps it.
func (s *sweep) export(t *testing.T) {
	t.Helper()
	save := func(name string, text []byte) {
		if err := os.WriteFile(filepath.Join(s.exports, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := s.command(t, "", "log", "verify")
	if err != nil {
		t.Fatal(err, out)
	}
	save("log verify", []byte(out))
	s.archive(t, s.released(t))
	comesTrue(t, func() bool {
		_, err := s.store.Audit.Latest(t.Context())
		return err == nil
	})
	for name, path := range map[string]string{"checkpoint": "/v1/log/checkpoint", "tile": "/v1/log/tiles/0/0", "key list": "/v1/public/" + demo.Tenant} {
		answer, err := s.anyone().Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: path}, nil)
		if err != nil {
			t.Fatal(err)
		}
		save(name, answer.Body)
	}
	for name, args := range map[string][]string{
		"ring list": {"ring", "list", "--out", filepath.Join(s.exports, "rings.json")},
		"check":     {"check", "--key", demo.KeyFile(s.dir, demo.Tenant, "seal1"), "--day", today()},
	} {
		var printed bytes.Buffer
		err := custody.Run(t.Context(), append(args, "--server", s.base, "--token-file", "-"), custody.Env{
			Stdin: strings.NewReader(s.as(t, "seal1").Token), Stdout: &printed, Stderr: &printed, Now: time.Now, Random: rand.Reader,
		})
		if err != nil {
			t.Fatal(err)
		}
		save(name, printed.Bytes())
	}
}

// crash runs a server of its own on the world's engines, sends it a report and
// half of another, and makes it end as it does of a fatal error: it writes the
// stacks of all that it was doing.
func (s *sweep) crash(t *testing.T, whole, half *marked) {
	t.Helper()
	other := &world{settings: s.settings, http: s.http}
	other.listen(t)
	server := launch(t, program(t), append(slices.Clone(other.settings), "TMPDIR="+os.TempDir()), "serve")
	other.ready(t)
	if _, err := other.anyone().Do(t.Context(), apiclient.Call{Method: http.MethodPost, Path: reportsPath, Key: whole.key, Form: whole.form}, nil); err != nil {
		t.Fatal(err)
	}
	body, kind := half.encode(t)
	open := &gate{Reader: bytes.NewReader(nil), reached: make(chan struct{}), open: make(chan struct{})}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, other.base+reportsPath, io.MultiReader(bytes.NewReader(body[:len(body)/2]), open))
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = int64(len(body))
	req.Header = http.Header{"Content-Type": {kind}, "Idempotency-Key": {half.key}}
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		if res, err := s.http.Do(req); err == nil { // it is cut off
			_ = res.Body.Close()
		}
	}()
	<-open.reached
	server.end(t, syscall.SIGQUIT)
	close(open.open)
	<-answered
	if s.panics = []byte(server.logs.String()); !bytes.Contains(s.panics, []byte("goroutine ")) {
		t.Errorf("the server ended without its stacks: %s", s.panics)
	}
}
