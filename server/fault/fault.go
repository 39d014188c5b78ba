// Package fault holds the errors a caller may act on.
//
// Everything else is internal: it is logged and answered as "internal error"
// without its text. The HTTP side of it, RFC 9457 problem documents and their
// texts by language, is server/web's.
package fault

import (
	"errors"
	"fmt"
)

// Kind says what a caller can do about a Fault. The zero Kind is Internal.
type Kind int

// The kinds.
const (
	Internal     Kind = iota // nothing: our defect, logged, text not shown
	Invalid                  // mend the input
	Unauthorized             // sign in, or sign in again
	NotFound                 // there is none, or the caller may not know of it: the same answer
	Conflict                 // read again and decide again
	TooLarge                 // send less
	Unsupported              // send another type of content
	Busy                     // try again later with the same key
)

// Fault is an error for the caller. Its text never repeats what was sent in.
type Fault struct {
	Kind  Kind
	Code  string // stable, noun.problem
	Text  string // English; what would be right
	Field string // JSON pointer to the value at fault, if one is
}

// New returns a Fault with a formatted text. The arguments must not hold input.
func New(kind Kind, code, format string, args ...any) *Fault {
	return &Fault{Kind: kind, Code: code, Text: fmt.Sprintf(format, args...)}
}

// At returns a copy that names the value at fault as a JSON pointer (RFC 6901).
func (f *Fault) At(pointer string) *Fault {
	c := *f
	c.Field = pointer
	return &c
}

// Error implements error.
func (f *Fault) Error() string { return f.Code + ": " + f.Text }

// Is makes errors.Is match two Faults by code.
func (f *Fault) Is(target error) bool {
	t, ok := target.(*Fault)
	return ok && t.Code == f.Code
}

// KindOf returns the kind of the first Fault in err's chain, Internal if there is none.
func KindOf(err error) Kind {
	var f *Fault
	if errors.As(err, &f) {
		return f.Kind
	}
	return Internal
}

// CodeOf returns the code of the first Fault in err's chain, or "".
func CodeOf(err error) string {
	var f *Fault
	if errors.As(err, &f) {
		return f.Code
	}
	return ""
}

// Absent is the one answer for "there is none" and "not yours"
// (confidentiality: absent and foreign records cannot be told apart).
func Absent() *Fault { return New(NotFound, "record.not_found", "there is no such record") }
