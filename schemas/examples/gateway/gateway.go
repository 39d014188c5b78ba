package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"time"

	"filippo.io/age"
)

const (
	maxBody  = 64 << 10
	sendTime = 5 * time.Minute // for the command
	hold     = 2 * time.Second // a request waits so long for what is nearly done
)

// What a gateway answers, and all it says.
const (
	delivered = "delivered" // or there was nothing to deliver: nobody else is to know
	failed    = "failed"
)

// textOf is the whole of what a reporter hears or reads: nothing of any case.
func textOf(purpose string) (string, bool) {
	switch purpose {
	case "notice":
		return "您有一条新的查询结果，请凭查询码查看。", true
	case "call_back":
		return "您好，这里是12350，工作人员将与您通话。", true
	}
	return "", false
}

// contact is what the officer's tool sealed: for one request.
type contact struct {
	Kind    string `json:"kind"`
	Value   string `json:"value"`
	Request string `json:"request"`
}

// gateway serves the requests.
type gateway struct {
	verifier

	key     *age.HybridIdentity
	journal *journal
	settle  time.Duration // from the first request to the earliest result
	send    func(ctx context.Context, c contact, text string) error

	work sync.WaitGroup
	mu   sync.Mutex
	jobs map[string]*job
}

// job is a request under way; the channel closes when it is done.
type job struct {
	begun  time.Time
	done   chan struct{}
	result string
}

// ServeHTTP implements http.Handler.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if err := g.verify(r, body); err != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var in struct {
		ID      string `json:"id"`
		Purpose string `json:"purpose"`
		Contact []byte `json:"contact"`
	}
	if err := json.Unmarshal(body, &in); err != nil || in.ID == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	j := g.begin(context.WithoutCancel(r.Context()), in.ID, in.Purpose, in.Contact)
	if g.now().Sub(j.begun) < g.settle {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	late := time.NewTimer(hold)
	defer late.Stop()
	select {
	case <-j.done:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"id": in.ID, "result": j.result}) // who does not hear it asks again
	case <-late.C:
		w.WriteHeader(http.StatusAccepted)
	}
}

// begin starts the work on a request, unless it is under way or done.
func (g *gateway) begin(ctx context.Context, id, purpose string, sealed []byte) *job {
	g.mu.Lock()
	defer g.mu.Unlock()
	if j, ok := g.jobs[id]; ok {
		return j
	}
	j := &job{begun: g.now(), done: make(chan struct{})}
	g.jobs[id] = j
	if result, ok := g.journal.result(id); ok {
		j.result = result
		close(j.done)
		return j
	}
	g.work.Go(func() {
		result := delivered
		if err := g.reach(ctx, id, purpose, sealed); err != nil {
			result = failed
			slog.WarnContext(ctx, "a contact was not reached", slog.String("id", id), slog.Any("error", err))
		}
		if err := g.journal.keep(id, result); err != nil { // asked again, it is done again
			slog.ErrorContext(ctx, "a result is not kept", slog.String("id", id), slog.Any("error", err))
			g.mu.Lock()
			delete(g.jobs, id)
			g.mu.Unlock()
			return
		}
		j.result = result
		close(j.done)
	})
	return j
}

// reach opens the contact in memory and has the command call or send. Its
// errors hold nothing of the contact.
func (g *gateway) reach(ctx context.Context, id, purpose string, sealed []byte) error {
	text, ok := textOf(purpose)
	if !ok {
		return errors.New("an unknown purpose")
	}
	plain, err := age.Decrypt(bytes.NewReader(sealed), g.key)
	if err != nil {
		return errors.New("the contact is not sealed to this gateway")
	}
	padded, err := io.ReadAll(plain)
	var c contact
	if err != nil || unpad(padded, &c) != nil {
		return errors.New("the contact cannot be read")
	}
	if c.Request != id {
		return errors.New("the contact was sealed for another request")
	}
	if strings.TrimSpace(c.Value) == "" {
		return nil // the reporter left none
	}
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	return g.send(ctx, c, text)
}

// unpad reads the length of the JSON in four bytes, and the JSON.
func unpad(padded []byte, into any) error {
	if len(padded) < 4 || int64(binary.BigEndian.Uint32(padded)) > int64(len(padded)-4) {
		return errors.New("cut off")
	}
	return json.Unmarshal(padded[4:4+binary.BigEndian.Uint32(padded)], into)
}

// runs returns a way of sending by a command. The number is in no argument and
// no variable, where other programs of the machine could read it.
func runs(command string) func(context.Context, contact, string) error {
	return func(ctx context.Context, c contact, text string) error {
		cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
		cmd.Env = append(cmd.Environ(), "TEXT="+text, "KIND="+oneLine(c.Kind))
		cmd.Stdin = strings.NewReader(oneLine(c.Value) + "\n")
		if cmd.Run() != nil {
			return errors.New("the command did not do it")
		}
		return nil
	}
}

// oneLine keeps what a reporter wrote from being more than one line.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return -1
		}
		return r
	}, s)
}
