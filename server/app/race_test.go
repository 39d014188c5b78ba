package app_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gridwatch/media/mediatest"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// parcel is a report with a photo, under the key its sender chose.
type parcel struct {
	key   string
	body  map[string]any
	photo []byte
}

var scene = sync.OnceValue(func() []byte { return mediatest.Picture(mediatest.Options{Width: 640, Height: 480}) })

// newParcel is unlike any other.
func newParcel(t *testing.T) parcel {
	t.Helper()
	key, err := vault.NewID(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return parcel{key: key, photo: mediatest.Tag(scene(), mediatest.Options{Serial: rand.Text(), Time: time.Now()}), body: map[string]any{
		"mode": casefile.Anonymous, "narrative": "gas bottles beside a stove " + rand.Text(), "targetText": "workshop by the bridge",
		"allegations": []map[string]any{{"matter": casefile.IllegalAct, "text": "gas bottles stored indoors"}},
	}}
}

// send submits it, each time under another boundary.
func (p parcel) send(ctx context.Context, c apiclient.Client) (apiclient.Answer, error) {
	text, err := json.Marshal(p.body)
	if err != nil {
		return apiclient.Answer{}, err
	}
	form := new(apiclient.Form).JSON("report", text)
	if p.photo != nil {
		form.File("evidence", "photo.jpg", "image/jpeg", p.photo)
	}
	return c.Do(ctx, apiclient.Call{Method: http.MethodPost, Path: reportsPath, Key: p.key, Form: form}, nil)
}

func (p parcel) digest() string {
	sum := sha256.Sum256(p.photo)
	return hex.EncodeToString(sum[:])
}

// registered is what a report is answered with.
type registered struct {
	Number   string `json:"number"`
	Code     string `json:"code"`
	Evidence []struct {
		SHA256 string `json:"sha256"`
	} `json:"evidence"`
}

func answered(t *testing.T, a apiclient.Answer) registered {
	t.Helper()
	var r registered
	if err := json.Unmarshal(a.Body, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// followed opens a receipt and returns the number it shows.
func (w *world) followed(t *testing.T, code string) string {
	t.Helper()
	c := w.anyone()
	var session struct {
		Token string `json:"token"`
	}
	var receipt registered
	_, err := c.Do(t.Context(), apiclient.Call{Method: http.MethodPost, Path: "/v1/receipt/session", Body: map[string]string{"code": code}}, &session)
	if err != nil {
		t.Error(err)
		return ""
	}
	c.Token = session.Token
	if _, err := c.Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/receipt"}, &receipt); err != nil {
		t.Error(err)
	}
	return receipt.Number
}

// allSettled waits until every item of every report has its copies or was
// rejected.
func (w *world) allSettled(t *testing.T) {
	t.Helper()
	for left := w.unsettled(t); left > 0; {
		before := left
		awaited(t, "more copies", func() bool {
			left = w.unsettled(t)
			return left < before
		})
	}
}

// unsettled is how many items wait for their copies.
func (w *world) unsettled(t *testing.T) int {
	t.Helper()
	n := 0
	for _, r := range w.reports(t) {
		for _, e := range r.Evidence {
			if e.State == casefile.EvidenceVerified {
				n++
			}
		}
	}
	return n
}

// reports are all of the tenant, by number.
func (w *world) reports(t *testing.T) map[string]casefile.Report {
	t.Helper()
	all := map[string]casefile.Report{}
	q := workflow.Query{Tenant: demo.Tenant, Limit: 100}
	for {
		page, err := w.store.Reports.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			if _, ok := all[r.Number]; ok {
				t.Errorf("two reports have the number %s", r.Number)
			}
			all[r.Number] = r
			q.After = workflow.Cursor{At: r.At, ID: r.ID}
		}
		if len(page) < q.Limit {
			return all
		}
	}
}

// checkOwned compares the objects that are there with those that reports name,
// and the envelopes likewise.
func (w *world) checkOwned(t *testing.T, reports map[string]casefile.Report) {
	t.Helper()
	objects, envelopes := map[string]bool{}, map[string]bool{}
	for _, r := range reports {
		envelopes[r.Envelope] = true
		for _, item := range slices.Concat(r.Evidence, r.Behind.Sent) {
			for n := range item.Parts {
				objects[fmt.Sprintf("%s/%06d", item.Object, n+1)] = true
			}
			for _, c := range item.Copies {
				for n := range c.Parts {
					objects[fmt.Sprintf("%s/%06d", c.Object, n+1)] = true
				}
			}
		}
	}
	there := map[string]bool{}
	err := w.objects.List(t.Context(), "", func(key string, _ time.Time) error {
		there[key] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(objects, there); diff != "" {
		t.Errorf("objects (-named +there)\n%s", diff)
	}
	kept, err := w.store.Envelopes.Before(t.Context(), time.Now().Add(time.Hour), "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	there = map[string]bool{}
	for _, e := range kept {
		there[e.ID] = true
	}
	if diff := cmp.Diff(envelopes, there); diff != "" {
		t.Errorf("envelopes (-named +there)\n%s", diff)
	}
}

func TestSixteenAtOnce(t *testing.T) {
	t.Parallel()
	const clients = 16
	w := start(t)
	send := func(of func(i int) parcel) ([clients]apiclient.Answer, [clients]error) {
		var answers [clients]apiclient.Answer
		var errs [clients]error
		var all sync.WaitGroup
		begin := make(chan struct{})
		for i := range clients {
			all.Go(func() {
				sent := of(i)
				<-begin
				answers[i], errs[i] = sent.send(t.Context(), w.anyone())
			})
		}
		close(begin)
		all.Wait()
		return answers, errs
	}

	same := newParcel(t)
	answers, errs := send(func(int) parcel { return same })
	for i := range clients {
		if errs[i] != nil || answers[i].Status != http.StatusCreated || !bytes.Equal(answers[i].Body, answers[0].Body) {
			t.Errorf("same report: got %d %s, %v, want %s", answers[i].Status, answers[i].Body, errs[i], answers[0].Body)
		}
	}
	if n := len(w.reports(t)); n != 1 {
		t.Fatalf("got %d reports of one key, want 1", n)
	}

	others := map[string]func(p *parcel){
		"other words": func(p *parcel) { p.body["narrative"] = "something else" },
		"other photo": func(p *parcel) { p.photo = mediatest.Tag(scene(), mediatest.Options{Serial: rand.Text()}) },
		"no photo":    func(p *parcel) { p.photo = nil },
	}
	for name, change := range others {
		other := same
		other.body = maps.Clone(same.body)
		change(&other)
		got, err := other.send(t.Context(), w.anyone())
		if got.Status != http.StatusConflict || apiclient.CodeOf(err) != "idempotency.other_body" {
			t.Errorf("same key, %s: got %d %v, want 409 idempotency.other_body", name, got.Status, err)
		}
	}

	sixteen := make([]parcel, clients)
	for i := range sixteen {
		sixteen[i] = newParcel(t)
	}
	answers, errs = send(func(i int) parcel { return sixteen[i] })
	codes := map[string]bool{answered(t, answers[0]).Code: true}
	for i := range clients {
		if errs[i] != nil || answers[i].Status != http.StatusCreated {
			t.Fatalf("different reports: got %d, %v, want 201", answers[i].Status, errs[i])
		}
		got := answered(t, answers[i])
		codes[got.Code] = true
		if len(got.Evidence) != 1 || got.Evidence[0].SHA256 != sixteen[i].digest() {
			t.Errorf("got evidence %v, want %s", got.Evidence, sixteen[i].digest())
		}
	}
	w.allSettled(t)
	reports := w.reports(t)
	if len(reports) != 1+clients || len(codes) != clients {
		t.Errorf("got %d reports and %d codes, want %d and %d", len(reports), len(codes), 1+clients, clients)
	}

	if _, err := w.app.Service().Sweep(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	w.checkOwned(t, reports)
	if n := len(w.reports(t)); n != len(reports) {
		t.Errorf("got %d reports after the sweep, want %d", n, len(reports))
	}
}
