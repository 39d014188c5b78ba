package app_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/casefile"
)

// guarded is a string that answers may not hold, but to some roles on some routes.
type guarded struct {
	what, text string
	shown      func(role casefile.Role, route string) bool
}

func never(casefile.Role, string) bool { return false }

const readReport = "GET /v1/office/reports/:id"

// byDesk is what the accepting desk alone reads, in the report.
func byDesk(role casefile.Role, route string) bool {
	return role == casefile.DeskOfficer && route == readReport
}

// inQueue is what the desk's own list says too.
func inQueue(role casefile.Role, route string) bool {
	return byDesk(role, route) || (role == casefile.DeskOfficer && route == "GET /v1/office/reports")
}

// asMode is how the reporter wants to be known: for the desk, whatever is paid.
func asMode(role casefile.Role, route string) bool {
	return byDesk(role, route) || route == "GET /v1/public/:tenant" // lists all modes there are
}

// byCase is what may lead to the report: for who decides on it and for the two
// rings, and never where an inspector, a witness or the punished party reads.
func byCase(role casefile.Role, route string) bool {
	for _, documents := range []string{"/v1/field/", "/v1/office/inspections", "/v1/office/hazards", "/v1/office/penalties"} {
		if strings.Contains(route, documents) {
			return false
		}
	}
	return slices.Contains([]casefile.Role{
		casefile.DeskOfficer, casefile.Leader, casefile.RewardOfficer, casefile.IdentityOfficer, casefile.SealLeader, casefile.Supervisor,
	}, role)
}

// byToken: the token behind a receipt names the report to the server.
func byToken(role casefile.Role, route string) bool {
	return byCase(role, route) || route == "POST /v1/receipt/session"
}

func byNumber(role casefile.Role, route string) bool {
	return byCase(role, route) || (role == casefile.ReceiptHolder && route == "GET /v1/receipt")
}

// inDialogue is what its two sides read.
func inDialogue(role casefile.Role, route string) bool {
	return (role == casefile.DeskOfficer && route == readReport+"/messages") || (role == casefile.ReceiptHolder && route == "GET /v1/receipt/messages")
}

func inTask(role casefile.Role, route string) bool {
	return role == casefile.DeskOfficer && route == "GET /v1/office/tasks/:id"
}

// secrets are those of the case.
func (c *filedCase) secrets() []guarded {
	all := []guarded{
		{"report id", c.ids["report"], byToken},
		{"registration number", c.number, byNumber},
		{"mode", string(casefile.RealName), asMode},
		{"cause", `"cause"`, inTask},
		{"receipt token", c.receipt.Token, func(_ casefile.Role, route string) bool { return route == "POST /v1/receipt/session" }},
	}
	for what, text := range c.sent {
		s := guarded{what, text, never}
		switch what {
		case "message":
			s.shown = inDialogue
		case "narrative", "wording", "target", "objection", "file", "digest", "position", "serial":
			s.shown = byDesk
		case "time":
			s.shown = inQueue
		case "receipt token":
			continue
		}
		all = append(all, s)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for who, client := range c.sessions {
		all = append(all, guarded{"session of " + who, client.Token, never})
	}
	return all
}

// within finds a text in bytes, also as base64 writes it at any alignment.
func within(all []byte, text string) bool {
	if bytes.Contains(all, []byte(text)) {
		return true
	}
	for skip := range 3 {
		if len(text) < skip+9 {
			return false
		}
		whole := (len(text) - skip) / 3 * 3 // of full groups
		if bytes.Contains(all, []byte(base64.StdEncoding.EncodeToString([]byte(text[skip:skip+whole])))) {
			return true
		}
	}
	return false
}

// scan looks for what an answer may not hold: secrets of the own case, and
// anything of the other tenant's.
func (c *filedCase) scan(t *testing.T, other *filedCase, role casefile.Role, route string, a apiclient.Answer) {
	t.Helper()
	all := append(fmt.Append(nil, a.Header), a.Body...)
	for _, s := range c.secrets() {
		if !s.shown(role, route) && within(all, s.text) {
			t.Errorf("%s as %s shows the %s", route, role, s.what)
		}
	}
	if other == nil {
		return
	}
	for _, s := range other.secrets() {
		if s.what != "mode" && s.what != "cause" && within(all, s.text) {
			t.Errorf("%s as %s of %s shows the %s of %s", route, role, c.tenant, s.what, other.tenant)
		}
	}
	for kind, id := range other.ids {
		if within(all, id) {
			t.Errorf("%s as %s of %s shows the %s of %s", route, role, c.tenant, kind, other.tenant)
		}
	}
}
