// Package tus speaks the tus protocol 1.0.0 for resumable uploads, with its
// extensions creation, creation-with-upload, termination, expiration and
// checksum (tus.io/protocols/resumable-upload).
//
// An upload needs a right, which is got by announcing a file: the file then
// stands in the manifest as expected, and who announced it, with the same
// bearer, is the only one who can send it. The right is given as the metadata
// "right" when the upload is created; "filename" is the one other key read.
package tus

import (
	"net/http"
	"strconv"
	"time"

	"gridwatch/media/upload"
	"gridwatch/mobileapi/intake"
	"gridwatch/mobileapi/wire"
	"gridwatch/server/fault"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

const (
	version = "1.0.0"
	// Type is the media type of a piece.
	Type = "application/offset+octet-stream"
	// MaxPiece bounds a piece in bytes: the largest upload there is.
	MaxPiece = 4 << 30
	// Path is where uploads are.
	Path = "/v1/uploads"
)

// Header is what every answer of the protocol says.
func Header() map[string]string {
	return map[string]string{"Tus-Resumable": version, "Tus-Version": version}
}

// Handlers are the handlers of uploads.
type Handlers struct {
	Service *workflow.Service
}

// Describe says what of the protocol is spoken.
func (h Handlers) Describe(*web.Request) (web.Reply, error) {
	return web.Reply{Header: map[string]string{
		"Tus-Extension":          "creation,creation-with-upload,termination,expiration,checksum",
		"Tus-Checksum-Algorithm": "sha256,sha1",
		"Tus-Max-Size":           strconv.Itoa(MaxPiece),
	}}, nil
}

// Create uses a right. A body is the first piece.
func (h Handlers) Create(q *web.Request) (web.Reply, error) {
	if err := spoken(q); err != nil {
		return web.Reply{}, err
	}
	if q.Header("Upload-Defer-Length") != "" {
		return web.Reply{}, fault.New(fault.Invalid, "upload.header", "the length is declared when the upload is created: Upload-Length")
	}
	length, err := number("Upload-Length", q.Header("Upload-Length"))
	if err != nil {
		return web.Reply{}, err
	}
	meta, err := metadata(q.Header("Upload-Metadata"))
	if err != nil {
		return web.Reply{}, err
	}
	if len(meta["filename"]) > maxName {
		return web.Reply{}, fault.New(fault.Invalid, "evidence.file_name", "a file name has at most 255 bytes of UTF-8")
	}
	var first *upload.Piece
	if q.BodyLength() != 0 {
		if first, err = piece(q, 0); err != nil {
			return web.Reply{}, err
		}
	}
	sent, err := h.Service.CreateUpload(q.Context(), q.Actor, meta["right"], length, meta["filename"], first)
	if err != nil {
		return web.Reply{}, err
	}
	reply := progress(http.StatusCreated, sent)
	reply.Header["Location"] = Path + "/" + sent.ID
	return reply, nil
}

// Find says how far an upload is.
func (h Handlers) Find(q *web.Request) (web.Reply, error) {
	if err := spoken(q); err != nil {
		return web.Reply{}, err
	}
	sent, err := h.Service.FindUpload(q.Context(), q.Actor, q.Param("id"))
	if err != nil {
		return web.Reply{}, err
	}
	reply := progress(http.StatusOK, sent)
	reply.Header["Upload-Length"] = strconv.FormatInt(sent.Length, 10)
	return reply, nil
}

// Append takes a piece.
func (h Handlers) Append(q *web.Request) (web.Reply, error) {
	if err := spoken(q); err != nil {
		return web.Reply{}, err
	}
	if q.Header("Content-Type") != Type { // of an empty piece too
		return web.Reply{}, fault.New(fault.Unsupported, "body.media_type", "the Content-Type is %s", Type)
	}
	offset, err := number("Upload-Offset", q.Header("Upload-Offset"))
	if err != nil {
		return web.Reply{}, err
	}
	p, err := piece(q, offset)
	if err != nil {
		return web.Reply{}, err
	}
	sent, err := h.Service.SendPiece(q.Context(), q.Actor, q.Param("id"), *p)
	if err != nil {
		return web.Reply{}, err
	}
	return progress(http.StatusNoContent, sent), nil
}

// piece is the body as a piece.
func piece(q *web.Request, offset int64) (*upload.Piece, error) {
	sum, want, err := checksum(q.Header("Upload-Checksum"))
	if err != nil {
		return nil, err
	}
	return &upload.Piece{Offset: offset, Length: q.BodyLength(), Body: q.Body(), From: q.Sender(), Sum: sum, Want: want}, nil
}

// End gives an upload up.
func (h Handlers) End(q *web.Request) (web.Reply, error) {
	if err := spoken(q); err != nil {
		return web.Reply{}, err
	}
	return web.Reply{}, h.Service.EndUpload(q.Context(), q.Actor, q.Param("id"))
}

func progress(status int, sent workflow.Sent) web.Reply {
	return web.Reply{Status: status, Header: map[string]string{
		"Upload-Offset": strconv.FormatInt(sent.Offset, 10), "Upload-Expires": sent.Expires.UTC().Format(http.TimeFormat),
	}}
}

// spoken refuses another version of the protocol.
func spoken(q *web.Request) error {
	if q.Header("Tus-Resumable") != version {
		return fault.New(fault.Invalid, "upload.version", "the protocol is tus %s: Tus-Resumable says so", version)
	}
	return nil
}

// AnnounceEvidence announces files of a receipt's holder.
func (h Handlers) AnnounceEvidence(q *web.Request) (web.Reply, error) {
	return announce(q, func(call workflow.Call, in []workflow.Announcement) ([]workflow.Announced, error) {
		return h.Service.AnnounceEvidence(q.Context(), call, in)
	})
}

// AnnounceAttachment announces files of the desk for a reporter.
func (h Handlers) AnnounceAttachment(q *web.Request) (web.Reply, error) {
	return announce(q, func(call workflow.Call, in []workflow.Announcement) ([]workflow.Announced, error) {
		return h.Service.AnnounceAttachment(q.Context(), call, q.Param("id"), in)
	})
}

// AnnounceCollected announces what the assignee of a task took at the place.
func (h Handlers) AnnounceCollected(q *web.Request) (web.Reply, error) {
	call, err := intake.Call(q)
	if err != nil {
		return web.Reply{}, err
	}
	var in wire.AnnounceTaken
	if err := q.Decode(&in); err != nil {
		return web.Reply{}, err
	}
	var items []workflow.Announcement
	for i, item := range in.Items {
		a, err := item.Announcement(i)
		if err != nil {
			return web.Reply{}, err
		}
		a.Photo = item.PhotoID
		items = append(items, a)
	}
	return announced(h.Service.AnnounceCollected(q.Context(), call, q.Param("id"), items, in.Capture()))
}

func announce(q *web.Request, do func(workflow.Call, []workflow.Announcement) ([]workflow.Announced, error)) (web.Reply, error) {
	call, err := intake.Call(q)
	if err != nil {
		return web.Reply{}, err
	}
	var in wire.Announce
	if err := q.Decode(&in); err != nil {
		return web.Reply{}, err
	}
	var items []workflow.Announcement
	for i, item := range in.Items {
		a, err := item.Announcement(i)
		if err != nil {
			return web.Reply{}, err
		}
		items = append(items, a)
	}
	return announced(do(call, items))
}

func announced(all []workflow.Announced, err error) (web.Reply, error) {
	if err != nil {
		return web.Reply{}, err
	}
	return expected(all), nil
}

// expected answers with what is expected now.
func expected(all []workflow.Announced) web.Reply {
	out := wire.Announced{Uploads: Path, Items: []wire.AnnouncedItem{}}
	for _, a := range all {
		out.Items = append(out.Items, wire.AnnouncedItem{N: a.N, ID: a.Item, Right: a.Right, Expires: a.Expires.UTC().Truncate(time.Second)})
	}
	return web.Reply{Status: http.StatusCreated, Body: out}
}

// AnnounceSegment announces a segment of a recording of an inspection.
func (h Handlers) AnnounceSegment(q *web.Request) (web.Reply, error) {
	call, err := intake.Call(q)
	if err != nil {
		return web.Reply{}, err
	}
	var in wire.Segment
	if err := q.Decode(&in); err != nil {
		return web.Reply{}, err
	}
	sum, err := wire.Digest(in.SHA256, "/sha256")
	if err != nil {
		return web.Reply{}, err
	}
	a, err := h.Service.AnnounceSegment(q.Context(), call, q.Param("id"), workflow.SegmentPlan{
		Recording: q.Param("recording"), N: in.N, Size: in.Size, SHA256: sum, StartedAt: in.StartedAt, OffsetMS: in.OffsetMS, DurationMS: in.DurationMS,
		Capture: in.Capture(),
	})
	if err != nil {
		return web.Reply{}, err
	}
	return expected([]workflow.Announced{a}), nil
}
