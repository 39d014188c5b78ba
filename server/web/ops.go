package web

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof" // mounted below, on loopback only; the default mux is not served
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const checkTime = 3 * time.Second

// Check is something the server needs to be ready.
type Check struct {
	Name string
	Run  func(ctx context.Context) error // given 3 seconds
	Says func() string                   // what stands there instead of ok; may be nil
}

// Ops is the operations surface: /healthz, /readyz, /metrics, and on loopback
// /debug/pprof. A profile holds memory, and memory may hold identities that
// are being sealed: off loopback there is none.
func Ops(addr net.Addr, metrics prometheus.Gatherer, log *slog.Logger, checks ...Check) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { ready(w, r, log, checks) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	if host, _, err := net.SplitHostPort(addr.String()); err == nil && Loopback(host) {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
}

// ready runs the checks side by side and answers with the name and the state
// of each; why one failed is in the log.
func ready(w http.ResponseWriter, r *http.Request, log *slog.Logger, checks []Check) {
	ctx, cancel := context.WithTimeout(r.Context(), checkTime)
	defer cancel()
	errs := make([]error, len(checks))
	var all sync.WaitGroup
	for i, c := range checks {
		all.Go(func() { errs[i] = c.Run(ctx) })
	}
	all.Wait()
	status, states := http.StatusOK, map[string]string{}
	for i, c := range checks {
		states[c.Name] = "ok"
		if c.Says != nil {
			states[c.Name] = c.Says()
		}
		if errs[i] != nil {
			status, states[c.Name] = http.StatusServiceUnavailable, "failed"
			log.LogAttrs(ctx, slog.LevelWarn, "not ready", slog.String("check", c.Name), slog.String("error", errs[i].Error()))
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(states) // who asked is gone
}
