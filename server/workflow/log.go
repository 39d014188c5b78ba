package workflow

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"gridwatch/server/audit"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// leafID names the leaf of an event, so that it enters the log once.
func leafID(record string, seq int64) string { return fmt.Sprintf("%s:%d", record, seq) }

// leafOf returns what the log is told of an event of a report or of what hangs
// on it. The salt of each leaf is made of the one that lies sealed in the
// report: with the report's key every commitment is shown, and without it none.
func leafOf(r *casefile.Report, salt []byte, kind, record string, seq int64, at time.Time) audit.Statement {
	mac := hmac.New(sha256.New, salt)
	mac.Write([]byte("gridwatch/leaf-salt/1 " + leafID(record, seq)))
	return audit.Statement{Kind: kind, Commitment: r.Commitment, Day: audit.Day(at), Salt: mac.Sum(nil)}
}

// saltOf opens the salt of a report's commitments.
func (s *Service) saltOf(ctx context.Context, r *casefile.Report) ([]byte, error) {
	_, body, err := s.bodyOf(ctx, r)
	return body.Salt, err
}

// logged adds the leaf of a move to the effects of the move, if it enters the
// log. It is the move of a record that hangs on a report.
func (s *Service) logged(
	ctx context.Context, report string, head *casefile.Head, table casefile.Table, e casefile.Event, effects []casefile.Effect,
) ([]casefile.Effect, error) {
	to := e.To
	if to == casefile.New {
		var err error
		if to, err = table.To(head.State, e.Command); err != nil {
			return nil, err
		}
	}
	kind, ok := table.LeafKind(e.Command, to)
	if !ok {
		return effects, nil
	}
	r, err := s.Reports.Get(ctx, head.Tenant, report)
	if err != nil {
		return nil, err
	}
	salt, err := s.saltOf(ctx, r)
	if err != nil {
		return nil, err
	}
	leaf := leafOf(r, salt, kind, head.ID, head.Seq+1, e.At).Data()
	return append(effects, casefile.Effect{Leaf: leaf}), nil
}

// ReadProofs returns, for the reporter, the proofs that the registration, every
// opening, every use of the contact, every step of a lead and every step of an award the reporter may see
// stand in the log.
func (s *Service) ReadProofs(ctx context.Context, actor casefile.Actor) (audit.Proofs, error) {
	view, err := s.ReadReceipt(ctx, actor)
	if err != nil {
		return audit.Proofs{}, err
	}
	r := view.Report
	salt, err := s.saltOf(ctx, r)
	if err != nil {
		return audit.Proofs{}, err
	}
	last, err := s.Audit.Store.Latest(ctx)
	if err != nil && !errors.Is(err, audit.ErrNone) {
		return audit.Proofs{}, err
	}
	out := audit.Proofs{Size: last.Size}
	prove := func(table casefile.Table, record string, e casefile.Event) error {
		kind, ok := table.LeafKind(e.Command, e.To)
		if !ok {
			return nil
		}
		p, err := s.Audit.Prove(ctx, last, leafID(record, e.Seq), leafOf(r, salt, kind, record, e.Seq, e.At))
		out.Proofs = append(out.Proofs, p)
		return err
	}
	// The registration is the first event, whether or not it was archived.
	errs := []error{prove(casefile.ReportMoves, r.ID, casefile.Event{Seq: 1, At: r.At, Command: "register", To: casefile.ReportReceived})}
	for _, e := range r.Timeline {
		if e.Seq > 1 {
			errs = append(errs, prove(casefile.ReportMoves, r.ID, e))
		}
	}
	for _, o := range view.Openings {
		for _, e := range o.Timeline {
			errs = append(errs, prove(casefile.OpeningMoves, o.ID, e))
		}
	}
	for _, l := range view.Leads {
		for _, e := range l.Timeline {
			errs = append(errs, prove(casefile.LeadMoves, l.ID, e))
		}
	}
	for _, u := range view.Contacts {
		for _, e := range u.Timeline {
			errs = append(errs, prove(casefile.ContactMoves, u.ID, e))
		}
	}
	if view.Award != nil {
		for _, e := range view.Award.Timeline {
			errs = append(errs, prove(casefile.AwardMoves, view.Award.ID, e))
		}
	}
	return out, errors.Join(errs...)
}

// LatestCheckpoint returns the public state of the log; fault.Absent before the
// first day's.
func (s *Service) LatestCheckpoint(ctx context.Context) (audit.Checkpoint, error) {
	c, err := s.Audit.Store.Latest(ctx)
	return c, absent(err)
}

// LogTile returns a whole tile of the tree of the latest checkpoint; what is
// not in it does not exist.
func (s *Service) LogTile(ctx context.Context, level int, index int64) (audit.Tile, error) {
	c, err := s.LatestCheckpoint(ctx)
	if err != nil {
		return audit.Tile{}, err
	}
	t, err := audit.PublicTile(ctx, s.Audit.Store, c, level, index)
	return t, absent(err)
}

func absent(err error) error {
	if errors.Is(err, audit.ErrNone) {
		return fault.Absent()
	}
	return err
}
