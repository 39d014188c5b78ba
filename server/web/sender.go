package web

import (
	"net"
	"sync"
	"time"
)

// Sender is the other end of a body: how fast it comes, and the way to end it.
// It may be used by many goroutines.
type Sender struct {
	conn net.Conn
	now  func() time.Time

	mu     sync.Mutex
	bytes  int64
	waited time.Duration
	since  time.Time // the read under way began; zero if there is none
	ended  time.Time // the last read did
	cut    bool
}

// Progress is how many bytes came so far, and how long they were waited for:
// what we took for ourselves between two reads does not count.
func (s *Sender) Progress() (int64, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since.IsZero() {
		return s.bytes, s.waited
	}
	return s.bytes, s.waited + s.now().Sub(s.since)
}

// Cut ends the body: reads fail with server.too_slow, one under way too.
func (s *Sender) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = true
	s.expire()
}

func (s *Sender) expire() { _ = s.conn.SetReadDeadline(time.Unix(1, 0)) }

func (s *Sender) isCut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cut
}

// readUntil sets the deadline of reads, which a cut has set for good. A
// connection that cannot is broken, and the read says so.
func (s *Sender) readUntil(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cut {
		s.expire()
		return
	}
	_ = s.conn.SetReadDeadline(at)
}

// begin and end stand around each read. Begin returns how long ago the last one
// was.
func (s *Sender) begin() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.since = s.now()
	if s.ended.IsZero() {
		return 0
	}
	return s.since.Sub(s.ended)
}

func (s *Sender) end(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = s.now()
	s.waited += s.ended.Sub(s.since)
	s.bytes += int64(n)
	s.since = time.Time{}
}

// served says that the connection is being served, until what it returns is
// called.
func (s *Sender) served() (end func()) {
	c, ok := s.conn.(*conn)
	if !ok {
		return func() {}
	}
	c.of.serve(c, true)
	return func() { c.of.serve(c, false) }
}
