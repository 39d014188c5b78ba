package grid_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gridwatch/server/grid"
)

func TestCode(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		code   grid.Code
		level  grid.Level
		parent grid.Code
	}{
		"province":                   {"220000000000", grid.Province, ""},
		"city":                       {"220100000000", grid.City, "220000000000"},
		"county":                     {"220182000000", grid.County, "220100000000"},
		"township":                   {"220182100000", grid.Township, "220182000000"},
		"village":                    {"220182100201", grid.Village, "220182100000"},
		"grid":                       {"220182100201001", grid.Cell, "220182100201"},
		"township of no county":      {"441900003000", grid.Township, "441900000000"},
		"village of no township":     {"220182000001", grid.Village, "220182000000"},
		"empty":                      {"", "", ""},
		"short":                      {"220182", "", ""},
		"13 digits":                  {"2201821002010", "", ""},
		"a letter":                   {"22018210020x", "", ""},
		"a digit of another script":  {"22018210020１", "", ""},
		"no province":                {"000182100201", "", ""},
		"sequence 000":               {"220182100201000", "", ""},
		"grid right in a township":   {"220182100000001", "", ""},
		"space after it":             {"22018210020 ", "", ""},
		"20 digits as CJ/T 349-2010": {"22018210020100100100", "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tt.code.Level(); got != tt.level {
				t.Errorf("Level() = %q, want %q", got, tt.level)
			}
			if got := tt.code.Parent(); got != tt.parent {
				t.Errorf("Parent() = %q, want %q", got, tt.parent)
			}
			if got, want := tt.code.Valid(), tt.level != ""; got != want {
				t.Errorf("Valid() = %v, want %v", got, want)
			}
		})
	}
}

func TestUnder(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		code, area grid.Code
		want       bool
	}{
		"grid under its county":         {"220182100201001", "220182000000", true},
		"grid under its village":        {"220182100201001", "220182100201", true},
		"grid under itself":             {"220182100201001", "220182100201001", true},
		"county under its province":     {"220182000000", "220000000000", true},
		"city under its county":         {"220100000000", "220182000000", false},
		"another county":                {"220183100201", "220182000000", false},
		"county 10 is not a county 100": {"220182110000", "220182100000", false},
		"another grid of the village":   {"220182100201002", "220182100201001", false},
		"an empty area holds nothing":   {"220182100201", "", false},
		"an empty code lies nowhere":    {"", "220182000000", false},
		"a prefix is not an area":       {"220182100201", "220182", false},
		"a bad code lies nowhere":       {"220182100201000", "220182000000", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tt.code.Under(tt.area); got != tt.want {
				t.Errorf("Code(%q).Under(%q) = %v, want %v", tt.code, tt.area, got, tt.want)
			}
		})
	}
}

func TestChain(t *testing.T) {
	t.Parallel()
	want := []grid.Code{"220182100201001", "220182100201", "220182100000", "220182000000", "220100000000", "220000000000"}
	if diff := cmp.Diff(want, grid.Code("220182100201001").Chain()); diff != "" {
		t.Errorf("Chain() (-want +got):\n%s", diff)
	}
	rapid.Check(t, func(t *rapid.T) {
		code := grid.Code(fmt.Sprintf("%02d%02d%02d%03d%03d",
			rapid.IntRange(1, 99).Draw(t, "province"), rapid.IntRange(0, 99).Draw(t, "city"),
			rapid.IntRange(0, 99).Draw(t, "county"), rapid.IntRange(0, 999).Draw(t, "township"),
			rapid.IntRange(0, 999).Draw(t, "village")))
		chain := code.Chain()
		for _, area := range chain {
			if !code.Under(area) {
				t.Fatalf("%s is not under %s of its own chain", code, area)
			}
		}
		if top := chain[len(chain)-1]; top.Level() != grid.Province || top[:2] != code[:2] {
			t.Fatalf("the chain of %s ends at %s", code, top)
		}
	})
}
