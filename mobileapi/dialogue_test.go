package mobileapi_test

import (
	"bytes"
	"errors"
	"image/jpeg"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gridwatch/mobileapi/wire"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

const talk = "/v1/receipt/messages"

// oneFile is a form of one file (workflow.Files).
type oneFile struct{ body []byte }

func (f *oneFile) Next() (workflow.IncomingFile, error) {
	if f.body == nil {
		return workflow.IncomingFile{}, io.EOF
	}
	body := f.body
	f.body = nil
	return workflow.IncomingFile{Name: "canary-name.jpg", Reader: bytes.NewReader(body)}, nil
}

// shown is an attachment as a message lists it.
func shown(e casefile.Evidence) wire.Attachment {
	return wire.Attachment{ID: e.ID, Kind: casefile.Photo, Type: "image/jpeg", Size: e.Copies[0].Size}
}

func TestDialogue(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report())
	desk := staff("desk", casefile.DeskOfficer)
	h.lacks(h.twice(talk, wire.WriteMessage{Text: "canary-question"}, wire.WriteMessage{Text: "another"}), "canary")

	call := callOf(desk, "answer")
	for range 2 { // a repeat adds no picture
		_, err := h.service.WriteToReporter(t.Context(), call, h.id, workflow.DeskMessage{Text: "canary-answer"}, &oneFile{picture(3)})
		h.check(err)
	}
	sent := h.report().Behind.Sent
	if len(sent) != 1 {
		t.Fatalf("got %d attachments, want 1", len(sent))
	}
	want := []wire.Message{
		{N: 1, From: casefile.FromReporter, On: h.today(), Text: "canary-question", Attachments: []wire.Attachment{}},
		{N: 2, From: casefile.FromDesk, On: h.today(), Text: "canary-answer", Attachments: []wire.Attachment{shown(sent[0])}},
	}
	for _, when := range []string{"before the relay", "after it"} {
		got := read[web.Page[wire.Message]](h.rig, h.get(talk, h.token), http.StatusOK)
		if diff := cmp.Diff(want, got.Items); diff != "" {
			t.Errorf("%s: %s", when, diff)
		}
		relay(t, h.service)
	}
	first := read[web.Page[wire.Message]](h.rig, h.get(talk+"?limit=1", h.token), http.StatusOK)
	second := read[web.Page[wire.Message]](h.rig, h.get(talk+"?limit=1&cursor="+first.Next, h.token), http.StatusOK)
	if diff := cmp.Diff(want, append(first.Items, second.Items...)); diff != "" || second.Next != "" {
		t.Errorf("pages: %s", diff)
	}
	for _, cursor := range []string{web.Cursor("canary"), web.Cursor("-1"), "canary"} {
		h.refused(h.get(talk+"?cursor="+cursor, h.token), "page.cursor ?cursor")
	}

	seen := read[wire.Receipt](h.rig, h.get("/v1/receipt", h.token), http.StatusOK)
	if diff := cmp.Diff(wire.Messages{FromDesk: 1, DeskOn: h.today(), Sent: 1}, seen.Messages); diff != "" {
		t.Error(diff)
	}
	for _, m := range must(h.service.Messages.List(t.Context(), "county", h.id, 0, 9)) {
		if bytes.Contains(m.Sealed, []byte("canary")) || len(m.Sealed) != 1024+28 {
			t.Errorf("got %d bytes: %q", len(m.Sealed), m.Sealed)
		}
	}
	if found := must(h.service.DeskDialogue(t.Context(), desk, h.id, 0, 9)); len(found) != 2 || found[0].Text != "canary-question" {
		t.Errorf("desk: got %v", found)
	}
	h.noTimes()
}

// The reporter gets a copy drawn anew, and nobody else gets it.
func TestAttachmentIsACopy(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report())
	desk := staff("desk", casefile.DeskOfficer)
	_, err := h.service.WriteToReporter(t.Context(), callOf(desk, nil), h.id, workflow.DeskMessage{Text: "see"}, &oneFile{picture(3)})
	h.check(err)
	path := "/v1/receipt/attachments/" + h.report().Behind.Sent[0].ID
	a := h.get(path, h.token)
	if a.status != http.StatusOK || bytes.Contains(a.body, []byte("canary")) || bytes.Equal(a.body, picture(3)) {
		t.Errorf("got %d, %d bytes", a.status, len(a.body))
	}
	if _, err := jpeg.Decode(bytes.NewReader(a.body)); err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(a.header.Get("Content-Disposition"), "attachment") || !strings.Contains(a.header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("got %v", a.header)
	}
	h.strangers(http.MethodGet, path)
	if swept := must(h.service.Sweep(t.Context(), 0)); swept != (workflow.Swept{}) {
		t.Errorf("got swept %+v, which is the report's", swept)
	}
	_, err = h.service.WriteToReporter(t.Context(), callOf(desk, nil), h.id, workflow.DeskMessage{Text: "see"}, &oneFile{[]byte("canary")})
	if fault.CodeOf(err) != "evidence.broken" {
		t.Errorf("got %v for what is no picture", err)
	}
	_, err = h.service.WriteToReporter(t.Context(), callOf(staff("other", casefile.Inspector), nil), h.id, workflow.DeskMessage{Text: "x"}, &oneFile{})
	if !errors.Is(err, fault.Absent()) {
		t.Errorf("got %v for an inspector", err)
	}
}

func TestDialogueEnds(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report())
	for range 6 {
		h.twice(talk, wire.WriteMessage{Text: "one"}, nil)
	}
	h.refused(h.post(talk, h.token, newKey(), wire.WriteMessage{Text: "one"}), "message.too_many")
	for _, text := range []string{"", strings.Repeat("长", 2001)} {
		if a := h.post(talk, h.token, newKey(), wire.WriteMessage{Text: text}); a.status != http.StatusBadRequest {
			t.Errorf("got %d for %d characters", a.status, len(text))
		}
	}
	if n := len(must(h.service.DeskDialogue(t.Context(), staff("desk", casefile.DeskOfficer), h.id, 0, 99))); n != 6 {
		t.Errorf("got %d messages, want 6", n)
	}
}

func TestEvidenceLater(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report(), photo(picture(1)))
	const path = "/v1/receipt/evidence"
	key := newKey()
	first := h.form(path, h.token, key, photo(picture(2)), photo(picture(3)))
	got := read[wire.Added](h.rig, first, http.StatusCreated)
	want := wire.Added{Evidence: []wire.StoredFile{
		{N: 2, SHA256: sum(picture(2)), Size: uint64(len(picture(2)))}, {N: 3, SHA256: sum(picture(3)), Size: uint64(len(picture(3)))},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if again := h.form(path, h.token, key, photo(picture(2)), photo(picture(3))); !bytes.Equal(again.body, first.body) {
		t.Errorf("again: got %s", again.body)
	}
	h.refused(h.form(path, h.token, key, photo(picture(4))), "idempotency.other_body")
	h.refused(h.form(path, h.token, newKey()), "evidence.none /evidence")
	h.refused(h.form(path, h.token, newKey(), part{name: "canary", body: []byte("x")}), "body.parts /*")
	h.refused(h.form(path, h.token, newKey(), photo(picture(4)), photo(picture(5)), photo(picture(6))), "report.too_many_items /evidence")
	h.form(path, h.token, newKey(), photo(picture(4)), photo(picture(5)))
	h.refused(h.form(path, h.token, newKey(), photo(picture(6))), "report.too_many_items /evidence")

	seen := read[wire.Receipt](h.rig, h.get("/v1/receipt", h.token), http.StatusOK)
	if n := len(seen.Evidence); n != 5 || seen.Evidence[4] != (wire.ReceiptItem{N: 5, Kind: "photo", State: casefile.EvidenceVerified}) {
		t.Errorf("got %v", seen.Evidence)
	}
	desk := must(h.service.ReadReport(t.Context(), staff("desk", casefile.DeskOfficer), h.id))
	if desk.Facts[2].SHA256 != sum(picture(3)) {
		t.Errorf("got %v", desk.Facts)
	}
	if swept := must(h.service.Sweep(t.Context(), 0)); swept != (workflow.Swept{}) {
		t.Errorf("got swept %+v: a refused form left objects, or some of the report's were taken", swept)
	}
	h.noTimes()
}
