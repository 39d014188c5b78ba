// Package grid owns areas, grid polygons, datums, and the answer to "in which
// grid is this point".
//
// It is pure: it reads no database and no clock. Who may see an area is
// casefile's to say, storing is mongostore's.
package grid

import (
	"strings"

	"gridwatch/server/casefile"
)

// Code is an area code or a grid code, kept as text.
//
// An area code is the 12-digit statistics code (统计用区划代码): province 2,
// city 2, county 2, township 3, village 3, the rest of it zero. A grid code
// (单元网格标识码) is a village's code and a 3-digit sequence, 15 digits.
type Code string

// Level is the level of an area. The zero Level is that of what is not a code.
type Level string

// The levels, from the top down.
const (
	Province Level = "province"
	City     Level = "city"
	County   Level = "county"
	Township Level = "township"
	Village  Level = "village" // village or community (村、社区)
	Cell     Level = "grid"    // grid (网格)
)

const (
	areaDigits = 12
	gridDigits = 15
)

// Level returns the level of c, "" if c is not a code. A part in between may be
// zero: a city without counties, such as 东莞市, has townships right below it.
func (c Code) Level() Level {
	if len(c) != areaDigits && len(c) != gridDigits ||
		strings.Trim(string(c), "0123456789") != "" || c[:2] == "00" {
		return ""
	}
	switch {
	case len(c) == gridDigits && c[9:12] != "000" && c[12:] != "000":
		return Cell
	case len(c) == gridDigits:
		return ""
	case c[9:] != "000":
		return Village
	case c[6:9] != "000":
		return Township
	case c[4:6] != "00":
		return County
	case c[2:4] != "00":
		return City
	default:
		return Province
	}
}

// Valid says whether c is an area code or a grid code.
func (c Code) Valid() bool { return c.Level() != "" }

// Parent returns the code of the area that c lies in, "" for a province and for
// what is not a code.
func (c Code) Parent() Code {
	switch c.Level() {
	case Cell:
		return c[:12]
	case Village:
		return pad(c[:9])
	case Township:
		return pad(c[:6])
	case County:
		return pad(c[:4])
	case City:
		return pad(c[:2])
	case Province:
	}
	return ""
}

// Under says whether c lies in the area, or is it. What is not a code lies
// nowhere and holds nothing.
func (c Code) Under(area Code) bool {
	return c.Valid() && area.Valid() && casefile.Under(string(c), string(area))
}

// Chain returns c and the codes above it, from the grid up to the province.
func (c Code) Chain() []Code {
	var chain []Code
	for ; c.Valid(); c = c.Parent() {
		chain = append(chain, c)
	}
	return chain
}

// pad fills the leading digits of an area code up to 12.
func pad(digits Code) Code {
	return digits + Code(strings.Repeat("0", max(0, areaDigits-len(digits))))
}
