package media

import (
	"cmp"
	"context"
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sys/unix"
)

// slack is what a buffer has beyond a part: the byte that begins the next one,
// and room to seal the part where it stands.
const slack = 1 + 64

// minShare is the least part of what is received in pieces, in bytes. What is
// said of a content by its first part (media/upload) needs as much.
const minShare = 512 << 10

// Sender is the other end of what is read. A buffer is lent for as long as it
// takes the sender to fill it, so a slow one keeps others waiting.
type Sender interface {
	// Progress is how many bytes came so far, and how long they were waited for.
	Progress() (bytes int64, waited time.Duration)
	// Cut makes the next read, and one under way, fail. It does not wait.
	Cut()
}

// loan is a buffer that a sender fills.
type loan struct {
	from    Sender
	size    int
	resumes bool // what came of it is kept
	bytes   int64
	waited  time.Duration // both of Progress, when it was lent
}

// pool lends buffers. Together they have no more bytes than its budget, and so
// has evidence in clear in memory. They lie outside of what Go collects, which
// would let as much again grow beside them, and are in no core dump. It may be
// used by many goroutines.
type pool struct {
	budget   int
	patience time.Duration // see Config
	room     *semaphore.Weighted

	mu      sync.Mutex
	lent    int              // bytes
	kept    int              // bytes
	free    map[int][][]byte // by size
	holders int
	loans   map[*Writer]loan
}

func newPool(budget int, patience time.Duration) *pool {
	return &pool{
		budget: budget, patience: patience, room: semaphore.NewWeighted(int64(budget)),
		free: map[int][][]byte{}, loans: map[*Writer]loan{},
	}
}

// class is the size of the buffer for a part of a size: few sizes are used
// again and again.
func class(size int) int { return 1 << bits.Len(uint(max(size, 1)-1)) }

// get waits for a buffer for a part of at most a size, and from its patience on
// takes some back from senders that have been slow for as long.
func (p *pool) get(ctx context.Context, size int) ([]byte, error) {
	size = class(size)
	if !p.room.TryAcquire(int64(size)) {
		served := make(chan struct{})
		defer close(served)
		go p.press(size, served)
		if err := p.room.Acquire(ctx, int64(size)); err != nil {
			return nil, err //nolint:wrapcheck // the context's own
		}
	}
	return p.take(size), nil
}

// press cuts slow senders off until what is waited for is served.
func (p *pool) press(size int, served <-chan struct{}) {
	again := time.NewTicker(p.patience)
	defer again.Stop()
	for {
		select {
		case <-served:
			return
		case <-again.C:
			p.cut(size)
		}
	}
}

// cut cuts so many senders off that a size comes back: of those that were waited
// for too long since they got their buffer, who loses nothing by it before who
// does, and the slowest before others.
func (p *pool) cut(size int) {
	type slow struct {
		loan
		by   *Writer
		rate float64 // bytes a second
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []slow
	for by, l := range p.loans {
		bytes, waited := l.from.Progress()
		if waited -= l.waited; waited >= p.patience {
			found = append(found, slow{l, by, float64(bytes-l.bytes) / waited.Seconds()})
		}
	}
	slices.SortFunc(found, func(a, b slow) int {
		if a.resumes != b.resumes {
			if a.resumes {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.rate, b.rate)
	})
	for _, s := range found {
		if size <= 0 {
			return
		}
		s.from.Cut()
		delete(p.loans, s.by) // its buffer comes back once what is in it is stored
		size -= s.size
	}
}

// lend notes that a sender fills the buffer of a Writer now, and filled that it
// does no more.
func (p *pool) lend(w *Writer, size int) {
	if w.from == nil {
		return
	}
	l := loan{from: w.from, size: class(size), resumes: w.term != 0}
	l.bytes, l.waited = w.from.Progress()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loans[w] = l
}

func (p *pool) filled(w *Writer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.loans, w)
}

// try is get that does not wait: nil if there is no room.
func (p *pool) try(size int) []byte {
	size = class(size)
	if !p.room.TryAcquire(int64(size)) {
		return nil
	}
	return p.take(size)
}

func (p *pool) take(size int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lent += size
	if rest := p.free[size]; len(rest) > 0 {
		p.kept -= size
		buf := rest[len(rest)-1]
		rest[len(rest)-1] = nil
		p.free[size] = rest[:len(rest)-1]
		return buf
	}
	for other, rest := range p.free { // what is kept in other sizes makes room
		for p.kept+p.lent > p.budget && len(rest) > 0 {
			p.kept -= other
			unmap(rest[len(rest)-1])
			rest = rest[:len(rest)-1]
		}
		p.free[other] = rest
	}
	return mapped(size + slack)
}

// mapped returns memory that is not Go's. Without any the process cannot go on,
// as it could not without Go's.
func mapped(size int) []byte {
	buf, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err == nil {
		err = unix.Madvise(buf, unix.MADV_DONTDUMP)
	}
	if err != nil {
		panic(fmt.Errorf("media: no memory for evidence: %w", err))
	}
	return buf
}

func unmap(buf []byte) {
	if err := unix.Munmap(buf); err != nil {
		panic(fmt.Errorf("media: memory of evidence: %w", err)) // it was never ours
	}
}

// put takes a buffer back.
func (p *pool) put(buf []byte) {
	if buf == nil {
		return
	}
	buf = buf[:cap(buf)]
	clear(buf)
	size := len(buf) - slack
	p.mu.Lock()
	p.lent -= size
	p.kept += size
	p.free[size] = append(p.free[size], buf)
	p.mu.Unlock()
	p.room.Release(int64(size))
}

// drain gives back to the system what is free, when nobody can borrow any more.
func (p *pool) drain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, rest := range p.free {
		for _, buf := range rest {
			unmap(buf)
		}
	}
	p.free, p.kept = nil, 0
}

// enter and leave count who fills buffers.
func (p *pool) enter() {
	p.mu.Lock()
	p.holders++
	p.mu.Unlock()
}

func (p *pool) leave() {
	p.mu.Lock()
	p.holders--
	p.mu.Unlock()
}

// share is how large a part should be now, a power of two from minShare to
// most. Who comes when few are there holds a large buffer for as long as its
// sender is slow, so an eighth of a fair share is given: with any number of
// senders the sum stays near the budget, and late ones need not wait.
func (p *pool) share(most int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	size := minShare
	for size*2 <= most && size*2*8*max(1, p.holders) <= p.budget {
		size *= 2
	}
	return min(size, most)
}
