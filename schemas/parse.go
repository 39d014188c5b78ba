package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a body before any schema is asked.
const (
	maxDepth  = 32
	maxNumber = 40 // characters; a longer one has no honest use, and exponents cost memory
)

// parse reads one JSON value more strictly than encoding/json does.
func parse(body []byte) (any, *Violation) {
	if !utf8.Valid(body) {
		return nil, refuse(nil, "body.encoding", nil)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	value, wrong := parseValue(d, nil)
	if wrong != nil {
		return nil, wrong
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, refuse(nil, "body.syntax", nil)
	}
	return value, nil
}

func refuse(path []string, code string, want any) *Violation {
	v := newViolation("", code, want)
	v.path = path
	return &v
}

func parseValue(d *json.Decoder, path []string) (any, *Violation) {
	t, err := d.Token()
	if err != nil {
		return nil, refuse(path, "body.syntax", nil)
	}
	switch v := t.(type) {
	case json.Delim:
		if len(path) >= maxDepth {
			return nil, refuse(path, "body.depth", maxDepth)
		}
		if v == '{' {
			return parseObject(d, path)
		}
		return parseArray(d, path)
	case string:
		if strings.ContainsRune(v, 0) {
			return nil, refuse(path, "body.encoding", nil)
		}
	case json.Number:
		if _, err := strconv.ParseFloat(v.String(), 64); err != nil || len(v) > maxNumber || tiny(v) {
			return nil, refuse(path, "body.number", nil)
		}
	}
	return t, nil
}

// tiny says whether a number has an exponent so small that it reads as zero:
// exact arithmetic on it would take memory by the exponent.
func tiny(n json.Number) bool {
	_, exponent, ok := strings.Cut(strings.ToLower(n.String()), "e")
	if !ok {
		return false
	}
	e, err := strconv.Atoi(exponent)
	return err != nil || e < -300 || e > 300
}

func parseObject(d *json.Decoder, path []string) (any, *Violation) {
	object := map[string]any{}
	for d.More() {
		t, err := d.Token()
		key, ok := t.(string)
		if err != nil || !ok {
			return nil, refuse(path, "body.syntax", nil)
		}
		if strings.ContainsRune(key, 0) {
			return nil, refuse(path, "body.encoding", nil)
		}
		if _, twice := object[key]; twice {
			return nil, refuse(path, "body.duplicate_key", nil)
		}
		value, wrong := parseValue(d, append(path[:len(path):len(path)], key))
		if wrong != nil {
			return nil, wrong
		}
		object[key] = value
	}
	return object, closing(d, path)
}

func parseArray(d *json.Decoder, path []string) (any, *Violation) {
	array := []any{}
	for d.More() {
		value, wrong := parseValue(d, append(path[:len(path):len(path)], strconv.Itoa(len(array))))
		if wrong != nil {
			return nil, wrong
		}
		array = append(array, value)
	}
	return array, closing(d, path)
}

func closing(d *json.Decoder, path []string) *Violation {
	if _, err := d.Token(); err != nil {
		return refuse(path, "body.syntax", nil)
	}
	return nil
}
