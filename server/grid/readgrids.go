package grid

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/paulmach/orb"
)

// collection is a GeoJSON FeatureCollection of grids with two members of ours:
// the datum of its positions, and known borders of areas by code. Its features
// are read one by one, so that a bad one has a row.
type collection[F feature | json.RawMessage] struct {
	Type     string           `json:"type"`
	Datum    Datum            `json:"datum"`
	Borders  map[Code]rawGeom `json:"borders,omitempty"`
	Features []F              `json:"features"`
}

type feature struct {
	Type       string     `json:"type"`
	Properties properties `json:"properties"`
	Geometry   rawGeom    `json:"geometry"`
}

type properties struct {
	Code      Code   `json:"code"`
	Name      string `json:"name"`
	ValidFrom string `json:"valid_from,omitempty"` //nolint:tagliatelle // survey files come from GIS tools, whose columns are so named
	Demo      bool   `json:"demo,omitempty"`
}

// rawGeom is a geometry as it stands in a file.
type rawGeom struct {
	Type        string          `json:"type"`
	Coordinates json.RawMessage `json:"coordinates"`
}

// ReadGrids reads grids from a GeoJSON FeatureCollection. The collection must
// declare its datum ("datum": "wgs84", "cgcs2000", "gcj02" or "bd09"). Each
// feature is a Polygon or MultiPolygon with the properties code (15 digits),
// name, and if wanted valid_from (a date, the day's beginning in China) and
// demo. A grid is taken if its rings are closed and do not cross themselves,
// its positions are in range, its code is new, and it lies inside its parent:
//   - its village is among the areas, and
//   - its polygon lies inside the border of each area above it whose border is
//     given in the collection's member borders, an object of geometries by
//     12-digit code. Real borders of villages are rarely at hand; one of the
//     county is enough to catch a polygon in the wrong place.
//
// Grids may overlap: the rule of Index.Locate decides. They come back in
// WGS-84, the original kept, without tenant and set version.
//
// ReadGrids returns an *ImportError that lists every mistake, and then no grid.
func ReadGrids(r io.Reader, areas []Area, taken []Code) ([]Grid, error) {
	in := gridReader{areas: map[Code]bool{}, taken: map[Code]string{}, mistakes: ImportError{what: "grids"}}
	for _, a := range areas {
		in.areas[a.Code] = true
	}
	for _, code := range taken {
		in.taken[code] = "the code is taken by a grid that is already there"
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read grid file: %w", err)
	}
	var file collection[json.RawMessage]
	if err := json.Unmarshal(raw, &file); err != nil {
		in.mistakes.refuse("", 0, "", "the file is not a GeoJSON FeatureCollection of grids")
		return nil, in.mistakes.orNil()
	}
	in.read(file)
	if err := in.mistakes.orNil(); err != nil {
		return nil, err
	}
	return in.grids, nil
}

type gridReader struct {
	areas    map[Code]bool
	taken    map[Code]string // why a code cannot be had
	borders  map[Code]orb.MultiPolygon
	datum    Datum
	grids    []Grid
	mistakes ImportError
}

func (in *gridReader) read(file collection[json.RawMessage]) {
	if file.Type != "FeatureCollection" {
		in.mistakes.refuse("", 0, "", "the type is not FeatureCollection")
	}
	if in.datum = file.Datum; !in.datum.Known() {
		in.mistakes.refuse("", 0, "", "the file does not declare its datum: wgs84, cgcs2000, gcj02 or bd09")
	}
	if len(file.Features) == 0 {
		in.mistakes.refuse("", 0, "", "the file has no feature")
	}
	in.borders = map[Code]orb.MultiPolygon{}
	for _, code := range slices.Sorted(maps.Keys(file.Borders)) {
		border, err := file.Borders[code].decode()
		if err == nil && !in.areas[code] {
			err = errors.New("its area is not among the areas")
		}
		if err != nil {
			in.mistakes.refuse("", 0, code, "a border in borders: %v", err)
			continue
		}
		in.borders[code] = border
	}
	for i, raw := range file.Features {
		var f feature
		if err := json.Unmarshal(raw, &f); err != nil {
			in.mistakes.refuse("", i+1, "", "the feature is not GeoJSON, or its code, name or date is not text")
			continue
		}
		in.take(i+1, f)
	}
}

// take checks a feature, notes each of its mistakes, and keeps the grid.
func (in *gridReader) take(row int, f feature) {
	p := f.Properties
	refuse := func(format string, args ...any) { in.mistakes.refuse("", row, p.Code, format, args...) }
	if f.Type != "Feature" {
		refuse("the type is not Feature")
	}
	if p.Code.Level() != Cell {
		refuse("a grid's code is 15 digits, the last three not 000")
	} else {
		if !in.areas[p.Code.Parent()] {
			refuse("its village is not among the areas")
		}
		if why, ok := in.taken[p.Code]; ok {
			refuse("%s", why)
		}
		in.taken[p.Code] = fmt.Sprintf("the code is that of row %d too", row)
	}
	if strings.TrimSpace(p.Name) == "" {
		refuse("the name is empty")
	}
	from, err := day(p.ValidFrom)
	if err != nil {
		refuse("valid_from is not a date such as 2026-01-31")
	}
	polygons, err := f.Geometry.decode()
	if err != nil {
		refuse("%v", err)
		return
	}
	for _, code := range p.Code.Chain() {
		if border, ok := in.borders[code]; ok && !inside(polygons, border) {
			refuse("the polygon is not inside the border of its %s", code.Level())
		}
	}
	in.grids = append(in.grids, in.grid(p, from, polygons))
}

// grid makes the grid of a feature, its polygon converted.
func (in *gridReader) grid(p properties, from *time.Time, polygons orb.MultiPolygon) Grid {
	g := Grid{Code: p.Code, Name: strings.TrimSpace(p.Name), Polygon: NewGeometry(polygons), From: from, Demo: p.Demo}
	if in.datum == DatumWGS84 {
		return g
	}
	g.Original = &Original{Datum: in.datum, Polygon: NewGeometry(polygons.Clone())}
	for _, polygon := range polygons {
		for _, ring := range polygon {
			for i := range ring {
				ring[i] = in.datum.toWGS84(ring[i]).point()
			}
		}
	}
	return g
}

// day returns the beginning of a day in China (UTC+8 all year), nil for no day.
func day(s string) (*time.Time, error) {
	if s == "" {
		return nil, nil
	}
	t, err := time.ParseInLocation(time.DateOnly, s, time.FixedZone("", 8*60*60))
	t = t.UTC()
	return &t, err
}

// decode reads the polygons and checks them.
func (g rawGeom) decode() (orb.MultiPolygon, error) {
	// Pointers, as null would otherwise pass as the number 0.
	var raw [][][][]*float64
	var err error
	switch g.Type {
	case "MultiPolygon":
		err = json.Unmarshal(g.Coordinates, &raw)
	case "Polygon":
		raw = make([][][][]*float64, 1)
		err = json.Unmarshal(g.Coordinates, &raw[0])
	default:
		return nil, errors.New("the geometry is neither Polygon nor MultiPolygon")
	}
	if err != nil || len(raw) == 0 {
		return nil, errors.New("the coordinates are not those of the geometry's type")
	}
	polygons := make(orb.MultiPolygon, len(raw))
	for i, rings := range raw {
		polygons[i] = make(orb.Polygon, len(rings))
		for j, positions := range rings {
			for _, position := range positions {
				p, err := point(position)
				if err != nil {
					return nil, err
				}
				polygons[i][j] = append(polygons[i][j], p)
			}
		}
		if err := checkPolygon(polygons[i]); err != nil {
			return nil, err
		}
	}
	return polygons, nil
}

// point reads a position; a height in it is left out.
func point(position []*float64) (orb.Point, error) {
	if len(position) < 2 || position[0] == nil || position[1] == nil {
		return orb.Point{}, errors.New("a position is not a longitude and a latitude")
	}
	p := orb.Point{*position[0], *position[1]}
	if math.Abs(p.Lon()) > 180 || math.Abs(p.Lat()) > 90 {
		return orb.Point{}, errors.New("a position is out of range: the longitude comes first")
	}
	return p, nil
}
