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

	"go.mongodb.org/mongo-driver/bson"

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
	uploadID canarytest.Kind = "upload"   // id of an upload: its sender, and the database
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
	scratch, err := os.MkdirTemp("/dev/shm", "canary-") //nolint:usetesting // it has to lie in memory
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(scratch) })
	if err := os.Chmod(scratch, 0o711); err != nil {
		t.Fatal(err)
	}
	s.world = start(t, s.line.setting(), "GRID_MEDIA_SCRATCH="+scratch, "GRID_REQUEST_DEADLINE=1m", "GRID_DRAIN=2m") // beside other tests it may be slow
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
		{Name: "the database", Read: s.database(t, func(collection string) bool { return !ofUploads(collection) })},
		{Name: "the database's records of uploads", May: []canarytest.Kind{uploadID}, Read: s.database(t, ofUploads)},
		{Name: "the database's write-ahead log", Shared: true, May: []canarytest.Kind{uploadID}, Read: canarytest.WriteAheadLog(data, s.began)},
		{Name: "the database's data files", Shared: true, May: []canarytest.Kind{uploadID}, Read: s.written(t, stack, canarytest.DataFiles(data, s.began))},
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
		{Name: "the copiers' scratch folder", Read: s.scratch(t)},
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
			p.May = []canarytest.Kind{talk, uploadID}
		case who == "whom it is issued to":
			p.May = []canarytest.Kind{secret, digest}
		}
		all = append(all, p)
	}
	return all
}

// ofUploads says whether a collection names uploads: their own records, and
// those of the reports whose items they bring.
func ofUploads(collection string) bool { return collection == "upload" || collection == "report" }

// dumped is the world's database as the driver reads it, by collection.
func (s *sweep) dumped(t *testing.T) (map[string][]byte, error) {
	t.Helper()
	var dump bytes.Buffer
	err := s.store.Dump(t.Context(), &dump)
	all := map[string][]byte{}
	for line := range bytes.Lines(dump.Bytes()) {
		name, _, _ := strings.Cut(string(line[:min(len(line), 64)]), " ")
		all[name] = append(all[name], line...)
	}
	return all, err
}

// database is those collections of the world's database that are in.
func (s *sweep) database(t *testing.T, in func(collection string) bool) func(func(string, []byte)) error {
	t.Helper()
	return func(see func(string, []byte)) error {
		all, err := s.dumped(t)
		for name, lines := range all {
			if in(name) {
				see(name, lines)
			}
		}
		return err
	}
}

// collections are all of the database; each is searched. One that a new feature
// keeps things in is entered here when the run fills it; if the run can leave it
// empty, with the reason.
func collections() map[string]string {
	return map[string]string{
		"account":       "",
		"approval":      "",
		"area":          "",
		"award":         "",
		"batch":         "results of a month that is over",
		"chain":         "",
		"checkpoint":    "",
		"claim":         "",
		"contact_use":   "",
		"copy_job":      "a job is gone once its copies are made",
		"device":        "",
		"envelope":      "",
		"erasure":       "numbers of what was erased, years after the run",
		"event":         "what a record no longer holds of its timeline: none of the run has 200 events",
		"family":        "",
		"grid":          "",
		"handover":      "a contact is gone once the gateway has it",
		"handover_slot": "",
		"hazard":        "",
		"held":          "a task waits here for its hour, and is gone then",
		"lead":          "",
		"leaf":          "",
		"lease":         "",
		"ledger":        "",
		"log":           "",
		"message":       "",
		"migration":     "",
		"opening":       "",
		"outbox":        "a push is gone once it is sent; TestNothingLeaks reads what was",
		"payout":        "",
		"penalty":       "",
		"person":        "",
		"print":         "",
		"publication":   "",
		"report":        "",
		"rewrap":        "how far a rotation of keys is",
		"ring":          "",
		"slot":          "",
		"task":          "",
		"tenant":        "",
		"ticket":        "a step of a sign-in is used up by the next",
		"tile":          "",
		"upload":        "",
		"visit":         "",
	}
}

// checkCollections wants every collection to be known, and filled by the run or
// empty for a reason.
func (s *sweep) checkCollections(t *testing.T) {
	t.Helper()
	names, err := s.world.database(t).ListCollectionNames(t.Context(), bson.M{})
	if err != nil {
		t.Fatal(err)
	}
	dumped, err := s.dumped(t)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		switch why, known := collections()[name]; {
		case !known:
			t.Errorf("the collection %s is new: let the run fill it, and enter it in collections()", name)
		case len(dumped[name]) == 0 && why == "":
			t.Errorf("the run put nothing into the collection %s: it is searched in vain", name)
		}
	}
}

// scratch is what the copiers left behind in clear once they are done, which is
// nothing but the folder.
func (s *sweep) scratch(t *testing.T) func(func(string, []byte)) error {
	t.Helper()
	folder := s.setting("GRID_MEDIA_SCRATCH")
	return func(see func(string, []byte)) error {
		s.copiersRest(t)
		see("the folder", []byte(folder))
		return canarytest.Folder(folder, s.began)(see)
	}
}

// copiersRest waits until no job of the copiers is left.
func (w *world) copiersRest(t *testing.T) {
	t.Helper()
	awaited(t, "the jobs to be gone", func() bool {
		for _, lane := range []workflow.Lane{workflow.PhotoLane, workflow.FilmLane} {
			left, err := w.store.CopyJobs.Due(t.Context(), lane, time.Now().Add(24*time.Hour), 1)
			if err != nil {
				t.Fatal(err)
			}
			if len(left) > 0 {
				return false
			}
		}
		return true
	})
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
			body, _, err := s.objects.Get(t.Context(), key)
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
			for _, item := range slices.Concat(r.Evidence, r.Behind.Sent) {
				if len(item.CopyKey) == 0 { // sealed away to the rings
					continue
				}
				for _, c := range item.Copies {
					body, err := s.ingest().Read(t.Context(), media.Ref{Object: c.Object, Parts: c.Parts}, s.copyKey(t, &r, item), placeOf(c.Object))
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
				if _, sent := casefile.FindEvidence(r.Behind.Sent, item.ID); sent {
					path = "/v1/office/reports/" + r.ID + "/attachments/" + item.ID
				}
				a, err := desk.Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: path}, nil)
				if err != nil {
					return fmt.Errorf("%s: %w", path, err)
				}
				see(item.ID, a.Body)
			}
		}
		return s.taken(t, see)
	}
}

func (w *world) ingest() *media.Ingest { return media.New(w.objects, rand.Reader, media.Config{}) }

func placeOf(object string) media.Place {
	at, _ := media.PlaceOf(object)
	return at
}

// copyKey is the data key of an item's copies.
func (s *sweep) copyKey(t *testing.T, r *casefile.Report, item casefile.Evidence) media.Sealer {
	t.Helper()
	at := media.Place{Tenant: r.Tenant, Record: r.Envelope, Item: item.ID}
	key, err := s.keyring(t).OpenDataKey(at.String()+"/copies", item.CopyKey)
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
	awaited(t, "what the log shows", func() bool {
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
	again := launch(t, program(t), append(slices.Clone(other.settings), "TMPDIR="+os.TempDir()), "serve")
	other.ready(t) // it has removed what the other left in clear
	again.end(t, syscall.SIGTERM)
	if s.panics = []byte(server.logs.String()); !bytes.Contains(s.panics, []byte("goroutine ")) {
		t.Errorf("the server ended without its stacks: %s", s.panics)
	}
}
