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
	part := 0
	if r.full > 0 {
		part = int(min(offset/int64(r.full), int64(r.parts-1)))
	}
	r.skip(part)
	r.part, r.err = nil, nil
	if r.fetch(); r.err != nil {
		return 0, r.err
	}
	behind := offset - int64(part)*int64(r.full)
	if behind > int64(len(r.part)) {
		return 0, errors.New("media: there is nothing at that offset")
	}
	r.part = r.part[behind:]
	return offset, nil
}
