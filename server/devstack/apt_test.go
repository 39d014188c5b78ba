package main

import (
	"os"
	"path/filepath"
	"testing"
)

const oneLine = `# the archive
deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] https://tools.example/apt bookworm contrib # not main
deb-src http://sources.example/debian bookworm main
deb cdrom:[Debian]/ bookworm main
deb http://mirror.example/debian bookworm main contrib
deb
`

const deb822 = `Types: deb
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main

# Turned off.
Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb deb-src
URIs:
 mirror+file:/etc/apt/mirrors
# in the middle
 https://deb.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`

func TestDebianMirror(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		files map[string]string
		want  string
	}{
		"one line":        {map[string]string{"sources.list": oneLine}, "http://mirror.example/debian"},
		"one line in dir": {map[string]string{"sources.list.d/a.list": oneLine}, "http://mirror.example/debian"},
		"deb822":          {map[string]string{"sources.list.d/a.sources": deb822}, "https://deb.example/debian"},
		"other release":   {map[string]string{"sources.list": "deb http://mirror.example/debian trixie main\n"}, ""},
		"no file":         {nil, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, text := range tt.files {
				path := filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			sources, err := aptSources(dir)
			if err != nil {
				t.Fatal(err)
			}
			got, err := debianMirror("bookworm", sources)
			if got != tt.want || (err != nil) != (tt.want == "") {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestCodename(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"ID=debian\nVERSION_CODENAME=bookworm\n": "bookworm",
		"VERSION_CODENAME=\"trixie\"":            "trixie",
		"ID=other\n":                             "",
	} {
		if got := codename(text); got != want {
			t.Errorf("codename(%q): got %q, want %q", text, got, want)
		}
	}
}
