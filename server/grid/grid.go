package grid

import (
	"cmp"
	"slices"
	"time"

	"github.com/paulmach/orb"
	"github.com/paulmach/orb/planar"
)

// Area is a province, city, county, township or village for as long as its code
// meant it: codes change every year, and a record keeps the code of its day.
type Area struct {
	Code       Code       `json:"code" bson:"code"`
	Tenant     string     `json:"tenant,omitempty" bson:"tenant"` // set by who stores it
	Name       string     `json:"name" bson:"name"`
	Level      Level      `json:"level" bson:"level"`
	Parent     Code       `json:"parent,omitempty" bson:"parent,omitempty"`
	From       *time.Time `json:"from,omitempty" bson:"from,omitempty"` // first moment it is valid; nil: always was
	To         *time.Time `json:"to,omitempty" bson:"to,omitempty"`     // first moment it no longer is; nil: still is
	Successors []Code     `json:"successors,omitempty" bson:"successors,omitempty"`
}

// Geometry is a GeoJSON MultiPolygon (RFC 7946), positions as longitude and
// latitude in degrees. A Polygon is kept as a MultiPolygon of one.
type Geometry struct {
	Type        string           `json:"type" bson:"type"`
	Coordinates orb.MultiPolygon `json:"coordinates" bson:"coordinates"`
}

// NewGeometry returns the geometry of polygons, each an outer ring and its holes.
func NewGeometry(polygons orb.MultiPolygon) Geometry {
	return Geometry{Type: polygons.GeoJSONType(), Coordinates: polygons}
}

// Grid is a grid (网格): the part of a village that one inspector answers for.
type Grid struct {
	Code       Code       `json:"code" bson:"code"`
	Tenant     string     `json:"tenant,omitempty" bson:"tenant"` // set by who stores it
	Name       string     `json:"name" bson:"name"`
	Polygon    Geometry   `json:"polygon" bson:"polygon"`                       // WGS-84
	Original   *Original  `json:"original,omitempty" bson:"original,omitempty"` // as surveyed, if not in WGS-84
	From       *time.Time `json:"from,omitempty" bson:"from,omitempty"`         // first moment it is valid; nil: always was
	To         *time.Time `json:"to,omitempty" bson:"to,omitempty"`             // first moment it no longer is; nil: still is
	Demo       bool       `json:"demo,omitempty" bson:"demo,omitempty"`         // made up, no real border
	SetVersion int        `json:"setVersion" bson:"set_version"`                // the import that brought it; set by who stores it
}

// Original is a polygon as it came, before it was converted to WGS-84.
type Original struct {
	Datum   Datum    `json:"datum" bson:"datum"`
	Polygon Geometry `json:"polygon" bson:"polygon"`
}

// ValidAt says whether g is in use at t.
func (g Grid) ValidAt(t time.Time) bool { return within(t, g.From, g.To) }

// within says whether t lies in [from, to), an absent end being open.
func within(t time.Time, from, to *time.Time) bool {
	return (from == nil || !t.Before(*from)) && (to == nil || t.Before(*to))
}

// Centre returns a point that lies inside g and not on its border: the middle
// of the widest stretch that a line of latitude has inside the largest polygon.
// It needs a polygon that ReadGrids lets through.
func (g Grid) Centre() WGS84 {
	largest := slices.MaxFunc(g.Polygon.Coordinates, func(a, b orb.Polygon) int {
		return cmp.Compare(planar.Area(a), planar.Area(b))
	})
	lat := quietLatitude(largest)
	var crossings []float64
	for _, s := range segments(largest) {
		if (s.a.Lat() > lat) != (s.b.Lat() > lat) {
			t := (lat - s.a.Lat()) / (s.b.Lat() - s.a.Lat())
			crossings = append(crossings, s.a.Lon()+t*(s.b.Lon()-s.a.Lon()))
		}
	}
	slices.Sort(crossings)
	var at, widest float64
	for i := 0; i+1 < len(crossings); i += 2 {
		if width := crossings[i+1] - crossings[i]; width > widest {
			at, widest = crossings[i]+width/2, width
		}
	}
	return WGS84{Lon: at, Lat: lat}
}

// quietLatitude returns a latitude that the polygon spans and that is as far as
// can be from those of its corners.
func quietLatitude(p orb.Polygon) float64 {
	var lats []float64
	for _, s := range segments(p) {
		lats = append(lats, s.a.Lat())
	}
	slices.Sort(lats)
	var lat, gap float64
	for i := 1; i < len(lats); i++ {
		if d := lats[i] - lats[i-1]; d > gap {
			lat, gap = lats[i-1]+d/2, d
		}
	}
	return lat
}
