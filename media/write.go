package media

import (
	"context"
	"fmt"
)

// ahead is how many parts of one item are stored at once, while the next is
// filled: the store's own work on each is on one core.
const ahead = 2

// Writer seals the parts of one item and stores them, some of them under way
// while the next is filled. It is used by one goroutine, and closed.
type Writer struct {
	in     *Ingest
	key    Sealer
	object string
	term   int64
	from   Sender   // nil if it is nobody's fault that something takes long
	under  []flight // way, oldest first
	stored int
	err    error // of the oldest that failed; sticky
}

// flight is a part on its way to the store.
type flight struct {
	lent []byte
	done chan error
}

// Writer returns a Writer for the item under an object. The term keeps writers
// that follow one another apart: no two write the same key. A part that the
// item's Ref does not name is nobody's. What is stored under no term is an item in
// one go.
//
// From is who sends it; nil if nobody does. While a buffer is filled, a slow
// sender is cut off when others wait for memory.
func (in *Ingest) Writer(key Sealer, object string, term int64, from Sender) *Writer {
	in.buffers.enter()
	return &Writer{in: in, key: key, object: object, term: term, from: from}
}

// Share is how large the next part should be, in bytes: less, the more writers
// there are.
func (w *Writer) Share() int { return w.in.buffers.share(w.in.cfg.PartSize) }

// Buffer returns a buffer for a part of a size, with room to seal it. It waits
// for memory, and for the parts under way if that is where the memory is.
func (w *Writer) Buffer(ctx context.Context, size int) ([]byte, error) {
	buf, err := w.borrow(ctx, size)
	if err == nil {
		w.in.buffers.lend(w, size)
	}
	return buf, err
}

func (w *Writer) borrow(ctx context.Context, size int) ([]byte, error) {
	if len(w.under) == 0 {
		return w.in.buffers.get(ctx, size)
	}
	if buf := w.in.buffers.try(size); buf != nil {
		return buf, nil
	}
	if err := w.Flush(); err != nil {
		return nil, err
	}
	return w.in.buffers.get(ctx, size)
}

// Return gives a buffer back that was not put.
func (w *Writer) Return(buf []byte) {
	w.in.buffers.filled(w)
	w.in.buffers.put(buf)
}

// Put seals the first length bytes of a buffer as part n, counted from 1, and
// begins to store it; the buffer is the Writer's then. It first waits until
// there is a place, and returns the error of a part before.
func (w *Writer) Put(ctx context.Context, n int, buf []byte, length int, last bool) error {
	w.in.buffers.filled(w)
	if err := w.settle(ahead - 1); err != nil {
		w.Return(buf)
		return err
	}
	name := partKey(w.object, n, w.term)
	sealed, err := w.key.SealTo(buf[:0], buf[:length], partAD(name, last))
	if err != nil {
		w.Return(buf)
		return fmt.Errorf("seal part: %w", err)
	}
	done := make(chan error, 1)
	w.under = append(w.under, flight{lent: buf, done: done})
	go func() {
		w.in.puts <- struct{}{}
		defer func() { <-w.in.puts }()
		done <- w.in.objects.Put(ctx, name, sealed)
	}()
	return nil
}

// Stored is how many parts are durable: the first so many that were put.
func (w *Writer) Stored() int { return w.stored }

// Flush waits until every part is durable.
func (w *Writer) Flush() error { return w.settle(0) }

// settle waits until so many parts are under way; all, if one failed.
func (w *Writer) settle(most int) error {
	for len(w.under) > most || (w.err != nil && len(w.under) > 0) {
		oldest := w.under[0]
		w.under = w.under[1:]
		err := <-oldest.done
		w.in.buffers.put(oldest.lent)
		switch {
		case w.err != nil: // what is behind a gap is nobody's
		case err != nil:
			w.err = err
		default:
			w.stored++
		}
	}
	return w.err
}

// Close waits for the parts under way and lets go of their memory.
func (w *Writer) Close() {
	_ = w.Flush() // who wants to know has asked before
	w.in.buffers.leave()
}
