package app_test

import (
	"bytes"
	"crypto/rand"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"gridwatch/server/app/demo"
	"gridwatch/server/config"
)

var update = flag.Bool("update", false, "write the golden files and the tables of README")

// TestFlow plays the whole flow by HTTP, from a report with a photo to a paid
// award, for every fine that the scheme treats in its own way. What is expected
// of each step stands in the play itself.
func TestFlow(t *testing.T) {
	t.Parallel()
	w := start(t)
	for _, row := range []struct {
		fines []int64 // yuan: of the unit, and of a person
		want  string  // the award, yuan
	}{
		{[]int64{10_000}, "3,000.00"},      // floor
		{[]int64{50_000}, "7,500.00"},      // 15 %
		{[]int64{2_500_000}, "300,000.00"}, // cap
		{[]int64{100_000, 30_000}, "19,500.00"},
	} {
		var out bytes.Buffer
		err := demo.Play(t.Context(), demo.PlayDeps{
			BaseURL: w.base, FCM: w.fcmURL, Dir: w.dir, Fines: row.fines, Out: &out, Now: time.Now, Random: rand.Reader, HTTP: w.http,
		})
		if err != nil {
			t.Fatalf("fines %v: %v\n%s", row.fines, err, out.String())
		}
		if want := fmt.Sprintf("reward %s yuan", row.want); !strings.Contains(out.String(), want) {
			t.Errorf("fines %v: the play does not end with %q", row.fines, want)
		}
	}
	if errors := strings.Count(w.logs.String(), `"level":"ERROR"`); errors > 0 {
		t.Errorf("got %d errors in the log:\n%s", errors, w.logs)
	}
}

// TestReadmeTellsEverySetting keeps the configuration table of README true.
func TestReadmeTellsEverySetting(t *testing.T) {
	t.Parallel()
	const path, head, foot = "../../README.md", "| --- | --- | --- |\n| `GRID_", "\n\n## Operation"
	var table strings.Builder
	for _, row := range config.Table() {
		name := "`" + row.Name + "`"
		if row.Secret {
			name += " (secret)"
		}
		standard := ""
		if row.Default != "" {
			standard = "`" + row.Default + "`"
		}
		fmt.Fprintf(&table, "| %s | %s | %s |\n", name, standard, row.Meaning)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	begin := strings.Index(readme, head) + strings.Index(head, "| `GRID_")
	end := strings.Index(readme, foot) + 1
	if begin < strings.Index(head, "| `GRID_") || end <= begin {
		t.Fatal("README has no configuration table")
	}
	if readme[begin:end] == table.String() {
		return
	}
	if !*update {
		t.Fatal("the configuration table of README is not that of server/config; run: go test ./server/app -run Readme -update")
	}
	if err := os.WriteFile(path, []byte(readme[:begin]+table.String()+readme[end:]), 0o600); err != nil {
		t.Fatal(err)
	}
}
