// Package citizen serves reporters: the form, the report, and what lies behind
// the receipt. It knows no account.
package citizen

import (
	"net/http"

	"gridwatch/mobileapi/intake"
	"gridwatch/mobileapi/wire"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// channel is how these reports come in.
const channel = "web"

// Handlers are the handlers of reporters' routes.
type Handlers struct {
	Service *workflow.Service
	Tokens  *web.Tokens
}

// Tenant shows what a form must know of a tenant.
func (h Handlers) Tenant(q *web.Request) (web.Reply, error) {
	t, err := h.Service.Directory.Tenant(q.Context(), q.Actor.Tenant)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{Body: wire.FromTenant(t, h.Service.Keyring.StatementKeys())}, nil
}

// Submit takes a report in (举报). The form has the part report, then identity
// and contact if the client sealed them, then files.
func (h Handlers) Submit(q *web.Request) (web.Reply, error) {
	if err := Addressed(h.Service, q); err != nil {
		return web.Reply{}, err
	}
	form := intake.NewForm(q, "report", "identity", "contact")
	var in wire.Report
	raw, err := form.JSON("report-submit", &in)
	if err != nil {
		return web.Reply{}, err
	}
	s := in.Submission()
	s.Tenant, s.Key, s.Body, s.Channel = q.Actor.Tenant, q.Key, raw, channel
	if s.Sealed != nil {
		if s.Sealed.Identity, err = form.Sealed("identity"); err != nil {
			return web.Reply{}, err
		}
		if s.Sealed.Contact, err = form.Sealed("contact"); err != nil {
			return web.Reply{}, err
		}
	}
	s.Files = form.Files(in.Digests())
	out, err := h.Service.Register(q.Context(), s)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{Status: http.StatusCreated, Body: wire.FromRegistration(out)}, nil
}

// Addressed looks at ?about=officials, before any of the body is read: is the
// report about an office or an officer?
func Addressed(s *workflow.Service, q *web.Request) error {
	about, err := q.QueryOneOf("about", "officials", "others")
	if err != nil || about != "officials" {
		return err
	}
	return s.AddressOfficials(q.Context(), q.Actor.Tenant)
}

// OpenReceipt gives a token for a receipt code.
func (h Handlers) OpenReceipt(q *web.Request) (web.Reply, error) {
	var in wire.OpenReceipt
	if err := q.Decode(&in); err != nil {
		return web.Reply{}, err
	}
	actor, err := h.Service.OpenReceipt(q.Context(), in.Code)
	if err != nil {
		return web.Reply{}, err
	}
	token, expires, err := h.Tokens.Issue(web.Claims{
		Audience: web.Receipt, Tenant: actor.Tenant, Subject: actor.Report, Family: actor.Receipt,
	})
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{Body: wire.ReceiptSession{Token: token, Expires: expires}}, nil
}

// Receipt shows how far the report has come.
func (h Handlers) Receipt(q *web.Request) (web.Reply, error) {
	view, err := h.Service.ReadReceipt(q.Context(), q.Actor)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{Body: wire.FromReceipt(view, q.Lang)}, nil
}

// ClaimAward asks for the award to be paid (领奖).
func (h Handlers) ClaimAward(q *web.Request) (web.Reply, error) {
	call, err := intake.Call(q)
	if err != nil {
		return web.Reply{}, err
	}
	out, err := h.Service.AskAward(q.Context(), call)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{Body: wire.ClaimedAward{State: out.State, Asked: true}}, nil
}
