package casefile_test

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// TestEveryRuleNamedIsListed: whoever reads a number or the name of a document
// in the code finds it in the repository.
func TestEveryRuleNamedIsListed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("RULES.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^(?:\| (R\d+[a-z]?) \||(\d+)\.)`).FindAllStringSubmatch(string(text), -1) {
		listed[m[1]+m[2]] = true
	}
	rules := regexp.MustCompile(`\bR\d{1,2}[a-z]?\b`)
	principles := regexp.MustCompile(`confidentiality (\d+)(?:(?:,| and) (\d+))*`)
	documents := regexp.MustCompile(`[\w-]+\.md\b`)
	files, seen := os.DirFS("../.."), 0
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || (name != "." && strings.HasPrefix(d.Name(), "."))):
			return fs.SkipDir
		case path.Ext(name) != ".go":
			return nil
		}
		source, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		named := rules.FindAllString(string(source), -1)
		for _, m := range principles.FindAllStringSubmatch(string(source), -1) {
			for _, n := range m[1:] {
				if n != "" {
					named = append(named, n)
				}
			}
		}
		for _, n := range named {
			seen++
			if !listed[n] {
				t.Errorf("%s names %s, which RULES.md does not list", name, n)
			}
		}
		for _, doc := range documents.FindAllString(string(source), -1) {
			_, beside := fs.Stat(files, path.Join(path.Dir(name), doc))
			if _, above := fs.Stat(files, doc); beside != nil && above != nil {
				t.Errorf("%s names %s, which is not there", name, doc)
			}
		}
		return nil
	})
	if err != nil || seen < 100 {
		t.Errorf("%d rules are named, %v", seen, err)
	}
}
