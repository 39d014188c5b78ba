package app_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"gridwatch/media"
	"gridwatch/media/blob"
	"gridwatch/media/cliptest"
	"gridwatch/media/mediatest"
	"gridwatch/mobileapi/tus"
	"gridwatch/mobileapi/wire"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
)

// oneSegment announces a segment of a minute.
func oneSegment(n, size int) map[string]any {
	return map[string]any{"n": n, "size": size, "startedAt": "2026-03-02T01:00:00Z", "offsetMs": (n - 1) * 60_000, "durationMs": 60_000}
}

// sendSegment sends a segment under its right, in one piece, and returns the
// path of its upload.
func (w *world) sendSegment(t *testing.T, c apiclient.Client, right string, content []byte) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.base+tus.Path, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Tus-Resumable": "1.0.0", "Authorization": "Bearer " + c.Token, "Content-Type": tus.Type, "Upload-Length": strconv.Itoa(len(content)),
		"Upload-Metadata": "right " + base64.StdEncoding.EncodeToString([]byte(right)),
	} {
		req.Header.Set(name, value)
	}
	res, err := w.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("got %d, %v", res.StatusCode, err)
	}
	return res.Header.Get("Location")
}

// record opens a recording of the inspection and sends its one segment, and a
// photo.
func (c *filedCase) record() {
	c.t.Helper()
	path := "/v1/field/tasks/" + c.ids["inspection"] + "/recordings"
	c.ids["taken"] = c.take(mediatest.Picture(mediatest.Options{}))
	c.ids["recording"] = c.do("enforcer1", path, doc{"kind": "video"}).Ref
	film := cliptest.Film(c.t, "mp4", "CANARY-recording", 1)
	var out wire.Announced
	_, err := c.client("enforcer1").Do(c.t.Context(), apiclient.Call{
		Method: http.MethodPost, Path: path + "/" + c.ids["recording"] + "/segments", Key: freshKey(), Body: oneSegment(1, len(film)),
	}, &out)
	if err != nil {
		c.t.Fatal(err)
	}
	c.ids["segment"] = out.Items[0].ID
	c.sendSegment(c.t, c.client("enforcer1"), out.Items[0].Right, film)
	awaited(c.t, "the copy", func() bool { // not over HTTP: an account may ask so often
		task, err := c.store.Tasks.Get(c.t.Context(), c.tenant, c.ids["inspection"])
		return err == nil && !slices.ContainsFunc(task.Collected, func(e casefile.Evidence) bool { return e.State != casefile.EvidenceDerived })
	})
}

// take sends a photo of the inspection and returns its item.
func (c *filedCase) take(photo []byte) string {
	c.t.Helper()
	var out wire.Announced
	_, err := c.client("enforcer1").Do(c.t.Context(), apiclient.Call{
		Method: http.MethodPost, Path: "/v1/field/tasks/" + c.ids["inspection"] + "/uploads", Key: freshKey(),
		Body: wire.AnnounceTaken{Items: []wire.TakenItem{{AnnounceItem: wire.AnnounceItem{Kind: casefile.Photo, Size: int64(len(photo))}}}},
	}, &out)
	if err != nil {
		c.t.Fatal(err)
	}
	c.sendSegment(c.t, c.client("enforcer1"), out.Items[0].Right, photo)
	return out.Items[0].ID
}

// seen is a recording as who reads the inspection sees it.
type seen struct {
	ID       string
	State    casefile.RecordingState
	Count    int
	Missing  []int
	Duration int64
	Cases    []string
	Segments []seenSegment
}

type seenSegment struct {
	N     int
	Item  string
	State casefile.EvidenceState
}

// recorded returns the one recording of the inspection.
func (d *docket) recorded(login string) seen {
	d.t.Helper()
	var page struct{ Items []seen }
	d.get(login, "/v1/office/inspections/"+d.visit+"/recordings", &page)
	if len(page.Items) != 1 {
		d.t.Fatalf("got %d recordings, want 1", len(page.Items))
	}
	return page.Items[0]
}

// completed waits until the signed record has ended the task.
func (d *docket) completed() {
	d.t.Helper()
	awaited(d.t, "the end of the task", func() bool {
		t, err := d.w.store.Tasks.Get(d.t.Context(), demo.Tenant, d.task)
		return err == nil && t.State == casefile.TaskDone
	})
}

// announceSegment returns what is expected.
func (d *docket) announceSegment(login, path, key string, n, size int) wire.AnnouncedItem {
	d.t.Helper()
	var out wire.Announced
	call := apiclient.Call{Method: http.MethodPost, Path: path + "/segments", Key: key, Body: oneSegment(n, size)}
	if err := d.send(login, call, &out); err != nil {
		d.t.Fatal(err)
	}
	return out.Items[0]
}

// locks are until when the chain of an item says that it is locked.
func (d *docket) locks(item string) []string {
	d.t.Helper()
	chain, err := d.w.store.Chains.List(d.t.Context(), demo.Tenant, item, 0, 100)
	if err != nil {
		d.t.Fatal(err)
	}
	var notes []string
	for _, e := range chain {
		if e.Act == casefile.CustodyLock {
			notes = append(notes, e.Note)
		}
	}
	return notes
}

// TestRecordingComesInSegments sends a recording out of order, by two officers,
// also after the inspection is filed: readers see one item, and what is missing.
func TestRecordingComesInSegments(t *testing.T) {
	t.Parallel()
	d := newDocket(t, start(t), casefile.Anonymous, casefile.MajorHazard).accept().confirm().describe().assign().order()
	film := cliptest.Film(t, "mp4", "CANARY-recording", 1)
	tasks := "/v1/field/tasks/" + d.task
	key := newKey(t)
	opened, err := d.try("enforcer1", tasks+"/recordings", key, object{"kind": "video"})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := d.try("enforcer1", tasks+"/recordings", key, object{"kind": "video"}); err != nil || again.Ref != opened.Ref {
		t.Fatalf("a repeat got %v, %v, want the same recording", again, err)
	}
	path := tasks + "/recordings/" + opened.Ref
	key = newKey(t)
	second := d.announceSegment("enforcer1", path, key, 2, len(film))
	if again := d.announceSegment("enforcer1", path, key, 2, len(film)); again != second {
		t.Errorf("a repeat got %v, want %v", again, second)
	}
	d.refused("enforcer2", path+"/segments", oneSegment(2, len(film)), "recording.segment_taken")
	d.w.sendSegment(t, d.w.as(t, "enforcer1"), second.Right, film)
	d.w.sendSegment(t, d.w.as(t, "enforcer1"), d.announceSegment("enforcer1", path, newKey(t), 1, len(film)).Right, film)

	d.inspect(isSo).sign().completed()
	late := d.announceSegment("enforcer2", path, newKey(t), 4, len(film))
	d.w.sendSegment(t, d.w.as(t, "enforcer2"), late.Right, film)
	if got := d.recorded("desk2"); got.State != casefile.RecordingOpen || !slices.Equal(got.Missing, []int{3}) {
		t.Errorf("before it is closed: got %+v", got)
	}
	d.refused("enforcer1", path+"/close", object{"segments": 3}, "recording.segments")
	d.do("enforcer1", path+"/close", object{"segments": 4}, casefile.TaskDone)
	d.refused("enforcer1", path+"/close", object{"segments": 5}, "recording.closed")
	d.refused("enforcer1", path+"/segments", oneSegment(3, len(film)), "recording.closed")
	d.refused("enforcer1", tasks+"/recordings", object{"kind": "video"}, "task.move")
	for _, login := range []string{"enforcer3", "inspector1"} {
		d.refused(login, path+"/segments", oneSegment(3, len(film)), "record.not_found")
	}

	awaited(t, "copies to play", func() bool { // not over HTTP: an account may ask so often
		task, err := d.w.store.Tasks.Get(t.Context(), demo.Tenant, d.task)
		return err == nil && !slices.ContainsFunc(task.Collected, func(e casefile.Evidence) bool { return e.State != casefile.EvidenceDerived })
	})
	got := d.recorded("leader1")
	if got.State != casefile.RecordingIncomplete || got.Count != 4 || !slices.Equal(got.Missing, []int{3}) || got.Duration != 180_000 || len(got.Segments) != 3 {
		t.Errorf("got %+v, want that segment 3 did not come", got)
	}

	play := apiclient.Call{
		Method: http.MethodGet, Path: "/v1/office/inspections/" + d.visit + "/segments/" + got.Segments[0].Item,
		Header: map[string]string{"Range": "bytes=4-7"},
	}
	a, err := d.w.as(t, "leader1").Do(t.Context(), play, nil)
	if err != nil || a.Status != http.StatusPartialContent || string(a.Body) != "ftyp" {
		t.Errorf("a part of the copy: got %d %q, %v", a.Status, a.Body, err)
	}
	for range 2 { // made once, and kept for the day
		b, err := d.w.as(t, "leader1").Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: play.Path}, nil)
		if err != nil || b.Header.Get("ETag") != a.Header.Get("ETag") || !bytes.Equal(b.Body[4:8], a.Body) {
			t.Errorf("the whole film: got %v with the tag %s, want %s", err, b.Header.Get("ETag"), a.Header.Get("ETag"))
		}
	}
	other := d.fetch("enforcer2", play.Path)
	if bytes.Contains(other, []byte("CANARY-recording")) {
		t.Error("the copy has the original's metadata")
	}
	if bytes.Equal(other, d.fetch("leader1", play.Path)) {
		t.Error("two people see the same film, without who looks on it")
	}
	if acts := d.acts(got.Segments[0].Item); !slices.Contains(acts, casefile.CustodyView) {
		t.Errorf("the chain has %v, want a view", acts)
	}
}

// TestRecordingIsKeptWhileACaseRestsOnIt gives a recording the case's class,
// which neither a lifted hold nor the sweep or the terms take away.
func TestRecordingIsKeptWhileACaseRestsOnIt(t *testing.T) {
	t.Parallel()
	d := newDocket(t, start(t), casefile.Anonymous, casefile.MajorHazard).accept().confirm().describe().assign().order()
	film := cliptest.Film(t, "mp4", "CANARY-recording", 1)
	path := "/v1/field/tasks/" + d.task + "/recordings"
	path += "/" + d.do("enforcer1", path, object{"kind": "video"}, casefile.TaskAssigned).Ref
	first := d.announceSegment("enforcer1", path, newKey(t), 1, len(film))
	d.w.sendSegment(t, d.w.as(t, "enforcer1"), first.Right, film)
	until := func(days int) string {
		return "until " + time.Now().In(time.FixedZone("", 8*3600)).AddDate(0, 0, days).Format(time.DateOnly)
	}
	awaited(t, "the lock", func() bool { return len(d.locks(first.ID)) == 1 })
	if got := d.locks(first.ID)[0]; got != until(180) {
		t.Errorf("without a case: got %q, want %q", got, until(180))
	}

	d.inspect(isSo).sign().completed()
	d.penalty = d.do("enforcer1", "/v1/office/penalties", object{"visit": d.visit}, casefile.PenaltyFiled).ID
	awaited(t, "the lock of the case", func() bool { return len(d.locks(first.ID)) == 2 })
	if got, want := d.locks(first.ID)[1], until(3650)+" case "+d.penalty; got != want {
		t.Errorf("with a case: got %q, want %q", got, want)
	}
	if got := d.recorded("enforcer1"); !slices.Equal(got.Cases, []string{d.penalty}) {
		t.Errorf("got the cases %v", got.Cases)
	}
	late := d.announceSegment("enforcer2", path, newKey(t), 2, len(film)) // has the case's class at once
	d.w.sendSegment(t, d.w.as(t, "enforcer2"), late.Right, film)
	awaited(t, "the lock of the late one", func() bool { return len(d.locks(late.ID)) == 1 })
	if got := d.locks(late.ID)[0]; got != until(3650) {
		t.Errorf("a late segment: got %q, want %q", got, until(3650))
	}

	hold := "/v1/office/tasks/" + d.task + "/evidence/" + first.ID
	d.do("leader1", hold+"/hold", object{"reason": "court_order"}, casefile.TaskDone)
	d.do("leader1", hold+"/lift", object{"reason": "court_order"}, casefile.TaskDone)
	awaited(t, "the lifted hold", func() bool { return slices.Contains(d.acts(first.ID), casefile.CustodyLift) })
	if _, err := d.w.app.Service().KeepTerms(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.w.app.Service().Sweep(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	task, err := d.w.store.Tasks.Get(t.Context(), demo.Tenant, d.task)
	if err != nil {
		t.Fatal(err)
	}
	item, _ := casefile.FindEvidence(task.Collected, first.ID)
	d.w.isLocked(t, item)
}

// isLocked makes sure that the first part of a segment stays when somebody
// asks for an end of its lock that is past, and then removes it.
func (w *world) isLocked(t *testing.T, item *casefile.Evidence) {
	t.Helper()
	ref := media.Ref{Object: item.Object, Parts: item.Parts, Runs: []media.Run{media.Run(item.Runs[0])}}
	if err := w.app.Service().Media.Lock(t.Context(), ref, time.Now().Add(time.Second)); err != nil {
		t.Error(err)
	}
	if err := w.objects.Delete(t.Context(), fmt.Sprintf("%s/%06d-%d", item.Object, 1, item.Runs[0].Term)); !errors.Is(err, blob.ErrLocked) {
		t.Errorf("got %v, want that it is locked", err)
	}
}
