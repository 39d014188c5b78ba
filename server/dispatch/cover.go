package dispatch

import (
	"crypto/rand"
	"fmt"
	"io"
	"math/big"
	"time"
)

// Hours are the hours of a day in which tasks are handed out: from the
// beginning of the first to the beginning of the last, 0 to 24.
type Hours struct{ From, To int }

// ReleaseAt draws when a verification is handed out (confidentiality 14): every
// moment from now until most has passed is as likely as any other, of those in
// the hours of the day in which tasks are handed out anyhow, since one at night
// would stand out. Where there is none of them left it is the next one. The
// hours are of the location of now.
func ReleaseAt(random io.Reader, now time.Time, most time.Duration, in Hours) (time.Time, error) {
	end := now.Add(most)
	type stretch struct{ from, to time.Time }
	var open []stretch
	var total time.Duration
	for day := 0; ; day++ {
		from := time.Date(now.Year(), now.Month(), now.Day()+day, in.From, 0, 0, 0, now.Location())
		to := time.Date(now.Year(), now.Month(), now.Day()+day, in.To, 0, 0, 0, now.Location())
		s := stretch{latest(from, now), earliest(to, end)}
		if s.to.After(s.from) {
			open, total = append(open, s), total+s.to.Sub(s.from)
		}
		if !to.Before(end) && (total > 0 || to.After(now)) {
			if total == 0 {
				return latest(from, now), nil
			}
			break
		}
	}
	n, err := rand.Int(random, big.NewInt(int64(total)))
	if err != nil {
		return time.Time{}, fmt.Errorf("draw a wait: %w", err)
	}
	at := time.Duration(n.Int64())
	for _, s := range open {
		if long := s.to.Sub(s.from); at >= long {
			at -= long
			continue
		}
		return s.from.Add(at), nil
	}
	return end, nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Draw returns up to n of some things in an order that is drawn.
func Draw[T any](random io.Reader, from []T, n int) ([]T, error) {
	from = append([]T(nil), from...)
	n = min(n, len(from))
	for i := range n {
		k, err := rand.Int(random, big.NewInt(int64(len(from)-i)))
		if err != nil {
			return nil, fmt.Errorf("draw: %w", err)
		}
		j := i + int(k.Int64())
		from[i], from[j] = from[j], from[i]
	}
	return from[:n], nil
}
