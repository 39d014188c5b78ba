package app

import (
	"context"
	"testing"
	"time"
)

// TestALongSweepKeepsNoKeyWaiting: clock, keyring file and sweep took turns.
// While a sweep went through a large store no key was taken up, and what other
// servers made with a new one could not be read here.
func TestALongSweepKeepsNoKeyWaiting(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	taken := make(chan struct{})
	beside(
		func() { // a sweep that ends only once a key was taken up
			each(ctx, time.Millisecond, nil, func(context.Context) {
				select {
				case <-taken:
				case <-time.After(time.Minute):
					t.Error("no key was taken up while the sweep was at work")
				}
				stop()
			})
		},
		func() {
			each(ctx, time.Millisecond, nil, func(context.Context) {
				select {
				case <-taken:
				default:
					close(taken)
				}
			})
		},
	)
}
