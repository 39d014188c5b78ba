package workflow

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"gridwatch/media"
	"gridwatch/media/upload"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// sweepPage is how many envelopes a sweep looks at in one go.
const sweepPage = 200

// Swept counts what a sweep removed.
type Swept struct {
	Objects   int
	Envelopes int
	Uploads   int
}

// Sweep removes what no record owns and what is older than a grace: objects
// and envelopes of registrations that were never committed. What
// fails is left, and the rest goes on; the error says so. While the clock is
// wrong nothing is removed: it could be what is being written now.
func (s *Service) Sweep(ctx context.Context, grace time.Duration) (Swept, error) {
	var out Swept
	if err := s.Intake(); err != nil {
		return out, err
	}
	before := s.now().Add(-grace)
	var uploads, objects, envelopes error
	out.Uploads, uploads = s.endUploads(ctx)
	out.Objects, objects = s.Media.Sweep(ctx, "", before, s.owns)
	out.Envelopes, envelopes = s.sweepEnvelopes(ctx, before)
	return out, errors.Join(uploads, objects, envelopes)
}

// sweepEnvelopes removes envelopes from before a time that no report names.
func (s *Service) sweepEnvelopes(ctx context.Context, before time.Time) (int, error) {
	removed := 0
	var failed failures
	for after := ""; ; {
		page, err := s.Envelopes.Before(ctx, before, after, sweepPage)
		if err != nil || len(page) == 0 {
			return removed, errors.Join(err, failed.err())
		}
		for _, e := range page {
			after = e.ID
			r, err := s.Reports.Get(ctx, e.Tenant, e.Report)
			if err == nil && r.Envelope == e.ID {
				if r.Archived() && len(e.Key) > 0 { // it came back with a backup, or goes in a moment
					failed.add(s.Envelopes.DropKey(ctx, e.Tenant, e.ID))
				}
				continue
			}
			if err == nil || fault.KindOf(err) == fault.NotFound {
				err = s.Envelopes.Delete(ctx, e.Tenant, e.ID)
			}
			if err != nil {
				failed.add(err)
				continue
			}
			removed++
		}
	}
}

// owns returns what a record names of an object, nil if nothing. What is of a
// tenant that the database does not have is not ours to remove: the database may
// be the wrong one.
func (s *Service) owns(ctx context.Context, object string) (*media.Ref, error) {
	ref, err := s.named(ctx, object)
	if ref != nil || err != nil {
		return ref, err
	}
	tenant, _, _ := strings.Cut(object, "/")
	_, err = s.Directory.Tenant(ctx, tenant)
	if fault.KindOf(err) == fault.NotFound {
		err = errors.New("it is of a tenant that this database does not have: are bucket, prefix and database those of one installation?")
	}
	return nil, err
}

// named is what a record names of an object.
func (s *Service) named(ctx context.Context, object string) (*media.Ref, error) {
	at, ok := media.PlaceOf(object)
	if !ok {
		return nil, nil //nolint:nilnil // no record can
	}
	items, err := s.itemsOf(ctx, at.Tenant, at.Record)
	if err != nil {
		return nil, err
	}
	for _, item := range items {
		if item.Object == object && item.Upload != "" { // on its way
			u, err := s.Uploads.Get(ctx, at.Tenant, item.Upload)
			if errors.Is(err, upload.ErrNone) {
				return nil, nil //nolint:nilnil // it was given up
			}
			ref := u.Ref()
			return &ref, err
		}
		for _, ref := range refs(item) {
			if ref.Object == object {
				return &ref, nil
			}
		}
	}
	return nil, nil //nolint:nilnil // nobody owns it
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
