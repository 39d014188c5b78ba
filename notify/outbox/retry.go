package outbox

import "time"

const (
	firstWait = 5 * time.Second  // after the first failed try
	maxWait   = 10 * time.Minute // the doubling ends here
	maxAsked  = time.Hour        // a push service is not obeyed beyond this
)

// backoff returns how long to wait after the tries-th failed try (1 is the
// first): double the wait before it, but not less than the push service asked
// for, and up to a quarter more by jitter in [0, 1), so that what failed
// together is not tried again together.
func backoff(tries int, asked time.Duration, jitter float64) time.Duration {
	wait := firstWait
	for i := 1; i < tries && wait < maxWait; i++ {
		wait *= 2
	}
	wait = max(min(wait, maxWait), min(asked, maxAsked))
	return wait + time.Duration(jitter*float64(wait)/4)
}
