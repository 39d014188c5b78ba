package grid

import (
	"time"

	"github.com/paulmach/orb/geo"
	"github.com/tidwall/rtree"
)

// Index answers in which grid a point lies. It never changes once it is made,
// so any number of goroutines may use it.
type Index struct {
	tree   rtree.RTreeG[Grid]
	byCode map[Code]Grid
}

// NewIndex returns the index of those grids that are valid at a time.
func NewIndex(grids []Grid, at time.Time) *Index {
	x := &Index{byCode: make(map[Code]Grid, len(grids))}
	for _, g := range grids {
		if g.ValidAt(at) {
			b := g.Polygon.Coordinates.Bound()
			x.tree.Insert(b.Min, b.Max, g)
			x.byCode[g.Code] = g
		}
	}
	return x
}

// Locate returns the grid that a point lies in, false if it lies in none. A
// polygon holds its border. Among several grids that hold the point it is the
// one with the lowest code, so that a point on a shared border always has one
// answer.
func (x *Index) Locate(p WGS84) (Grid, bool) {
	var found Grid
	at := p.point()
	box := at.Bound().Pad(onBorder)
	x.tree.Search(box.Min, box.Max, func(_, _ [2]float64, g Grid) bool {
		if (found.Code == "" || g.Code < found.Code) && covers(g.Polygon.Coordinates, at) {
			found = g
		}
		return true
	})
	return found, found.Code != ""
}

// Grid returns the grid with a code, false if the index has none.
func (x *Index) Grid(code Code) (Grid, bool) {
	g, ok := x.byCode[code]
	return g, ok
}

// Holds says whether a point lies in g or on its border.
func (g Grid) Holds(p WGS84) bool { return covers(g.Polygon.Coordinates, p.point()) }

// DistanceM returns the great-circle distance between two points in metres.
func DistanceM(p, q WGS84) float64 { return geo.DistanceHaversine(p.point(), q.point()) }
