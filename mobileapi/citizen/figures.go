package citizen

import (
	"gridwatch/mobileapi/wire"
	"gridwatch/server/fault"
	"gridwatch/server/web"
)

// Figures shows what the county publishes of a quarter, the newest if none is
// named.
func (h Handlers) Figures(q *web.Request) (web.Reply, error) {
	quarters, err := h.Service.PublishedQuarters(q.Context(), q.Actor.Tenant)
	if err != nil {
		return web.Reply{}, err
	}
	if len(quarters) == 0 {
		return web.Reply{}, fault.Absent()
	}
	quarter, err := q.QueryOneOf("quarter", quarters...)
	if err != nil {
		return web.Reply{}, err
	}
	if quarter == "" {
		quarter = quarters[0]
	}
	p, err := h.Service.PublicFigures(q.Context(), q.Actor.Tenant, quarter)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{Body: wire.FromPublication(p, quarters)}, nil
}

// Results shows what was found and dealt with, in batches.
func (h Handlers) Results(q *web.Request) (web.Reply, error) {
	batches, err := h.Service.PublicResults(q.Context(), q.Actor.Tenant)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{Body: wire.FromBatches(batches)}, nil
}
