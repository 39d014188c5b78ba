package mobileapi_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gridwatch/media"
	"gridwatch/mobileapi/wire"
	"gridwatch/server/casefile"
	"gridwatch/server/workflow"
)

const (
	uploads = "/v1/uploads"
	piece   = "application/offset+octet-stream"
)

// large is a picture of a size, which the noise behind its end makes up.
func large(size int) []byte {
	p := picture(1)
	noise := make([]byte, size-len(p))
	_, _ = rand.Read(noise)
	return append(p, noise...)
}

// tus sends a request of the protocol; fields are names and values.
func (r *rig) tus(method, path, token string, body io.Reader, fields ...string) answer {
	q := must(http.NewRequestWithContext(r.t.Context(), method, r.url+path, body))
	q.Header.Set("Tus-Resumable", "1.0.0")
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(fields); i += 2 {
		q.Header.Set(fields[i], fields[i+1])
		if fields[i+1] == "" {
			q.Header.Del(fields[i])
		}
	}
	res, err := r.client.Do(q)
	if err != nil {
		r.t.Error(err)
		return answer{}
	}
	defer res.Body.Close()
	return answer{status: res.StatusCode, body: must(io.ReadAll(res.Body)), header: res.Header}
}

func b64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// announce announces one item and returns it.
func (r *rig) announce(path, token string, item wire.AnnounceItem) wire.AnnouncedItem {
	r.t.Helper()
	a := r.post(path, token, newKey(), wire.Announce{Items: []wire.AnnounceItem{item}})
	return read[wire.Announced](r, a, http.StatusCreated).Items[0]
}

func (r *rig) create(token, right string, size int) answer {
	return r.tus("POST", uploads, token, nil, "Upload-Length", strconv.Itoa(size),
		"Upload-Metadata", "right "+b64(right)+",filename "+b64("IMG_9.jpg")+",filetype")
}

// begin announces a picture and creates its upload.
func (r *rig) begin(path, token string, content []byte) string {
	r.t.Helper()
	item := r.announce(path, token, wire.AnnounceItem{Kind: casefile.Photo, Size: int64(len(content)), SHA256: sum(content)})
	a := r.create(token, item.Right, len(content))
	if a.status != http.StatusCreated {
		r.t.Fatalf("create: got %d %s", a.status, a.body)
	}
	return a.header.Get("Location")
}

func (r *rig) patch(at, token string, offset int, body io.Reader, fields ...string) answer {
	return r.tus("PATCH", at, token, body, append([]string{"Upload-Offset", strconv.Itoa(offset), "Content-Type", piece}, fields...)...)
}

func (r *rig) offset(at, token string) int {
	r.t.Helper()
	a := r.tus("HEAD", at, token, nil)
	if a.status != http.StatusOK {
		r.t.Fatalf("HEAD: got %d", a.status)
	}
	return must(strconv.Atoi(a.header.Get("Upload-Offset")))
}

// TestUploadInPieces sends pieces of odd sizes, one byte and nothing among
// them, and reads the item back.
func TestUploadInPieces(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report())
	content := large(9<<20 + 12345)
	at := h.begin("/v1/receipt/uploads", h.token, content)
	state := func() casefile.EvidenceState {
		return read[wire.Receipt](h.rig, h.get("/v1/receipt", h.token), http.StatusOK).Evidence[0].State
	}
	if got := state(); got != casefile.EvidenceExpected {
		t.Errorf("announced: got %s", got)
	}
	sent := 0
	for _, n := range []int{1, 0, 5000, 100, 600 << 10, 3, 8 << 20, len(content)} {
		n = min(n, len(content)-sent)
		a := h.patch(at, h.token, sent, bytes.NewReader(content[sent:sent+n]))
		sent += n
		if a.status != http.StatusNoContent || a.header.Get("Upload-Offset") != strconv.Itoa(sent) {
			t.Fatalf("at %d: got %d %s, offset %s", sent, a.status, a.body, a.header.Get("Upload-Offset"))
		}
		if got := h.offset(at, h.token); got != sent {
			t.Errorf("HEAD: got %d, want %d", got, sent)
		}
		want := casefile.EvidenceReceiving
		if sent == len(content) {
			want = casefile.EvidenceVerified
		}
		if got := state(); got != want {
			t.Errorf("at %d: got %s, want %s", sent, got, want)
		}
	}
	item := h.report().Evidence[0]
	if item.Upload != "" || item.Parts > 6 {
		t.Errorf("got %d parts in %v, upload %q", item.Parts, item.Runs, item.Upload)
	}
	desk := staff("desk", casefile.DeskOfficer)
	facts := must(h.service.ReadReport(t.Context(), desk, h.id)).Facts[0]
	if facts.SHA256 != sum(content) || facts.Name != "IMG_9.jpg" || facts.Size != int64(len(content)) || facts.Type != "image/jpeg" {
		t.Errorf("got %+v", facts)
	}
	if back := h.original(item); !bytes.Equal(back, content) {
		t.Errorf("read %d bytes back, not those that were sent", len(back))
	}
	if swept := must(h.service.Sweep(t.Context(), 0)); swept != (workflow.Swept{}) {
		t.Errorf("got swept %+v: the upload left something", swept)
	}
	h.noTimes()
}

// TestCreatedTwiceTakesItsFirstPieceOnce: who creates an upload with its first
// piece and hears no answer creates it again, with the same piece. That took the
// piece for the next one.
func TestCreatedTwiceTakesItsFirstPieceOnce(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report())
	content, first := large(2<<20), 1<<20
	item := h.announce("/v1/receipt/uploads", h.token, wire.AnnounceItem{Kind: casefile.Photo, Size: int64(len(content))})
	var at string
	for range 2 {
		a := h.tus("POST", uploads, h.token, bytes.NewReader(content[:first]), "Upload-Length", strconv.Itoa(len(content)), "Content-Type", piece,
			"Upload-Metadata", "right "+b64(item.Right)+",filename "+b64("a.jpg"))
		if a.status != http.StatusCreated || a.header.Get("Upload-Offset") != strconv.Itoa(first) {
			t.Fatalf("got %d %s, offset %s", a.status, a.body, a.header.Get("Upload-Offset"))
		}
		at = a.header.Get("Location")
	}
	if a := h.patch(at, h.token, first, bytes.NewReader(content[first:])); a.status != http.StatusNoContent {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	if back := h.original(h.report().Evidence[0]); !bytes.Equal(back, content) {
		t.Errorf("read %d bytes back, not those that were sent", len(back))
	}
}

// original reads an item as it was sent, as long as the keyring can.
func (h *holder) original(item casefile.Evidence) []byte {
	h.t.Helper()
	at, _ := media.PlaceOf(item.Object)
	key := must(h.service.Keyring.OpenDataKey(at.String()+"/original", item.Key))
	ref := media.Ref{Object: item.Object, Parts: item.Parts}
	for _, run := range item.Runs {
		ref.Runs = append(ref.Runs, media.Run(run))
	}
	body := must(h.service.Media.Read(h.t.Context(), ref, key, at))
	defer body.Close()
	return must(io.ReadAll(body))
}

// TestUploadRights: a right is for one bearer, one length, one upload.
func TestUploadRights(t *testing.T) {
	t.Parallel()
	r := start(t)
	h, other := r.submit(report()), r.submit(report())
	content := picture(1)
	key := newKey()
	body := wire.Announce{Items: []wire.AnnounceItem{{Kind: casefile.Photo, Size: int64(len(content))}}}
	first := h.post("/v1/receipt/uploads", h.token, key, body)
	item := read[wire.Announced](r, first, http.StatusCreated).Items[0]
	if again := h.post("/v1/receipt/uploads", h.token, key, body); !bytes.Equal(again.body, first.body) {
		t.Errorf("again: got %s, want %s", again.body, first.body)
	}
	more := wire.Announce{Items: append(body.Items, body.Items...)}
	h.refused(h.post("/v1/receipt/uploads", h.token, key, more), "idempotency.other_body")
	many := wire.Announce{}
	for range 5 {
		many.Items = append(many.Items, body.Items[0])
	}
	h.refused(h.post("/v1/receipt/uploads", h.token, newKey(), many), "report.too_many_items /evidence")
	huge := wire.Announce{Items: []wire.AnnounceItem{body.Items[0], {Kind: casefile.Photo, Size: 33 << 20}}}
	h.refused(h.post("/v1/receipt/uploads", h.token, newKey(), huge), "upload.too_large /items/1/size")

	absent := h.create(h.token, "canary", len(content))
	if absent.status != http.StatusNotFound {
		t.Errorf("no such right: got %d", absent.status)
	}
	inspector := r.signIn("inspector").Access
	for name, a := range map[string]answer{
		"another receipt": r.create(other.token, item.Right, len(content)),
		"staff":           r.create(inspector, item.Right, len(content)),
		"before creation": h.tus("HEAD", uploads+"/"+item.ID, h.token, nil),
	} {
		if a.status != http.StatusNotFound || (name != "before creation" && !bytes.Equal(a.body, absent.body)) {
			t.Errorf("%s: got %d %s", name, a.status, a.body)
		}
	}
	h.refused(h.create(h.token, item.Right, len(content)+1), "upload.too_long")
	h.refused(h.create(h.token, item.Right, len(content)-1), "upload.length")
	a := h.create(h.token, item.Right, len(content))
	at := a.header.Get("Location")
	if again := h.create(h.token, item.Right, len(content)); again.status != http.StatusCreated || again.header.Get("Location") != at {
		t.Errorf("created again: got %d %q, want %q", again.status, again.header.Get("Location"), at)
	}
	if strings.Contains(at, item.Right) {
		t.Error("the address gives the right away")
	}
	for _, token := range []string{other.token, inspector} {
		for _, method := range []string{"HEAD", "DELETE", "PATCH"} {
			if a := r.tus(method, at, token, nil, "Content-Type", piece, "Upload-Offset", "0"); a.status != http.StatusNotFound {
				t.Errorf("%s by another: got %d %s", method, a.status, a.body)
			}
		}
	}
	if a := r.tus("HEAD", at, "", nil); a.status != http.StatusUnauthorized {
		t.Errorf("without a bearer: got %d", a.status)
	}
	if a := h.patch(at, h.token, 0, bytes.NewReader(content)); a.status != http.StatusNoContent {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	again := h.create(h.token, item.Right, len(content)) // its answer may have been lost
	if got := again.header.Get("Upload-Offset"); again.status != http.StatusCreated || again.header.Get("Location") != at || got != strconv.Itoa(len(content)) {
		t.Errorf("created once it was whole: got %d %s, offset %q", again.status, again.body, got)
	}
	h.refused(h.create(h.token, item.Right, len(content)+1), "upload.too_long")
	h.refused(h.create(h.token, item.Right, len(content)-1), "upload.length")
}

// TestUploadAnswers is the protocol's table of refusals. None changes anything.
func TestUploadAnswers(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report())
	content := large(100 << 10)
	at := h.begin("/v1/receipt/uploads", h.token, content)
	const sent = 50 << 10
	half := func() io.Reader { return bytes.NewReader(content[:sent]) }
	if a := h.patch(at, h.token, 0, half()); a.status != http.StatusNoContent {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	wrong := base64.StdEncoding.EncodeToString(make([]byte, sha256.Size))
	rest := func() io.Reader { return bytes.NewReader(content[sent:]) }
	for name, tt := range map[string]struct {
		answer answer
		status int
		code   string
	}{
		"no such upload":       {h.patch(uploads+"/x", h.token, 0, half()), 404, "record.not_found"},
		"offset before":        {h.patch(at, h.token, 0, half()), 409, "upload.offset"},
		"offset behind":        {h.patch(at, h.token, sent+1, half()), 409, "upload.offset"},
		"offset of letters":    {h.patch(at, h.token, 0, half(), "Upload-Offset", "canary"), 400, "upload.header"},
		"offset below zero":    {h.patch(at, h.token, -1, half()), 400, "upload.header"},
		"no offset":            {h.patch(at, h.token, 0, half(), "Upload-Offset", ""), 400, "upload.header"},
		"another version":      {h.patch(at, h.token, sent, rest(), "Tus-Resumable", "0.2.2"), 412, "upload.version"},
		"no version":           {h.patch(at, h.token, sent, rest(), "Tus-Resumable", ""), 412, "upload.version"},
		"too long":             {h.patch(at, h.token, sent, bytes.NewReader(content[sent-1:])), 413, "upload.too_long"},
		"too long, chunked":    {h.patch(at, h.token, sent, io.MultiReader(rest(), strings.NewReader("x")), "X-X", "x"), 413, "upload.too_long"},
		"another media type":   {h.patch(at, h.token, sent, rest(), "Content-Type", "image/jpeg"), 415, "body.media_type"},
		"compressed":           {h.patch(at, h.token, sent, rest(), "Content-Encoding", "gzip"), 415, "body.encoded"},
		"empty, no type":       {h.patch(at, h.token, sent, nil, "Content-Type", ""), 415, "body.media_type"},
		"checksum":             {h.patch(at, h.token, sent, rest(), "Upload-Checksum", "sha256 "+wrong), 460, "upload.checksum"},
		"checksum of no kind":  {h.patch(at, h.token, sent, rest(), "Upload-Checksum", "md5 "+wrong), 400, "upload.checksum_algorithm"},
		"checksum of no form":  {h.patch(at, h.token, sent, rest(), "Upload-Checksum", "sha1 "+wrong), 400, "upload.header"},
		"deferred length":      {h.tus("POST", uploads, h.token, nil, "Upload-Defer-Length", "1"), 400, "upload.header"},
		"no length":            {h.tus("POST", uploads, h.token, nil), 400, "upload.header"},
		"length of letters":    {h.tus("POST", uploads, h.token, nil, "Upload-Length", "1e3"), 400, "upload.header"},
		"metadata not base64":  {h.tus("POST", uploads, h.token, nil, "Upload-Length", "1", "Upload-Metadata", "right ca nary"), 400, "upload.metadata"},
		"metadata twice":       {h.tus("POST", uploads, h.token, nil, "Upload-Length", "1", "Upload-Metadata", "a,a"), 400, "upload.metadata"},
		"long file name":       {h.tus("POST", uploads, h.token, nil, "Upload-Length", "1", "Upload-Metadata", "filename "+b64(strings.Repeat("n", 256))), 400, "evidence.file_name"},
		"creation, other type": {h.tus("POST", uploads, h.token, rest(), "Upload-Length", "1"), 415, "body.media_type"},
	} {
		if tt.answer.status != tt.status || tt.answer.code() != tt.code {
			t.Errorf("%s: got %d %s, want %d %s", name, tt.answer.status, tt.answer.body, tt.status, tt.code)
		}
		if tt.answer.header.Get("Tus-Resumable") != "1.0.0" {
			t.Errorf("%s: the answer does not say Tus-Resumable", name)
		}
		h.lacks(tt.answer, "canary")
	}
	if got := h.offset(at, h.token); got != sent {
		t.Fatalf("after what was refused: got %d, want %d", got, sent)
	}
	right := sha1.Sum(content[sent:])
	a := h.patch(at, h.token, sent, rest(), "Upload-Checksum", "sha1 "+base64.StdEncoding.EncodeToString(right[:]))
	if a.status != http.StatusNoContent || h.report().Evidence[0].State != casefile.EvidenceVerified {
		t.Errorf("got %d %s", a.status, a.body)
	}
	opts := h.tus("OPTIONS", uploads, "", nil, "Tus-Resumable", "")
	want := "creation,creation-with-upload,termination,expiration,checksum 1.0.0 sha256,sha1 4294967296"
	if got := fmt.Sprint(opts.header.Get("Tus-Extension"), " ", opts.header.Get("Tus-Version"), " ", opts.header.Get("Tus-Checksum-Algorithm"), " ",
		opts.header.Get("Tus-Max-Size")); opts.status != http.StatusNoContent || got != want {
		t.Errorf("OPTIONS: got %d %s", opts.status, got)
	}
	if swept := must(h.service.Sweep(t.Context(), 0)); swept.Uploads != 0 {
		t.Errorf("got %+v", swept)
	}
}

// TestUploadKeepsWhatArrived cuts the connection in the middle of pieces.
func TestUploadKeepsWhatArrived(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report())
	content := large(2<<20 + 77)
	at := h.begin("/v1/receipt/uploads", h.token, content)
	cut := func(from, n int, fields string) {
		t.Helper()
		c := must(new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(h.url, "http://")))
		must(fmt.Fprintf(c, "PATCH %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: %d\r\n"+
			"Content-Type: %s\r\nContent-Length: %d\r\n%s\r\n", at, h.token, from, piece, len(content)-from, fields))
		must(c.Write(content[from : from+n]))
		h.check(c.(*net.TCPConn).CloseWrite())
		must(io.Copy(io.Discard, c)) // until the server is done with it
		h.check(c.Close())
	}
	cut(0, 300_000, "")
	if got := h.offset(at, h.token); got != 300_000 {
		t.Fatalf("got %d, want 300000", got)
	}
	want := sha256.Sum256(content[300_000:])
	cut(300_000, 1<<20, "Upload-Checksum: sha256 "+base64.StdEncoding.EncodeToString(want[:])+"\r\n")
	if got := h.offset(at, h.token); got != 300_000 {
		t.Errorf("of a piece with a checksum: got %d, want all of it or nothing", got)
	}
	cut(300_000, 1_000_001, "")
	if got := h.offset(at, h.token); got != 1_300_001 {
		t.Errorf("got %d, want 1300001", got)
	}
	if a := h.patch(at, h.token, 1_300_001, bytes.NewReader(content[1_300_001:])); a.status != http.StatusNoContent {
		t.Errorf("got %d %s", a.status, a.body)
	}
	if got := h.report().Evidence[0].State; got != casefile.EvidenceVerified {
		t.Errorf("got %s", got)
	}
}

// TestUploadIsRejected: the sender is told, and nothing of it stays.
func TestUploadIsRejected(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		kind    casefile.EvidenceKind
		content []byte
		sha256  string
		status  int
		code    string
	}{
		"another digest":  {casefile.Photo, picture(1), sum(picture(2)), 400, "evidence.digest"},
		"no kind we take": {casefile.Photo, []byte("canary, just text"), "", 415, "evidence.type"},
		"another kind":    {casefile.Video, picture(1), "", 415, "evidence.kind"},
		"cut picture":     {casefile.Photo, picture(1)[:40], "", 400, "evidence.broken"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := start(t).submit(report())
			item := h.announce("/v1/receipt/uploads", h.token, wire.AnnounceItem{Kind: tt.kind, Size: int64(len(tt.content)), SHA256: tt.sha256})
			at := h.create(h.token, item.Right, len(tt.content)).header.Get("Location")
			a := h.patch(at, h.token, 0, bytes.NewReader(tt.content))
			if a.status != tt.status || strings.Fields(a.code())[0] != tt.code {
				t.Errorf("got %d %s, want %d %s", a.status, a.body, tt.status, tt.code)
			}
			h.lacks(a, "canary")
			seen := read[wire.Receipt](h.rig, h.get("/v1/receipt", h.token), http.StatusOK).Evidence
			want := []wire.ReceiptItem{{N: 1, Kind: tt.kind, State: casefile.EvidenceRejected, Reason: tt.code}}
			if diff := cmp.Diff(want, seen); diff != "" {
				t.Error(diff)
			}
			for _, method := range []string{"HEAD", "DELETE", "PATCH"} {
				if a := h.tus(method, at, h.token, nil, "Content-Type", piece, "Upload-Offset", "0"); a.status != http.StatusGone {
					t.Errorf("%s: got %d %s", method, a.status, a.body)
				}
			}
			if swept := must(h.service.Sweep(t.Context(), 0)); swept != (workflow.Swept{}) {
				t.Errorf("got swept %+v", swept)
			}
		})
	}
}

func TestUploadEnds(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report())
	content := large(1 << 20)
	given := h.begin("/v1/receipt/uploads", h.token, content)
	late := h.begin("/v1/receipt/uploads", h.token, content)
	whole := h.begin("/v1/receipt/uploads", h.token, content)
	for _, at := range []string{given, late} {
		h.patch(at, h.token, 0, bytes.NewReader(content[:700<<10]))
	}
	h.patch(whole, h.token, 0, bytes.NewReader(content))
	if a := h.tus("DELETE", given, h.token, nil); a.status != http.StatusNoContent {
		t.Errorf("got %d %s", a.status, a.body)
	}
	for _, at := range []string{given, whole} {
		if a := h.tus("DELETE", at, h.token, nil); a.status != http.StatusGone {
			t.Errorf("again, or whole: got %d %s", a.status, a.body)
		}
	}
	expires := must(http.ParseTime(h.tus("HEAD", late, h.token, nil).header.Get("Upload-Expires")))
	if in := expires.Sub(h.clock.now()); in < 168*time.Hour || in > 192*time.Hour {
		t.Errorf("expires in %s", in)
	}
	h.clock.pass(193 * time.Hour)
	h.open(h.made.Code)
	if a := h.patch(late, h.token, 700<<10, bytes.NewReader(content[700<<10:])); a.status != http.StatusGone {
		t.Errorf("too late: got %d %s", a.status, a.body)
	}
	if swept := must(h.service.Sweep(t.Context(), 0)); swept.Uploads != 3 || swept.Objects != 0 {
		t.Errorf("got swept %+v", swept)
	}
	if a := h.tus("HEAD", late, h.token, nil); a.status != http.StatusNotFound {
		t.Errorf("long after: got %d", a.status)
	}
	var got []string
	for _, e := range h.report().Evidence {
		got = append(got, string(e.State)+" "+e.Reason)
	}
	if diff := cmp.Diff([]string{"rejected evidence.given_up", "rejected evidence.expired", "verified "}, got); diff != "" {
		t.Error(diff)
	}
}

// TestUploadIsLocked: two requests never send at once, and a request whose
// process died locks its upload for at most 15 seconds.
func TestUploadIsLocked(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report())
	content := large(1 << 20)
	at := h.begin("/v1/receipt/uploads", h.token, content)
	r, w := io.Pipe()
	done := make(chan answer, 1)
	go func() { done <- h.patch(at, h.token, 0, r) }()
	must(w.Write(content[:600<<10])) // the request is being read
	id := strings.TrimPrefix(at, uploads+"/")
	for must(h.service.Uploads.Get(t.Context(), "county", id)).Term <= 1 { // until it has its lease
		time.Sleep(time.Millisecond)
	}
	for method, a := range map[string]answer{
		"PATCH": h.patch(at, h.token, 0, bytes.NewReader(content)), "DELETE": h.tus("DELETE", at, h.token, nil),
	} {
		if a.status != http.StatusLocked || a.code() != "upload.locked" {
			t.Errorf("%s: got %d %s", method, a.status, a.body)
		}
	}
	h.clock.pass(16 * time.Second) // the other is taken for dead
	if a := h.patch(at, h.token, 0, bytes.NewReader(content)); a.status != http.StatusNoContent {
		t.Errorf("after the lease: got %d %s", a.status, a.body)
	}
	must(w.Write(content[600<<10:]))
	h.check(w.Close())
	if a := <-done; a.status != http.StatusLocked && a.status != http.StatusGone {
		t.Errorf("the late one: got %d %s", a.status, a.body)
	}
	if back := h.original(h.report().Evidence[0]); !bytes.Equal(back, content) {
		t.Error("the late one changed something")
	}
	if _, err := h.service.Sweep(t.Context(), 0); err != nil {
		t.Error(err)
	}
	if again := must(h.service.Sweep(t.Context(), 0)); again != (workflow.Swept{}) {
		t.Errorf("got %+v", again)
	}
}

// TestUploadForTask: the assignee's pictures come before or after the result,
// and a missing one is seen.
func TestUploadForTask(t *testing.T) {
	t.Parallel()
	r := start(t)
	id, token, other := r.patrol(), r.signIn("inspector").Access, r.signIn("other").Access
	path := "/v1/field/tasks/" + id
	content := picture(1)
	missing := r.announce(path+"/uploads", token, wire.AnnounceItem{Kind: casefile.Video, Size: 1 << 30})
	if a := r.post(path+"/uploads", other, newKey(), wire.Announce{Items: []wire.AnnounceItem{{Kind: casefile.Photo, Size: 1}}}); a.status != http.StatusNotFound {
		t.Errorf("another's task: got %d", a.status)
	}
	if a := r.create(other, missing.Right, 1<<30); a.status != http.StatusNotFound {
		t.Errorf("another's right: got %d", a.status)
	}
	item := r.announce(path+"/uploads", token, wire.AnnounceItem{Kind: casefile.Photo, Size: int64(len(content))})
	a := r.tus("POST", uploads, token, bytes.NewReader(content), "Upload-Length", strconv.Itoa(len(content)), "Content-Type", piece,
		"Upload-Metadata", "right "+b64(item.Right)) // creation with the whole of it
	if a.status != http.StatusCreated || a.header.Get("Upload-Offset") != strconv.Itoa(len(content)) {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	task := must(r.service.Tasks.Get(t.Context(), "county", id))
	var states []casefile.EvidenceState
	for _, e := range task.Collected {
		states = append(states, e.State)
	}
	if diff := cmp.Diff([]casefile.EvidenceState{casefile.EvidenceExpected, casefile.EvidenceVerified}, states); diff != "" {
		t.Error(diff)
	}
}

func TestUploadForReply(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report())
	desk, content := h.signIn("desk").Access, picture(1)
	at := h.begin("/v1/office/reports/"+h.id+"/uploads", desk, content)
	if a := h.tus("HEAD", at, h.token, nil); a.status != http.StatusNotFound {
		t.Errorf("by the reporter: got %d", a.status)
	}
	if a := h.patch(at, desk, 0, bytes.NewReader(content)); a.status != http.StatusNoContent {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	sent := h.report().Behind.Sent
	if len(sent) != 1 || sent[0].State != casefile.EvidenceVerified || len(h.report().Evidence) != 0 {
		t.Errorf("got %+v", sent)
	}
	if a := h.get("/v1/receipt/attachments/"+sent[0].ID, h.token); a.status != http.StatusNotFound {
		t.Errorf("what was not released: got %d", a.status)
	}
}
