package demo

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"

	"gridwatch/media/mediatest"
	"gridwatch/schemas/catalog/areas"
	"gridwatch/server/grid"
)

// Marks of the demo's phone; nobody but the desk may find them in a picture.
const (
	phoneMake   = "DemoPhone"
	phoneSerial = "DEMO-SERIAL-0001"
)

// place is a position as it is sent.
type place struct {
	Lon       float64    `json:"lon"`
	Lat       float64    `json:"lat"`
	Datum     grid.Datum `json:"datum"`
	AccuracyM float64    `json:"accuracyM,omitempty"`
}

// scenery is where the case of a play happens.
type scenery struct {
	grid    grid.Grid
	village string
	target  grid.WGS84
	stood   grid.WGS84
	seed    uint64 // of the pictures
}

// draw picks a village of 五棵树镇; a play after another is likely elsewhere.
func (p *player) draw() (scenery, error) {
	known, err := grid.ReadAreas(areas.Files, county)
	if err != nil {
		return scenery{}, err
	}
	file, err := grid.Demo(known)
	if err != nil {
		return scenery{}, err
	}
	grids, err := grid.ReadGrids(bytes.NewReader(file), known, nil)
	if err != nil {
		return scenery{}, err
	}
	var here []grid.Grid
	for _, g := range grids {
		if g.Code.Under(township) {
			here = append(here, g)
		}
	}
	at, err := p.pick(len(here))
	if err != nil {
		return scenery{}, err
	}
	seed, err := p.pick(math.MaxInt32)
	if err != nil {
		return scenery{}, err
	}
	s := scenery{grid: here[at], target: here[at].Centre(), seed: uint64(seed)} //nolint:gosec // not negative
	for _, a := range known {
		if a.Code == s.grid.Code.Parent() {
			s.village = a.Name
		}
	}
	s.stood = grid.WGS84{Lon: s.target.Lon + 0.0006, Lat: s.target.Lat + 0.0003} // some 60 m away
	return s, nil
}

// photo draws a picture taken at a point, with the EXIF a phone writes.
func (p *player) photo(at grid.WGS84, nth uint64) []byte {
	return mediatest.Picture(mediatest.Options{
		Seed: p.place.seed + nth, Lon: at.Lon, Lat: at.Lat, Accuracy: 8, Time: p.Now(), Make: phoneMake, Model: "D1", Serial: phoneSerial,
	})
}

// checkClean makes sure that a picture tells nothing of the phone it came from.
func checkClean(picture []byte) error {
	for _, mark := range []string{"Exif", phoneMake, phoneSerial} {
		if bytes.Contains(picture, []byte(mark)) {
			return fmt.Errorf("the released copy still holds %q", mark)
		}
	}
	return nil
}

func digestOf(file []byte) string {
	sum := sha256.Sum256(file)
	return hex.EncodeToString(sum[:])
}
