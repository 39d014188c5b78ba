package citizen

import (
	"context"
	"net/http"
	"strconv"

	"gridwatch/mobileapi/intake"
	"gridwatch/mobileapi/wire"
	"gridwatch/server/casefile"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// Exchange swaps a code that was read out for a fresh one.
func (h Handlers) Exchange(q *web.Request) (web.Reply, error) {
	var in wire.Exchange
	if err := q.Decode(&in); err != nil {
		return web.Reply{}, err
	}
	code, err := h.Service.ExchangeCode(q.Context(), workflow.CodeExchange{Code: in.Code, Password: in.Password, Key: q.Key, Body: q.RawBody()})
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{Body: wire.Exchanged{Code: code.Reveal()}}, nil
}

// Leave is the quick exit: a browser forgets what it kept of us.
func (h Handlers) Leave(*web.Request) (web.Reply, error) {
	return web.Reply{Header: map[string]string{"Clear-Site-Data": `"cache", "cookies", "storage"`}}, nil
}

// Messages shows the dialogue with the desk.
func (h Handlers) Messages(q *web.Request) (web.Reply, error) {
	l, err := q.Listing(nil)
	if err != nil {
		return web.Reply{}, err
	}
	after, err := l.AfterN()
	if err != nil {
		return web.Reply{}, err
	}
	found, err := h.Service.ReadDialogue(q.Context(), q.Actor, after, l.Limit+1)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{Body: web.Paged(l, found, func(m *workflow.ShownMessage) (wire.Message, string) {
		return wire.FromMessage(m), strconv.Itoa(m.N)
	})}, nil
}

// WriteMessage sends a message to the desk.
func (h Handlers) WriteMessage(q *web.Request) (web.Reply, error) {
	return command(q, func(ctx context.Context, call workflow.Call, in wire.WriteMessage) (casefile.Outcome, error) {
		return h.Service.WriteToDesk(ctx, call, in.Text)
	})
}

// Attachment gives the clean copy of a file that the desk sent.
func (h Handlers) Attachment(q *web.Request) (web.Reply, error) {
	file, err := h.Service.Attachment(q.Context(), q.Actor, q.Actor.Report, q.Param("item"))
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{Stream: &web.Stream{ReadCloser: file, Size: file.Size, Type: file.Type, Name: web.FileName(q.Param("item"), file.Type), Tag: file.Tag}}, nil
}

// AddEvidence takes files that come later: a form of parts called evidence.
func (h Handlers) AddEvidence(q *web.Request) (web.Reply, error) {
	call, err := intake.Call(q)
	if err != nil {
		return web.Reply{}, err
	}
	added, err := h.Service.AddEvidence(q.Context(), call, intake.NewForm(q).Files(nil))
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{Status: http.StatusCreated, Body: wire.FromAdded(added)}, nil
}

// Withdraw ends the report (撤回).
func (h Handlers) Withdraw(q *web.Request) (web.Reply, error) {
	return command(q, func(ctx context.Context, call workflow.Call, in wire.Withdraw) (casefile.Outcome, error) {
		return h.Service.Withdraw(ctx, call, casefile.Withdrawal(in))
	})
}

// Object asks for a recheck (异议).
func (h Handlers) Object(q *web.Request) (web.Reply, error) {
	return command(q, func(ctx context.Context, call workflow.Call, in wire.WriteMessage) (casefile.Outcome, error) {
		return h.Service.Object(ctx, call, in.Text)
	})
}

// AnswerLead says yes or no to a copy in a case file.
func (h Handlers) AnswerLead(q *web.Request) (web.Reply, error) {
	return command(q, func(ctx context.Context, call workflow.Call, in wire.AnswerLead) (casefile.Outcome, error) {
		return h.Service.AnswerLead(ctx, call, q.Param("id"), in.Agree)
	})
}

// LeadCopy gives the picture that the reporter is asked about.
func (h Handlers) LeadCopy(q *web.Request) (web.Reply, error) {
	file, err := h.Service.OwnLeadCopy(q.Context(), q.Actor, q.Param("id"))
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{Stream: &web.Stream{ReadCloser: file, Size: file.Size, Type: file.Type, Name: "copy.jpg"}}, nil
}

// Close ends the receipt.
func (h Handlers) Close(q *web.Request) (web.Reply, error) {
	return command(q, func(ctx context.Context, call workflow.Call, in wire.Close) (casefile.Outcome, error) {
		return h.Service.CloseReceipt(ctx, call, in.ForfeitAward)
	})
}

// ClaimByCode claims the award with the claim password.
func (h Handlers) ClaimByCode(q *web.Request) (web.Reply, error) {
	return command(q, func(ctx context.Context, call workflow.Call, in wire.ClaimByCode) (casefile.Outcome, error) {
		return h.Service.ClaimByCode(ctx, call, in.Password)
	})
}

// command handles what a reporter does behind the receipt.
func command[In any](q *web.Request, do func(context.Context, workflow.Call, In) (casefile.Outcome, error)) (web.Reply, error) {
	call, err := intake.Call(q)
	if err != nil {
		return web.Reply{}, err
	}
	var in In
	if err := q.Decode(&in); err != nil {
		return web.Reply{}, err
	}
	out, err := do(q.Context(), call, in)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{Body: wire.Moved{State: out.State.ForReporter()}}, nil
}
