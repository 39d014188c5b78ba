package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
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

// write answers with a reply. The request's context ends with the stream.
func (s *Server) write(c *fiber.Ctx, r Reply, cancel context.CancelFunc) error {
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
		c.Response().SetBodyStream(&outgoing{
			Stream: r.Stream, now: s.Now, stall: s.Stall, cancel: cancel,
			conn: c.Context().Conn(), //nolint:forbidigo // the connection, for its write deadline; the context is not used
		}, int(r.Stream.Size))
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
	conn   net.Conn
	now    func() time.Time
	stall  time.Duration
	cancel context.CancelFunc
}

// Read implements io.Reader.
func (o *outgoing) Read(p []byte) (int, error) {
	_ = o.conn.SetWriteDeadline(o.now().Add(o.stall)) // a broken connection shows in the write
	return o.ReadCloser.Read(p)
}

// Close implements io.Closer.
func (o *outgoing) Close() error {
	o.cancel()
	return o.ReadCloser.Close()
}
