package console

import (
	"errors"
	"io"
	"net/http"
	"strconv"

	"gridwatch/media"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// message is one message of the dialogue with a reporter. The desk's are an
// office's: who wrote one is not said.
type message struct {
	N           int           `json:"n"` // order, from 1
	From        casefile.Side `json:"from"`
	On          string        `json:"on"` // date
	Text        string        `json:"text"`
	Attachments []sentFile    `json:"attachments"`

	Archived bool `json:"archived,omitempty"` // sealed away to the rings
}

// sentFile is a file of a message.
type sentFile struct {
	ID   string                `json:"id"`
	Kind casefile.EvidenceKind `json:"kind"`
	Type string                `json:"type"` // media type
	Size int64                 `json:"size"` // bytes
}

func newMessage(m *workflow.ShownMessage) (message, string) {
	return message{N: m.N, From: m.From, On: m.On, Text: m.Text, Attachments: each(m.Files, func(f workflow.ShownFile) sentFile { return sentFile(f) }), Archived: m.Archived}, strconv.Itoa(m.N)
}

// messages serves GET /v1/office/reports/:id/messages.
func messages(s *workflow.Service) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		l, err := q.Listing(nil)
		if err != nil {
			return web.Reply{}, err
		}
		after, err := l.AfterN()
		if err != nil {
			return web.Reply{}, err
		}
		found, err := s.DeskDialogue(q.Context(), q.Actor, q.Param("id"), after, l.Limit+1)
		if err != nil {
			return web.Reply{}, err
		}
		return web.Reply{Body: web.Paged(l, found, newMessage)}, nil
	}
}

// maxMessage bounds a form in bytes: five pictures and the message.
const maxMessage = 5*media.DefaultMaxBytes + 64<<10

// writeMessage is the route POST /v1/office/reports/:id/messages: a form of the
// part message, which is JSON and names files that came in pieces, and pictures
// called evidence.
func writeMessage(s *workflow.Service) web.Route {
	r := post("/v1/office/reports/:id/messages", casefile.ReportDecide, "", func(q *web.Request) (web.Reply, error) {
		c, err := call(q)
		if err != nil {
			return web.Reply{}, err
		}
		part, err := q.NextPart()
		if errors.Is(err, io.EOF) || (err == nil && part.FormName() != "message") {
			return web.Reply{}, errMessageParts()
		}
		if err != nil {
			return web.Reply{}, err
		}
		var in workflow.DeskMessage
		if c.Body, err = web.ReadJSON(part, 64<<10, "office-message", &in); err != nil {
			return web.Reply{}, err
		}
		reply, err := answer(s.WriteToReporter(q.Context(), c, q.Param("id"), in, pictures{q}))
		reply.Status = http.StatusCreated
		return reply, err
	})
	r.Stream, r.MaxBody = true, maxMessage
	return r
}

// pictures are the files of a form (workflow.Files).
type pictures struct{ q *web.Request }

// Next implements workflow.Files.
func (p pictures) Next() (workflow.IncomingFile, error) {
	part, err := p.q.NextPart()
	if err != nil {
		return workflow.IncomingFile{}, err
	}
	if part.FormName() != "evidence" || part.FileName() == "" {
		return workflow.IncomingFile{}, errMessageParts()
	}
	return workflow.IncomingFile{Name: part.FileName(), Reader: part, From: p.q.Sender()}, nil
}

func errMessageParts() error {
	return fault.New(fault.Invalid, "body.parts", "a form has one part called message, then files called evidence").At("/message")
}
