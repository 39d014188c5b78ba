package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
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
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.admits(c.RemoteAddr()) {
			return &conn{Conn: c}, nil
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
	if _, ok := ln.(*listener); !ok {
		ln = &listener{Listener: ln}
	}
	served := make(chan error, 1)
	go func() { served <- s.app.Listener(ln) }()
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
