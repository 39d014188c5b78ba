package copies

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gen2brain/heic"

	"gridwatch/media/kind"
	"gridwatch/media/sandbox"
	"gridwatch/media/scrub"
)

// Longest sides of pictures, in pixels.
const (
	displaySide   = 2560
	thumbnailSide = 320
)

// photo draws a picture of a kind that Go reads.
func (m *Maker) photo(ctx context.Context, r io.Reader, o Options, keep func(context.Context, Copy) error) error {
	most := min(o.Limits.Bytes, maxPicture)
	if o.Size > most {
		return ErrTooLarge
	}
	in := bytes.NewBuffer(make([]byte, 0, o.Size+bytes.MinRead))
	if _, err := in.ReadFrom(io.LimitReader(r, most+1)); err != nil {
		return fmt.Errorf("read picture: %w", err)
	}
	original := in.Bytes()
	if int64(len(original)) > most {
		return ErrTooLarge
	}
	if err := m.scanned(ctx, bytes.NewReader(original)); err != nil {
		return err
	}
	if cfg, _, err := image.DecodeConfig(bytes.NewReader(original)); err == nil && int64(cfg.Width)*int64(cfg.Height) > o.Limits.Pixels {
		return ErrPixels
	}
	drawn, err := m.photos.Draw(ctx, original, displaySide, thumbnailSide)
	if err != nil {
		return ofPicture(err)
	}
	return pictures(ctx, keep, Display, drawn)
}

// ofPicture says why a picture is rejected.
func ofPicture(err error) error {
	switch {
	case errors.Is(err, scrub.ErrBroken):
		return ErrBroken
	case errors.Is(err, scrub.ErrTooLarge):
		return ErrPixels
	default:
		return err
	}
}

// pictures hands out a large picture and its thumbnail.
func pictures(ctx context.Context, keep func(context.Context, Copy) error, large Use, drawn []scrub.Copy) error {
	for i, use := range []Use{large, Thumbnail} {
		p := drawn[i]
		c := Copy{Use: use, Type: "image/jpeg", Width: p.Width, Height: p.Height, Size: int64(len(p.JPEG)), Body: bytes.NewReader(p.JPEG)}
		if err := keep(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// Names in the folder of a HEIC.
const (
	displayFile   = "display.jpg"
	thumbnailFile = "thumbnail.jpg"
)

// heicMemory is how many bytes the reader of a HEIC may take: 1.33 GB were seen
// with a picture of 26 megapixels and 10 bits.
const heicMemory = 2 << 30

// heicNarrow is the width in pixels up to which the decoder mixes the rows of a
// HEIC up. No camera takes such a picture, and a wrong one must not be shown.
const heicNarrow = 96

// HEICCommand is the word that makes the server's program, in a sandbox, the
// reader of a HEIC: it calls DrawHEIC.
const HEICCommand = "draw-heic"

// heic has a HEIC drawn by this program in a sandbox: its decoder takes up to
// 1.3 GB and does not give it back. The size is read before.
func (j *job) heic(ctx context.Context) error {
	original, err := j.read(in)
	if err != nil {
		return err
	}
	still, err := kind.HEIC(original)
	if err != nil {
		return ErrBroken
	}
	if uint64(still.Width)*uint64(still.Height) > uint64(j.o.Limits.Pixels) { //nolint:gosec // G115: none is negative
		return ErrPixels
	}
	_, err = j.run(ctx, sandbox.Job{
		Dir: j.dir, Program: sandbox.Self, Image: j.m.heicBy, Args: []string{HEICCommand}, Writes: []string{displayFile, thumbnailFile}, Stdout: 1 << 10,
		Limits: sandbox.Limits{Wall: 2 * time.Minute, CPU: 2 * time.Minute, Memory: heicMemory, File: maxPicture, Processes: 256},
	})
	if err != nil {
		return err
	}
	drawn := make([]scrub.Copy, 2)
	for i, name := range []string{displayFile, thumbnailFile} {
		if drawn[i].JPEG, err = j.read(name); err != nil {
			return err
		}
		cfg, _, err := image.DecodeConfig(bytes.NewReader(drawn[i].JPEG))
		if err != nil {
			return ErrBroken
		}
		drawn[i].Width, drawn[i].Height = cfg.Width, cfg.Height
	}
	return pictures(ctx, j.keep, Display, drawn)
}

// DrawHEIC is what this program does in the sandbox: it reads the HEIC in the
// folder and draws its copies beside it. The decoder has turned the picture.
func DrawHEIC() error {
	if heic.Dynamic() == nil {
		return errors.New("a HEIC library of the system was loaded; build with -tags nodynamic")
	}
	original, err := os.ReadFile(filepath.Join(sandbox.Folder, in))
	if err != nil {
		return err
	}
	still, err := kind.HEIC(original)
	if err != nil {
		return err
	}
	picture, err := heic.Decode(bytes.NewReader(original))
	if err != nil {
		return err
	}
	if picture.Bounds().Dx() <= heicNarrow {
		return errors.New("the decoder does not read pictures this narrow")
	}
	drawn, err := scrub.Paint(picture, 1, still.Profile, displaySide, thumbnailSide)
	if err != nil {
		return err
	}
	for i, name := range []string{displayFile, thumbnailFile} {
		if err := os.WriteFile(filepath.Join(sandbox.Folder, name), drawn[i].JPEG, 0o600); err != nil { //nolint:gosec // G703: both names are of this package
			return err
		}
	}
	return nil
}

// run runs a program over the file. That the isolation works no more, or that the
// folder is full, is not the file's fault, whatever the program says of it.
func (j *job) run(ctx context.Context, program sandbox.Job) ([]byte, error) {
	out, err := j.m.box.Run(ctx, program)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if full := j.full(); full != nil { // a program may leave out what found no room, and say nothing
		return nil, full
	}
	if err != nil && j.m.box.Works(ctx, j.m.scratch) != nil && ctx.Err() == nil {
		return nil, ErrNoIsolation
	}
	return out, ofProgram(err)
}

// ofProgram says what the end of a program means for the file. FFmpeg names the
// two limits of its own that it is given.
func ofProgram(err error) error {
	var failed *sandbox.FailedError
	switch {
	case errors.Is(err, sandbox.ErrLimit):
		return ErrEffort
	case errors.As(err, &failed) && strings.Contains(failed.Stderr, "max_streams"):
		return ErrStreams
	case errors.As(err, &failed) && strings.Contains(failed.Stderr, "max pixel count"):
		return ErrPixels
	case errors.As(err, &failed):
		return ErrBroken
	default:
		return err
	}
}
