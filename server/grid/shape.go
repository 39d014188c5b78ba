package grid

import (
	"errors"
	"math"

	"github.com/paulmach/orb"
	"github.com/paulmach/orb/planar"
)

// onBorder is how close to a border a point counts as on it, in degrees: 0.1 mm
// on the ground. Rounding of coordinates near 130° and of the conversion between
// datums stays below 1e-10°, so neighbours both hold the border they share; no
// survey is finer than a centimetre, so no point is moved by it.
const onBorder = 1e-9

// covers says whether a point lies in a polygon or on the border of one, the
// border of a hole included.
func covers(polygons orb.MultiPolygon, p orb.Point) bool {
	for _, polygon := range polygons {
		box := polygon.Bound().Pad(onBorder)
		if math.IsNaN(p.Lon()+p.Lat()) || !box.Contains(p) { // a box holds NaN
			continue
		}
		if planar.DistanceFrom(polygon, p) <= onBorder || planar.PolygonContains(polygon, p) {
			return true
		}
	}
	return false
}

// segment is a piece of a ring, and where in its polygon it stands.
type segment struct {
	a, b           orb.Point
	ring, at, last int
}

// segments returns the pieces of all rings of a polygon.
func segments(polygon orb.Polygon) []segment {
	var all []segment
	for r, ring := range polygon {
		for i := 0; i+1 < len(ring); i++ {
			all = append(all, segment{ring[i], ring[i+1], r, i, len(ring) - 2})
		}
	}
	return all
}

// follows says whether t begins where s ends, being next in the same ring.
func (s segment) follows(t segment) bool {
	return s.ring == t.ring && (t.at == s.at+1 || s.at == s.last && t.at == 0)
}

// side says on which side of a→b a point lies: positive left, negative right.
func side(a, b, p orb.Point) float64 {
	return (b[0]-a[0])*(p[1]-a[1]) - (b[1]-a[1])*(p[0]-a[0])
}

// crosses says whether two segments cross at a point inside both.
func (s segment) crosses(t segment) bool {
	return side(s.a, s.b, t.a)*side(s.a, s.b, t.b) < 0 && side(t.a, t.b, s.a)*side(t.a, t.b, s.b) < 0
}

// meets says whether an end of one segment lies on the other.
func (s segment) meets(t segment) bool {
	on := func(s segment, p orb.Point) bool { return planar.DistanceFromSegment(s.a, s.b, p) <= onBorder }
	return on(s, t.a) || on(s, t.b) || on(t, s.a) || on(t, s.b)
}

// checkPolygon says what is wrong with the rings of a polygon. A ring may not
// touch itself, a hole lies in the outer ring and may touch other rings but not
// cross them (RFC 7946 3.1.6, OGC simple features).
func checkPolygon(polygon orb.Polygon) error {
	if len(polygon) == 0 {
		return errors.New("a polygon has no ring")
	}
	for _, ring := range polygon {
		switch {
		case len(ring) < 4:
			return errors.New("a ring has less than four positions")
		case !ring.Closed():
			return errors.New("a ring is not closed: its last position is not its first")
		}
	}
	pieces := segments(polygon)
	for i, s := range pieces {
		if planar.Distance(s.a, s.b) <= onBorder {
			return errors.New("a position is given twice in a row")
		}
		for _, t := range pieces[i+1:] {
			if s.clashes(t) {
				return errors.New("a ring crosses or touches itself, or another ring")
			}
		}
	}
	for _, hole := range polygon[1:] {
		if !inside(orb.MultiPolygon{{hole}}, orb.MultiPolygon{{polygon[0]}}) {
			return errors.New("a hole lies outside its polygon")
		}
	}
	return nil
}

// apart says quickly that two segments are too far apart to meet or cross.
func (s segment) apart(t segment) bool {
	for i := range 2 {
		if max(s.a[i], s.b[i])+onBorder < min(t.a[i], t.b[i]) || max(t.a[i], t.b[i])+onBorder < min(s.a[i], s.b[i]) {
			return true
		}
	}
	return false
}

// clashes says whether two segments of one polygon may not be so.
func (s segment) clashes(t segment) bool {
	switch {
	case s.apart(t):
		return false
	case s.ring != t.ring:
		return s.crosses(t)
	case s.follows(t):
		return planar.DistanceFromSegment(s.a, s.b, t.b) <= onBorder || planar.DistanceFromSegment(t.a, t.b, s.a) <= onBorder
	case t.follows(s):
		return t.clashes(s)
	}
	return s.crosses(t) || s.meets(t)
}

// inside says whether polygons lie inside a border, touching it allowed: no
// corner and no middle of a side lies outside and no two sides cross.
func inside(polygons, border orb.MultiPolygon) bool {
	var fence []segment
	for _, p := range border {
		fence = append(fence, segments(p)...)
	}
	for _, p := range polygons {
		for _, s := range segments(p) {
			middle := orb.Point{(s.a[0] + s.b[0]) / 2, (s.a[1] + s.b[1]) / 2}
			if !covers(border, s.a) || !covers(border, middle) {
				return false
			}
			for _, f := range fence {
				if !s.apart(f) && s.crosses(f) && !s.meets(f) { // where ends meet, a crossing is rounding
					return false
				}
			}
		}
	}
	return true
}
