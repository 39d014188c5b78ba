package web

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"regexp"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"gridwatch/server/fault"
)

// span is a part of a stream.
type span struct{ from, n int64 }

// one is a single range in bytes (RFC 9110, 14.1.2). Of several at once, and of
// what is no range, the whole is sent, as the RFC allows.
var one = regexp.MustCompile(`^bytes=([0-9]{0,19})-([0-9]{0,19})$`)

// rangeOf returns the part of a stream that a request asks for, and whether it
// asks for one. A part that lies beyond the end is the Fault request.range.
// If-Range compares strong tags only (RFC 9110, 13.1.5).
func rangeOf(c *fiber.Ctx, s *Stream) (span, bool, error) {
	whole := span{n: s.Size}
	if _, can := s.ReadCloser.(io.Seeker); !can || s.Tag == "" {
		return whole, false, nil
	}
	c.Set(fiber.HeaderAcceptRanges, "bytes")
	c.Set(fiber.HeaderETag, s.Tag)
	m := one.FindStringSubmatch(c.Get(fiber.HeaderRange))
	if on := c.Get(fiber.HeaderIfRange); m == nil || m[1]+m[2] == "" || (on != "" && on != s.Tag) {
		return whole, false, nil
	}
	first, errFirst := strconv.ParseInt(m[1], 10, 64)
	last, errLast := strconv.ParseInt(m[2], 10, 64)
	switch {
	case m[1] == "": // the last so many bytes
		if errLast != nil {
			last = math.MaxInt64
		}
		first, last = max(0, s.Size-last), s.Size-1
		if m[2] == "0" {
			first = s.Size
		}
	case errFirst != nil:
		first = s.Size
	case m[2] == "" || errLast != nil || last >= s.Size:
		last = s.Size - 1
	case last < first:
		return whole, false, nil // no range by the grammar's own rule
	}
	if first >= s.Size {
		c.Set(fiber.HeaderContentRange, fmt.Sprintf("bytes */%d", s.Size))
		return span{}, false, fault.New(fault.Invalid, "request.range", "the range begins within the file; see Content-Range")
	}
	c.Set(fiber.HeaderContentRange, fmt.Sprintf("bytes %d-%d/%d", first, last, s.Size))
	return span{first, last - first + 1}, true, nil
}

// narrow makes a stream its part.
func (s *Stream) narrow(part span) error {
	seeker, _ := s.ReadCloser.(io.Seeker)
	if _, err := seeker.Seek(part.from, io.SeekStart); err != nil {
		return fmt.Errorf("seek stream: %w", err)
	}
	s.Size = part.n
	s.ReadCloser = limited{io.LimitReader(s.ReadCloser, part.n), s.ReadCloser}
	return nil
}

type limited struct {
	io.Reader
	io.Closer
}

// partly is the status of a part.
func partly(status int, part bool) int {
	if part {
		return http.StatusPartialContent
	}
	return status
}
