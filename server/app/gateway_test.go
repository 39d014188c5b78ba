package app_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gridwatch/server/app"
)

// line is the way to a contact gateway: the example's program behind a socket
// that a test can cut, and a command that writes down who would be called.
type line struct {
	*httptest.Server

	path, dir string
	authority string // host and port that requests are signed for
	process   *process

	mu     sync.Mutex
	down   bool
	asked  int
	bodies []byte
	at     string // of the process
}

// newLine builds the gateway, which does not run yet.
func newLine(t *testing.T) *line {
	t.Helper()
	l := &line{dir: t.TempDir()}
	l.path = filepath.Join(l.dir, "gateway")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", l.path, "gridwatch/schemas/examples/gateway").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	l.Server = httptest.NewServer(l)
	t.Cleanup(l.Close)
	l.authority = strings.TrimPrefix(l.URL, "http://")
	key := launch(t, l.path, os.Environ(), "keygen", "-key", l.file("gateway.key"))
	if code := key.code(t); code != 0 {
		t.Fatalf("keygen: got exit %d, %s", code, key.logs.String())
	}
	if err := os.WriteFile(l.file("gateway.pub"), []byte(key.out.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *line) file(name string) string { return filepath.Join(l.dir, name) }

// setting is what the server is told of the gateway.
func (l *line) setting() string { return "GRID_CONTACT_GATEWAY_URL=" + l.URL + "/v1/contacts" }

// run starts the gateway with the keys of a world's server.
func (l *line) run(t *testing.T, w *world) {
	t.Helper()
	var keys bytes.Buffer
	system := app.System{Stdin: strings.NewReader(""), Stdout: &keys, Stderr: io.Discard, Now: time.Now, Random: rand.Reader}
	if err := app.Command(t.Context(), []string{"gateway", "keys"}, w.settings, system); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.file("keys.json"), keys.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	l.process = launch(t, l.path, os.Environ(), "serve", "-listen", "127.0.0.1:0", "-authority", l.authority, "-settle", "0s",
		"-key", l.file("gateway.key"), "-server", l.file("keys.json"), "-journal", l.file("done.jsonl"),
		"-command", `read -r number; printf '%s %s %s\n' "$KIND" "$number" "$TEXT" >> '`+l.file("called")+`'`)
	awaited(t, "the gateway", func() bool {
		_, at, ok := strings.Cut(strings.TrimSpace(l.process.out.String()), "listening on ")
		l.mu.Lock()
		defer l.mu.Unlock()
		l.at = at
		return ok
	})
}

// again kills the gateway and starts it anew.
func (l *line) again(t *testing.T, w *world) {
	t.Helper()
	l.process.end(t, syscall.SIGKILL)
	l.run(t, w)
}

func (l *line) cut(down bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = down
}

// tries is how often the server tried to reach the gateway.
func (l *line) tries() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked
}

// crossed is all that the gateway was asked.
func (l *line) crossed() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.bodies)
}

// ServeHTTP carries a request to the gateway and its answer back, or hangs up.
func (l *line) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	l.mu.Lock()
	l.asked++
	at, down := l.at, l.down || err != nil
	l.bodies = append(l.bodies, r.Header.Get("Signature-Input")+"\n"...)
	l.bodies = append(append(l.bodies, body...), '\n')
	l.mu.Unlock()
	if down {
		panic(http.ErrAbortHandler)
	}
	if err := carry(r.Context(), w, r, at, body); err != nil {
		panic(http.ErrAbortHandler)
	}
}

func carry(ctx context.Context, w http.ResponseWriter, r *http.Request, at string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, r.Method, "http://"+at+r.URL.Path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header = r.Header.Clone()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	w.WriteHeader(res.StatusCode)
	_, err = io.Copy(w, res.Body)
	return errors.Join(err, res.Body.Close())
}

// called are the calls that were made.
func (l *line) called(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(l.file("called"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var calls []string
	for call := range strings.Lines(string(text)) {
		calls = append(calls, strings.TrimSuffix(call, "\n"))
	}
	return calls
}

// TestStrangersAreNoServer: the gateway calls nobody for who is not the server.
func TestStrangersAreNoServer(t *testing.T) {
	t.Parallel()
	l := newLine(t)
	w := &world{fcmURL: "http://127.0.0.1:1"} // nobody is there
	w.settings = w.engines(t)
	l.run(t, w)
	for _, header := range []http.Header{{}, {"Signature": {"gridwatch=:AAAA:"}, "Signature-Input": {"gridwatch=()"}}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+l.at+"/v1/contacts", strings.NewReader(`{"id":"a","purpose":"notice"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header
		req.Header.Set("Content-Type", "application/json")
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: new(net.Dialer).DialContext}}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusUnauthorized {
			t.Errorf("got %d, %v, want 401", res.StatusCode, err)
		}
	}
	if calls := l.called(t); len(calls) > 0 {
		t.Errorf("it called %q", calls)
	}
}
