package dispatch_test

import (
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gridwatch/server/dispatch"
)

// TestReleaseAtIsInBounds: never before now, at the latest when most has passed
// or when the next hours of handing out begin, and never outside of them.
func TestReleaseAtIsInBounds(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("UTC+8", 8*60*60)
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 3, 2, 0, 0, 0, 0, zone).Add(time.Duration(rapid.IntRange(0, 72*60*60).Draw(t, "second")) * time.Second)
		most := time.Duration(rapid.IntRange(0, 72).Draw(t, "hours")) * time.Hour
		from := rapid.IntRange(0, 22).Draw(t, "from")
		in := dispatch.Hours{From: from, To: rapid.IntRange(from+1, 24).Draw(t, "to")}
		at, err := dispatch.ReleaseAt(rand.Reader, now, most, in)
		if err != nil {
			t.Fatal(err)
		}
		begins := time.Date(at.Year(), at.Month(), at.Day(), in.From, 0, 0, 0, zone)
		ends := time.Date(at.Year(), at.Month(), at.Day(), in.To, 0, 0, 0, zone)
		if at.Before(now) || at.Before(begins) || !at.Before(ends) {
			t.Fatalf("now %s, %s, %v: got %s", now, most, in, at)
		}
		next := begins
		if now.After(begins) {
			next = now
		}
		if at.After(now.Add(most)) && (!at.Equal(next) || at.Sub(now) > 24*time.Hour) {
			t.Fatalf("now %s, %s, %v: got %s, want it within the wait or at the next hour", now, most, in, at)
		}
	})
}

// TestReleaseAtIsSpread: of many draws each quarter of the hours gets its part.
func TestReleaseAtIsSpread(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	var quarters [4]int
	const draws = 4000
	for range draws {
		at, err := dispatch.ReleaseAt(rand.Reader, now, 34*time.Hour, dispatch.Hours{From: 8, To: 18}) // two days of ten hours
		if err != nil {
			t.Fatal(err)
		}
		open := at.Sub(now)
		if open >= 24*time.Hour {
			open -= 14 * time.Hour // the night
		}
		quarters[open/(5*time.Hour)]++
	}
	for _, n := range quarters { // 1000 each, with a standard deviation of 27
		if n < 800 || n > 1200 {
			t.Errorf("got %v, want about a quarter of %d in each", quarters, draws)
		}
	}
}

func TestDraw(t *testing.T) {
	t.Parallel()
	from := []int{1, 2, 3, 4}
	first := map[int]int{}
	for range 400 {
		got, err := dispatch.Draw(rand.Reader, from, 3)
		if err != nil || len(got) != 3 || len(slices.Compact(slices.Sorted(slices.Values(got)))) != 3 {
			t.Fatalf("got %v, %v, want three different ones", got, err)
		}
		first[got[0]]++
	}
	if len(first) != 4 || !slices.Equal(from, []int{1, 2, 3, 4}) {
		t.Errorf("got %v first of %v, want each at times", first, from)
	}
	if got, err := dispatch.Draw(rand.Reader, from, 9); err != nil || len(got) != 4 {
		t.Errorf("got %v, %v, want all there are", got, err)
	}
}
