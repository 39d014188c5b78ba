package clamd_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"gridwatch/media/clamd"
	"gridwatch/media/copies"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// eicar is the file that every scanner takes for malware by agreement.
const eicar = `X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`

// daemon speaks clamd's side of INSTREAM on a socket: it takes chunks up to a
// limit and knows one virus.
func daemon(tb testing.TB, network, address string, limit int) string {
	tb.Helper()
	l, err := new(net.ListenConfig).Listen(tb.Context(), network, address)
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte(scan(bufio.NewReader(conn), limit) + "\x00"))
			_ = conn.Close()
		}
	}()
	tb.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

func scan(r *bufio.Reader, limit int) string {
	if command, err := r.ReadString(0); err != nil || command != "zINSTREAM\x00" {
		return "UNKNOWN COMMAND"
	}
	var file bytes.Buffer
	for {
		var n uint32
		if err := binary.Read(r, binary.BigEndian, &n); err != nil {
			return "ERROR"
		}
		if n == 0 {
			break
		}
		if file.Len()+int(n) > limit {
			return "INSTREAM size limit exceeded. ERROR"
		}
		if _, err := io.CopyN(&file, r, int64(n)); err != nil {
			return "ERROR"
		}
	}
	if bytes.Contains(file.Bytes(), []byte(eicar)) {
		return "stream: Eicar-Signature FOUND"
	}
	return "stream: OK"
}

func TestScan(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	for network, address := range map[string]string{"unix": filepath.Join(t.TempDir(), "clamd"), "tcp": "127.0.0.1:0"} {
		s := clamd.New(daemon(t, network, address, limit))
		tests := map[string]struct {
			file string
			want error
		}{
			"clean":           {strings.Repeat("a", 200_000), nil},
			"empty":           {"", nil},
			"whole chunks":    {strings.Repeat("a", 2*64<<10), nil},
			"infected":        {eicar, copies.ErrInfected},
			"infected, later": {strings.Repeat("a", 100_000) + eicar, copies.ErrInfected},
		}
		for name, test := range tests {
			if err := s.Scan(t.Context(), strings.NewReader(test.file)); !errors.Is(err, test.want) {
				t.Errorf("%s, %s: got %v, want %v", network, name, err, test.want)
			}
		}
	}
	large := clamd.New(daemon(t, "unix", filepath.Join(t.TempDir(), "clamd"), 1000))
	if err := large.Scan(t.Context(), strings.NewReader(strings.Repeat("a", 64<<10))); !errors.Is(err, copies.ErrTooLarge) {
		t.Errorf("too large: got %v, want %v", err, copies.ErrTooLarge)
	}
}

// A scanner that does not answer, or answers with anything else, has not looked.
func TestScanDoesNotTakeSilenceForClean(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := clamd.New(daemon(t, "tcp", "127.0.0.1:0", 1000))
	tests := map[string]error{
		"nobody there":    clamd.New(filepath.Join(t.TempDir(), "none")).Scan(t.Context(), strings.NewReader("a")),
		"ended":           s.Scan(ctx, strings.NewReader("a")),
		"file ends early": s.Scan(t.Context(), io.MultiReader(strings.NewReader("a"), broken{})),
	}
	for name, err := range tests {
		var rejected *copies.RejectedError
		if err == nil || errors.As(err, &rejected) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("broken") }
