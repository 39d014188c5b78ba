package media

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"time"

	"gridwatch/media/kind"
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
// It waits while the memory that the Config allows is taken. Two calls for the
// same place store two objects; the record decides which it owns.
func (in *Ingest) Store(ctx context.Context, src Source, key Sealer, p Place) (Stored, error) {
	object, err := in.NewObject(p)
	if err != nil {
		return Stored{}, err
	}
	w := in.Writer(key, object, 0, src.From)
	s, err := in.store(ctx, src, w)
	if err == nil {
		err = w.Flush()
	}
	w.Close()
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

// store cuts src into parts. It reads one byte more than a part: if there is
// one the part is not the last, and the byte begins the next one. With an error
// it returns the number of parts that may be stored.
func (in *Ingest) store(ctx context.Context, src Source, w *Writer) (Stored, error) {
	r := newIntake(ctx, src.Reader, cmp.Or(src.MaxBytes, in.cfg.MaxBytes))
	s := Stored{Ref: Ref{Object: w.object}}
	size := w.Share() // of all parts but the last
	var next []byte
	for last := false; !last; {
		buf, err := w.Buffer(ctx, size)
		if err != nil {
			return s, err
		}
		n := copy(buf, next)
		read, end, err := fill(r, buf[n:size+1])
		if n += read; err == nil && s.Parts == 0 && n > 0 {
			s.Content, err = in.Inspect(buf[:min(n, size)])
		}
		if last = end; err == nil && last { // checked before the last part is put: what is refused is mostly never stored
			s.Size = r.n
			s.SHA256, err = r.finish(src.DeclaredSHA256)
		}
		if err != nil {
			w.Return(buf)
			return s, err
		}
		length := min(n, size)
		next = bytes.Clone(buf[length:n])
		s.Parts++
		if err := w.Put(ctx, s.Parts, buf, length, last); err != nil {
			return s, err
		}
	}
	return s, nil
}

// Inspect decides by its first part whether a file is one we take. A picture
// that Go reads must have a size; all others are looked at where they are
// opened. It returns ErrType, ErrBroken or ErrPixels.
func (in *Ingest) Inspect(head []byte) (Content, error) {
	k, ok := kind.Detect(head[:min(len(head), kind.Head)])
	c := Content{Kind: k}
	if !ok {
		return c, ErrType
	}
	var cfg image.Config
	var err error
	switch k.Type {
	case "image/jpeg":
		cfg, err = jpeg.DecodeConfig(bytes.NewReader(head))
	case "image/png":
		cfg, err = png.DecodeConfig(bytes.NewReader(head))
	default:
		c.Facts = probe.Read(head, k.Type) // none of what is not a picture
		return c, nil
	}
	if err != nil || cfg.Width <= 0 || cfg.Height <= 0 {
		return c, ErrBroken
	}
	if int64(cfg.Width)*int64(cfg.Height) > in.cfg.MaxPixels {
		return c, ErrPixels
	}
	c.Width, c.Height = cfg.Width, cfg.Height
	c.Facts = probe.Read(head, k.Type)
	return c, nil
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
