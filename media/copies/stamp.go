package copies

import (
	"context"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"slices"

	"gridwatch/media/sandbox"
)

const (
	labelFile   = "label.png"
	stampedFile = "stamped.mp4"
)

// Stamp lays a label over all of a film's copy, which label draws as a PNG of
// the film's size, and returns the film: a file of the scratch folder that has no
// name any more and is gone when it is closed. It returns ErrNoIsolation,
// ErrNoRoom, a RejectedError, or the error of r, label or ctx.
func (m *Maker) Stamp(ctx context.Context, r io.Reader, label func(size image.Point) ([]byte, error)) (*os.File, error) {
	if m.box == nil {
		return nil, ErrNoIsolation
	}
	select {
	case m.films <- struct{}{}:
		defer func() { <-m.films }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	j, err := m.open(ctx, r, Options{Limits: Limits{}.withDefaults()}, nil)
	if err != nil {
		return nil, err
	}
	defer j.close()
	found, err := j.probe(ctx, "mov", in)
	if err != nil {
		return nil, err
	}
	v := found.track("video")
	if v < 0 {
		return nil, ErrBroken
	}
	drawn, err := label(image.Pt(found.Streams[v].Width, found.Streams[v].Height))
	if err != nil {
		return nil, err
	}
	at := filepath.Join(j.dir, labelFile)
	if err := os.WriteFile(at, drawn, 0o400); err != nil {
		return nil, noRoom(err)
	}
	if err := sandbox.Own(at); err != nil {
		return nil, err
	}
	err = j.ffmpeg(ctx, slices.Concat(
		[]string{"-threads", "2"}, j.reading("mov"), []string{"-i", in, "-protocol_whitelist", "file", "-f", "png_pipe", "-i", labelFile}, coded,
		[]string{
			"-filter_complex", fmt.Sprintf("[0:%d][1:0]overlay[seen]", v), "-map", "[seen]", "-map", "0:a?", "-c:a", "copy",
			"-c:v", "libx264", "-preset", "veryfast", "-crf", "26", "-pix_fmt", "yuv420p", "-threads:v", "2", "-bsf:v", "filter_units=remove_types=6",
			"-movflags", "+faststart", "-empty_hdlr_name", "1", "-f", "mp4", stampedFile,
		}))
	if err != nil {
		return nil, err
	}
	return j.result(stampedFile)
}
