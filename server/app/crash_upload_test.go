package app_test

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gridwatch/media/mediatest"
	"gridwatch/mobileapi/tus"
	"gridwatch/mobileapi/wire"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/workflow"
)

const (
	uploaders   = 10
	uploadsEach = 20
	uploadKills = 10
	// secretOf stands all over the content of the uploads.
	secretOf = "UPLOAD-CANARY-7f1d"
)

// torrent is a server that is killed again and again while files come in.
type torrent struct {
	*storm

	mu     sync.Mutex
	acked  int64 // bytes
	files  map[string][]byte
	resume int // times that an upload went on behind a kill
}

// TestEveryAcknowledgedByteOutlivesKills kills the server at moments drawn from
// a seed while 200 files come in by pieces. No acknowledged byte is lost, every
// file is whole in the end, the sweep finds nothing to keep, and nothing is in
// clear in the object store or in the program's temporary files.
func TestEveryAcknowledgedByteOutlivesKills(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	f := &torrent{
		storm: &storm{world: apart(t, "TMPDIR="+temp), path: program(t), killed: make(chan struct{})}, files: map[string][]byte{},
	}
	server := launch(t, f.path, f.settings, "serve")
	f.ready(t)
	var all sync.WaitGroup
	for i := range uploaders {
		all.Go(func() { f.sender(t, i) })
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	f.strike(t, server, done)
	<-done
	if t.Failed() {
		return
	}
	t.Logf("%d bytes in %d files acknowledged, cut off %d times", f.acked, len(f.files), f.resume)

	f.allSettled(t) // what a killed worker left of its copies is the sweep's then
	sweep := launch(t, f.path, f.settings, "sweep", "--older-than", "0s")
	if code := sweep.code(t); code != 0 {
		t.Fatalf("sweep: got exit %d, %s", code, sweep.logs.String())
	}
	f.checkFiles(t)
	left, err := os.ReadDir(temp)
	if err != nil || len(left) > 0 {
		t.Errorf("got temporary files %v, %v, want none", left, err)
	}
}

// strike kills the server and starts it again until all is sent.
func (f *torrent) strike(t *testing.T, server *process, done <-chan struct{}) {
	t.Helper()
	var seed [8]byte
	_, _ = crand.Read(seed[:])
	t.Logf("seed %x", seed)
	random := rand.New(rand.NewPCG(uint64(seed[0])<<8|uint64(seed[1]), uint64(seed[2])<<8|uint64(seed[3])))
	for range uploadKills {
		before := f.answered.Load()
		select {
		case <-done:
			return
		case <-time.NewTimer(time.Duration(300+random.IntN(900)) * time.Millisecond).C:
		}
		awaited(t, "an acknowledged piece", func() bool {
			select {
			case <-done:
				return true
			default:
				return f.answered.Load() > before
			}
		})
		server.end(t, syscall.SIGKILL)
		server = launch(t, f.path, f.settings, "serve")
	}
}

// sender registers a report and sends files behind its receipt.
func (f *torrent) sender(t *testing.T, n int) {
	t.Helper()
	random := rand.New(rand.NewPCG(uint64(n), 7))
	key := newKey(t)
	var made wire.Registration
	form := new(apiclient.Form).JSON("report", []byte(anonymousReport))
	f.stubborn(t, func(ctx context.Context) error {
		_, err := f.anyone().Do(ctx, apiclient.Call{Method: http.MethodPost, Path: "/v1/public/" + demo.Tenant + "/reports", Key: key, Form: form}, &made)
		return err
	})
	var session wire.ReceiptSession
	f.stubborn(t, func(ctx context.Context) error {
		_, err := f.anyone().Do(ctx, apiclient.Call{Method: http.MethodPost, Path: "/v1/receipt/session", Body: wire.OpenReceipt{Code: made.Code}}, &session)
		return err
	})
	c := apiclient.Client{Base: f.base, HTTP: f.http, Token: session.Token}
	var contents [][]byte
	var in wire.Announce
	for range uploadsEach {
		content := mediatest.Picture(mediatest.Options{Width: 16, Height: 16})
		for size := 20_000 + random.IntN(900_000); len(content) < size; {
			content = append(content, secretOf...)
			content = strconv.AppendInt(content, random.Int64(), 16)
		}
		sum := sha256.Sum256(content)
		contents = append(contents, content)
		in.Items = append(in.Items, wire.AnnounceItem{Kind: casefile.Photo, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])})
	}
	key = newKey(t)
	var out wire.Announced
	f.stubborn(t, func(ctx context.Context) error {
		_, err := c.Do(ctx, apiclient.Call{Method: http.MethodPost, Path: "/v1/receipt/uploads", Key: key, Body: in}, &out)
		return err
	})
	for i, item := range out.Items {
		f.send(t, c, random, item, contents[i])
		f.mu.Lock()
		f.files[item.ID] = contents[i]
		f.mu.Unlock()
	}
}

// send sends one file in pieces of odd sizes and goes on wherever the server
// says, which is never before what was acknowledged.
func (f *torrent) send(t *testing.T, c apiclient.Client, random *rand.Rand, item wire.AnnouncedItem, content []byte) {
	t.Helper()
	meta := "right " + base64.StdEncoding.EncodeToString([]byte(item.Right)) + ",filename " + base64.StdEncoding.EncodeToString([]byte(secretOf+".jpg"))
	var at string
	ok := f.stubborn(t, func(ctx context.Context) error {
		a, err := f.tus(ctx, c, http.MethodPost, tus.Path, nil, "Upload-Length", strconv.Itoa(len(content)), "Upload-Metadata", meta)
		at = a.Header.Get("Location")
		return err
	})
	acked := 0
	for ok && acked < len(content) {
		n := min(1+random.IntN(400_000), len(content)-acked)
		a, err := f.tus(t.Context(), c, http.MethodPatch, at, bytes.NewReader(content[acked:acked+n]),
			"Upload-Offset", strconv.Itoa(acked), "Content-Type", tus.Type)
		if err == nil {
			f.answered.Add(1)
			f.mu.Lock()
			f.acked += int64(n)
			f.mu.Unlock()
			acked += n
			if got := a.Header.Get("Upload-Offset"); got != strconv.Itoa(acked) {
				t.Errorf("acknowledged %s, want %d", got, acked)
			}
			continue
		}
		before := acked
		ok = f.stubborn(t, func(ctx context.Context) error {
			a, err := f.tus(ctx, c, http.MethodHead, at, nil)
			if err == nil {
				acked, err = strconv.Atoi(a.Header.Get("Upload-Offset"))
			}
			return err
		})
		if f.mu.Lock(); a.Status == 0 { // the connection is gone, and the server with it
			f.resume++
		}
		f.mu.Unlock()
		<-time.NewTimer(100 * time.Millisecond).C // it may be locked for seconds yet
		if acked < before || acked > before+n {
			t.Errorf("HEAD says %d, where %d were acknowledged and %d sent", acked, before, before+n)
			return
		}
	}
}

// tus is a request of the protocol. A locked upload is one to ask for again.
func (f *torrent) tus(ctx context.Context, c apiclient.Client, method, path string, body io.Reader, fields ...string) (apiclient.Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.Base+path, body)
	if err != nil {
		return apiclient.Answer{}, err
	}
	req.Header.Set("Tus-Resumable", "1.0.0")
	req.Header.Set("Authorization", "Bearer "+c.Token)
	for i := 0; i < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return apiclient.Answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= http.StatusBadRequest {
		if err = fmt.Errorf("%s: %d %s", method, res.StatusCode, text); res.StatusCode < 500 && res.StatusCode != http.StatusLocked && res.StatusCode != http.StatusConflict {
			err = &apiclient.ProblemError{Status: res.StatusCode, Detail: string(text)}
		}
	}
	return apiclient.Answer{Status: res.StatusCode, Header: res.Header, Body: text}, err
}

// checkFiles reads every file back as the two rings, and every object as a thief.
func (f *torrent) checkFiles(t *testing.T) {
	t.Helper()
	parts, found := map[string]int{}, 0
	reports, err := f.store.Reports.List(t.Context(), workflow.Query{Tenant: demo.Tenant, Limit: 2 * uploaders})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range reports {
		var back map[string][]byte
		if len(r.Evidence) > 0 {
			back = f.originals(t, &r)
		}
		for _, item := range r.Evidence {
			parts[item.Object] = item.Parts
			for _, c := range item.Copies {
				parts[c.Object] = c.Parts
			}
			content, ok := f.files[item.ID]
			if !ok || item.State != casefile.EvidenceDerived {
				t.Errorf("an item is %s, known: %t", item.State, ok)
				continue
			}
			found++
			if !bytes.Equal(back[item.ID], content) {
				t.Errorf("a file of %d bytes comes back with %d, and others", len(content), len(back[item.ID]))
			}
		}
	}
	if found != len(f.files) || found != uploaders*uploadsEach {
		t.Errorf("got %d files whole, want %d", found, uploaders*uploadsEach)
	}
	err = f.objects.List(t.Context(), "", func(key string, _ time.Time) error {
		parts[key[:strings.LastIndexByte(key, '/')]]--
		body, _, err := f.objects.Get(t.Context(), key)
		if err != nil {
			return err
		}
		defer body.Close()
		raw, err := io.ReadAll(body)
		if bytes.Contains(raw, []byte(secretOf)) {
			t.Errorf("object %s is in clear", key)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for object, n := range parts {
		if n != 0 {
			t.Errorf("%s: %d parts are missing, or are nobody's", object, n)
		}
	}
}
