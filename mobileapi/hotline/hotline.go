// Package hotline serves the operators of 12350: a caller's report is
// registered as any other, and the operator sees nothing of it afterwards.
package hotline

import (
	"net/http"

	"gridwatch/mobileapi/citizen"
	"gridwatch/mobileapi/wire"
	"gridwatch/server/fault"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// channel is how these reports come in.
const channel = "hotline"

// Handlers are the handlers of operators' routes.
type Handlers struct {
	Service *workflow.Service
}

// Take registers what a caller says (接听登记). The code is read out and so
// provisional: the caller exchanges it for one that no operator heard.
func (h Handlers) Take(q *web.Request) (web.Reply, error) {
	if err := citizen.Addressed(h.Service, q); err != nil {
		return web.Reply{}, err
	}
	var in wire.Report
	if err := q.Decode(&in); err != nil {
		return web.Reply{}, err
	}
	if in.Sealed != nil || in.Password != "" || len(in.Evidence) > 0 {
		return web.Reply{}, fault.New(fault.Invalid, "call.parts",
			"a call has no sealed parts, no files and no password: the caller adds files and sets a password behind the receipt")
	}
	s := in.Submission()
	s.Tenant, s.Key, s.Body, s.Channel, s.Provisional = q.Actor.Tenant, q.Key, q.RawBody(), channel, true
	out, err := h.Service.Register(q.Context(), s)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{Status: http.StatusCreated, Body: wire.FromRegistration(out)}, nil
}
