// Package agetest lets tests use the age command line, by which envelopes open
// without this program.
package agetest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Command installs the age command line of the version in go.mod, in a module
// of its own: it needs more than the library does. What it returns runs it and
// gives what it writes.
func Command(t *testing.T) func(stdin []byte, args ...string) []byte {
	t.Helper()
	version, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Version}}", "filippo.io/age").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	install := exec.CommandContext(t.Context(), "go", "install", "filippo.io/age/cmd/age@"+string(bytes.TrimSpace(version))) //nolint:gosec // the version that go.mod names
	install.Env = append(os.Environ(), "GOBIN="+dir)
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("install the age command, which needs the module proxy once: %v\n%s", err, out)
	}
	return func(stdin []byte, args ...string) []byte {
		t.Helper()
		var out, said bytes.Buffer
		run := exec.CommandContext(t.Context(), filepath.Join(dir, "age"), args...) //nolint:gosec // a test gives them
		run.Stdin, run.Stdout, run.Stderr = bytes.NewReader(stdin), &out, &said
		if err := run.Run(); err != nil {
			t.Fatalf("age %v: %v\n%s", args, err, said.String())
		}
		return out.Bytes()
	}
}
