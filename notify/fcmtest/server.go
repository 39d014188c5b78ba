// Package fcmtest is a stand-in for Firebase Cloud Messaging.
//
// It speaks the part of the FCM v1 protocol that a server sees, so that the
// real SDK runs against it over a socket: in tests, in the local stack and in
// the demo. It keeps what it accepted in memory, tells it to anyone who asks,
// and forgets it with the process. It knows no credentials and must listen on
// a loopback address only.
//
// Besides POST /v1/projects/{project}/messages:send it serves GET /received,
// every accepted message as it came, and GET /phone?token=…, what the phone
// with that token shows.
package fcmtest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Message is a message the stand-in accepted.
type Message struct {
	N       int             `json:"n"`       // counts from 1 in order of arrival
	At      time.Time       `json:"at"`      // arrival, UTC
	Project string          `json:"project"` // project id in the request's path
	Token   string          `json:"token"`   // device the message is for
	Body    json.RawMessage `json:"body"`    // request body, byte for byte
	data    map[string]string
}

// Push is a push as the phone shows it. A phone recognises a push by its id:
// one that comes again is not shown again.
type Push struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	Ref     string    `json:"ref"`
	At      time.Time `json:"at"`      // first arrival, UTC
	Arrived int       `json:"arrived"` // how often it came, 1 or more
}

// Server holds what was accepted and what shall fail. Make it with NewServer.
// Its methods may be called from several goroutines.
type Server struct {
	now func() time.Time

	mu       sync.Mutex
	messages []Message
	failures map[string][]Failure
}

// NewServer returns a stand-in that has received nothing and stamps messages
// with now.
func NewServer(now func() time.Time) *Server {
	return &Server{now: now, failures: map[string][]Failure{}}
}

// Handler serves FCM's send method, GET /received and GET /phone.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/projects/{project}/{method}", s.send)
	mux.HandleFunc("GET /received", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"messages": s.Received()})
	})
	mux.HandleFunc("GET /phone", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]any{"shown": s.Shown(r.URL.Query().Get("token"))})
	})
	return mux
}

// Received returns the accepted messages in order of arrival.
func (s *Server) Received() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message{}, s.messages...)
}

// Shown returns what the phone with the token shows: each push id once, in
// order of first arrival.
func (s *Server) Shown(token string) []Push {
	shown := []Push{}
	for _, m := range s.Received() {
		if m.Token != token {
			continue
		}
		id := m.data["id"]
		i := slices.IndexFunc(shown, func(p Push) bool { return p.ID == id })
		if i < 0 {
			i = len(shown)
			shown = append(shown, Push{ID: id, Kind: m.data["kind"], Ref: m.data["ref"], At: m.At})
		}
		shown[i].Arrived++
	}
	return shown
}

// Fail makes the next sends to the token fail, one failure for each send, in
// the order given. Sends after that are accepted.
func (s *Server) Fail(token string, failures ...Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures[token] = append(s.failures[token], failures...)
}

// send serves POST /v1/projects/{project}/messages:send.
func (s *Server) send(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("method") != "messages:send" {
		http.NotFound(w, r)
		return
	}
	in, err := read(w, r)
	if err != nil {
		refuse(w, Failure{Code: InvalidArgument}, err.Error())
		return
	}
	name, failure := s.accept(r.PathValue("project"), in)
	if failure.Code != "" {
		refuse(w, failure, failure.Code.text())
		return
	}
	answer(w, http.StatusOK, map[string]string{"name": name})
}

// accept stores the message and returns its name, or returns the failure that
// was ordered for its token.
func (s *Server) accept(project string, in request) (string, Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	token := in.Message.Token
	if waiting := s.failures[token]; len(waiting) > 0 {
		s.failures[token] = waiting[1:]
		return "", waiting[0]
	}
	name := "projects/" + project + "/messages/"
	if in.ValidateOnly {
		return name + "fake_message_id", Failure{}
	}
	m := Message{
		N: len(s.messages) + 1, At: s.now().UTC(), Project: project,
		Token: token, Body: in.raw, data: in.Message.Data,
	}
	s.messages = append(s.messages, m)
	return name + strconv.Itoa(m.N), Failure{}
}

// answer writes v as FCM does.
func answer(w http.ResponseWriter, status int, v any) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		http.Error(w, "encode answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(b.String()))
}
