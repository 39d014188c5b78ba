package web

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"gridwatch/server/casefile"
)

// accounts bounds the requests of each person and each receipt. It is in
// memory only and knows no address.
type accounts struct {
	perMinute int
	mu        sync.Mutex
	buckets   map[string]*rate.Limiter
}

func newAccounts(perMinute int) *accounts {
	return &accounts{perMinute: perMinute, buckets: map[string]*rate.Limiter{}}
}

// allow takes one request from an account's bucket, which holds a quarter of a
// minute's worth. When there are too many accounts all begin anew.
func (a *accounts) allow(actor casefile.Actor, now time.Time) bool {
	account := actor.Tenant + "\x00" + actor.Person + "\x00" + actor.Report
	a.mu.Lock()
	defer a.mu.Unlock()
	bucket, ok := a.buckets[account]
	if !ok {
		if len(a.buckets) >= maxKept {
			clear(a.buckets)
		}
		bucket = rate.NewLimiter(rate.Limit(float64(a.perMinute)/60), max(1, a.perMinute/4))
		a.buckets[account] = bucket
	}
	return bucket.AllowN(now, 1)
}
