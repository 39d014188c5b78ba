package app_test

import (
	"os/exec"
	"strings"
	"testing"
)

// layers are the packages of this module from the top to the bottom: a package
// imports only from lower layers. media, notify and schemas are libraries that
// import nothing of the application.
var layers = [][]string{
	{"server"},
	{"server/app"},
	{"server/app/demo"},
	{"server/app/custody"},
	{"server/app/apiclient"},
	{"mobileapi", "server/console", "server/mongostore"},
	{"mobileapi/hotline", "mobileapi/inspector", "mobileapi/session", "mobileapi/tus"},
	{"mobileapi/citizen"},
	{"mobileapi/intake"},
	{"mobileapi/wire"},
	{"server/web", "server/workflow", "server/config"}, // none imports another
	{"server/web/work"},
	{"server/audit/exhibit"},
	{"server/vault", "server/grid", "server/dispatch", "server/reward", "server/audit"},
	{"server/casefile"},
	{"server/fault"},
}

// libraries may be imported from anywhere in the application.
var libraries = []string{"media", "notify", "schemas"}

// tools are programs and test support that only need to build.
var tools = []string{"server/canarytest", "server/devstack", "server/grid/demogrids", "server/reward/rewardtest", "server/storetest", "server/vault/agetest"}

func layerOf(pkg string) int {
	for i, layer := range layers {
		for _, name := range layer {
			if pkg == name {
				return i
			}
		}
	}
	return -1
}

func under(pkg string, roots []string) bool {
	for _, root := range roots {
		if pkg == root || strings.HasPrefix(pkg, root+"/") {
			return true
		}
	}
	return false
}

// TestImportsPointInwards walks the imports of every package.
func TestImportsPointInwards(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "gridwatch/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(strings.ReplaceAll(line, "gridwatch/", "./"))
		pkg := strings.TrimPrefix(words[0], "./")
		seen++
		if under(pkg, tools) {
			continue
		}
		for _, imported := range words[1:] {
			name, ours := strings.CutPrefix(imported, "./")
			if !ours {
				continue
			}
			checkImport(t, pkg, name)
		}
	}
	if seen < 20 {
		t.Errorf("got %d packages, want the whole module", seen)
	}
}

func checkImport(t *testing.T, pkg, name string) {
	t.Helper()
	switch {
	case under(pkg, libraries):
		if !under(name, libraries) || strings.Split(pkg, "/")[0] != strings.Split(name, "/")[0] {
			t.Errorf("%s imports %s: a library imports nothing of the application or of other libraries", pkg, name)
		}
	case under(name, libraries):
	case layerOf(pkg) < 0 || layerOf(name) < 0:
		t.Errorf("%s imports %s: one of them has no place in the layers of this test", pkg, name)
	case layerOf(pkg) >= layerOf(name):
		t.Errorf("%s imports %s: imports point inwards", pkg, name)
	}
}
