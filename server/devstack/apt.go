package main

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A source is one archive that apt of this machine reads packages from.
type source struct {
	uris, suites, components []string
}

// parseOneLine reads the lines of a sources.list file.
func parseOneLine(text string) []source {
	var found []source
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != "deb" {
			continue
		}
		words = words[1:]
		if len(words) > 0 && strings.HasPrefix(words[0], "[") {
			end := slices.IndexFunc(words, func(w string) bool { return strings.HasSuffix(w, "]") })
			words = words[end+1:]
		}
		if len(words) >= 3 {
			found = append(found, source{uris: words[:1], suites: words[1:2], components: words[2:]})
		}
	}
	return found
}

// parseDeb822 reads the stanzas of a .sources file.
func parseDeb822(text string) []source {
	var found []source
	stanza := map[string][]string{}
	flush := func() {
		if slices.Contains(stanza["types"], "deb") && !slices.Equal(stanza["enabled"], []string{"no"}) {
			found = append(found, source{stanza["uris"], stanza["suites"], stanza["components"]})
		}
		stanza = map[string][]string{}
	}
	field := ""
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			flush()
		case line[0] == ' ' || line[0] == '\t':
			stanza[field] = append(stanza[field], strings.Fields(line)...)
		default:
			name, value, _ := strings.Cut(line, ":")
			field = strings.ToLower(strings.TrimSpace(name))
			stanza[field] = strings.Fields(value)
		}
	}
	flush()
	return found
}

// debianMirror picks, out of apt's own sources, the archive that has the
// machine's release with the component main. The same archive has sid.
func debianMirror(codename string, sources []source) (string, error) {
	for _, s := range sources {
		if !slices.Contains(s.suites, codename) || !slices.Contains(s.components, "main") {
			continue
		}
		for _, uri := range s.uris {
			if strings.HasPrefix(uri, "http://") || strings.HasPrefix(uri, "https://") {
				return uri, nil
			}
		}
	}
	return "", errors.New("apt's sources name no Debian archive; " + elsewhere)
}

// aptSources reads the sources that apt keeps under dir, which is /etc/apt.
func aptSources(dir string) ([]source, error) {
	var found []source
	for pattern, parse := range map[string]func(string) []source{
		"sources.list":             parseOneLine,
		"sources.list.d/*.list":    parseOneLine,
		"sources.list.d/*.sources": parseDeb822,
	} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			found = append(found, parse(string(text))...)
		}
	}
	return found, nil
}

// codename reads the name of the release out of an os-release file.
func codename(osRelease string) string {
	for line := range strings.Lines(osRelease) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "VERSION_CODENAME="); ok {
			return strings.Trim(name, `"`)
		}
	}
	return ""
}
