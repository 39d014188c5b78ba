package workflow

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"gridwatch/server/audit"
	"gridwatch/server/audit/exhibit"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// chainPage is how many links are read or caught up with in one go.
const chainPage = 200

// link adds an event to the chain of custody of its item, once for its source,
// and puts its leaf into the log. The newest number is read before the source
// is looked for: whoever adds the same source meanwhile takes the place.
func (s *Service) link(ctx context.Context, e casefile.CustodyEvent) error {
	for range maxTries {
		last, err := s.Chains.Last(ctx, e.Tenant, e.Item)
		if err != nil {
			return err
		}
		if done, err := s.Chains.Caused(ctx, e.Tenant, e.Item, e.Source); done || err != nil {
			return err
		}
		e.N, e.Unlogged, e.Salt = last+1, true, make([]byte, 32)
		e.ID = casefile.CustodyID(e.Item, e.N)
		if _, err := io.ReadFull(s.Random, e.Salt); err != nil {
			return fmt.Errorf("draw salt: %w", err)
		}
		err = s.Chains.Append(ctx, e)
		if fault.CodeOf(err) == "record.exists" {
			continue
		}
		if err != nil {
			return err
		}
		return s.logLink(ctx, e)
	}
	return fault.New(fault.Busy, "record.contended", "the record is being changed by others; try again")
}

// linkLeaf names the leaf of a link.
func linkLeaf(e casefile.CustodyEvent) string { return "chain:" + e.ID }

// logLink puts the leaf of a link into the log. It may be done again.
func (s *Service) logLink(ctx context.Context, e casefile.CustodyEvent) error {
	leaf := audit.Leaf{ID: linkLeaf(e), Data: exhibit.StatementOf(e).Data(), Index: audit.Unplaced}
	if err := s.Audit.Store.Add(ctx, []audit.Leaf{leaf}); err != nil {
		return err
	}
	return s.Chains.Logged(ctx, e.ID)
}

// CatchUpChains puts leaves into the log that a server which was killed left
// out, and returns how many.
func (s *Service) CatchUpChains(ctx context.Context) (int, error) {
	open, err := s.Chains.Unlogged(ctx, chainPage)
	if err != nil {
		return 0, err
	}
	for i, e := range open {
		if err := s.logLink(ctx, e); err != nil {
			return i, err
		}
	}
	return len(open), nil
}

// forgetDigests takes out of the chains of a record what would tell whoever has a
// file, or its copy, that it was here: digests, and the salts without which no
// leaf of the log can be told from another. Acts and days stay. Leaves that are
// left to be put into the log go there first.
func (s *Service) forgetDigests(ctx context.Context, tenant, record string) error {
	for n := chainPage; n == chainPage; {
		var err error
		if n, err = s.CatchUpChains(ctx); err != nil {
			return err
		}
	}
	return s.Chains.Forget(ctx, tenant, record)
}

// linkAt is an event of an item of a record as of now. What a reporter did has
// the day alone (confidentiality 10).
func (s *Service) linkAt(at time.Time, act casefile.CustodyAct, tenant, record, item, by string) casefile.CustodyEvent {
	e := casefile.CustodyEvent{
		Tenant: tenant, Record: record, Item: item, Act: act, On: audit.Day(at), At: at, By: by,
	}
	if by == string(casefile.Anyone) || by == string(casefile.ReceiptHolder) {
		e.By, e.At = byReporter, time.Time{}
	}
	return e
}

// byReporter stands in a chain for whoever reported.
const byReporter = "reporter"

// viewed notes that staff are about to be shown an item: before the first byte.
// One who looks again within the hour, or goes through a video in parts, has
// looked once.
func (s *Service) viewed(ctx context.Context, actor casefile.Actor, record, item, shown string) error {
	now := s.now()
	e := s.linkAt(now, casefile.CustodyView, actor.Tenant, record, item, actor.Person)
	e.Copy, e.Source = shown, fmt.Sprintf("view:%s:%s:%s", actor.Person, shown, now.Truncate(time.Hour).Format(time.RFC3339))
	return s.link(ctx, e)
}

// storedLinks are the first links of the items of a stage. Of a reporter's
// original the chain has the keyed hash alone. Until keep nobody can remove the
// originals; the zero time locks nothing.
func (s *Service) storedLinks(tenant, record string, e casefile.Event, st *stage, keep time.Time) []casefile.Effect {
	var effects []casefile.Effect
	for i, item := range st.items {
		link := s.linkAt(e.At, casefile.CustodyStore, tenant, record, item.ID, e.By)
		link.Copy, link.Digest = string(casefile.OriginalCopy), hex.EncodeToString(st.files[i].SHA256[:])
		if link.By == byReporter {
			link.Digest = item.Digest
		}
		effects = append(effects, casefile.Effect{Link: &link, Keep: keep})
	}
	return effects
}

// keepUntil is the day until which an original of staff is under object lock.
func (p Policy) keepUntil(at time.Time) time.Time {
	if p.EvidenceDays == 0 {
		return time.Time{}
	}
	return dayAfter(at.In(Shanghai()), p.EvidenceDays)
}

// carryLink brings an event to its chain, and what comes with it: the lock of
// the original or a hold on it, and the print of a picture that has a display copy.
func (s *Service) carryLink(ctx context.Context, w Waiting, e casefile.Effect) error {
	link := *e.Link
	source := func() string { return fmt.Sprintf("%s:%d:%s:%s", w.Head.ID, e.Seq, link.Act, link.Copy) }
	link.Source = source()
	if err := s.link(ctx, link); err != nil {
		return err
	}
	if link.Act == casefile.CustodyDerive || link.Act == casefile.CustodyRelease {
		return s.keepPrint(ctx, link)
	}
	if e.Keep.IsZero() {
		return nil
	}
	_, _, item, err := s.derived(ctx, link)
	if err != nil || !item.Stored() {
		return err
	}
	if err := s.Media.Lock(ctx, original(item), e.Keep); err != nil {
		return err
	}
	if link.Act != casefile.CustodyStore {
		return s.Media.Hold(ctx, original(item), link.Act == casefile.CustodyHold)
	}
	link.Act, link.Digest, link.Note = casefile.CustodyLock, "", "until "+audit.Day(e.Keep)
	link.Source = source()
	return s.link(ctx, link)
}
