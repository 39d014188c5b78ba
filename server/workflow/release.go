package workflow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"gridwatch/media"
	"gridwatch/media/redact"
	"gridwatch/server/audit"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// sight is what somebody is about to be shown of an item.
type sight struct {
	record string
	at     media.Place
	item   casefile.Evidence
	copied casefile.CopyKind
}

// show gives staff an item to look at. That they look is a link of its chain
// before the first byte goes out, and pictures and films bear who looks and the day.
func (s *Service) show(ctx context.Context, actor casefile.Actor, v sight) (Original, error) {
	open := func() (Original, error) { return s.readCopy(ctx, v.at, v.item, v.copied) }
	if v.copied == casefile.OriginalCopy {
		if !v.item.Here() { // what no copy could be made of leaves in an archive only
			return Original{}, fault.Absent()
		}
		open = func() (Original, error) { return s.readOriginal(ctx, v.at, v.item) }
	}
	shown, err := open()
	if err != nil {
		return Original{}, err
	}
	plain := v.copied == casefile.OriginalCopy
	if !plain {
		tenant, err := s.Directory.Tenant(ctx, actor.Tenant)
		if err != nil {
			return Original{}, errors.Join(err, shown.Close())
		}
		plain = tenant.Policy.PlainViews
	}
	if !plain && shown.Type == "video/mp4" {
		c, _ := v.item.Copy(v.copied)
		if err := shown.Close(); err != nil {
			return Original{}, fmt.Errorf("close film: %w", err)
		}
		if shown, err = s.filmFor(actor, v, c.Object); err != nil {
			return Original{}, err
		}
	}
	if err := s.viewed(ctx, actor, v.record, v.item.ID, string(v.copied)); err != nil {
		return Original{}, errors.Join(err, shown.Close())
	}
	if plain || shown.Type != "image/jpeg" {
		return shown, nil
	}
	return s.stamped(ctx, actor, shown)
}

// stamped draws who looks, and when, over a picture.
func (s *Service) stamped(ctx context.Context, actor casefile.Actor, shown Original) (Original, error) {
	picture, err := s.Painter.Stamp(ctx, shown, stampOf(actor.Person, audit.Day(s.now())))
	if err = errors.Join(err, shown.Close()); err != nil {
		return Original{}, err
	}
	return inMemory(picture.JPEG, shown.Type), nil
}

// ReportEvidence returns a copy of an item of a report to the desk. Without a
// kind it is the copy that others see, once there is one. The original is for
// both rings.
func (s *Service) ReportEvidence(ctx context.Context, actor casefile.Actor, id, item string, kind casefile.CopyKind) (Original, error) {
	r, err := load(ctx, actor, s.Reports, id, casefile.ReportRead)
	if err != nil {
		return Original{}, err
	}
	e, ok := casefile.FindEvidence(r.Evidence, item)
	if !ok || kind == casefile.OriginalCopy || (kind == "" && !e.Released) {
		return Original{}, fault.Absent()
	}
	if kind == "" {
		kind = e.Shown()
	}
	return s.show(ctx, actor, sight{record: r.ID, at: placeOfReport(r), item: *e, copied: kind})
}

// Release is how the desk lets others see an item.
type Release struct {
	redact.Edit
	OnSite bool // it may be shown to people there
}

// ReleaseEvidence (放行) lets the assignees see a copy of an item: drawn anew,
// without metadata, cut and with parts hidden as the desk says
// (confidentiality 7). A picture that is released again is drawn again, unless
// its copy was handed on.
func (s *Service) ReleaseEvidence(ctx context.Context, call Call, id, item string, in Release) (casefile.Outcome, error) {
	body, err := json.Marshal(map[string]any{"item": item, "release": in})
	if err != nil {
		return casefile.Outcome{}, errors.New("a release has no JSON")
	}
	call.Body = body // the same key for another item is another body
	return s.onReport(ctx, call, id, casefile.ReportDecide, "release_evidence",
		func(r *casefile.Report, e *casefile.Event) ([]casefile.Effect, error) {
			found, ok := casefile.FindEvidence(r.Evidence, item)
			if !ok {
				return nil, fault.Absent()
			}
			e.Ref = item
			switch {
			case !found.Here():
				return nil, errNotHere()
			case found.Used:
				return nil, errUsed()
			case found.Kind != casefile.Photo && (in.Crop != nil || len(in.Hide) > 0):
				return nil, fault.New(fault.Invalid, "evidence.not_a_picture", "only pictures are cut and have parts hidden").At("/crop")
			}
			found.Released, found.OnSite = true, in.OnSite
			return s.releaseCopy(ctx, r, found, *e, in.Edit)
		})
}

func errUsed() *fault.Fault {
	return fault.New(fault.Conflict, "evidence.handed_on", "the released copy was handed on: it stays as it is")
}

// releaseCopy makes what others see of an item.
func (s *Service) releaseCopy(ctx context.Context, r *casefile.Report, item *casefile.Evidence, e casefile.Event, edit redact.Edit) ([]casefile.Effect, error) {
	var effects []casefile.Effect
	at := placeOfReport(r)
	at.Item = item.ID
	if item.State == casefile.EvidenceVerified {
		return nil, errNoCopy()
	}
	if item.Kind == casefile.Photo {
		display, err := s.readCopy(ctx, at, *item, casefile.DisplayCopy)
		if err != nil {
			return nil, err
		}
		picture, err := s.Painter.Release(ctx, display, edit)
		if err = errors.Join(err, display.Close()); err != nil {
			return nil, mediaFault(err)
		}
		effects = append(effects, s.dropCopy(r, item, e, casefile.ReleasedCopy)...)
		c, err := s.storeCopy(ctx, at, item.CopyKey, casefile.ReleasedCopy, "image/jpeg", bytes.NewReader(picture.JPEG))
		if err != nil {
			return nil, err
		}
		item.Copies = append(item.Copies, c)
	}
	if _, made := item.Copy(item.Shown()); !made {
		return nil, errNothingToShow()
	}
	return append(effects, s.copyLink(r, *item, e, casefile.CustodyRelease, item.Shown())), nil
}

func errNoCopy() *fault.Fault {
	return fault.New(fault.Busy, "evidence.no_copy", "the clean copy of the item is still being made; try again")
}

func errNothingToShow() *fault.Fault {
	return fault.New(fault.Conflict, "evidence.nothing_to_show", "there is nothing of the item that others may see or hear")
}

// copyLink is a link that tells of a copy of an item.
func (s *Service) copyLink(r *casefile.Report, item casefile.Evidence, e casefile.Event, act casefile.CustodyAct, kind casefile.CopyKind) casefile.Effect {
	link := s.linkAt(e.At, act, r.Tenant, r.ID, item.ID, e.By)
	c, _ := item.Copy(kind)
	link.Copy, link.Digest = string(kind), c.SHA256
	return casefile.Effect{Link: &link}
}

// dropCopy takes a copy out of an item, if there is one, and removes its objects.
func (s *Service) dropCopy(r *casefile.Report, item *casefile.Evidence, e casefile.Event, kind casefile.CopyKind) []casefile.Effect {
	if _, ok := item.Copy(kind); !ok {
		return nil
	}
	link := s.copyLink(r, *item, e, casefile.CustodyDelete, kind)
	old, _ := item.Drop(kind)
	return []casefile.Effect{link, {Drop: old.Object}}
}

// WithdrawEvidence takes a release back, as long as nobody was given the copy.
func (s *Service) WithdrawEvidence(ctx context.Context, call Call, id, item string) (casefile.Outcome, error) {
	body, err := json.Marshal(item)
	if err != nil {
		return casefile.Outcome{}, errors.New("an item has no JSON")
	}
	call.Body = body
	return s.onReport(ctx, call, id, casefile.ReportDecide, "withdraw_evidence",
		func(r *casefile.Report, e *casefile.Event) ([]casefile.Effect, error) {
			found, ok := casefile.FindEvidence(r.Evidence, item)
			if !ok {
				return nil, fault.Absent()
			}
			e.Ref = item
			switch {
			case !found.Released:
				return nil, fault.New(fault.Conflict, "evidence.not_released", "the item is not released")
			case found.Used:
				return nil, errUsed()
			}
			found.Released, found.OnSite = false, false
			effects := []casefile.Effect{s.copyLink(r, *found, *e, casefile.CustodyWithdraw, found.Shown())}
			return append(effects, s.dropCopy(r, found, *e, casefile.ReleasedCopy)...), nil
		})
}
