package grid

import (
	"math"

	"github.com/paulmach/orb"
)

// Datum names the reference that a longitude and a latitude are given in.
type Datum string

// The datums. CGCS2000, which the natural-resources system requires, and
// WGS-84, which phones give, differ by centimetres and count as the same here.
// Maps of AMap and Tencent use GCJ-02 and those of Baidu BD-09, 50 to 700 m
// away: enough for the wrong village.
const (
	DatumWGS84    Datum = "wgs84"
	DatumCGCS2000 Datum = "cgcs2000"
	DatumGCJ02    Datum = "gcj02"
	DatumBD09     Datum = "bd09"
)

// Known says whether d is a datum that can be converted.
func (d Datum) Known() bool {
	switch d {
	case DatumWGS84, DatumCGCS2000, DatumGCJ02, DatumBD09:
		return true
	}
	return false
}

// toWGS84 converts a point given in a known datum.
func (d Datum) toWGS84(p orb.Point) WGS84 {
	switch d {
	case DatumGCJ02:
		return GCJ02{p.Lon(), p.Lat()}.WGS84()
	case DatumBD09:
		return BD09{p.Lon(), p.Lat()}.GCJ02().WGS84()
	case DatumWGS84, DatumCGCS2000:
	}
	return WGS84{p.Lon(), p.Lat()}
}

// WGS84 is a point in WGS-84, in degrees.
type WGS84 struct {
	Lon float64 `json:"lon" bson:"lon"`
	Lat float64 `json:"lat" bson:"lat"`
}

// GCJ02 is a point in GCJ-02, in degrees.
type GCJ02 struct{ Lon, Lat float64 }

// BD09 is a point in BD-09, in degrees.
type BD09 struct{ Lon, Lat float64 }

func (p WGS84) point() orb.Point { return orb.Point{p.Lon, p.Lat} }

// GCJ02 shifts p by the public formula. A point outside China stays where it is.
func (p WGS84) GCJ02() GCJ02 {
	lon, lat := gcjShift(p.Lon, p.Lat)
	return GCJ02{lon, lat}
}

// WGS84 undoes the shift of GCJ-02, to well below half a metre.
func (p GCJ02) WGS84() WGS84 {
	lon, lat := invert(gcjShift, p.Lon, p.Lat)
	return WGS84{lon, lat}
}

// BD09 shifts p by the public formula.
func (p GCJ02) BD09() BD09 {
	lon, lat := bdShift(p.Lon, p.Lat)
	return BD09{lon, lat}
}

// GCJ02 undoes the shift of BD-09. The inverse formula that is passed around is
// up to a metre off; this one is exact to well below that.
func (p BD09) GCJ02() GCJ02 {
	lon, lat := invert(bdShift, p.Lon, p.Lat)
	return GCJ02{lon, lat}
}

// gcjShift is the public formula from WGS-84 to GCJ-02: a sum of sines in metres
// around 105° E 35° N, turned into degrees on the Krasovsky ellipsoid.
func gcjShift(lon, lat float64) (float64, float64) {
	if outOfChina(lon, lat) {
		return lon, lat
	}
	const (
		axis         = 6378245.0              // semi-major axis, metres
		eccentricity = 0.00669342162296594323 // first eccentricity squared
	)
	x, y := lon-105, lat-35
	short := (20*math.Sin(6*x*math.Pi) + 20*math.Sin(2*x*math.Pi)) * 2 / 3
	east := 300 + x + 2*y + 0.1*x*x + 0.1*x*y + 0.1*math.Sqrt(math.Abs(x)) + short +
		(20*math.Sin(x*math.Pi)+40*math.Sin(x/3*math.Pi))*2/3 +
		(150*math.Sin(x/12*math.Pi)+300*math.Sin(x/30*math.Pi))*2/3
	north := -100 + 2*x + 3*y + 0.2*y*y + 0.1*x*y + 0.2*math.Sqrt(math.Abs(x)) + short +
		(20*math.Sin(y*math.Pi)+40*math.Sin(y/3*math.Pi))*2/3 +
		(160*math.Sin(y/12*math.Pi)+320*math.Sin(y/30*math.Pi))*2/3
	phi := lat * math.Pi / 180
	w2 := 1 - eccentricity*math.Sin(phi)*math.Sin(phi)
	w := math.Sqrt(w2)
	meridian := axis * (1 - eccentricity) / (w2 * w) // radius of curvature north–south
	parallel := axis / w * math.Cos(phi)             // radius of the circle of latitude
	return lon + east/parallel*180/math.Pi, lat + north/meridian*180/math.Pi
}

// bdShift is the public formula from GCJ-02 to BD-09.
func bdShift(lon, lat float64) (float64, float64) {
	if outOfChina(lon, lat) {
		return lon, lat
	}
	const k = math.Pi * 3000 / 180
	r := math.Hypot(lon, lat) + 0.00002*math.Sin(lat*k)
	theta := math.Atan2(lat, lon) + 0.000003*math.Cos(lon*k)
	return r*math.Cos(theta) + 0.0065, r*math.Sin(theta) + 0.006
}

// outOfChina is the box of the public formula: outside it nothing is shifted.
func outOfChina(lon, lat float64) bool {
	return lon < 72.004 || lon > 137.8347 || lat < 0.8293 || lat > 55.8271
}

// invert finds the point that shift takes to (lon, lat). A shift stretches by
// less than 3 %, so each step makes the error, 0.02° at first, at least 30 times
// smaller: eight are at the end of what a float64 can say.
func invert(shift func(lon, lat float64) (float64, float64), lon, lat float64) (float64, float64) {
	x, y := lon, lat
	for range 8 {
		sx, sy := shift(x, y)
		x, y = x+lon-sx, y+lat-sy
	}
	return x, y
}
