package web

import (
	"hash/maphash"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"gridwatch/server/casefile"
)

// room is how many requests of callers without a name are served at once. A
// part of it is open to all, the rest to those who solved a challenge, so that
// a flood that solves none keeps nobody out who does.
type room struct {
	open, all int
	mu        sync.Mutex
	taken     int
}

func newRoom(all int) *room { return &room{open: (all + 1) / 2, all: all} }

// take takes a place if fewer than most are taken.
func (r *room) take(most int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.taken >= most {
		return false
	}
	r.taken++
	return true
}

func (r *room) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken--
}

// accounts bounds the requests of each person and each receipt. It is in
// memory only, knows no address, and names no account but by a hash under a
// seed that is changed daily and never leaves it.
type accounts struct {
	perMinute int
	mu        sync.Mutex
	day       time.Time
	seed      maphash.Seed
	buckets   map[uint64]*rate.Limiter
}

func newAccounts(perMinute int) *accounts { return &accounts{perMinute: perMinute} }

// allow takes one request from an account's bucket, which holds a quarter of a
// minute's worth. With a new day, or when there are too many accounts, all
// begin anew.
func (a *accounts) allow(actor casefile.Actor, now time.Time) bool {
	account := actor.Tenant + "\x00" + actor.Person + "\x00" + actor.Report
	a.mu.Lock()
	defer a.mu.Unlock()
	if day := now.Truncate(24 * time.Hour); !day.Equal(a.day) || len(a.buckets) >= maxKept {
		a.day, a.seed, a.buckets = day, maphash.MakeSeed(), map[uint64]*rate.Limiter{}
	}
	key := maphash.String(a.seed, account)
	bucket, ok := a.buckets[key]
	if !ok {
		bucket = rate.NewLimiter(rate.Limit(float64(a.perMinute)/60), max(1, a.perMinute/4))
		a.buckets[key] = bucket
	}
	return bucket.AllowN(now, 1)
}
