package mobileapi_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"gridwatch/media/upload"
	"gridwatch/mobileapi/wire"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// ending gives its bytes and calls a function with the last of them.
type ending struct {
	io.Reader
	left int
	then func()
}

// Read implements io.Reader.
func (e *ending) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	if e.left -= n; e.left > 0 || err != nil {
		return n, err
	}
	e.then()
	return n, io.EOF
}

// slow lets time pass once, behind so many bytes.
type slow struct {
	io.Reader
	left int
	pass func()
}

// Read implements io.Reader.
func (s *slow) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if s.left -= n; s.left < 0 && s.pass != nil {
		s.pass()
		s.pass = nil
	}
	return n, err
}

func (h *holder) actor() casefile.Actor {
	h.t.Helper()
	actor, err := h.service.OpenReceipt(h.t.Context(), h.made.Code)
	h.check(err)
	return actor
}

// TestAWriterThatLostItsLeaseSettlesNothing: a request that lost its lease at its
// last byte could not note the end, and told the record of it all the same: the
// item was verified, or rejected, while another sent to it.
func TestAWriterThatLostItsLeaseSettlesNothing(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string][]byte{"whole": nil, "another digest": large(1 << 20)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := start(t).submit(report())
			content := large(1 << 20)
			at := h.begin("/v1/receipt/uploads", h.token, content)
			if sent == nil {
				sent = content
			}
			id := strings.TrimPrefix(at, uploads+"/")
			body := &ending{bytes.NewReader(sent), len(sent), func() {
				h.clock.pass(upload.Lease + time.Second)
				must(h.service.Uploads.Lease(t.Context(), "county", id, h.clock.now(), h.clock.now().Add(upload.Lease)))
			}}
			_, err := h.service.SendPiece(t.Context(), h.actor(), id, upload.Piece{Length: int64(len(sent)), Body: body})
			if fault.CodeOf(err) != "upload.locked" {
				t.Errorf("got %v, want upload.locked", err)
			}
			if got := h.report().Evidence[0].State; got == casefile.EvidenceVerified || got == casefile.EvidenceRejected {
				t.Errorf("the item is %s, and another sends to it", got)
			}
			h.clock.pass(upload.Lease)
			if a := h.patch(at, h.token, 0, bytes.NewReader(content)); a.status != http.StatusNoContent {
				t.Fatalf("the other one: got %d %s", a.status, a.body)
			}
			if back := h.original(h.report().Evidence[0]); !bytes.Equal(back, content) {
				t.Error("the item has other bytes than the last writer's")
			}
		})
	}
}

// TestATypeStaysWithItsBytes: what the first bytes of a piece said was noted
// though the piece was not kept, and other content came in under it.
func TestATypeStaysWithItsBytes(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report())
	content := large(6 << 20)
	item := h.announce("/v1/receipt/uploads", h.token, wire.AnnounceItem{Kind: casefile.Photo, Size: int64(len(content))})
	at := h.create(h.token, item.Right, len(content)).header.Get("Location")
	body := &slow{bytes.NewReader(content), 5 << 20, func() { h.clock.pass(4 * time.Second) }} // the lease is renewed then
	_, err := h.service.SendPiece(t.Context(), h.actor(), strings.TrimPrefix(at, uploads+"/"), upload.Piece{
		Length: int64(len(content)), Body: body, Sum: sha256.New(), Want: make([]byte, sha256.Size),
	})
	if fault.CodeOf(err) != "upload.checksum" {
		t.Fatalf("got %v, want upload.checksum", err)
	}
	_, _ = rand.Read(content)
	a := h.patch(at, h.token, 0, bytes.NewReader(content))
	if a.status != http.StatusUnsupportedMediaType || strings.Fields(a.code())[0] != "evidence.type" {
		t.Errorf("got %d %s, want 415 evidence.type", a.status, a.body)
	}
}

// TestAWrongChecksumLeavesNothingInTheStore: the parts of a piece that did not
// count lay in the store until the upload had been left alone for a day. Who sent
// one again and again could fill it.
func TestAWrongChecksumLeavesNothingInTheStore(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report())
	content := large(3 << 20)
	at := h.begin("/v1/receipt/uploads", h.token, content)
	if a := h.patch(at, h.token, 0, bytes.NewReader(content[:1<<20])); a.status != http.StatusNoContent {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	wrong := "sha256 " + b64(strings.Repeat("x", sha256.Size))
	if a := h.patch(at, h.token, 1<<20, bytes.NewReader(content[1<<20:]), "Upload-Checksum", wrong); a.status != 460 {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	h.clock.pass(time.Minute)
	if swept := must(h.service.Sweep(t.Context(), 0)); swept != (workflow.Swept{}) {
		t.Errorf("got swept %+v", swept)
	}
	if a := h.patch(at, h.token, 1<<20, bytes.NewReader(content[1<<20:])); a.status != http.StatusNoContent {
		t.Errorf("got %d %s", a.status, a.body)
	}
	if back := h.original(h.report().Evidence[0]); !bytes.Equal(back, content) {
		t.Error("the piece before it is not what was sent")
	}
}

// TestWhatCameToNothingTakesNoPlace: files that were given up, expired or were
// rejected counted as items of the report, and its reporter ran out of places
// without one of them. A record ends all the same.
func TestWhatCameToNothingTakesNoPlace(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report()) // five places
	content := picture(1)
	item := wire.AnnounceItem{Kind: casefile.Photo, Size: int64(len(content))}
	rounds := func(n int) {
		t.Helper()
		for range n {
			at := h.create(h.token, h.announce("/v1/receipt/uploads", h.token, item).Right, len(content)).header.Get("Location")
			if a := h.tus("DELETE", at, h.token, nil); a.status != http.StatusNoContent {
				t.Fatalf("got %d %s", a.status, a.body)
			}
		}
	}
	rounds(6)
	if a := h.form("/v1/receipt/evidence", h.token, newKey(), photo(picture(2)), photo(picture(3))); a.status != http.StatusCreated {
		t.Fatalf("by form: got %d %s", a.status, a.body)
	}
	rounds(3)
	for n := 1; n <= 3; n++ {
		got := h.announce("/v1/receipt/uploads", h.token, item)
		if want := 6 + 2 + 3 + n; got.N != want {
			t.Errorf("got number %d, want %d: what came to nothing stays listed", got.N, want)
		}
	}
	one := wire.Announce{Items: []wire.AnnounceItem{item}}
	h.refused(h.post("/v1/receipt/uploads", h.token, newKey(), one), "report.too_many_items /evidence")

	h.put(func(r *casefile.Report) { // as if no place were taken, and so many had come to nothing
		for i := range r.Evidence {
			r.Evidence[i] = casefile.Evidence{ID: r.Evidence[i].ID, Kind: casefile.Photo, State: casefile.EvidenceRejected}
		}
	})
	rounds(25 - 14)
	h.refused(h.post("/v1/receipt/uploads", h.token, newKey(), one), "report.too_many_items /evidence")
	h.refused(h.form("/v1/receipt/evidence", h.token, newKey(), photo(picture(4))), "report.too_many_items /evidence")
}

// TestAnUploadThatIsWholeIsNotGone: who lost the last answer and sent its piece
// again was told that the upload is gone and to announce the file anew, as if it
// were not here.
func TestAnUploadThatIsWholeIsNotGone(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report())
	content := large(100 << 10)
	end := len(content)
	item := h.announce("/v1/receipt/uploads", h.token, wire.AnnounceItem{Kind: casefile.Photo, Size: int64(end)})
	var at string
	for range 2 { // with all of it
		a := h.tus("POST", uploads, h.token, bytes.NewReader(content), "Upload-Length", strconv.Itoa(end), "Content-Type", piece,
			"Upload-Metadata", "right "+b64(item.Right))
		if at = a.header.Get("Location"); a.status != http.StatusCreated || a.header.Get("Upload-Offset") != strconv.Itoa(end) {
			t.Fatalf("got %d %s, offset %s", a.status, a.body, a.header.Get("Upload-Offset"))
		}
	}
	none := sha256.Sum256(nil)
	for name, tt := range map[string]struct {
		answer answer
		status int
		code   string
	}{
		"the last piece again":   {h.patch(at, h.token, end-1, bytes.NewReader(content[end-1:])), 409, "upload.offset"},
		"behind the end":         {h.patch(at, h.token, end+1, nil), 409, "upload.offset"},
		"nothing at the end":     {h.patch(at, h.token, end, nil), 204, ""},
		"nothing, its checksum":  {h.patch(at, h.token, end, nil, "Upload-Checksum", "sha256 "+b64(string(none[:]))), 204, ""},
		"nothing, another's":     {h.patch(at, h.token, end, nil, "Upload-Checksum", "sha256 "+b64(strings.Repeat("x", sha256.Size))), 460, "upload.checksum"},
		"a byte more":            {h.patch(at, h.token, end, strings.NewReader("x")), 413, "upload.too_long"},
		"a byte more, chunked":   {h.patch(at, h.token, end, io.MultiReader(strings.NewReader("x"))), 413, "upload.too_long"},
		"that it is to be ended": {h.tus("DELETE", at, h.token, nil), 410, "upload.gone"},
	} {
		if code := tt.answer.status; code != tt.status || (tt.code != "" && tt.answer.code() != tt.code) {
			t.Errorf("%s: got %d %s, want %d %s", name, code, tt.answer.body, tt.status, tt.code)
		}
		if tt.status == http.StatusNoContent && tt.answer.header.Get("Upload-Offset") != strconv.Itoa(end) {
			t.Errorf("%s: got offset %q", name, tt.answer.header.Get("Upload-Offset"))
		}
	}
	if n := len(h.report().Evidence); n != 1 || h.offset(at, h.token) != end {
		t.Errorf("got %d items", n)
	}
}

// TestAClockThatWasAheadLocksNothing: a process whose clock was an hour ahead and
// that died locked an upload for the hour.
func TestAClockThatWasAheadLocksNothing(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report())
	content := large(100 << 10)
	at := h.begin("/v1/receipt/uploads", h.token, content)
	id, ahead := strings.TrimPrefix(at, uploads+"/"), h.clock.now().Add(time.Hour)
	must(h.service.Uploads.Lease(t.Context(), "county", id, ahead, ahead.Add(upload.Lease)))
	if a := h.patch(at, h.token, 0, bytes.NewReader(content)); a.status != http.StatusNoContent {
		t.Errorf("got %d %s", a.status, a.body)
	}
}

// TestAKilledWriterLeavesNoTimeOfDay: the lease of a request whose server died
// stayed in the record of the upload, for days, and said when it was sent.
func TestAKilledWriterLeavesNoTimeOfDay(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report())
	content := large(100 << 10)
	at := h.begin("/v1/receipt/uploads", h.token, content)
	id := strings.TrimPrefix(at, uploads+"/")
	sweep := func() time.Time {
		t.Helper()
		must(h.service.Sweep(t.Context(), time.Hour))
		return must(h.service.Uploads.Get(t.Context(), "county", id)).Until
	}
	must(h.service.Uploads.Lease(t.Context(), "county", id, h.clock.now(), h.clock.now().Add(upload.Lease)))
	if sweep().IsZero() {
		t.Error("the lease of a request at work was taken")
	}
	h.clock.pass(upload.Lease + time.Second)
	if until := sweep(); !until.IsZero() {
		t.Errorf("got %s", until)
	}
	if a := h.patch(at, h.token, 0, bytes.NewReader(content)); a.status != http.StatusNoContent {
		t.Errorf("got %d %s", a.status, a.body)
	}
}

// TestATryThatBrokeOffAnnouncedOneFile: of an announcement that broke off behind
// its first write the upload stayed, and the same key with another file got it:
// the file could not be sent, since it had another size.
func TestATryThatBrokeOffAnnouncedOneFile(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report())
	h.put(func(r *casefile.Report) { // the record takes nothing now
		for range 64 {
			r.Pending = append(r.Pending, casefile.Effect{Seq: r.Seq + 1})
		}
	})
	key, content := newKey(), picture(1)
	item := wire.AnnounceItem{Kind: casefile.Photo, Size: int64(len(content))}
	one := func(item wire.AnnounceItem) answer {
		return h.post("/v1/receipt/uploads", h.token, key, wire.Announce{Items: []wire.AnnounceItem{item}})
	}
	for range 2 {
		h.refused(one(item), "record.too_many_effects")
	}
	relay(t, h.service)
	other := item
	other.Size++
	h.refused(one(other), "idempotency.other_body")
	got := read[wire.Announced](h.rig, one(item), http.StatusCreated).Items[0]
	if a := h.create(h.token, got.Right, len(content)); a.status != http.StatusCreated {
		t.Errorf("got %d %s", a.status, a.body)
	}
}

// TestAPieceInFlightWroteAnOldKeyBack: all data keys were wrapped again while a
// piece came in, and its end wrote the upload back as it was at its beginning. The
// old key was needed for good, or was removed and the upload lost.
func TestAPieceInFlightWroteAnOldKeyBack(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report())
	content := large(3 << 20)
	at := h.begin("/v1/receipt/uploads", h.token, content)
	rotate := func() {
		later := time.Now()
		file := must(vault.UseKey(must(vault.AddKey(h.keys, vault.AtRest, rand.Reader, later)), vault.AtRest, later))
		h.service.Keyring.Replace(must(vault.Parse(file)))
		h.check(h.service.RewrapAll(t.Context(), func(workflow.Rewrap) error { return nil }))
	}
	body := &slow{bytes.NewReader(content[:2<<20]), 1 << 20, rotate}
	if _, err := h.service.SendPiece(t.Context(), h.actor(), strings.TrimPrefix(at, uploads+"/"), upload.Piece{Length: 2 << 20, Body: body}); err != nil {
		t.Fatal(err)
	}
	used, _, err := h.service.KeysInUse(t.Context())
	h.check(err)
	if newest := h.service.Keyring.NewestID(vault.AtRest); len(used) != 1 || used[newest] == 0 {
		t.Errorf("got data keys under %v, want all under %s", used, newest)
	}
	if a := h.patch(at, h.token, 2<<20, bytes.NewReader(content[2<<20:])); a.status != http.StatusNoContent {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	if back := h.original(h.report().Evidence[0]); !bytes.Equal(back, content) {
		t.Errorf("read %d bytes back, not those that were sent", len(back))
	}
}
