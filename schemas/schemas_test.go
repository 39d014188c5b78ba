package schemas

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

const sample = `{
  "type": "object", "required": ["name", "at"], "additionalProperties": false,
  "properties": {
    "name": {"type": "string", "minLength": 2, "maxLength": 4},
    "at": {"$ref": "common.json#/$defs/place"},
    "day": {"$ref": "common.json#/$defs/date"},
    "fen": {"$ref": "common.json#/$defs/fen"},
    "kind": {"enum": ["a", "b"]},
    "id": {"$ref": "common.json#/$defs/id"},
    "words": {"type": "object", "additionalProperties": {"type": "string"}},
    "tags": {"type": "array", "maxItems": 2, "uniqueItems": true, "items": {"type": "string"}},
    "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]}
  }
}`

func testSet(t *testing.T) set {
	t.Helper()
	common, err := os.ReadFile("json/common.json")
	if err != nil {
		t.Fatal(err)
	}
	s, err := compile(fstest.MapFS{"json/common.json": {Data: common}, "json/sample.json": {Data: []byte(sample)}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBodies(t *testing.T) {
	t.Parallel()
	s := testSet(t)
	const at = `"at":{"lon":126.5,"lat":44.8,"datum":"gcj02"}`
	tests := map[string]struct {
		body string
		want []string // field + space + code
	}{
		"right":                 {`{"name":"名字",` + at + `}`, nil},
		"empty":                 {``, []string{" body.syntax"}},
		"cut off":               {`{"name":`, []string{"/name body.syntax"}},
		"not closed":            {`{"name":"ab"`, []string{" body.syntax"}},
		"two values":            {`{"name":"ab",` + at + `} {}`, []string{" body.syntax"}},
		"trailing comma":        {`{"name":"ab",` + at + `,}`, []string{" body.syntax"}},
		"not an object":         {`[]`, []string{" body.type"}},
		"null":                  {`null`, []string{" body.type"}},
		"broken UTF-8":          {"{\"name\":\"\xff\"}", []string{" body.encoding"}},
		"NUL":                   {`{"name":"a\u0000b"}`, []string{"/name body.encoding"}},
		"NUL in a key":          {`{"a\u0000b":1}`, []string{" body.encoding"}},
		"key twice":             {`{"name":"ab","name":"cd",` + at + `}`, []string{" body.duplicate_key"}},
		"key twice, escaped":    {`{"name":"ab","\u006eame":"cd",` + at + `}`, []string{" body.duplicate_key"}},
		"deep":                  {strings.Repeat("[", 40) + strings.Repeat("]", 40), []string{strings.Repeat("/0", 32) + " body.depth"}},
		"number out of range":   {`{"fen":1e999}`, []string{"/fen body.number"}},
		"number that costs":     {`{"fen":1e-999999999}`, []string{"/fen body.number"}},
		"number too long":       {`{"fen":` + strings.Repeat("1", 41) + `}`, []string{"/fen body.number"}},
		"missing":               {`{}`, []string{"/at body.required", "/name body.required"}},
		"too short":             {`{"name":"a",` + at + `}`, []string{"/name body.too_short"}},
		"too long":              {`{"name":"安全生产网格",` + at + `}`, []string{"/name body.too_long"}},
		"unknown field":         {`{"name":"ab","secretName":1,` + at + `}`, []string{" body.unknown_field"}},
		"wrong type":            {`{"name":7,` + at + `}`, []string{"/name body.type"}},
		"latitude out of range": {`{"name":"ab","at":{"lon":1,"lat":91,"datum":"wgs84"}}`, []string{"/at/lat body.range"}},
		"unknown datum":         {`{"name":"ab","at":{"lon":1,"lat":1,"datum":"xian80"}}`, []string{"/at/datum body.enum"}},
		"no datum":              {`{"name":"ab","at":{"lon":1,"lat":1}}`, []string{"/at/datum body.required"}},
		"no such day":           {`{"name":"ab","day":"2026-02-30",` + at + `}`, []string{"/day body.format"}},
		"fen with a fraction":   {`{"name":"ab","fen":1.5,` + at + `}`, []string{"/fen body.type"}},
		"fen negative":          {`{"name":"ab","fen":-1,` + at + `}`, []string{"/fen body.range"}},
		"not in the list":       {`{"name":"ab","kind":"c",` + at + `}`, []string{"/kind body.enum"}},
		"bad id":                {`{"name":"ab","id":"XYZ",` + at + `}`, []string{"/id body.format"}},
		"own key not repeated":  {`{"name":"ab","words":{"张三":1},` + at + `}`, []string{"/words/* body.type"}},
		"too many, not unique":  {`{"name":"ab","tags":["a","a","b"],` + at + `}`, []string{"/tags body.not_unique", "/tags body.too_many"}},
		"no branch fits":        {`{"name":"ab","either":[],` + at + `}`, []string{"/either body.not_possible"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := s.validate("sample", []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, v := range found {
				got = append(got, v.Field+" "+v.Code)
				if strings.Contains(v.EN+v.ZH, "%!") || strings.Contains(v.EN, "%v") || v.EN == "" || v.ZH == "" {
					t.Errorf("text of %s is %q, %q", v.Code, v.EN, v.ZH)
				}
				if said := fmt.Sprint(v.Field, v.Code, v.Want, v.EN, v.ZH); strings.Contains(said, "secretName") || strings.Contains(said, "张三") {
					t.Errorf("got %s, want nothing of what was sent in it", said)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEverySchemaCompiles(t *testing.T) {
	t.Parallel()
	names, err := Names()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(names, "common") {
		t.Errorf("got %v, want common among them", names)
	}
	if _, err := Validate("no_such_schema", []byte(`{}`)); err == nil {
		t.Error("got no error, want one for a schema that does not exist")
	}
}

// What the strict parser lets through, encoding/json reads as the same value.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"a":[1,2.5e3,"x",null,true]}`))
	f.Add([]byte(`{"a":1,"a":2}`))
	f.Add([]byte("[\"\\u0000\"]"))
	f.Fuzz(func(t *testing.T, body []byte) {
		value, wrong := parse(body)
		if wrong != nil {
			return
		}
		if !utf8.Valid(body) {
			t.Fatal("got a value from broken UTF-8")
		}
		once, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		again, wrong := parse(once)
		if wrong != nil {
			t.Fatalf("got %s for what was let through before", wrong.Code)
		}
		if diff := cmp.Diff(value, again); diff != "" {
			t.Fatal(diff)
		}
	})
}
