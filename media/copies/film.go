package copies

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	_ "image/jpeg" // posters
	"slices"
	"strconv"
	"strings"
	"time"

	"gridwatch/media/sandbox"
)

// Debian's programs.
const (
	ffmpeg   = "/usr/bin/ffmpeg"
	ffprobe  = "/usr/bin/ffprobe"
	pdfinfo  = "/usr/bin/pdfinfo"
	pdftoppm = "/usr/bin/pdftoppm"
)

const (
	filmFile   = "film.mp4"
	soundFile  = "sound.m4a"
	posterFile = "poster.png"

	maxCopy = 2 << 30 // bytes of one copy
)

// probed is what ffprobe says of a file.
type probed struct {
	Streams []stream `json:"streams"`
	Format  struct {
		Duration string `json:"duration"`
	} `json:"format"`
}

//nolint:tagliatelle // ffprobe's names
type stream struct {
	Kind        string `json:"codec_type"`
	Codec       string `json:"codec_name"`
	Width       int    `json:"width"`
	Height      int    `json:"height"`
	Duration    string `json:"duration"`
	Transfer    string `json:"color_transfer"`
	Disposition struct {
		Cover int `json:"attached_pic"`
	} `json:"disposition"`
}

// track returns the number of the first stream of a kind, -1 if there is none.
// A cover is no film.
func (p *probed) track(kind string) int {
	return slices.IndexFunc(p.Streams, func(s stream) bool {
		return s.Kind == kind && s.Codec != "" && s.Disposition.Cover == 0
	})
}

// film makes the copies of a film or a sound.
func (j *job) film(ctx context.Context, demuxer string) error {
	found, err := j.probe(ctx, demuxer, in)
	if err != nil {
		return err
	}
	pictures, sound := found.track("video"), found.track("audio")
	switch {
	case pictures >= 0:
		return j.pictures(ctx, demuxer, pictures, sound, found.Streams[pictures].Transfer)
	case sound < 0:
		return ErrBroken
	case j.o.Voice == Mute:
		return nil // nothing of it may be heard
	default:
		return j.sound(ctx, demuxer, sound)
	}
}

// probe reads what streams a file has and holds them against the limits.
func (j *job) probe(ctx context.Context, demuxer, name string) (*probed, error) {
	out, err := j.run(ctx, sandbox.Job{
		Dir: j.dir, Program: ffprobe, Stdout: 1 << 20,
		Args: slices.Concat([]string{"-v", "error"}, j.reading(demuxer), []string{
			"-show_entries", "format=duration:stream=index,codec_type,codec_name,width,height,duration,color_transfer:stream_disposition=attached_pic",
			"-of", "json", name,
		}),
		Limits: sandbox.Limits{Wall: time.Minute, CPU: 30 * time.Second, Memory: 1 << 30, Space: 2 << 30, File: 1 << 20, Processes: 64},
	})
	if err != nil {
		return nil, err
	}
	found := new(probed)
	if err := json.Unmarshal(out, found); err != nil {
		return nil, ErrBroken
	}
	return found, j.within(found)
}

// within holds what a file says of itself against the limits.
func (j *job) within(p *probed) error {
	l := j.o.Limits
	if len(p.Streams) > l.Streams {
		return ErrStreams
	}
	lengths := []string{p.Format.Duration}
	for _, s := range p.Streams {
		if int64(s.Width)*int64(s.Height) > l.Pixels || s.Width < 0 || s.Height < 0 {
			return ErrPixels
		}
		lengths = append(lengths, s.Duration)
	}
	for _, text := range lengths {
		if seconds, err := strconv.ParseFloat(text, 64); err == nil && !(seconds <= l.Length.Seconds()) {
			return ErrLength
		}
	}
	return nil
}

// reading are the options by which a file is opened: by the reader that its
// content asks for, from this folder only, within the limits.
func (j *job) reading(demuxer string) []string {
	return []string{
		"-protocol_whitelist", "file", "-max_streams", strconv.Itoa(j.o.Limits.Streams),
		"-max_pixels", strconv.FormatInt(j.o.Limits.Pixels, 10), "-f", demuxer,
	}
}

// coded are the options by which every copy is written: nothing of the file's
// metadata, chapters, subtitles or data, nor of the encoder.
var coded = []string{
	"-map_metadata", "-1", "-map_metadata:s", "-1", "-map_chapters", "-1", "-sn", "-dn",
	"-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact",
}

// fit is as large as 720p allows either way round, never larger than it was.
const fit = "scale=w='min(if(gte(iw,ih),1280,720),iw)':h='min(if(gte(iw,ih),720,1280),ih)':force_original_aspect_ratio=decrease:force_divisible_by=2"

// dim maps a film of high dynamic range (ITU-R BT.2100) to what every screen
// shows (BT.709): white at 203 cd/m² (BT.2408) stays white, what is darker than a
// third of it stays as it is, and lights are compressed.
const dim = ",format=yuv420p10le,zscale=tin=%s:min=bt2020nc:pin=bt2020:t=linear:npl=203,format=gbrpf32le," +
	"zscale=p=bt709,tonemap=tonemap=mobius:desat=0,zscale=t=bt709:m=bt709:r=limited"

// pictures makes a film's copy, its poster and its thumbnail. Transfer is how the
// film codes light, as ffprobe calls it.
func (j *job) pictures(ctx context.Context, demuxer string, pictures, sound int, transfer string) error {
	filter := fit
	if transfer == "smpte2084" || transfer == "arib-std-b67" { // PQ, HLG
		filter += fmt.Sprintf(dim, transfer)
	}
	args := []string{
		"-map", fmt.Sprintf("0:%d", pictures), "-vf", filter,
		"-fps_mode", "vfr", "-fpsmax", "30",
		"-c:v", "libx264", "-preset", "veryfast", "-crf", "26", "-pix_fmt", "yuv420p", "-threads:v", "2",
		// Without user data, where encoders write their settings.
		"-bsf:v", "filter_units=remove_types=6",
	}
	if sound >= 0 && j.o.Voice != Mute {
		voice, err := j.voice(sound)
		if err != nil {
			return err
		}
		args = append(args, voice...)
	}
	args = append(args, "-movflags", "+faststart", "-empty_hdlr_name", "1", "-f", "mp4", filmFile)
	if err := j.code(ctx, demuxer, args...); err != nil {
		return err
	}
	made, err := j.probe(ctx, "mov", filmFile) // also: not longer than allowed, whatever the file said
	if err != nil {
		return err
	}
	v := made.track("video")
	if v < 0 {
		return ErrBroken
	}
	if err := j.give(ctx, filmFile, Copy{Use: Film, Type: "video/mp4", Width: made.Streams[v].Width, Height: made.Streams[v].Height}); err != nil {
		return err
	}
	return j.poster(ctx)
}

// poster draws a picture out of the film's copy.
func (j *job) poster(ctx context.Context) error {
	err := j.ffmpeg(ctx, slices.Concat(j.reading("mov"), []string{"-i", filmFile, "-frames:v", "1", "-vf", "thumbnail=50", "-f", "image2", posterFile}))
	if err != nil {
		return err
	}
	frame, err := j.read(posterFile)
	if err != nil {
		return err
	}
	if _, _, err := image.DecodeConfig(strings.NewReader(string(frame))); err != nil {
		return ErrBroken
	}
	drawn, err := j.m.photos.Draw(ctx, frame, displaySide, thumbnailSide)
	if err != nil {
		return ofPicture(err)
	}
	return pictures(ctx, j.keep, Poster, drawn)
}

// sound makes a sound's copy.
func (j *job) sound(ctx context.Context, demuxer string, sound int) error {
	voice, err := j.voice(sound)
	if err != nil {
		return err
	}
	if err := j.code(ctx, demuxer, append(voice, "-vn", "-movflags", "+faststart", "-empty_hdlr_name", "1", "-f", "mp4", soundFile)...); err != nil {
		return err
	}
	if _, err := j.probe(ctx, "mov", soundFile); err != nil {
		return err
	}
	return j.give(ctx, soundFile, Copy{Use: Sound, Type: "audio/mp4"})
}

// voice are the options by which a sound is coded.
func (j *job) voice(sound int) ([]string, error) {
	args := []string{"-map", fmt.Sprintf("0:%d", sound), "-c:a", "aac", "-b:a", "96k", "-ac", "2", "-ar", "44100"}
	if j.o.Voice == Keep {
		return args, nil
	}
	factor, err := j.m.shift()
	if err != nil {
		return nil, err
	}
	return append(args, "-af", fmt.Sprintf("rubberband=pitch=%.4f:formant=shifted", factor)), nil
}

// shift draws how far a voice is disguised: down or up by a fifth to a third.
func (m *Maker) shift() (float64, error) {
	var b [3]byte
	if _, err := m.random.Read(b[:]); err != nil {
		return 0, fmt.Errorf("draw disguise: %w", err)
	}
	f := float64(uint(b[1])<<8|uint(b[2])) / (1 << 16)
	if b[0]&1 == 0 {
		return 0.68 + 0.12*f, nil
	}
	return 1.25 + 0.2*f, nil
}

// code writes a copy of the file. One second more than allowed is written, so
// that a file which is longer than it says is found out.
func (j *job) code(ctx context.Context, demuxer string, args ...string) error {
	line := slices.Concat(
		[]string{"-threads", "2", "-t", strconv.FormatFloat(j.o.Limits.Length.Seconds()+1, 'f', 0, 64)},
		j.reading(demuxer), []string{"-i", in}, coded, args)
	return j.ffmpeg(ctx, line)
}

// ffmpeg runs FFmpeg, which writes the file that its last argument names.
func (j *job) ffmpeg(ctx context.Context, args []string) error {
	_, err := j.run(ctx, sandbox.Job{
		Dir: j.dir, Program: ffmpeg, Writes: args[len(args)-1:], Stdout: 1 << 10,
		Args: append([]string{"-v", "error", "-nostdin", "-y", "-filter_threads", "2"}, args...),
		Limits: sandbox.Limits{
			Wall: j.o.Limits.Wall, CPU: 2 * j.o.Limits.Wall, Memory: 2 << 30, Space: 4 << 30, File: maxCopy, Processes: 64,
		},
	})
	return err
}
