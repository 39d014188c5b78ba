package workflow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gridwatch/media"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// Erased is an entry of the list of erasures (销毁清册), which a restored backup
// is brought up to date by. Each entry names the one before by its digest. It
// holds nothing that was said, and no name.
type Erased struct {
	N        int64  `bson:"_id" json:"n"` // from 1
	Tenant   string `bson:"tenant" json:"tenant"`
	Report   string `bson:"report" json:"report"`
	Envelope string `bson:"envelope" json:"envelope"`
	Day      string `bson:"day" json:"day"`
	Before   string `bson:"before" json:"before"` // SHA-256 of the entry before, hex
}

// digest is what the next entry names this one by.
func (e Erased) digest() string {
	text, err := json.Marshal(e)
	if err != nil { // it is strings and a number
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Erasures keeps the list of erasures.
type Erasures interface {
	// Insert returns the Conflict Fault "record.exists" if the number is taken
	// or the report is on the list.
	Insert(ctx context.Context, e Erased) error
	// List returns entries after a number, in order.
	List(ctx context.Context, after int64, limit int) ([]Erased, error)
	// Last returns the newest entry, the zero one if there is none.
	Last(ctx context.Context) (Erased, error)
	// Of says whether a report is on the list.
	Of(ctx context.Context, report string) (bool, error)
}

// destroy destroys what lies outside of a report. It is an effect, and may be
// carried out any number of times.
func (s *Service) destroy(ctx context.Context, tenant, report string, e casefile.Erasure) error {
	if e.Key {
		return s.Envelopes.DropKey(ctx, tenant, e.Envelope)
	}
	if err := s.noteErasure(ctx, Erased{Tenant: tenant, Report: report, Envelope: e.Envelope, Day: e.Day}); err != nil {
		return err
	}
	return s.destroyed(ctx, tenant, report, e.Envelope)
}

// destroyed destroys keys first: after that the rest is noise.
func (s *Service) destroyed(ctx context.Context, tenant, report, envelope string) error {
	if err := s.Envelopes.Delete(ctx, tenant, envelope); err != nil {
		return err
	}
	if err := s.lapse(ctx, tenant, report); err != nil {
		return err
	}
	if err := s.Messages.DeleteAll(ctx, tenant, report); err != nil {
		return err
	}
	if err := s.forgetPrints(ctx, tenant, report); err != nil {
		return err
	}
	if err := s.forgetDigests(ctx, tenant, report); err != nil {
		return err
	}
	return s.dropObjects(ctx, tenant, envelope)
}

// dropObjects removes all objects that lie under the id of an envelope or lead.
func (s *Service) dropObjects(ctx context.Context, tenant, id string) error {
	nobody := func(context.Context, string) (*media.Ref, error) { return nil, nil } //nolint:nilnil // no record owns it
	_, err := s.Media.Sweep(ctx, tenant+"/"+id+"-", s.now().Add(time.Hour), nobody)
	return err
}

// noteErasure puts a report on the list, once.
func (s *Service) noteErasure(ctx context.Context, e Erased) error {
	for range maxTries {
		there, err := s.Erasures.Of(ctx, e.Report)
		if err != nil || there {
			return err
		}
		last, err := s.Erasures.Last(ctx)
		if err != nil {
			return err
		}
		e.N, e.Before = last.N+1, ""
		if last.N > 0 {
			e.Before = last.digest()
		}
		if err = s.Erasures.Insert(ctx, e); fault.CodeOf(err) != "record.exists" {
			return err
		}
	}
	return fault.New(fault.Busy, "record.contended", "the list of erasures is being written by others; try again")
}

// ReplayErasures brings a restored database up to a list of erasures: what was
// erased since the backup is erased again. It may be run any number of times,
// before the server serves. It returns how many reports it erased.
func (s *Service) ReplayErasures(ctx context.Context, list []Erased) (int, error) {
	if err := s.checkErasures(ctx, list); err != nil {
		return 0, err
	}
	n := 0
	for _, e := range list {
		again, err := s.eraseAgain(ctx, e)
		if err != nil {
			return n, err
		}
		if again {
			n++
		}
	}
	return n, nil
}

// checkErasures refuses a list that was cut into or that is another
// installation's. From where a server ran on the restored database before the
// list was replayed the two differ: what is on either is erased all the same.
func (s *Service) checkErasures(ctx context.Context, list []Erased) error {
	known, err := s.Erasures.List(ctx, 0, 1)
	if err != nil {
		return err
	}
	before := ""
	for i, e := range list {
		if e.N != int64(i+1) || e.Before != before {
			return fmt.Errorf("entry %d does not follow the one before it: the list was changed", i+1)
		}
		if i == 0 && len(known) > 0 && known[0] != e {
			return errors.New("the first entry is not the one in this database: the list is another installation's")
		}
		before = e.digest()
	}
	return nil
}

func (s *Service) eraseAgain(ctx context.Context, e Erased) (bool, error) {
	if err := s.noteErasure(ctx, e); err != nil {
		return false, err
	}
	again := false
	for range maxTries {
		r, err := s.Reports.Get(ctx, e.Tenant, e.Report)
		if fault.KindOf(err) == fault.NotFound || (err == nil && r.State == casefile.ReportErased) {
			break
		}
		if err != nil {
			return false, err
		}
		err = s.eraseRestored(ctx, r, e)
		if fault.CodeOf(err) == "record.stale" {
			continue
		}
		if err != nil {
			return false, err
		}
		again = true
		break
	}
	return again, s.destroyed(ctx, e.Tenant, e.Report, e.Envelope)
}

// eraseRestored erases a report that came back. Its leaf is in the log already,
// if the log is newer than the copy; if it can be made again it is.
func (s *Service) eraseRestored(ctx context.Context, r *casefile.Report, e Erased) error {
	_, err := move(ctx, s, r, s.Reports, casefile.ReportMoves, casefile.Event{At: s.now(), Command: "erased_before", By: "system"},
		func(r *casefile.Report, event *casefile.Event) ([]casefile.Effect, error) {
			effects := []casefile.Effect{{Erasure: &casefile.Erasure{Envelope: e.Envelope, Day: e.Day}}}
			salt, err := s.saltOf(ctx, r)
			if err == nil {
				kind, _ := casefile.ReportMoves.LeafKind(event.Command, casefile.ReportErased)
				effects = append(effects, casefile.Effect{Leaf: leafOf(r, salt, kind, r.ID, r.Seq+1, event.At).Data()})
			}
			r.Erase(onlyDay)
			return effects, nil
		})
	return err
}

// EachErasure hands all entries out, in order.
func (s *Service) EachErasure(ctx context.Context, do func(Erased) error) error {
	for after := int64(0); ; {
		page, err := s.Erasures.List(ctx, after, termPage)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, e := range page {
			after = e.N
			if err := do(e); err != nil {
				return err
			}
		}
	}
}
