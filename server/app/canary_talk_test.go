package app_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	random "math/rand/v2"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gridwatch/media/mediatest"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/canarytest"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
)

// callers are headers that say who calls, with what and from where.
func callers() map[string]string {
	return map[string]string{
		"User-Agent": "phone/" + rand.Text(), "Referer": "https://example.invalid/" + rand.Text(), "Cookie": "seen=" + rand.Text(),
		"X-Forwarded-For": "203.0.113.177", "X-Real-IP": "203.0.113.178", "Forwarded": "for=203.0.113.179", "Accept-Language": "xx-" + rand.Text(),
	}
}

// keys are the private halves of all there is, the server's and the officers',
// and what the callers' headers say.
func (s *sweep) keys(t *testing.T) []canarytest.Canary {
	t.Helper()
	var all []canarytest.Canary
	for name, value := range s.wire.callers {
		all = append(all, canarytest.Text(caller, name, value))
	}
	file, err := os.ReadFile(s.setting("GRID_KEYRING"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range regexp.MustCompile(`"([A-Za-z0-9+/]{40,}=*)"`).FindAllSubmatch(file, -1) {
		raw, err := base64.StdEncoding.DecodeString(string(text[1]))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, canarytest.Canary{Kind: key, Name: "of the keyring " + string(text[1][:6]), Raw: raw})
	}
	if len(all) < len(s.wire.callers)+8 {
		t.Errorf("got %d keys in the keyring", len(all)-len(s.wire.callers))
	}
	files, err := filepath.Glob(filepath.Join(s.dir, "custody", "*.key"))
	if err != nil {
		t.Fatal(err)
	}
	officers := 0
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range regexp.MustCompile(`AGE-SECRET-KEY-[A-Z0-9-]+`).FindAll(text, -1) {
			officers++
			all = append(all, canarytest.Text(key, "of "+filepath.Base(path), string(secret)))
		}
	}
	if officers < 4 {
		t.Errorf("got the keys of %d officers and keepers in %s", officers, s.dir)
	}
	return all
}

// receipt is a client behind the receipt of a report.
func (s *sweep) receipt(t *testing.T, code string) apiclient.Client {
	t.Helper()
	var out struct{ Token string }
	c := s.anyone()
	if _, err := c.Do(t.Context(), apiclient.Call{Method: http.MethodPost, Path: "/v1/receipt/session", Body: doc{"code": code}}, &out); err != nil {
		t.Fatal(err)
	}
	c.Token = out.Token
	return c
}

func (s *sweep) send(t *testing.T, c apiclient.Client, call apiclient.Call, out any) {
	t.Helper()
	call.Key = freshKey()
	if call.Method == "" {
		call.Method = http.MethodPost
	}
	if _, err := c.Do(t.Context(), call, out); err != nil {
		t.Fatal(err)
	}
}

// talk is a dialogue with pictures behind a receipt.
func (s *sweep) talk(t *testing.T, m *marked, r *casefile.Report) {
	t.Helper()
	c, desk := s.receipt(t, m.code), s.as(t, "desk1")
	s.send(t, c, apiclient.Call{Path: "/v1/receipt/messages", Body: doc{"text": m.mark(talk, "message", chinese())}}, nil)
	later := mediatest.Picture(mediatest.Options{Width: 64, Height: 48, Make: "Maker", Serial: m.mark(capture, "later serial", rand.Text()), Time: time.Now()})
	s.send(t, c, apiclient.Call{
		Path: "/v1/receipt/evidence", Form: new(apiclient.Form).File("evidence", m.mark(words, "later name", rand.Text())+".jpg", "image/jpeg", later),
	}, nil)
	text, err := json.Marshal(doc{"text": m.mark(talk, "answer", chinese())})
	if err != nil {
		t.Fatal(err)
	}
	door := mediatest.Picture(mediatest.Options{Width: 64, Height: 48, Serial: m.mark(capture, "desk's serial", rand.Text())})
	path := "/v1/office/reports/" + r.ID + "/messages"
	s.send(t, desk, apiclient.Call{Path: path, Form: new(apiclient.Form).JSON("message", text).File("evidence", "door.jpg", "image/jpeg", door)}, nil)
	var page struct {
		Items []struct{ Attachments []struct{ ID string } }
	}
	s.send(t, c, apiclient.Call{Method: http.MethodGet, Path: "/v1/receipt/messages"}, &page)
	for _, message := range page.Items {
		for _, file := range message.Attachments {
			s.send(t, c, apiclient.Call{Method: http.MethodGet, Path: "/v1/receipt/attachments/" + file.ID}, nil)
		}
	}
	for _, path := range []string{"/v1/receipt", "/v1/receipt/proofs"} {
		s.send(t, c, apiclient.Call{Method: http.MethodGet, Path: path}, nil)
	}
}

// pieces sends files in pieces: the reporter one, and another that breaks off,
// the desk one that it puts into a message, and an inspector one for its task.
func (s *sweep) pieces(t *testing.T, m *marked, r *casefile.Report) {
	t.Helper()
	c, desk := s.receipt(t, m.code), s.as(t, "desk1")
	for _, whole := range []bool{true, false} {
		s.piecemeal(t, c, m, piecemeal{to: "/v1/receipt/uploads", reporter: true, whole: whole})
	}
	path := "/v1/office/reports/" + r.ID
	item := s.piecemeal(t, desk, m, piecemeal{to: path + "/uploads", whole: true})
	awaited(t, "the copies of the desk's file", func() bool {
		now, err := s.store.Reports.Get(t.Context(), r.Tenant, r.ID)
		if err != nil {
			t.Fatal(err)
		}
		sent, ok := casefile.FindEvidence(now.Behind.Sent, item)
		return ok && sent.State == casefile.EvidenceDerived
	})
	text, err := json.Marshal(doc{"text": m.mark(talk, "answer with a file", chinese()), "attachments": []string{item}})
	if err != nil {
		t.Fatal(err)
	}
	s.send(t, desk, apiclient.Call{Path: path + "/messages", Form: new(apiclient.Form).JSON("message", text)}, nil)
	s.send(t, c, apiclient.Call{Method: http.MethodGet, Path: "/v1/receipt/attachments/" + item}, nil)
	task := s.changeTask(t, func(*casefile.Task) {})
	s.piecemeal(t, s.as(t, "inspector1"), m, piecemeal{
		to: "/v1/field/tasks/" + task + "/uploads", whole: true, photoID: m.mark(capture, "photo id", hexID(t)),
	})
}

// piecemeal is a picture that comes in pieces.
type piecemeal struct {
	to       string // where it is announced
	reporter bool
	whole    bool // all of it comes
	photoID  string
}

// piecemeal sends a picture full of canaries in pieces, and returns its item.
func (s *sweep) piecemeal(t *testing.T, c apiclient.Client, m *marked, p piecemeal) string {
	t.Helper()
	photo := mediatest.Picture(mediatest.Options{Make: m.mark(capture, "maker in pieces", rand.Text()), Serial: m.mark(capture, "serial in pieces", rand.Text())})
	sum := sha256.Sum256(photo)
	item := doc{"kind": casefile.Photo, "size": len(photo), "sha256": hex.EncodeToString(sum[:])}
	if p.photoID != "" { // of what staff took the chain of custody has the digest
		item["photoId"] = p.photoID
	} else {
		m.canaries = append(m.canaries, canarytest.Canary{Kind: digest, Name: "SHA-256 of a photo in pieces", Raw: sum[:]})
	}
	var announced struct{ Items []struct{ ID, Right string } }
	s.send(t, c, apiclient.Call{Path: p.to, Body: doc{"items": []doc{item}}}, &announced)
	right := canarytest.Text(secret, "right to upload", announced.Items[0].Right)
	right.Hashed = true // of a right the id of its upload is made
	m.canaries = append(m.canaries, right)
	b64 := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	at := s.tus(t, c, http.MethodPost, "/v1/uploads", nil, http.Header{
		"Upload-Length": {strconv.Itoa(len(photo))},
		"Upload-Metadata": {"right " + b64(announced.Items[0].Right) + ",filename " + b64(m.mark(words, "name in pieces", rand.Text())+".jpg") +
			",note " + b64(m.mark(caller, "metadata", rand.Text())) + ",filetype"},
	}).Get("Location")
	if p.reporter {
		id := canarytest.Text(uploadID, "id of an upload", path.Base(at))
		id.Hashed = true
		m.canaries = append(m.canaries, id)
	}
	for sent, cut := range []int{0, 100, len(photo) / 2} { // the first lies within what a camera writes
		to := []int{100, len(photo) / 2, len(photo)}[sent]
		if to == len(photo) && !p.whole {
			break
		}
		s.tus(t, c, http.MethodPatch, at, photo[cut:to], http.Header{
			"Upload-Offset": {strconv.Itoa(cut)}, "Content-Type": {"application/offset+octet-stream"},
		})
	}
	return announced.Items[0].ID
}

// tus sends a request of the protocol and returns the header of the answer.
func (s *sweep) tus(t *testing.T, c apiclient.Client, method, path string, body []byte, header http.Header) http.Header {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.base+strings.TrimPrefix(path, s.base), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header.Clone()
	req.Header.Set("Tus-Resumable", "1.0.0")
	req.Header.Set("Authorization", "Bearer "+c.Token)
	res, err := c.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if said, _ := io.ReadAll(res.Body); res.StatusCode >= http.StatusBadRequest {
		t.Fatalf("%s %s: got %d %s", method, path, res.StatusCode, said)
	}
	return res.Header
}

// refuse has the desk refuse a report, and the reporter object.
func (s *sweep) refuse(t *testing.T, m *marked, r *casefile.Report) {
	t.Helper()
	s.send(t, s.as(t, "desk1"), apiclient.Call{
		Path: "/v1/office/reports/" + r.ID + "/refuse", Body: doc{"reason": "unclear", "text": m.mark(talk, "refusal", chinese())},
	}, nil)
	c := s.receipt(t, m.code)
	s.send(t, c, apiclient.Call{Method: http.MethodGet, Path: "/v1/receipt"}, nil)
	s.send(t, c, apiclient.Call{Path: "/v1/receipt/objection", Body: doc{"text": m.mark(talk, "objection", chinese())}}, nil)
}

func (s *sweep) withdraw(t *testing.T, m *marked) {
	t.Helper()
	c := s.receipt(t, m.code)
	s.send(t, c, apiclient.Call{Path: "/v1/receipt/withdrawal", Body: doc{"pressed": true}}, nil)
	s.send(t, c, apiclient.Call{Method: http.MethodDelete, Path: "/v1/receipt/session"}, nil)
}

// call is a report that an operator of 12350 takes down, and the exchange of
// the code that was read out.
func (s *sweep) call(t *testing.T) []canarytest.Canary {
	t.Helper()
	m := &marked{parcel: newParcel(t)}
	m.body = map[string]any{
		"mode": casefile.RealName, "narrative": m.mark(words, "told on the phone", chinese()), "targetText": m.mark(words, "told target", chinese()),
		"allegations": []map[string]any{{"matter": casefile.IllegalAct, "text": m.mark(words, "told allegation", chinese())}},
		"identity":    map[string]any{"name": m.mark(identity, "told name", chinese()), "relation": vault.RelationNone},
		"contact":     map[string]any{"kind": "phone", "value": m.mark(contact, "told phone", rand.Text())},
	}
	var made struct{ Code string }
	s.send(t, s.as(t, "hotline1"), apiclient.Call{Path: "/v1/office/calls", Body: m.body}, &made)
	s.send(t, s.anyone(), apiclient.Call{Path: "/v1/receipt/exchange", Body: doc{
		"code": made.Code, "password": m.mark(secret, "claim password", fmt.Sprintf("%016d", random.Int64N(1e16))),
	}}, &made)
	s.receipt(t, made.Code)
	return m.canaries
}

// lead is a reporter's picture that enters the file of a penalty.
func (s *sweep) lead(t *testing.T) []canarytest.Canary {
	t.Helper()
	serial := rand.Text()
	d := newDocket(t, s.world, casefile.Anonymous, casefile.IllegalAct).verify(isSo).charge()
	lead := d.askAbout(d.photographed(serial))
	if err := d.says(lead, true); err != nil {
		t.Fatal(err)
	}
	s.send(t, s.as(t, "seal1"), apiclient.Call{Path: lead + "/release"}, nil)
	awaited(t, "the exhibit", func() bool { return len(d.exhibits()) > 0 })
	id, _ := d.exhibits()[0]["id"].(string)
	s.send(t, s.as(t, "enforcer1"), apiclient.Call{Method: http.MethodGet, Path: d.penaltyPath("/exhibits/" + id)}, nil)
	name := canarytest.Text(words, "name of the lead's file", "from-my-window")
	name.Common = true
	return []canarytest.Canary{canarytest.Text(capture, "serial of the lead", serial), name}
}

// sealAway has a report that its reporter withdrew sealed away when its term is
// over, and opened by both rings.
func (s *sweep) sealAway(t *testing.T, r *casefile.Report) {
	t.Helper()
	s.send(t, s.as(t, "leader1"), apiclient.Call{Path: "/v1/office/reports/" + r.ID + "/holds", Body: doc{"reason": "a court asked"}}, nil)
	d := &docket{t: t, w: s.world, report: r.ID}
	s.send(t, s.as(t, "leader1"), apiclient.Call{
		Path: "/v1/office/reports/" + r.ID + "/holds/lift", Body: doc{"hold": d.record().Holds[0].ID, "reason": "it has decided"},
	}, nil)
	if s.terms(t, 60); !d.record().Archived() {
		t.Fatal("the report was not sealed away")
	}
	d.archive()
}
