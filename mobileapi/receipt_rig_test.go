package mobileapi_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"gridwatch/mobileapi/wire"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// holder is the reporter of one report.
type holder struct {
	*rig

	made  wire.Registration
	id    string // of the report
	token string
}

// submit registers a report and opens its receipt.
func (r *rig) submit(in wire.Report, files ...part) *holder {
	r.t.Helper()
	a := r.form(reports, "", newKey(), append([]part{jsonPart("report", in)}, files...)...)
	h := &holder{rig: r, made: read[wire.Registration](r, a, http.StatusCreated)}
	h.open(h.made.Code)
	return h
}

func (h *holder) open(code string) {
	h.t.Helper()
	actor, err := h.service.OpenReceipt(h.t.Context(), code)
	h.check(err)
	h.id = actor.Report
	h.token = read[wire.ReceiptSession](h.rig, h.post("/v1/receipt/session", "", "", wire.OpenReceipt{Code: code}), http.StatusOK).Token
}

func (h *holder) report() *casefile.Report {
	h.t.Helper()
	r, err := h.service.Reports.Get(h.t.Context(), "county", h.id)
	h.check(err)
	return r
}

// put changes the record as the offices would have.
func (h *holder) put(do func(*casefile.Report)) {
	h.t.Helper()
	r := h.report()
	was := r.Version
	do(r)
	r.Version, r.Seq = r.Version+1, r.Seq+1
	h.check(h.service.Reports.Update(h.t.Context(), r, was))
}

func (h *holder) answerToday(state casefile.State) {
	h.t.Helper()
	h.put(func(r *casefile.Report) {
		r.State, r.Reply = state, casefile.Reply{Conclusion: "c", Facts: "f", Decision: "d", Reward: "r", At: h.clock.now().UTC()}
		r.Lay(h.today())
	})
}

func (h *holder) today() string { return h.clock.now().In(workflow.Shanghai()).Format(time.DateOnly) }

// refused fails unless an answer is a problem of this code.
func (h *holder) refused(a answer, code string) {
	h.t.Helper()
	if a.status/100 == 2 || a.code() != code {
		h.t.Errorf("got %d %s, want %s", a.status, a.body, code)
	}
}

// twice sends a command twice under one key, and another body under it.
func (h *holder) twice(path string, body, other any) answer {
	h.t.Helper()
	key := newKey()
	first := h.post(path, h.token, key, body)
	if first.status != http.StatusOK {
		h.t.Fatalf("%s: got %d %s", path, first.status, first.body)
	}
	if again := h.post(path, h.token, key, body); again.status != http.StatusOK || !bytes.Equal(again.body, first.body) {
		h.t.Errorf("%s again: got %d %s, want %s", path, again.status, again.body, first.body)
	}
	if other != nil {
		h.refused(h.post(path, h.token, key, other), "idempotency.other_body")
	}
	return first
}

// strangers asks as another reporter, as staff and as nobody: each time there
// is no such thing.
func (h *holder) strangers(method, path string) {
	h.t.Helper()
	other := h.submit(report())
	staff := h.signIn("inspector").Access
	var bodies []string
	for _, token := range []string{other.token, staff} {
		a := h.send(method, path, token, newKey(), "", nil)
		if a.status != http.StatusNotFound {
			h.t.Errorf("%s %s: got %d %s", method, path, a.status, a.body)
		}
		bodies = append(bodies, string(a.body))
	}
	if bodies[0] != bodies[1] {
		h.t.Errorf("got %s to another reporter, %s to staff", bodies[0], bodies[1])
	}
	if a := h.send(method, path, "", newKey(), "", nil); a.status != http.StatusUnauthorized {
		h.t.Errorf("%s %s as nobody: got %d", method, path, a.status)
	}
}

// staff is a person of the tenant, for use cases of the offices.
func staff(person string, role casefile.Role) casefile.Actor {
	return casefile.Actor{Tenant: "county", Person: person, Posts: []casefile.Post{{Role: role, Area: "220182000000"}}}
}

func callOf(actor casefile.Actor, body any) workflow.Call {
	return workflow.Call{Actor: actor, Route: "test", Key: must(vault.ParseIdemKey(newKey())), Body: must(json.Marshal(body))}
}

// noTimes wants no time of day of what the reporter did after registration.
func (h *holder) noTimes() {
	h.t.Helper()
	for _, e := range h.report().Timeline[1:] {
		if at := e.At.In(workflow.Shanghai()); e.By == string(casefile.ReceiptHolder) && (at.Hour() != 0 || at.Minute() != 0 || at.Nanosecond() != 0) {
			h.t.Errorf("%s: got the time %s", e.Command, at)
		}
	}
}

func relay(t *testing.T, s *workflow.Service) {
	t.Helper()
	for {
		n, err := s.RelayOnce(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}
