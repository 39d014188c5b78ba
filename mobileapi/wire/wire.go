// Package wire holds the JSON that phones send and are shown, and how it is
// made of records. A record never goes out as itself: what an app sees is
// listed here field by field.
package wire

import (
	"encoding/hex"
	"time"

	"gridwatch/server/workflow"
)

// day is a time as the date it has in China: reporters see no times.
func day(t time.Time) string { return t.In(workflow.Shanghai()).Format(time.DateOnly) }

// digest reads a SHA-256 that passed its schema.
func digest(text string) []byte {
	sum, err := hex.DecodeString(text)
	if err != nil {
		return nil
	}
	return sum
}
