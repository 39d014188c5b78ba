package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Listening is where and how the server takes connections.
type Listening struct {
	Addr      string // host:port
	Cert, Key string // files of TLS, both or none
	// Proxies are the peers that may connect without TLS when Addr is off
	// loopback: they end TLS. All others are hung up on.
	Proxies []netip.Prefix
}

// Check refuses what would carry reports over a network in clear.
func (l Listening) Check() error {
	host, _, err := net.SplitHostPort(l.Addr)
	if err != nil {
		return fmt.Errorf("listen address: %w", err)
	}
	if !Loopback(host) && l.Cert == "" && len(l.Proxies) == 0 {
		return errors.New("off loopback the server listens with TLS or behind GRID_TRUSTED_PROXIES only")
	}
	if (l.Cert == "") != (l.Key == "") {
		return errors.New("TLS needs a certificate and a key")
	}
	return nil
}

// Loopback says whether a host is this machine and nothing else.
func Loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && ip.Unmap().IsLoopback())
}

// Listen opens the listener.
func (l Listening) Listen(ctx context.Context) (net.Listener, error) {
	if err := l.Check(); err != nil {
		return nil, err
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", l.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if l.Cert == "" {
		return &listener{Listener: ln, proxies: l.Proxies}, nil
	}
	pair, err := tls.LoadX509KeyPair(l.Cert, l.Key)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("load certificate: %w", err), ln.Close())
	}
	return &listener{Listener: tls.NewListener(ln, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}})}, nil
}

type listener struct {
	net.Listener
	proxies []netip.Prefix
	waiting *waiting // nil bounds nothing
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.admits(c.RemoteAddr()) {
			return l.waiting.add(&conn{Conn: c, of: l.waiting}), nil
		}
		_ = c.Close() // who it was is not said
	}
}

func (l *listener) admits(peer net.Addr) bool {
	at, err := netip.ParseAddrPort(peer.String())
	if err != nil {
		return false
	}
	ip := at.Addr().Unmap()
	return len(l.proxies) == 0 || ip.IsLoopback() ||
		slices.ContainsFunc(l.proxies, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// conn remembers that the other side sent its last byte: fasthttp takes a
// chunked body that breaks off between two chunks for a whole one.
type conn struct {
	net.Conn
	ended atomic.Bool
	of    *waiting
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.of.drop(c)
	return c.Conn.Close()
}

// waiting are the connections that there are, and since when those that are not
// being served wait for a request. When there are as many as may be, the one that
// waited longest makes room for a new one: who opens connections and says nothing
// keeps nobody out.
type waiting struct {
	most  int
	mu    sync.Mutex
	turn  uint64
	conns map[*conn]uint64 // the turn from which it waits; serving while it is served
}

const serving = math.MaxUint64

func newWaiting(most int) *waiting { return &waiting{most: most, conns: map[*conn]uint64{}} }

func (w *waiting) add(c *conn) *conn {
	if w == nil {
		return c
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.conns) >= w.most {
		var oldest *conn
		since := uint64(serving)
		for other, turn := range w.conns {
			if turn < since {
				oldest, since = other, turn
			}
		}
		if oldest != nil {
			delete(w.conns, oldest)
			oldest.hangUp()
		}
	}
	w.turn++
	w.conns[c] = w.turn
	return c
}

// hangUp closes the connection without the last words of TLS, which would have
// to be waited for.
func (c *conn) hangUp() {
	if t, ok := c.Conn.(*tls.Conn); ok {
		_ = t.NetConn().Close()
		return
	}
	_ = c.Conn.Close()
}

func (w *waiting) drop(c *conn) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, c)
}

// serve says that a request of a connection is being served, or is no more.
func (w *waiting) serve(c *conn, served bool) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.conns[c]; !ok {
		return
	}
	w.turn++
	w.conns[c] = w.turn
	if served {
		w.conns[c] = serving
	}
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.EOF) {
		c.ended.Store(true)
	}
	return n, err
}

// Serve takes connections until ctx is done, then stops accepting and gives
// what is being served the drain time, which must be longer than the request
// deadline. It returns nil after a whole drain.
func (s *Server) Serve(ctx context.Context, ln net.Listener, drain time.Duration) error {
	l, ok := ln.(*listener)
	if !ok {
		l = &listener{Listener: ln}
	}
	l.waiting = newWaiting(s.Connections)
	served := make(chan error, 1)
	go func() { served <- s.app.Listener(l) }()
	select {
	case err := <-served:
		if err != nil {
			err = fmt.Errorf("serve: %w", err)
		}
		return err
	case <-ctx.Done():
	}
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	err := s.app.ShutdownWithContext(bound)
	if err != nil {
		err = fmt.Errorf("drain: %w", err)
	}
	return errors.Join(err, <-served)
}
