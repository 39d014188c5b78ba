package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// heartbeat is how often a long step says that it is still at work.
const heartbeat = 8 * time.Second

// progress writes one short line for each thing that happens, with the
// seconds since the command began.
type progress struct {
	out   io.Writer
	now   func() time.Time
	began time.Time
	mu    sync.Mutex
}

func newProgress(out io.Writer, now func() time.Time) *progress {
	return &progress{out: out, now: now, began: now()}
}

func (p *progress) line(who, what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.out, "%4.0fs  %-9s %s\n", p.now().Sub(p.began).Seconds(), who, what)
}

// during runs step, says that it began, every few seconds that it goes on, and
// how long it took.
func (p *progress) during(ctx context.Context, who, what string, step func(context.Context) error) error {
	began := p.now()
	p.line(who, what)
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	done := make(chan error, 1)
	go func() { done <- step(ctx) }()
	for {
		select {
		case err := <-done:
			if err != nil {
				return fmt.Errorf("%s: %s: %w", who, what, err)
			}
			p.line(who, fmt.Sprintf("%s: done in %.0f s", what, p.now().Sub(began).Seconds()))
			return nil
		case <-beat.C:
			p.line(who, fmt.Sprintf("%s, %.0f s so far", what, p.now().Sub(began).Seconds()))
		}
	}
}
