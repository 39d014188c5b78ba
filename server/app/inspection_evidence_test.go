package app_test

import (
	"bytes"
	"image/jpeg"
	"net/http"
	"testing"

	"gridwatch/media/mediatest"
	"gridwatch/mobileapi/wire"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
)

// TestAPhotoOfAnInspectionIsSeen: what officers took at an inspection was
// stored, locked and exported, and no office could look at it, nor see that it
// did not arrive.
func TestAPhotoOfAnInspectionIsSeen(t *testing.T) {
	t.Parallel()
	d := newDocket(t, start(t), casefile.Anonymous, casefile.MajorHazard).accept().confirm().describe().assign().order()
	photo := mediatest.Picture(mediatest.Options{Width: 64, Height: 48})
	var out wire.Announced
	if err := d.send("enforcer1", apiclient.Call{
		Method: http.MethodPost, Path: "/v1/field/tasks/" + d.task + "/uploads", Key: newKey(t),
		Body: wire.AnnounceTaken{Items: []wire.TakenItem{{AnnounceItem: wire.AnnounceItem{Kind: casefile.Photo, Size: int64(len(photo))}}}},
	}, &out); err != nil {
		t.Fatal(err)
	}
	item := out.Items[0]
	d.inspect(isSo).sign().completed()

	type row struct {
		ID    string
		State casefile.EvidenceState
	}
	path := "/v1/office/inspections/" + d.visit + "/evidence"
	want := func(state casefile.EvidenceState) {
		t.Helper()
		var page struct{ Items []row }
		var task struct{ Evidence []row }
		d.get("leader1", path, &page)
		d.get("desk2", "/v1/office/tasks/"+d.task, &task)
		for _, rows := range [][]row{page.Items, task.Evidence} {
			if len(rows) != 1 || rows[0] != (row{item.ID, state}) {
				t.Errorf("got %+v, want the photo as %s", rows, state)
			}
		}
	}
	absent := func(login, path string) {
		t.Helper()
		if err := d.send(login, apiclient.Call{Method: http.MethodGet, Path: path}, nil); apiclient.CodeOf(err) != "record.not_found" {
			t.Errorf("%s by %s: got %v, want that there is none", path, login, err)
		}
	}
	want(casefile.EvidenceExpected)
	absent("leader1", path+"/"+item.ID)

	d.w.sendSegment(t, d.w.as(t, "enforcer1"), item.Right, photo)
	awaited(t, "the copies", func() bool {
		task, err := d.w.store.Tasks.Get(t.Context(), demo.Tenant, d.task)
		return err == nil && task.Collected[0].State == casefile.EvidenceDerived
	})
	want(casefile.EvidenceDerived)
	for login, at := range map[string]string{"leader1": path, "enforcer1": path, "desk2": "/v1/office/tasks/" + d.task + "/evidence"} {
		if seen, err := jpeg.Decode(bytes.NewReader(d.fetch(login, at+"/"+item.ID))); err != nil || seen.Bounds().Dx() != 64 {
			t.Errorf("%s at %s: %v", login, at, err)
		}
	}
	absent("enforcer3", path+"/"+item.ID)
	absent("leader1", path+"/"+d.visit)
}
