package mobileapi_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"gridwatch/media"
	"gridwatch/media/blobtest"
	"gridwatch/server/casefile"
)

// dripping gives its first bytes, and the rest only when it may.
type dripping struct {
	first, rest io.Reader
	may         <-chan struct{}
}

// Read implements io.Reader.
func (d *dripping) Read(p []byte) (int, error) {
	if n, err := d.first.Read(p); err == nil {
		return n, nil
	}
	<-d.may
	return d.rest.Read(p)
}

// TestSlowSendersKeepNobodyOut: there are more senders that stand still than
// there is memory for. Who comes afterwards is served, and when the others come
// back they go on where they were.
func TestSlowSendersKeepNobodyOut(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.service.Media = media.New(blobtest.Open(t), rand.Reader, media.Config{Memory: 2 << 20, Patience: 50 * time.Millisecond})
	content := large(1 << 20)
	first, may := 100<<10, make(chan struct{})
	var holders []*holder
	var places []string
	var slow sync.WaitGroup
	for range 3 {
		h := r.submit(report())
		for range 4 {
			at := h.begin("/v1/receipt/uploads", h.token, content)
			holders, places = append(holders, h), append(places, at)
			slow.Go(func() {
				body := &dripping{bytes.NewReader(content[:first]), bytes.NewReader(content[first:]), may}
				q, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, r.url+at, body)
				if err != nil {
					t.Error(err)
					return
				}
				q.ContentLength = int64(len(content))
				for name, value := range map[string]string{
					"Tus-Resumable": "1.0.0", "Authorization": "Bearer " + h.token, "Upload-Offset": "0", "Content-Type": piece,
				} {
					q.Header.Set(name, value)
				}
				res, err := r.client.Do(q)
				if err != nil {
					return // it was cut off in the middle of its body
				}
				defer res.Body.Close()
				if res.StatusCode != http.StatusServiceUnavailable && res.StatusCode != http.StatusNoContent {
					t.Errorf("got %d for one that stands still", res.StatusCode)
				}
			})
		}
	}
	honest := r.submit(report())
	at := honest.begin("/v1/receipt/uploads", honest.token, content)
	honest.goOn(at, content)
	if got := honest.report().Evidence[0].State; got != casefile.EvidenceVerified {
		t.Errorf("got %s for who sends, want it verified", got)
	}
	form := r.submit(report())
	sendForm := func() answer {
		return form.form("/v1/receipt/evidence", form.token, newKey(), photo(content))
	}
	for a := sendForm(); a.status != http.StatusCreated; a = sendForm() {
		if a.code() != "server.too_slow" { // others wait for the same memory
			t.Fatalf("by form: got %d %s", a.status, a.body)
		}
	}
	close(may)
	slow.Wait()
	for i, h := range holders {
		h.goOn(places[i], content)
	}
	for _, h := range holders {
		for _, item := range h.report().Evidence {
			if item.State != casefile.EvidenceVerified || !bytes.Equal(h.original(item), content) {
				t.Errorf("got an item %s of one that was slow, want all of it", item.State)
			}
		}
	}
}

// goOn sends the rest of an upload as a client does: from where HEAD says, until
// all is there.
func (h *holder) goOn(at string, content []byte) {
	h.t.Helper()
	for {
		from := h.offset(at, h.token)
		if from == len(content) {
			return
		}
		a := h.patch(at, h.token, from, bytes.NewReader(content[from:]))
		if code := a.code(); a.status != http.StatusNoContent && code != "server.too_slow" {
			h.t.Fatalf("at %d: got %d %s", from, a.status, a.body)
		}
	}
}
