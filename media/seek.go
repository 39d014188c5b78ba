package media

import (
	"errors"
	"io"
	"io/fs"
)

// Seek implements io.Seeker from the start: parts before the offset are not
// fetched, so that a film is played from its middle. Seeking beyond the end is
// an error when the end is read over.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch {
	case errors.Is(r.err, fs.ErrClosed):
		return 0, r.err
	case whence != io.SeekStart || offset < 0:
		return 0, errors.New("media: what is stored is sought in from its start")
	}
	part, behind := r.before(offset)
	r.skip(part)
	r.part, r.err = nil, nil
	if r.fetch(); r.err != nil {
		return 0, r.err
	}
	if behind > int64(len(r.part)) {
		return 0, errors.New("media: there is nothing at that offset")
	}
	r.part = r.part[behind:]
	return offset, nil
}

// before returns how many parts, of all but the last, lie before an offset, and
// how many bytes behind their end it is.
func (r *reader) before(offset int64) (parts int, behind int64) {
	behind = offset
	for _, run := range r.runs {
		size := int64(max(1, run.Size))
		n := int(min(behind/size, int64(run.Parts), int64(r.parts-1-parts)))
		parts, behind = parts+n, behind-int64(n)*size
		if n < run.Parts {
			break
		}
	}
	return parts, behind
}
