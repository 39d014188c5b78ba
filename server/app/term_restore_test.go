package app_test

import (
	"crypto/rand"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gridwatch/server/app"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/storetest"
	"gridwatch/server/workflow"
)

// TestKeyThatABackupBringsBackIsDestroyed: of a backup whose parts were not of
// one moment the key of an envelope came back beside a report that was sealed
// away already, and stayed.
func TestKeyThatABackupBringsBackIsDestroyed(t *testing.T) {
	t.Parallel()
	w := start(t)
	d, _ := ended(t, w)
	w.restoredToday(t, d)
	before, err := w.store.Envelopes.Get(t.Context(), demo.Tenant, d.record().Envelope)
	if err != nil {
		t.Fatal(err)
	}
	if kept := w.terms(t, 60); kept.Archived != 1 || d.steals() {
		t.Fatalf("got %+v, want it sealed away", kept)
	}
	w.sets(t, "envelope", before.ID, "key", before.Key)
	if !d.steals() {
		t.Error("the thief does not read it: the test's thief is no good")
	}
	if _, err := w.app.Service().Sweep(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if d.steals() {
		t.Error("the key is still there")
	}
}

// TestReplayAfterAServerRanTooEarly: where a server had run on a restored
// database and erased something before the list was replayed, the list was taken
// for another installation's, and what it named stayed.
func TestReplayAfterAServerRanTooEarly(t *testing.T) {
	t.Parallel()
	w := start(t)
	first, _ := ended(t, w)
	w.restoredToday(t, first)
	for _, days := range []int{60, 800, 840} {
		w.terms(t, days)
	}
	second, _ := ended(t, w)
	w.restoredToday(t, second)
	w.terms(t, 60)
	backup := w.backup(t)
	for _, days := range []int{800, 840} {
		w.terms(t, days)
	}
	if r := second.record(); r.State != casefile.ReportErased {
		t.Fatalf("the second is %s", r.State)
	}
	list := filepath.Join(t.TempDir(), "erasures")
	if said, err := w.at(t, time.Now(), "erasures", "export", list); err != nil || said != "wrote 2 erasures\n" {
		t.Fatalf("export: %q, %v", said, err)
	}
	w.restore(t, backup)
	early := workflow.Erased{N: 2, Tenant: demo.Tenant, Report: newKey(t), Envelope: newKey(t), Day: "2026-03-02"}
	if err := w.store.Erasures.Insert(t.Context(), early); err != nil {
		t.Fatal(err)
	}
	for n, want := range []string{"2 erasures on the list, 1 reports erased again\n", "2 erasures on the list, 0 reports erased again\n"} {
		if said, err := w.at(t, time.Now(), "erasures", "replay", list); err != nil || said != want {
			t.Errorf("replay %d: got %q, %v, want %q", n+1, said, err, want)
		}
	}
	if r := second.record(); r.State != casefile.ReportErased || len(r.Sealed) > 0 || second.steals() {
		t.Errorf("the second is %s", r.State)
	}
	if all, err := w.store.Erasures.List(t.Context(), 0, 10); err != nil || len(all) != 3 {
		t.Errorf("got %d erasures on the list, %v, want all three", len(all), err)
	}
}

// TestSweepOfAWrongDatabaseRemovesNothing: a server that was started on an empty
// database, by a slip in its settings, took all evidence in the bucket for what
// nobody owns, and removed it within the hour.
func TestSweepOfAWrongDatabaseRemovesNothing(t *testing.T) {
	t.Parallel()
	w := start(t)
	d, _ := ended(t, w)
	d.settled()
	before := d.objects()
	wrong := "app_" + strings.ToLower(rand.Text())
	storetest.Connect(t, wrong)
	settings := slices.DeleteFunc(slices.Clone(w.settings), func(s string) bool { return strings.HasPrefix(s, "GRID_MONGO_DATABASE=") })
	var out buffer
	err := app.Command(t.Context(), []string{"sweep", "--older-than", "0s"}, append(settings, "GRID_MONGO_DATABASE="+wrong), app.System{
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &buffer{}, Now: time.Now, Random: rand.Reader,
	})
	if err == nil || !strings.Contains(err.Error(), "a tenant that this database does not have") {
		t.Errorf("the sweep says %q, %v", out.String(), err)
	}
	if after := d.objects(); before == 0 || after != before {
		t.Errorf("of %d objects %d are left", before, after)
	}
}
