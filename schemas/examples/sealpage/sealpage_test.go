package sealpage

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "make dist anew")

// build returns the files of dist as the sources make them.
func build(t *testing.T) map[string]string {
	t.Helper()
	esbuild := exec.CommandContext(t.Context(), "node_modules/.bin/esbuild", "page.js", "--bundle", "--minify", "--format=iife",
		"--target=es2020", "--charset=utf8", "--legal-comments=none", "--log-level=warning")
	var said bytes.Buffer
	esbuild.Stderr = &said
	script, err := esbuild.Output()
	if err != nil {
		t.Fatalf("esbuild: %v; make tools installs it\n%s", err, said.String())
	}
	style, err := os.ReadFile("page.css")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("index.html")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"index.html": string(page)}
	for name, content := range map[string][]byte{"page.js": script, "page.css": style} {
		sum := sha256.Sum256(content)
		base, ext, _ := strings.Cut(name, ".")
		hashed := fmt.Sprintf("%s-%s.%s", base, hex.EncodeToString(sum[:6]), ext)
		bound := fmt.Sprintf("%q integrity=%q", hashed, "sha256-"+base64.StdEncoding.EncodeToString(sum[:]))
		files["index.html"] = strings.Replace(files["index.html"], `"`+name+`"`, bound, 1)
		files[hashed] = string(content)
	}
	return files
}

// What is served is what the sources and the locked libraries make, byte for
// byte, so that anyone can find out what the page does.
func TestDistIsBuiltFromTheSources(t *testing.T) {
	t.Parallel()
	want := build(t)
	if *update {
		if err := os.RemoveAll("dist"); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir("dist", 0o750); err != nil {
			t.Fatal(err)
		}
		for name, content := range want {
			if err := os.WriteFile(filepath.Join("dist", name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := map[string]string{}
	entries, err := os.ReadDir("dist")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join("dist", e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got[e.Name()] = string(content)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Fatalf("go test ./schemas/examples/sealpage -update makes dist anew (-want +got):\n%s", diff)
	}
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("dist/%s is not what the sources make; go test ./schemas/examples/sealpage -update makes it anew", name)
		}
	}
}
