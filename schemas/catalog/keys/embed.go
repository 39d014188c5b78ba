// Package keys holds how long the server's old keys are needed after another
// one took over, by purpose. The numbers are choices: no rule sets them.
package keys

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed default.json
var file []byte

// Term is how long an old key of a purpose is needed, and for what.
type Term struct {
	LookBackHours int    `json:"lookBackHours"` // from when another key took over
	Forever       bool   `json:"forever"`
	Text          string `json:"text"`
}

// Load returns the terms by purpose.
func Load() (map[string]Term, error) {
	d := json.NewDecoder(bytes.NewReader(file))
	d.DisallowUnknownFields()
	var all map[string]Term
	if err := d.Decode(&all); err != nil {
		return nil, fmt.Errorf("terms of keys: %w", err)
	}
	return all, nil
}
