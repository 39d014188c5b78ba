package app_test

import (
	"encoding/base64"
	"maps"
	"strings"
	"testing"

	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

func badRings(t *testing.T, w *world) map[string]badRow {
	t.Helper()
	once, err := vault.NewRequestKey()
	if err != nil {
		t.Fatal(err)
	}
	zeros := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
	ring := "/v1/custody/rings/" + workflow.RingID(demo.Tenant, vault.RingB)
	holder := object{"recipient": once.Recipient(), "verify": zeros(32)}
	offer := func(name string, value any) object {
		body := object{
			"recovery": holder, "shares": []object{{"version": 1, "wrapped": "QUFB"}}, "version": 2, "recipient": once.Recipient(),
			"held": []object{{"person": "p", "wrapped": "QUFB"}}, "wrapped": "QUFB", "signature": zeros(64),
		}
		if value == nil {
			delete(body, name)
		} else {
			maps.Copy(body, object{name: value})
		}
		return body
	}
	seen := func(proof any) object { return object{"proof": proof, "signature": zeros(64)} }
	proof := object{"nonce": zeros(32), "signature": zeros(64)}
	refused := func(body any, field string) badRow {
		return post("seal1", ring+"/recovery", body, 400, "body.invalid", field)
	}
	in, err := w.store.Rings.Get(t.Context(), demo.Tenant, workflow.RingID(demo.Tenant, vault.RingB))
	if err != nil {
		t.Fatal(err)
	}
	there := func(h casefile.RingHolder) object {
		return object{"recipient": h.Recipient, "verify": base64.StdEncoding.EncodeToString(h.Verify)}
	}
	many := make([]object, 101)
	for i := range many {
		many[i] = object{"version": i + 1, "wrapped": "QUFB"}
	}
	return map[string]badRow{
		"offer of nothing":      refused(object{}, "/recovery body.required"),
		"a share too few":       refused(offer("shares", []object{}), "/shares body.too_few"),
		"101 shares":            refused(offer("shares", many), "/shares body.too_many"),
		"a share in words":      refused(offer("shares", []object{{"version": 1, "wrapped": marker + "!"}}), "/shares/0/wrapped body.format"),
		"a huge share":          refused(offer("wrapped", strings.Repeat("A", 65540)), "/wrapped body.too_long"),
		"version zero":          refused(offer("version", 0), "/version body.range"),
		"half a version":        refused(offer("version", 1.5), "/version body.type"),
		"held by nobody":        refused(offer("held", []object{}), "/held body.too_few"),
		"a person in words":     refused(offer("held", []object{{"person": marker + " !", "wrapped": "QUFB"}}), "/held/0/person body.format"),
		"no new key":            refused(offer("recipient", nil), "/recipient body.required"),
		"a classic recipient":   refused(offer("recipient", "age1qqq"+marker), "/recipient body.format"),
		"a list of signatures":  refused(offer("signature", []string{zeros(64)}), "/signature body.type"),
		"something more":        refused(offer(marker, 1), " body.unknown_field"),
		"a recipient of no key": post("seal1", ring+"/recovery", offer("recipient", "age1pq1qqq"), 400, "custody.request", "/recipient"),
		"a recovery of no key":  post("seal1", ring+"/recovery", offer("recovery", object{"recipient": "age1pq1qqq", "verify": zeros(32)}), 400, "custody.request", "/recovery/recipient"),
		"offer, not signed":     post("seal1", ring+"/recovery", offer("version", 2), 400, "ring.approval", ""),
		"the key that is there": post("seal1", ring+"/recovery", offer("recovery", there(in.Recovery)), 409, "ring.same_recovery", "/recovery/recipient"),
		"an officer's key":      post("seal1", ring+"/recovery", offer("recovery", there(in.Officers[0].Key)), 409, "ring.key_taken", ""),
		"offer by ring A":       post("identity1", ring+"/recovery", offer("version", 2), 400, "custody.wrong_ring", ""),
		"offer by the desk":     post("desk1", ring+"/recovery", offer("version", 2), 404, "record.not_found", ""),
		"offer to no ring":      post("seal1", "/v1/custody/rings/"+newKey(t)+"/recovery", offer("version", 2), 404, "record.not_found", ""),
		"proof of nothing":      post("identity1", ring+"/recovery/exchange", object{"signature": zeros(64)}, 400, "body.invalid", "/proof body.required"),
		"proof in words":        post("identity1", ring+"/recovery/exchange", seen(object{"nonce": marker, "signature": zeros(64)}), 400, "body.invalid", "/proof/nonce body.format"),
		"nothing was offered":   post("identity1", ring+"/recovery/exchange", seen(proof), 409, "ring.no_offer", ""),
		"exchange by ring B":    post("seal1", ring+"/recovery/exchange", seen(proof), 400, "custody.wrong_ring", ""),
		"exchange by the desk":  post("desk1", ring+"/recovery/exchange", seen(proof), 404, "record.not_found", ""),
	}
}
