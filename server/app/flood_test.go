package app_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"gridwatch/server/app/demo"
	"gridwatch/server/vault"
)

// crowd fills the open half of the room for uploads with bodies that never
// come, until the test ends. Work is asked for when it returns.
func (w *world) crowd(t *testing.T) {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	hold, never := io.Pipe()
	var waiting sync.WaitGroup
	t.Cleanup(func() {
		end()
		_ = never.Close()
		waiting.Wait()
	})
	key := newParcel(t).key
	for range 16 {
		waiting.Go(func() {
			for ctx.Err() == nil { // one that found no place, or was cut off, tries again
				if status := w.upload(ctx, key, hold); status != http.StatusServiceUnavailable && status != http.StatusRequestTimeout && ctx.Err() == nil {
					t.Errorf("a body that never comes: got %d", status)
					return
				}
			}
		})
	}
	w.crowded(t)
}

// crowded waits until work is asked for.
func (w *world) crowded(t *testing.T) {
	t.Helper()
	for key := newParcel(t).key; w.upload(t.Context(), key, http.NoBody) != http.StatusServiceUnavailable; {
		if t.Context().Err() != nil {
			t.Fatal("no work is asked for")
		}
	}
}

// upload sends a report without an answer to any challenge and returns the
// status, 0 if there is no answer.
func (w *world) upload(ctx context.Context, key string, body io.Reader) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.base+reportsPath, body)
	if err != nil {
		return 0
	}
	req.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	req.Header.Set("Idempotency-Key", key)
	res, err := w.http.Do(req)
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// While a flood waits in the public room, a client of ours and the example
// client, which shares no code with it, solve what they are asked and report.
func TestClientsProveWork(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.crowd(t)
	answer, err := newParcel(t).send(t.Context(), w.anyone())
	if err != nil {
		t.Fatal(err)
	}
	w.followed(t, answered(t, answer).Code)
	root, err := demo.Fingerprint(w.dir, demo.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", "run", "../../schemas/examples/seal", "-server", w.base, "-tenant", demo.Tenant,
		"-root", root, "-name", "demo reporter", "-phone", "00000000000", "-text", "gas bottles beside a stove").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "receipt code") {
		t.Errorf("got %s, %v", out, err)
	}
	w.crowded(t) // the flood did not end meanwhile
}

// wrongCode is a code with a right check digit that no report has.
func wrongCode() string {
	n, _ := rand.Int(rand.Reader, new(big.Int).Exp(big.NewInt(10), big.NewInt(24), nil))
	digits := fmt.Sprintf("%024d", n)
	for last := byte('0'); last <= '9'; last++ {
		if _, err := vault.ParseCode(digits + string(last)); err == nil {
			return digits + string(last)
		}
	}
	return digits
}

// guess tries wrong codes from some addresses of the loopback network, so many
// at once, and returns how often each status came back. It solves nothing: a
// guess that was asked for work is made again, until it is judged.
func (w *world) guess(ctx context.Context, codes, sources, atOnce int) (map[int]int, error) {
	clients := make(chan *http.Client, max(sources, atOnce))
	for i := range cap(clients) {
		source := &net.TCPAddr{IP: net.IPv4(127, 0, byte(1+i%sources/250), byte(1+i%sources%250))}
		clients <- &http.Client{Timeout: time.Minute, Transport: &http.Transport{DialContext: (&net.Dialer{LocalAddr: source}).DialContext}}
	}
	var mu sync.Mutex
	got := map[int]int{}
	var left atomic.Int64
	left.Store(int64(codes))
	guessing, ctx := errgroup.WithContext(ctx)
	for range atOnce {
		guessing.Go(func() error {
			for left.Add(-1) >= 0 {
				body := `{"code":"` + wrongCode() + `"}`
				for status := http.StatusServiceUnavailable; status == http.StatusServiceUnavailable; {
					c := <-clients
					var err error
					status, err = guessOnce(ctx, c, w.base, body)
					clients <- c
					if err != nil {
						return err
					}
					mu.Lock()
					got[status]++
					mu.Unlock()
				}
			}
			return nil
		})
	}
	err := guessing.Wait()
	for range cap(clients) {
		(<-clients).CloseIdleConnections()
	}
	return got, err
}

func guessOnce(ctx context.Context, c *http.Client, base, body string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/receipt/session", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, errors.Join(err, res.Body.Close())
}

// visits has reporters submit and open their receipts until done is closed, but
// each at least a few times, and returns how long the requests took.
func (w *world) visits(t *testing.T, done <-chan struct{}) (submit, open []time.Duration) {
	t.Helper()
	var mu sync.Mutex
	var reporters sync.WaitGroup
	for range 3 {
		reporters.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					if n >= 10 {
						return
					}
				default:
				}
				p := newParcel(t)
				p.photo = nil
				began := time.Now()
				answer, err := p.send(t.Context(), w.anyone())
				if err != nil {
					t.Errorf("an honest reporter: %v", err)
					return
				}
				sent := time.Now()
				w.followed(t, answered(t, answer).Code)
				mu.Lock()
				submit, open = append(submit, sent.Sub(began)), append(open, time.Since(sent))
				mu.Unlock()
			}
		})
	}
	reporters.Wait()
	return submit, open
}

func spread(all []time.Duration) string {
	slices.Sort(all)
	at := func(share float64) time.Duration { return all[int(share*float64(len(all)-1))].Round(time.Millisecond) }
	return fmt.Sprintf("median %v, p95 %v, slowest %v of %d", at(.5), at(.95), at(1), len(all))
}

// Ten thousand wrong codes from one address, and from a thousand, open nothing,
// and no honest reporter is refused meanwhile, who may share the address with
// them. How long honest requests take is printed:
//
//	go test -run TestWrongCodes -v ./server/app
func TestWrongCodes(t *testing.T) {
	t.Parallel()
	const codes = 10_000
	w := start(t)
	quiet := make(chan struct{})
	close(quiet)
	submit, open := w.visits(t, quiet)
	t.Logf("quiet: submit %s; open a receipt %s", spread(submit), spread(open))
	for _, sources := range []int{1, 1_000} {
		over := make(chan struct{})
		var got map[int]int
		var failed error
		go func() {
			defer close(over)
			got, failed = w.guess(t.Context(), codes, sources, 48)
		}()
		submit, open := w.visits(t, over)
		<-over
		if failed != nil {
			t.Fatal(failed)
		}
		t.Logf("%d wrong codes from %d addresses, 48 at once, %d times asked for work: submit %s; open a receipt %s",
			codes, sources, got[http.StatusServiceUnavailable], spread(submit), spread(open))
		delete(got, http.StatusServiceUnavailable)
		if len(got) != 1 || got[http.StatusUnauthorized] != codes {
			t.Errorf("%d addresses: got %v, want %d times 401", sources, got, codes)
		}
	}
}
