package console

import (
	"bytes"
	"io"
	"strconv"

	"gridwatch/server/fault"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// archived is what was sealed away of a report, still sealed: for the tool of
// the officer of ring A who opens it. Bytes are base64.
type archived workflow.ArchivedReport

// readArchive serves GET /v1/custody/openings/:id/archive.
func readArchive(s *workflow.Service) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		a, err := s.ReadArchive(q.Context(), q.Actor, q.Param("id"))
		a.Messages, a.Items = whole(a.Messages), whole(a.Items)
		return web.Reply{Body: archived(a)}, err
	}
}

// archivedPart serves GET /v1/custody/openings/:id/archive/:item/:part: a part
// of an item, sealed.
func archivedPart(s *workflow.Service) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		n, err := strconv.Atoi(q.Param("part"))
		if err != nil {
			return web.Reply{}, fault.Absent()
		}
		sealed, err := s.ReadArchivedItem(q.Context(), q.Actor, q.Param("id"), q.Param("item"), n)
		if err != nil {
			return web.Reply{}, err
		}
		return web.Reply{Stream: &web.Stream{
			ReadCloser: io.NopCloser(bytes.NewReader(sealed)), Size: int64(len(sealed)), Type: "application/octet-stream", Name: q.Param("item"),
		}}, nil
	}
}
