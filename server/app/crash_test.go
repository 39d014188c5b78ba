package app_test

import (
	"context"
	crand "crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

const (
	kills      = 20
	senders    = 4
	phoneToken = "crash-test-phone-of-inspector1"
	// enough is how many reports are sent at most: more would only take longer
	// to look at.
	enough = 140
)

// storm is a server that is killed again and again while reports come in and
// the desk works on them.
type storm struct {
	*world

	path     string // of the program
	killed   chan struct{}
	answered atomic.Int64 // requests acknowledged so far
	reserved atomic.Int64 // reports begun so far

	mu    sync.Mutex
	sent  []acknowledged
	tasks []string
}

type acknowledged struct {
	parcel
	registered
}

// TestEveryAcknowledgedReportOutlivesKills kills the server twenty times. What
// was answered with 201 is there afterwards, once and whole, and so is every
// task with its push.
func TestEveryAcknowledgedReportOutlivesKills(t *testing.T) {
	t.Parallel()
	s := &storm{world: apart(t), path: program(t), killed: make(chan struct{})}
	server := launch(t, s.path, s.settings, "serve")
	s.ready(t)
	s.registerPhone(t)
	clerks := []apiclient.Client{s.as(t, "desk1"), s.as(t, "desk2")}

	var all sync.WaitGroup
	for range senders {
		all.Go(func() { s.report(t) })
	}
	for i, c := range clerks {
		all.Go(func() { s.work(t, c, func(id string) bool { return int(id[0])%len(clerks) == i }) })
	}
	s.kill(t, server, kills)
	all.Wait()

	t.Logf("%d reports acknowledged, %d of them assigned", len(s.sent), len(s.tasks))
	s.checkPhone(t)
	s.allSettled(t) // what a killed worker left of its copies is the sweep's then
	sweep := launch(t, s.path, s.settings, "sweep", "--older-than", "0s")
	if code := sweep.code(t); code != 0 {
		t.Fatalf("sweep: got exit %d, %s", code, sweep.logs.String())
	}
	t.Log(strings.TrimSpace(sweep.out.String()))
	s.checkOwned(t, s.reports(t))
	s.checkReports(t)
	s.checkLog(t)
}

// kill kills the server so many times at moments drawn from a seed, each time
// after it acknowledged something, and starts it again. It returns the last one.
func (s *storm) kill(t *testing.T, server *process, times int) *process {
	t.Helper()
	defer close(s.killed)
	var seed [8]byte
	_, _ = crand.Read(seed[:])
	t.Logf("seed %x", seed)
	random := rand.New(rand.NewPCG(uint64(seed[0])<<8|uint64(seed[1]), uint64(seed[2])<<8|uint64(seed[3])))
	for range times {
		before := s.answered.Load()
		awaited(t, "an acknowledged request", func() bool { return s.answered.Load() > before })
		<-time.NewTimer(time.Duration(random.IntN(400)) * time.Millisecond).C
		server.end(t, syscall.SIGKILL)
		server = launch(t, s.path, s.settings, "serve")
	}
	return server
}

// stubborn sends the same request until it is answered, as a client does that
// knows nothing of what became of it. It says whether the answer is a success.
func (s *storm) stubborn(t *testing.T, send func(ctx context.Context) error) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for {
		err := send(ctx)
		if err == nil {
			s.answered.Add(1)
			return true
		}
		var p *apiclient.ProblemError
		if errors.As(err, &p) && p.Status < http.StatusInternalServerError && p.Status != http.StatusTooManyRequests {
			t.Errorf("refused: %v", err)
			return false
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Errorf("not answered for two minutes: %v", err)
			return false
		}
	}
}

// report sends one new report after the other, each under a key of its own.
func (s *storm) report(t *testing.T) {
	t.Helper()
	for s.reserved.Add(1) <= enough {
		select {
		case <-s.killed:
			return
		default:
		}
		p := newParcel(t)
		var answer apiclient.Answer
		if !s.stubborn(t, func(ctx context.Context) error {
			var err error
			answer, err = p.send(ctx, s.anyone())
			return err
		}) {
			return
		}
		s.mu.Lock()
		s.sent = append(s.sent, acknowledged{p, answered(t, answer)})
		s.mu.Unlock()
	}
}

// command carries out a command under one key, however often it is sent.
func (s *storm) command(t *testing.T, c apiclient.Client, path string, body any) (casefile.Outcome, bool) {
	t.Helper()
	var out casefile.Outcome
	key, err := vault.NewID(crand.Reader)
	if err != nil {
		t.Error(err)
		return out, false
	}
	return out, s.stubborn(t, func(ctx context.Context) error {
		out = casefile.Outcome{}
		_, err := c.Do(ctx, apiclient.Call{Method: http.MethodPost, Path: path, Key: key, Body: body}, &out)
		return err
	})
}

// work takes those reports from the queue that are a clerk's own, and gives
// each to the inspector.
func (s *storm) work(t *testing.T, desk apiclient.Client, own func(id string) bool) {
	t.Helper()
	place := s.inspected(t)
	persons := []string{demo.Tenant + "-inspector1"}
	for {
		select {
		case <-s.killed:
			return
		default:
		}
		var queue struct {
			Items []struct {
				ID string `json:"id"`
			} `json:"items"`
		}
		if !s.stubborn(t, func(ctx context.Context) error {
			_, err := desk.Do(ctx, apiclient.Call{Method: http.MethodGet, Path: "/v1/office/reports?state=RECEIVED&limit=20"}, &queue)
			return err
		}) {
			return
		}
		for _, r := range queue.Items {
			if !own(r.ID) {
				continue
			}
			report, err := s.store.Reports.Get(t.Context(), demo.Tenant, r.ID)
			if err != nil {
				t.Error(err)
				return
			}
			path := "/v1/office/reports/" + r.ID
			items := []map[string]string{{"ref": report.Allegations[0].ID, "text": "storage of gas bottles"}}
			for _, c := range []struct {
				part string
				body any
			}{
				{"/accept", nil},
				{"/target", map[string]any{"place": place, "name": "demo workshop"}},
				{"/brief", map[string]any{"text": "Patrol of a workshop.", "items": items}},
			} {
				if _, ok := s.command(t, desk, path+c.part, c.body); !ok {
					return
				}
			}
			out, ok := s.command(t, desk, path+"/assign", map[string]any{"persons": persons, "imminent": true})
			if !ok {
				return
			}
			s.mu.Lock()
			s.tasks = append(s.tasks, out.Ref)
			s.mu.Unlock()
		}
	}
}

// inspected is a place in a grid of 五棵树镇, which inspector1 looks after.
func (w *world) inspected(t *testing.T) map[string]any {
	t.Helper()
	grids, err := w.store.Directory.Grids(t.Context(), demo.Tenant)
	if err != nil {
		t.Error(err)
	}
	for _, g := range grids {
		if g.Code.Under("220182100000") {
			at := g.Centre()
			return map[string]any{"lon": at.Lon, "lat": at.Lat, "datum": "wgs84"}
		}
	}
	t.Error("the demo has no grid in 五棵树镇")
	return nil
}

func (s *storm) registerPhone(t *testing.T) {
	t.Helper()
	_, err := s.as(t, "inspector1").Do(t.Context(), apiclient.Call{
		Method: http.MethodPost, Path: "/v1/session/devices", Body: map[string]string{"token": phoneToken},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// checkPhone compares what the phone shows with the tasks that were given out:
// each is there once, under one push id.
func (s *storm) checkPhone(t *testing.T) {
	t.Helper()
	shown := map[string]int{}
	look := func() int {
		clear(shown)
		for _, push := range s.fcm.Shown(phoneToken) {
			shown[push.Ref]++
		}
		return len(shown)
	}
	for n := look(); n < len(s.tasks); { // as long as there are more
		before := n
		awaited(t, "another push", func() bool {
			n = look()
			return n > before
		})
	}
	for _, task := range s.tasks {
		if shown[task] != 1 {
			t.Errorf("the phone shows task %s %d times, want once", task, shown[task])
		}
		delete(shown, task)
	}
	if len(shown) > 0 || len(s.tasks) == 0 {
		t.Errorf("%d tasks were given out, and the phone shows others too: %v", len(s.tasks), shown)
	}
	there, err := s.store.Tasks.List(t.Context(), workflow.Query{Tenant: demo.Tenant, Limit: 2 * enough})
	if err != nil {
		t.Fatal(err)
	}
	if len(there) != len(s.tasks) {
		t.Errorf("got %d tasks, want the %d that were given out", len(there), len(s.tasks))
	}
}

// checkReports asks for every acknowledged report as its sender, and reads its
// photo as the two rings.
func (s *storm) checkReports(t *testing.T) {
	t.Helper()
	s.allSettled(t)
	reports, codes := s.reports(t), map[string]bool{}
	if len(s.sent) == 0 || len(reports) != len(s.sent) {
		t.Errorf("got %d reports for %d that were acknowledged", len(reports), len(s.sent))
	}
	for _, sent := range s.sent {
		r, ok := reports[sent.Number]
		if !ok || len(r.Evidence) != 1 {
			t.Errorf("%s: got %d items of evidence, want 1; found: %t", sent.Number, len(r.Evidence), ok)
			continue
		}
		codes[sent.Code] = true
		sum := sha256.Sum256(s.originals(t, &r)[r.Evidence[0].ID])
		if got := hex.EncodeToString(sum[:]); got != sent.digest() || got != sent.Evidence[0].SHA256 {
			t.Errorf("%s: the photo has digest %s, sent was %s", sent.Number, got, sent.digest())
		}
		if number := s.followed(t, sent.Code); number != sent.Number {
			t.Errorf("the receipt shows number %s, want %s", number, sent.Number)
		}
	}
	if len(codes) != len(s.sent) {
		t.Errorf("got %d codes for %d reports", len(codes), len(s.sent))
	}
}
