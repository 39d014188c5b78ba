package workflow

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"gridwatch/media"
	"gridwatch/media/likeness"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
)

// Print is what a picture is known again by. What it shows can be guessed from
// it, so it lies sealed under a key of its own.
type Print struct {
	Tenant string `bson:"tenant"`
	N      int    `bson:"n"`    // order of arrival here, from 1, without a gap
	Kind   string `bson:"kind"` // report, task; forgotten says that the record's prints are destroyed
	Record string `bson:"record"`
	Item   string `bson:"item"`
	Key    []byte `bson:"key"`    // data key, wrapped
	Sealed []byte `bson:"sealed"` // likeness.Print
}

// Prints keeps prints.
type Prints interface {
	// Add keeps a print. It returns the Conflict Fault "record.exists" if its
	// number is taken.
	Add(ctx context.Context, p Print) error
	// Last returns a tenant's newest number, 0 if it has none.
	Last(ctx context.Context, tenant string) (int, error)
	// Has says whether there is a print of an item.
	Has(ctx context.Context, tenant, item string) (bool, error)
	// Forget destroys keys and content of a record's prints; their numbers stay.
	Forget(ctx context.Context, tenant, record string) error
	// List returns a tenant's prints after a number, in order.
	List(ctx context.Context, tenant string, after, limit int) ([]Print, error)
}

// forgotten is the Kind of an entry that has no print, and the record for its
// item: it tells all processes that those of the record are gone.
const forgotten = "forgotten"

// album is the prints of a tenant in memory, as far as they were read.
type album struct {
	mu    sync.Mutex
	n     int // of the newest
	pages []leaf
}

type leaf struct {
	kind, record, item string
	print              likeness.Print
}

const printPage = 1000

// keepPrint keeps the print of an item that has a display copy. A picture
// without structure has none.
func (s *Service) keepPrint(ctx context.Context, link casefile.CustodyEvent) error {
	kind, at, item, err := s.derived(ctx, link)
	if fault.KindOf(err) == fault.NotFound {
		return nil // it is gone
	}
	if err != nil {
		return err
	}
	if has, err := s.Prints.Has(ctx, link.Tenant, item.ID); has || err != nil {
		return err
	}
	file, err := s.readCopy(ctx, at, item, casefile.DisplayCopy)
	if fault.KindOf(err) == fault.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	made, err := likeness.Read(file)
	closed := file.Close()
	if errors.Is(err, likeness.ErrFlat) || errors.Is(err, likeness.ErrPicture) {
		return closed
	}
	if err := errors.Join(err, closed); err != nil {
		return err
	}
	return s.sealPrint(ctx, Print{Tenant: link.Tenant, Kind: kind, Record: link.Record, Item: item.ID}, made)
}

func (s *Service) sealPrint(ctx context.Context, p Print, made likeness.Print) error {
	key, wrapped, err := s.Keyring.NewDataKey(printPlace(p), s.Random)
	if err != nil {
		return err
	}
	p.Key = wrapped
	if p.Sealed, err = key.Seal(made.Bytes(), printAD(p)); err != nil {
		return err
	}
	return s.addPrint(ctx, p)
}

// forgetPrints destroys the prints of a record, in the store and in memory here;
// other processes forget them with their next refresh. The entry that says so
// comes first: what is added beside it sees it, or is destroyed after it.
func (s *Service) forgetPrints(ctx context.Context, tenant, record string) error {
	if err := s.addPrint(ctx, Print{Tenant: tenant, Kind: forgotten, Record: record, Item: record}); err != nil {
		return err
	}
	if err := s.Prints.Forget(ctx, tenant, record); err != nil {
		return err
	}
	s.mu.Lock()
	a := s.albums[tenant]
	s.mu.Unlock()
	if a != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.forget(record)
	}
	return nil
}

// forget takes the prints of a record out. Who reads the album has the slice of
// before for that moment.
func (a *album) forget(record string) {
	left := make([]leaf, 0, len(a.pages))
	for _, l := range a.pages {
		if l.record != record {
			left = append(left, l)
		}
	}
	a.pages = left
}

// RefreshPrints brings what is in memory up to date, so that erased prints are in
// that of no process for longer than the time between two calls.
func (s *Service) RefreshPrints(ctx context.Context) error {
	s.mu.Lock()
	tenants := slices.Collect(maps.Keys(s.albums))
	s.mu.Unlock()
	for _, tenant := range tenants {
		if _, err := s.refresh(ctx, tenant); err != nil {
			return err
		}
	}
	return nil
}

// addPrint gives a print the next number, once for its item, unless those of its
// record are forgotten.
func (s *Service) addPrint(ctx context.Context, p Print) error {
	for range maxTries {
		last, err := s.Prints.Last(ctx, p.Tenant)
		if err != nil {
			return err
		}
		for _, item := range []string{p.Item, p.Record} {
			if has, err := s.Prints.Has(ctx, p.Tenant, item); has || err != nil {
				return err
			}
		}
		p.N = last + 1
		if err = s.Prints.Add(ctx, p); fault.CodeOf(err) != "record.exists" {
			return err
		}
	}
	return fault.New(fault.Busy, "record.contended", "the record is being changed by others; try again")
}

func printPlace(p Print) string { return "print/" + p.Tenant + "/" + p.Item }
func printAD(p Print) []byte    { return vault.AD("print", p.Item, p.Record) }

// derived finds the item of a link: of a report, or of a task.
func (s *Service) derived(ctx context.Context, link casefile.CustodyEvent) (string, media.Place, casefile.Evidence, error) {
	r, err := s.Reports.Get(ctx, link.Tenant, link.Record)
	if err == nil {
		if item, ok := casefile.FindEvidence(r.Evidence, link.Item); ok {
			return "report", placeOfReport(r), *item, nil
		}
		return "", media.Place{}, casefile.Evidence{}, fault.Absent()
	}
	if fault.KindOf(err) != fault.NotFound {
		return "", media.Place{}, casefile.Evidence{}, err
	}
	t, err := s.Tasks.Get(ctx, link.Tenant, link.Record)
	if err != nil {
		return "", media.Place{}, casefile.Evidence{}, err
	}
	if item, ok := casefile.FindEvidence(t.Collected, link.Item); ok {
		return "task", placeOfTask(t), *item, nil
	}
	return "", media.Place{}, casefile.Evidence{}, fault.Absent()
}

// refresh reads the prints that were added since the album was looked at last.
func (s *Service) refresh(ctx context.Context, tenant string) (*album, error) {
	s.mu.Lock()
	a := s.albums[tenant]
	if a == nil {
		a = &album{}
		s.albums[tenant] = a
	}
	s.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		page, err := s.Prints.List(ctx, tenant, a.n, printPage)
		if err != nil {
			return nil, err
		}
		for _, p := range page {
			if p.Kind == forgotten {
				a.forget(p.Record)
				a.n = p.N
				continue
			}
			made, err := s.readPrint(p)
			switch {
			case err == nil:
				a.pages = append(a.pages, leaf{p.Kind, p.Record, p.Item, made})
			case errors.Is(err, likeness.ErrPrint): // erased with its record, or of an earlier version
			case errors.Is(err, vault.ErrNotOpened) && !errors.Is(err, vault.ErrNoKey):
				s.Log.LogAttrs(ctx, slog.LevelWarn, "a print does not open: its picture is not known again")
			default: // the next look begins with this one
				return nil, err
			}
			a.n = p.N
		}
		if len(page) < printPage {
			return a, nil
		}
	}
}

// readPrint opens a print. It returns likeness.ErrPrint for one that is erased, or
// of a version that looked at other parts of a picture.
func (s *Service) readPrint(p Print) (likeness.Print, error) {
	if len(p.Key) == 0 {
		return likeness.Print{}, likeness.ErrPrint
	}
	key, err := s.Keyring.OpenDataKey(printPlace(p), p.Key)
	if err != nil {
		return likeness.Print{}, err
	}
	text, err := key.Open(p.Sealed, printAD(p))
	if err != nil {
		return likeness.Print{}, err
	}
	return likeness.Parse(text)
}

// alike lists pictures of other records of a kind that are like an item's, at
// most so many bits apart.
func (a *album) alike(item, kind string, radius int) []leaf {
	a.mu.Lock()
	pages := a.pages
	a.mu.Unlock()
	var own *leaf
	for i := range pages {
		if pages[i].item == item {
			own = &pages[i]
		}
	}
	if own == nil {
		return nil
	}
	var out []leaf
	for _, l := range pages {
		if l.kind == kind && l.record != own.record && likeness.Distance(l.print, own.print) <= radius {
			out = append(out, l)
		}
	}
	return out
}

// samePictures adds to what is said of a report's items where a picture like
// one of them was seen, as far as the actor may read there.
func (s *Service) samePictures(ctx context.Context, actor casefile.Actor, r *casefile.Report, out [][]Verdict) error {
	tenant, err := s.Directory.Tenant(ctx, r.Tenant)
	if err != nil || tenant.Policy.Doubts.PictureBits == 0 {
		return err
	}
	a, err := s.refresh(ctx, r.Tenant)
	if err != nil {
		return err
	}
	for i, item := range r.Evidence {
		for _, l := range a.alike(item.ID, "report", tenant.Policy.Doubts.PictureBits) {
			other, err := s.Reports.Get(ctx, r.Tenant, l.record)
			if fault.KindOf(err) == fault.NotFound || (err == nil && !actor.May(casefile.ReportRead, other.Subject())) {
				continue
			}
			if err != nil {
				return err
			}
			for n, e := range other.Evidence {
				if e.ID == l.item && e.Digest != item.Digest {
					out[i] = append(out[i], Verdict{Kind: SamePicture, Report: other.ID, Number: other.Number, N: n + 1})
				}
			}
		}
	}
	return nil
}

// sameOfTasks is the doubt that a picture of a task was taken for another. It
// names no report.
func (s *Service) sameOfTasks(ctx context.Context, t *casefile.Task, item casefile.Evidence) ([]casefile.Doubt, error) {
	tenant, err := s.Directory.Tenant(ctx, t.Tenant)
	if err != nil || tenant.Policy.Doubts.PictureBits == 0 {
		return nil, err
	}
	a, err := s.refresh(ctx, t.Tenant)
	if err != nil {
		return nil, err
	}
	tasks := []string{}
	for _, l := range a.alike(item.ID, "task", tenant.Policy.Doubts.PictureBits) {
		tasks = append(tasks, l.record)
	}
	return []casefile.Doubt{verdict(casefile.DoubtSamePicture, true, len(tasks) > 0, map[string]any{"tasks": tasks, "limitBits": tenant.Policy.Doubts.PictureBits})}, nil
}
