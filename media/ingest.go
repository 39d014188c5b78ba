package media

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"time"

	"github.com/gabriel-vasile/mimetype"

	"gridwatch/media/probe"
)

// cleanup is how long the removal of a failed upload may take. It goes on
// when the upload's own context has ended; what it leaves, Sweep takes.
const cleanup = 10 * time.Second

// Store reads src to its end and keeps it under key at p. It returns nil only
// when every part is durable and the content was acceptable; otherwise it
// removes what it had stored and returns one of the errors of what was sent
// in, the error of the reader, of the store, or of ctx.
//
// It waits while as many uploads as the Config allows are in flight. Two calls
// for the same place store two objects; the record decides which it owns.
func (in *Ingest) Store(ctx context.Context, src Source, key Sealer, p Place) (Stored, error) {
	var attempt [16]byte
	if _, err := io.ReadFull(in.random, attempt[:]); err != nil {
		return Stored{}, fmt.Errorf("draw attempt id: %w", err)
	}
	object, err := p.object(hex.EncodeToString(attempt[:]))
	if err != nil {
		return Stored{}, err
	}
	buf, err := in.acquire(ctx)
	if err != nil {
		return Stored{}, err
	}
	defer in.release(buf)

	s, err := in.store(ctx, src, key, object, buf)
	if err == nil {
		return s, nil
	}
	if s.Parts > 0 {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
		defer cancel()
		err = errors.Join(err, in.remove(undo, object))
	}
	return Stored{}, err
}

// store cuts src into parts. Buf holds one byte more than a part: when that
// byte is filled the part is not the last, and the byte begins the next one.
// With an error it returns the number of parts that may be stored.
func (in *Ingest) store(ctx context.Context, src Source, key Sealer, object string, buf []byte) (Stored, error) {
	r := newIntake(ctx, src.Reader, in.cfg.MaxBytes)
	s := Stored{Ref: Ref{Object: object}}
	kept, last := 0, false
	for !last {
		n, end, err := fill(r, buf[kept:])
		if err != nil {
			return s, err
		}
		n, last = n+kept, end
		part := buf[:min(n, in.cfg.PartSize)]
		if s.Parts == 0 && n > 0 {
			if err := in.inspect(part, &s); err != nil {
				return s, err
			}
		}
		if last { // checked before the last part is put: what is refused is mostly never stored
			if s.SHA256, err = r.finish(src.DeclaredSHA256); err != nil {
				return s, err
			}
			s.Size = r.n
		}
		sealed, err := key.Seal(part, partAD(object, s.Parts+1, last))
		if err != nil {
			return s, fmt.Errorf("seal part: %w", err)
		}
		s.Parts++
		if err := in.objects.Put(ctx, partKey(object, s.Parts), sealed); err != nil {
			return s, err
		}
		kept = copy(buf, buf[len(part):n])
	}
	return s, nil
}

// inspect decides by its first part whether a file is a picture we take.
func (in *Ingest) inspect(head []byte, s *Stored) error {
	kind := mimetype.Detect(head)
	var cfg image.Config
	var err error
	switch {
	case kind.Is("image/jpeg"):
		cfg, err = jpeg.DecodeConfig(bytes.NewReader(head))
	case kind.Is("image/png"):
		cfg, err = png.DecodeConfig(bytes.NewReader(head))
	default:
		return ErrType
	}
	if err != nil || cfg.Width <= 0 || cfg.Height <= 0 {
		return ErrBroken
	}
	if int64(cfg.Width)*int64(cfg.Height) > in.cfg.MaxPixels {
		return ErrPixels
	}
	s.Type, s.Width, s.Height = kind.String(), cfg.Width, cfg.Height
	s.Facts = probe.Read(head, s.Type)
	return nil
}

// Digest reads src to its end and returns its length and SHA-256 without
// storing anything: for the repeat of a request whose files are stored. It
// returns ErrEmpty, ErrTooLarge, ErrDigest or the error of the reader.
func (in *Ingest) Digest(ctx context.Context, src Source) (int64, []byte, error) {
	r := newIntake(ctx, src.Reader, in.cfg.MaxBytes)
	if _, err := io.Copy(io.Discard, r); err != nil {
		return 0, nil, err
	}
	sum, err := r.finish(src.DeclaredSHA256)
	return r.n, sum, err
}

// acquire waits for a buffer of one part and a byte.
func (in *Ingest) acquire(ctx context.Context) ([]byte, error) {
	select {
	case buf := <-in.buffers:
		if buf == nil {
			buf = make([]byte, in.cfg.PartSize+1)
		}
		return buf, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (in *Ingest) release(buf []byte) {
	clear(buf)
	in.buffers <- buf
}

// intake counts and hashes what is read, and ends at the limit or with ctx.
// Its first error, io.EOF included, is its last: a chunked body that is read
// again after its end would wait for the socket.
type intake struct {
	r     io.Reader
	alive func() error
	sum   hash.Hash
	n     int64
	max   int64
	err   error
}

func newIntake(ctx context.Context, r io.Reader, limit int64) *intake {
	return &intake{r: r, alive: ctx.Err, sum: sha256.New(), max: limit}
}

// Read implements io.Reader.
func (r *intake) Read(p []byte) (int, error) {
	if r.err == nil {
		r.err = r.alive()
	}
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.r.Read(p)
	r.sum.Write(p[:n])
	r.n += int64(n)
	r.err = err
	if r.n > r.max {
		r.err = ErrTooLarge
	}
	return n, r.err
}

// finish returns the digest of all that was read if it may stand.
func (r *intake) finish(declared []byte) ([]byte, error) {
	if r.n == 0 {
		return nil, ErrEmpty
	}
	sum := r.sum.Sum(nil)
	if declared != nil && !bytes.Equal(declared, sum) {
		return nil, ErrDigest
	}
	return sum, nil
}

// fill reads until p is full or r ends, and says whether it ended. It is not
// io.ReadFull because that gives io.ErrUnexpectedEOF both for a short last part
// and for a sender who went away in the middle: the second is an error here.
func fill(r io.Reader, p []byte) (int, bool, error) {
	n := 0
	for n < len(p) {
		m, err := r.Read(p[n:])
		n += m
		if err == io.EOF && n < len(p) {
			return n, true, nil
		}
		if err != nil && err != io.EOF {
			return n, false, err
		}
	}
	return n, false, nil
}
