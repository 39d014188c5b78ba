// Package schemas holds the contract of every body as JSON Schema 2020-12 and
// checks bodies against it.
//
// A body is refused whole: unknown fields, repeated keys, broken UTF-8 and
// anything after the value are faults, not things to be mended. What is said
// of a fault never repeats what was sent.
package schemas

import (
	"cmp"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// maxViolations bounds an answer.
const maxViolations = 20

// base is the address that schemas refer to each other by; nothing is fetched.
const base = "https://gridwatch.invalid/schemas/"

//go:embed json/*.json
var files embed.FS

// set is every schema, compiled.
type set struct {
	byName map[string]*jsonschema.Schema
	known  map[string]bool // every property name that a schema declares
}

// compiled compiles the embedded schemas once.
var compiled = sync.OnceValues(func() (set, error) { return compile(files) })

// Names lists the schemas: the file names of json/ without their ending.
func Names() ([]string, error) {
	s, err := compiled()
	if err != nil {
		return nil, err
	}
	var names []string
	for n := range s.byName {
		names = append(names, n)
	}
	slices.Sort(names)
	return names, nil
}

// Validate checks a body against the schema of a name. It returns what is
// wrong, at most 20 violations ordered by field. The error says that the
// schema does not exist or does not compile: a defect of ours.
func Validate(name string, body []byte) ([]Violation, error) {
	s, err := compiled()
	if err != nil {
		return nil, err
	}
	return s.validate(name, body)
}

func (s set) validate(name string, body []byte) ([]Violation, error) {
	sch, ok := s.byName[name]
	if !ok {
		return nil, fmt.Errorf("schemas: there is no schema %q", name)
	}
	value, wrong := parse(body)
	if wrong != nil {
		wrong.Field = s.pointer(wrong.path)
		return []Violation{*wrong}, nil
	}
	err := sch.Validate(value)
	var invalid *jsonschema.ValidationError
	if err == nil {
		return nil, nil
	}
	if !errors.As(err, &invalid) {
		return nil, fmt.Errorf("schemas: validate %s: %w", name, err)
	}
	found := s.flatten(invalid, nil)
	slices.SortFunc(found, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Field, b.Field), cmp.Compare(a.Code, b.Code))
	})
	found = slices.CompactFunc(found, func(a, b Violation) bool { return a.Field == b.Field && a.Code == b.Code })
	return found[:min(len(found), maxViolations)], nil
}

// flatten lists the leaves of a tree of errors. The branches of anyOf and
// oneOf are not listed: which of them was meant is not known.
func (s set) flatten(e *jsonschema.ValidationError, into []Violation) []Violation {
	switch e.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf, *kind.Not:
	default:
		if len(e.Causes) > 0 {
			for _, c := range e.Causes {
				into = s.flatten(c, into)
			}
			return into
		}
	}
	at := s.pointer(e.InstanceLocation)
	if missing, ok := e.ErrorKind.(*kind.Required); ok {
		for _, field := range missing.Missing {
			into = append(into, newViolation(at+"/"+field, "body.required", nil))
		}
		return into
	}
	code, want := classify(e.ErrorKind)
	return append(into, newViolation(at, code, want))
}

// pointer makes a JSON pointer (RFC 6901). A segment that is neither an index
// nor a name some schema declares is the sender's own word: it is shown as "*".
func (s set) pointer(segments []string) string {
	var b strings.Builder
	for _, seg := range segments {
		b.WriteByte('/')
		if s.known[seg] || (seg != "" && strings.Trim(seg, "0123456789") == "" && len(seg) < 6) {
			b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(seg))
		} else {
			b.WriteByte('*')
		}
	}
	return b.String()
}

func compile(from fs.FS) (set, error) {
	names, err := fs.Glob(from, "json/*.json")
	if err != nil {
		return set{}, fmt.Errorf("schemas: list: %w", err)
	}
	s := set{byName: map[string]*jsonschema.Schema{}, known: map[string]bool{}}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.UseLoader(jsonschema.SchemeURLLoader{}) // no file and no address is read
	for _, name := range names {
		raw, err := fs.ReadFile(from, name)
		if err != nil {
			return set{}, fmt.Errorf("schemas: read %s: %w", name, err)
		}
		var doc any
		if err := json.Unmarshal(raw, &doc); err != nil {
			return set{}, fmt.Errorf("schemas: parse %s: %w", name, err)
		}
		declared(doc, s.known)
		if err := c.AddResource(base+path.Base(name), doc); err != nil {
			return set{}, fmt.Errorf("schemas: add %s: %w", name, err)
		}
	}
	for _, name := range names {
		sch, err := c.Compile(base + path.Base(name))
		if err != nil {
			return set{}, fmt.Errorf("schemas: compile %s: %w", name, err)
		}
		s.byName[strings.TrimSuffix(path.Base(name), ".json")] = sch
	}
	return s, nil
}

// declared collects the names under every "properties".
func declared(doc any, into map[string]bool) {
	switch v := doc.(type) {
	case map[string]any:
		for key, inner := range v {
			if props, ok := inner.(map[string]any); ok && key == "properties" {
				for name := range props {
					into[name] = true
				}
			}
			declared(inner, into)
		}
	case []any:
		for _, inner := range v {
			declared(inner, into)
		}
	}
}
