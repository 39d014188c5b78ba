package web

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/gofiber/fiber/v2"

	"gridwatch/server/fault"
)

const (
	// piece is how many bytes buy another Deps.Stall: a slow honest upload
	// goes on, one that has stopped or trickles is cut.
	piece = 64 << 10
	// linger is how long what is left of a body is read and thrown away, so
	// that the client gets the answer and not a reset connection.
	linger = 2 * time.Second
)

// body reads a request's body. fasthttp neither limits a stream nor ends it
// safely: read after its end a chunked one waits for the socket, and a
// connection that broke looks like an end.
type body struct {
	stream io.Reader // nil if there is no body
	conn   net.Conn
	now    func() time.Time
	stall  time.Duration
	until  time.Time // deadline of the request

	length int64 // as declared, -1 if chunked
	max    int64
	read   int64
	left   int64 // of the piece
	err    error // sticky
}

func (s *Server) bodyOf(c *fiber.Ctx, r Route, until time.Time) *body {
	b := &body{
		stream: c.Request().BodyStream(), length: int64(c.Request().Header.ContentLength()),
		now: s.Now, stall: s.Stall, until: until, max: r.MaxBody,
		conn: c.Context().Conn(), //nolint:forbidigo // the connection, for its read deadline; the context is not used
	}
	if b.stream == nil || b.length == 0 {
		b.stream, b.err = nil, io.EOF
	}
	return b
}

// Read implements io.Reader. Its errors are io.EOF and Faults: body.too_large,
// body.stalled, body.incomplete.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	if b.left <= 0 {
		b.left = piece
		b.extend(b.stall)
	}
	n, err := b.stream.Read(p[:min(int64(len(p)), b.left)])
	b.read += int64(n)
	b.left -= int64(n)
	switch broke, ok := b.conn.(*conn); {
	case b.read > b.max:
		b.err = errTooLarge()
	case err == nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.err = errStalled()
	case !errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		b.length > 0 && b.read < b.length, b.length < 0 && ok && broke.ended.Load():
		b.err = fault.New(fault.Invalid, "body.incomplete", "the body ended early")
	default:
		b.err = io.EOF
	}
	if b.read > b.max { // what is over the limit is not given on
		return 0, b.err
	}
	return n, b.err
}

func (b *body) extend(d time.Duration) {
	at := b.now().Add(d)
	if b.until.Before(at) {
		at = b.until
	}
	_ = b.conn.SetReadDeadline(at) // a connection that cannot is broken, and the read says so
}

// declared refuses a body whose declared length is over the limit.
func (b *body) declared() error {
	if b.length > b.max {
		b.err = errTooLarge()
		return b.err
	}
	return nil
}

// cause is what a handler's error came from: a body that broke off is no
// defect of ours, whatever was made of it on the way.
func (b *body) cause(err error) error {
	var f *fault.Fault
	switch {
	case err == nil || fault.KindOf(err) != fault.Internal:
		return err
	case errors.As(b.err, &f):
		return f
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errMultipart()
	default:
		return err
	}
}

// finish throws away what was not read, for a moment. It says whether the
// connection may serve another request: fasthttp would take a rest of this
// body for the next request.
func (b *body) finish(now func() time.Time) bool {
	if errors.Is(b.err, io.EOF) {
		return true
	}
	var f *fault.Fault
	if errors.As(b.err, &f) && f.Kind != fault.TooLarge {
		return false // stalled or broken
	}
	refused := b.err != nil
	b.max, b.err, b.until = b.read+1<<40, nil, now().Add(linger)
	b.left = 1 << 40
	b.extend(linger)
	_, err := io.Copy(io.Discard, b)
	return err == nil && !refused
}

func errTooLarge() *fault.Fault {
	return fault.New(fault.TooLarge, "body.too_large", "the body is larger than this address takes")
}

func errStalled() *fault.Fault {
	return fault.New(fault.Invalid, "body.stalled", "the request came too slowly; try again with the same key")
}
