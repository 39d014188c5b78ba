package web

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
)

// Reply is what a handler answers.
type Reply struct {
	Status int               // 0 is 200, or 204 without a body
	Body   any               // JSON
	ETag   int64             // version of the record; 0 says none
	Header map[string]string // besides what every response says
	Stream *Stream           // a file instead of a body
}

// Stream is a file to be downloaded: never shown by a browser in our origin.
type Stream struct {
	io.ReadCloser
	Size int64  // bytes; -1 if it is not known before the end
	Type string // media type
	Name string // file name offered
	// Tag is a strong ETag, quoted. With it, and a ReadCloser that is an
	// io.Seeker, a client can ask for a part.
	Tag string
}

// FileName names a file of a media type: "id.mp4" of "video/mp4".
func FileName(name, mediaType string) string {
	_, ext, _ := strings.Cut(mediaType, "/")
	return name + "." + ext
}

func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// write answers with a reply. What the request holds ends with the stream.
func (s *Server) write(q *Request, r Reply, end func()) error {
	c := q.c
	var text []byte
	if r.Body != nil {
		var err error
		if text, err = json.Marshal(r.Body); err != nil {
			return fmt.Errorf("encode reply: %w", err)
		}
	}
	for name, value := range r.Header {
		c.Set(name, value)
	}
	if r.ETag != 0 {
		c.Set(fiber.HeaderETag, etag(r.ETag))
	}
	switch {
	case r.Stream != nil:
		if r.Stream.Size < -1 || r.Stream.Size > math.MaxInt {
			return fmt.Errorf("reply: a stream of unknown size")
		}
		asked, part, err := rangeOf(c, r.Stream)
		if err == nil && part {
			err = r.Stream.narrow(asked)
		}
		if err != nil {
			return errors.Join(err, r.Stream.Close())
		}
		c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; sandbox")
		c.Set(fiber.HeaderContentType, r.Stream.Type)
		c.Set(fiber.HeaderContentDisposition, mime.FormatMediaType("attachment", map[string]string{"filename": r.Stream.Name}))
		c.Status(partly(cmp.Or(r.Status, http.StatusOK), part))
		q.taker = &outgoing{
			Stream: r.Stream, now: s.Now, stall: s.Stall, end: end,
			conn: c.Context().Conn(), //nolint:forbidigo // the connection, for its write deadline; the context is not used
		}
		s.taking.change(q.Sender(), q.taker)
		c.Response().SetBodyStream(q.taker, int(r.Stream.Size))
	case r.Body != nil:
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		c.Status(cmp.Or(r.Status, http.StatusOK)).Response().SetBodyRaw(text)
	default:
		c.Status(cmp.Or(r.Status, http.StatusNoContent))
	}
	return nil
}

// outgoing moves the write deadline on as the client takes what it is sent.
type outgoing struct {
	*Stream
	conn  net.Conn
	now   func() time.Time
	stall time.Duration
	end   func()

	mu     sync.Mutex
	bytes  int64
	waited time.Duration // for the client to take what was read
	since  time.Time     // what was read last is being taken; zero if nothing is
	cut    bool
}

// Read implements io.Reader.
func (o *outgoing) Read(p []byte) (int, error) {
	if err := o.begin(); err != nil {
		return 0, err
	}
	n, err := o.ReadCloser.Read(p)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes += int64(n)
	o.since = o.now()
	return n, err
}

func (o *outgoing) begin() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.cut {
		return os.ErrDeadlineExceeded
	}
	if !o.since.IsZero() {
		o.waited += o.now().Sub(o.since)
		o.since = time.Time{}
	}
	_ = o.conn.SetWriteDeadline(o.now().Add(o.stall)) // a broken connection shows in the write
	return nil
}

// Progress is how many bytes were read, and how long the client took for them.
func (o *outgoing) Progress() (int64, time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		return o.bytes, o.waited
	}
	return o.bytes, o.waited + o.now().Sub(o.since)
}

// Cut ends the answer in its middle; a client asks for the rest by its range.
func (o *outgoing) Cut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cut = true
	_ = o.conn.SetWriteDeadline(time.Unix(1, 0))
}

// Close implements io.Closer.
func (o *outgoing) Close() error {
	o.end()
	return o.ReadCloser.Close()
}
