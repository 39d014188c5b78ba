// Package session serves the sign-ins of staff, their second factors and
// sessions, their declared ties, and the phones their pushes go to.
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

// decoded reads the body of a request.
func decoded[T any](q *web.Request) (T, error) {
	var in T
	err := q.Decode(&in)
	return in, err
}

// Open signs a person in on a device, or says that a second factor is to follow.
func (h Handlers) Open(q *web.Request) (web.Reply, error) {
	in, err := decoded[wire.OpenSession](q)
	if err != nil {
		return web.Reply{}, err
	}
	s, err := h.Service.SignIn(q.Context(), workflow.Credentials{
		Tenant: in.Tenant, Login: in.Login, Password: in.Password, Device: in.Device, Label: in.Label,
	})
	if err != nil {
		return web.Reply{}, err
	}
	if s.Half != nil {
		return web.Reply{Body: wire.HalfSession{Half: s.Half.Token, HalfExpires: s.Half.Expires, Factors: s.Half.Factors, InitialPassword: s.Issued}}, nil
	}
	return h.tokens(s, nil)
}

// Second ends a sign-in by a code.
func (h Handlers) Second(q *web.Request) (web.Reply, error) {
	in, err := decoded[wire.SecondFactor](q)
	if err != nil {
		return web.Reply{}, err
	}
	s, codes, err := h.Service.SecondFactor(q.Context(), in.Half, in.Device, in.Code)
	if err != nil {
		return web.Reply{}, err
	}
	return h.tokens(s, codes)
}

// Enrol gives a secret to who has to have a second factor and has none yet.
func (h Handlers) Enrol(q *web.Request) (web.Reply, error) {
	in, err := decoded[wire.Half](q)
	if err != nil {
		return web.Reply{}, err
	}
	e, err := h.Service.EnrolFirst(q.Context(), in.Half, in.Device)
	return web.Reply{Body: wire.Enrolment(e)}, err
}

// AskPasskey gives the challenge for a passkey as the second factor.
func (h Handlers) AskPasskey(q *web.Request) (web.Reply, error) {
	in, err := decoded[wire.Half](q)
	if err != nil {
		return web.Reply{}, err
	}
	c, err := h.Service.AskPasskey(q.Context(), in.Half, in.Device)
	return web.Reply{Body: wire.Ceremony{Ceremony: c.Token, Options: c.Options}}, err
}

// ByPasskey ends a sign-in by a passkey.
func (h Handlers) ByPasskey(q *web.Request) (web.Reply, error) {
	in, err := decoded[wire.PasskeyAnswer](q)
	if err != nil {
		return web.Reply{}, err
	}
	s, err := h.Service.ByPasskey(q.Context(), in.Half, in.Device, in.Ceremony, in.Credential)
	if err != nil {
		return web.Reply{}, err
	}
	return h.tokens(s, nil)
}

// Refresh gives the next pair of tokens.
func (h Handlers) Refresh(q *web.Request) (web.Reply, error) {
	in, err := decoded[wire.RefreshSession](q)
	if err != nil {
		return web.Reply{}, err
	}
	s, err := h.Service.Refresh(q.Context(), in.Refresh, in.Device)
	if err != nil {
		return web.Reply{}, err
	}
	return h.tokens(s, nil)
}

func (h Handlers) tokens(s workflow.Session, codes []string) (web.Reply, error) {
	access, expires, err := h.Tokens.Issue(web.Claims{Audience: web.Staff, Tenant: s.Tenant, Subject: s.Person, Family: s.Family})
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{Body: wire.Session{Access: access, AccessExpires: expires, Refresh: s.Refresh, RecoveryCodes: codes, InitialPassword: s.Issued}}, nil
}

// ChangePassword gives another password and ends the other sessions.
func (h Handlers) ChangePassword(q *web.Request) (web.Reply, error) {
	in, err := decoded[wire.ChangePassword](q)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{}, h.Service.ChangePassword(q.Context(), q.Actor, q.Family, workflow.PasswordChange(in))
}

// Close signs out.
func (h Handlers) Close(q *web.Request) (web.Reply, error) {
	return web.Reply{}, h.Service.SignOut(q.Context(), q.Actor, q.Family)
}

// List shows where one is signed in.
func (h Handlers) List(q *web.Request) (web.Reply, error) {
	families, err := h.Service.Sessions(q.Context(), q.Actor)
	return web.Reply{Body: wire.FromFamilies(families, q.Family)}, err
}

// CloseOne signs out elsewhere.
func (h Handlers) CloseOne(q *web.Request) (web.Reply, error) {
	return web.Reply{}, h.Service.SignOut(q.Context(), q.Actor, q.Param("id"))
}

// CloseAll signs out everywhere, here too.
func (h Handlers) CloseAll(q *web.Request) (web.Reply, error) {
	return web.Reply{}, h.Service.SignOutEverywhere(q.Context(), q.Actor)
}

// PutDevice names the phone that pushes go to.
func (h Handlers) PutDevice(q *web.Request) (web.Reply, error) {
	in, err := decoded[wire.PutDevice](q)
	if err != nil {
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
