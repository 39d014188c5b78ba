package workflow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"gridwatch/media"
	"gridwatch/server/audit"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/reward"
)

// How the relay waits.
const (
	relayEvery   = time.Second     // looks for effects that no kick announced
	relayPage    = 100             // records at a time
	relayRetry   = 5 * time.Second // after an effect failed
	relayNoMoney = time.Minute     // after the budget was found too small
)

// Kick tells the relay that effects may wait. It never blocks.
func (s *Service) Kick() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// Relay carries pending effects of records to their places, at least once. Any
// number may run: an effect is idempotent by its record and sequence.
type Relay struct {
	service *Service
	cancel  context.CancelFunc
	done    sync.WaitGroup
}

// NewRelay returns the relay of a service.
func NewRelay(s *Service) *Relay { return &Relay{service: s} }

// Start begins to carry effects out and returns at once.
func (r *Relay) Start(ctx context.Context) {
	ctx, r.cancel = context.WithCancel(ctx)
	r.done.Go(func() { r.run(ctx) })
}

// Stop ends the relay and waits until it has ended.
func (r *Relay) Stop() {
	if r.cancel != nil {
		r.cancel()
	}
	r.done.Wait()
}

func (r *Relay) run(ctx context.Context) {
	tick := time.NewTicker(relayEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-r.service.kick:
		}
		for more := true; more && ctx.Err() == nil; {
			n, err := r.service.RelayOnce(ctx)
			if err != nil && ctx.Err() == nil {
				r.service.Log.LogAttrs(ctx, slog.LevelError, "relay stopped short", slog.String("code", fault.CodeOf(err)), slog.Any("error", err))
			}
			more = n == relayPage && err == nil
		}
	}
}

// RelayOnce carries one page of due effects out and returns how many records
// it went through.
func (s *Service) RelayOnce(ctx context.Context) (int, error) {
	due, err := s.Pending.Due(ctx, s.now(), relayPage)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, w := range due {
		if err := s.relayRecord(ctx, w); err != nil {
			errs = append(errs, err)
		}
	}
	return len(due), errors.Join(errs...)
}

// relayRecord carries a record's effects out in order. At the first that fails
// it stops and tries again later.
func (s *Service) relayRecord(ctx context.Context, w Waiting) error {
	done := w.Head.Relayed
	for _, e := range w.Head.Pending {
		if e.Seq <= w.Head.Relayed {
			continue
		}
		if err := s.carry(ctx, w, e); err != nil {
			wait := relayRetry
			if fault.CodeOf(err) == "budget.insufficient" {
				wait, err = relayNoMoney, nil
			}
			return errors.Join(err, s.Pending.Relayed(ctx, w.Kind, w.Head.ID, min(done, e.Seq-1)),
				s.Pending.Postpone(ctx, w.Kind, w.Head.ID, s.now().Add(wait)))
		}
		done = e.Seq
	}
	return s.Pending.Relayed(ctx, w.Kind, w.Head.ID, done)
}

// carry brings one effect to its place.
func (s *Service) carry(ctx context.Context, w Waiting, e casefile.Effect) error {
	switch {
	case e.Task != nil && e.Task.At.After(s.now()):
		h := &casefile.Held{Head: casefile.Head{ID: e.Task.ID, Tenant: e.Task.Tenant, At: e.Task.At, Changed: e.Task.At, Pending: []casefile.Effect{e}}}
		if err := s.Held.Insert(ctx, h); err != nil && fault.CodeOf(err) != "record.exists" {
			return err
		}
		return nil
	case e.Task != nil:
		if err := s.Tasks.Insert(ctx, e.Task); err != nil && fault.CodeOf(err) != "record.exists" {
			return err
		}
		s.Kick()
		return nil
	case e.Message != nil:
		if err := s.Messages.Insert(ctx, *e.Message); err != nil && fault.CodeOf(err) != "record.exists" {
			return err
		}
		return nil
	case e.Link != nil:
		return s.carryLink(ctx, w, e)
	case e.Drop != "":
		return s.Media.Delete(ctx, media.Ref{Object: e.Drop})
	case e.Contact != nil:
		return s.insertContact(ctx, e.Contact)
	case e.HandOver:
		if s.HandOvers == nil {
			return errors.New("a contact waits for a gateway, and none is set up")
		}
		return s.HandOvers.Queue(ctx, Push{
			Record: w.Head.ID, Seq: e.Seq, Tenant: w.Head.Tenant, Person: "gateway", Kind: "contact", Ref: w.Head.ID, At: s.now(),
		})
	case e.Push != nil:
		if s.Pushes == nil {
			return nil
		}
		return s.Pushes.Queue(ctx, Push{
			Record: w.Head.ID, Seq: e.Seq, Tenant: w.Head.Tenant, Person: e.Push.Person, Kind: e.Push.Kind, Ref: e.Push.Ref, At: s.now(),
		})
	case e.Event != nil:
		return s.Pending.Archive(ctx, w.Kind, w.Head.ID, *e.Event)
	case e.Leaf != nil:
		return s.Audit.Store.Add(ctx, []audit.Leaf{{ID: leafID(w.Head.ID, e.Seq), Data: e.Leaf, Index: audit.Unplaced}})
	case e.Erasure != nil:
		return s.destroy(ctx, w.Head.Tenant, w.Head.ID, *e.Erasure)
	case e.Budget != nil:
		return s.budget(ctx, w, e)
	case e.Copies != nil:
		return s.queueCopies(ctx, w, *e.Copies)
	case e.Follow != nil:
		return s.follow(ctx, w.Head.Tenant, *e.Follow, followKey(w.Head.ID, e.Seq))
	}
	return nil
}

func followKey(record string, seq int64) string { return fmt.Sprintf("follow:%s:%d", record, seq) }

// budget enters an award's step; once money is reserved the award is approved.
func (s *Service) budget(ctx context.Context, w Waiting, e casefile.Effect) error {
	_, err := reward.Post(ctx, s.Ledger, reward.Posting{
		Tenant: w.Head.Tenant, Unit: budgetUnit, Year: e.Budget.Year, Award: w.Head.ID,
		Step: reward.BudgetStep(e.Budget.Step), AmountFen: reward.Fen(e.Budget.Fen), At: onlyDay(s.now()), By: e.Budget.By,
	})
	if err != nil || e.Budget.Step != string(reward.Reserve) {
		return err
	}
	return s.follow(ctx, w.Head.Tenant, casefile.Follow{Record: w.Head.ID, Command: "fund"}, followKey(w.Head.ID, e.Seq))
}

// follow carries a command out that another record caused.
func (s *Service) follow(ctx context.Context, tenant string, f casefile.Follow, key string) error {
	switch f.Command {
	case "complete":
		return followOn(ctx, s, s.Tasks, casefile.TaskMoves, tenant, f, key, func(*casefile.Task, *casefile.Event) ([]casefile.Effect, error) { return nil, nil })
	case "fund", "waive":
		return followOn(ctx, s, s.Awards, casefile.AwardMoves, tenant, f, key, func(a *casefile.Award, e *casefile.Event) ([]casefile.Effect, error) {
			e.At = onlyDay(e.At)
			if f.Command == "waive" {
				return []casefile.Effect{released(a)}, nil
			}
			return nil, nil
		})
	case "pay", "paid", "failed", "put_back":
		return s.followPayout(ctx, tenant, f, key)
	case "add_exhibit":
		return s.addExhibit(ctx, tenant, f, key)
	case "keep_recordings":
		if err := s.keepCollected(ctx, tenant, f); err != nil {
			return err
		}
		return s.keepRecordings(ctx, tenant, f, key)
	case "claim":
		return followOn(ctx, s, s.Awards, casefile.AwardMoves, tenant, f, key, func(a *casefile.Award, e *casefile.Event) ([]casefile.Effect, error) {
			a.Opening, e.At = f.Ref, onlyDay(e.At)
			return nil, nil
		})
	}
	return fmt.Errorf("no record follows the command %q", f.Command)
}

// followOn moves a record once for a key. Where its table no longer knows the
// move the record has gone on by itself, and there is nothing to do.
func followOn[T any, P record[T]](
	ctx context.Context, s *Service, of Records[T], table casefile.Table, tenant string, f casefile.Follow, key string,
	do func(P, *casefile.Event) ([]casefile.Effect, error),
) error {
	for range maxTries {
		rec, err := of.Get(ctx, tenant, f.Record)
		if err != nil {
			return err
		}
		head := P(rec).Header()
		if _, ok := head.Find([]string{key}); ok {
			return nil
		}
		_, err = move(ctx, s, P(rec), of, table, casefile.Event{At: s.now(), Command: f.Command, By: "system", Key: key, Ref: f.Ref}, do)
		switch fault.CodeOf(err) {
		case "record.stale":
			continue
		case table.Noun + ".move":
			s.Log.LogAttrs(ctx, slog.LevelWarn, "a follow-on command came too late", slog.String("command", string(f.Command)))
			return nil
		}
		return err
	}
	return fault.New(fault.Busy, "record.contended", "the record is being changed by others; try again")
}
