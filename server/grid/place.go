package grid

import (
	"math"
	"time"

	"gridwatch/server/fault"
)

// Place is a position as a client gave it, kept as it came beside what it was
// converted to.
type Place struct {
	Lon       float64    `json:"lon" bson:"lon"` // degrees east
	Lat       float64    `json:"lat" bson:"lat"` // degrees north
	Datum     Datum      `json:"datum" bson:"datum"`
	AccuracyM float64    `json:"accuracyM,omitempty" bson:"accuracy_m,omitempty"` // radius in metres; 0 if not said
	Provider  string     `json:"provider,omitempty" bson:"provider,omitempty"`    // what found it, such as gps or network
	FixedAt   *time.Time `json:"fixedAt,omitempty" bson:"fixed_at,omitempty"`     // when it was found
}

// WGS84 checks p and converts it. The pointer is where p stands in the input
// (RFC 6901), "" for the root; it goes in front of the field in the fault:
// place.out_of_range, place.no_fix, place.unknown_datum or place.bad_accuracy,
// all Invalid.
func (p Place) WGS84(pointer string) (WGS84, error) {
	switch {
	case !(math.Abs(p.Lon) <= 180): // so written that NaN is refused too
		return WGS84{}, fault.New(fault.Invalid, "place.out_of_range", "a longitude is from -180 to 180 degrees").At(pointer + "/lon")
	case !(math.Abs(p.Lat) <= 90):
		return WGS84{}, fault.New(fault.Invalid, "place.out_of_range", "a latitude is from -90 to 90 degrees").At(pointer + "/lat")
	case p.Lon == 0 && p.Lat == 0:
		return WGS84{}, fault.New(fault.Invalid, "place.no_fix", "0, 0 is what a device without a position gives").At(pointer + "/lon")
	case !(p.AccuracyM >= 0) || math.IsInf(p.AccuracyM, 0):
		return WGS84{}, fault.New(fault.Invalid, "place.bad_accuracy", "an accuracy is a number of metres, not negative").At(pointer + "/accuracyM")
	case !p.Datum.Known():
		return WGS84{}, fault.New(fault.Invalid, "place.unknown_datum", "a datum is wgs84, cgcs2000, gcj02 or bd09").At(pointer + "/datum")
	}
	return p.Datum.toWGS84([2]float64{p.Lon, p.Lat}), nil
}
