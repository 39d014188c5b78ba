package app_test

import (
	"crypto/rand"
	"encoding/base64"
	"os"
	"testing"
	"time"

	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
)

// signedApproval is a body that ring B's officer of the demo signed.
func signedApproval(t *testing.T, w *world, change func(*vault.Approval)) object {
	t.Helper()
	a := vault.Approval{
		ID: newKey(t), Tenant: demo.Tenant, Purpose: string(casefile.ContactCallBack), LegalBasis: "art. 76",
		Way: string(casefile.ByTerminal), Uses: 3, Expires: time.Now().UTC().Truncate(time.Millisecond).Add(time.Hour),
	}
	change(&a)
	file, err := demoKey(w, "seal1")
	if err != nil {
		t.Fatal(err)
	}
	signature, err := vault.SignApproval(file, a)
	if err != nil {
		t.Fatal(err)
	}
	body := object{
		"id": a.ID, "purpose": a.Purpose, "basis": a.LegalBasis, "way": a.Way, "uses": a.Uses, "expires": a.Expires, "signature": signature,
	}
	if a.Gateway != "" {
		body["gateway"] = a.Gateway
	}
	return body
}

func badContacts(t *testing.T, w *world) map[string]badRow {
	t.Helper()
	const approvals, contacts = "/v1/custody/approvals", "/v1/custody/contacts"
	d := newDocket(t, w, casefile.RealName, casefile.IllegalAct)
	as := func(*vault.Approval) {}
	give := func(change func(*vault.Approval)) string {
		return d.do("seal1", approvals, signedApproval(t, w, change), casefile.ApprovalInForce).ID
	}
	with := func(name string, value any) object {
		body := signedApproval(t, w, as)
		body[name] = value
		return body
	}
	open, once, revoked := give(as), give(func(a *vault.Approval) { a.Uses = 1 }), give(as)
	use := func(approval string) object {
		return object{"approval": approval, "report": d.report, "way": casefile.ByTerminal}
	}
	d.do("identity1", contacts, use(once), casefile.ContactTaken)
	taken := d.do("identity1", contacts, use(open), casefile.ContactTaken).ID
	d.do("seal1", approvals+"/"+revoked+"/revoke", nil, casefile.ApprovalRevoked)
	given := signedApproval(t, w, as)
	d.do("seal1", approvals, given, casefile.ApprovalInForce)
	raw := make([]byte, 64)
	_, _ = rand.Read(raw)
	signature := base64.StdEncoding.EncodeToString(raw)
	outcome := func(id string) object { return object{"requestId": id, "result": "finished", "signature": signature} }
	path := contacts + "/" + taken
	return map[string]badRow{
		"unknown purpose":        post("seal1", approvals, with("purpose", marker), 400, "body.invalid", "/purpose body.enum"),
		"unknown way":            post("seal1", approvals, with("way", marker), 400, "body.invalid", "/way body.enum"),
		"no uses":                post("seal1", approvals, with("uses", 0), 400, "body.invalid", "/uses body.range"),
		"half a use":             post("seal1", approvals, with("uses", 1.5), 400, "body.invalid", "/uses body.type"),
		"more uses than allowed": post("seal1", approvals, with("uses", 51), 400, "approval.too_many", "/uses"),
		"more uses than signed":  post("seal1", approvals, with("uses", 4), 400, "custody.signature", ""),
		"no basis":               post("seal1", approvals, with("basis", ""), 400, "body.invalid", "/basis body.too_short"),
		"over long ago":          post("seal1", approvals, with("expires", "2020-01-01T00:00:00Z"), 400, "approval.too_long", "/expires"),
		"for years":              post("seal1", approvals, with("expires", "2099-01-01T00:00:00Z"), 400, "approval.too_long", "/expires"),
		"a time in words":        post("seal1", approvals, with("expires", marker), 400, "body.invalid", "/expires body.format"),
		"terminal with a key":    post("seal1", approvals, with("gateway", "age1pq1qqqq"), 400, "approval.gateway", "/gateway"),
		"gateway without a key":  post("seal1", approvals, with("way", casefile.ByGateway), 400, "approval.gateway", "/gateway"),
		"given before":           post("seal1", approvals, given, 409, "record.exists", ""),
		"given by ring A":        post("identity1", approvals, signedApproval(t, w, as), 404, "record.not_found", ""),
		"given by a leader":      post("leader1", approvals, signedApproval(t, w, as), 404, "record.not_found", ""),
		"revoked before":         post("seal1", approvals+"/"+revoked+"/revoke", nil, 409, "approval.revoked", ""),
		"revoked by ring A":      post("identity1", approvals+"/"+open+"/revoke", nil, 404, "record.not_found", ""),
		"no such approval":       post("seal1", approvals+"/"+newKey(t)+"/revoke", nil, 404, "record.not_found", ""),

		"use of nothing":      post("identity1", contacts, object{}, 400, "body.invalid", "/report body.required"),
		"of no approval":      post("identity1", contacts, use(newKey(t)), 404, "record.not_found", ""),
		"of no report":        post("identity1", contacts, object{"approval": open, "report": newKey(t), "way": "terminal"}, 404, "record.not_found", ""),
		"in another way":      post("identity1", contacts, object{"approval": open, "report": d.report, "way": "gateway"}, 409, "approval.other_way", "/way"),
		"one use too many":    post("identity1", contacts, use(once), 409, "approval.used_up", ""),
		"by what was revoked": post("identity1", contacts, use(revoked), 409, "approval.revoked", ""),
		"by ring B":           post("seal1", contacts, use(open), 404, "record.not_found", ""),
		"by the desk":         post("desk1", contacts, use(open), 404, "record.not_found", ""),
		"outcome, not signed": post("identity1", path+"/outcome", outcome(taken), 400, "custody.signature", ""),
		"outcome of another":  post("identity1", path+"/outcome", outcome(newKey(t)), 409, "custody.foreign_request", ""),
		"outcome in words":    post("identity1", path+"/outcome", object{"requestId": taken, "result": marker, "signature": signature}, 400, "body.invalid", "/result body.enum"),
		"outcome by ring B":   post("seal1", path+"/outcome", outcome(taken), 404, "record.not_found", ""),
		"handed over":         post("identity1", path+"/handover", object{"requestId": taken, "sealed": "QUFB", "signature": signature}, 409, "approval.other_way", ""),
		"handed over nothing": post("identity1", path+"/handover", object{"requestId": taken, "sealed": "", "signature": signature}, 400, "body.invalid", "/sealed body.too_short"),
	}
}

// demoKey is the key of a custody officer of the demo.
func demoKey(w *world, login string) (*vault.OfficerKey, error) {
	file, err := os.ReadFile(demo.KeyFile(w.dir, demo.Tenant, login))
	if err != nil {
		return nil, err
	}
	return vault.ParseOfficerKey(file, "")
}
