// Package retention holds how long reports are kept, by how they ended, and
// where each number comes from.
package retention

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed default.json
var file []byte

// Term is a number of days with its source.
type Term struct {
	Days   int    `json:"days"`
	Choice bool   `json:"choice"` // no rule sets the number
	Source string `json:"source"` // article
	Text   string `json:"text"`
}

// Terms are all terms. A class is one of casefile.Class.
type Terms struct {
	Quiet   Term            `json:"quietDays"`  // after anything new
	Notice  Term            `json:"noticeDays"` // before an erasure
	Classes map[string]Term `json:"classes"`    // from the last change
}

// Load returns the terms that ship with the program.
func Load() (Terms, error) {
	d := json.NewDecoder(bytes.NewReader(file))
	d.DisallowUnknownFields()
	var t Terms
	if err := d.Decode(&t); err != nil {
		return t, fmt.Errorf("terms of retention: %w", err)
	}
	return t, nil
}
