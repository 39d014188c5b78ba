package workflow

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"gridwatch/media"
	"gridwatch/media/copies"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// How copies are made.
const (
	copyEvery = 2 * time.Second  // looks for jobs that no kick announced
	copyPage  = 16               // jobs looked at in one go
	copyLease = 20 * time.Second // a job of a killed process is free again after it
	copyRenew = 5 * time.Second  // how often a lease is made longer
	copyTries = 5                // failures at the file itself, until the item is given up
	copySoon  = 5 * time.Second  // after a failure that says nothing of the file
	copyRetry = 30 * time.Second // after the first failure; then twice, three times
	copyWait  = 5 * time.Minute  // while there is no isolation, no scanner or no room
)

// copiers are how many jobs of a lane one process works on at once.
func copiers() map[Lane]int { return map[Lane]int{PhotoLane: 2, FilmLane: 1} }

func copyKicks() map[Lane]chan struct{} {
	kicks := map[Lane]chan struct{}{}
	for lane := range copiers() {
		kicks[lane] = make(chan struct{}, 1)
	}
	return kicks
}

// queueCopies brings a record's wish for copies to the copiers.
func (s *Service) queueCopies(ctx context.Context, w Waiting, c casefile.Copies) error {
	lane := PhotoLane
	if c.Kind != casefile.Photo {
		lane = FilmLane
	}
	err := s.CopyJobs.Add(ctx, CopyJob{
		ID: w.Head.ID + ":" + c.Item, Tenant: w.Head.Tenant, Kind: w.Kind, Record: w.Head.ID, Item: c.Item, Lane: lane, Next: s.now(),
	})
	if err != nil {
		return err
	}
	select {
	case s.copy[lane] <- struct{}{}:
	default:
	}
	return nil
}

// Copiers make clean copies, outside of every request. Any number of processes
// may run them: a job is leased, and its result is one command on the record.
type Copiers struct {
	service *Service
	cancel  context.CancelFunc
	done    sync.WaitGroup
}

// NewCopiers returns the copiers of a service.
func NewCopiers(s *Service) *Copiers { return &Copiers{service: s} }

// Start begins to make copies and returns at once.
func (c *Copiers) Start(ctx context.Context) {
	ctx, c.cancel = context.WithCancel(ctx)
	for lane, n := range copiers() {
		for range n {
			c.done.Go(func() { c.run(ctx, lane) })
		}
	}
	c.done.Go(func() { c.service.stampFilms(ctx) })
}

// Stop ends the copiers, in the middle of a job too, and waits for them.
func (c *Copiers) Stop() {
	if c.cancel != nil {
		c.cancel()
	}
	c.done.Wait()
}

func (c *Copiers) run(ctx context.Context, lane Lane) {
	tick := time.NewTicker(copyEvery)
	defer tick.Stop()
	for {
		for more := true; more && ctx.Err() == nil; {
			var err error
			if more, err = c.service.CopyOnce(ctx, lane); err != nil && ctx.Err() == nil {
				c.service.Log.LogAttrs(ctx, slog.LevelError, "no copy was made", slog.String("code", fault.CodeOf(err)), slog.Any("error", err))
				break
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-c.service.copy[lane]:
		}
	}
}

// CopyOnce works on one job of a lane and says whether there was one.
func (s *Service) CopyOnce(ctx context.Context, lane Lane) (bool, error) {
	due, err := s.CopyJobs.Due(ctx, lane, s.now(), copyPage)
	if err != nil {
		return false, err
	}
	for _, j := range due {
		until := s.now().Add(copyLease)
		mine, err := s.CopyJobs.Turn(ctx, j, until, j.Tries)
		if err != nil {
			return false, err
		}
		if mine {
			j.Next = until
			return true, s.copyJob(ctx, j)
		}
	}
	return false, nil
}

// copyJob works on a leased job and settles it.
func (s *Service) copyJob(ctx context.Context, j CopyJob) error {
	lease := &lease{s: s, job: j}
	work, stop := context.WithCancel(ctx)
	defer stop()
	var renewing sync.WaitGroup
	renewing.Go(func() { lease.keep(work, stop) })
	err := s.makeCopies(work, j)
	lost := work.Err() != nil
	stop()
	renewing.Wait()
	switch {
	case err == nil:
		return s.CopyJobs.Done(ctx, j.ID)
	case lost: // ended, or another process has the job
		return ctx.Err()
	case errors.Is(err, copies.ErrNoIsolation), errors.Is(err, copies.ErrNoFonts), errors.Is(err, copies.ErrNoRoom), errors.Is(err, copies.ErrNotScanned):
		if errors.Is(err, copies.ErrNoRoom) {
			s.stamps.drop() // the room of those can be had
		}
		s.Log.LogAttrs(ctx, slog.LevelWarn, "copies wait", slog.Bool("isolation", !errors.Is(err, copies.ErrNoIsolation)), slog.Bool("fonts", !errors.Is(err, copies.ErrNoFonts)),
			slog.Bool("room", !errors.Is(err, copies.ErrNoRoom)), slog.Bool("scanner", !errors.Is(err, copies.ErrNotScanned)))
		_, err := s.CopyJobs.Turn(ctx, lease.job, s.now().Add(copyWait), j.Tries)
		return err
	case errors.Is(err, copies.ErrOccupied): // the next picture is looked at meanwhile
		_, err := s.CopyJobs.Turn(ctx, lease.job, s.now().Add(copyEvery), j.Tries)
		return err
	case errors.As(err, new(*outsideError)) && !errors.Is(err, media.ErrDamaged):
		_, turned := s.CopyJobs.Turn(ctx, lease.job, s.now().Add(copySoon), j.Tries)
		return errors.Join(err, turned)
	case j.Tries+1 < copyTries:
		wait := time.Duration(j.Tries+1) * copyRetry
		_, turned := s.CopyJobs.Turn(ctx, lease.job, s.now().Add(wait), j.Tries+1)
		return errors.Join(err, turned)
	}
	ref, _, _, _, given := s.copied(ctx, j)
	if given == nil {
		given = s.settleCopies(ctx, ref, casefile.EvidenceRejected, "evidence.not_copied", nil)
	}
	if given != nil {
		return errors.Join(err, given)
	}
	return errors.Join(err, s.CopyJobs.Done(ctx, j.ID))
}

// outsideError is one of the record or of a store, and not of the file.
type outsideError struct{ error }

// Unwrap gives the error itself.
func (e *outsideError) Unwrap() error { return e.error }

// outside marks an error, if it is one.
func outside(err error) error {
	if err == nil {
		return nil
	}
	return &outsideError{err}
}

// outsideReader marks the errors of a reader.
type outsideReader struct{ io.Reader }

// Read implements io.Reader.
func (r outsideReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = outside(err)
	}
	return n, err
}

// lease is the right to work on a job.
type lease struct {
	s   *Service
	job CopyJob
}

// keep makes the lease longer until the work has ended, and ends the work when
// the lease is lost.
func (l *lease) keep(ctx context.Context, lost func()) {
	tick := time.NewTicker(copyRenew)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		until := l.s.now().Add(copyLease)
		mine, err := l.s.CopyJobs.Turn(ctx, l.job, until, l.job.Tries)
		if err != nil && ctx.Err() == nil {
			continue // the next tick is well within the lease
		}
		if !mine {
			lost()
			return
		}
		l.job.Next = until
	}
}

// makeCopies makes the copies of a job's item and enters them into its record.
// An item that is gone, or has its copies, needs none.
func (s *Service) makeCopies(ctx context.Context, j CopyJob) error {
	ref, item, at, voice, err := s.copied(ctx, j)
	if fault.KindOf(err) == fault.NotFound || (err == nil && item.State != casefile.EvidenceVerified) {
		return nil
	}
	if err != nil {
		return outside(err)
	}
	tenant, err := s.Directory.Tenant(ctx, j.Tenant)
	if err != nil {
		return outside(err)
	}
	original, err := s.readOriginal(ctx, at, item)
	if fault.KindOf(err) == fault.NotFound { // its key is gone
		return nil
	}
	if err != nil {
		return outside(err)
	}
	var made []casefile.Copy
	var broke error // of storing a copy
	err = s.Copies.Make(ctx, outsideReader{original}, copies.Options{Size: original.Size, Voice: voice(tenant.Policy), Limits: tenant.Policy.media()},
		func(ctx context.Context, c copies.Copy) error {
			stored, err := s.storeCopy(ctx, at, item.CopyKey, casefile.CopyKind(c.Use), c.Type, c.Body)
			switch {
			case err == nil:
				made = append(made, stored)
			case fault.KindOf(mediaFault(err)) == fault.Internal, fault.KindOf(err) == fault.Busy: // or the copy itself is none
				err = outside(err)
				broke = err
			}
			return err
		})
	err = errors.Join(err, original.Close())
	var rejected *copies.RejectedError
	switch {
	case errors.As(err, &rejected) && broke != nil: // its time was over while a copy was stored: whose fault that is, other tries tell
		s.discard(ctx, []casefile.Evidence{{Copies: made}})
		return errors.New("the time of a file was over while its copies were stored")
	case errors.As(err, &rejected):
		s.discard(ctx, []casefile.Evidence{{Copies: made}})
		return outside(s.settleCopies(ctx, ref, casefile.EvidenceRejected, "evidence."+rejected.Reason, nil))
	case err != nil:
		s.discard(ctx, []casefile.Evidence{{Copies: made}})
		return err
	}
	return outside(s.settleCopies(ctx, ref, casefile.EvidenceDerived, "", made))
}

// media are the limits that a policy sets on files.
func (p Policy) media() copies.Limits {
	return copies.Limits{
		Pixels: int64(p.MediaMegapixels) * 1_000_000, Length: time.Duration(p.MediaMinutes) * time.Minute,
		Streams: p.MediaStreams, Pages: p.MediaPages, Wall: time.Duration(p.CopyMinutes) * time.Minute,
	}
}

// copied finds a job's item, and what becomes of voices in it: the policy
// covers those of reporters, what staff record or send is kept.
func (s *Service) copied(ctx context.Context, j CopyJob) (ItemRef, casefile.Evidence, media.Place, func(Policy) copies.Voice, error) {
	keep := func(Policy) copies.Voice { return copies.Keep }
	manifests := map[string]func(Policy) copies.Voice{toTask: keep}
	if j.Kind == "report" {
		manifests = map[string]func(Policy) copies.Voice{toReport: func(p Policy) copies.Voice { return p.ReporterVoice }, toReply: keep}
	}
	for of, voice := range manifests {
		ref := ItemRef{Tenant: j.Tenant, Of: of, Record: j.Record, Item: j.Item}
		items, at, err := s.itemsAt(ctx, ref)
		if err != nil {
			return ref, casefile.Evidence{}, at, nil, err
		}
		if item, ok := casefile.FindEvidence(items, j.Item); ok {
			at.Item = item.ID
			return ref, *item, at, voice, nil
		}
	}
	return ItemRef{}, casefile.Evidence{}, media.Place{}, nil, fault.Absent()
}

// settleCopies enters what became of a verified item, once. A rejected item
// keeps its original: that no copy can be made of it loses nothing. A
// reporter's original is sealed away in the same write.
func (s *Service) settleCopies(ctx context.Context, ref ItemRef, state casefile.EvidenceState, reason string, made []casefile.Copy) error {
	at, command := s.now(), casefile.Command("derive_item")
	if ref.Of == toReport {
		at = onlyDay(at) // copies are made when their file arrives
	}
	if state == casefile.EvidenceRejected {
		command = "reject_item"
	}
	if ref.Of == toReply {
		return s.settleAttachment(ctx, ref, command, reason, made)
	}
	settle := func(e *casefile.Evidence) ([]casefile.Effect, bool) {
		if e.State != casefile.EvidenceVerified {
			return nil, false
		}
		e.State, e.Reason, e.Copies = state, reason, made
		var links []casefile.Effect
		for _, c := range made {
			link := s.linkAt(at, casefile.CustodyDerive, ref.Tenant, ref.Record, ref.Item, "system")
			link.Copy, link.Digest = string(c.Kind), c.SHA256
			links = append(links, casefile.Effect{Link: &link})
		}
		return links, true
	}
	if ref.Of != toReport {
		return s.onItem(ctx, ref, command, settle)
	}
	rings, err := s.ringsOf(ctx, ref.Tenant)
	if err != nil {
		return err
	}
	return s.onReportItem(ctx, ref, command, func(r *casefile.Report, e *casefile.Evidence) ([]casefile.Effect, bool, error) {
		links, changed := settle(e)
		if !changed {
			return nil, false, nil
		}
		sealed, err := s.putAway(r, e, rings)
		return append(links, sealed...), true, err
	})
}
