package app_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gridwatch/media/blobtest"
	"gridwatch/media/mediatest"
	"gridwatch/mobileapi/tus"
	"gridwatch/mobileapi/wire"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
)

// mostResident is what the server may hold while 200 files of 20 MB come in at
// once, in bytes.
const mostResident = 300 << 20

// TestMediaUnderLoad sends many files at once and prints what the server held
// in memory, and how fast bytes come in by either path against the same bytes
// put straight into the object store. It is small; `make bench-media` sets
// GRID_BENCH_MEDIA, and then it is of the size that the figures are for.
func TestMediaUnderLoad(t *testing.T) { //nolint:paralleltest // it measures
	files, size, rounds := 30, 2<<20, 1
	full := os.Getenv("GRID_BENCH_MEDIA") != ""
	if full {
		files, size, rounds = 200, 20_000_000, 15
	}
	w, path := apart(t), program(t)
	server := launch(t, path, w.settings, "serve")
	w.ready(t)

	took := timed(func() {
		var all sync.WaitGroup
		for left := files; left > 0; left -= 20 {
			holder, rights := w.rights(t, min(left, 20), size)
			for i, right := range rights {
				all.Go(func() { w.sendWhole(t, holder, right, picturesOf(size, i)) })
			}
		}
		all.Wait()
	})
	resident := peak(t, server.Process.Pid)
	t.Logf("%d files of %d bytes at once: %.0f MB/s, the server held at most %.0f MB", files, size,
		float64(files*size)/1e6/took.Seconds(), float64(resident)/1e6)
	if full && resident > mostResident {
		t.Errorf("the server held %d bytes, want at most %d", resident, mostResident)
	}
	w.allSettled(t)
	plain := blobtest.Plain(t)
	for _, size := range []int{8 << 20, 19 << 20} {
		w.compare(t, plain, size, rounds)
	}
}

// compare sends files one after the other by three ways, in turns, and prints
// the median of each. Copies are made between, and do not take part.
func (w *world) compare(t *testing.T, plain func(string, []byte) error, size, rounds int) {
	t.Helper()
	content := picturesOf(size, 0)
	holder, rights := w.rights(t, rounds, size)
	var straight, pieces, form []time.Duration
	for i := range rounds {
		straight = append(straight, timed(func() {
			if err := plain(fmt.Sprint(size, i), content); err != nil {
				t.Error(err)
			}
		}))
		pieces = append(pieces, timed(func() { w.sendWhole(t, holder, rights[i], content) }))
		w.allSettled(t)
		body, mediaType := formOf(t, content)
		form = append(form, timed(func() {
			w.send(t, holder, http.MethodPost, "/v1/receipt/evidence", body, map[string]string{"Content-Type": mediaType, "Idempotency-Key": newKey(t)})
		}))
		w.allSettled(t)
	}
	rate := func(d []time.Duration) float64 {
		slices.Sort(d)
		return float64(size) / 1e6 / d[len(d)/2].Seconds()
	}
	s, p, f := rate(straight), rate(pieces), rate(form)
	t.Logf("%d bytes: straight %.0f MB/s; in pieces %.0f MB/s, ratio %.2f; by form %.0f MB/s, ratio %.2f", size, s, p, p/s, f, f/s)
}

func timed(do func()) time.Duration {
	began := time.Now()
	do()
	return time.Since(began)
}

// picturesOf is a picture of a size, each another one.
func picturesOf(size, n int) []byte {
	p := mediatest.Picture(mediatest.Options{Width: 16, Height: 16, Seed: uint64(n)})
	return append(p, bytes.Repeat([]byte{byte(n)}, size-len(p))...)
}

// rights registers a report and announces pictures behind its receipt.
func (w *world) rights(t *testing.T, n, size int) (apiclient.Client, []wire.AnnouncedItem) {
	t.Helper()
	var made wire.Registration
	w.ask(t, w.anyone(), apiclient.Call{
		Method: http.MethodPost, Path: "/v1/public/" + demo.Tenant + "/reports", Key: newKey(t),
		Form: new(apiclient.Form).JSON("report", []byte(anonymousReport)),
	}, &made)
	var session wire.ReceiptSession
	w.ask(t, w.anyone(), apiclient.Call{Method: http.MethodPost, Path: "/v1/receipt/session", Body: wire.OpenReceipt{Code: made.Code}}, &session)
	c := apiclient.Client{Base: w.base, HTTP: w.http, Token: session.Token}
	var in wire.Announce
	for range n {
		in.Items = append(in.Items, wire.AnnounceItem{Kind: casefile.Photo, Size: int64(size)})
	}
	var out wire.Announced
	w.ask(t, c, apiclient.Call{Method: http.MethodPost, Path: "/v1/receipt/uploads", Key: newKey(t), Body: in}, &out)
	return c, out.Items
}

// sendWhole creates an upload with all of its content. On a machine that is too
// busy to read all senders at once it goes on where it was cut off.
func (w *world) sendWhole(t *testing.T, c apiclient.Client, item wire.AnnouncedItem, content []byte) {
	t.Helper()
	creation := map[string]string{
		"Tus-Resumable": "1.0.0", "Content-Type": tus.Type, "Upload-Length": strconv.Itoa(len(content)),
		"Upload-Metadata": "right " + base64.StdEncoding.EncodeToString([]byte(item.Right)),
	}
	cut, _ := w.send(t, c, http.MethodPost, tus.Path, content, creation)
	for cut {
		t.Log("an upload was cut off and goes on")
		_, head := w.send(t, c, http.MethodPost, tus.Path, nil, creation)
		from, err := strconv.Atoi(head.Get("Upload-Offset"))
		if err != nil {
			t.Errorf("got offset %q", head.Get("Upload-Offset"))
			return
		}
		cut, _ = w.send(t, c, http.MethodPatch, head.Get("Location"), content[from:], map[string]string{
			"Tus-Resumable": "1.0.0", "Content-Type": tus.Type, "Upload-Offset": strconv.Itoa(from),
		})
	}
}

// formOf is a form with one file.
func formOf(t *testing.T, content []byte) ([]byte, string) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("evidence", "x.jpg")
	if err == nil {
		_, err = part.Write(content)
	}
	if err = errors.Join(err, form.Close()); err != nil {
		t.Fatal(err)
	}
	return body.Bytes(), form.FormDataContentType()
}

// send sends a body that must be taken, however long it takes, or cut off for
// being slow while others wait.
func (w *world) send(t *testing.T, c apiclient.Client, method, path string, body []byte, header map[string]string) (cut bool, head http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.base+path, bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return false, nil
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := (&http.Client{Transport: c.HTTP.Transport}).Do(req)
	if err != nil {
		t.Error(err)
		return false, nil
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	if bytes.Contains(text, []byte("server.too_slow")) {
		return true, nil
	}
	if res.StatusCode != http.StatusCreated && res.StatusCode != http.StatusNoContent {
		t.Errorf("got %d %s", res.StatusCode, text)
	}
	return false, res.Header
}

// peak is the most memory a process held so far, in bytes.
func peak(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
