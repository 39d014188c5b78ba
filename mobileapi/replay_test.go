package mobileapi_test

import (
	"bytes"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gridwatch/mobileapi/wire"
	"gridwatch/server/casefile"
)

// doubtsOf are the verdicts on an item of a task, as who oversees it reads them.
func (r *rig) doubtsOf(task, item string) map[casefile.DoubtRule]casefile.DoubtVerdict {
	r.t.Helper()
	t := must(r.service.ReadTask(r.t.Context(), r.desk().Actor, task))
	out := map[casefile.DoubtRule]casefile.DoubtVerdict{}
	for _, d := range t.Doubts[item] {
		out[d.Rule] = d.Verdict
	}
	return out
}

func (r *rig) resultOf(task, token string) wire.Result {
	r.t.Helper()
	seen := read[wire.Task](r, r.get(tasks+"/"+task, token), http.StatusOK)
	return wire.Result{Findings: []wire.Finding{{Ref: seen.Items[0].Ref, Finding: casefile.Unsubstantiated}}, Position: target()}
}

func taken(content []byte, photo string) wire.AnnounceTaken {
	item := wire.AnnounceItem{Kind: casefile.Photo, Size: int64(len(content)), SHA256: sum(content)}
	return wire.AnnounceTaken{Items: []wire.TakenItem{{AnnounceItem: item, PhotoID: photo}}}
}

// A photo's id is good for one file of one task, however it comes. The same
// again is the same photo.
func TestReplayedPhotoIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	token, id := r.signIn("inspector").Access, newKey()
	first, second := r.patrol(), r.patrol()
	path := func(task, what string) string { return tasks + "/" + task + "/" + what }
	in := r.resultOf(first, token)
	in.PhotoIDs = []string{id}
	if a := r.form(path(first, "result"), token, newKey(), jsonPart("result", in)); a.code() != "evidence.photo_ids /photoIds" {
		t.Errorf("an id without a file: got %d %s", a.status, a.code())
	}
	key := newKey()
	for range 2 {
		read[casefile.Outcome](r, r.form(path(first, "result"), token, key, jsonPart("result", in), photo(picture(1))), http.StatusOK)
	}

	again := r.resultOf(second, token)
	again.PhotoIDs = []string{id}
	for _, file := range [][]byte{picture(1), picture(2)} {
		a := r.form(path(second, "result"), token, newKey(), jsonPart("result", again), photo(file))
		if a.status != http.StatusConflict || a.code() != "evidence.replayed /photoIds/0" {
			t.Errorf("by form: got %d %s", a.status, a.code())
		}
		a = r.post(path(second, "uploads"), token, newKey(), taken(file, id))
		if a.status != http.StatusConflict || a.code() != "evidence.replayed /items/0/photoId" {
			t.Errorf("announced: got %d %s", a.status, a.code())
		}
	}
	if stored := must(r.service.Tasks.Get(t.Context(), "county", second)); stored.Result != nil || len(stored.Collected) != 0 {
		t.Errorf("what was refused left %+v", stored)
	}

	other := newKey()
	for range 2 { // the upload of the first may have been given up
		read[wire.Announced](r, r.post(path(second, "uploads"), token, newKey(), taken(picture(2), other)), http.StatusCreated)
	}
	if a := r.post(path(second, "uploads"), token, newKey(), taken(picture(3), other)); a.code() != "evidence.replayed /items/0/photoId" {
		t.Errorf("another file of the task: got %d %s", a.status, a.code())
	}
	bare := taken(picture(3), newKey())
	bare.Items[0].SHA256 = ""
	if a := r.post(path(second, "uploads"), token, newKey(), bare); a.code() != "evidence.photo_digest /items" {
		t.Errorf("without a digest: got %d %s", a.status, a.code())
	}
}

// What a reporter sends is neither refused nor looked at for what others sent:
// the same file as an inspector's, and as another reporter's, gets one answer.
func TestReportersFileIsNeverAReplay(t *testing.T) {
	t.Parallel()
	r := start(t)
	token, task := r.signIn("inspector").Access, r.patrol()
	in := r.resultOf(task, token)
	in.PhotoIDs = []string{newKey()}
	read[casefile.Outcome](r, r.form(tasks+"/"+task+"/result", token, newKey(), jsonPart("result", in), photo(picture(1))), http.StatusOK)
	for range 2 {
		read[wire.Registration](r, r.form(reports, "", newKey(), jsonPart("report", report()), photo(picture(1))), http.StatusCreated)
	}
	h := r.submit(report())
	item := taken(picture(1), newKey())
	if a := h.post("/v1/receipt/uploads", h.token, newKey(), item); a.status != http.StatusBadRequest {
		t.Errorf("a reporter has no photo ids: got %d %s", a.status, a.body)
	}
	// What was only ever a reporter's is new when an inspector takes it.
	read[wire.Registration](r, r.form(reports, "", newKey(), jsonPart("report", report()), photo(picture(5))), http.StatusCreated)
	task = r.patrol()
	read[casefile.Outcome](r, r.form(tasks+"/"+task+"/result", token, newKey(), jsonPart("result", r.resultOf(task, token)), photo(picture(5))), http.StatusOK)
	kept := must(r.service.Tasks.Get(t.Context(), "county", task)).Collected[0]
	if got := r.doubtsOf(task, kept.ID)[casefile.DoubtSameFile]; got != casefile.NoDoubt {
		t.Errorf("got %q", got)
	}
}

// TestPiecesHaveTheDoubtsOfAForm sends one picture under the same circumstances
// by form and in pieces.
func TestPiecesHaveTheDoubtsOfAForm(t *testing.T) {
	t.Parallel()
	r := start(t)
	token := r.signIn("inspector").Access
	clock := &wire.Clock{Now: r.clock.now().Add(-time.Hour), ElapsedMS: 1000}
	send := func(task string, content []byte) map[casefile.DoubtRule]casefile.DoubtVerdict {
		in := taken(content, "")
		at := target()
		in.Position, in.Mock, in.Clock = &at, true, clock
		item := read[wire.Announced](r, r.post(tasks+"/"+task+"/uploads", token, newKey(), in), http.StatusCreated).Items[0]
		a := r.tus("POST", uploads, token, bytes.NewReader(content), "Upload-Length", strconv.Itoa(len(content)), "Content-Type", piece,
			"Upload-Metadata", "right "+b64(item.Right))
		if a.status != http.StatusCreated {
			t.Fatalf("got %d %s", a.status, a.body)
		}
		return r.doubtsOf(task, item.ID)
	}
	form, pieces := r.patrol(), r.patrol()
	in := r.resultOf(form, token)
	in.Mock, in.Clock = true, clock
	read[casefile.Outcome](r, r.form(tasks+"/"+form+"/result", token, newKey(), jsonPart("result", in), photo(picture(1))), http.StatusOK)
	kept := must(r.service.Tasks.Get(t.Context(), "county", form)).Collected[0]
	want, got := r.doubtsOf(form, kept.ID), send(pieces, picture(2))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if want[casefile.DoubtMock] != casefile.InDoubt || want[casefile.DoubtSameFile] != casefile.NoDoubt {
		t.Errorf("got %v", want)
	}
	if got := send(r.patrol(), picture(1))[casefile.DoubtSameFile]; got != casefile.InDoubt {
		t.Errorf("the file of another task: got %q", got)
	}

	// A reporter's has what the form gives it: nothing about where and when.
	h := r.submit(report())
	at := h.begin("/v1/receipt/uploads", h.token, picture(3))
	if a := h.patch(at, h.token, 0, bytes.NewReader(picture(3))); a.status != http.StatusNoContent {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	read[struct{}](r, h.form("/v1/receipt/evidence", h.token, newKey(), photo(picture(4))), http.StatusCreated)
	shown := must(r.service.ReadReport(t.Context(), r.desk().Actor, h.id))
	if diff := cmp.Diff(shown.Doubts[1], shown.Doubts[0]); diff != "" || len(shown.Doubts[0]) == 0 {
		t.Errorf("got %v, %s", shown.Doubts, diff)
	}
}
