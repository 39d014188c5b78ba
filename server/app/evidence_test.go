package app_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/image/draw"

	"gridwatch/media"
	"gridwatch/media/mediatest"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/workflow"
)

// fetch downloads a file as somebody.
func (d *docket) fetch(login, path string) []byte {
	d.t.Helper()
	a, err := d.w.as(d.t, login).Do(d.t.Context(), apiclient.Call{Method: http.MethodGet, Path: path}, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	return a.Body
}

// acts are what an item's chain tells, in order.
func (d *docket) acts(item string) []casefile.CustodyAct {
	d.t.Helper()
	chain, err := d.w.store.Chains.List(d.t.Context(), demo.Tenant, item, 0, 100)
	if err != nil {
		d.t.Fatal(err)
	}
	var acts []casefile.CustodyAct
	for i, e := range chain {
		if e.N != i+1 {
			d.t.Errorf("link %d has number %d", i+1, e.N)
		}
		if e.By == "reporter" && !e.At.IsZero() {
			d.t.Errorf("the chain has the time of day of a reporter's act: %v", e)
		}
		acts = append(acts, e.Act)
	}
	return acts
}

// handled is acts without the copies, which are made meanwhile.
func (d *docket) handled(item string) []casefile.CustodyAct {
	d.t.Helper()
	return slices.DeleteFunc(d.acts(item), func(a casefile.CustodyAct) bool { return a == casefile.CustodyDerive })
}

func sizeOf(t *testing.T, picture []byte) image.Point {
	t.Helper()
	m, err := jpeg.DecodeConfig(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	return image.Pt(m.Width, m.Height)
}

// TestReleaseIsCutTakenBackAndHandedOn plays what a desk does with an item
// before and after somebody was given it.
func TestReleaseIsCutTakenBackAndHandedOn(t *testing.T) {
	t.Parallel()
	d := newDocket(t, start(t), casefile.Anonymous, casefile.MajorHazard).accept().confirm().describe()
	item := d.photographed("canary-release")
	path := d.path("/evidence/" + item)
	whole := sizeOf(t, d.fetch("desk2", path))
	d.refused("desk2", path+"/release", object{"crop": object{"x": 0, "y": 0, "w": whole.X + 1, "h": 1}}, "evidence.rectangle")

	d.do("desk2", path+"/withdraw", nil, casefile.ReportAccepted)
	if a, _ := d.w.as(t, "desk2").Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: path}, nil); a.Status != http.StatusNotFound {
		t.Errorf("got %d for a copy that was taken back", a.Status)
	}
	d.refused("desk2", path+"/withdraw", nil, "evidence.not_released")
	d.do("desk2", path+"/release", object{
		"crop": object{"x": 0, "y": 0, "w": whole.X / 2, "h": whole.Y}, "hide": []object{{"x": 1, "y": 1, "w": 9, "h": 9, "pixelate": true}}, "onSite": true,
	}, casefile.ReportAccepted)
	if got := sizeOf(t, d.fetch("desk2", path)); got.X != whole.X/2 || got.Y != whole.Y {
		t.Errorf("got a copy of %v, want half of %v", got, whole)
	}
	if got := sizeOf(t, d.fetch("desk2", path+"?copy=display")); got != whole {
		t.Errorf("got %v of the display copy, want %v", got, whole)
	}

	d.assign()
	d.refused("desk2", path+"/withdraw", nil, "evidence.handed_on")
	d.refused("desk2", path+"/release", object{}, "evidence.handed_on")
	var task struct {
		Evidence []struct {
			ID     string
			OnSite bool
		}
	}
	d.get(d.patroler, "/v1/field/tasks/"+d.patrol, &task)
	if len(task.Evidence) != 1 || !task.Evidence[0].OnSite {
		t.Fatalf("got %+v, want the item with its flag", task)
	}
	mine := d.fetch(d.patroler, "/v1/field/tasks/"+d.patrol+"/evidence/"+item)
	if desk := d.fetch("desk2", path); bytes.Equal(mine, desk) {
		t.Error("two viewers were shown the same bytes: no stamp")
	}
	want := []casefile.CustodyAct{
		casefile.CustodyStore, casefile.CustodyDerive, casefile.CustodyRelease, casefile.CustodyView, casefile.CustodyWithdraw,
		casefile.CustodyDelete, casefile.CustodyRelease, casefile.CustodyView, casefile.CustodyView,
	}
	awaited(t, "the chain", func() bool { return len(d.acts(item)) >= len(want) })
	got := d.acts(item)
	for _, act := range want {
		at := slices.Index(got, act)
		if at < 0 {
			t.Errorf("got %v, want each of %v", got, want)
			break
		}
		got = slices.Delete(got, at, at+1)
	}
}

// saveWithPhoto ends the patrol with a picture taken at the place.
func (d *docket) saveWithPhoto() string {
	d.t.Helper()
	text, err := json.Marshal(object{"findings": d.findings(casefile.Substantiated), "note": "seen", "position": d.place()})
	if err != nil {
		d.t.Fatal(err)
	}
	photo := mediatest.Picture(mediatest.Options{Width: 96, Height: 64, Make: "Maker", Time: time.Now()})
	if err := d.send(d.patroler, apiclient.Call{
		Method: http.MethodPost, Path: "/v1/field/tasks/" + d.patrol + "/result", Key: newKey(d.t),
		Form: new(apiclient.Form).JSON("result", text).File("evidence", "gate.jpg", "image/jpeg", photo),
	}, nil); err != nil {
		d.t.Fatal(err)
	}
	var task struct {
		Evidence []struct{ ID string }
	}
	d.get("desk2", "/v1/office/tasks/"+d.patrol, &task)
	awaited(d.t, "the chain of the patrol's picture", func() bool {
		return slices.Equal(d.handled(task.Evidence[0].ID), []casefile.CustodyAct{casefile.CustodyStore, casefile.CustodyLock})
	})
	return task.Evidence[0].ID
}

// TestExportIsCheckedOffline exports a report's released copies and a task's
// originals, before the day's checkpoint and after the next, and checks both
// without a server.
func TestExportIsCheckedOffline(t *testing.T) {
	t.Parallel()
	w := start(t)
	d := newDocket(t, w, casefile.Anonymous, casefile.MajorHazard).accept().confirm().describe()
	item := d.photographed("canary-export")
	d.assign()
	d.saveWithPhoto()
	key, _ := w.logKey(t)
	awaited(t, "the chain", func() bool { return len(d.acts(item)) >= 3 })

	file := filepath.Join(t.TempDir(), "evidence.zip")
	verify := func(archive []byte) (string, error) {
		if err := os.WriteFile(file, archive, 0o600); err != nil {
			t.Fatal(err)
		}
		return w.command(t, "", "evidence", "verify", "--key", key, file)
	}
	archives := map[string]string{"report": d.path("/export"), "task": "/v1/office/tasks/" + d.patrol + "/export"}
	for name, path := range archives {
		if out, err := verify(d.fetch("desk2", path)); err != nil || !strings.Contains(out, "waits for the checkpoint") {
			t.Errorf("%s, before the checkpoint: %v\n%s", name, err, out)
		}
	}
	awaited(t, "all leaves", func() bool {
		waiting, err := w.store.Audit.Waiting(t.Context(), 1)
		return err == nil && len(waiting) == 0
	})
	w.tomorrow(t, 1)
	for name, path := range archives {
		archive := d.fetch("desk2", path)
		out, err := verify(archive)
		if err != nil || !strings.Contains(out, "the archive holds") || !strings.Contains(out, "checkpoint of") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if bytes.Contains(archive, []byte("canary-export")) {
			t.Errorf("%s: the archive has metadata of the reporter's camera", name)
		}
		at := bytes.Index(archive, []byte("items/")) + 200
		archive[at] ^= 1
		if out, err := verify(archive); err == nil || !strings.Contains(out, "FAULT: items/") {
			t.Errorf("%s, a byte flipped: %v\n%s", name, err, out)
		}
		if out, err := verify(archive[:len(archive)/2]); err == nil || !strings.Contains(out, "cut off") {
			t.Errorf("%s, cut off: %v\n%s", name, err, out)
		}
	}
}

// TestExportBrokeOffUnsaid: an export of which a file is gone from the store, or
// that nobody reads to its end, ended early without a word. Who reads it gets no
// whole archive, and the log says that one broke off and nothing of which.
func TestExportBrokeOffUnsaid(t *testing.T) {
	t.Parallel()
	w := start(t)
	d := newDocket(t, w, casefile.Anonymous, casefile.MajorHazard).accept().confirm().describe()
	item := d.photographed("canary-export")
	broken := func() (lines []string) {
		for line := range strings.Lines(w.logs.String()) {
			if strings.Contains(line, "an export broke off") {
				lines = append(lines, line)
			}
		}
		return lines
	}
	desk := casefile.Actor{Tenant: demo.Tenant, Person: demo.Tenant + "-desk2", Posts: []casefile.Post{{Role: casefile.DeskOfficer, Area: "220182000000"}}}
	var left workflow.Original
	awaited(t, "the chain to tell of the copy", func() (told bool) {
		var err error
		if left, err = w.app.Service().ExportReport(t.Context(), desk, d.report); err != nil && fault.CodeOf(err) != "evidence.chain_behind" {
			t.Fatal(err)
		}
		return err == nil
	})
	if _, err := io.ReadFull(left, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	awaited(t, "word of the export that was left", func() bool { return len(broken()) == 1 })

	e, _ := casefile.FindEvidence(d.record().Evidence, item)
	shown, _ := e.Copy(e.Shown())
	if err := w.ingest().Delete(t.Context(), media.Ref{Object: shown.Object, Parts: shown.Parts}); err != nil {
		t.Fatal(err)
	}
	_, err := w.as(t, "desk2").Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: d.path("/export")}, nil)
	if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) { // before anything of it was on its way
		t.Errorf("got %v, want an answer that is cut off", err)
	}
	awaited(t, "word of the export that was cut off", func() bool { return len(broken()) >= 2 }) // the client may ask again by itself
	for _, line := range broken() {
		var said map[string]any
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			t.Fatal(err)
		}
		if said["level"] != "WARN" || len(said) != 4 {
			t.Errorf("got %s, want time, level, message and code alone", line)
		}
	}
}

// yard is a picture with structure: another one for another seed.
func yard(seed uint64) *image.RGBA {
	r := rand.New(rand.NewPCG(seed, 3))
	m := image.NewRGBA(image.Rect(0, 0, 640, 480))
	for i := range m.Pix {
		m.Pix[i] = uint8(60 + i/9000%120)
	}
	for range 24 {
		box := image.Rect(0, 0, 40+r.IntN(200), 40+r.IntN(160)).Add(image.Pt(r.IntN(600), r.IntN(440)))
		tone := uint8(r.IntN(256))
		draw.Draw(m, box, image.NewUniform(color.RGBA{R: tone, G: tone / 2, B: 255 - tone, A: 255}), image.Point{}, draw.Src)
	}
	return m
}

func encoded(t *testing.T, m image.Image, quality int) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, m, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestNearCopyIsFlaggedToTheDesk sends a photo, and in another report the same
// one cut by a twentieth, half as large and badly compressed.
func TestNearCopyIsFlaggedToTheDesk(t *testing.T) {
	t.Parallel()
	w := start(t)
	whole := yard(1)
	cut := whole.SubImage(image.Rect(16, 12, 640-16, 480-12))
	small := image.NewRGBA(image.Rect(0, 0, 304, 228))
	draw.ApproxBiLinear.Scale(small, small.Rect, cut, cut.Bounds(), draw.Src, nil)
	sent := func(photo []byte) (*docket, string) {
		d := newDocket(t, w, casefile.Anonymous, casefile.MajorHazard).accept().confirm().describe()
		return d, d.sends(photo)
	}
	first, _ := sent(encoded(t, whole, 90))
	other, otherItem := sent(encoded(t, yard(2), 90))
	second, item := sent(encoded(t, small, 40))
	type verdict struct {
		Kind, Report string
		N            int
	}
	seen := func(d *docket, item string) []verdict {
		var report struct {
			Evidence []struct {
				ID   string
				Seen []verdict
			}
		}
		d.get("desk2", d.path(""), &report)
		for _, e := range report.Evidence {
			if e.ID == item {
				return e.Seen
			}
		}
		return nil
	}
	awaited(t, "the verdict", func() bool { return len(seen(second, item)) > 0 })
	if got := seen(second, item); len(got) != 1 || got[0] != (verdict{"same_picture", first.report, 1}) {
		t.Errorf("got %+v, want the first report", got)
	}
	if got := seen(other, otherItem); len(got) != 0 {
		t.Errorf("got %+v of another picture", got)
	}
}

// TestLegalHold keeps an item whatever its term, and lifts the hold.
func TestLegalHold(t *testing.T) {
	t.Parallel()
	d := newDocket(t, start(t), casefile.Anonymous, casefile.MajorHazard).accept().confirm().describe().assign()
	item := d.saveWithPhoto()
	path, why := "/v1/office/tasks/"+d.patrol+"/evidence/"+item, object{"reason": "court_order"}
	d.refused("leader1", path+"/lift", why, "evidence.hold")
	d.do("leader1", path+"/hold", why, casefile.TaskDone)
	d.refused("leader1", path+"/hold", why, "evidence.hold")
	d.do("leader1", path+"/lift", why, casefile.TaskDone)
	want := []casefile.CustodyAct{casefile.CustodyStore, casefile.CustodyLock, casefile.CustodyHold, casefile.CustodyLift}
	awaited(t, "the chain", func() bool { return slices.Equal(d.handled(item), want) })
	if len(d.fetch("desk2", path)) == 0 {
		t.Error("the original is gone")
	}
}
