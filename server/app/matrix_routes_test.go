package app_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gridwatch/media/mediatest"
	"gridwatch/server/app"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
	"gridwatch/server/web"
)

// reach says how near to a record a person of the right role must be.
type reach int

const (
	noRecord    reach = iota // the route names no record
	ofTheCase                // the record lies in the area of the person's post
	ofThePerson              // the record is assigned to the person
	ofTheTenant              // the record is of the person's tenant
)

// sample is how a route is tried: with what body, and who is near enough.
type sample struct {
	reach reach
	body  func(ids map[string]string) any
	form  func(ids map[string]string) *apiclient.Form
	// refusal is the code that whoever may ask is answered.
	refusal string
}

func fixed(body any) func(map[string]string) any { return func(map[string]string) any { return body } }

func made(body func(map[string]string) doc) func(map[string]string) any {
	return func(ids map[string]string) any { return body(ids) }
}

// samples is a request for every route. Who adds a route adds it here.
func (c *filedCase) samples() map[string]sample {
	inspectors, enforcers := doc{"persons": c.persons(c.inspector)}, doc{"persons": c.persons("enforcer1", "enforcer2")}
	someone, _ := c.find("auditor1")
	once, err := vault.NewRequestKey()
	if err != nil {
		c.t.Fatal(err)
	}
	holder := doc{"recipient": once.Recipient(), "verify": base64.StdEncoding.EncodeToString(make([]byte, 32))}
	signature := base64.StdEncoding.EncodeToString(make([]byte, 64))
	all := map[string]sample{
		"GET /v1/public/:tenant":               {},
		"POST /v1/public/:tenant/reports":      {form: func(map[string]string) *apiclient.Form { return c.anonymous() }},
		"POST /v1/receipt/session":             {body: fixed(doc{"code": c.sent["code"]})},
		"GET /v1/receipt":                      {},
		"POST /v1/receipt/award/claim":         {},
		"POST /v1/receipt/award/claim-by-code": {body: fixed(doc{"password": "12345678"})},
		"POST /v1/receipt/exchange":            {body: fixed(doc{"code": c.sent["code"]})},
		"DELETE /v1/receipt/session":           {},
		"GET /v1/receipt/messages":             {},
		"POST /v1/receipt/messages":            {body: fixed(doc{"text": "A word more."})},
		"GET /v1/receipt/attachments/:item":    {},
		"POST /v1/receipt/evidence":            {form: func(map[string]string) *apiclient.Form { return c.later() }},
		// An upload is nobody's but who announced it: TestUploadRights.
		"OPTIONS /v1/uploads":                       {},
		"POST /v1/uploads":                          {refusal: "record.not_found"},
		"HEAD /v1/uploads/:id":                      {refusal: "record.not_found"},
		"PATCH /v1/uploads/:id":                     {refusal: "record.not_found"},
		"DELETE /v1/uploads/:id":                    {refusal: "record.not_found"},
		"POST /v1/receipt/uploads":                  {body: fixed(announced)},
		"POST /v1/receipt/withdrawal":               {body: fixed(doc{"pressed": true})},
		"POST /v1/receipt/objection":                {body: fixed(doc{"text": "Once more."})},
		"POST /v1/receipt/closing":                  {body: fixed(doc{"forfeitAward": true})},
		"POST /v1/office/calls":                     {body: fixed(json.RawMessage(anonymousReport))},
		"GET /v1/office/rechecks":                   {},
		"GET /v1/office/leads":                      {},
		"GET /v1/office/figures":                    {},
		"GET /v1/public/:tenant/results":            {},
		"GET /v1/office/results":                    {},
		"GET /v1/office/payouts":                    {},
		"POST /v1/office/results":                   {body: fixed(doc{"month": "2026-01"})},
		"GET /v1/public/:tenant/figures":            {},
		"GET /v1/receipt/leads/:id/copy":            {},
		"POST /v1/receipt/leads/:id/answer":         {body: fixed(doc{"agree": false})},
		"GET /v1/receipt/proofs":                    {},
		"GET /v1/log/checkpoint":                    {},
		"GET /v1/log/tiles/:level/:index":           {},
		"POST /v1/session":                          {body: fixed(signIn(someone))},
		"POST /v1/session/refresh":                  {body: fixed(doc{"refresh": c.refresh, "device": device})},
		"DELETE /v1/session":                        {},
		"POST /v1/session/second":                   {body: fixed(doc{"half": "h", "device": device, "code": "123456"}), refusal: "session.half"},
		"POST /v1/session/enrol":                    {body: fixed(doc{"half": "h", "device": device}), refusal: "session.half"},
		"POST /v1/session/passkey/challenge":        {body: fixed(doc{"half": "h", "device": device})},
		"POST /v1/session/passkey":                  {body: fixed(doc{"half": "h", "device": device, "ceremony": "c", "credential": doc{}})},
		"GET /v1/session/all":                       {},
		"DELETE /v1/session/all":                    {},
		"DELETE /v1/session/all/:id":                {},
		"POST /v1/session/password":                 {body: fixed(doc{"current": "not the one in force", "new": "quite another passphrase"}), refusal: "password.wrong"},
		"GET /v1/session/factors":                   {},
		"POST /v1/session/totp":                     {body: fixed(doc{"code": "123456"})},
		"POST /v1/session/totp/confirm":             {body: fixed(doc{"code": "123456"})},
		"POST /v1/session/passkeys/challenge":       {body: fixed(doc{"code": "123456"})},
		"POST /v1/session/passkeys":                 {body: fixed(doc{"ceremony": "c", "label": "l", "credential": doc{}})},
		"DELETE /v1/session/passkeys/:id":           {},
		"GET /v1/session/ties":                      {},
		"POST /v1/session/ties":                     {body: fixed(doc{"firm": "a firm without any case"})},
		"GET /v1/office/people":                     {},
		"GET /v1/office/policy":                     {},
		"POST /v1/office/policy":                    {body: fixed(doc{"decideDays": 14})},
		"GET /v1/office/proposals":                  {},
		"POST /v1/session/devices":                  {body: fixed(doc{"token": "another-phone-of-" + c.tenant})},
		"DELETE /v1/session/devices/:id":            {},
		"GET /v1/field/tasks":                       {},
		"GET /v1/office/briefs":                     {},
		"GET /v1/office/inspections":                {},
		"GET /v1/office/hazards":                    {},
		"GET /v1/office/penalties":                  {},
		"GET /v1/office/awards":                     {},
		"GET /v1/office/reports":                    {},
		"GET /v1/office/tasks":                      {},
		"POST /v1/office/tasks":                     {body: fixed(c.plan(c.persons(c.inspector)...))},
		"GET /v1/office/budgets/:year":              {},
		"POST /v1/office/budgets/:year/allocations": {body: fixed(doc{"paper": "paper", "fen": 100_000_000})},
		"GET /v1/custody/openings":                  {},
		"GET /v1/custody/rings":                     {},
		"GET /v1/custody/approvals":                 {},
		"GET /v1/custody/contacts":                  {},
		"POST /v1/custody/approvals": {body: fixed(doc{
			"id": hexID(c.t), "purpose": casefile.ContactNotice, "basis": "安全生产法 第76条", "way": casefile.ByTerminal, "uses": 1, "expires": soon(),
			"signature": signature,
		})},
		"POST /v1/custody/rings": {body: fixed(doc{
			"recipient": once.Recipient(), "officer": holder, "share": "QUFB", "recovery": holder, "wrapped": "QUFB", "signature": signature,
		})},
		"GET /v1/custody/envelopes/:day": {},
		"POST /v1/custody/checks": {body: fixed(doc{
			"day": "2026-03-02", "readable": 1, "unreadable": 0, "swapped": 0, "signature": signature,
		})},
	}
	for of, routes := range map[reach]map[string]func(map[string]string) any{
		ofThePerson: {
			"GET /v1/field/tasks/:id":                nil,
			"POST /v1/field/tasks/:id/seen":          nil,
			"POST /v1/field/tasks/:id/acknowledge":   nil,
			"POST /v1/field/tasks/:id/uploads":       fixed(announced),
			"GET /v1/field/tasks/:id/evidence/:item": nil,
			"POST /v1/office/inspections":            made(c.visit),
			"GET /v1/office/inspections/:id":         nil,

			"GET /v1/office/inspections/:id/exhibits/:item": nil,

			"POST /v1/field/tasks/:id/recordings":                     fixed(doc{"kind": "video"}),
			"POST /v1/field/tasks/:id/recordings/:recording/segments": fixed(oneSegment(1, 1000)),
			"POST /v1/field/tasks/:id/recordings/:recording/close":    fixed(doc{"segments": 1}),
			"GET /v1/office/inspections/:id/recordings":               nil,
			"GET /v1/office/inspections/:id/evidence":                 nil,
			"GET /v1/office/inspections/:id/evidence/:item":           nil,
			"GET /v1/office/inspections/:id/segments/:item":           nil,

			"POST /v1/office/inspections/:id/sign": nil,
		},
		ofTheCase: {
			"GET /v1/office/reports/:id":                          nil,
			"GET /v1/office/reports/:id/brief":                    nil,
			"GET /v1/office/reports/:id/assignees":                nil,
			"GET /v1/office/reports/:id/evidence/:item":           nil,
			"POST /v1/office/reports/:id/accept":                  nil,
			"POST /v1/office/reports/:id/refuse":                  fixed(doc{"reason": "unclear", "text": "Nothing to go by."}),
			"POST /v1/office/reports/:id/target":                  fixed(doc{"place": c.here, "name": "workshop"}),
			"POST /v1/office/reports/:id/brief":                   made(brief),
			"POST /v1/office/reports/:id/evidence/:item/release":  fixed(doc{"hide": []doc{{"x": 0, "y": 0, "w": 1, "h": 1}}}),
			"POST /v1/office/reports/:id/evidence/:item/withdraw": nil,
			"GET /v1/office/reports/:id/export":                   nil,
			"POST /v1/office/reports/:id/evidence/:item/hold":     fixed(doc{"reason": "court_order"}),
			"POST /v1/office/reports/:id/evidence/:item/lift":     fixed(doc{"reason": "court_order"}),
			"POST /v1/office/tasks/:id/evidence/:item/hold":       fixed(doc{"reason": "court_order"}),
			"POST /v1/office/tasks/:id/evidence/:item/lift":       fixed(doc{"reason": "court_order"}),
			"GET /v1/office/tasks/:id/export":                     nil,
			"POST /v1/office/reports/:id/assign":                  fixed(inspectors),
			"POST /v1/office/reports/:id/inspection":              fixed(enforcers),
			"POST /v1/office/reports/:id/conclude":                made(conclusion),
			"POST /v1/office/reports/:id/uploads":                 fixed(announced),
			"POST /v1/office/reports/:id/reply":                   fixed(reply()),
			"POST /v1/office/reports/:id/holds":                   fixed(doc{"reason": "A court asked."}),
			"POST /v1/office/reports/:id/holds/lift":              fixed(doc{"hold": strings.Repeat("0", 32), "reason": "It has decided."}),
			"GET /v1/office/reports/:id/messages":                 nil,
			"GET /v1/office/reports/:id/attachments/:item":        nil,
			"GET /v1/office/rechecks/:id":                         nil,
			"POST /v1/office/reports/:id/leads":                   made(wanted),
			"GET /v1/office/leads/:id":                            nil,
			"GET /v1/office/results/:id":                          nil,
			"GET /v1/office/payouts/:id":                          nil,
			"POST /v1/office/payouts":                             func(ids map[string]string) any { return doc{"awards": []string{ids["award"]}} },
			"POST /v1/office/payouts/:id/confirm":                 nil,
			"POST /v1/office/payouts/:id/drop":                    nil,
			"POST /v1/office/payouts/:id/settle":                  fixed(doc{"ticket": "ticket"}),
			"POST /v1/office/results/:id/release":                 nil,
			"GET /v1/office/leads/:id/copy":                       nil,
			"POST /v1/office/leads/:id/release":                   nil,
			"POST /v1/office/leads/:id/deny":                      fixed(doc{"reason": "The angle tells who stood there."}),
			"GET /v1/office/penalties/:id/exhibits/:item":         nil,
			"POST /v1/office/rechecks/:id/done":                   fixed(reply()),
			"GET /v1/office/tasks/:id":                            nil,
			"GET /v1/office/tasks/:id/evidence/:item":             nil,
			"POST /v1/office/hazards":                             made(hazard),
			"GET /v1/office/hazards/:id":                          nil,
			"POST /v1/office/hazards/:id/triage":                  fixed(doc{"grade": "general"}),
			"POST /v1/office/hazards/:id/start":                   nil,
			"POST /v1/office/hazards/:id/claim-done":              fixed(doc{"proof": "A shed was built."}),
			"POST /v1/office/hazards/:id/recheck":                 fixed(doc{"ok": true}),
			"POST /v1/office/penalties":                           func(ids map[string]string) any { return doc{"visit": ids["visit"]} },
			"GET /v1/office/penalties/:id":                        nil,
			"POST /v1/office/penalties/:id/notice":                fixed(doc{"told": "Facts and fine.", "heard": "Nothing."}),
			"POST /v1/office/penalties/:id/decide":                made(decision),
			"POST /v1/office/penalties/:id/serve":                 nil,
			"POST /v1/office/penalties/:id/payments":              fixed(doc{"fen": 1_000_000, "ticket": "ticket"}),
			"POST /v1/office/awards":                              made(draft),
			"GET /v1/office/awards/:id":                           nil,
			"POST /v1/office/awards/:id/review":                   nil,
			"POST /v1/office/awards/:id/return":                   fixed(doc{"reason": "facts_unclear"}),
			"POST /v1/office/awards/:id/approve":                  nil,
			"POST /v1/office/awards/:id/file":                     fixed(doc{"reference": "filed"}),
			"POST /v1/office/awards/:id/notify":                   nil,
			"POST /v1/custody/openings":                           made(asked),
			"GET /v1/custody/openings/:id":                        nil,
		},
		ofTheTenant: {
			"GET /v1/office/people/:id":                 nil,
			"POST /v1/office/people/:id/posts":          fixed(doc{"posts": []doc{}}),
			"POST /v1/office/people/:id/access":         fixed(doc{"disabled": true}),
			"POST /v1/office/people/:id/forget-factors": nil,
			"POST /v1/office/people/:id/ties":           fixed(doc{"area": c.area[:6] + "101000"}),
			"POST /v1/office/people/:id/sign-out":       nil,
			"POST /v1/office/proposals/:id/confirm":     nil,
			"POST /v1/office/proposals/:id/refuse":      nil,
			"POST /v1/custody/openings/:id/key":         fixed(doc{"recipient": once.Recipient()}),
			"POST /v1/custody/openings/:id/layer": func(ids map[string]string) any {
				return doc{
					"requestId": ids["opening"], "wrapped": "QUFB", "innerDigest": c.sent["digest"], "wrappedDigest": c.sent["digest"],
					"signature": signature,
				}
			},
			"POST /v1/custody/openings/:id/outcome": func(ids map[string]string) any {
				return doc{"requestId": ids["opening"], "result": "opened", "signature": signature}
			},
			"POST /v1/custody/openings/:id/deny":    fixed(doc{"reason": "No basis."}),
			"GET /v1/custody/approvals/:id":         nil,
			"POST /v1/custody/approvals/:id/revoke": nil,
			"GET /v1/custody/contacts/:id":          nil,
			"POST /v1/custody/contacts":             made(use),
			"POST /v1/custody/contacts/:id/handover": func(ids map[string]string) any {
				return doc{"requestId": ids["contact"], "sealed": "QUFB", "signature": signature}
			},
			"POST /v1/custody/contacts/:id/outcome": func(ids map[string]string) any {
				return doc{"requestId": ids["contact"], "result": "finished", "signature": signature}
			},
			"POST /v1/custody/rings/:id/ask": fixed(holder),
			"POST /v1/custody/rings/:id/prove": fixed(doc{
				"nonce": base64.StdEncoding.EncodeToString(make([]byte, 32)), "signature": signature,
			}),
			"POST /v1/custody/rings/:id/admit": fixed(doc{
				"person": "nobody", "shares": []doc{{"version": 1, "wrapped": "QUFB"}}, "signature": signature,
			}),
			"POST /v1/custody/rings/:id/witness": fixed(doc{"person": "nobody", "signature": signature}),
			"POST /v1/custody/rings/:id/leave": fixed(doc{
				"person": "nobody", "version": 2, "recipient": once.Recipient(), "shares": []doc{{"person": "x", "wrapped": "QUFB"}},
				"wrapped": "QUFB", "signature": signature,
			}),
			"POST /v1/custody/rings/:id/recovery": fixed(doc{
				"recovery": holder, "shares": []doc{{"version": 1, "wrapped": "QUFB"}}, "version": 2, "recipient": once.Recipient(),
				"held": []doc{{"person": "x", "wrapped": "QUFB"}}, "wrapped": "QUFB", "signature": signature,
			}),
			"POST /v1/custody/rings/:id/recovery/exchange": fixed(doc{
				"proof": doc{"nonce": base64.StdEncoding.EncodeToString(make([]byte, 32)), "signature": signature}, "signature": signature,
			}),
			"POST /v1/custody/reports/:id/seal-fault": fixed(doc{"result": "unreadable"}),
		},
	} {
		for route, body := range routes {
			all[route] = sample{reach: of, body: body}
		}
	}
	all["POST /v1/office/hazards/:id/order"] = sample{reach: ofTheCase, body: c.order}
	all["POST /v1/office/reports/:id/messages"] = sample{reach: ofTheCase, form: c.message}
	for _, route := range []string{"", "/:item/:part"} { // of an opening of who reported there is no archive
		all["GET /v1/custody/openings/:id/archive"+route] = sample{reach: ofTheTenant, refusal: "opening.no_archive"}
	}
	all["POST /v1/field/tasks/:id/result"] = sample{reach: ofThePerson, form: c.result}
	return all
}

var announced = json.RawMessage(`{"items":[{"kind":"video","size":1000000}]}`)

// order is given by the officer who asks and another one.
func (c *filedCase) order(ids map[string]string) any {
	officers := c.persons("enforcer1", "enforcer2")
	if !slices.Contains(officers, ids["me"]) {
		officers[0] = ids["me"]
	}
	return doc{"officers": officers, "measures": "A shed.", "deadline": soon()}
}

const anonymousReport = `{"mode":"anonymous","narrative":"n","targetText":"t","allegations":[{"matter":"illegal_act","text":"t"}]}`

func (c *filedCase) anonymous() *apiclient.Form {
	return new(apiclient.Form).JSON("report", []byte(anonymousReport))
}

// later is evidence that comes after the report.
func (c *filedCase) later() *apiclient.Form {
	return new(apiclient.Form).File("evidence", "later.jpg", "image/jpeg", mediatest.Picture(mediatest.Options{Width: 64, Height: 48}))
}

// message is one of the desk to the reporter.
func (c *filedCase) message(map[string]string) *apiclient.Form {
	picture := mediatest.Picture(mediatest.Options{Width: 64, Height: 48, Serial: c.sent["serial"]})
	return new(apiclient.Form).JSON("message", []byte(`{"text":"Which door?"}`)).File("evidence", "door.jpg", "image/jpeg", picture)
}

// result is what the inspector saves at the place, with a picture of its own.
func (c *filedCase) result(ids map[string]string) *apiclient.Form {
	text, err := json.Marshal(doc{"findings": findings(ids), "note": "As seen.", "position": c.here})
	if err != nil {
		c.t.Fatal(err)
	}
	picture := mediatest.Picture(mediatest.Options{Width: 64, Height: 48, Serial: newKey(c.t)})
	return new(apiclient.Form).JSON("result", text).File("evidence", "gate.jpg", "image/jpeg", picture)
}

// kinds are the kinds of records by the part of a path that names them.
func kinds() map[string]string {
	return map[string]string{
		"archive": "item",
		"reports": "report", "evidence": "item", "tasks": "task", "inspections": "visit", "hazards": "hazard", "penalties": "penalty",
		"awards": "award", "openings": "opening", "devices": "device", "briefs": "report", "rings": "ring",
		"rechecks": "report", "attachments": "attachment", "leads": "lead", "exhibits": "exhibit", "approvals": "approval", "contacts": "contact",
		"uploads": "upload", "results": "batch", "payouts": "payout",
	}
}

// administered is kinds for what is no record of a case.
func administered() map[string]string {
	return map[string]string{"all": "family", "recordings": "recording", "segments": "segment", "passkeys": "device", "people": "person", "proposals": "proposal"}
}

// path fills the route's pattern.
func (c *filedCase) path(t *testing.T, pattern string, ids map[string]string) string {
	t.Helper()
	parts := strings.Split(pattern, "/")
	for i, p := range parts {
		if !strings.HasPrefix(p, ":") {
			continue
		}
		parts[i] = map[string]string{":tenant": c.tenant, ":year": c.year, ":day": "2026-03-02", ":level": "0", ":index": "0", ":part": "1"}[p]
		if parts[i] == "" {
			parts[i] = ids[kinds()[parts[i-1]]+administered()[parts[i-1]]]
		}
		if parts[i] == "" {
			t.Fatalf("%s: this test has no id for %s", pattern, p)
		}
	}
	return strings.Join(parts, "/")
}

// routes is the table as the server has it, reading before writing.
func (c *filedCase) routes() []web.Route {
	var reading, writing []web.Route
	for _, r := range app.Routes(c.app.Service(), nil) {
		if r.Method == http.MethodGet {
			reading = append(reading, r)
		} else {
			writing = append(writing, r)
		}
	}
	return append(reading, writing...)
}
