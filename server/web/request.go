package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/gowebpki/jcs"

	"gridwatch/schemas"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
)

// Request is one request, after the checks of its route.
type Request struct {
	// Actor is who asks. On public routes it has the tenant of the path only.
	Actor casefile.Actor
	// Family is the session family of staff, "" otherwise.
	Family string
	// Key is the idempotency key of a command. It cannot be printed.
	Key vault.IdemKey
	// Lang is the language of the answer.
	Lang Lang

	ctx   context.Context //nolint:containedctx // a Request is the request's scope and ends with it
	c     *fiber.Ctx
	route Route
	body  *body
	taker *outgoing
	leave func() // gives the place back; it may be called again
	raw   []byte
	parts *multipart.Reader
}

// Context ends at the request's deadline.
func (q *Request) Context() context.Context { return q.ctx }

// Route is the method and the pattern, the scope of an idempotency key.
func (q *Request) Route() string { return q.route.pattern() }

// Param returns a value of the path: 1 to 64 letters, digits, dots, dashes and
// underlines.
func (q *Request) Param(name string) string { return q.c.Params(name) }

// RawBody is the body as it came, after it passed its schema; nil if the route has none.
func (q *Request) RawBody() []byte { return q.raw }

// Body is the body of a streamed route. Its errors are io.EOF and Faults.
func (q *Request) Body() io.Reader { return q.body }

// BodyLength is the length of the body as it was declared, in bytes; -1 if it
// was not.
func (q *Request) BodyLength() int64 { return max(q.body.length, -1) }

// Sender is who sends the body.
func (q *Request) Sender() *Sender { return q.body.sender }

// Header returns a field of the request's head, "" if there is none.
func (q *Request) Header(name string) string { return q.c.Get(name) }

// Decode reads the body into v.
func (q *Request) Decode(v any) error { return decode(q.raw, v) }

// formAhead is how many bytes of a form are read at once: multipart by itself
// asks for 4 KiB, each from the kernel.
const formAhead = 64 << 10

// NextPart returns the next part of a multipart body, io.EOF after the last;
// other errors are Faults. Read a part before asking for the next.
func (q *Request) NextPart() (*multipart.Part, error) {
	if q.parts == nil {
		_, params, err := mime.ParseMediaType(q.c.Get(fiber.HeaderContentType))
		if err != nil || params["boundary"] == "" {
			return nil, errMultipart()
		}
		q.parts = multipart.NewReader(bufio.NewReaderSize(q.body, formAhead), params["boundary"])
	}
	part, err := q.parts.NextRawPart()
	var f *fault.Fault
	switch {
	case err == nil:
		return part, nil
	case err == io.EOF: // a wrapped one is a body cut off
		return nil, io.EOF
	case errors.As(err, &f):
		return nil, f
	default: // what it says repeats input
		return nil, errMultipart()
	}
}

func errMultipart() *fault.Fault {
	return fault.New(fault.Invalid, "body.multipart", "the body is multipart/form-data with a closing boundary")
}

// ReadJSON reads a part of a multipart body that is JSON of a schema, at most
// limit bytes, into v. It returns the bytes for the canonical body.
func ReadJSON(r io.Reader, limit int64, schema string, v any) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, limit+1))
	var f *fault.Fault
	switch {
	case errors.As(err, &f):
		return nil, f
	case err != nil:
		return nil, errMultipart()
	case int64(len(raw)) > limit:
		return nil, errTooLarge()
	}
	if err := validate(schema, raw); err != nil {
		return nil, err
	}
	return raw, decode(raw, v)
}

// IfMatch returns the version of If-Match, 0 if there is none. It returns an
// Invalid Fault request.if_match if it is not an ETag of ours.
func (q *Request) IfMatch() (int64, error) {
	text := q.c.Get(fiber.HeaderIfMatch)
	if text == "" {
		return 0, nil
	}
	version, err := strconv.ParseInt(strings.Trim(text, `"`), 10, 64)
	if err != nil || version < 1 || text != etag(version) {
		return 0, fault.New(fault.Invalid, "request.if_match", "If-Match is an ETag as this address gave it")
	}
	return version, nil
}

// Query returns a query parameter, "" if there is none.
func (q *Request) Query(name string) string { return q.c.Query(name) }

// QueryInt returns a query parameter that is a whole number from least to most.
func (q *Request) QueryInt(name string, otherwise, least, most int) (int, error) {
	text := q.c.Query(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, badQuery(name, "a whole number from %d to %d", least, most)
	}
	return n, nil
}

// QueryOneOf returns a query parameter that is one of some values, "" if there is none.
func (q *Request) QueryOneOf(name string, values ...string) (string, error) {
	text := q.c.Query(name)
	if text != "" && !slices.Contains(values, text) {
		return "", badQuery(name, "one of %s", strings.Join(values, ", "))
	}
	return text, nil
}

// badQuery is a Fault whose field is "?" and the parameter's name.
func badQuery(name, format string, args ...any) *fault.Fault {
	return fault.New(fault.Invalid, "query.value", format, args...).At("?" + name)
}

// accept looks at the body of a route before its handler does: length, media
// type, and all of it unless it is streamed.
func (q *Request) accept() error {
	if q.body.stream == nil && q.route.Body == "" && (!q.route.Stream || q.route.MayBeEmpty) {
		return nil
	}
	if err := q.body.declared(); err != nil {
		return err
	}
	if q.route.Body == "" && !q.route.Stream {
		return fault.New(fault.Invalid, "body.unexpected", "this address takes no body")
	}
	if enc := q.c.Get(fiber.HeaderContentEncoding); enc != "" && !strings.EqualFold(enc, "identity") {
		return fault.New(fault.Unsupported, "body.encoded", "the body is not compressed: no Content-Encoding")
	}
	media, params, err := mime.ParseMediaType(q.c.Get(fiber.HeaderContentType))
	if charset := params["charset"]; err != nil || media != q.route.Type || (charset != "" && !strings.EqualFold(charset, "utf-8")) {
		return fault.New(fault.Unsupported, "body.media_type", "the Content-Type is %s", q.route.Type)
	}
	if q.route.Stream {
		return nil
	}
	raw, err := io.ReadAll(q.body)
	if err != nil {
		return err //nolint:wrapcheck // a Fault
	}
	q.raw = raw
	return validate(q.route.Body, raw)
}

// bodyError is a body that its schema refuses.
type bodyError struct{ violations []schemas.Violation }

func (e *bodyError) Error() string { return "body.invalid" }

func (e *bodyError) fault() *fault.Fault {
	return fault.New(fault.Invalid, "body.invalid", "the body is not as its schema says; see errors")
}

func validate(schema string, raw []byte) error {
	found, err := schemas.Validate(schema, raw)
	if err != nil {
		return fmt.Errorf("validate body: %w", err)
	}
	if len(found) > 0 {
		return &bodyError{found}
	}
	return nil
}

// decode reads JSON that passed its schema. A schema's integer may be written
// 1.0, which encoding/json does not take for one: the canonical form has 1.
func decode(raw []byte, v any) error {
	canonical, err := jcs.Transform(raw)
	if err != nil {
		return fault.New(fault.Invalid, "body.json", "the body is one JSON value in UTF-8 without repeated members")
	}
	d := json.NewDecoder(bytes.NewReader(canonical))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("decode body: its schema and %T differ", v)
	}
	return nil
}
