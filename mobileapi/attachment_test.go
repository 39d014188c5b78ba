package mobileapi_test

import (
	"bytes"
	"errors"
	"image/jpeg"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gridwatch/media/mediatest"
	"gridwatch/mobileapi/wire"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// arrive has the desk send a picture in pieces for the reporter, and returns
// its item and where its upload is.
func (h *holder) arrive(desk string, content []byte) (string, string) {
	h.t.Helper()
	item := h.announce("/v1/office/reports/"+h.id+"/uploads", desk, wire.AnnounceItem{Kind: casefile.Photo, Size: int64(len(content))})
	a := h.create(desk, item.Right, len(content))
	if a.status != http.StatusCreated {
		h.t.Fatalf("create: got %d %s", a.status, a.body)
	}
	at := a.header.Get("Location")
	if a := h.patch(at, desk, 0, bytes.NewReader(content)); a.status != http.StatusNoContent {
		h.t.Fatalf("got %d %s", a.status, a.body)
	}
	return item.ID, at
}

// copied makes the clean copies of what arrived.
func (h *holder) copied() {
	h.t.Helper()
	relay(h.t, h.service)
	for more := true; more; {
		var err error
		more, err = h.service.CopyOnce(h.t.Context(), workflow.PhotoLane)
		h.check(err)
	}
	relay(h.t, h.service)
}

func (h *holder) sent(id string) casefile.Evidence {
	h.t.Helper()
	item, ok := casefile.FindEvidence(h.report().Behind.Sent, id)
	if !ok {
		h.t.Fatalf("the report has no attachment %s", id)
	}
	return *item
}

// says sends a message of the desk that names items.
func (h *holder) says(call workflow.Call, files workflow.Files, ids ...string) error {
	h.t.Helper()
	_, err := h.service.WriteToReporter(h.t.Context(), call, h.id, workflow.DeskMessage{Text: "see", Attachments: ids}, files)
	return err
}

func refusal(err error) string {
	var f *fault.Fault
	if !errors.As(err, &f) {
		return ""
	}
	return f.Code + " " + f.Field
}

// TestDeskSendsFilesInPieces: what came in pieces is put into one message, once,
// and the reporter gets a copy drawn anew.
func TestDeskSendsFilesInPieces(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report())
	desk, token := staff("desk", casefile.DeskOfficer), h.signIn("desk").Access
	content := mediatest.Picture(mediatest.Options{Width: 64, Height: 48, Serial: "canary-serial"})
	id, at := h.arrive(token, content)
	path := "/v1/receipt/attachments/" + id

	call := callOf(desk, map[string]any{"attachments": []string{id}})
	if got := refusal(h.says(call, &oneFile{picture(4)}, id)); got != "evidence.no_copy /attachments/0" {
		t.Errorf("before its copy is made: got %q", got)
	}
	h.copied()
	item := h.sent(id)
	if item.State != casefile.EvidenceDerived || item.Released || item.Object != "" || len(item.Key) > 0 || len(item.Copies) == 0 {
		t.Errorf("got %+v, want the copies and no original", item)
	}
	if a := h.get(path, h.token); a.status != http.StatusNotFound {
		t.Errorf("before it is sent: got %d", a.status)
	}
	if got := h.offset(at, token); got != len(content) {
		t.Errorf("HEAD of the upload: got %d, want %d", got, len(content))
	}
	for range 2 { // the same message, that was refused before
		h.check(h.says(call, &oneFile{picture(4)}, id))
	}
	other := call
	other.Body = []byte(`{"text":"another"}`)
	if got := refusal(h.says(other, &oneFile{picture(4)}, id)); got != "idempotency.other_body " {
		t.Errorf("another body: got %q", got)
	}
	if got := refusal(h.says(callOf(desk, nil), &oneFile{}, id)); got != "attachment.used /attachments/0" {
		t.Errorf("in another message: got %q", got)
	}
	relay(t, h.service)
	sent := h.report().Behind.Sent
	want := []wire.Message{{N: 1, From: casefile.FromDesk, On: h.today(), Text: "see", Attachments: []wire.Attachment{shown(sent[1]), shown(sent[0])}}}
	if diff := cmp.Diff(want, read[web.Page[wire.Message]](h.rig, h.get(talk, h.token), http.StatusOK).Items); diff != "" || len(sent) != 2 {
		t.Errorf("%d attachments: %s", len(sent), diff)
	}
	a := h.get(path, h.token)
	if _, err := jpeg.Decode(bytes.NewReader(a.body)); err != nil || bytes.Contains(a.body, []byte("canary")) || bytes.Equal(a.body, content) {
		t.Errorf("got %d, %d bytes, %v", a.status, len(a.body), err)
	}
	h.strangers(http.MethodGet, path)
	for _, e := range sent {
		if events := must(h.service.Chains.List(t.Context(), "county", e.ID, 0, 9)); len(events) > 0 {
			t.Errorf("got %+v: who sent or saw it is noted nowhere", events)
		}
	}
	if swept := must(h.service.Sweep(t.Context(), 0)); swept != (workflow.Swept{}) {
		t.Errorf("got swept %+v, which is the report's or was left behind", swept)
	}
}

// TestAttachmentsOfOthers: only what was announced for the report goes with a
// message, and nothing that was refused changes anything.
func TestAttachmentsOfOthers(t *testing.T) {
	t.Parallel()
	r := start(t)
	h, other := r.submit(report(), photo(picture(1))), r.submit(report())
	desk, token := staff("desk", casefile.DeskOfficer), h.signIn("desk").Access
	expected := h.announce("/v1/office/reports/"+h.id+"/uploads", token, wire.AnnounceItem{Kind: casefile.Photo, Size: 9}).ID
	broken, _ := h.arrive(token, picture(5)[:len(picture(5))/2])
	good, _ := h.arrive(token, picture(6))
	foreign, _ := other.arrive(token, picture(7))
	h.copied()
	before := h.report().Version
	for name, tt := range map[string]struct {
		ids  []string
		want string
	}{
		"no such item":             {[]string{newKey()}, "attachment.unknown /attachments/0"},
		"another report's":         {[]string{good, foreign}, "attachment.unknown /attachments/1"},
		"the reporter's evidence":  {[]string{h.report().Evidence[0].ID}, "attachment.unknown /attachments/0"},
		"announced, nothing came":  {[]string{good, expected}, "evidence.not_here /attachments/1"},
		"no picture":               {[]string{broken}, "attachment.rejected /attachments/0"},
		"the same twice":           {[]string{good, good}, "attachment.used /attachments/1"},
		"more than a message has":  {[]string{good, good, good, good}, "message.too_many_attachments /attachments"},
		"as many as it has, and a": {[]string{good, newKey(), newKey()}, "attachment.unknown /attachments/1"},
	} {
		if got := refusal(h.says(callOf(desk, nil), &oneFile{picture(8)}, tt.ids...)); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
	for _, actor := range []casefile.Actor{staff("inspector", casefile.Inspector), {Tenant: "another", Person: "desk", Posts: desk.Posts}} {
		if got := refusal(h.says(callOf(actor, nil), &oneFile{}, good)); got != "record.not_found " {
			t.Errorf("%s of %s: got %q", actor.Person, actor.Tenant, got)
		}
	}
	if got := h.report(); got.Version != before || h.sent(good).Released {
		t.Errorf("what was refused changed the report: version %d, was %d", got.Version, before)
	}
	h.check(h.says(callOf(staff("colleague", casefile.DeskOfficer), nil), &oneFile{}, good))
}

// TestUnsentAttachmentIsSwept: what no message took goes after its term, what
// was sent stays.
func TestUnsentAttachmentIsSwept(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report())
	token := h.signIn("desk").Access
	unsent, at := h.arrive(token, picture(1))
	sent, _ := h.arrive(token, picture(2))
	h.copied()
	h.check(h.says(callOf(staff("desk", casefile.DeskOfficer), nil), &oneFile{}, sent))
	h.clock.pass((168 + 30*24) * time.Hour)
	must(h.service.Sweep(t.Context(), 0))
	if got := h.sent(unsent).State; got != casefile.EvidenceDerived {
		t.Errorf("on its last day: got %s", got)
	}
	h.clock.pass(24 * time.Hour)
	if swept := must(h.service.Sweep(t.Context(), 0)); swept.Uploads != 2 {
		t.Errorf("got %+v, want two uploads that are over", swept)
	}
	relay(t, h.service)
	if got := h.sent(unsent); got.State != casefile.EvidenceRejected || got.Reason != "evidence.unsent" || len(got.Copies) > 0 || len(got.CopyKey) > 0 {
		t.Errorf("got %+v", got)
	}
	if again := must(h.service.Sweep(t.Context(), 0)); again != (workflow.Swept{}) {
		t.Errorf("got swept %+v: its objects were left", again)
	}
	h.open(h.made.Code)
	for id, want := range map[string]int{unsent: http.StatusNotFound, sent: http.StatusOK} {
		if a := h.get("/v1/receipt/attachments/"+id, h.token); a.status != want {
			t.Errorf("got %d, want %d", a.status, want)
		}
	}
	if a := h.tus("HEAD", at, h.signIn("desk").Access, nil); a.status != http.StatusNotFound && a.status != http.StatusGone {
		t.Errorf("HEAD of the upload: got %d", a.status)
	}
}

// TestDeskUploadUnderObjectLockStoppedTheRelay: where originals of staff are
// locked, one that the desk sent for a reporter was to be locked as well, could
// not be found, and held up all that the report had still to cause.
func TestDeskUploadUnderObjectLockStoppedTheRelay(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report())
	tenant := must(h.service.Directory.Tenant(t.Context(), "county"))
	tenant.Policy.EvidenceDays = 1
	h.check(h.loader.PutTenant(t.Context(), tenant))
	id, _ := h.arrive(h.signIn("desk").Access, picture(1))
	h.copied()
	if got := h.sent(id); got.State != casefile.EvidenceDerived {
		t.Errorf("got %s", got.State)
	}
	if head := h.report().Head; len(head.Pending) > 0 && head.Pending[len(head.Pending)-1].Seq > head.Relayed {
		t.Errorf("effects wait: relayed up to %d of %s", head.Relayed, strconv.FormatInt(head.Seq, 10))
	}
}
