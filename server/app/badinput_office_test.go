package app_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
)

// post is a command that is refused.
func post(who, path string, body any, status int, code, field string) badRow {
	return badRow{who: who, path: path, body: body, status: status, code: code, at: field}
}

const (
	isSo  = casefile.Substantiated
	notSo = casefile.Unsubstantiated
)

// elsewhere is the login of an inspector of another township.
func elsewhere(t *testing.T, w *world) string {
	t.Helper()
	people, err := w.store.Directory.Holders(t.Context(), demo.Tenant, casefile.Inspector)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(people, func(p casefile.Person) bool { return !casefile.Under(p.Posts[0].Area, wukeshu) })
	return people[at].Login
}

func badDesk(t *testing.T, w *world) map[string]badRow {
	t.Helper()
	fresh := newDocket(t, w, casefile.Anonymous, casefile.IllegalAct)
	bare := newDocket(t, w, casefile.Anonymous, casefile.IllegalAct).accept()
	targeted := newDocket(t, w, casefile.Anonymous, casefile.IllegalAct).accept().confirm()
	ready := newDocket(t, w, casefile.Anonymous, casefile.IllegalAct, casefile.MajorHazard).accept().confirm().describe()
	away := newDocket(t, w, casefile.Anonymous, casefile.IllegalAct).accept().confirm().describe().assign()
	desk := func(d *docket, part string, body any, status int, code, field string) badRow {
		return post("desk1", d.path(part), body, status, code, field)
	}
	match := func(tag string) badRow {
		r := desk(fresh, "/accept", nil, 400, "request.if_match", "")
		r.header = http.Header{"If-Match": {tag}}
		return r
	}
	stale := match(`"7"`)
	stale.status, stale.code = 409, "record.changed"
	unknown := newKey(t)
	half := object{"text": marker, "items": []object{{"ref": ready.items[0], "text": marker}}}
	foreign := object{"text": marker, "items": []object{{"ref": unknown, "text": marker}}}
	send := func(persons ...string) object { return object{"persons": persons} }
	late := object{"persons": persons(away.patroler), "due": time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)}
	place := func(lon, lat float64) object {
		return object{"place": object{"lon": lon, "lat": lat, "datum": "wgs84"}, "name": marker}
	}
	rows := map[string]badRow{
		"no such report":         post("desk1", "/v1/office/reports/"+unknown+"/accept", nil, 404, "record.not_found", ""),
		"an id that can be none": post("desk1", "/v1/office/reports/%00"+marker+"/accept", nil, 404, "record.not_found", ""),
		"another tenant's desk":  post("demo2:desk1", fresh.path("/accept"), nil, 404, "record.not_found", ""),
		"another role":           post("leader1", fresh.path("/accept"), nil, 404, "record.not_found", ""),
		"nobody":                 post("", fresh.path("/accept"), nil, 401, "session.invalid", ""),
		"accept with a body":     desk(fresh, "/accept", object{marker: 1}, 400, "body.unexpected", ""),
		"If-Match stale":         stale,
		"If-Match in words":      match(marker),
		"If-Match weak":          match(`W/"1"`),
		"If-Match 0":             match(`"0"`),
		"refuse, no reason":      desk(fresh, "/refuse", object{"text": marker}, 400, "body.invalid", "/reason body.required"),
		"refuse, any reason":     desk(fresh, "/refuse", object{"reason": marker, "text": marker}, 400, "body.invalid", "/reason body.enum"),
		"refuse, no text":        desk(fresh, "/refuse", object{"reason": "other", "text": ""}, 400, "body.invalid", "/text body.too_short"),
		"refuse after accept":    desk(bare, "/refuse", object{"reason": "other", "text": marker}, 409, "report.move", ""),
		"accept twice":           desk(bare, "/accept", nil, 409, "report.move", ""),
		"brief before accept":    desk(fresh, "/brief", fresh.brief(), 409, "report.move", ""),
		"brief misses one":       desk(ready, "/brief", half, 400, "brief.incomplete", "/items"),
		"brief of another":       desk(ready, "/brief", foreign, 400, "brief.unknown_allegation", "/items"),
		"brief, blank":           desk(ready, "/brief", object{"text": "", "items": []object{}}, 400, "body.invalid", "/items body.too_few"),
		"target at lat 91":       desk(ready, "/target", place(126, 91), 400, "body.invalid", "/place/lat body.range"),
		"target at 0, 0":         desk(ready, "/target", place(0, 0), 400, "place.no_fix", "/place/lon"),
		"two lines of name":      desk(ready, "/target", object{"place": ready.place(), "name": marker + "\n"}, 400, "body.invalid", "/name body.format"),
		"assign, no target":      desk(bare, "/assign", send(persons(away.patroler)...), 409, "report.target_open", ""),
		"assign, no brief":       desk(targeted, "/assign", send(persons(away.patroler)...), 409, "report.brief_open", ""),
		"assign nobody":          desk(ready, "/assign", send(), 400, "body.invalid", "/persons body.type"),
		"assign an empty list":   desk(ready, "/assign", object{"persons": []string{}}, 400, "body.invalid", "/persons body.too_few"),
		"assign a desk officer":  desk(ready, "/assign", send(persons("desk2")...), 400, "assignee.unfit", "/persons"),
		"assign an unknown":      desk(ready, "/assign", send(marker), 400, "assignee.unfit", "/persons"),
		"assign from elsewhere":  desk(ready, "/assign", send(persons(elsewhere(t, w))...), 400, "assignee.unfit", "/persons"),
		"assign the neighbour's": desk(ready, "/assign", send("demo2-desk1"), 400, "assignee.unfit", "/persons"),
		"assign one twice":       desk(ready, "/assign", send(persons(away.patroler, away.patroler)...), 400, "body.invalid", "/persons body.not_unique"),
		"due in the past":        desk(ready, "/assign", late, 400, "task.due_past", "/due"),
		"due in words":           desk(ready, "/assign", object{"persons": persons(away.patroler), "due": marker}, 400, "body.invalid", "/due body.format"),
		"inspection first":       desk(ready, "/inspection", send(persons("enforcer1", "enforcer2")...), 409, "report.move", ""),
		"inspection by one":      desk(away, "/inspection", send(persons("enforcer1")...), 400, "officer.too_few", "/officers"),
		"certificate expired":    desk(away, "/inspection", send(persons("enforcer1", "enforcer3")...), 400, "officer.no_certificate", "/officers"),
		"inspection, inspectors": desk(away, "/inspection", send(persons("enforcer1", away.patroler)...), 400, "assignee.unfit", "/persons"),
		"release what is not":    desk(away, "/evidence/"+unknown+"/release", object{}, 404, "record.not_found", ""),
		"release without a body": desk(away, "/evidence/"+unknown+"/release", nil, 415, "body.media_type", ""),
		"release a point":        desk(away, "/evidence/"+unknown+"/release", object{"crop": object{"x": 1, "y": 1, "w": -1, "h": marker}}, 400, "body.invalid", "/crop/h body.type"),
		"hold what is not":       post("leader1", "/v1/office/tasks/"+unknown+"/evidence/"+unknown+"/hold", object{"reason": "court_order"}, 404, "record.not_found", ""),
		"hold as the desk":       post("desk2", "/v1/office/tasks/"+unknown+"/evidence/"+unknown+"/lift", object{"reason": "court_order"}, 404, "record.not_found", ""),
		"hold for no code":       post("leader1", "/v1/office/tasks/"+unknown+"/evidence/"+unknown+"/hold", object{"reason": "Not A Code " + marker}, 400, "body.invalid", "/reason body.format"),
		"hold a reporter's":      post("leader1", away.path("/evidence/"+unknown+"/hold"), object{"reason": "court_order"}, 404, "record.not_found", ""),
		"hold it as the desk":    desk(away, "/evidence/"+unknown+"/lift", object{"reason": "court_order"}, 404, "record.not_found", ""),
		"hold it for no code":    post("leader1", away.path("/evidence/"+unknown+"/hold"), object{"reason": "Not A Code " + marker}, 400, "body.invalid", "/reason body.format"),
		"withdraw what is not":   desk(away, "/evidence/"+unknown+"/withdraw", nil, 404, "record.not_found", ""),
		"reply too early":        desk(away, "/reply", object{"conclusion": "x", "facts": "x", "decision": "x", "reward": "x"}, 409, "report.move", ""),
		"reply in two parts":     desk(away, "/reply", object{"conclusion": marker, "facts": marker}, 400, "body.invalid", "/decision body.required"),
		"hold, no reason":        post("leader1", away.path("/holds"), object{"reason": ""}, 400, "body.invalid", "/reason body.too_short"),
		"hold by the desk":       desk(away, "/holds", object{"reason": marker}, 404, "record.not_found", ""),
		"hold, another tenant":   post("demo2:desk1", away.path("/holds"), object{"reason": marker}, 404, "record.not_found", ""),
		"lift, no hold":          post("leader1", away.path("/holds/lift"), object{"reason": marker}, 400, "body.invalid", "/hold body.required"),
		"lift no such hold":      post("leader1", away.path("/holds/lift"), object{"hold": newKey(t), "reason": marker}, 400, "report.unknown_hold", "/hold"),
		"a body of 300 KiB":      desk(away, "/brief", object{"text": string(make([]byte, 300<<10))}, 413, "body.too_large", ""),
	}
	conclude := func(name string, findings any, status int, code, field string) {
		rows["conclude, "+name] = post("leader1", away.path("/conclude"), object{"record": marker, "findings": findings}, status, code, field)
	}
	one := object{"ref": away.items[0], "finding": notSo}
	conclude("nothing found", []object{}, 400, "body.invalid", "/findings body.too_few")
	conclude("unknown finding", []object{{"ref": away.items[0], "finding": marker}}, 400, "body.invalid", "/findings/0/finding body.enum")
	conclude("another report's", []object{{"ref": ready.items[0], "finding": notSo}}, 400, "report.unknown_allegation", "/findings")
	conclude("one twice", []object{one, one}, 400, "report.unknown_allegation", "/findings")
	conclude("not inspected", []object{{"ref": away.items[0], "finding": isSo}}, 409, "report.no_inspection", "/findings")
	return rows
}

func badTasks(t *testing.T, w *world) map[string]badRow {
	t.Helper()
	open := newDocket(t, w, casefile.Anonymous, casefile.IllegalAct, casefile.MajorHazard).accept().confirm().describe().assign().order()
	done := newDocket(t, w, casefile.Anonymous, casefile.IllegalAct).accept().confirm().describe().assign()
	done.saveResult(notSo)
	result := func(d *docket, who, task string, change object, status int, code, field string) badRow {
		body := object{"findings": d.findings(notSo), "note": marker, "position": d.place()}
		for k, v := range change {
			body[k] = v
		}
		return badRow{who: who, path: "/v1/field/tasks/" + task + "/result", form: []part{jsonPart("result", body)}, status: status, code: code, at: field}
	}
	mine := func(change object, code, field string) badRow {
		return result(open, open.patroler, open.patrol, change, 400, code, field)
	}
	taken := func(change object, code, field string) badRow {
		body := object{"items": []object{{"kind": "photo", "size": 1}}}
		for k, v := range change {
			body[k] = v
		}
		return post(open.patroler, "/v1/field/tasks/"+open.patrol+"/uploads", body, 400, code, field)
	}
	first := open.findings(notSo)[:1]
	far := object{"lon": 125.0, "lat": 44.0, "datum": "wgs84"}
	patrol := func(change object, code, field string) badRow {
		body := object{"persons": persons(open.patroler), "place": open.place(), "placeName": marker, "brief": marker, "items": []string{marker}}
		for k, v := range change {
			body[k] = v
		}
		return post("township1", "/v1/office/tasks", body, 400, code, field)
	}
	return map[string]badRow{
		"unknown item":       mine(object{"findings": append(open.findings(notSo), object{"ref": newKey(t), "finding": notSo})}, "task.unknown_item", "/findings"),
		"an item twice":      mine(object{"findings": append(open.findings(notSo), first...)}, "task.unknown_item", "/findings"),
		"an item missing":    mine(object{"findings": first}, "task.items_open", "/findings"),
		"unknown finding":    mine(object{"findings": []object{{"ref": open.items[0], "finding": marker}}}, "body.invalid", "/findings/0/finding body.enum"),
		"outside, no reason": mine(object{"position": far}, "task.outside", "/whyOutside"),
		"position 0, 0":      mine(object{"position": object{"lon": 0, "lat": 0, "datum": "wgs84"}}, "place.no_fix", "/position/lon"),
		"no position":        mine(object{"position": nil}, "body.invalid", "/position body.type"),
		"photo id of words":  mine(object{"photoIds": []string{marker}}, "body.invalid", "/photoIds/0 body.format"),
		"photo id twice":     mine(object{"photoIds": []string{open.items[0], open.items[0]}}, "body.invalid", "/photoIds body.not_unique"),
		"photo id of none":   mine(object{"photoIds": []string{open.items[0]}}, "evidence.photo_ids", "/photoIds"),
		"taken by words":     taken(object{"position": marker}, "body.invalid", "/position body.type"),
		"taken at 0, 0":      taken(object{"position": object{"lon": 0, "lat": 0, "datum": "wgs84"}}, "place.no_fix", "/position/lon"),
		"taken by no clock":  taken(object{"clock": object{"now": marker, "elapsedMs": -1}}, "body.invalid", "/clock/elapsedMs body.range"),
		"id without digest":  taken(object{"items": []object{{"kind": "photo", "size": 1, "photoId": open.items[0]}}}, "evidence.photo_digest", "/items"),
		"picture is text": {
			who: open.patroler, path: "/v1/field/tasks/" + open.patrol + "/result", status: 415, code: "evidence.type", at: "/evidence",
			form: []part{jsonPart("result", object{"findings": open.findings(notSo), "position": open.place()}), photo([]byte(marker))},
		},
		"a second result":    result(done, done.patroler, done.patrol, nil, 409, "task.move", ""),
		"of an inspection":   result(open, "enforcer1", open.task, nil, 409, "task.needs_inspection", ""),
		"another's task":     result(open, elsewhere(t, w), open.patrol, nil, 404, "record.not_found", ""),
		"seen once done":     post(done.patroler, "/v1/field/tasks/"+done.patrol+"/seen", nil, 409, "task.move", ""),
		"patrol far away":    patrol(object{"place": far}, "task.outside_area", "/place"),
		"patrol of nothing":  patrol(object{"items": []string{}}, "body.invalid", "/items body.too_few"),
		"patrol by a leader": patrol(object{"persons": persons("leader1")}, "assignee.unfit", "/persons"),
		"patrol too late":    patrol(object{"due": "2020-01-01T00:00:00Z"}, "task.due_past", "/due"),
	}
}

func badVisits(t *testing.T, w *world) map[string]badRow {
	t.Helper()
	open := newDocket(t, w, casefile.Anonymous, casefile.IllegalAct, casefile.MajorHazard).accept().confirm().describe().assign().order()
	filed := newDocket(t, w, casefile.Anonymous, casefile.IllegalAct).accept().confirm().describe().assign().order().inspect(isSo)
	file := func(change object, status int, code, field string) badRow {
		body := open.inspection(isSo)
		body["record"] = marker
		for k, v := range change {
			body[k] = v
		}
		return post("enforcer1", "/v1/office/inspections", body, status, code, field)
	}
	tape := "/v1/field/tasks/" + open.task + "/recordings"
	taped := tape + "/" + open.do("enforcer1", tape, object{"kind": "audio"}, casefile.TaskAssigned).Ref
	segment := func(name string, value any, status int, code, field string) badRow {
		body := oneSegment(1, 1000)
		body[name] = value
		return post("enforcer1", taped+"/segments", body, status, code, field)
	}
	unit := func(unit object, code, field string) badRow { return file(object{"unit": unit}, 400, code, field) }
	return map[string]badRow{
		"tomorrow":             file(object{"on": time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)}, 400, "visit.not_yet", "/on"),
		"before certificates":  file(object{"on": "2015-01-01T00:00:00Z"}, 400, "officer.no_certificate", "/officers"),
		"signed and refused":   unit(object{"signed": true, "by": marker, "refusal": marker, "reportedTo": marker}, "visit.unit_signature", "/unit"),
		"neither":              unit(object{"signed": false}, "visit.unit_signature", "/unit"),
		"signed by nobody":     unit(object{"signed": true}, "visit.unit_signature", "/unit"),
		"refusal not reported": unit(object{"signed": false, "refusal": marker}, "visit.unit_signature", "/unit"),
		"signed in words":      unit(object{"signed": marker}, "body.invalid", "/unit/signed body.type"),
		"a finding missing":    file(object{"findings": open.findings(isSo)[:1]}, 400, "visit.items_open", "/findings"),
		"a finding twice":      file(object{"findings": append(open.findings(isSo), open.findings(isSo)[0])}, 400, "visit.unknown_item", "/findings"),
		"another's item":       file(object{"findings": filed.findings(isSo)}, 400, "visit.unknown_item", "/findings"),
		"of a patrol":          file(object{"task": open.patrol}, 404, "record.not_found", ""),
		"of no task":           file(object{"task": newKey(t)}, 404, "record.not_found", ""),
		"at 0, 0":              file(object{"place": object{"lon": 0, "lat": 0, "datum": "wgs84"}}, 400, "place.no_fix", "/place/lon"),
		"signed twice by one":  post("enforcer1", "/v1/office/inspections/"+filed.visit+"/sign", nil, 409, "visit.signed_before", ""),
		"signed by a third":    post("enforcer3", "/v1/office/inspections/"+filed.visit+"/sign", nil, 404, "record.not_found", ""),
		"recording of a kind":  post("enforcer1", tape, object{"kind": marker}, 400, "body.invalid", "/kind body.enum"),
		"recording of photos":  post("enforcer1", tape, object{"kind": "photo"}, 400, "body.invalid", "/kind body.enum"),
		"recording of another": post("enforcer3", tape, object{"kind": "video"}, 404, "record.not_found", ""),
		"recording, a patrol":  post(open.patroler, "/v1/field/tasks/"+open.patrol+"/recordings", object{"kind": "video"}, 404, "record.not_found", ""),
		"segment 0":            segment("n", 0, 400, "body.invalid", "/n body.range"),
		"segment 2501":         segment("n", 2501, 400, "body.invalid", "/n body.range"),
		"segment in words":     segment("n", marker, 400, "body.invalid", "/n body.type"),
		"segment too large":    segment("size", 2<<30, 413, "upload.too_large", "/size"),
		"segment before":       segment("offsetMs", -1, 400, "body.invalid", "/offsetMs body.range"),
		"segment of no length": segment("durationMs", 0, 400, "body.invalid", "/durationMs body.range"),
		"segment's clock":      segment("startedAt", marker, 400, "body.invalid", "/startedAt body.format"),
		"segment's digest":     segment("sha256", marker, 400, "body.invalid", "/sha256 body.format"),
		"segment beyond":       segment("n", 501, 400, "recording.segment", "/n"),
		"segment's position":   segment("position", object{"lon": 0, "lat": 0, "datum": "wgs84"}, 400, "place.no_fix", "/position/lon"),
		"segment of a datum":   segment("position", object{"lon": 126.5, "lat": 44.8, "datum": marker}, 400, "body.invalid", "/position/datum body.enum"),
		"segment mocked":       segment("mock", marker, 400, "body.invalid", "/mock body.type"),
		"segment's ticks":      segment("clock", object{"now": "2026-03-02T01:00:00Z", "elapsedMs": -1}, 400, "body.invalid", "/clock/elapsedMs body.range"),
		"segment of nothing":   post("enforcer1", tape+"/"+newKey(t)+"/segments", oneSegment(1, 1), 404, "record.not_found", ""),
		"closed with none":     post("enforcer1", taped+"/close", object{"segments": 0}, 400, "body.invalid", "/segments body.range"),
		"closed with more":     post("enforcer1", taped+"/close", object{"segments": 501}, 400, "recording.segment", "/segments"),
		"closing nothing":      post("enforcer1", tape+"/"+newKey(t)+"/close", object{"segments": 1}, 404, "record.not_found", ""),
		"penalty, unsigned":    post("enforcer1", "/v1/office/penalties", object{"visit": filed.visit}, 409, "visit.unsigned", "/visit"),
		"hazard, unsigned":     post("enforcer1", "/v1/office/hazards", object{"visit": filed.visit, "item": filed.items[0], "text": marker}, 409, "visit.unsigned", "/visit"),
	}
}

// saveResult ends the patrol.
func (d *docket) saveResult(found casefile.Finding) {
	d.t.Helper()
	text, err := json.Marshal(object{"findings": d.findings(found), "note": "seen", "position": d.place()})
	if err != nil {
		d.t.Fatal(err)
	}
	call := apiclient.Call{
		Method: http.MethodPost, Path: "/v1/field/tasks/" + d.patrol + "/result", Key: newKey(d.t), Form: new(apiclient.Form).JSON("result", text),
	}
	if err := d.send(d.patroler, call, nil); err != nil {
		d.t.Fatal(err)
	}
}
