package citizen

import (
	"strconv"

	"gridwatch/mobileapi/wire"
	"gridwatch/server/fault"
	"gridwatch/server/web"
)

// Proofs shows that what the receipt tells stands in the log.
func (h Handlers) Proofs(q *web.Request) (web.Reply, error) {
	proofs, err := h.Service.ReadProofs(q.Context(), q.Actor)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{Body: proofs}, nil
}

// Checkpoint shows the log's newest checkpoint (检查点).
func (h Handlers) Checkpoint(q *web.Request) (web.Reply, error) {
	c, err := h.Service.LatestCheckpoint(q.Context())
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{Body: wire.Checkpoint{Note: c.Note}}, nil
}

// Tile shows a whole tile of the log as of its newest checkpoint.
func (h Handlers) Tile(q *web.Request) (web.Reply, error) {
	level, wrong := strconv.Atoi(q.Param("level"))
	index, err := strconv.ParseInt(q.Param("index"), 10, 64)
	if wrong != nil || err != nil {
		return web.Reply{}, fault.Absent()
	}
	t, err := h.Service.LogTile(q.Context(), level, index)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{Body: wire.Tile{Hashes: t.Hashes}}, nil
}
