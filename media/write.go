package media

import (
	"context"
	"fmt"
)

// Writer seals the parts of one item and stores them, one of them under way
// while the next is filled. It is used by one goroutine, and closed.
type Writer struct {
	in     *Ingest
	key    Sealer
	object string
	term   int64
	lent   []byte // of the part under way
	done   chan error
}

// Writer returns a Writer for the item under an object. The term keeps writers
// that follow one another apart: no two write the same key. A part that the
// item's Ref does not name is nobody's.
func (in *Ingest) Writer(key Sealer, object string, term int64) *Writer {
	in.buffers.enter()
	return &Writer{in: in, key: key, object: object, term: term}
}

// Share is how large the next part should be, in bytes: less, the more writers
// there are.
func (w *Writer) Share() int { return w.in.buffers.share(w.in.cfg.PartSize) }

// Buffer returns a buffer for a part of a size, with room to seal it. It waits
// for memory, and for the part under way if that is where the memory is.
func (w *Writer) Buffer(ctx context.Context, size int) ([]byte, error) {
	if w.done == nil {
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
func (w *Writer) Return(buf []byte) { w.in.buffers.put(buf) }

// Put seals the first length bytes of a buffer as part n, counted from 1, and
// begins to store it; the buffer is the Writer's then. It first waits for the
// part before and returns its error.
func (w *Writer) Put(ctx context.Context, n int, buf []byte, length int, last bool) error {
	if err := w.Flush(); err != nil {
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
	w.lent, w.done = buf, done
	go func() {
		w.in.puts <- struct{}{}
		defer func() { <-w.in.puts }()
		done <- w.in.objects.Put(ctx, name, sealed)
	}()
	return nil
}

// Flush waits until every part is durable.
func (w *Writer) Flush() error {
	if w.done == nil {
		return nil
	}
	err := <-w.done
	w.Return(w.lent)
	w.lent, w.done = nil, nil
	return err
}

// Close waits for the part under way and lets go of its memory.
func (w *Writer) Close() {
	_ = w.Flush() // who wants to know has asked before
	w.in.buffers.leave()
}
