package grid_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gridwatch/server/fault"
	"gridwatch/server/grid"
)

var update = flag.Bool("update", false, "write the golden files")

// TestReadGridsRefuses reads a file in which every feature is wrong in a way of
// its own, and compares the list of refusals.
func TestReadGridsRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ in, golden string }{
		"features":   {"testdata/refused.geojson", "testdata/refused.golden"},
		"collection": {"testdata/refused_whole.geojson", "testdata/refused_whole.golden"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in, err := os.ReadFile(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			got, err := grid.ReadGrids(bytes.NewReader(in), yushu(t), []grid.Code{"220182100200009"})
			if got != nil || fault.CodeOf(err) != "grids.refused" || fault.KindOf(err) != fault.Invalid {
				t.Fatalf("got %d grids and %v, want none and Invalid grids.refused", len(got), err)
			}
			if *update {
				if err := os.WriteFile(tt.golden, []byte(err.Error()+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, readErr := os.ReadFile(tt.golden)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if diff := cmp.Diff(string(want), err.Error()+"\n"); diff != "" {
				t.Errorf("refusals (-want +got), -update writes them:\n%s", diff)
			}
		})
	}
}

func TestReadGridsRefusesAFile(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ in, reason string }{
		"empty":          {``, "the file is not a GeoJSON FeatureCollection of grids"},
		"cut off":        {`{"type":"FeatureCollection","datum":"wgs84","features":[`, "the file is not a GeoJSON FeatureCollection of grids"},
		"two values":     {`{} {}`, "the file is not a GeoJSON FeatureCollection of grids"},
		"no features":    {`{"type":"FeatureCollection","datum":"wgs84","features":[]}`, "the file has no feature"},
		"features null":  {`{"type":"FeatureCollection","datum":"wgs84"}`, "the file has no feature"},
		"feature number": {`{"type":"FeatureCollection","datum":"wgs84","features":[7]}`, "the feature is not GeoJSON, or its code, name or date is not text"},
		"feature null":   {`{"type":"FeatureCollection","datum":"wgs84","features":[null]}`, "the type is not Feature"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := grid.ReadGrids(strings.NewReader(tt.in), yushu(t), nil)
			var refused *grid.ImportError
			if !errors.As(err, &refused) || refused.Rows[0].Reason != tt.reason {
				t.Errorf("got %v, want first %q", err, tt.reason)
			}
		})
	}
	if _, err := grid.ReadGrids(iotest.ErrReader(os.ErrClosed), nil, nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a reader that fails: %v, want its error", err)
	}
}

// TestReadGridsConverts reads a file in GCJ-02 with a hole, a height, two parts
// and a date.
func TestReadGridsConverts(t *testing.T) {
	t.Parallel()
	const file = `{"type":"FeatureCollection","datum":"gcj02","features":[
	 {"type":"Feature","properties":{"code":"220182100200001","name":" 合发一网格 ","valid_from":"2026-01-01"},
	  "geometry":{"type":"Polygon","coordinates":[
	   [[126.1,44.8,150],[126.2,44.8],[126.2,44.9],[126.1,44.9],[126.1,44.8,150]],
	   [[126.14,44.84],[126.14,44.86],[126.16,44.86],[126.14,44.84]]]}},
	 {"type":"Feature","properties":{"code":"220182100200002","name":"合发二网格","demo":true},
	  "geometry":{"type":"MultiPolygon","coordinates":[
	   [[[126.2,44.8],[126.3,44.8],[126.3,44.9],[126.2,44.8]]],
	   [[[126.4,44.8],[126.5,44.8],[126.5,44.9],[126.4,44.8]]]]}}]}`
	got, err := grid.ReadGrids(strings.NewReader(file), yushu(t), []grid.Code{"220182100200003"})
	if err != nil || len(got) != 2 {
		t.Fatalf("got %d grids, %v", len(got), err)
	}
	g := got[0]
	if want := time.Date(2025, 12, 31, 16, 0, 0, 0, time.UTC); g.From == nil || !g.From.Equal(want) || g.To != nil {
		t.Errorf("valid from %v to %v, want from %v, midnight in China", g.From, g.To, want)
	}
	if g.Name != "合发一网格" || g.Demo || !got[1].Demo || len(got[1].Polygon.Coordinates) != 2 {
		t.Errorf("got %+v and %+v", g, got[1])
	}
	if g.Original == nil || g.Original.Datum != grid.DatumGCJ02 || g.Original.Polygon.Coordinates[0][0][0] != [2]float64{126.1, 44.8} {
		t.Errorf("the original is not kept: %+v", g.Original)
	}
	corner := grid.GCJ02{Lon: 126.1, Lat: 44.8}.WGS84()
	if got := g.Polygon.Coordinates[0][0][0]; got != [2]float64{corner.Lon, corner.Lat} {
		t.Errorf("the corner is %v, want %v", got, corner)
	}
	index := grid.NewIndex(got, noon)
	shared := grid.GCJ02{Lon: 126.2, Lat: 44.8}.WGS84()
	if found, _ := index.Locate(shared); found.Code != g.Code {
		t.Errorf("the shared corner lies in %q, want %q", found.Code, g.Code)
	}
	if found, ok := index.Locate(grid.GCJ02{Lon: 126.145, Lat: 44.855}.WGS84()); ok {
		t.Errorf("the hole lies in %q", found.Code)
	}

	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var back []grid.Grid
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, back); diff != "" {
		t.Errorf("through JSON (-want +got):\n%s", diff)
	}
}

func demo(tb testing.TB) []grid.Grid {
	tb.Helper()
	known := yushu(tb)
	file, err := grid.Demo(known)
	if err != nil {
		tb.Fatal(err)
	}
	grids, err := grid.ReadGrids(bytes.NewReader(file), known, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return grids
}

func TestDemo(t *testing.T) {
	t.Parallel()
	known, grids := yushu(t), demo(t)
	once, err := grid.Demo(known)
	if err != nil {
		t.Fatal(err)
	}
	again, err := grid.Demo(known)
	if err != nil || !bytes.Equal(once, again) {
		t.Errorf("the second run differs (%v)", err)
	}
	index := grid.NewIndex(grids, noon)
	villages := map[grid.Code]bool{}
	for _, g := range grids {
		villages[g.Code.Parent()] = true
		if !g.Demo || !strings.HasSuffix(g.Name, "（演示）") || g.Original != nil {
			t.Errorf("%s %s is not labelled a demo in WGS-84", g.Code, g.Name)
		}
		if found, _ := index.Locate(g.Centre()); found.Code != g.Code {
			t.Errorf("the centre of %s lies in %s", g.Code, found.Code)
		}
	}
	if len(villages) != 410 || len(grids) != 428 {
		t.Errorf("got %d grids in %d villages, want 428 in 410", len(grids), len(villages))
	}
	if _, err := grid.Demo(nil); err == nil {
		t.Error("Demo of no areas gives no error")
	}
}

// TestDemoHasNoGaps: every point of the extent lies in a grid, the corners of
// the boxes and their neighbourhood included.
func TestDemoHasNoGaps(t *testing.T) {
	t.Parallel()
	grids := demo(t)
	index := grid.NewIndex(grids, noon)
	rapid.Check(t, func(t *rapid.T) {
		p := grid.WGS84{
			Lon: rapid.Float64Range(126.0289, 127.0858).Draw(t, "lon"),
			Lat: rapid.Float64Range(44.5158, 45.2506).Draw(t, "lat"),
		}
		if rapid.Bool().Draw(t, "near a corner") {
			box := rapid.SampledFrom(grids).Draw(t, "grid").Polygon.Coordinates.Bound()
			p.Lon = math.Min(127.0858, box.Max[0]+rapid.Float64Range(-1e-9, 1e-9).Draw(t, "east"))
			p.Lat = math.Max(44.5158, box.Min[1]+rapid.Float64Range(-1e-9, 1e-9).Draw(t, "north"))
		}
		got, ok := index.Locate(p)
		if !ok || got.Code != bruteForce(grids, p) {
			t.Fatalf("Locate(%v) = %q, brute force %q", p, got.Code, bruteForce(grids, p))
		}
	})
}

// BenchmarkLocate compares the tree with looking at every polygon, on the demo set.
func BenchmarkLocate(b *testing.B) {
	grids := demo(b)
	index := grid.NewIndex(grids, noon)
	points := make([]grid.WGS84, len(grids))
	for i, g := range grids {
		points[i] = g.Centre()
	}
	ways := map[string]func(grid.WGS84) grid.Code{
		"tree":  func(p grid.WGS84) grid.Code { g, _ := index.Locate(p); return g.Code },
		"brute": func(p grid.WGS84) grid.Code { return bruteForce(grids, p) },
	}
	for name, locate := range ways {
		b.Run(name, func(b *testing.B) {
			i := 0
			for b.Loop() {
				if locate(points[i%len(points)]) != grids[i%len(points)].Code {
					b.Fatal("wrong grid")
				}
				i++
			}
		})
	}
}
