package web

import (
	"errors"
	"io"
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
	sender *Sender
	now    func() time.Time
	stall  time.Duration
	until  time.Time // deadline of the request

	length int64 // as declared, -1 if chunked
	max    int64
	read   int64
	left   int64     // of the piece
	ends   time.Time // when what is left has to be here
	err    error     // sticky
}

func (s *Server) bodyOf(c *fiber.Ctx, r Route, until time.Time) *body {
	b := &body{
		stream: c.Request().BodyStream(), length: int64(c.Request().Header.ContentLength()),
		now: s.Now, stall: s.Stall, until: until, max: r.MaxBody,
		sender: &Sender{now: s.Now, conn: c.Context().Conn()}, //nolint:forbidigo // the connection, for its read deadline; the context is not used
	}
	if b.stream == nil || b.length == 0 {
		b.stream, b.err = nil, io.EOF
	}
	return b
}

// Read implements io.Reader. Its errors are io.EOF and Faults: body.too_large,
// body.stalled, body.incomplete, server.too_slow.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	paused := b.sender.begin()
	switch {
	case b.left <= 0:
		b.left = piece
		b.extend(b.stall)
	case paused > time.Second: // which was our own slowness
		b.extend(b.ends.Sub(b.now()) + paused)
	}
	n, err := b.stream.Read(p[:min(int64(len(p)), b.left)])
	b.sender.end(n)
	b.read += int64(n)
	b.left -= int64(n)
	switch broke, ok := b.sender.conn.(*conn); {
	case b.read > b.max:
		b.err = errTooLarge()
	case err == nil:
	case !errors.Is(err, io.EOF) && b.sender.isCut():
		b.err = errTooSlow()
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
	b.ends = at
	b.sender.readUntil(at)
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
	if b.sender.isCut() {
		return false
	}
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

func errTooSlow() *fault.Fault {
	return fault.New(fault.Busy, "server.too_slow",
		"the request came too slowly while others waited: go on with an upload where HEAD says, send all else again with the same key")
}

func errStalled() *fault.Fault {
	return fault.New(fault.Invalid, "body.stalled", "the request came too slowly; try again with the same key")
}
