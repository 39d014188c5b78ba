// Package session serves the sign-ins of staff and the phones their pushes go to.
package session

import (
	"gridwatch/mobileapi/wire"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// Handlers are the handlers of sessions.
type Handlers struct {
	Service *workflow.Service
	Tokens  *web.Tokens
}

// Open signs a person in on a device.
func (h Handlers) Open(q *web.Request) (web.Reply, error) {
	var in wire.OpenSession
	if err := q.Decode(&in); err != nil {
		return web.Reply{}, err
	}
	s, err := h.Service.SignIn(q.Context(), in.Tenant, in.Login, in.Password, in.Device)
	if err != nil {
		return web.Reply{}, err
	}
	return h.tokens(s)
}

// Refresh gives the next pair of tokens.
func (h Handlers) Refresh(q *web.Request) (web.Reply, error) {
	var in wire.RefreshSession
	if err := q.Decode(&in); err != nil {
		return web.Reply{}, err
	}
	s, err := h.Service.Refresh(q.Context(), in.Refresh, in.Device)
	if err != nil {
		return web.Reply{}, err
	}
	return h.tokens(s)
}

func (h Handlers) tokens(s workflow.Session) (web.Reply, error) {
	access, expires, err := h.Tokens.Issue(web.Claims{Audience: web.Staff, Tenant: s.Tenant, Subject: s.Person, Family: s.Family})
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{Body: wire.Session{Access: access, AccessExpires: expires, Refresh: s.Refresh}}, nil
}

// Close signs out.
func (h Handlers) Close(q *web.Request) (web.Reply, error) {
	return web.Reply{}, h.Service.SignOut(q.Context(), q.Actor, q.Family)
}

// PutDevice names the phone that pushes go to.
func (h Handlers) PutDevice(q *web.Request) (web.Reply, error) {
	var in wire.PutDevice
	if err := q.Decode(&in); err != nil {
		return web.Reply{}, err
	}
	id, err := h.Service.PutDevice(q.Context(), q.Actor, in.Token)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{Body: wire.Device{ID: id}}, nil
}

// DropDevice ends pushes to a phone.
func (h Handlers) DropDevice(q *web.Request) (web.Reply, error) {
	return web.Reply{}, h.Service.DropDevice(q.Context(), q.Actor, q.Param("id"))
}
