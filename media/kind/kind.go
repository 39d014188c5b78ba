// Package kind says by its content what a piece of evidence is.
//
// A name or a declared type is never asked: who sends a video as a picture is
// answered by what the bytes are. What a kind says also forces the reader that
// opens the file later, so that no file can choose one.
package kind

import "github.com/gabriel-vasile/mimetype"

// Head is how many bytes of the beginning of a file Detect wants to see.
const Head = 4096

// Class is what can be done with a file.
type Class string

// The classes of evidence.
const (
	Photo    Class = "photo"
	Video    Class = "video"
	Audio    Class = "audio"
	Document Class = "document"
)

// Kind is what a file is by its content.
type Kind struct {
	Class Class
	Type  string // media type, such as image/jpeg
	// Demuxer is the name of FFmpeg's reader for it, empty for photos and
	// documents.
	Demuxer string
}

// kinds is what is accepted, by the media type that the content has. A
// container of the MP4 family may hold sound only; its class is settled when
// its streams are read.
var kinds = map[string]Kind{
	"image/jpeg": {Photo, "image/jpeg", ""},
	"image/png":  {Photo, "image/png", ""},
	"image/webp": {Photo, "image/webp", ""},
	"image/heic": {Photo, "image/heic", ""},
	"image/heif": {Photo, "image/heic", ""}, // what Sony's cameras and newer phones call theirs

	"video/mp4":       {Video, "video/mp4", "mov"},
	"video/x-m4v":     {Video, "video/mp4", "mov"},
	"video/quicktime": {Video, "video/quicktime", "mov"},
	"video/3gpp":      {Video, "video/3gpp", "mov"},
	"video/3gpp2":     {Video, "video/3gpp", "mov"},
	"video/webm":      {Video, "video/webm", "matroska"},

	"audio/x-m4a": {Audio, "audio/mp4", "mov"},
	"audio/mp4":   {Audio, "audio/mp4", "mov"},
	"audio/aac":   {Audio, "audio/aac", "aac"},
	"audio/amr":   {Audio, "audio/amr", "amr"},
	"audio/wav":   {Audio, "audio/wav", "wav"},
	"audio/mpeg":  {Audio, "audio/mpeg", "mp3"},
	"audio/ogg":   {Audio, "audio/ogg", "ogg"},

	"application/pdf": {Document, "application/pdf", ""},
}

// Detect returns what a file is whose first bytes, Head of them or the whole
// file, are head. It returns false for everything that is not accepted:
// archives, programs, playlists, markup, other pictures and containers.
func Detect(head []byte) (Kind, bool) {
	k, ok := kinds[mimetype.Detect(head).String()]
	return k, ok
}
