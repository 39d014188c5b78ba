package app_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gridwatch/server/app"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/config"
	"gridwatch/server/vault"
)

// at runs a command of the program as of a time.
func (w *world) at(t *testing.T, now time.Time, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := app.Command(t.Context(), args, w.settings, app.System{
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &buffer{}, Now: func() time.Time { return now }, Random: rand.Reader,
	})
	return out.String(), err
}

// inUse counts the wrapped keys of the whole database by the key above them.
func (w *world) inUse(t *testing.T) map[string]int {
	t.Helper()
	cfg, err := config.Read(w.settings)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Listen, cfg.OpsListen = "127.0.0.1:0", "127.0.0.1:0"
	a, err := app.Open(t.Context(), cfg, app.Env{Now: time.Now, Random: rand.Reader, Password: quick(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	used, _, err := a.Service().KeysInUse(t.Context())
	if err := errors.Join(err, a.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	return used
}

// TestKeysRotateWhileReportsComeIn rotates the key over all data keys while two
// processes take reports in, kills the rotation in its midst and runs it again.
// Nobody is refused, nothing is under the old key, and without the old key all
// is still read.
func TestKeysRotateWhileReportsComeIn(t *testing.T) {
	t.Parallel()
	s := &storm{world: apart(t), path: program(t), killed: make(chan struct{})}
	second := &world{settings: s.settings, http: s.http, fcm: s.fcm, store: s.store, people: s.people, sessions: map[string]apiclient.Client{}}
	second.listen(t)
	servers := []*process{launch(t, s.path, s.settings, "serve"), launch(t, s.path, second.settings, "serve")}
	s.ready(t)
	second.ready(t)
	s.registerPhone(t)
	for range 3 { // something to wrap again
		s.takes(t, s.anyone())
	}
	old := s.keyring(t).NewestID(vault.AtRest)

	var all sync.WaitGroup
	for _, c := range []apiclient.Client{s.anyone(), second.anyone()} {
		all.Go(func() {
			pace := time.NewTicker(200 * time.Millisecond)
			defer pace.Stop()
			for {
				select {
				case <-s.killed:
					return
				case <-pace.C:
					s.takes(t, c)
				}
			}
		})
	}
	killed := launch(t, s.path, s.settings, "keys", "rotate")
	awaited(t, "a page of the rotation", func() bool { return strings.Contains(killed.out.String(), "pass 1, ") })
	killed.end(t, syscall.SIGKILL)
	again := launch(t, s.path, s.settings, "keys", "rotate")
	if code := again.code(t); code != 0 {
		t.Errorf("the rotation: got exit %d, %s", code, again.logs.String())
	}
	if said := again.out.String(); !strings.Contains(said, "going on with it") || !strings.Contains(said, "done: ") {
		t.Errorf("the rotation says %q", said)
	}
	close(s.killed)
	all.Wait()

	newest := s.keyring(t).NewestID(vault.AtRest)
	if used := s.inUse(t); newest == old || used[old] != 0 || used[newest] < len(s.sent)+2 || len(used) != 1 {
		t.Errorf("under %s now, before %s: %v, want the new one only", newest, old, used)
	}
	if said, err := s.at(t, time.Now(), "keys", "prune"); err != nil || !strings.Contains(said, "at_rest "+old+" stays: needed until") {
		t.Errorf("prune at once says %q, %v", said, err)
	}
	if said, err := s.at(t, time.Now().Add(2*time.Hour), "keys", "prune"); err != nil || said != "at_rest "+old+" removed\n" {
		t.Errorf("prune after the look-back says %q, %v", said, err)
	}
	for _, p := range servers {
		if err := p.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	awaited(t, "servers without the old key", func() bool {
		return !slices.ContainsFunc(servers, func(p *process) bool { return strings.Count(p.logs.String(), "was taken up") < 3 })
	})
	s.checkReports(t)
	desk := second.as(t, "desk2") // signs in with a second factor that was wrapped under the old key
	if _, err := desk.Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/office/reports"}, nil); err != nil {
		t.Error(err)
	}
	t.Logf("%d reports came in; %s", len(s.sent), strings.TrimSpace(again.out.String()))
}

// takes sends one report, which must be registered at the first try.
func (s *storm) takes(t *testing.T, c apiclient.Client) {
	t.Helper()
	p := newParcel(t)
	answer, err := p.send(context.WithoutCancel(t.Context()), c)
	if err != nil {
		t.Errorf("a report during the rotation: %v", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, acknowledged{p, answered(t, answer)})
}

// TestEveryPurposeRotates puts a new key of every purpose in use under a
// running server: what was made before still works, and what cannot be made
// anew keeps its key.
func TestEveryPurposeRotates(t *testing.T) {
	t.Parallel()
	w := start(t)
	before := newParcel(t)
	first, err := before.send(t.Context(), w.anyone())
	if err != nil {
		t.Fatal(err)
	}
	desk := w.as(t, "desk1")
	purposes := []string{"at_rest", "idempotency", "receipt", "lookup", "pepper", "digest", "statement", "log", "session"}
	for _, p := range purposes {
		for _, step := range []string{"add", "use", "rewrap"} {
			if said, err := w.at(t, time.Now(), "keys", "rotate", "--purpose", p, "--step", step); err != nil {
				t.Fatalf("%s, %s: %s, %v", p, step, said, err)
			}
		}
	}
	path := w.setting("GRID_KEYRING")
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	olds, err := vault.OldKeys(file)
	if err != nil || len(olds) != len(purposes) {
		t.Fatalf("old keys: got %v, %v", olds, err)
	}
	newest := w.keyring(t).NewestID(vault.Session) // the last that was rotated
	awaited(t, "a server with the last key", func() bool {
		var session struct {
			Token string `json:"token"`
		}
		_, err := w.anyone().Do(t.Context(), apiclient.Call{
			Method: http.MethodPost, Path: "/v1/receipt/session", Body: map[string]string{"code": answered(t, first).Code},
		}, &session)
		header, _ := base64.RawURLEncoding.DecodeString(strings.Split(session.Token, ".")[0])
		return err == nil && bytes.Contains(header, []byte(newest))
	})
	again, err := before.send(t.Context(), w.anyone())
	if err != nil || !bytes.Equal(first.Body, again.Body) {
		t.Errorf("a repeat: got %s, %v, want %s", again.Body, err, first.Body)
	}
	if got := w.followed(t, answered(t, first).Code); got != answered(t, first).Number {
		t.Errorf("behind the receipt: got number %s", got)
	}
	if _, err := desk.Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/office/reports"}, nil); err != nil {
		t.Errorf("a session of before: %v", err)
	}
	w.as(t, "leader1") // a password of before
	said, err := w.at(t, time.Now().AddDate(1, 0, 0), "keys", "prune")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"at_rest", "idempotency", "receipt", "session"} {
		if !strings.Contains(said, p+" ") || strings.Contains(said, p+" "+oldOf(olds, p)+" stays") {
			t.Errorf("the old key for %s stays: %s", p, said)
		}
	}
	for _, p := range []string{"lookup", "pepper", "digest", "statement", "log"} {
		if !strings.Contains(said, p+" "+oldOf(olds, p)+" stays: ") {
			t.Errorf("the old key for %s does not stay: %s", p, said)
		}
	}
	if _, err := w.at(t, time.Now(), "keys", "rotate", "--purpose", "nothing", "--step", "add"); err == nil {
		t.Error("a purpose that there is not was rotated")
	}
}

func oldOf(olds []vault.OldKey, purpose string) string {
	i := slices.IndexFunc(olds, func(k vault.OldKey) bool { return string(k.Purpose) == purpose })
	return olds[i].ID
}
