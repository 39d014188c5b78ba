package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"gridwatch/notify/outbox"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

const (
	clockEvery  = 10 * time.Second
	clockSkew   = 2 * time.Second // the first reporter of a matter is the first by these clocks
	sweepEvery  = time.Hour
	printsEvery = time.Minute    // erased prints are in no memory for longer
	sweepGrace  = 24 * time.Hour // a registration under way may own what no record names yet
	pushLife    = 24 * time.Hour // a task is in the pull list anyway
	hashesAtime = 2              // each takes 64 MiB

	evidenceMemory = 96 << 20 // bytes of evidence that are in memory at once
)

func (a *App) hasher(k *vault.Keyring) *vault.Hasher {
	return vault.NewHasher(k, a.env.Password, hashesAtime, a.env.Random)
}

func isInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// pushes puts what the relay queues into an outbox.
type pushes struct {
	store  outbox.Store
	worker *outbox.Worker
	life   time.Duration // of an entry
}

// Queue implements workflow.Pushes.
func (p pushes) Queue(ctx context.Context, push workflow.Push) error {
	e := outbox.For(push.Record, uint64(push.Seq), push.Person) //nolint:gosec // a sequence counts from 1
	e.Tenant, e.Kind, e.Ref, e.NotBefore, e.ExpiresAt = push.Tenant, push.Kind, push.Ref, push.At, push.At.Add(p.life)
	if err := p.store.Add(ctx, e); err != nil {
		return err
	}
	p.worker.Kick()
	return nil
}

// checks are what the server needs to be ready.
func (a *App) checks() []web.Check {
	return []web.Check{
		{Name: "database", Run: func(ctx context.Context) error {
			_, err := a.store.Ready(ctx)
			return err
		}},
		{Name: "objects", Run: a.objects.Ready},
		{Name: "isolation", Run: func(context.Context) error { return nil }, Says: a.maker.Isolation},
		{Name: "clock", Run: func(context.Context) error { return a.service.Intake() }},
	}
}

// checkClock compares this machine's clock with the database's.
func (a *App) checkClock(ctx context.Context) {
	began := a.env.Now()
	theirs, err := a.store.Ready(ctx)
	if err != nil {
		a.env.Log.LogAttrs(ctx, slog.LevelWarn, "the database's clock cannot be read", slog.String("error", err.Error()))
		return
	}
	ended := a.env.Now()
	right := theirs.Add(clockSkew).After(began) && theirs.Add(-clockSkew).Before(ended)
	if !right {
		a.env.Log.LogAttrs(ctx, slog.LevelError, "the clock is off: no reports are taken in",
			slog.String("off", fmt.Sprint(ended.Sub(theirs).Round(time.Millisecond))))
	}
	a.service.SetClock(right)
}

// keep looks after the clock, the keyring file and the terms, and sweeps, until
// ctx is done; the channel closes when it has ended. None of it waits for
// another: a sweep may take long, and a key that other servers make things with
// has to be known here within seconds.
func (a *App) keep(ctx context.Context, owner string) <-chan struct{} {
	now := make(chan os.Signal, 1)
	signal.Notify(now, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer signal.Stop(now)
		beside(
			func() { each(ctx, clockEvery, nil, a.lookAtClock) },
			func() { each(ctx, keysEvery, now, func(ctx context.Context) { a.keys.refresh(ctx, a.env.Log) }) },
			func() { each(ctx, printsEvery, nil, a.refreshPrints) },
			func() {
				each(ctx, sweepEvery, nil, func(ctx context.Context) {
					a.sweep(ctx)
					a.keepTerms(ctx, owner)
				})
			},
		)
	}()
	return done
}

func (a *App) refreshPrints(ctx context.Context) {
	if err := a.service.RefreshPrints(ctx); err != nil && ctx.Err() == nil {
		a.env.Log.LogAttrs(ctx, slog.LevelWarn, "prints are refreshed with the next look", slog.String("code", fault.CodeOf(err)))
	}
}

// beside runs all at once until each has ended.
func beside(all ...func()) {
	var running sync.WaitGroup
	for _, run := range all {
		running.Go(run)
	}
	running.Wait()
}

// each does something after every period, and at once when asked to, until ctx
// is done.
func each(ctx context.Context, period time.Duration, now <-chan os.Signal, do func(context.Context)) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-now:
		}
		do(ctx)
	}
}

func (a *App) lookAtClock(ctx context.Context) {
	a.checkClock(ctx)
	if _, err := a.service.CatchUpChains(ctx); err != nil && ctx.Err() == nil {
		a.env.Log.LogAttrs(ctx, slog.LevelError, "leaves of chains wait", slog.String("error", err.Error()))
	}
}

func (a *App) sweep(ctx context.Context) {
	swept, err := a.service.Sweep(ctx, sweepGrace)
	if err != nil {
		a.env.Log.LogAttrs(ctx, slog.LevelError, "sweep stopped short", slog.String("error", err.Error()))
	}
	a.env.Log.LogAttrs(ctx, slog.LevelInfo, "swept", slog.Int("objects", swept.Objects), slog.Int("envelopes", swept.Envelopes), slog.Int("uploads", swept.Uploads))
}

// keepTerms closes, seals away and erases what is due. Owner is this process.
func (a *App) keepTerms(ctx context.Context, owner string) {
	kept, err := a.service.KeepTerms(ctx, owner)
	if err != nil {
		a.env.Log.LogAttrs(ctx, slog.LevelError, "the terms were not kept to the end", slog.String("error", err.Error()))
	}
	a.env.Log.LogAttrs(ctx, slog.LevelInfo, "kept the terms", slog.Int("closed", kept.Closed), slog.Int("sealed_away", kept.Archived),
		slog.Int("announced", kept.Announced), slog.Int("erased", kept.Erased), slog.Int("recordings", kept.Recordings), slog.Int("collected", kept.Collected),
		slog.Int("lapsed", kept.Lapsed), slog.Int("forfeited", kept.Forfeited), slog.Int("failed", kept.Failed))
}
