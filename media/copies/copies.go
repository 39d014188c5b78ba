// Package copies makes the clean copies (derivatives) of evidence: what others
// than the desk may see or hear.
//
// A copy is made anew from what a file shows or says: pictures are drawn, films
// and sounds are coded again, documents become pictures of their pages. Nothing
// of a file's metadata goes into them. What pixels show and voices say stays;
// the voice of a reporter is left out or disguised as the options say.
//
// A file is hostile until its copy is made. Pictures of kinds that Go reads
// are drawn in this process, within a bounded number of bytes and pixels. All
// others are opened only in a sandbox, one film, one document and one HEIC at a
// time. Such a file is in clear in the scratch folder, which lies in memory or
// on an encrypted disk, and is removed when its copies are made.
package copies

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"gridwatch/media/kind"
	"gridwatch/media/sandbox"
	"gridwatch/media/scrub"
)

// Use is what a copy is for.
type Use string

// The uses of copies.
const (
	Display   Use = "display"   // a picture, JPEG, at most 2560 pixels long
	Thumbnail Use = "thumbnail" // a small picture, JPEG, at most 320 pixels long
	Poster    Use = "poster"    // a picture out of a film, JPEG
	Film      Use = "video"     // H.264 and AAC in MP4, at most 720 lines
	Sound     Use = "audio"     // AAC in MP4
	Pages     Use = "pages"     // PDF of pictures of the pages
)

// Copy is one clean copy. Its body is read by the function it is given to.
type Copy struct {
	Use           Use
	Type          string // media type
	Width, Height int    // pixels; zero for sounds and documents
	Size          int64  // bytes
	Body          io.Reader
}

// Voice says what becomes of the voices in a file.
type Voice string

// The ways with voices. A disguise shifts pitch and formants by a factor that
// is drawn for each file and kept nowhere. It is weak: speech stays
// understandable, and who knows the speaker, or guesses the factor, may
// recognise them.
const (
	Mute     Voice = "mute"
	Disguise Voice = "disguise"
	Keep     Voice = "keep"
)

// Limits are what a file may ask for. They are policy, not code: a zero field
// means its default below.
type Limits struct {
	Bytes   int64         // of the file
	Pixels  int64         // of one picture or frame
	Length  time.Duration // of a film or sound
	Streams int
	Pages   int
	Wall    time.Duration // that making the copies may take on the clock
}

// Limits that are left zero.
const (
	DefaultBytes   = 4 << 30
	DefaultPixels  = 50_000_000
	DefaultLength  = time.Hour
	DefaultStreams = 16
	DefaultPages   = 100
	DefaultWall    = 30 * time.Minute
)

// Options say how the copies of one file are made.
type Options struct {
	Size   int64 // of the file in bytes, if it is known
	Voice  Voice // empty means Mute
	Limits Limits
}

// RejectedError says that no copies can be made of a file, ever, and why. The
// reason is a word for people's eyes and for statistics; it quotes nothing.
type RejectedError struct{ Reason string }

// Error implements error.
func (e *RejectedError) Error() string { return "copies: the file is rejected: " + e.Reason }

// Why files are rejected.
var (
	ErrType     = &RejectedError{"type"}      // not of a kind that is accepted
	ErrBroken   = &RejectedError{"broken"}    // cannot be read, or holds nothing to be shown
	ErrTooLarge = &RejectedError{"too_large"} // more bytes than the limit or the scratch folder
	ErrPixels   = &RejectedError{"pixels"}
	ErrLength   = &RejectedError{"duration"}
	ErrStreams  = &RejectedError{"streams"}
	ErrPages    = &RejectedError{"pages"}
	ErrEffort   = &RejectedError{"effort"} // reading it takes more time, memory or space than it may
	ErrInfected = &RejectedError{"infected"}
)

// Errors that say nothing of the file: another try may go well.
var (
	ErrNoIsolation = errors.New("copies: there is no isolation, so films, sounds, documents and HEIC wait")
	ErrNoFonts     = errors.New("copies: what documents leave to the system's fonts cannot be drawn, so documents wait")
	ErrNotScanned  = errors.New("copies: the scanner for malware does not answer, so all evidence waits")
	ErrNoRoom      = errors.New("copies: the scratch folder is full, or cannot be used")
	ErrOccupied    = errors.New("copies: another HEIC is being opened")
)

// heicType is the media type of pictures that Go does not read.
const heicType = "image/heic"

// Maker makes copies. It may be used by many goroutines.
type Maker struct {
	scratch string
	box     *sandbox.Sandbox // nil without isolation
	why     error            // why there is none
	fonts   atomic.Bool      // Chinese text was drawn here
	random  io.Reader
	photos  *scrub.Cleaner
	scan    Scanner
	heicBy  string
	films   chan struct{} // one film or sound at a time
	pages   chan struct{} // one document at a time
	heics   chan struct{} // one HEIC at a time
}

// scanned has the scanner look at a file, if there is one.
func (m *Maker) scanned(ctx context.Context, r io.Reader) error {
	if m.scan == nil {
		return nil
	}
	err := m.scan.Scan(ctx, r)
	var rejected *RejectedError
	if err == nil || errors.As(err, &rejected) || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w: %w", ErrNotScanned, err)
}

// Scanner looks for malware. It returns ErrInfected if it found some, and any
// other error if it could not look: then no copies are made yet.
type Scanner interface {
	Scan(ctx context.Context, r io.Reader) error
}

// Config is what a Maker needs.
type Config struct {
	Scratch string    // folder for files in clear
	Random  io.Reader // for the disguise of voices
	Photos  *scrub.Cleaner
	Scanner Scanner      // nil for none
	Ways    sandbox.Ways // isolations to try; nil means all
	HEIC    string       // program that carries HEICCommand out; empty means this one
}

// New returns a Maker and removes what an earlier one left in the scratch
// folder. It refuses a scratch folder that neither lies in memory nor on an
// encrypted disk. Without isolation or ffmpeg the Maker makes copies of
// pictures only, and Isolation says so.
func New(ctx context.Context, cfg Config) (*Maker, error) {
	if err := safe(cfg.Scratch); err != nil {
		return nil, err
	}
	m := &Maker{
		scratch: cfg.Scratch, random: cfg.Random, photos: cfg.Photos, scan: cfg.Scanner, heicBy: cfg.HEIC,
		films: make(chan struct{}, 1), pages: make(chan struct{}, 1), heics: make(chan struct{}, 1),
	}
	if err := m.prepare(); err != nil {
		return nil, err
	}
	ways := cfg.Ways
	if ways == nil {
		ways = sandbox.All()
	}
	if m.box, m.why = ways.Find(ctx, m.scratch); m.why != nil {
		return m, ctx.Err()
	}
	for _, program := range []string{ffmpeg, ffprobe, pdfinfo, pdftoppm} {
		if _, err := os.Stat(program); err != nil {
			m.box, m.why = nil, err
		}
	}
	return m, nil
}

// Isolation is the name of the isolation in force, or "none".
func (m *Maker) Isolation() string {
	if m.box == nil {
		return "none"
	}
	return m.box.Isolation()
}

// Why says why there is no isolation, nil if there is.
func (m *Maker) Why() error { return m.why }

// Make makes the copies of the file in r and gives each to keep, which reads
// its body. It returns a RejectedError, ErrNoIsolation, ErrNoFonts, ErrNoRoom, or the error
// of r, keep or ctx. A file that is rejected may have had some copies kept.
func (m *Maker) Make(ctx context.Context, r io.Reader, o Options, keep func(context.Context, Copy) error) error {
	o.Voice = cmp.Or(o.Voice, Mute)
	o.Limits = o.Limits.withDefaults()
	return m.make(ctx, r, o, keep)
}

// timed does the work on a file within its time, which begins with the work:
// that others were before it, or the store is slow, is not the file's fault.
func (o Options) timed(ctx context.Context, work func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, o.Limits.Wall, ErrEffort)
	defer cancel()
	err := work(ctx)
	if errors.Is(err, context.DeadlineExceeded) && errors.Is(context.Cause(ctx), ErrEffort) {
		return ErrEffort
	}
	return err
}

func (l Limits) withDefaults() Limits {
	l.Bytes = cmp.Or(l.Bytes, DefaultBytes)
	l.Pixels = cmp.Or(l.Pixels, DefaultPixels)
	l.Length = cmp.Or(l.Length, DefaultLength)
	l.Streams = cmp.Or(l.Streams, DefaultStreams)
	l.Pages = cmp.Or(l.Pages, DefaultPages)
	l.Wall = cmp.Or(l.Wall, DefaultWall)
	return l
}

// enter waits until a file may be opened in the sandbox. A HEIC does not wait: it
// comes among pictures that do not, and would keep them waiting.
func (m *Maker) enter(ctx context.Context, found kind.Kind) (leave func(), err error) {
	slot := m.pages
	switch {
	case found.Type == heicType:
		select {
		case m.heics <- struct{}{}:
			return func() { <-m.heics }, nil
		default:
			return nil, ErrOccupied
		}
	case found.Demuxer != "":
		slot = m.films
	}
	select {
	case slot <- struct{}{}:
		return func() { <-slot }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *Maker) make(ctx context.Context, r io.Reader, o Options, keep func(context.Context, Copy) error) error {
	in := bufio.NewReaderSize(r, kind.Head)
	head, err := in.Peek(kind.Head)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read evidence: %w", err)
	}
	found, ok := kind.Detect(head)
	if !ok {
		return ErrType
	}
	if found.Class == kind.Photo && found.Type != heicType {
		return o.timed(ctx, func(ctx context.Context) error { return m.photo(ctx, in, o, keep) })
	}
	if m.box == nil {
		return ErrNoIsolation
	}
	leave, err := m.enter(ctx, found)
	if err != nil {
		return err
	}
	defer leave()
	if found.Class == kind.Document {
		if err := m.Fonts(ctx); err != nil {
			return err
		}
	}
	j, err := m.open(ctx, in, o, keep)
	if err != nil {
		return err
	}
	defer j.close()
	return o.timed(ctx, func(ctx context.Context) error {
		switch {
		case found.Type == heicType:
			return j.heic(ctx)
		case found.Class == kind.Document:
			return j.document(ctx)
		default:
			return j.film(ctx, found.Demuxer)
		}
	})
}
