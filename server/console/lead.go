package console

import (
	"net/http"

	"gridwatch/server/casefile"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// leadRoutes are the release of leads and what came of it in case files.
func leadRoutes(s *workflow.Service) []web.Route {
	return []web.Route{
		post("/v1/office/reports/:id/leads", casefile.ReportDecide, "office-lead", askLead(s)),
		get("/v1/office/leads", casefile.LeadRead, list(casefile.LeadMoves, s.ListLeads, newLead)),
		get("/v1/office/leads/:id", casefile.LeadRead, read(s.ReadLead, newWholeLead)),
		download("/v1/office/leads/:id/copy", casefile.LeadRead, leadCopy(s)),
		post("/v1/office/leads/:id/release", casefile.LeadDecide, "", move(s.ReleaseLead)),
		post("/v1/office/leads/:id/deny", casefile.LeadDecide, "custody-denial", field(s.DenyLead, denial.text)),
		download("/v1/office/penalties/:id/exhibits/:item", casefile.PenaltyRead, file(s.PenaltyExhibit)),
		download("/v1/office/inspections/:id/exhibits/:item", casefile.VisitRead, file(s.InspectionExhibit)),
	}
}

// lead is an item of a report on its way into a case file, for the desk and
// ring B: number, kind and state, and nothing of how it was sent.
type lead struct {
	head

	Report    string                `json:"report"`
	N         int                   `json:"n"` // of the item, from 1
	Kind      casefile.EvidenceKind `json:"kind"`
	File      casefile.CaseFile     `json:"file"`
	Record    string                `json:"record"`
	Reason    string                `json:"reason"` // the desk's
	AskedBy   string                `json:"askedBy"`
	AskedOn   string                `json:"askedOn"`  // date
	AnswerBy  string                `json:"answerBy"` // date; no answer by then is no
	DecidedBy string                `json:"decidedBy,omitempty"`
	DecidedOn string                `json:"decidedOn,omitempty"` // date
	Denial    string                `json:"denial,omitempty"`
}

func newLead(l *casefile.Lead) lead {
	return lead{
		head: newHead(&l.Head), Report: l.Report, N: l.N, Kind: l.Copy.Kind, File: l.File, Record: l.Record, Reason: l.Reason,
		AskedBy: l.AskedBy, AskedOn: l.AskedOn, AnswerBy: l.AnswerBy, DecidedBy: l.DecidedBy, DecidedOn: l.DecidedOn, Denial: l.Denial,
	}
}

func newWholeLead(_ *web.Request, l *casefile.Lead) lead { return newLead(l) }

// exhibit is a picture in a case file as its readers see it.
type exhibit struct {
	N     int                   `json:"n"` // in the file, from 1
	ID    string                `json:"id"`
	Kind  casefile.EvidenceKind `json:"kind"`
	State string                `json:"state"`
}

func newExhibits(all []casefile.Exhibit) []exhibit {
	out := []exhibit{}
	for i, x := range all {
		out = append(out, exhibit{N: i + 1, ID: x.ID, Kind: x.Kind, State: "released"})
	}
	return out
}

// askLead serves POST /v1/office/reports/:id/leads.
func askLead(s *workflow.Service) web.Handler {
	ask := change(s.AskLead)
	return func(q *web.Request) (web.Reply, error) {
		reply, err := ask(q)
		reply.Status = http.StatusCreated
		return reply, err
	}
}

// leadCopy serves GET /v1/office/leads/:id/copy.
func leadCopy(s *workflow.Service) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		f, err := s.LeadCopy(q.Context(), q.Actor, q.Param("id"))
		if err != nil {
			return web.Reply{}, err
		}
		return web.Reply{Stream: &web.Stream{ReadCloser: f.ReadCloser, Size: f.Size, Type: f.Type, Name: "copy.jpg"}}, nil
	}
}
