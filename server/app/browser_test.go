package app_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"gridwatch/server/config"
)

// intranet is a name of this machine that a browser takes for one on a network:
// on plain http its pages have no crypto.subtle.
const intranet = "grid.intranet.test"

// browser is a headless Chromium that keeps what pages complained of and whom
// they asked.
type browser struct {
	context.Context //nolint:containedctx // chromedp keeps the browser in it

	mu    sync.Mutex
	said  []string // console, violations of the content security policy, exceptions
	asked []string // addresses
}

// browse starts a browser of its own, with a profile of its own, that ends with
// the test.
func browse(tb testing.TB) *browser {
	tb.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		tb.Fatal("there is no chromium; make tools installs it")
	}
	allocated, end := chromedp.NewExecAllocator(tb.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(tb.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WSURLReadTimeout(2*time.Minute),
		chromedp.Flag("host-resolver-rules", "MAP "+intranet+" 127.0.0.1"), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("headless", true))...)
	tb.Cleanup(end)
	ctx, leave := chromedp.NewContext(allocated)
	tb.Cleanup(leave)
	b := &browser{Context: ctx}
	chromedp.ListenTarget(ctx, b.listen)
	if err := chromedp.Run(ctx, network.Enable(), log.Enable(), runtime.Enable()); err != nil {
		tb.Fatalf("chromium: %v", err)
	}
	return b
}

func (b *browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		b.said = append(b.said, string(e.Entry.Source)+": "+e.Entry.Text)
	case *runtime.EventConsoleAPICalled:
		for _, arg := range e.Args {
			b.said = append(b.said, "console: "+string(arg.Value))
		}
	case *runtime.EventExceptionThrown:
		b.said = append(b.said, e.ExceptionDetails.Error())
	case *network.EventRequestWillBeSent:
		b.asked = append(b.asked, e.Request.URL)
	}
}

func (b *browser) run(tb testing.TB, actions ...chromedp.Action) {
	tb.Helper()
	ctx, end := context.WithTimeout(b, patience)
	defer end()
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		tb.Fatalf("%v; the page said %q", err, b.said)
	}
}

// complained says whether a page said something, now or soon.
func (b *browser) complained(of string) bool {
	for range 1000 {
		b.mu.Lock()
		found := slices.ContainsFunc(b.said, func(line string) bool { return strings.Contains(line, of) })
		b.mu.Unlock()
		if found {
			return true
		}
		if chromedp.Run(b, chromedp.Evaluate(`0`, nil)) != nil { // gives it the time to
			return false
		}
	}
	return false
}

// quiet makes sure that pages complained of nothing but the lines that are
// expected, and asked nobody but one server.
func (b *browser) quiet(t *testing.T, base string, expected ...string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
lines:
	for _, line := range b.said {
		for _, known := range expected {
			if strings.Contains(line, known) {
				continue lines
			}
		}
		t.Errorf("the page said %s", line)
	}
	for _, address := range b.asked {
		if !strings.HasPrefix(address, base+"/") && address != "about:blank" {
			t.Errorf("the page asked %s", address)
		}
	}
}

// sealing is a browser with a blank page and the page's script, as sealing.
func sealing(b *testing.B) *browser {
	b.Helper()
	esbuild := exec.CommandContext(b.Context(), "node_modules/.bin/esbuild", "seal.js", "--bundle", "--minify", "--global-name=sealing", "--target=es2020")
	esbuild.Dir = "../../schemas/examples/sealpage"
	script, err := esbuild.Output()
	if err != nil {
		b.Fatalf("esbuild: %v; make tools installs it", err)
	}
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<!doctype html>")) }))
	b.Cleanup(page.Close)
	chromium := browse(b)
	chromium.run(b, chromedp.Navigate(page.URL), chromedp.Evaluate(string(script), nil))
	return chromium
}

// slowed measures a script of so many hashes on this machine, and with the
// processor slowed to a sixth, which stands for a cheap phone. It counts the
// processor's time.
func slowed(b *testing.B, script string, hashes int) {
	b.Helper()
	chromium := sealing(b)
	chromium.run(b, chromedp.Evaluate(script, nil, whenDone)) // the first time compiles
	for _, rate := range []int{1, 6} {
		b.Run(fmt.Sprintf("slowed=%d", rate), func(b *testing.B) {
			before := chromium.worked(b, emulation.SetCPUThrottlingRate(float64(rate)))
			for b.Loop() {
				chromium.run(b, chromedp.Evaluate(script, nil, whenDone))
			}
			seconds := (chromium.worked(b) - before) / float64(b.N)
			b.ReportMetric(seconds*1e3, "cpu-ms/op")
			if hashes > 0 {
				b.ReportMetric(float64(hashes)/seconds, "hashes/cpu-s")
			}
		})
	}
}

// BenchmarkProofOfWorkInBrowser is the longest that the sealing page works for a
// busy server, by the default of GRID_PROOF_OF_WORK.
func BenchmarkProofOfWorkInBrowser(b *testing.B) {
	cfg, err := config.Read(nil)
	if err != nil {
		b.Fatal(err)
	}
	// No number solves it.
	unsolved := fmt.Sprintf(`sealing.solve({algorithm: "SHA-256", challenge: "%064d", maxnumber: %d, salt: "%s", signature: ""}).catch(() => 0)`,
		0, cfg.ProofOfWork, strings.Repeat("a", 32)+"?expires=1790000000&max=30000&route=POST+%2Fv1%2Fpublic%2F%3Atenant%2Freports&")
	slowed(b, unsolved, cfg.ProofOfWork)
}

// BenchmarkSealInBrowser is what the page works to verify a list of keys and to
// seal the two compartments of a report.
func BenchmarkSealInBrowser(b *testing.B) {
	golden, err := os.ReadFile("../../schemas/examples/golden/seal.json")
	if err != nil {
		b.Fatal(err)
	}
	script := `(async (golden) => {
		const list = sealing.verifyKeys({ ...golden.keys, root: golden.root }, golden.tenant, golden.fingerprint);
		await sealing.seal(list, golden.identity, golden.contact, sealing.random());
	})(` + string(golden) + `)`
	slowed(b, script, 0)
}

// worked is the time in seconds that the processor worked for the page, whatever
// else the machine does.
func (b *browser) worked(tb testing.TB, first ...chromedp.Action) float64 {
	tb.Helper()
	took := 0.0
	b.run(tb, append(first, performance.Enable().WithTimeDomain(performance.EnableTimeDomainThreadTicks), chromedp.ActionFunc(func(ctx context.Context) error {
		metrics, err := performance.GetMetrics().Do(ctx)
		for _, m := range metrics {
			if m.Name == "TaskDuration" {
				took = m.Value
			}
		}
		return err
	}))...)
	return took
}

func whenDone(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
