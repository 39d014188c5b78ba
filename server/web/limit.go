package web

import (
	"hash/maphash"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"gridwatch/server/casefile"
)

// room is how many requests are served at once. Of callers without a name a part
// of it is open to all, the rest to those who solved a challenge, so that a flood
// that solves none keeps nobody out who does. Nor does one that sends slowly: of
// a full room the slowest of those that were waited for as long as its patience
// is cut off.
type room struct {
	open, all int
	patience  time.Duration
	mu        sync.Mutex
	inside    map[peer]struct{}
}

// peer is the other end of a request, which sends its body or takes the answer.
type peer interface {
	// Progress is how many bytes went over, and how long the other end took.
	Progress() (bytes int64, waited time.Duration)
	Cut()
}

func newRoom(all int, patience time.Duration) *room {
	return &room{open: (all + 1) / 2, all: all, patience: patience, inside: map[peer]struct{}{}}
}

// take takes a place if fewer than most are taken, or one of all can be made.
func (r *room) take(most int, p peer) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.inside) >= most && (most < r.all || !r.cut()) {
		return false
	}
	r.inside[p] = struct{}{}
	return true
}

// cut ends the slowest, if one is slow.
func (r *room) cut() bool {
	var slowest peer
	var least float64 // bytes a second
	for p := range r.inside {
		bytes, waited := p.Progress()
		if rate := float64(bytes) / waited.Seconds(); waited >= r.patience && (slowest == nil || rate < least) {
			slowest, least = p, rate
		}
	}
	if slowest == nil {
		return false
	}
	slowest.Cut()
	delete(r.inside, slowest)
	return true
}

// leave gives the place back, unless it is another's already.
func (r *room) leave(p peer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.inside, p)
}

// change gives the place of one to another, if it still has it.
func (r *room) change(from, to peer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.inside[from]; ok {
		delete(r.inside, from)
		r.inside[to] = struct{}{}
	}
}

// accounts bounds the requests of each person and each receipt. It is in
// memory only, knows no address, and names no account but by a hash under a
// seed that is changed daily and never leaves it.
type accounts struct {
	perMinute int
	atOnce    int
	mu        sync.Mutex
	day       time.Time
	seed      maphash.Seed
	buckets   map[uint64]*bucket
}

// bucket is what one account may still do.
type bucket struct {
	*rate.Limiter
	open int // requests that are being served
}

func newAccounts(perMinute, atOnce int) *accounts {
	return &accounts{perMinute: perMinute, atOnce: atOnce}
}

// enter takes one request from an account's bucket, which holds a quarter of a
// minute's worth, unless as many as may be at once are being served. Leave is
// called when it was served; it is nil if the request has to be refused. With a
// new day, or when there are too many accounts, all begin anew.
func (a *accounts) enter(actor casefile.Actor, now time.Time) (leave func()) {
	account := actor.Tenant + "\x00" + actor.Person + "\x00" + actor.Report
	a.mu.Lock()
	defer a.mu.Unlock()
	if day := now.Truncate(24 * time.Hour); !day.Equal(a.day) || len(a.buckets) >= maxKept {
		a.day, a.seed, a.buckets = day, maphash.MakeSeed(), map[uint64]*bucket{}
	}
	key := maphash.String(a.seed, account)
	b, ok := a.buckets[key]
	if !ok {
		b = &bucket{Limiter: rate.NewLimiter(rate.Limit(float64(a.perMinute)/60), max(1, a.perMinute/4))}
		a.buckets[key] = b
	}
	if b.open >= a.atOnce || !b.AllowN(now, 1) {
		return nil
	}
	b.open++
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		b.open--
	}
}
