package grid_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/paulmach/orb"
	"pgregory.net/rapid"

	"gridwatch/server/grid"
)

// cell returns a grid of one village with the sequence n.
func cell(n int, polygons ...orb.Polygon) grid.Grid {
	return grid.Grid{
		Code:    grid.Code(fmt.Sprintf("220182100201%03d", n)),
		Polygon: grid.NewGeometry(polygons),
	}
}

func square(west, south, east, north float64) orb.Polygon {
	return orb.Bound{Min: orb.Point{west, south}, Max: orb.Point{east, north}}.ToPolygon()
}

func ring(positions ...orb.Point) orb.Ring { return append(positions, positions[0]) }

var noon = time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)

func TestLocate(t *testing.T) {
	t.Parallel()
	// Two squares side by side, two more above them, and one with a hole.
	holed := append(square(126.10, 45.00, 126.14, 45.04), ring(
		orb.Point{126.11, 45.01}, orb.Point{126.13, 45.01}, orb.Point{126.12, 45.03}))
	index := grid.NewIndex([]grid.Grid{
		cell(4, square(126.02, 45.02, 126.04, 45.04)),
		cell(3, square(126.00, 45.02, 126.02, 45.04)),
		cell(2, square(126.02, 45.00, 126.04, 45.02)),
		cell(1, square(126.00, 45.00, 126.02, 45.02)),
		cell(9, holed),
		cell(8, square(126.20, 45.00, 126.21, 45.01), square(126.22, 45.00, 126.23, 45.01)),
	}, noon)
	tests := map[string]struct {
		at   grid.WGS84
		want int // 0: none
	}{
		"inside":                         {grid.WGS84{126.01, 45.01}, 1},
		"inside the last":                {grid.WGS84{126.03, 45.03}, 4},
		"shared edge":                    {grid.WGS84{126.02, 45.01}, 1},
		"shared edge of the upper two":   {grid.WGS84{126.02, 45.03}, 3},
		"shared edge going east":         {grid.WGS84{126.03, 45.02}, 2},
		"corner of all four":             {grid.WGS84{126.02, 45.02}, 1},
		"outer edge":                     {grid.WGS84{126.00, 45.01}, 1},
		"outer corner":                   {grid.WGS84{126.04, 45.04}, 4},
		"rounding past the outer edge":   {grid.WGS84{126.00 - 1e-12, 45.01}, 1},
		"rounding past the shared edge":  {grid.WGS84{126.02 + 1e-12, 45.01}, 1},
		"a centimetre past the edge":     {grid.WGS84{126.02 + 1e-7, 45.01}, 2},
		"a centimetre outside":           {grid.WGS84{126.00 - 1e-7, 45.01}, 0},
		"far away":                       {grid.WGS84{116.4, 39.9}, 0},
		"beside the hole":                {grid.WGS84{126.105, 45.02}, 9},
		"in the hole":                    {grid.WGS84{126.12, 45.015}, 0},
		"edge of the hole":               {grid.WGS84{126.12, 45.01}, 9},
		"corner of the hole":             {grid.WGS84{126.12, 45.03}, 9},
		"slanting edge of the hole":      {grid.WGS84{126.115, 45.02}, 9},
		"latitude of the hole's top":     {grid.WGS84{126.101, 45.03}, 9},
		"first part of several":          {grid.WGS84{126.205, 45.005}, 8},
		"second part of several":         {grid.WGS84{126.225, 45.005}, 8},
		"between the parts":              {grid.WGS84{126.215, 45.005}, 0},
		"NaN":                            {grid.WGS84{math.NaN(), 45.01}, 0},
		"the antipodes of nothing: 0, 0": {grid.WGS84{}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := grid.Code("")
			if tt.want > 0 {
				want = cell(tt.want).Code
			}
			got, ok := index.Locate(tt.at)
			if got.Code != want || ok != (want != "") {
				t.Errorf("Locate(%v) = %q, %v, want %q", tt.at, got.Code, ok, want)
			}
		})
	}
}

func TestIndexHoldsValidGrids(t *testing.T) {
	t.Parallel()
	begin, end := noon, noon.Add(time.Hour)
	old, young := cell(1, square(126, 45, 127, 46)), cell(2, square(126, 45, 127, 46))
	old.To, young.From, young.To = &begin, &begin, &end
	at := grid.WGS84{Lon: 126.5, Lat: 45.5}
	tests := map[string]struct {
		when time.Time
		want grid.Code
	}{
		"before":          {begin.Add(-time.Millisecond), old.Code},
		"at the change":   {begin, young.Code},
		"last moment":     {end.Add(-time.Millisecond), young.Code},
		"after it is out": {end, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			index := grid.NewIndex([]grid.Grid{old, young}, tt.when)
			if got, _ := index.Locate(at); got.Code != tt.want {
				t.Errorf("Locate = %q, want %q", got.Code, tt.want)
			}
			for _, g := range []grid.Grid{old, young} {
				if _, ok := index.Grid(g.Code); ok != (g.Code == tt.want) {
					t.Errorf("Grid(%q) is there: %v", g.Code, ok)
				}
			}
		})
	}
}

// bruteForce is what Locate says without a tree.
func bruteForce(grids []grid.Grid, p grid.WGS84) grid.Code {
	lowest := grid.Code("")
	for _, g := range grids {
		if g.Holds(p) && (lowest == "" || g.Code < lowest) {
			lowest = g.Code
		}
	}
	return lowest
}

// star returns a polygon without self-intersection on a coarse lattice, so that
// corners, edges and points often fall together.
func star(t *rapid.T) orb.Polygon {
	coarse := rapid.IntRange(0, 20)
	x, y := float64(coarse.Draw(t, "x")), float64(coarse.Draw(t, "y"))
	n := rapid.IntRange(3, 8).Draw(t, "corners")
	var corners []orb.Point
	for i := range n {
		r := float64(rapid.IntRange(1, 6).Draw(t, "radius"))
		phi := 2 * math.Pi * float64(i) / float64(n)
		corners = append(corners, orb.Point{126 + 0.01*math.Round(x+r*math.Cos(phi)), 45 + 0.01*math.Round(y+r*math.Sin(phi))})
	}
	return orb.Polygon{ring(corners...)}
}

func TestTreeAnswersAsBruteForce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var grids []grid.Grid
		for i := range rapid.IntRange(0, 150).Draw(t, "grids") {
			grids = append(grids, cell(i+1, star(t)))
		}
		index := grid.NewIndex(grids, noon)
		for range 40 {
			p := grid.WGS84{
				Lon: 126 + 0.005*float64(rapid.IntRange(-15, 55).Draw(t, "lon")),
				Lat: 45 + 0.005*float64(rapid.IntRange(-15, 55).Draw(t, "lat")),
			}
			if got, _ := index.Locate(p); got.Code != bruteForce(grids, p) {
				t.Fatalf("Locate(%v) = %q, brute force %q", p, got.Code, bruteForce(grids, p))
			}
		}
	})
}

// TestSharedBorderBelongsToBoth: a point anywhere on a slanting border, as well
// as floating point can say it, lies in both neighbours.
func TestSharedBorderBelongsToBoth(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lon, lat := rapid.Float64Range(73, 135), rapid.Float64Range(18, 53)
		a := orb.Point{lon.Draw(t, "a.lon"), lat.Draw(t, "a.lat")}
		b := orb.Point{a[0] + rapid.Float64Range(0.001, 0.5).Draw(t, "east"), a[1] + rapid.Float64Range(-0.5, 0.5).Draw(t, "north")}
		above := cell(2, orb.Polygon{ring(a, b, orb.Point{a[0], a[1] + 1})})
		below := cell(1, orb.Polygon{ring(b, a, orb.Point{a[0], a[1] - 1})})
		u := rapid.Float64Range(0, 1).Draw(t, "u")
		p := grid.WGS84{Lon: a[0] + u*(b[0]-a[0]), Lat: a[1] + u*(b[1]-a[1])}
		if !above.Holds(p) || !below.Holds(p) {
			t.Fatalf("%v on the border: above %v, below %v", p, above.Holds(p), below.Holds(p))
		}
		if got, _ := grid.NewIndex([]grid.Grid{above, below}, noon).Locate(p); got.Code != below.Code {
			t.Fatalf("Locate = %q, want the lower code %q", got.Code, below.Code)
		}
	})
}

func TestCentreLiesInside(t *testing.T) {
	t.Parallel()
	horseshoe := orb.Polygon{ring(orb.Point{126, 45}, orb.Point{126.3, 45}, orb.Point{126.3, 45.3}, orb.Point{126.2, 45.3},
		orb.Point{126.2, 45.1}, orb.Point{126.1, 45.1}, orb.Point{126.1, 45.3}, orb.Point{126, 45.3})}
	frame := append(square(126, 45, 126.2, 45.2), ring(
		orb.Point{126.01, 45.01}, orb.Point{126.19, 45.01}, orb.Point{126.19, 45.19}, orb.Point{126.01, 45.19}))
	tests := map[string]grid.Grid{
		"square":    cell(1, square(126, 45, 126.1, 45.1)),
		"horseshoe": cell(1, horseshoe),
		"frame":     cell(1, frame),
		"parts":     cell(1, square(127, 45, 127.01, 45.01), frame),
		"sliver":    cell(1, orb.Polygon{ring(orb.Point{126, 45}, orb.Point{127, 45.00001}, orb.Point{127, 45.00002})}),
	}
	for name, g := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := g.Centre()
			for _, q := range []grid.WGS84{p, {p.Lon + 1e-7, p.Lat}, {p.Lon - 1e-7, p.Lat}} {
				if !g.Holds(q) {
					t.Errorf("%v beside the centre %v is outside", q, p)
				}
			}
		})
	}
}

func TestDistanceM(t *testing.T) {
	t.Parallel()
	// One degree of latitude on a sphere of 6,378,137 m.
	if got := grid.DistanceM(grid.WGS84{126, 45}, grid.WGS84{126, 46}); math.Abs(got-111319.49) > 0.01 {
		t.Errorf("one degree of latitude is %.2f m, want 111319.49", got)
	}
}
