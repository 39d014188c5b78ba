// Package outboxtest holds the contract of outbox.Store and of the worker on
// it as tests, to be run by whoever implements the store, on the real engine.
package outboxtest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gridwatch/notify/outbox"
)

// epoch is when the suites' clocks start.
func epoch() time.Time { return time.Date(2026, 3, 2, 1, 0, 0, 0, time.UTC) }

// entry returns an entry of a record that is due at epoch for a day.
func entry(record string, seq uint64, person string) outbox.Entry {
	e := outbox.For(record, seq, person)
	e.Tenant, e.Kind, e.Ref = "tenant-1", "task", "ref-"+record
	e.NotBefore, e.ExpiresAt = epoch(), epoch().Add(24*time.Hour)
	return e
}

// lease takes the slot of e and fails the test if it is taken.
func lease(t *testing.T, s outbox.Store, slot int, now time.Time) outbox.Lease {
	t.Helper()
	l, ok, err := s.Lease(t.Context(), slot, "worker-1", now.Add(time.Minute), now)
	if err != nil || !ok {
		t.Fatalf("lease of slot %d: got %v, %v, want it", slot, ok, err)
	}
	return l
}

// check fails the test if the slot's due entries are not those of want, in order.
func check(t *testing.T, s outbox.Store, slot int, now time.Time, want ...outbox.Entry) {
	t.Helper()
	got, err := s.Due(t.Context(), slot, now, 100)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(append([]outbox.Entry{}, want...), append([]outbox.Entry{}, got...)); diff != "" {
		t.Errorf("due entries (-want +got):\n%s", diff)
	}
}

// must fails the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Run checks a Store. open returns an empty one.
func Run(t *testing.T, open func(t *testing.T) outbox.Store) {
	t.Helper()
	tests := map[string]func(t *testing.T, s outbox.Store){
		"an effect enters once":                  addOnce,
		"due entries come in order":              order,
		"ready names slots with due entries":     ready,
		"one of 16 gets a lease":                 oneLease,
		"a lease ends by time or by release":     leaseEnds,
		"done and retry":                         doneAndRetry,
		"a lost lease changes nothing":           fenced,
		"a released lease changes nothing":       released,
		"a late release does not free the lease": lateRelease,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func addOnce(t *testing.T, s outbox.Store) {
	t.Helper()
	e := entry("record-1", 1, "person-1")
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if err := s.Add(t.Context(), e); err != nil {
				t.Errorf("add: got %v, want no error", err)
			}
		})
	}
	all.Wait()
	check(t, s, e.Slot, epoch(), e)

	l := lease(t, s, e.Slot, epoch())
	tried := e
	tried.Tries, tried.NotBefore = 3, epoch().Add(time.Second)
	must(t, s.Retry(t.Context(), l, e.ID, tried.NotBefore, tried.Tries))
	must(t, s.Add(t.Context(), e))
	check(t, s, e.Slot, tried.NotBefore, tried)
}

func order(t *testing.T, s outbox.Store) {
	t.Helper()
	b, c, a, later := entry("record-1", 2, "b"), entry("record-1", 2, "c"), entry("record-1", 3, "a"), entry("record-1", 1, "a")
	b.NotBefore = epoch().Add(-time.Second)
	c.NotBefore = b.NotBefore
	later.NotBefore = epoch().Add(time.Millisecond)
	for _, e := range []outbox.Entry{later, a, c, b} {
		must(t, s.Add(t.Context(), e))
	}
	check(t, s, a.Slot, epoch(), b, c, a)
	check(t, s, a.Slot, later.NotBefore, b, c, a, later)
	check(t, s, (a.Slot+1)%outbox.Slots, epoch())
	got, err := s.Due(t.Context(), a.Slot, epoch(), 2)
	must(t, err)
	if diff := cmp.Diff([]outbox.Entry{b, c}, got); diff != "" {
		t.Errorf("limit of 2: %s", diff)
	}
}

func ready(t *testing.T, s outbox.Store) {
	t.Helper()
	early, late := entry("record-1", 1, "a"), entry("record-2", 1, "a")
	early.Slot, late.Slot = 7, 3
	late.NotBefore = epoch().Add(time.Minute)
	second := entry("record-1", 2, "a")
	second.Slot = 7
	for _, e := range []outbox.Entry{early, late, second} {
		must(t, s.Add(t.Context(), e))
	}
	for now, want := range map[time.Time][]int{
		epoch().Add(-time.Millisecond): {},
		epoch():                        {7},
		late.NotBefore:                 {3, 7},
	} {
		got, err := s.Ready(t.Context(), now)
		must(t, err)
		if diff := cmp.Diff(want, append([]int{}, got...)); diff != "" {
			t.Errorf("ready at %v: %s", now, diff)
		}
	}
}

func oneLease(t *testing.T, s outbox.Store) {
	t.Helper()
	for term := int64(1); term <= 5; term++ {
		now := epoch().Add(time.Duration(term) * time.Minute)
		var mu sync.Mutex
		var won []outbox.Lease
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				l, ok, err := s.Lease(t.Context(), 4, fmt.Sprintf("worker-%d", i), now.Add(time.Minute), now)
				if err != nil {
					t.Errorf("lease: got %v, want no error", err)
				}
				if ok {
					mu.Lock()
					defer mu.Unlock()
					won = append(won, l)
				}
			})
		}
		all.Wait()
		if len(won) != 1 || won[0].Term != term || won[0].Slot != 4 || won[0].Owner == "" || !won[0].Until.Equal(now.Add(time.Minute)) {
			t.Fatalf("got leases %+v, want one with term %d", won, term)
		}
	}
}

func leaseEnds(t *testing.T, s outbox.Store) {
	t.Helper()
	first := lease(t, s, 0, epoch())
	lease(t, s, 1, epoch()) // another slot is another lease
	for _, now := range []time.Time{epoch(), first.Until.Add(-time.Millisecond)} {
		for _, owner := range []string{"worker-1", "worker-2"} {
			if _, ok, err := s.Lease(t.Context(), 0, owner, now.Add(time.Minute), now); ok || err != nil {
				t.Errorf("%s at %v: got %v, %v, want no lease", owner, now, ok, err)
			}
		}
	}
	second := lease(t, s, 0, first.Until)
	must(t, s.Release(t.Context(), second))
	third := lease(t, s, 0, first.Until)
	if second.Term != first.Term+1 || third.Term != second.Term+1 {
		t.Errorf("got terms %d, %d, %d, want each one more", first.Term, second.Term, third.Term)
	}
}

func doneAndRetry(t *testing.T, s outbox.Store) {
	t.Helper()
	a, b := entry("record-1", 1, "a"), entry("record-1", 2, "a")
	must(t, s.Add(t.Context(), a))
	must(t, s.Add(t.Context(), b))
	l := lease(t, s, a.Slot, epoch())
	must(t, s.Done(t.Context(), l, a.ID))
	must(t, s.Done(t.Context(), l, a.ID))
	check(t, s, a.Slot, epoch(), b)
	b.Tries, b.NotBefore = 2, epoch().Add(time.Minute)
	must(t, s.Retry(t.Context(), l, b.ID, b.NotBefore, b.Tries))
	must(t, s.Retry(t.Context(), l, a.ID, b.NotBefore, 1))
	check(t, s, a.Slot, epoch())
	check(t, s, a.Slot, b.NotBefore, b)
}

// refused checks that the lease l changes nothing of e any more.
func refused(t *testing.T, s outbox.Store, l outbox.Lease, e outbox.Entry) {
	t.Helper()
	if err := s.Done(t.Context(), l, e.ID); !errors.Is(err, outbox.ErrLost) {
		t.Errorf("done: got %v, want %v", err, outbox.ErrLost)
	}
	if err := s.Retry(t.Context(), l, e.ID, epoch(), 9); !errors.Is(err, outbox.ErrLost) {
		t.Errorf("retry: got %v, want %v", err, outbox.ErrLost)
	}
	check(t, s, e.Slot, epoch(), e)
}

func fenced(t *testing.T, s outbox.Store) {
	t.Helper()
	e := entry("record-1", 1, "a")
	must(t, s.Add(t.Context(), e))
	old := lease(t, s, e.Slot, epoch())
	current := lease(t, s, e.Slot, old.Until)
	refused(t, s, old, e)
	must(t, s.Done(t.Context(), current, e.ID))
	check(t, s, e.Slot, epoch())
}

func released(t *testing.T, s outbox.Store) {
	t.Helper()
	e := entry("record-1", 1, "a")
	must(t, s.Add(t.Context(), e))
	l := lease(t, s, e.Slot, epoch())
	must(t, s.Release(t.Context(), l))
	must(t, s.Release(t.Context(), l))
	refused(t, s, l, e)
}

func lateRelease(t *testing.T, s outbox.Store) {
	t.Helper()
	old := lease(t, s, 0, epoch())
	current := lease(t, s, 0, old.Until)
	must(t, s.Release(t.Context(), old))
	if _, ok, err := s.Lease(t.Context(), 0, "worker-2", current.Until, old.Until); ok || err != nil {
		t.Errorf("got %v, %v, want the current lease to hold", ok, err)
	}
}
