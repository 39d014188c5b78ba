package app

import (
	"context"
	"strings"
	"testing"
	"time"

	"gridwatch/server/audit/exhibit"
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
				case <-time.After(3 * time.Minute):
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

// TestAnArchiveSteersNoTerminal: whoever verified an archive saw its names as
// they were, with what moves the cursor and hides a fault.
func TestAnArchiveSteersNoTerminal(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	r := exhibit.Report{Faults: []string{"items/\x1b[1A\x1b[2K\nthe archive holds"}}
	r.Manifest.Format, r.Manifest.Record = "1", "\x1b]0;title\a"
	if err := tellExhibit(call{System: System{Stdout: &out}}, r); err == nil {
		t.Error("an archive with a fault holds")
	}
	if got := out.String(); strings.ContainsAny(got, "\x1b\a") || strings.Count(got, "\n") != 2 {
		t.Errorf("got %q", got)
	}
}
