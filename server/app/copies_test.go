package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gridwatch/media"
	"gridwatch/media/cliptest"
	"gridwatch/media/mediatest"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/workflow"
)

const filmCanary = "CANARY-film-51c7"

// hands adds files behind the receipt.
func (d *docket) hands(files ...[]byte) {
	d.t.Helper()
	form := new(apiclient.Form)
	for _, f := range files {
		form.File("evidence", "a.jpg", "image/jpeg", f) // whatever it is
	}
	call := apiclient.Call{Method: http.MethodPost, Path: "/v1/receipt/evidence", Key: newKey(d.t), Form: form}
	if _, err := d.holder().Do(d.t.Context(), call, nil); err != nil {
		d.t.Fatal(err)
	}
}

// settled waits until a report's items have their copies or were rejected.
func (d *docket) settled() *casefile.Report {
	d.t.Helper()
	var r *casefile.Report
	awaited(d.t, "the copies", func() bool {
		var err error
		if r, err = d.w.store.Reports.Get(d.t.Context(), demo.Tenant, d.report); err != nil {
			d.t.Fatal(err)
		}
		return !slices.ContainsFunc(r.Evidence, func(e casefile.Evidence) bool { return e.State == casefile.EvidenceVerified })
	})
	return r
}

// Everything that a reporter sends gets its clean copies outside the request,
// or a reason why not; handlers see number, kind and state.
func TestCopiesAreMadeOutsideTheRequest(t *testing.T) {
	t.Parallel()
	d := newDocket(t, start(t), casefile.ByCode, casefile.IllegalAct)
	own := len(d.settled().Evidence)
	d.hands(
		mediatest.Picture(mediatest.Options{Width: 96, Height: 64, Serial: filmCanary, Orientation: 6}),
		cliptest.Film(t, "mp4", filmCanary, 1), cliptest.Sound(t, "wav", filmCanary, 1),
	)
	d.hands([]byte("%PDF-1.7\n"+filmCanary), append([]byte("\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isomiso2"), filmCanary...))
	r := d.settled()

	got := []string{}
	for _, e := range r.Evidence[own:] {
		line := string(e.Kind) + " " + string(e.State) + " " + e.Reason
		for _, c := range e.Copies {
			line += " " + string(c.Kind) + ":" + c.Type
		}
		got = append(got, line)
	}
	want := []string{
		"photo derived  display:image/jpeg thumbnail:image/jpeg",
		"video derived  video:video/mp4 poster:image/jpeg thumbnail:image/jpeg",
		"audio derived ", // the policy lets no voice of a reporter be heard
		"document rejected evidence.broken",
		"video rejected evidence.broken",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, e := range r.Timeline {
		if e.Command == "derive_item" && !e.At.Equal(e.At.Truncate(time.Hour)) {
			t.Errorf("a copy tells the time of day: %s", e.At)
		}
	}
	for _, e := range r.Evidence[own:] {
		for _, c := range e.Copies {
			body := d.w.copied(t, r, e, c)
			if bytes.Contains(body, []byte(filmCanary)) {
				t.Errorf("%s holds the canary", c.Kind)
			}
			if c.Kind == casefile.VideoCopy && strings.Contains(cliptest.Tags(t, body), "AudioChannels") {
				t.Error("the reporter's voice is in the film's copy")
			}
		}
	}
	d.w.nothingLeft(t, filmCanary)
	if swept, err := d.w.app.Service().Sweep(t.Context(), 0); err != nil || swept.Objects != 0 {
		t.Errorf("the sweep found %d objects of nobody, %v", swept.Objects, err)
	}
}

// copied returns a copy in clear.
func (w *world) copied(t *testing.T, r *casefile.Report, e casefile.Evidence, c casefile.Copy) []byte {
	t.Helper()
	at, _ := media.PlaceOf(c.Object)
	s := w.app.Service()
	key, err := s.Keyring.OpenDataKey(media.Place{Tenant: r.Tenant, Record: at.Record, Item: e.ID}.String()+"/copies", e.CopyKey)
	if err != nil {
		t.Fatal(err)
	}
	body, err := s.Media.Read(t.Context(), media.Ref{Object: c.Object, Parts: c.Parts}, key, at)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	all, err := io.ReadAll(body)
	if err != nil || int64(len(all)) != c.Size {
		t.Fatalf("%s: got %d bytes of %d, %v", c.Kind, len(all), c.Size, err)
	}
	return all
}

// nothingLeft wants no job to wait and no file to be in the scratch folder that
// this world's evidence is in.
func (w *world) nothingLeft(t *testing.T, canary string) {
	t.Helper()
	w.copiersRest(t)
	if left := inScratch(t, canary); left != "" {
		t.Errorf("evidence is left in %s", left)
	}
}

// inScratch returns the folder of the job whose file holds a canary.
func inScratch(t *testing.T, canary string) string {
	t.Helper()
	files, err := filepath.Glob("/dev/shm/gridwatch-*/gridwatch-job-*/in")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && bytes.Contains(b, []byte(canary)) {
			return filepath.Dir(f)
		}
	}
	return ""
}

// What isolation is in force is said where operators look.
func TestReadySaysTheIsolation(t *testing.T) {
	t.Parallel()
	w := start(t)
	answer, err := apiclient.Client{Base: w.ops, HTTP: w.http}.Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/readyz"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var states map[string]string
	if err := json.Unmarshal(answer.Body, &states); err != nil || states["isolation"] != "bwrap" {
		t.Errorf("got %s, want isolation bwrap (make tools installs it)", answer.Body)
	}
}

// A server that is killed in the middle of a film leaves the job to the next
// one: the copies are made once, and nothing is left of the first try.
func TestCopiesOutliveAKill(t *testing.T) {
	t.Parallel()
	w := apart(t)
	server := launch(t, program(t), w.settings, "serve")
	w.ready(t)
	d := newDocket(t, w, casefile.ByCode, casefile.IllegalAct)
	const canary = "CANARY-killed-80d2"
	d.hands(cliptest.Film(t, "mp4", canary, 40))
	awaited(t, "the film to be worked on", func() bool {
		dir := inScratch(t, canary)
		_, err := os.Stat(filepath.Join(dir, "film.mp4"))
		return dir != "" && err == nil
	})
	server.end(t, syscall.SIGKILL)
	launch(t, program(t), w.settings, "serve")
	w.ready(t)
	r := d.settled()
	film := r.Evidence[len(r.Evidence)-1]
	if film.State != casefile.EvidenceDerived || len(film.Copies) != 3 {
		t.Errorf("got %s %s with %d copies", film.State, film.Reason, len(film.Copies))
	}
	entered := 0
	for _, e := range r.Timeline {
		if e.Command == "derive_item" && e.Ref == film.ID {
			entered++
		}
	}
	if entered != 1 {
		t.Errorf("the copies were entered %d times", entered)
	}
	w.nothingLeft(t, canary)
}

// A job whose item is gone, or has its copies, is done; one that two processes
// see is worked on once.
func TestCopyJobsAreIdempotent(t *testing.T) {
	t.Parallel()
	w := start(t)
	d := newDocket(t, w, casefile.ByCode, casefile.IllegalAct)
	d.hands(mediatest.Picture(mediatest.Options{Width: 96, Height: 64}))
	r := d.settled()
	item := r.Evidence[len(r.Evidence)-1]
	for _, j := range []workflow.CopyJob{
		{ID: r.ID + ":" + item.ID, Kind: "report", Record: r.ID, Item: item.ID},
		{ID: "gone:1", Kind: "report", Record: "gone", Item: "1"},
		{ID: r.ID + ":gone", Kind: "report", Record: r.ID, Item: "gone"},
		{ID: "gone:2", Kind: "task", Record: "gone", Item: "2"},
	} {
		j.Tenant, j.Lane = demo.Tenant, workflow.PhotoLane
		if err := w.store.CopyJobs.Add(context.WithoutCancel(t.Context()), j); err != nil {
			t.Fatal(err)
		}
	}
	w.nothingLeft(t, "no file holds this")
	again := d.settled()
	if again.Version != r.Version || !slices.Equal(again.Evidence[len(again.Evidence)-1].Copies, item.Copies) {
		t.Errorf("the record went from version %d to %d", r.Version, again.Version)
	}
}
