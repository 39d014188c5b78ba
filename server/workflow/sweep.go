package workflow

import (
	"context"
	"slices"
	"time"

	"gridwatch/media"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// sweepPage is how many envelopes a sweep looks at in one go.
const sweepPage = 200

// Swept counts what a sweep removed.
type Swept struct {
	Objects   int
	Envelopes int
}

// Sweep removes what no record owns and what is older than a grace: objects
// and envelopes of registrations that were never committed (writes.md).
func (s *Service) Sweep(ctx context.Context, grace time.Duration) (Swept, error) {
	var out Swept
	before := s.now().Add(-grace)
	n, err := s.Media.Sweep(ctx, "", before, s.owns)
	out.Objects = n
	if err != nil {
		return out, err
	}
	for after := ""; ; {
		page, err := s.Envelopes.Before(ctx, before, after, sweepPage)
		if err != nil || len(page) == 0 {
			return out, err
		}
		for _, e := range page {
			after = e.ID
			r, err := s.Reports.Get(ctx, e.Tenant, e.Report)
			if err != nil && fault.KindOf(err) != fault.NotFound {
				return out, err
			}
			if err == nil && r.Envelope == e.ID {
				continue
			}
			if err := s.Envelopes.Delete(ctx, e.Tenant, e.ID); err != nil {
				return out, err
			}
			out.Envelopes++
		}
	}
}

// owns says whether a record names an object.
func (s *Service) owns(ctx context.Context, object string) (bool, error) {
	at, ok := media.PlaceOf(object)
	if !ok {
		return false, nil
	}
	items, err := s.itemsOf(ctx, at.Tenant, at.Record)
	return slices.ContainsFunc(items, func(e casefile.Evidence) bool {
		return e.Owns(object)
	}), err
}

// itemsOf returns the manifest of the record whose objects lie under an id: an
// envelope's report, a lead that still has its key, or a task.
func (s *Service) itemsOf(ctx context.Context, tenant, id string) ([]casefile.Evidence, error) {
	envelope, err := s.Envelopes.Get(ctx, tenant, id)
	if err == nil {
		r, err := s.Reports.Get(ctx, tenant, envelope.Report)
		if fault.KindOf(err) == fault.NotFound || (err == nil && r.Envelope != id) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return slices.Concat(r.Evidence, r.Behind.Sent), nil
	}
	if fault.KindOf(err) != fault.NotFound {
		return nil, err
	}
	l, err := s.Leads.Get(ctx, tenant, id)
	if err == nil {
		if len(l.Copy.CopyKey) == 0 {
			return nil, nil
		}
		return []casefile.Evidence{l.Copy}, nil
	}
	if fault.KindOf(err) != fault.NotFound {
		return nil, err
	}
	t, err := s.Tasks.Get(ctx, tenant, id)
	if fault.KindOf(err) == fault.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return t.Collected, nil
}
