// Package clamd asks ClamAV's daemon whether a file holds malware, by the
// command INSTREAM of its socket (clamd(8)).
//
// The Go modules that speak it have no deadlines; it is one command.
package clamd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"gridwatch/media/copies"
)

const (
	chunk    = 64 << 10         // bytes of a file sent in one go
	patience = 10 * time.Minute // for all of one file
	answer   = 4 << 10          // bytes of the answer that are read
)

// Scanner is a clamd behind a socket. It may be used by many goroutines.
type Scanner struct{ network, address string }

// New returns the Scanner of an address: the path of a socket, or host:port.
func New(address string) *Scanner {
	if strings.HasPrefix(address, "/") {
		return &Scanner{"unix", address}
	}
	return &Scanner{"tcp", address}
}

// Scan sends a file to clamd. It returns copies.ErrInfected if it holds
// malware, copies.ErrTooLarge if clamd does not look at a file so large, and
// otherwise nil or why it could not be looked at.
func (s *Scanner) Scan(ctx context.Context, r io.Reader) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, s.network, s.address)
	if err != nil {
		return fmt.Errorf("reach clamd: %w", err)
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	sent := send(conn, r)
	if half, ok := conn.(interface{ CloseWrite() error }); ok && sent != nil {
		_ = half.CloseWrite() // clamd would wait for the rest
	}
	text, err := reply(conn) // also of a clamd that does not want more
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch {
	case strings.HasSuffix(text, " FOUND"):
		return copies.ErrInfected
	case strings.Contains(text, "size limit exceeded"):
		return copies.ErrTooLarge
	case sent != nil:
		return fmt.Errorf("send to clamd: %w", sent)
	case err != nil:
		return fmt.Errorf("hear from clamd: %w", err)
	case text != "stream: OK":
		return errors.New("clamd could not look at the file")
	}
	return nil
}

// send writes the command and the file in chunks, each behind its length, and
// an empty one at the end.
func send(conn net.Conn, r io.Reader) error {
	if _, err := conn.Write([]byte("zINSTREAM\x00")); err != nil {
		return err
	}
	buf := make([]byte, 4+chunk)
	for {
		n, err := io.ReadFull(r, buf[4:])
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if n > 0 {
			if err := write(conn, buf, n); err != nil {
				return err
			}
		}
		if err != nil {
			return write(conn, buf, 0)
		}
	}
}

func write(conn net.Conn, buf []byte, n int) error {
	binary.BigEndian.PutUint32(buf, uint32(n)) //nolint:gosec // G115: at most a chunk
	_, err := conn.Write(buf[:4+n])
	return err
}

// reply reads the answer up to its zero byte.
func reply(conn net.Conn) (string, error) {
	b, err := io.ReadAll(io.LimitReader(conn, answer))
	text, _, _ := strings.Cut(string(b), "\x00")
	if text != "" {
		return text, nil
	}
	return "", err
}
