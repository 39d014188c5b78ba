package web

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts requests. Labels are patterns, methods and classes of status,
// never a path or an id. What public and receipt routes did is counted by the
// hour: a count that moves at once tells when somebody reported
// (confidentiality 8).
type Metrics struct {
	requests *prometheus.HistogramVec
	hourly   *hourly
}

// NewMetrics returns Metrics that a registry serves.
func NewMetrics(r prometheus.Registerer, now func() time.Time) (*Metrics, error) {
	m := &Metrics{
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "grid_request_seconds", Help: "Requests of staff by route.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60},
		}, []string{"route", "method", "class"}),
		hourly: &hourly{
			now: now, counts: map[unseenKey]*hourCount{},
			desc: prometheus.NewDesc("grid_public_requests_total",
				"Requests of public and receipt routes, up to the end of the last full hour.", []string{"route", "method", "class"}, nil),
		},
	}
	for _, c := range []prometheus.Collector{m.requests, m.hourly} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func class(status int) string { return strconv.Itoa(status/100) + "xx" }

func (m *Metrics) seen(r Route, status int, took time.Duration) {
	m.requests.WithLabelValues(r.Path, r.Method, class(status)).Observe(took.Seconds())
}

func (m *Metrics) unseen(r Route, status int) {
	m.hourly.add(unseenKey{r.Path, r.Method, class(status)})
}

type unseenKey struct{ route, method, class string }

// hourCount is a count as it was when its hour began, and what came since.
type hourCount struct {
	shown, since int
	hour         time.Time
}

func (c *hourCount) turn(now time.Time) {
	if hour := now.Truncate(time.Hour); hour.After(c.hour) {
		c.shown, c.since, c.hour = c.shown+c.since, 0, hour
	}
}

// hourly is a collector of counts that move on the hour.
type hourly struct {
	desc   *prometheus.Desc
	now    func() time.Time
	mu     sync.Mutex
	counts map[unseenKey]*hourCount
}

func (h *hourly) add(k unseenKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, ok := h.counts[k]
	if !ok {
		c = &hourCount{}
		h.counts[k] = c
	}
	c.turn(h.now())
	c.since++
}

// Describe implements prometheus.Collector.
func (h *hourly) Describe(to chan<- *prometheus.Desc) { to <- h.desc }

// Collect implements prometheus.Collector. A route that was first called this
// hour is not there yet.
func (h *hourly) Collect(to chan<- prometheus.Metric) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for k, c := range h.counts {
		if c.turn(h.now()); c.shown > 0 {
			to <- prometheus.MustNewConstMetric(h.desc, prometheus.CounterValue, float64(c.shown), k.route, k.method, k.class)
		}
	}
}
