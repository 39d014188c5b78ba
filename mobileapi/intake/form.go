package intake

import (
	"errors"
	"io"
	"mime/multipart"
	"slices"

	"gridwatch/server/fault"
	"gridwatch/server/web"
)

// Limits of parts that are read whole, in bytes.
const (
	maxJSON   = 512 << 10 // all texts of a report at their longest, escaped
	maxSealed = 64 << 10  // a sealed compartment
)

const evidence = "evidence" // the name of every file part

// Form is a multipart body that is read in order.
type Form struct {
	q     *web.Request
	names []string        // of the parts that are no files, in order
	part  *multipart.Part // read ahead
	err   error           // sticky
}

// NewForm returns the form of a request, whose parts before the files have
// these names: the JSON part first.
func NewForm(q *web.Request, names ...string) *Form { return &Form{q: q, names: names} }

// peek returns the next part without taking it, io.EOF after the last.
func (f *Form) peek() (*multipart.Part, error) {
	if f.part == nil && f.err == nil {
		f.part, f.err = f.q.NextPart()
	}
	return f.part, f.err
}

// take is peek for a part that is read now.
func (f *Form) take() (*multipart.Part, error) {
	part, err := f.peek()
	f.part = nil
	return part, err
}

// JSON reads the first part into v by a schema. It returns the bytes for the
// canonical body.
func (f *Form) JSON(schema string, v any) ([]byte, error) {
	part, err := f.take()
	switch {
	case errors.Is(err, io.EOF):
		return nil, errParts(f.names[0])
	case err != nil:
		return nil, err
	case part.FormName() == evidence:
		return nil, fault.New(fault.Invalid, "body.part_order", "the JSON part comes first, sealed parts next, files last").At("/evidence")
	case part.FormName() != f.names[0]:
		return nil, f.unwanted(part)
	}
	return web.ReadJSON(part, maxJSON, schema, v)
}

// Sealed reads the next part, which has this name: an age file.
func (f *Form) Sealed(name string) ([]byte, error) {
	part, err := f.peek()
	switch {
	case errors.Is(err, io.EOF) || (err == nil && part.FormName() != name):
		return nil, errParts(name)
	case err != nil:
		return nil, err
	}
	f.part = nil
	content, err := io.ReadAll(io.LimitReader(part, maxSealed+1))
	if err == nil && len(content) > maxSealed {
		err = fault.New(fault.TooLarge, "envelope.too_large", "a sealed part has at most 64 KiB").At("/" + name)
	}
	return content, err
}

// unwanted refuses a part. A name that no part has is the sender's own word and
// is not repeated.
func (f *Form) unwanted(part *multipart.Part) error {
	if name := part.FormName(); slices.Contains(f.names, name) {
		return errParts(name)
	}
	return errParts("*")
}

// errParts names a part that is missing, unknown or not wanted.
func errParts(name string) error {
	return fault.New(fault.Invalid, "body.parts",
		"a form has one JSON part, the sealed parts if it says so, and files called evidence; nothing else and none twice").At("/" + name)
}
