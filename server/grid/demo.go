package grid

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/paulmach/orb"
)

// Demo returns made-up grids for the villages of 榆树市 as a file that ReadGrids
// reads: one grid for a village, two for a community (社区). No real borders are
// published, so it is a patchwork without gaps: the county's rough extent cut
// into townships, each township into its villages. Every grid says demo: true
// and its name ends with （演示）. The same areas give the same bytes.
func Demo(areas []Area) ([]byte, error) {
	// 126°01′44″–127°05′09″ E, 44°30′57″–45°15′02″ N (the county's own figures).
	extent := orb.Bound{Min: orb.Point{126.0289, 44.5158}, Max: orb.Point{127.0858, 45.2506}}
	const county Code = "220182000000"

	below := map[Code][]Area{}
	for _, a := range areas {
		if a.Code.Under(county) {
			below[a.Parent] = append(below[a.Parent], a)
		}
	}
	if len(below[county]) == 0 {
		return nil, errors.New("the areas hold no township of 220182")
	}
	file := collection[feature]{Type: "FeatureCollection", Datum: DatumWGS84, Borders: map[Code]rawGeom{county: box(extent)}}
	for i, town := range cut(extent, len(below[county])) {
		township := below[county][i]
		file.Borders[township.Code] = box(town)
		villages := below[township.Code]
		for j, land := range cut(town, len(villages)) {
			file.Features = append(file.Features, demoGrids(villages[j], land)...)
		}
	}
	return json.Marshal(file)
}

// demoGrids makes the grids of a village, numbered from west to east.
func demoGrids(village Area, land orb.Bound) []feature {
	parts := []orb.Bound{land}
	if strings.HasSuffix(village.Name, "社区") {
		middle := round((land.Left() + land.Right()) / 2)
		west, east := land, land
		west.Max[0], east.Min[0] = middle, middle
		parts = []orb.Bound{west, east}
	}
	var grids []feature
	for i, part := range parts {
		grids = append(grids, feature{Type: "Feature", Geometry: box(part), Properties: properties{
			Code: Code(fmt.Sprintf("%s%03d", village.Code, i+1)),
			Name: fmt.Sprintf("%s第%d网格（演示）", village.Name, i+1),
			Demo: true,
		}})
	}
	return grids
}

// cut cuts b into n boxes in about as many rows as columns, west to east and
// north to south. Boxes side by side share the very same numbers.
func cut(b orb.Bound, n int) []orb.Bound {
	rows := max(1, int(math.Round(math.Sqrt(float64(n)))))
	along := func(from, to float64, i, of int) float64 { return round(from + (to-from)*float64(i)/float64(of)) }
	var boxes []orb.Bound
	for row := range rows {
		columns := n*(row+1)/rows - n*row/rows
		for column := range columns {
			boxes = append(boxes, orb.Bound{
				Min: orb.Point{along(b.Left(), b.Right(), column, columns), along(b.Top(), b.Bottom(), row+1, rows)},
				Max: orb.Point{along(b.Left(), b.Right(), column+1, columns), along(b.Top(), b.Bottom(), row, rows)},
			})
		}
	}
	return boxes
}

// round keeps six decimals, 0.1 m.
func round(degrees float64) float64 { return math.Round(degrees*1e6) / 1e6 }

// box returns the polygon of a box as it stands in a file.
func box(b orb.Bound) rawGeom {
	west, south, east, north := b.Left(), b.Bottom(), b.Right(), b.Top()
	return rawGeom{Type: "Polygon", Coordinates: fmt.Appendf(nil, "[[[%v,%v],[%v,%v],[%v,%v],[%v,%v],[%v,%v]]]",
		west, south, east, south, east, north, west, north, west, south)}
}
