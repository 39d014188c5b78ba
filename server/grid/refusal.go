package grid

import (
	"fmt"
	"strings"

	"gridwatch/server/fault"
)

// RowError says why one row of an import was refused.
type RowError struct {
	File   string `json:"file,omitempty"` // which of several files
	Row    int    `json:"row"`            // line of a CSV file, number of a feature from 1; 0: the file as a whole
	Code   string `json:"code,omitempty"` // the row's code, if it has one of digits
	Reason string `json:"reason"`
}

// ImportError lists all that is wrong with an import, of which nothing was
// taken. It is an Invalid Fault too: areas.refused or grids.refused.
type ImportError struct {
	Rows []RowError
	what string
}

// Error implements error: one line for each row.
func (e *ImportError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s refused:", e.what)
	for _, r := range e.Rows {
		row := fmt.Sprintf("row %d", r.Row)
		if r.Row == 0 {
			row = "as a whole"
		}
		b.WriteString("\n" + strings.TrimSpace(r.File+" "+row+" "+r.Code) + ": " + r.Reason)
	}
	return b.String()
}

// Unwrap returns the Fault.
func (e *ImportError) Unwrap() error {
	return fault.New(fault.Invalid, e.what+".refused", "nothing was imported: %d rows have mistakes", len(e.Rows))
}

// refuse notes a mistake.
func (e *ImportError) refuse(file string, row int, code Code, format string, args ...any) {
	if strings.Trim(string(code), "0123456789") != "" || len(code) > gridDigits {
		code = "" // anything could be in it
	}
	e.Rows = append(e.Rows, RowError{file, row, string(code), fmt.Sprintf(format, args...)})
}

// orNil returns e if it holds a mistake.
func (e *ImportError) orNil() error {
	if len(e.Rows) == 0 {
		return nil
	}
	return e
}
