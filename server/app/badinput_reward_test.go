package app_test

import (
	"encoding/base64"
	"testing"
	"time"

	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

func badHazards(t *testing.T, w *world) map[string]badRow {
	t.Helper()
	d := newDocket(t, w, casefile.Anonymous, casefile.IllegalAct, casefile.MajorHazard).verify(isSo, notSo)
	find := func() string {
		return "/v1/office/hazards/" + d.do("enforcer1", "/v1/office/hazards", object{"visit": d.visit, "item": d.items[0], "text": "Gas bottles"}, casefile.HazardFound).ID
	}
	found, graded, major := find(), find(), find()
	d.do("enforcer1", graded+"/triage", object{"grade": casefile.General}, casefile.HazardTriaged)
	item := object{"catalogue": "demo", "version": "1", "item": "1"}
	d.do("enforcer1", major+"/triage", object{"grade": casefile.Major, "catalogue": item}, casefile.HazardTriaged)
	order := func(deadline, code, field string, officers ...string) badRow {
		return post("enforcer1", graded+"/order", object{"officers": persons(officers...), "measures": marker, "deadline": deadline}, 400, code, field)
	}
	soon := time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)
	return map[string]badRow{
		"not found so":        post("enforcer1", "/v1/office/hazards", object{"visit": d.visit, "item": d.items[1], "text": marker}, 400, "hazard.not_found", "/item"),
		"of no visit":         post("enforcer1", "/v1/office/hazards", object{"visit": newKey(t), "item": d.items[0], "text": marker}, 404, "record.not_found", ""),
		"major, no item":      post("enforcer1", found+"/triage", object{"grade": casefile.Major}, 400, "hazard.no_catalogue_item", "/catalogue/item"),
		"unknown grade":       post("enforcer1", found+"/triage", object{"grade": marker}, 400, "body.invalid", "/grade body.enum"),
		"catalogue in part":   post("enforcer1", found+"/triage", object{"grade": casefile.Major, "catalogue": object{"item": marker}}, 400, "body.invalid", "/catalogue/version body.required"),
		"order before triage": post("enforcer1", found+"/order", object{"officers": persons("enforcer1", "enforcer2"), "measures": marker, "deadline": soon}, 409, "hazard.move", ""),
		"deadline past":       order("2020-01-01T00:00:00Z", "hazard.deadline_past", "/deadline", "enforcer1", "enforcer2"),
		"order by others":     order(soon, "officer.not_among", "/officers", "enforcer2", "enforcer3"),
		"order by one":        order(soon, "body.invalid", "/officers body.too_few", "enforcer1"),
		"order by one, twice": order(soon, "body.invalid", "/officers body.not_unique", "enforcer1", "enforcer1"),
		"certificate expired": order(soon, "officer.no_certificate", "/officers", "enforcer1", "enforcer3"),
		"with a leader":       order(soon, "assignee.unfit", "/persons", "enforcer1", "leader1"),
		"recheck too early":   post("enforcer1", graded+"/recheck", object{"ok": true}, 409, "hazard.move", ""),
		"recheck in words":    post("enforcer1", graded+"/recheck", object{"ok": marker}, 400, "body.invalid", "/ok body.type"),
	}
}

func badPenalties(t *testing.T, w *world) map[string]badRow {
	t.Helper()
	d := newDocket(t, w, casefile.Anonymous, casefile.IllegalAct, casefile.MajorHazard).verify(isSo, notSo).charge()
	filed := d.penaltyPath("")
	noticed := d.charge().notice().penaltyPath("")
	d.charge().notice().decide(d.fine(casefile.Unit, 10_000, 0))
	served := d.penaltyPath("")
	d.do("enforcer1", served+"/serve", nil, casefile.PenaltyServed)
	d.do("enforcer1", served+"/payments", object{"fen": 400_000, "ticket": "DEMO-1"}, casefile.PenaltyServed)
	decide := func(change object, code, field string) badRow {
		line := d.fine(casefile.Unit, 10_000, 0)
		for k, v := range change {
			line[k] = v
		}
		return post("leader1", noticed+"/decide", object{"reason": marker, "lines": []object{line}}, 400, code, field)
	}
	pay := func(fen any, ticket string, status int, code, field string) badRow {
		return post("enforcer1", served+"/payments", object{"fen": fen, "ticket": ticket}, status, code, field)
	}
	return map[string]badRow{
		"decided before notice":  post("leader1", filed+"/decide", object{"reason": marker, "lines": []object{d.fine(casefile.Unit, 1, 0)}}, 409, "penalty.move", ""),
		"served before decided":  post("enforcer1", noticed+"/serve", nil, 409, "penalty.move", ""),
		"decided by an enforcer": post("enforcer1", noticed+"/decide", object{"reason": marker, "lines": []object{}}, 404, "record.not_found", ""),
		"negative":               decide(object{"fen": -1}, "body.invalid", "/lines/0/fen body.range"),
		"0 fen":                  decide(object{"fen": 0}, "body.invalid", "/lines/0/fen body.range"),
		"half a fen":             decide(object{"fen": 0.5}, "body.invalid", "/lines/0/fen body.type"),
		"fen as text":            decide(object{"fen": marker}, "body.invalid", "/lines/0/fen body.type"),
		"more than there is":     decide(object{"fen": 1_000_000_000_000_001}, "body.invalid", "/lines/0/fen body.range"),
		"rests on nothing":       decide(object{"items": []string{}}, "body.invalid", "/lines/0/items body.too_few"),
		"item not found so":      decide(object{"items": []string{d.items[1]}}, "penalty.item_not_found", "/lines/0/items"),
		"item unknown":           decide(object{"items": []string{newKey(t)}}, "penalty.item_not_found", "/lines/0/items"),
		"unknown kind":           decide(object{"kind": marker}, "body.invalid", "/lines/0/kind body.enum"),
		"overpaid":               pay(600_001, marker, 400, "penalty.overpaid", "/fen"),
		"paid nothing":           pay(0, marker, 400, "body.invalid", "/fen body.range"),
		"paid back":              pay(-5, marker, 400, "body.invalid", "/fen body.range"),
		"same ticket":            pay(1000, "DEMO-1", 409, "penalty.paid_before", "/ticket"),
		"paid before served":     post("enforcer1", noticed+"/payments", object{"fen": 1, "ticket": marker}, 400, "penalty.overpaid", "/fen"),
	}
}

// both is the login of a person who holds the posts of a reward officer and of
// a leader: of whom the awards' second pair of eyes has to beware.
func (w *world) both(t *testing.T) string {
	t.Helper()
	p := casefile.Person{ID: persons("both1")[0], Tenant: demo.Tenant, Login: "both1", Label: "demo reward officer and leader"}
	for _, role := range []casefile.Role{casefile.RewardOfficer, casefile.Leader} {
		p.Posts = append(p.Posts, casefile.Post{Role: role, Area: "220182000000", From: time.Now().Add(-time.Hour)})
	}
	s := w.app.Service()
	password := newKey(t)
	if err := (workflow.Import{Store: w.store.Loader, Directory: s.Directory, Hasher: s.Hasher}).Person(t.Context(), p, password); err != nil {
		t.Fatal(err)
	}
	if err := workflow.Enrol(t.Context(), w.store.Accounts, s.Keyring, s.Random, p.Tenant, p.Login, authenticator); err != nil {
		t.Fatal(err)
	}
	w.people = append(w.people, demo.SignIn{Tenant: demo.Tenant, Login: p.Login, Person: p.ID, Password: password, TOTP: authenticator})
	return p.Login
}

func badAwards(t *testing.T, w *world) map[string]badRow {
	t.Helper()
	both := w.both(t)
	early := newDocket(t, w, casefile.RealName, casefile.IllegalAct).verify(isSo)
	undecided := newDocket(t, w, casefile.RealName, casefile.IllegalAct).verify(isSo).conclude(isSo)
	drafted := newDocket(t, w, casefile.RealName, casefile.IllegalAct).verify(isSo).conclude(isSo)
	drafted.punish(drafted.fine(casefile.Unit, 50_000, 0)).draft()
	reviewed := newDocket(t, w, casefile.RealName, casefile.IllegalAct).verify(isSo).conclude(isSo)
	reviewed.punish(reviewed.fine(casefile.Unit, 50_000, 0)).draft()
	reviewed.do(both, reviewed.awardPath("/review"), nil, casefile.AwardReviewed)
	draft := func(d *docket, change object, status int, code, field string) badRow {
		body := d.claim()
		for k, v := range change {
			body[k] = v
		}
		return post("reward1", "/v1/office/awards", body, status, code, field)
	}
	pay := func(awards []string, status int, code, field string) badRow {
		return post("payer1", "/v1/office/payouts", object{"awards": awards}, status, code, field)
	}
	return map[string]badRow{
		"before the conclusion": draft(early, nil, 409, "award.not_concluded", "/report"),
		"before the decision":   draft(undecided, nil, 409, "award.not_computable", ""),
		"matter not reported":   draft(undecided, object{"matter": casefile.MajorHazard}, 400, "award.matter_not_reported", "/matter"),
		"unknown matter":        draft(undecided, object{"matter": marker}, 400, "body.invalid", "/matter body.enum"),
		"unknown exclusion":     draft(undecided, object{"exclusions": []string{marker}}, 400, "body.invalid", "/exclusions/0 body.enum"),
		"of no report":          draft(undecided, object{"report": newKey(t)}, 404, "record.not_found", ""),
		"known, in words":       draft(undecided, object{"knownBefore": marker}, 400, "body.invalid", "/knownBefore body.type"),
		"deaths below zero":     draft(undecided, object{"accident": object{"deaths": -1, "concealedDeaths": 0}}, 400, "body.invalid", "/accident/deaths body.range"),
		"a second draft":        draft(drafted, nil, 409, "record.exists", ""),
		"review by the drafter": post("reward1", drafted.awardPath("/review"), nil, 409, "award.second_person", ""),
		"approve by reviewer":   post(both, reviewed.awardPath("/approve"), nil, 409, "award.second_person", ""),
		"approve, not reviewed": post("leader1", drafted.awardPath("/approve"), nil, 409, "award.move", ""),
		"return, any reason":    post("leader1", reviewed.awardPath("/return"), object{"reason": marker}, 400, "body.invalid", "/reason body.format"),
		"pay what is a draft":   pay([]string{drafted.award}, 409, "payout.not_claimed", "/awards"),
		"pay nothing":           pay([]string{}, 400, "body.invalid", "/awards body.too_few"),
		"pay twice at once":     pay([]string{drafted.award, drafted.award}, 400, "body.invalid", "/awards body.not_unique"),
		"pay no id":             pay([]string{marker}, 400, "body.invalid", "/awards/0 body.format"),
		"pay what is not there": pay([]string{newKey(t)}, 404, "record.not_found", ""),
		"confirm no payout":     post("leader1", "/v1/office/payouts/"+newKey(t)+"/confirm", nil, 404, "record.not_found", ""),
		"settle, any reason":    post("payer1", "/v1/office/payouts/"+newKey(t)+"/settle", object{"ticket": "t", "failed": []object{{"award": newKey(t), "reason": marker}}}, 400, "body.invalid", "/failed/0/reason body.format"),
		"notify a draft":        post("reward1", drafted.awardPath("/notify"), nil, 409, "award.move", ""),
		"file without number":   post("reward1", drafted.awardPath("/file"), object{"reference": ""}, 400, "body.invalid", "/reference body.too_short"),
		"opening not asked for": post("reward1", "/v1/custody/openings", drafted.request(), 409, "opening.not_claimed", "/award"),
	}
}

func badBudgets(t *testing.T, _ *world) map[string]badRow {
	t.Helper()
	allocate := func(year string, fen any, status int, code, field string) badRow {
		return post("leader1", "/v1/office/budgets/"+year+"/allocations", object{"paper": marker, "fen": fen}, status, code, field)
	}
	return map[string]badRow{
		"negative":      allocate("2026", -1, 400, "body.invalid", "/fen body.range"),
		"nothing":       allocate("2026", 0, 400, "body.invalid", "/fen body.range"),
		"over limit":    allocate("2026", 1_000_000_000_000_001, 400, "body.invalid", "/fen body.range"),
		"half a fen":    allocate("2026", 1.5, 400, "body.invalid", "/fen body.type"),
		"no paper":      post("leader1", "/v1/office/budgets/2026/allocations", object{"fen": 1}, 400, "body.invalid", "/paper body.required"),
		"year 1999":     allocate("1999", 1, 404, "record.not_found", ""),
		"year 3000":     allocate("3000", 1, 404, "record.not_found", ""),
		"year in words": allocate(marker, 1, 404, "record.not_found", ""),
	}
}

// called is a request for an opening to call a reporter back.
func called(report string) object {
	return object{"report": report, "purpose": casefile.CallBack, "basis": marker, "hours": 1}
}

func badCustody(t *testing.T, w *world) map[string]badRow {
	t.Helper()
	d := newDocket(t, w, casefile.RealName, casefile.IllegalAct).verify(isSo).conclude(isSo)
	d.punish(d.fine(casefile.Unit, 50_000, 0)).allocate(100_000).draft().approve().announce()
	d.ask()
	again := func() string { return d.do("reward1", "/v1/custody/openings", d.request(), casefile.OpeningAsked).ID }
	bring := func() {
		once, err := vault.NewRequestKey()
		if err != nil {
			t.Fatal(err)
		}
		d.do("identity1", d.openingPath("/key"), object{"recipient": once.Recipient()}, casefile.OpeningKeyed)
	}
	asked := d.openingPath("")
	d.opening = again()
	bring()
	keyed, renamed := d.openingPath(""), d.opening
	d.opening = again()
	bring()
	peeled, used := d.openingPath(""), d.peel()
	forged, foreign := used, used
	forged.RequestID, foreign.RequestID = renamed, newKey(t)
	outcome := object{"requestId": used.RequestID, "result": vault.ResultOpened, "signature": base64.StdEncoding.EncodeToString(make([]byte, 64))}
	ask := func(change object, status int, code, field string) badRow {
		body := d.request()
		for k, v := range change {
			body[k] = v
		}
		return post("reward1", "/v1/custody/openings", body, status, code, field)
	}
	key := func(recipient, code string) badRow {
		return post("identity1", asked+"/key", object{"recipient": recipient}, 400, code, "/recipient body.format")
	}
	short := key("age1pq1"+marker, "body.invalid")
	odd := key("age1pq1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq", "custody.request")
	odd.at = "/recipient"
	return map[string]badRow{
		"0 hours":                   ask(object{"hours": 0}, 400, "body.invalid", "/hours body.range"),
		"too many hours":            ask(object{"hours": 73}, 400, "opening.too_long", "/hours"),
		"a year and an hour":        ask(object{"hours": 8761}, 400, "body.invalid", "/hours body.range"),
		"hours in words":            ask(object{"hours": marker}, 400, "body.invalid", "/hours body.type"),
		"unknown purpose":           ask(object{"purpose": marker}, 400, "body.invalid", "/purpose body.enum"),
		"no legal basis":            ask(object{"basis": ""}, 400, "body.invalid", "/basis body.too_short"),
		"of no award":               ask(object{"award": newKey(t)}, 404, "record.not_found", ""),
		"award and report":          ask(object{"report": d.report}, 400, "body.invalid", "/report body.not_possible"),
		"another's purpose":         post("reward1", "/v1/custody/openings", called(d.report), 409, "opening.other_role", "/purpose"),
		"of no report":              post("desk1", "/v1/custody/openings", called(newKey(t)), 404, "record.not_found", ""),
		"call back, no report":      post("desk1", "/v1/custody/openings", object{"purpose": casefile.CallBack, "basis": marker, "hours": 1}, 400, "body.invalid", "/report body.required"),
		"classic recipient":         key("age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq", "body.invalid"),
		"recipient is garbage":      short,
		"recipient of no key":       odd,
		"key by ring B":             post("seal1", asked+"/key", object{"recipient": used.InnerDigest}, 404, "record.not_found", ""),
		"layer before key":          post("seal1", asked+"/layer", used, 400, "custody.request", ""),
		"layer, not its own":        post("seal1", keyed+"/layer", forged, 400, "custody.signature", ""),
		"layer of another":          post("seal1", keyed+"/layer", used, 409, "custody.foreign_request", ""),
		"layer of nobody":           post("seal1", keyed+"/layer", foreign, 409, "custody.foreign_request", ""),
		"layer replayed":            post("seal1", peeled+"/layer", used, 409, "opening.second_person", ""),
		"layer by ring A":           post("identity1", keyed+"/layer", used, 404, "record.not_found", ""),
		"layer of nothing":          post("seal1", keyed+"/layer", object{}, 400, "body.invalid", "/wrapped body.required"),
		"outcome too early":         post("identity1", keyed+"/outcome", outcome, 409, "custody.foreign_request", ""),
		"outcome, not signed":       post("identity1", peeled+"/outcome", outcome, 400, "custody.signature", ""),
		"outcome by ring B":         post("seal1", peeled+"/outcome", outcome, 404, "record.not_found", ""),
		"denied without words":      post("seal1", asked+"/deny", object{"reason": ""}, 400, "body.invalid", "/reason body.too_short"),
		"deny by requester":         post("reward1", asked+"/deny", object{"reason": marker}, 404, "record.not_found", ""),
		"archive of an open report": post("leader1", "/v1/custody/openings", object{"report": d.report, "purpose": casefile.ArchiveCourt, "basis": marker, "hours": 1}, 409, "opening.not_archived", "/report"),
		"archive by the desk":       post("desk1", "/v1/custody/openings", object{"report": d.report, "purpose": casefile.ArchiveCourt, "basis": marker, "hours": 1}, 409, "opening.other_role", "/purpose"),
		"no such opening":           post("seal1", "/v1/custody/openings/"+newKey(t)+"/deny", object{"reason": marker}, 404, "record.not_found", ""),
	}
}
