package upload

import (
	"bytes"
	"context"
	"errors"
	"hash"
	"io"
	"slices"
	"time"

	"gridwatch/media"
	"gridwatch/media/kind"
)

// Piece is what one request sends.
type Piece struct {
	Offset int64
	Length int64 // as declared; -1 if it was not
	Body   io.Reader
	From   media.Sender // who is cut off if too slow while others wait; may be nil

	// Sum and Want are the piece's own checksum; nil if it has none. Such a
	// piece counts whole or not at all.
	Sum  hash.Hash
	Want []byte

	// Name is that of the file, if the piece comes with the creation of the
	// upload (see Begin); nil if it does not.
	Name *string
}

// Append takes a piece in and returns the upload as it is then, durable. Of a
// piece without a checksum that breaks off, what arrived is kept; the error is
// the body's. Of one that goes beyond the declared length nothing is. When the
// last byte is here the digest is compared and the upload is Whole, or Rejected
// with the media error as its cause.
//
// Other errors are those of this package, of the stores, and of ctx.
func (us *Uploads) Append(ctx context.Context, u Upload, keys Keys, p Piece) (Upload, State, error) {
	locked, err := us.lock(ctx, u)
	if err != nil {
		return u, State{}, err
	}
	a := &appending{us: us, u: locked, keys: keys, piece: p, seen: us.Now()}
	a.state, err = locked.State(keys.State)
	switch {
	case err != nil:
	case p.Offset != a.state.Offset:
		err = ErrOffset
	case p.Length > a.state.Length-p.Offset:
		err = ErrTooLong
	default:
		a.sum, err = sumAt(a.state)
	}
	if err != nil {
		return locked, a.state, errors.Join(err, us.unlock(ctx, locked))
	}
	if p.Name != nil {
		a.u.Begun, a.state.Name = true, *p.Name
	}
	return a.run(ctx)
}

// appending is a piece that is being taken in.
type appending struct {
	us    *Uploads
	u     Upload // as it is stored
	keys  Keys
	piece Piece
	state State // as it is stored
	sum   hash.Hash
	seen  time.Time // the lease was renewed

	w     *media.Writer
	ref   media.Ref      // with the parts of this piece
	read  int64          // offset of what was read
	ahead []progress     // after each part that is under way
	known int            // parts of this piece that are known to be durable
	safe  progress       // of what is durable
	again bool           // a short part was taken up again
	head  *media.Content // what this piece's first bytes say, if they are the content's
}

// progress is what would be noted: nothing, if ref has no object.
type progress struct {
	ref    media.Ref
	offset int64
	sum    []byte
}

func (a *appending) run(ctx context.Context) (Upload, State, error) {
	a.w = a.us.Media.Writer(a.keys.Content, a.u.Object, a.u.Term, a.piece.From)
	defer a.w.Close()
	a.ref, a.read = a.u.Ref(), a.state.Offset
	a.ref.Runs = slices.Clone(a.ref.Runs) // grows while a.u is saved
	// What was read is kept though the request's time is over.
	keep, cancel := context.WithCancel(context.WithoutCancel(ctx))
	if until, ok := ctx.Deadline(); ok {
		keep, cancel = context.WithDeadline(context.WithoutCancel(ctx), until.Add(ending))
	}
	defer cancel()
	err := a.parts(ctx, keep)
	flushed := a.w.Flush()
	a.durable()
	reason := reasonOf(err)
	if !errors.Is(err, flushed) { // or it is the same
		err = errors.Join(err, flushed)
	}
	switch {
	case errors.Is(err, ErrFenced):
		return a.u, a.state, ErrFenced
	case reason != "":
		u, failed := a.us.reject(keep, a.u, reason)
		return u, a.state, errors.Join(err, failed)
	case a.piece.Sum != nil && err == nil && !bytes.Equal(a.piece.Sum.Sum(nil), a.piece.Want):
		err = ErrChecksum
	}
	if err != nil && (a.piece.Sum != nil || errors.Is(err, ErrTooLong)) {
		if a.known+len(a.ahead) > 0 { // or who sends it again and again fills the store
			_ = a.us.Media.DropOthers(keep, a.u.Ref(), a.u.Term)
		}
		return a.u, a.state, errors.Join(err, a.us.unlock(keep, a.u))
	}
	return a.finish(keep, err)
}

// finish notes what is durable, and the end if this was it. What could not be
// noted is not so: another writer may have the upload.
func (a *appending) finish(ctx context.Context, err error) (Upload, State, error) {
	was := a.u
	if a.safe.ref.Object != "" {
		a.adopt(a.safe)
	}
	a.u.Until = time.Time{}
	if a.state.Offset == a.state.Length {
		a.state.SHA256, a.state.Sum = a.sum.Sum(nil), nil
		if a.state.Want != nil && !bytes.Equal(a.state.Want, a.state.SHA256) {
			u, failed := a.us.reject(ctx, a.u, reasonOf(media.ErrDigest))
			return u, a.state, errors.Join(media.ErrDigest, failed)
		}
		a.u.Stage, err = Whole, nil
	}
	if sealed := a.u.seal(a.keys.State, a.state); sealed != nil {
		return was, a.state, errors.Join(err, sealed)
	}
	if saved := a.us.Store.Save(ctx, a.u); saved != nil {
		return was, a.state, errors.Join(err, saved)
	}
	if a.again { // what it leaves, and what a writer left that was killed, the sweep takes
		_ = a.us.Media.DropOthers(ctx, a.u.Ref(), a.u.Term) // the next writer may be at work
	}
	return a.u, a.state, err
}

func (a *appending) adopt(p progress) {
	a.u.take(p.ref)
	a.state.Offset, a.state.Sum = p.offset, p.sum
	if c := a.head; c != nil {
		a.state.Type, a.state.Width, a.state.Height, a.state.Capture = c.Kind.Type, c.Width, c.Height, c.Facts
	}
}

// parts reads the piece within ctx and stores it within keep. A short part at
// the end is taken up again, so that pieces of any size make parts of a fair
// size.
func (a *appending) parts(ctx, keep context.Context) error {
	body := &pieceReader{a: a, ctx: ctx}
	short := a.ref.Last()
	if short >= fair {
		short = 0
	}
	for left := a.state.Length - a.read; left > 0; left = a.state.Length - a.read {
		size := int(min(int64(a.w.Share()), int64(short)+left))
		buf, err := a.w.Buffer(ctx, size)
		if err != nil {
			return err
		}
		n, err := a.takeUp(keep, buf, short)
		if err != nil {
			a.w.Return(buf)
			return err
		}
		m, end, err := fill(body, buf[n:size])
		if m == 0 {
			a.w.Return(buf)
			return err
		}
		if short > 0 {
			a.ref.DropLast()
			a.again, short = true, 0
		}
		if stored := a.store(keep, buf, n+m); stored != nil {
			return stored
		}
		if end || err != nil {
			return err
		}
	}
	return body.over()
}

// fill reads until p is full or r ends, and says whether it ended: unlike with
// io.ReadFull an end that is none of the body's own stays an error.
func fill(r io.Reader, p []byte) (n int, end bool, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	if err == io.EOF { // a wrapped one is a body cut off
		return n, true, nil
	}
	return n, false, err
}

// takeUp reads a short part back.
func (a *appending) takeUp(ctx context.Context, buf []byte, size int) (int, error) {
	if size == 0 {
		return 0, nil
	}
	plain, err := a.us.Media.Part(ctx, a.ref, a.ref.Parts, false, a.keys.Content)
	if err != nil {
		return 0, err
	}
	if len(plain) != size {
		return 0, media.ErrDamaged
	}
	return copy(buf, plain), nil
}

// store puts the next part and, from time to time, notes what is durable.
func (a *appending) store(ctx context.Context, buf []byte, n int) error {
	if a.state.Type == "" && a.head == nil && (n >= fair || a.read == a.state.Length) {
		if err := a.look(buf[:n]); err != nil {
			a.w.Return(buf)
			return err
		}
	}
	sum, err := stateOf(a.sum)
	if err != nil {
		a.w.Return(buf)
		return err
	}
	a.ref.Add(n, a.u.Term)
	if err := a.w.Put(ctx, a.ref.Parts, buf, n, a.read == a.state.Length); err != nil {
		return err
	}
	runs := slices.Clone(a.ref.Runs)
	a.ahead = append(a.ahead, progress{ref: media.Ref{Object: a.ref.Object, Parts: a.ref.Parts, Runs: runs}, offset: a.read, sum: sum})
	a.durable()
	if a.piece.Sum == nil && a.safe.offset-a.state.Offset >= note {
		a.adopt(a.safe)
		return a.save(ctx)
	}
	return nil
}

// durable notes how far the parts are that the store has.
func (a *appending) durable() {
	for ; a.known < a.w.Stored(); a.known++ {
		a.safe, a.ahead = a.ahead[0], a.ahead[1:]
	}
}

// save notes what is durable and renews the lease.
func (a *appending) save(ctx context.Context) error {
	if err := a.u.seal(a.keys.State, a.state); err != nil {
		return err
	}
	a.seen = a.us.Now()
	a.u.Until = a.seen.Add(Lease)
	return a.us.Store.Save(ctx, a.u)
}

// look finds out by the first bytes what the content is. That is noted with
// them: what did not stay says nothing of what is sent in its place.
func (a *appending) look(head []byte) error {
	c, err := a.us.Media.Inspect(head)
	if err != nil {
		return err
	}
	// A container of video may hold sound only.
	if is := c.Kind.Class; is != a.state.Class && (is != kind.Video || a.state.Class != kind.Audio) {
		return ErrKind
	}
	a.head = &c
	return nil
}

// pieceReader reads the piece, hashes it and keeps the lease alive.
type pieceReader struct {
	a   *appending
	ctx context.Context //nolint:containedctx // of one piece, which it ends with
}

// Read implements io.Reader.
func (r *pieceReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	a := r.a
	n, err := a.piece.Body.Read(p)
	if int64(n) > a.state.Length-a.read {
		return 0, ErrTooLong
	}
	a.sum.Write(p[:n])
	if a.piece.Sum != nil {
		a.piece.Sum.Write(p[:n])
	}
	a.read += int64(n)
	if err == nil && a.us.Now().Sub(a.seen) >= renew {
		err = a.save(r.ctx)
	}
	return n, err
}

// over makes sure that a body of unknown length does not go on.
func (r *pieceReader) over() error {
	if r.a.piece.Length >= 0 {
		return nil
	}
	var one [1]byte
	_, _, err := fill(r, one[:])
	return err
}
