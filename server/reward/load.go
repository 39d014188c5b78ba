package reward

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"gridwatch/server/fault"
)

// Load reads every *.json file at the top of fsys as one Scheme each. Decoding
// is strict: an unknown field is refused. All mistakes of all files come back
// joined, and then no scheme does.
func Load(fsys fs.FS) ([]Scheme, error) {
	names, err := fs.Glob(fsys, "*.json")
	if err != nil {
		return nil, fmt.Errorf("list schemes: %w", err)
	}
	var (
		schemes []Scheme
		errs    []error
	)
	for _, name := range names {
		s, err := read(fsys, name)
		if err == nil && slices.ContainsFunc(schemes, func(o Scheme) bool { return o.ID == s.ID && o.Version == s.Version }) {
			err = fmt.Errorf("id: %q has version %d twice", s.ID, s.Version)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("scheme %s: %w", name, err))
			continue
		}
		schemes = append(schemes, s)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return schemes, nil
}

func read(fsys fs.FS, name string) (Scheme, error) {
	raw, err := fs.ReadFile(fsys, name)
	if err != nil {
		return Scheme{}, err
	}
	var s Scheme
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return Scheme{}, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Scheme{}, errors.New("something follows the scheme")
	}
	return s, s.Validate()
}

// Place is what a scheme is chosen by.
type Place struct {
	Area   string // area code of the matter, 6 to 15 digits
	Sector string // industry of the matter, or empty
}

// Select returns the scheme that applies to a matter at a place: of those for
// the place that are in force on their own AsOf day, one for the sector before
// one for all, then the most specific area, then the latest to take effect,
// then the highest version. decided is the day of the decision; it may be zero
// while there is none, and then a scheme that goes by it does not apply.
//
// Periods are calendar days. The day of a time is taken in the time's own
// location: UTC as stored, or the tenant's zone if the caller converts first.
// It returns a Conflict Fault "scheme.none" if no scheme applies.
func Select(schemes []Scheme, place Place, reported, decided time.Time) (Scheme, error) {
	var found []Scheme
	for _, s := range schemes {
		day := reported
		if s.AsOf == AsOfDecision {
			day = decided
		}
		if s.covers(place) && s.inForce(day) {
			found = append(found, s)
		}
	}
	if len(found) == 0 {
		return Scheme{}, fault.New(fault.Conflict, "scheme.none", "no reward scheme is in force for the place, sector and day of the matter")
	}
	return slices.MaxFunc(found, func(a, b Scheme) int {
		return cmp.Or(
			cmp.Compare(min(len(a.Sectors), 1), min(len(b.Sectors), 1)),
			cmp.Compare(len(a.JurisdictionPrefix), len(b.JurisdictionPrefix)),
			cmp.Compare(a.EffectiveFrom, b.EffectiveFrom),
			cmp.Compare(a.Version, b.Version),
			cmp.Compare(a.ID, b.ID),
		)
	}), nil
}

func (s Scheme) covers(p Place) bool {
	return strings.HasPrefix(p.Area, s.JurisdictionPrefix) && (len(s.Sectors) == 0 || slices.Contains(s.Sectors, p.Sector))
}

func (s Scheme) inForce(t time.Time) bool {
	day := t.Format(time.DateOnly)
	return !t.IsZero() && day >= s.EffectiveFrom && (s.EffectiveTo == "" || day <= s.EffectiveTo)
}
