package grid_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"gridwatch/schemas/catalog/areas"
	"gridwatch/server/fault"
	"gridwatch/server/grid"
)

const county grid.Code = "220182000000"

func yushu(tb testing.TB) []grid.Area {
	tb.Helper()
	known, err := grid.ReadAreas(areas.Files, county)
	if err != nil {
		tb.Fatal(err)
	}
	return known
}

func TestReadAreasOfARealCounty(t *testing.T) {
	t.Parallel()
	known := yushu(t)
	count := map[string]int{}
	byCode := map[grid.Code]grid.Area{}
	for _, a := range known {
		count[string(a.Level)]++
		byCode[a.Code] = a
		if _, ok := byCode[a.Parent]; !ok && a.Level != grid.Province {
			t.Errorf("%s %s comes before its parent %s", a.Code, a.Name, a.Parent)
		}
	}
	want := map[string]int{"province": 1, "city": 1, "county": 1, "township": 28, "village": 410}
	if diff := cmp.Diff(want, count); diff != "" {
		t.Errorf("areas by level (-want +got):\n%s", diff)
	}
	town := grid.Area{Code: "220182100000", Name: "五棵树镇", Level: grid.Township, Parent: county}
	if diff := cmp.Diff(town, byCode[town.Code]); diff != "" {
		t.Errorf("township (-want +got):\n%s", diff)
	}
}

// csvs returns a small set of area files, some replaced.
func csvs(replaced map[string]string) fstest.MapFS {
	files := map[string]string{
		"provinces.csv": "code,name\n11,北京市\n22,\"吉林省\"\n",
		"cities.csv":    "code,name,provinceCode\n2201,长春市,22\n4419,东莞市,44\n",
		"areas.csv":     "code,name,cityCode,provinceCode\n220182,榆树市,2201,22\n441900,东莞市,4419,44\n",
		"streets.csv":   "code,name,areaCode,provinceCode,cityCode\n220182100,五棵树镇,220182,22,2201\n",
		"villages.csv":  "code,name,streetCode,provinceCode,cityCode,areaCode\n220182100200,合发村委会,220182100,22,2201,220182\n",
	}
	m := fstest.MapFS{}
	for name, text := range files {
		if r, ok := replaced[name]; ok {
			text = r
		}
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func TestReadAreasRefuses(t *testing.T) {
	t.Parallel()
	const (
		streets  = "code,name,areaCode,provinceCode,cityCode\n"
		villages = "code,name,streetCode,provinceCode,cityCode,areaCode\n"
	)
	tests := map[string]struct {
		file, text string
		want       []grid.RowError
	}{
		"nothing": {},
		"wrong header": {"villages.csv", "code,name,streetCode\n", []grid.RowError{
			{"villages.csv", 1, "", `the header is not "code,name,streetCode,provinceCode,cityCode,areaCode"`},
		}},
		"no header": {"villages.csv", "", []grid.RowError{
			{"villages.csv", 1, "", `the header is not "code,name,streetCode,provinceCode,cityCode,areaCode"`},
		}},
		"bad codes": {"streets.csv", streets + "220182100,五棵树镇,220182,22,2201\n22018210x,乙,220182,22,2201\n2201821001,丙,220182,22,2201\n002182100,丁,220182,22,2201\n,戊,220182,22,2201\n", []grid.RowError{
			{"streets.csv", 3, "", "a code here is 9 digits and does not begin with 00"},
			{"streets.csv", 4, "2201821001", "a code here is 9 digits and does not begin with 00"},
			{"streets.csv", 5, "002182100", "a code here is 9 digits and does not begin with 00"},
			{"streets.csv", 6, "", "a code here is 9 digits and does not begin with 00"},
		}},
		"code of another level": {"streets.csv", streets + "220182100,五棵树镇,220182,22,2201\n220182000,乙,220182,22,2201\n", []grid.RowError{
			{"streets.csv", 3, "220182000", "the code is not that of a township"},
		}},
		"duplicate": {"villages.csv", villages + "220182100200,合发村委会,220182100,22,2201,220182\n220182100200,合发村委会,220182100,22,2201,220182\n", []grid.RowError{
			{"villages.csv", 3, "220182100200", "the code is in the file twice"},
		}},
		"empty name": {"villages.csv", villages + "220182100200,\"  \",220182100,22,2201,220182\n", []grid.RowError{
			{"villages.csv", 2, "220182100200", "the name is empty"},
		}},
		"missing parent": {"villages.csv", villages + "220182101200,甲村委会,220182101,22,2201,220182\n", []grid.RowError{
			{"villages.csv", 2, "220182101200", "the area above is not in the files"},
		}},
		"another parent": {"villages.csv", villages + "220182100200,合发村委会,220182101,22,2201,220182\n", []grid.RowError{
			{"villages.csv", 2, "220182100200", "the code does not begin with that of the area above"},
		}},
		"a column too few": {"villages.csv", villages + "220182100200,合发村委会,220182100,22,2201\n", []grid.RowError{
			{"villages.csv", 2, "", "the row has 5 columns, not 6"},
		}},
		"a quote left open": {"villages.csv", villages + "220182100200,\"合发村委会,220182100,22,2201,220182\n", []grid.RowError{
			{"villages.csv", 2, "", "the row is not CSV"},
		}},
		"no county": {"areas.csv", "code,name,cityCode,provinceCode\n220183,德惠市,2201,22\n", []grid.RowError{
			{"streets.csv", 2, "220182100", "the area above is not in the files"},
			{"areas.csv", 0, "220182000000", "the county is not in the file"},
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := grid.ReadAreas(csvs(map[string]string{tt.file: tt.text}), county)
			if tt.want == nil {
				if err != nil || len(got) != 5 {
					t.Fatalf("got %d areas, %v; want 5", len(got), err)
				}
				return
			}
			checkRefusal(t, err, "areas.refused", tt.want)
			if got != nil {
				t.Errorf("got %d areas beside the error", len(got))
			}
		})
	}
}

// checkRefusal checks that err is an import error with these rows and a fault.
func checkRefusal(t *testing.T, err error, code string, want []grid.RowError) {
	t.Helper()
	var refused *grid.ImportError
	if !errors.As(err, &refused) {
		t.Fatalf("got error %v, want an import error", err)
	}
	if diff := cmp.Diff(want, refused.Rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if fault.KindOf(err) != fault.Invalid || fault.CodeOf(err) != code {
		t.Errorf("the fault is %v %q, want Invalid %q", fault.KindOf(err), fault.CodeOf(err), code)
	}
}

func TestReadAreasOfNoCounty(t *testing.T) {
	t.Parallel()
	for _, code := range []grid.Code{"", "220182", "220100000000", "220182100000"} {
		if _, err := grid.ReadAreas(csvs(nil), code); fault.CodeOf(err) != "county.bad_code" {
			t.Errorf("ReadAreas of %q: %v, want county.bad_code", code, err)
		}
	}
	_, err := grid.ReadAreas(csvs(nil), "110101000000")
	checkRefusal(t, err, "areas.refused", []grid.RowError{{"areas.csv", 0, "110101000000", "the county is not in the file"}})
	if want := "areas refused:\nareas.csv as a whole 110101000000: the county is not in the file"; err.Error() != want {
		t.Errorf("the text is %q, want %q", err, want)
	}
	missing := csvs(nil)
	delete(missing, "streets.csv")
	if _, err := grid.ReadAreas(missing, county); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "streets.csv") {
		t.Errorf("without a file: %v, want that streets.csv does not exist", err)
	}
}
