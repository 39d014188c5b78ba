package workflow

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"gridwatch/media/copies"
	"gridwatch/media/redact"
	"gridwatch/server/audit"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// stampedFilms is how many stamped films a process keeps at most: they lie in
// the scratch folder, and each is made anew for who looks, and each day.
const stampedFilms = 4

// filmOf says whose look at which film on which day.
type filmOf struct{ object, person, day string }

// stampedFilm is a film that is being stamped (no file yet), or is to be seen.
type stampedFilm struct {
	file *os.File
	size int64
	tag  string
	used time.Time
}

// stamping is the wish for a stamped film.
type stamping struct {
	of   filmOf
	seen sight
}

// stamps are the stamped films of a process.
type stamps struct {
	mu     sync.Mutex
	films  map[filmOf]*stampedFilm
	wanted chan stamping
}

func newStamps() *stamps {
	return &stamps{films: map[filmOf]*stampedFilm{}, wanted: make(chan stamping, stampedFilms)}
}

// stampOf is what a stamp says: who looks, and the day.
func stampOf(person, day string) string { return fmt.Sprintf("%.60s %s", person, day) }

// filmFor gives out a film stamped for who looks. Until it is made the answer is
// the Busy Fault of a copy that is not there yet.
func (s *Service) filmFor(actor casefile.Actor, v sight, object string) (Original, error) {
	of := filmOf{object, actor.Person, audit.Day(s.now())}
	s.stamps.mu.Lock()
	defer s.stamps.mu.Unlock()
	film := s.stamps.films[of]
	if film == nil {
		select {
		case s.stamps.wanted <- stamping{of, v}:
			s.stamps.films[of] = &stampedFilm{used: s.now()}
		default: // so many are wanted already
		}
		return Original{}, errNoCopy()
	}
	if film.file == nil {
		return Original{}, errNoCopy()
	}
	film.used = s.now()
	fd, err := unix.FcntlInt(film.file.Fd(), unix.F_DUPFD_CLOEXEC, 0) // it may be given up while it is read
	if err != nil {
		return Original{}, fmt.Errorf("open stamped film: %w", err)
	}
	own := os.NewFile(uintptr(fd), "film")
	return Original{ReadCloser: section{io.NewSectionReader(own, 0, film.size), own}, Type: "video/mp4", Size: film.size, Tag: film.tag}, nil
}

// section reads a file of its own from any place.
type section struct {
	*io.SectionReader
	io.Closer
}

// stampFilms makes the films that are wanted, until ctx ends.
func (s *Service) stampFilms(ctx context.Context) {
	defer s.stamps.drop()
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.stamps.makeRoom(audit.Day(s.now()), stampedFilms)
		case w := <-s.stamps.wanted:
			if err := s.stampFilm(ctx, w); err != nil && ctx.Err() == nil {
				s.Log.LogAttrs(ctx, slog.LevelError, "no film was stamped", slog.String("code", fault.CodeOf(err)), slog.Any("error", err))
			}
		}
	}
}

func (s *Service) stampFilm(ctx context.Context, w stamping) error {
	s.stamps.makeRoom(w.of.day, stampedFilms-1)
	film, err := s.stampedOf(ctx, w)
	if errors.Is(err, copies.ErrNoRoom) {
		s.stamps.drop()
	}
	s.stamps.mu.Lock()
	defer s.stamps.mu.Unlock()
	if s.stamps.films[w.of] != nil { // or it was given up meanwhile
		s.stamps.give(w.of)
	}
	if err != nil { // who asks again has it tried again
		return err
	}
	s.stamps.films[w.of] = film
	return nil
}

func (s *Service) stampedOf(ctx context.Context, w stamping) (*stampedFilm, error) {
	shown, err := s.readCopy(ctx, w.seen.at, w.seen.item, w.seen.copied)
	if err != nil {
		return nil, err
	}
	file, err := s.Copies.Stamp(ctx, shown, func(size image.Point) ([]byte, error) { return redact.Label(size, stampOf(w.of.person, w.of.day)) })
	if err = errors.Join(err, shown.Close()); err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	id, err := s.newID() // made again, its bytes may be others
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &stampedFilm{file: file, size: info.Size(), tag: tagOf(id), used: s.now()}, nil
}

// makeRoom gives films of other days up, and the one that was longest not looked
// at where there are more than so many.
func (st *stamps) makeRoom(day string, most int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	kept, oldest := 0, filmOf{}
	for of, film := range st.films {
		switch {
		case film.file == nil:
		case of.day != day:
			st.give(of)
		default:
			if kept++; kept == 1 || film.used.Before(st.films[oldest].used) {
				oldest = of
			}
		}
	}
	if kept > most {
		st.give(oldest)
	}
}

// drop gives all films up.
func (st *stamps) drop() {
	st.mu.Lock()
	defer st.mu.Unlock()
	for of := range st.films {
		st.give(of)
	}
}

// give closes a film; whoever reads it has a descriptor of their own.
func (st *stamps) give(of filmOf) {
	if film := st.films[of]; film.file != nil {
		_ = film.file.Close()
	}
	delete(st.films, of)
}
