package grid

import (
	"slices"
	"testing"

	"github.com/paulmach/orb"
)

func closed(points ...orb.Point) orb.Ring { return append(slices.Clone(points), points[0]) }

// TestPolygonsMayTouchButNotCross: what only looks like a crossing is none, in
// whatever order the ring is given.
func TestPolygonsMayTouchButNotCross(t *testing.T) {
	t.Parallel()
	square := closed(orb.Point{0, 0}, orb.Point{10, 0}, orb.Point{10, 10}, orb.Point{0, 10})
	// One side would meet another if it were longer.
	near := []orb.Point{{0, 0}, {9, 3.6}, {5, 9}, {12, 10}, {8, 0}}
	tests := map[string]struct {
		polygon orb.Polygon
		ok      bool
	}{
		"square":                       {orb.Polygon{square}, true},
		"hole":                         {orb.Polygon{square, closed(orb.Point{2, 2}, orb.Point{4, 2}, orb.Point{3, 4})}, true},
		"hole that touches the border": {orb.Polygon{square, closed(orb.Point{5, 0}, orb.Point{6, 4}, orb.Point{4, 4})}, true},
		"holes that touch":             {orb.Polygon{square, closed(orb.Point{2, 2}, orb.Point{4, 2}, orb.Point{3, 4}), closed(orb.Point{3, 4}, orb.Point{4, 6}, orb.Point{2, 6})}, true},
		"hole across the border":       {orb.Polygon{square, closed(orb.Point{8, 2}, orb.Point{12, 3}, orb.Point{8, 4})}, false},
		"holes that cross":             {orb.Polygon{square, closed(orb.Point{2, 2}, orb.Point{6, 2}, orb.Point{4, 5}), closed(orb.Point{4, 1}, orb.Point{8, 3}, orb.Point{4, 4})}, false},
		"hole outside":                 {orb.Polygon{square, closed(orb.Point{12, 2}, orb.Point{14, 2}, orb.Point{13, 4})}, false},
		"bow tie":                      {orb.Polygon{closed(orb.Point{0, 0}, orb.Point{10, 10}, orb.Point{10, 0}, orb.Point{0, 10})}, false},
		"touches itself":               {orb.Polygon{closed(orb.Point{0, 0}, orb.Point{10, 0}, orb.Point{10, 10}, orb.Point{5, 0}, orb.Point{0, 10})}, false},
		"goes back on itself":          {orb.Polygon{closed(orb.Point{0, 0}, orb.Point{10, 0}, orb.Point{4, 0}, orb.Point{4, 10})}, false},
		"begins on the way back":       {orb.Polygon{closed(orb.Point{4, 0}, orb.Point{10, 0}, orb.Point{0, 0}, orb.Point{0, 10})}, false},
		"a point twice":                {orb.Polygon{closed(orb.Point{0, 0}, orb.Point{10, 0}, orb.Point{10, 0}, orb.Point{0, 10})}, false},
		"not closed":                   {orb.Polygon{square[:4]}, false},
		"three positions":              {orb.Polygon{closed(orb.Point{0, 0}, orb.Point{10, 0})}, false},
		"no ring":                      {nil, false},
	}
	for name, tt := range tests {
		if err := checkPolygon(tt.polygon); (err == nil) != tt.ok {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for i := range near {
		ring := closed(append(slices.Clone(near[i:]), near[:i]...)...)
		if err := checkPolygon(orb.Polygon{ring}); err != nil {
			t.Errorf("near, from corner %d: %v", i, err)
		}
		slices.Reverse(ring)
		if err := checkPolygon(orb.Polygon{ring}); err != nil {
			t.Errorf("near, backwards from corner %d: %v", i, err)
		}
	}
}

// TestInside: a grid lies in its village, also where both have one border.
func TestInside(t *testing.T) {
	t.Parallel()
	border := orb.MultiPolygon{{closed(orb.Point{0, 0}, orb.Point{10, 0}, orb.Point{10, 10}, orb.Point{5, 4}, orb.Point{0, 10})}}
	for name, tt := range map[string]struct {
		ring orb.Ring
		want bool
	}{
		"the same":              {border[0][0], true},
		"with one border":       {closed(orb.Point{0, 0}, orb.Point{10, 0}, orb.Point{5, 3}), true},
		"a corner outside":      {closed(orb.Point{1, 1}, orb.Point{9, 1}, orb.Point{5, 11}), false},
		"only a corner outside": {closed(orb.Point{2, 1}, orb.Point{8, 1}, orb.Point{5, 4.5}), false},
		"across the notch":      {closed(orb.Point{1, 1}, orb.Point{9, 1}, orb.Point{9, 8}, orb.Point{1, 8}), false},
		"elsewhere":             {closed(orb.Point{20, 1}, orb.Point{29, 1}, orb.Point{25, 3}), false},
	} {
		if got := inside(orb.MultiPolygon{{tt.ring}}, border); got != tt.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
