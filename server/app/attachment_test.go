package app_test

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"syscall"
	"testing"
	"time"

	"gridwatch/media/cliptest"
	"gridwatch/media/mediatest"
	"gridwatch/mobileapi/wire"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
)

// said are the desk's messages as the reporter sees them.
func (d *docket) said() []wire.Message {
	d.t.Helper()
	var page struct{ Items []wire.Message }
	if _, err := d.holder().Do(d.t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/receipt/messages"}, &page); err != nil {
		d.t.Fatal(err)
	}
	return page.Items
}

// announceFile announces a file of the desk for the reporter.
func (d *docket) announceFile(kind casefile.EvidenceKind, size int) wire.AnnouncedItem {
	d.t.Helper()
	var out wire.Announced
	body := wire.Announce{Items: []wire.AnnounceItem{{Kind: kind, Size: int64(size)}}}
	if err := d.send("desk2", apiclient.Call{Method: http.MethodPost, Path: d.path("/uploads"), Key: newKey(d.t), Body: body}, &out); err != nil {
		d.t.Fatal(err)
	}
	return out.Items[0]
}

// messageWith is the form of a message that names items, with a picture of its own.
func messageWith(t *testing.T, text string, items ...string) *apiclient.Form {
	t.Helper()
	said, err := json.Marshal(object{"text": text, "attachments": items})
	if err != nil {
		t.Fatal(err)
	}
	door := mediatest.Picture(mediatest.Options{Width: 32, Height: 24, Serial: "CANARY-door"})
	return new(apiclient.Form).JSON("message", said).File("evidence", "door.jpg", "image/jpeg", door)
}

// TestDeskSendsAFilm: a film that the desk sent in pieces goes with a message,
// and its reporter plays a copy that was made anew.
func TestDeskSendsAFilm(t *testing.T) {
	t.Parallel()
	w := start(t)
	d := newDocket(t, w, casefile.Anonymous, casefile.MajorHazard)
	film := cliptest.Film(t, "mp4", "CANARY-desk-film", 1)
	item := d.announceFile(casefile.Video, len(film))
	message := apiclient.Call{Method: http.MethodPost, Path: d.path("/messages"), Key: newKey(t), Form: messageWith(t, "See the gate.", item.ID)}
	if err := d.send("desk2", message, nil); apiclient.CodeOf(err) != "evidence.not_here" {
		t.Errorf("before it came: got %v", err)
	}
	w.sendSegment(t, w.as(t, "desk2"), item.Right, film)
	path := "/v1/receipt/attachments/" + item.ID
	awaited(t, "the film's copy", func() bool {
		err := d.send("desk2", message, nil) // the same message, until the copy is made
		if err != nil && apiclient.CodeOf(err) != "evidence.no_copy" {
			t.Fatal(err)
		}
		return err == nil
	})
	files := d.said()[0].Attachments
	if len(files) != 2 || files[1].ID != item.ID || files[1].Kind != casefile.Video || files[1].Type != "video/mp4" {
		t.Fatalf("got %+v", files)
	}
	a, err := d.holder().Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: path}, nil)
	if err != nil || a.Header.Get("Content-Type") != "video/mp4" || int64(len(a.Body)) != files[1].Size {
		t.Errorf("got %s, %d bytes of %d, %v", a.Header.Get("Content-Type"), len(a.Body), files[1].Size, err)
	}
	if bytes.Contains(a.Body, []byte("CANARY")) || bytes.Equal(a.Body, film) {
		t.Error("the reporter got what the desk's camera wrote")
	}
	e, _ := casefile.FindEvidence(d.record().Behind.Sent, item.ID)
	if e.Object != "" || len(e.Key) > 0 || e.Held {
		t.Errorf("got %+v, want the copies and no original", e)
	}
	var report struct {
		Attachments []struct {
			ID   string
			Sent bool
		}
	}
	if d.get("desk2", d.path(""), &report); len(report.Attachments) != 2 || !report.Attachments[0].Sent {
		t.Errorf("the desk sees %+v", report.Attachments)
	}
	if err := d.send("inspector1", apiclient.Call{Method: http.MethodGet, Path: d.path("/attachments/" + item.ID)}, nil); apiclient.CodeOf(err) != "record.not_found" {
		t.Errorf("an inspector: got %v", err)
	}
}

// TestEveryMessageOutlivesKills kills the server at moments drawn from a seed
// while the desk sends messages with files that came in pieces. Each message is
// there once with its files, and the sweep finds nothing that is nobody's.
func TestEveryMessageOutlivesKills(t *testing.T) {
	t.Parallel()
	const messages = 8
	s := &storm{world: apart(t), path: program(t), killed: make(chan struct{})}
	server := launch(t, s.path, s.settings, "serve")
	s.ready(t)
	d := &docket{t: t, w: s.world}
	p := newParcel(t)
	answer, err := p.send(t.Context(), s.anyone())
	if err != nil {
		t.Fatal(err)
	}
	r := answered(t, answer)
	d.number, d.code = r.Number, r.Code
	d.find()
	var items []string
	for n := range messages {
		content := mediatest.Picture(mediatest.Options{Width: 40 + n, Height: 30, Serial: "CANARY-pieces"})
		item := d.announceFile(casefile.Photo, len(content))
		s.sendSegment(t, s.as(t, "desk2"), item.Right, content)
		items = append(items, item.ID)
	}

	var seed [8]byte
	_, _ = crand.Read(seed[:])
	t.Logf("seed %x", seed)
	random := rand.New(rand.NewPCG(uint64(seed[0])<<8|uint64(seed[1]), uint64(seed[2])<<8|uint64(seed[3])))
	desk, done := s.as(t, "desk2"), make(chan struct{})
	go func() {
		defer close(done)
		for n, item := range items {
			call := apiclient.Call{Method: http.MethodPost, Path: d.path("/messages"), Key: newKey(t), Form: messageWith(t, fmt.Sprint(n), item)}
			for range 2 { // and once more when it is answered
				s.stubborn(t, func(ctx context.Context) error {
					_, err := desk.Do(ctx, call, nil)
					return err
				})
			}
		}
	}()
	for range 10 {
		select {
		case <-done:
		case <-time.NewTimer(time.Duration(random.IntN(600)) * time.Millisecond).C:
			server.end(t, syscall.SIGKILL)
			server = launch(t, s.path, s.settings, "serve")
			s.ready(t)
		}
	}
	<-done
	said := d.said()
	if len(said) != messages {
		t.Fatalf("got %d messages, want %d", len(said), messages)
	}
	for n, m := range said {
		if m.Text != fmt.Sprint(n) || len(m.Attachments) != 2 || m.Attachments[1].ID != items[n] {
			t.Errorf("message %d: got %+v", n, m)
			continue
		}
		for _, f := range m.Attachments {
			a, err := d.holder().Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/receipt/attachments/" + f.ID}, nil)
			if err != nil || int64(len(a.Body)) != f.Size || bytes.Contains(a.Body, []byte("CANARY")) {
				t.Errorf("file %s: got %d bytes of %d, %v", f.ID, len(a.Body), f.Size, err)
			}
		}
	}
	if sent := d.record().Behind.Sent; len(sent) != 2*messages {
		t.Errorf("got %d attachments, want %d", len(sent), 2*messages)
	}
	s.copiersRest(t)
	s.settledEffects(t, d.report)
	sweep := launch(t, s.path, s.settings, "sweep", "--older-than", "0s")
	if code := sweep.code(t); code != 0 {
		t.Fatalf("sweep: got exit %d, %s", code, sweep.logs.String())
	}
	s.checkOwned(t, s.reports(t))
}

// settledEffects waits until a report has caused all that it had to.
func (w *world) settledEffects(t *testing.T, report string) {
	t.Helper()
	awaited(t, "the effects of the report", func() bool {
		r, err := w.store.Reports.Get(t.Context(), demo.Tenant, report)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range r.Pending {
			if e.Seq > r.Relayed {
				return false
			}
		}
		return true
	})
}
