package app_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gridwatch/server/app"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/config"
)

// apart is a world whose program runs as processes of its own, which a test
// starts and ends, with more settings if there are any.
func apart(t *testing.T, more ...string) *world {
	t.Helper()
	w := newWorld(t, &http.Transport{ExpectContinueTimeout: time.Minute}, more)
	cfg, err := config.Read(w.settings)
	if err != nil {
		t.Fatal(err)
	}
	loading, err := app.Open(t.Context(), cfg, app.Env{Now: time.Now, Random: rand.Reader, Password: quick(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	summary, err := loading.LoadDemo(t.Context())
	if err := errors.Join(err, loading.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	w.people = summary.SignIns
	w.listen(t)
	return w
}

// listen gives the program two free ports, which stay the same when it starts
// again. They lie below those that the kernel deals out.
func (w *world) listen(t *testing.T) {
	t.Helper()
	var free []string
	for len(free) < 2 {
		at := make([]byte, 2)
		_, _ = rand.Read(at)
		addr := fmt.Sprintf("127.0.0.1:%d", 12_000+(int(at[0])<<8+int(at[1]))%18_000)
		if ln, err := net.Listen("tcp", addr); err == nil && !slices.Contains(free, addr) {
			free = append(free, addr)
			_ = ln.Close()
		}
	}
	w.settings = with(w.settings, "GRID_LISTEN="+free[0], "GRID_OPS_LISTEN="+free[1])
	w.base, w.ops = "http://"+free[0], "http://"+free[1]
}

// with returns settings of which some are other ones.
func with(settings []string, others ...string) []string {
	out := slices.Clone(settings)
	for _, other := range others {
		name, _, _ := strings.Cut(other, "=")
		out = append(slices.DeleteFunc(out, func(s string) bool { return strings.HasPrefix(s, name+"=") }), other)
	}
	return out
}

// program builds the server, with the race detector if the test has it.
func program(t *testing.T) string {
	t.Helper()
	var args []string
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		args = append(args, "-race")
	}
	return built(t, args...)
}

// built builds the program with flags of its own.
func built(t *testing.T, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "server")
	args := append([]string{"build", "-o", path}, flags...)
	if out, err := exec.CommandContext(t.Context(), "go", append(args, "gridwatch/server")...).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// process is a running command of the program.
type process struct {
	*exec.Cmd
	out, logs buffer
	ended     chan struct{} // closed when it has
}

// launch starts the program; it is killed when the test ends.
func launch(t *testing.T, path string, settings []string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.CommandContext(context.WithoutCancel(t.Context()), path, args...), ended: make(chan struct{})}
	p.Env, p.Stdout, p.Stderr = settings, &p.out, &p.logs
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.Wait() // the exit code says it
	}()
	t.Cleanup(func() {
		p.end(t, syscall.SIGKILL)
		if strings.Contains(p.logs.String(), "DATA RACE") {
			t.Error(p.logs.String())
		}
	})
	return p
}

// end sends a signal and waits for the end.
func (p *process) end(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := p.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	p.code(t)
}

// code waits for the end and returns the exit code.
func (p *process) code(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatalf("%v does not end; it said %s", p.Args, p.logs.String())
	}
	return p.ProcessState.ExitCode()
}

// ready waits until the world's server says that it is.
func (w *world) ready(t *testing.T) {
	t.Helper()
	awaited(t, "a ready server", func() bool {
		_, err := apiclient.Client{Base: w.ops, HTTP: w.http}.Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/readyz"}, nil)
		return err == nil
	})
}

// patience is how long a test waits for what comes by itself, on a machine that
// does much else: it says that something is stuck, not how fast it is.
const patience = 3 * time.Minute

// awaited asks until the answer is yes.
func awaited(t *testing.T, what string, ask func() bool) {
	t.Helper()
	tick, late := time.NewTicker(20*time.Millisecond), time.NewTimer(patience)
	defer tick.Stop()
	defer late.Stop()
	for !ask() {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// refusal runs a command that must fail and say why in one line, and returns
// the line.
func refusal(t *testing.T, path string, settings []string, args ...string) string {
	t.Helper()
	p := launch(t, path, settings, args...)
	code, said := p.code(t), strings.TrimSpace(p.logs.String())
	if code != 1 || said == "" || strings.Contains(said, "\n") {
		t.Errorf("%v: got exit %d and %q, want 1 and one line", args, code, said)
	}
	return said
}

func TestProcess(t *testing.T) { //nolint:tparallel // its subtests share one server, one after the other
	t.Parallel()
	w, path := apart(t), program(t)
	if said := refusal(t, path, w.settings, "healthcheck"); !strings.Contains(said, "refused") {
		t.Errorf("healthcheck of no server says %q", said)
	}
	server := launch(t, path, w.settings, "serve")
	w.ready(t)
	if code := launch(t, path, w.settings, "healthcheck").code(t); code != 0 {
		t.Errorf("healthcheck of a ready server: got exit %d", code)
	}

	t.Run("it leaves no core", func(t *testing.T) {
		limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", server.Process.Pid))
		if err != nil || !regexp.MustCompile(`Max core file size +0 +0 `).Match(limits) {
			t.Errorf("got %s, %v", limits, err)
		}
	})

	t.Run("a sweep runs where push is on", func(t *testing.T) {
		sweep := launch(t, path, w.settings, "sweep")
		if code := sweep.code(t); code != 0 || sweep.out.String() != "removed 0 objects, 0 envelopes\n" {
			t.Errorf("got exit %d, %q, %s", code, sweep.out.String(), sweep.logs.String())
		}
	})

	t.Run("a taken port is told", func(t *testing.T) {
		for _, name := range []string{"GRID_LISTEN", "GRID_OPS_LISTEN"} {
			other := "GRID_LISTEN"
			if name == other {
				other = "GRID_OPS_LISTEN"
			}
			said := refusal(t, path, with(w.settings, other+"=127.0.0.1:0"), "serve")
			if !strings.Contains(said, "is in use by another program") || !strings.Contains(said, "set "+name+" to") {
				t.Errorf("a taken %s says %q", name, said)
			}
		}
	})

	t.Run("any process serves any report", func(t *testing.T) {
		second := &world{settings: w.settings, http: w.http}
		second.listen(t)
		launch(t, path, second.settings, "serve")
		second.ready(t)
		sent := newParcel(t)
		first, err := sent.send(t.Context(), w.anyone())
		if err != nil {
			t.Fatal(err)
		}
		again, err := sent.send(t.Context(), second.anyone())
		if err != nil || !bytes.Equal(first.Body, again.Body) {
			t.Errorf("a repeat elsewhere: got %s, %v, want %s", again.Body, err, first.Body)
		}
		want := answered(t, first)
		if got := second.followed(t, want.Code); got != want.Number {
			t.Errorf("behind the receipt: got number %s, want %s", got, want.Number)
		}
		desk := w.as(t, "desk1") // signed in at the first
		desk.Base = second.base
		if _, err := desk.Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/office/reports"}, nil); err != nil {
			t.Errorf("a session of the first process: %v", err)
		}
	})

	t.Run("SIGTERM lets a request end", func(t *testing.T) {
		sent := newParcel(t)
		body, media := sent.encode(t)
		gate := &gate{Reader: bytes.NewReader(body), reached: make(chan struct{}), open: make(chan struct{})}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.base+reportsPath, gate)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = int64(len(body))
		req.Header = http.Header{"Content-Type": {media}, "Idempotency-Key": {sent.key}, "Expect": {"100-continue"}}
		answer := make(chan *http.Response, 1)
		go func() {
			defer close(answer)
			if res, err := w.http.Do(req); err == nil { //nolint:bodyclose // closed by who takes it
				answer <- res
			}
		}()
		<-gate.reached // the server has the head and asks for the body
		if err := server.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		awaited(t, "a closed port", func() bool {
			c, err := net.Dial("tcp", strings.TrimPrefix(w.base, "http://"))
			if err == nil {
				_ = c.Close()
			}
			return err != nil
		})
		close(gate.open)
		res, ok := <-answer
		if !ok {
			t.Fatal("the request was not answered")
		}
		text, err := io.ReadAll(res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil || res.StatusCode != http.StatusCreated {
			t.Errorf("got status %d, %s, %v, want 201", res.StatusCode, text, err)
		}
		if code := server.code(t); code != 0 {
			t.Errorf("got exit %d after SIGTERM, want 0; %s", code, server.logs.String())
		}
		launch(t, path, w.settings, "serve") // on the same ports, at once
		w.ready(t)
		want := answered(t, apiclient.Answer{Body: text})
		if got := w.followed(t, want.Code); got != want.Number {
			t.Errorf("behind the receipt: got number %s, want %s", got, want.Number)
		}
	})

	t.Run("an engine that is not there is told", func(t *testing.T) {
		away := with(w.settings, "GRID_LISTEN=127.0.0.1:0", "GRID_OPS_LISTEN=127.0.0.1:0")
		for _, tt := range []struct{ setting, says string }{
			{"GRID_MONGO_URI=mongodb://127.0.0.1:1/?directConnection=true", "reach the database"},
			{"GRID_S3_URL=http://127.0.0.1:1", "bucket"},
		} {
			if said := refusal(t, path, with(away, tt.setting), "serve"); !strings.Contains(said, tt.says) {
				t.Errorf("%s says %q", tt.setting, said)
			}
		}
	})
}

func TestKeysInitKeepsTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyring.json")
	var files [2][]byte
	for i := range files {
		var out bytes.Buffer
		system := app.System{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Now: time.Now, Random: rand.Reader}
		if err := app.Command(t.Context(), []string{"keys", "init", path}, nil, system); err != nil || out.Len() > 0 {
			t.Fatalf("got %v and %q", err, out.String())
		}
		var err error
		if files[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if len(files[0]) == 0 || !bytes.Equal(files[0], files[1]) {
		t.Error("the second keys init changed the file")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, %v, want 0600", info.Mode(), err)
	}
}

// gate holds back what is read until it is opened, and says when reading began.
type gate struct {
	io.Reader
	once    sync.Once
	reached chan struct{}
	open    chan struct{}
}

// Read implements io.Reader.
func (g *gate) Read(p []byte) (int, error) {
	g.once.Do(func() { close(g.reached) })
	<-g.open
	return g.Reader.Read(p)
}

// encode writes the parcel as a form.
func (p parcel) encode(t *testing.T) ([]byte, string) {
	t.Helper()
	var out bytes.Buffer
	form := multipart.NewWriter(&out)
	text, err := json.Marshal(p.body)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []struct {
		name, media string
		body        []byte
	}{{`name="report"`, "application/json", text}, {`name="evidence"; filename="photo.jpg"`, "image/jpeg", p.photo}} {
		to, err := form.CreatePart(textproto.MIMEHeader{"Content-Disposition": {"form-data; " + part.name}, "Content-Type": {part.media}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := to.Write(part.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), form.FormDataContentType()
}

var reportsPath = "/v1/public/" + demo.Tenant + "/reports"
