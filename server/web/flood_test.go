package web

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"sync"
	"testing"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/web/work"
)

// ChallengeMACs makes a ring the keys of a Gate.
func (r ring) ChallengeMACs(text string) []string { return []string{text + "/signed"} }

// challenge is the challenge of a refusal, which has to be one that asks for work.
func (a answer) challenge(t *testing.T) work.Challenge {
	t.Helper()
	var p Problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || p.Challenge == nil {
		t.Fatalf("got %d %s, want a challenge", a.status, a.body)
	}
	if a.status != http.StatusServiceUnavailable || p.Code != "server.prove_work" || a.header.Get("Retry-After") == "" {
		t.Errorf("got %d %s", a.status, a.body)
	}
	return *p.Challenge
}

func (a answer) solution(t *testing.T) string {
	t.Helper()
	payload, err := a.challenge(t).Solve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// A flood that solves nothing takes the open half of the room; who solves a
// challenge is served, staff as well.
func TestFloodKeepsNobodyOutWhoSolves(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	held := Route{Method: "GET", Path: "/slow", Action: casefile.TenantRead, Handle: func(*Request) (Reply, error) {
		entered <- struct{}{}
		<-leave
		return Reply{}, nil
	}}
	quick := func(path string, action casefile.Action) Route {
		return Route{Method: "GET", Path: path, Action: action, Handle: func(*Request) (Reply, error) { return Reply{}, nil }}
	}
	gate := work.NewGate(ring{1}, rand.Reader, time.Now, 500)
	r := start(t, Deps{PublicRequests: 4, SignIns: 1, Work: gate}, held,
		quick("/tenant", casefile.TenantRead), quick("/code", casefile.ReceiptOpen), quick("/session", casefile.SessionOpen), quick("/tasks", casefile.TaskWork))
	var flood sync.WaitGroup
	for range 2 { // the open half
		flood.Go(func() { r.ask("GET", "/slow", nil) })
		<-entered
	}
	for range 20 {
		r.ask("GET", "/tenant", nil).challenge(t)
	}
	honest := r.ask("GET", "/tenant", nil).solution(t)
	if got := r.ask("GET", "/tenant", nil, work.Header, honest); got.status != 204 {
		t.Errorf("who solved got %d %s", got.status, got.body)
	}
	r.ask("GET", "/tenant", nil, work.Header, honest).challenge(t)                                 // replayed
	r.ask("GET", "/code", nil, work.Header, r.ask("GET", "/tenant", nil).solution(t)).challenge(t) // for another route
	r.ask("GET", "/tenant", nil, work.Header, "AAAA").challenge(t)                                 // forged
	beforehand := r.ask("GET", "/code", nil, work.Header, work.Ask).solution(t)
	if got := r.ask("GET", "/code", nil, work.Header, beforehand); got.status != 204 {
		t.Errorf("who asked beforehand got %d %s", got.status, got.body)
	}
	if got := r.ask("GET", "/session", nil); got.status != 204 {
		t.Errorf("staff that signs in got %d %s", got.status, got.body)
	}
	if got := r.ask("GET", "/tasks", nil, "Authorization", "Bearer "+r.token(Staff, string(casefile.Inspector), "f")); got.status != 204 {
		t.Errorf("staff got %d %s", got.status, got.body)
	}

	for range 2 { // the flood solves, too: now all of the room is taken
		flood.Go(func() {
			r.ask("GET", "/slow", nil, work.Header, r.ask("GET", "/slow", nil, work.Header, work.Ask).solution(t))
		})
		<-entered
	}
	unused := r.ask("GET", "/tenant", nil).solution(t)
	if got := r.ask("GET", "/tenant", nil, work.Header, unused); got.code() != "server.busy" {
		t.Errorf("got %d %s in a full room", got.status, got.body)
	}
	close(leave)
	flood.Wait()
	if got := r.ask("GET", "/tenant", nil); got.status != 204 {
		t.Errorf("got %d %s after the flood", got.status, got.body)
	}
	if !gate.Use(unused) {
		t.Error("a solution was used up by a full room")
	}
	// One may ask beforehand in quiet times too, and a solution does no harm then.
	if got := r.ask("GET", "/tenant", nil, work.Header, r.ask("GET", "/tenant", nil, work.Header, work.Ask).solution(t)); got.status != 204 {
		t.Errorf("got %d %s", got.status, got.body)
	}
}
