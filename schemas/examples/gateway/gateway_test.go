package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
)

// example is the request that the server's own test writes, and its body.
func example(t *testing.T, change func(*http.Request)) (*http.Request, []byte) {
	t.Helper()
	text, err := os.ReadFile("../../../notify/gateway/testdata/request.http")
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := bytes.Cut(text, []byte("\r\n\r\n"))
	change(req)
	return req, body
}

func exampleVerifier(at time.Time) verifier {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	return verifier{keys: map[string]ed25519.PublicKey{"00000001": key.Public().(ed25519.PublicKey)}, now: func() time.Time { return at }}
}

// exampleTime is when the example was signed.
func exampleTime() time.Time { return time.Date(2026, 3, 2, 1, 0, 0, 0, time.UTC) }

// TestVerify takes the server's example and nothing that differs from it.
func TestVerify(t *testing.T) {
	t.Parallel()
	at := exampleTime()
	set := func(name, old, fresh string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, strings.Replace(r.Header.Get(name), old, fresh, 1)) }
	}
	for name, tt := range map[string]struct {
		change func(*http.Request)
		at     time.Time
		ok     bool
	}{
		"as it is":             {func(*http.Request) {}, at, true},
		"five minutes later":   {func(*http.Request) {}, at.Add(fresh), true},
		"too late":             {func(*http.Request) {}, at.Add(fresh + time.Second), false},
		"too early":            {func(*http.Request) {}, at.Add(-fresh - time.Second), false},
		"another method":       {func(r *http.Request) { r.Method = http.MethodPut }, at, false},
		"another host":         {func(r *http.Request) { r.Host = "gateway.other.example" }, at, false},
		"another path":         {func(r *http.Request) { r.URL.Path = "/v1/other" }, at, false},
		"another media type":   {set("Content-Type", "json", "xml"), at, false},
		"another digest":       {set("Content-Digest", "H8", "H9"), at, false},
		"another time":         {set("Signature-Input", "1772413200", "1772413201"), at, false},
		"another key":          {set("Signature-Input", "00000001", "00000002"), at, false},
		"another tag":          {set("Signature-Input", "contact", "other"), at, false},
		"less covered":         {set("Signature-Input", ` "content-digest"`, ""), at, false},
		"another signature":    {set("Signature", "ho0", "ho1"), at, false},
		"another label":        {set("Signature", "gridwatch", "other"), at, false},
		"not signed":           {func(r *http.Request) { r.Header.Del("Signature") }, at, false},
		"signed twice":         {func(r *http.Request) { r.Header.Add("Signature", r.Header.Get("Signature")) }, at, false},
		"a parameter more":     {set("Signature-Input", `alg=`, `nonce="a";alg=`), at, false},
		"an unknown signature": {set("Signature", "gridwatch=:", "gridwatch=:!"), at, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req, body := example(t, tt.change)
			if err := exampleVerifier(tt.at).verify(req, body); (err == nil) != tt.ok {
				t.Errorf("got %v", err)
			}
		})
	}
	req, body := example(t, func(*http.Request) {})
	if err := exampleVerifier(at).verify(req, bytes.Replace(body, []byte("notice"), []byte("call_b"), 1)); err == nil {
		t.Error("another body was taken")
	}
}

// stand is a gateway whose command is a list.
type stand struct {
	*gateway
	t    *testing.T
	mu   sync.Mutex
	sent []string
	err  error
}

func newStand(t *testing.T, journalFile string) *stand {
	t.Helper()
	key, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	kept, err := openJournal(journalFile)
	if err != nil {
		t.Fatal(err)
	}
	s := &stand{t: t}
	s.gateway = &gateway{verifier: exampleVerifier(exampleTime()), key: key, journal: kept, jobs: map[string]*job{}, send: func(_ context.Context, c contact, text string) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sent = append(s.sent, c.Value+" "+text)
		return s.err
	}}
	t.Cleanup(func() {
		s.work.Wait()
		if err := kept.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *stand) sealed(c contact) []byte {
	s.t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		s.t.Fatal(err)
	}
	padded := make([]byte, 1<<10)
	binary.BigEndian.PutUint32(padded, uint32(len(text)))
	copy(padded[4:], text)
	var out bytes.Buffer
	w, err := age.Encrypt(&out, s.key.Recipient())
	if err == nil {
		_, err = w.Write(padded)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		s.t.Fatal(err)
	}
	return out.Bytes()
}

// result asks as often as it takes.
func (s *stand) result(id, purpose string, sealed []byte) string {
	s.t.Helper()
	j := s.begin(s.t.Context(), id, purpose, sealed)
	<-j.done
	return j.result
}

// A request that comes again, also after a restart, calls nobody again.
func TestOneCallForOneID(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "done.jsonl")
	s := newStand(t, file)
	sealed := s.sealed(contact{Kind: "phone", Value: "000", Request: "a"})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if got := s.result("a", "notice", sealed); got != delivered {
				t.Errorf("got %s", got)
			}
		})
	}
	all.Wait()
	if len(s.sent) != 1 || !strings.HasPrefix(s.sent[0], "000 ") || !strings.Contains(s.sent[0], "查询码") {
		t.Errorf("got %q, want one notice", s.sent)
	}
	again := newStand(t, file)
	if got := again.result("a", "notice", again.sealed(contact{Value: "000", Request: "a"})); got != delivered || len(again.sent) != 0 {
		t.Errorf("after a restart: got %s and %q", got, again.sent)
	}
	text, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(text), "000") {
		t.Errorf("the journal holds %s, %v", text, err)
	}
}

func TestWhatCannotBeDelivered(t *testing.T) {
	t.Parallel()
	s := newStand(t, filepath.Join(t.TempDir(), "done.jsonl"))
	if got := s.result("dummy", "notice", s.sealed(contact{Request: "dummy"})); got != delivered || len(s.sent) != 0 {
		t.Errorf("a dummy: got %s and %q, want what a number gets, and no call", got, s.sent)
	}
	for id, sealed := range map[string][]byte{
		"foreign": s.sealed(contact{Value: "000", Request: "other"}), "garbage": []byte("no age file"),
		"another": newStand(t, filepath.Join(t.TempDir(), "j")).sealed(contact{Value: "000", Request: "another"}),
	} {
		if got := s.result(id, "notice", sealed); got != failed || len(s.sent) != 0 {
			t.Errorf("%s: got %s and %q", id, got, s.sent)
		}
	}
	if got := s.result("purpose", "curiosity", s.sealed(contact{Value: "000", Request: "purpose"})); got != failed || len(s.sent) != 0 {
		t.Errorf("an unknown purpose: got %s and %q", got, s.sent)
	}
	s.err = errors.New("no line")
	if got := s.result("down", "call_back", s.sealed(contact{Value: "000", Request: "down"})); got != failed {
		t.Errorf("no line: got %s", got)
	}
}

// Over HTTP: who is not the server, or asks otherwise, is told a status only.
func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	s := newStand(t, filepath.Join(t.TempDir(), "done.jsonl"))
	for want, change := range map[int]func(*http.Request){
		http.StatusUnauthorized: func(r *http.Request) { r.Header.Del("Signature") },
		http.StatusBadRequest:   func(r *http.Request) { r.Method = http.MethodGet },
		http.StatusOK:           func(*http.Request) {},
	} {
		req, body := example(t, change)
		req.Body = io.NopCloser(bytes.NewReader(body))
		if want == http.StatusOK { // its contact is not for us, and it is done before it is asked
			s.result("0123456789abcdef0123456789abcdef", "notice", nil)
		}
		got := httptest.NewRecorder()
		s.ServeHTTP(got, req)
		if got.Code != want || (want != http.StatusOK && got.Body.Len() > 0) {
			t.Errorf("got %d %s, want %d", got.Code, got.Body, want)
		}
	}
	if len(s.sent) > 0 {
		t.Errorf("somebody was called: %q", s.sent)
	}
}

// A result is told a fixed time after the first request, whatever it took to
// come by it: a request without a number takes as long as a call.
func TestNoResultBeforeItsTime(t *testing.T) {
	t.Parallel()
	s := newStand(t, filepath.Join(t.TempDir(), "done.jsonl"))
	s.settle = time.Minute
	ask := func(want int) {
		t.Helper()
		req, body := example(t, func(*http.Request) {})
		req.Body = io.NopCloser(bytes.NewReader(body))
		got := httptest.NewRecorder()
		if s.ServeHTTP(got, req); got.Code != want {
			t.Errorf("got %d, want %d", got.Code, want)
		}
	}
	ask(http.StatusAccepted)
	s.result("0123456789abcdef0123456789abcdef", "notice", nil) // done by now
	ask(http.StatusAccepted)
	s.now = func() time.Time { return exampleTime().Add(time.Minute) }
	ask(http.StatusOK)
}

func TestCommandGetsTheNumberOnStandardInput(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "sent")
	send := runs(`read number && echo "$KIND $number $TEXT" > ` + file + `; test "$number" != 1; cat`)
	if err := send(t.Context(), contact{Kind: "phone", Value: "000\n111"}, "text"); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "phone 000111 text\n" {
		t.Errorf("got %q, %v", text, err)
	}
	if err := runs("exit 3")(t.Context(), contact{Value: "000"}, ""); err == nil || strings.Contains(err.Error(), "000") {
		t.Errorf("got %v", err)
	}
}
