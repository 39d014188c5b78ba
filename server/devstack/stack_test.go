package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

func newTestStack(t *testing.T) *stack {
	t.Helper()
	s := &stack{root: t.TempDir(), cache: t.TempDir(), free: portIsFree, say: newProgress(io.Discard, time.Now)}
	s.dir = filepath.Join(s.root, ".stack")
	if err := os.MkdirAll(s.sub("log"), 0o755); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestArtefactIsBuiltOnce(t *testing.T) {
	t.Parallel()
	s := newTestStack(t)
	if err := os.Mkdir(filepath.Join(s.cache, "tool.tmp-1"), 0o755); err != nil {
		t.Fatal(err)
	}
	var built atomic.Int32
	var all errgroup.Group
	for range 8 {
		all.Go(func() error {
			return s.artefact(t.Context(), "tool", func(_ context.Context, into string) error {
				built.Add(1)
				return os.WriteFile(filepath.Join(into, "program"), nil, 0o600)
			})
		})
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := built.Load(); got != 1 {
		t.Errorf("built %d times, want once", got)
	}
	if !exists(filepath.Join(s.cache, "tool", "program")) {
		t.Error("the program is not in the cache")
	}
	if exists(filepath.Join(s.cache, "tool.tmp-1")) {
		t.Error("what a killed build left is still there")
	}
}

func TestArtefactThatBreaksLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newTestStack(t)
	broken := errors.New("broken")
	err := s.artefact(t.Context(), "tool", func(_ context.Context, into string) error {
		if err := os.WriteFile(filepath.Join(into, "half"), nil, 0o600); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Fatalf("got %v, want %v", err, broken)
	}
	left, err := filepath.Glob(filepath.Join(s.cache, "tool*"))
	if err != nil || len(left) != 1 || filepath.Ext(left[0]) != ".lock" {
		t.Errorf("got %v, %v, want the lock file only", left, err)
	}
}

func TestCommandThatFailsShowsItsOutput(t *testing.T) {
	t.Parallel()
	s := newTestStack(t)
	err := s.command(t.Context(), "try", []string{"WHY=no room"}, "sh", "-c", `echo "$WHY" >&2; exit 3`)
	if err == nil || !strings.Contains(err.Error(), "no room") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v, want the status and the output", err)
	}
}

func TestPortsStayWhileNothingIsInTheWay(t *testing.T) {
	t.Parallel()
	s := newTestStack(t)
	// Whether this machine's ports are free is not asked: other programs take
	// and leave them meanwhile.
	inTheWay := 0
	s.free = func(port int) bool { return port != inTheWay }
	if err := s.choosePorts(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := s.ends
	if err := s.choosePorts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.ends != first {
		t.Errorf("got %v, want %v", s.ends, first)
	}
	kept, err := readEndpoints(s.dir)
	if err != nil || kept != first {
		t.Errorf("endpoints.json: got %v, %v, want %v", kept, err, first)
	}
	inTheWay = first.MinIO
	impatient, stop := context.WithCancel(t.Context())
	stop()
	if err := s.choosePorts(impatient); err != nil {
		t.Fatal(err)
	}
	others := s.ends
	others.MinIO = first.MinIO
	if s.ends.MinIO == first.MinIO || others != first {
		t.Errorf("with MinIO's port taken: got %v, want %v with another port for MinIO alone", s.ends, first)
	}
}

func TestStatusOfAStoppedStack(t *testing.T) {
	t.Parallel()
	s := newTestStack(t)
	var out bytes.Buffer
	if err := s.status(t.Context(), &out); err == nil {
		t.Error("got no error, want one")
	}
	if got := strings.Count(out.String(), "stopped"); got != 4 {
		t.Errorf("got %d engines stopped, want 4:\n%s", got, &out)
	}
	if err := s.down(t.Context()); err != nil {
		t.Errorf("down: %v", err)
	}
}

func TestFCMStandInAnswersAndEnds(t *testing.T) {
	t.Parallel()
	s := newTestStack(t)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", local(0))
	if err != nil {
		t.Fatal(err)
	}
	s.ends.FCM = listener.Addr().(*net.TCPAddr).Port
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serveFCM(ctx, listener, time.Now) }()
	if !waitFor(t.Context(), time.Minute, func() bool { return s.fcm().answers(t.Context()) }) {
		t.Error("it does not answer")
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("end: %v", err)
	}
}

func TestExternalEngines(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		env     map[string]string
		want    bool
		wantErr bool
	}{
		"none": {},
		"both": {env: map[string]string{"GRID_MONGO_URI": "m", "GRID_S3_URL": "s"}, want: true},
		"one":  {env: map[string]string{"GRID_MONGO_URI": "m"}, wantErr: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := external(func(name string) (string, bool) { v, ok := tt.env[name]; return v, ok })
			if (err != nil) != tt.wantErr || (err == nil && got != tt.want) {
				t.Errorf("got %v, %v, want %v, error %v", got, err, tt.want, tt.wantErr)
			}
		})
	}
}

func TestCheckoutIsFoundFromBelow(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	below := filepath.Join(root, "server", "devstack")
	if err := os.MkdirAll(below, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "go.mod"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := checkout(below); err != nil || got != root {
		t.Errorf("got %q, %v, want %q", got, err, root)
	}
	if got, err := checkout(t.TempDir()); err == nil {
		t.Errorf("outside: got %q, want an error", got)
	}
}

func TestProgressSaysWhatAndHowLong(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var out bytes.Buffer
	p := newProgress(&out, func() time.Time { at = at.Add(time.Second); return at })
	if err := p.during(t.Context(), "minio", "build", func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "minio     build\n") || !strings.Contains(got, "build: done in 2 s\n") {
		t.Errorf("got %q", got)
	}
	broken := errors.New("broken")
	if err := p.during(t.Context(), "minio", "build", func(context.Context) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}
