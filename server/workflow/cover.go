package workflow

import (
	"cmp"
	"context"
	"slices"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/dispatch"
	"gridwatch/server/grid"
)

// coverDays is how far back places of tasks count as places that are patrolled
// anyhow.
const coverDays = 90

// urgent says whether lives may depend on the verification: then nothing of it
// waits or is bundled.
func urgent(r *casefile.Report, in Assignment) bool {
	return in.Imminent || slices.ContainsFunc(r.Allegations, func(a casefile.Allegation) bool { return a.Matter == casefile.ConcealedAccident })
}

// handOut returns when a verification is handed out: after a wait that is drawn
// up to the tenant's CoverHours and to half of the time until it is due.
func (s *Service) handOut(p Policy, r *casefile.Report, in Assignment, now time.Time) (time.Time, error) {
	most := time.Duration(p.CoverHours) * time.Hour
	if !in.Due.IsZero() {
		most = min(most, in.Due.Sub(now)/2)
	}
	if most <= 0 || urgent(r, in) {
		return now, nil
	}
	at, err := dispatch.ReleaseAt(s.Random, now.In(Shanghai()), most, dispatch.Hours{From: p.CoverFrom, To: p.CoverTo})
	if err != nil || (!in.Due.IsZero() && !at.Before(in.Due)) {
		return now, err
	}
	return at.UTC().Truncate(time.Millisecond), nil
}

// spot is a place that could be patrolled as well.
type spot struct {
	area, name string
	place      casefile.Place
	distance   float64 // metres from the target
}

// bundle returns the effects that hand a verification out among patrols of the
// same kind nearby (confidentiality 14), in an order that is drawn: same words,
// same people, same time, other places. A cover patrol has no report behind it,
// and what it finds is a finding of a patrol.
func (s *Service) bundle(
	ctx context.Context, t Tenant, r *casefile.Report, in Assignment, task casefile.Task, persons []casefile.Person, at time.Time,
) ([]casefile.Effect, error) {
	if t.Policy.CoverTasks == 0 || task.Kind != casefile.Patrol || urgent(r, in) {
		return nil, nil
	}
	spots, err := s.nearby(ctx, t, &task, persons)
	if err != nil {
		return nil, err
	}
	const of = 4 // drawn among so many times the number that is needed, the nearest
	chosen, err := dispatch.Draw(s.Random, spots[:min(len(spots), of*t.Policy.CoverTasks)], t.Policy.CoverTasks)
	if err != nil {
		return nil, err
	}
	var effects []casefile.Effect
	for _, c := range chosen {
		cover := &casefile.Task{
			Kind: task.Kind, Area: c.area, Place: c.place, PlaceName: c.name, Brief: task.Brief, Due: in.Due,
		}
		for _, item := range task.Items {
			ref, err := s.newID()
			if err != nil {
				return nil, err
			}
			cover.Items = append(cover.Items, casefile.Item{Ref: ref, Text: item.Text})
		}
		effect, err := s.newTask(t, at, cover, persons)
		if err != nil {
			return nil, err
		}
		effects = append(effects, effect)
	}
	return effects, nil
}

// nearby are places in the target's township, the nearest first: those of
// recent tasks, and after them the grids. Everybody who gets the task has a post
// over them and no tie to them.
func (s *Service) nearby(ctx context.Context, t Tenant, task *casefile.Task, persons []casefile.Person) ([]spot, error) {
	within := township(task.Area, t.Area)
	recent, err := s.Tasks.List(ctx, Query{
		Tenant: t.ID, Areas: []string{within}, After: Cursor{At: s.now().AddDate(0, 0, -coverDays)}, Limit: maxOpenTasks,
	})
	if err != nil {
		return nil, err
	}
	grids, err := s.Directory.Grids(ctx, t.ID)
	if err != nil {
		return nil, err
	}
	var known, plain []spot
	for _, other := range recent {
		known = append(known, spot{area: other.Area, name: other.PlaceName, place: other.Place})
	}
	for _, g := range grids {
		if casefile.Under(string(g.Code), within) {
			c := g.Centre()
			plain = append(plain, spot{
				area: string(g.Code), name: g.Name,
				place: casefile.Place{Lon: c.Lon, Lat: c.Lat, Datum: string(grid.DatumWGS84), SentLon: c.Lon, SentLat: c.Lat},
			})
		}
	}
	seen := map[string]bool{task.PlaceName: true}
	fit := func(all []spot) []spot {
		var out []spot
		for _, c := range all {
			of := casefile.Subject{Tenant: t.ID, Area: c.area, Party: c.name}
			unfit := func(p casefile.Person) bool { return !p.Holds(casefile.Inspector, c.area, s.now()) || p.Tied(of) }
			if seen[c.name] || slices.ContainsFunc(persons, unfit) {
				continue
			}
			seen[c.name] = true
			c.distance = grid.DistanceM(grid.WGS84{Lon: c.place.Lon, Lat: c.place.Lat}, grid.WGS84{Lon: task.Place.Lon, Lat: task.Place.Lat})
			out = append(out, c)
		}
		slices.SortFunc(out, func(a, b spot) int { return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.name, b.name)) })
		return out
	}
	first := fit(known)
	return append(first, fit(plain)...), nil
}
