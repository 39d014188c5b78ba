package main

import (
	"bytes"
	"crypto/rand"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEnvIsReadBackByAShell(t *testing.T) {
	t.Parallel()
	e := endpoints{FerretDB: 1, MinIO: 2, FCM: 3, AccessKey: "key", SecretKey: `it's $HOME "`}
	path := filepath.Join(t.TempDir(), "env")
	if err := writeFile(path, []byte(e.env())); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `. "$0" && env`, path)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), "="); strings.HasPrefix(name, "GRID_") {
			got[name] = value
		}
	}
	want := map[string]string{
		"GRID_MONGO_URI":     "mongodb://127.0.0.1:1/",
		"GRID_S3_URL":        "http://127.0.0.1:2",
		"GRID_S3_ACCESS_KEY": "key",
		"GRID_S3_SECRET_KEY": `it's $HOME "`,
		"GRID_S3_BUCKET":     "gridwatch",
		"GRID_FCM_ENDPOINT":  "http://127.0.0.1:3",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}

func TestEndpointsAreRemembered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e, err := readEndpoints(dir)
	if err != nil || e != (endpoints{}) {
		t.Fatalf("no file: got %v, %v, want nothing", e, err)
	}
	e.MinIO = 20001
	if err := e.secrets(rand.Reader); err != nil {
		t.Fatal(err)
	}
	if err := e.write(dir); err != nil {
		t.Fatal(err)
	}
	again, err := readEndpoints(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.secrets(rand.Reader); err != nil {
		t.Fatal(err)
	}
	if again != e || e.AccessKey == "" || e.SecretKey == "" || e.AccessKey == e.SecretKey {
		t.Errorf("got %v, want %v with two keys", again, e)
	}
}

func TestChoosePort(t *testing.T) {
	t.Parallel()
	// Two random bytes make one draw: the first port drawn is 20000 + 0x0102,
	// the next 20000 + 0x0103.
	draws := func() *bytes.Reader { return bytes.NewReader([]byte{1, 2, 1, 3}) }
	tests := map[string]struct {
		port  int
		taken map[int]bool
		busy  int
		want  int
	}{
		"first start":            {want: 20258},
		"remembered":             {port: 21000, want: 21000},
		"remembered, now busy":   {port: 21000, busy: 21000, want: 20258},
		"remembered by two":      {port: 21000, taken: map[int]bool{21000: true}, want: 20258},
		"first draw is taken":    {taken: map[int]bool{20258: true}, want: 20259},
		"first draw is not free": {busy: 20258, want: 20259},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := choosePort(tt.port, tt.taken, draws(), func(p int) bool { return p != tt.busy })
			if err != nil || got != tt.want {
				t.Errorf("got %d, %v, want %d", got, err, tt.want)
			}
		})
	}
}

func TestPortIsFree(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if portIsFree(l.Addr().(*net.TCPAddr).Port) {
		t.Error("a port that is listened on counts as free")
	}
}
