package grid_test

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"

	"gridwatch/server/fault"
	"gridwatch/server/grid"
)

// TestPublishedPairs compares with figures that others published:
//   - googollee/eviltransform, python/test.py: shanghai, shenzhen, beijing; its
//     earth is 6,378,137 m, a centimetre's difference. (Its two pairs from BD-09
//     are left out: its own code misses them by 10 and 41 m.)
//   - wandergis/coordtransform, test/app.js: 116.404, 39.915; its inverses are
//     approximate, so those are compared within 2 m.
//   - hujiulong/gcoord, test/fixtures/china-cities.json: shenyang, jiuquan and
//     quanzhou, as map services answer: the public formula is 0.7 m off them.
func TestPublishedPairs(t *testing.T) {
	t.Parallel()
	wgsToGCJ := func(p grid.WGS84) grid.WGS84 { return grid.WGS84(p.GCJ02()) }
	gcjToWGS := func(p grid.WGS84) grid.WGS84 { return grid.GCJ02(p).WGS84() }
	gcjToBD := func(p grid.WGS84) grid.WGS84 { return grid.WGS84(grid.GCJ02(p).BD09()) }
	bdToGCJ := func(p grid.WGS84) grid.WGS84 { return grid.WGS84(grid.BD09(p).GCJ02()) }
	bdToWGS := func(p grid.WGS84) grid.WGS84 { return grid.BD09(p).GCJ02().WGS84() }
	tests := map[string]struct {
		convert    func(grid.WGS84) grid.WGS84
		from, want grid.WGS84
		withinM    float64
	}{
		"wgs84 to gcj02, shanghai": {wgsToGCJ, grid.WGS84{121.5272106, 31.1774276}, grid.WGS84{121.531541859215, 31.17530398364597}, 0.05},
		"wgs84 to gcj02, shenzhen": {wgsToGCJ, grid.WGS84{113.912316, 22.543847}, grid.WGS84{113.9171764808363, 22.540796131694766}, 0.05},
		"wgs84 to gcj02, beijing":  {wgsToGCJ, grid.WGS84{116.377817, 39.911954}, grid.WGS84{116.38404722455657, 39.91334545536069}, 0.05},
		"gcj02 to wgs84, shanghai": {gcjToWGS, grid.WGS84{121.531541859215, 31.17530398364597}, grid.WGS84{121.5272106, 31.1774276}, 0.05},
		"gcj02 to wgs84, shenzhen": {gcjToWGS, grid.WGS84{113.9171764808363, 22.540796131694766}, grid.WGS84{113.912316, 22.543847}, 0.05},
		"gcj02 to wgs84, beijing":  {gcjToWGS, grid.WGS84{116.38404722455657, 39.91334545536069}, grid.WGS84{116.377817, 39.911954}, 0.05},
		"wgs84 to gcj02":           {wgsToGCJ, grid.WGS84{116.404, 39.915}, grid.WGS84{116.41024449916938, 39.91640428150164}, 1e-6},
		"gcj02 to wgs84":           {gcjToWGS, grid.WGS84{116.404, 39.915}, grid.WGS84{116.39775550083061, 39.91359571849836}, 2},
		"gcj02 to bd09":            {gcjToBD, grid.WGS84{116.404, 39.915}, grid.WGS84{116.41036949371029, 39.92133699351021}, 1e-6},
		"bd09 to gcj02":            {bdToGCJ, grid.WGS84{116.404, 39.915}, grid.WGS84{116.39762729119315, 39.90865673957631}, 2},
		"wgs84 to gcj02, shenyang": {wgsToGCJ, grid.WGS84{123.4253306, 41.8032629}, grid.WGS84{123.4314787, 41.8057023}, 0.7},
		"gcj02 to bd09, shenyang":  {gcjToBD, grid.WGS84{123.4314787, 41.8057023}, grid.WGS84{123.438095, 41.8114013}, 0.05},
		"bd09 to wgs84, shenyang":  {bdToWGS, grid.WGS84{123.438095, 41.8114013}, grid.WGS84{123.4253306, 41.8032629}, 0.7},
		"wgs84 to gcj02, jiuquan":  {wgsToGCJ, grid.WGS84{98.4937175, 39.7319946}, grid.WGS84{98.4943595, 39.7328234}, 0.7},
		"gcj02 to bd09, jiuquan":   {gcjToBD, grid.WGS84{98.4943595, 39.7328234}, grid.WGS84{98.5008441, 39.7388949}, 0.05},
		"bd09 to wgs84, jiuquan":   {bdToWGS, grid.WGS84{98.5008441, 39.7388949}, grid.WGS84{98.4937175, 39.7319946}, 0.7},
		"wgs84 to gcj02, quanzhou": {wgsToGCJ, grid.WGS84{118.6711365, 24.8770487}, grid.WGS84{118.6756787, 24.8741363}, 0.7},
		"gcj02 to bd09, quanzhou":  {gcjToBD, grid.WGS84{118.6756787, 24.8741363}, grid.WGS84{118.6821251, 24.8804872}, 0.05},
		"bd09 to wgs84, quanzhou":  {bdToWGS, grid.WGS84{118.6821251, 24.8804872}, grid.WGS84{118.6711365, 24.8770487}, 0.7},
		"out of China, tokyo":      {wgsToGCJ, grid.WGS84{139.7, 35.7}, grid.WGS84{139.7, 35.7}, 0},
		"too far north":            {wgsToGCJ, grid.WGS84{110, 56}, grid.WGS84{110, 56}, 0},
		"too far south":            {wgsToGCJ, grid.WGS84{110, 0.5}, grid.WGS84{110, 0.5}, 0},
		"out of China, inverse":    {bdToWGS, grid.WGS84{-0.1, 51.5}, grid.WGS84{-0.1, 51.5}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := tt.convert(tt.from)
			if d := grid.DistanceM(got, tt.want); d > tt.withinM {
				t.Errorf("got %v, want %v: %.3f m apart, allowed %g", got, tt.want, d, tt.withinM)
			}
		})
	}
}

// TestRoundTrip goes to the other datums and back anywhere in the box of the
// formula but for a rim: a shift over its edge is not to be undone.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := grid.WGS84{
			Lon: rapid.Float64Range(72.1, 137.7).Draw(t, "lon"),
			Lat: rapid.Float64Range(0.9, 55.7).Draw(t, "lat"),
		}
		gcj := p.GCJ02()
		shift := grid.DistanceM(p, grid.WGS84(gcj))
		if shift == 0 || shift > 2000 {
			t.Fatalf("gcj02 shifts %v by %.1f m", p, shift)
		}
		if d := grid.DistanceM(p, gcj.WGS84()); d > 0.001 {
			t.Fatalf("%v back from gcj02 is %.4f m away", p, d)
		}
		if d := grid.DistanceM(p, gcj.BD09().GCJ02().WGS84()); d > 0.001 {
			t.Fatalf("%v back from bd09 is %.4f m away", p, d)
		}
	})
}

// TestPlacesOnALineOfNought: only where both are nought a device had no position.
func TestPlacesOnALineOfNought(t *testing.T) {
	t.Parallel()
	for _, p := range []grid.Place{{Lat: 44.8, Datum: grid.DatumWGS84}, {Lon: 126.5, Datum: grid.DatumWGS84}} {
		if got, err := p.WGS84(""); err != nil || got != (grid.WGS84{Lon: p.Lon, Lat: p.Lat}) {
			t.Errorf("%+v: got %v, %v", p, got, err)
		}
	}
}

func TestPlace(t *testing.T) {
	t.Parallel()
	beijing := grid.WGS84{Lon: 116.404, Lat: 39.915}
	gcj := beijing.GCJ02()
	bd := gcj.BD09()
	tests := map[string]struct {
		place       grid.Place
		code, field string
	}{
		"wgs84":                 {place: grid.Place{Lon: beijing.Lon, Lat: beijing.Lat, Datum: grid.DatumWGS84, AccuracyM: 12}},
		"cgcs2000":              {place: grid.Place{Lon: beijing.Lon, Lat: beijing.Lat, Datum: grid.DatumCGCS2000}},
		"gcj02":                 {place: grid.Place{Lon: gcj.Lon, Lat: gcj.Lat, Datum: grid.DatumGCJ02}},
		"bd09":                  {place: grid.Place{Lon: bd.Lon, Lat: bd.Lat, Datum: grid.DatumBD09}},
		"longitude too large":   {grid.Place{Lon: 180.1, Lat: 1, Datum: grid.DatumWGS84}, "place.out_of_range", "/target/lon"},
		"lon and lat swapped":   {grid.Place{Lon: 39.915, Lat: 116.404, Datum: grid.DatumWGS84}, "place.out_of_range", "/target/lat"},
		"longitude NaN":         {grid.Place{Lon: math.NaN(), Lat: 1, Datum: grid.DatumWGS84}, "place.out_of_range", "/target/lon"},
		"latitude NaN":          {grid.Place{Lon: 1, Lat: math.NaN(), Datum: grid.DatumWGS84}, "place.out_of_range", "/target/lat"},
		"latitude infinite":     {grid.Place{Lon: 1, Lat: math.Inf(-1), Datum: grid.DatumWGS84}, "place.out_of_range", "/target/lat"},
		"no fix":                {grid.Place{Datum: grid.DatumWGS84}, "place.no_fix", "/target/lon"},
		"no datum":              {grid.Place{Lon: 1, Lat: 1}, "place.unknown_datum", "/target/datum"},
		"datum in capitals":     {grid.Place{Lon: 1, Lat: 1, Datum: "WGS84"}, "place.unknown_datum", "/target/datum"},
		"negative accuracy":     {grid.Place{Lon: 1, Lat: 1, Datum: grid.DatumWGS84, AccuracyM: -1}, "place.bad_accuracy", "/target/accuracyM"},
		"accuracy NaN":          {grid.Place{Lon: 1, Lat: 1, Datum: grid.DatumWGS84, AccuracyM: math.NaN()}, "place.bad_accuracy", "/target/accuracyM"},
		"accuracy without end":  {grid.Place{Lon: 1, Lat: 1, Datum: grid.DatumWGS84, AccuracyM: math.Inf(1)}, "place.bad_accuracy", "/target/accuracyM"},
		"the first of mistakes": {grid.Place{Lon: 200, Lat: 100, AccuracyM: -1}, "place.out_of_range", "/target/lon"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.place.WGS84("/target")
			if tt.code == "" {
				if d := grid.DistanceM(got, beijing); err != nil || d > 0.001 {
					t.Errorf("got %v, %v, %.3f m away; want %v", got, err, d, beijing)
				}
				return
			}
			var f *fault.Fault
			if !errors.As(err, &f) {
				t.Fatalf("got error %v, want a fault %s", err, tt.code)
			}
			if f.Kind != fault.Invalid || f.Code != tt.code || f.Field != tt.field {
				t.Errorf("got %v %s at %s, want Invalid %s at %s", f.Kind, f.Code, f.Field, tt.code, tt.field)
			}
		})
	}
}
