// Command demogrids writes made-up grids of 榆树市 as GeoJSON to the standard
// output, in the form that `server grids import` reads:
//
//	go run ./server/grid/demogrids > demo.geojson
package main

import (
	"fmt"
	"os"

	"gridwatch/schemas/catalog/areas"
	"gridwatch/server/grid"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "demo grids:", err)
		os.Exit(1)
	}
}

func run() error {
	known, err := grid.ReadAreas(areas.Files, "220182000000")
	if err != nil {
		return err
	}
	file, err := grid.Demo(known)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(file)
	return err
}
