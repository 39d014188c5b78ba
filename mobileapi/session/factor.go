package session

import (
	"gridwatch/mobileapi/wire"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// Factors shows which second factors one has.
func (h Handlers) Factors(q *web.Request) (web.Reply, error) {
	f, err := h.Service.MyFactors(q.Context(), q.Actor)
	return web.Reply{Body: wire.FromFactors(f)}, err
}

// EnrolTOTP gives a new secret.
func (h Handlers) EnrolTOTP(q *web.Request) (web.Reply, error) {
	in, err := decoded[wire.Code](q)
	if err != nil {
		return web.Reply{}, err
	}
	e, err := h.Service.EnrolTOTP(q.Context(), q.Actor, in.Code)
	return web.Reply{Body: wire.Enrolment(e)}, err
}

// ConfirmTOTP puts a new secret in force.
func (h Handlers) ConfirmTOTP(q *web.Request) (web.Reply, error) {
	in, err := decoded[wire.Code](q)
	if err != nil {
		return web.Reply{}, err
	}
	codes, err := h.Service.ConfirmTOTP(q.Context(), q.Actor, in.Code)
	return web.Reply{Body: wire.Recovery{RecoveryCodes: codes}}, err
}

// AddPasskey gives the challenge for a new passkey.
func (h Handlers) AddPasskey(q *web.Request) (web.Reply, error) {
	in, err := decoded[wire.Code](q)
	if err != nil {
		return web.Reply{}, err
	}
	c, err := h.Service.AddPasskey(q.Context(), q.Actor, in.Code)
	return web.Reply{Body: wire.Ceremony{Ceremony: c.Token, Options: c.Options}}, err
}

// KeepPasskey registers a passkey.
func (h Handlers) KeepPasskey(q *web.Request) (web.Reply, error) {
	in, err := decoded[wire.NewPasskey](q)
	if err != nil {
		return web.Reply{}, err
	}
	key, err := h.Service.KeepPasskey(q.Context(), q.Actor, in.Ceremony, in.Label, in.Credential)
	return web.Reply{Body: wire.FromPasskey(key)}, err
}

// DropPasskey ends a passkey.
func (h Handlers) DropPasskey(q *web.Request) (web.Reply, error) {
	return web.Reply{}, h.Service.DropPasskey(q.Context(), q.Actor, q.Param("id"))
}

// Ties shows what one has declared.
func (h Handlers) Ties(q *web.Request) (web.Reply, error) {
	ties, err := h.Service.MyTies(q.Context(), q.Actor)
	return web.Reply{Body: wire.FromTies(ties)}, err
}

// DeclareTie declares a tie of one's own.
func (h Handlers) DeclareTie(q *web.Request) (web.Reply, error) {
	in, err := decoded[wire.NewTie](q)
	if err != nil {
		return web.Reply{}, err
	}
	tie, err := h.Service.DeclareTie(q.Context(), q.Actor, workflow.NearTo(in))
	return web.Reply{Body: wire.FromTie(tie)}, err
}
