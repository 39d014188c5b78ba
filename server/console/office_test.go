package console_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"gridwatch/media/mediatest"
	"gridwatch/server/casefile"
	"gridwatch/server/grid"
	"gridwatch/server/vault"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

const (
	narrative = "canary narrative"
	wording   = "canary wording"
	sentFor   = "canary target"
)

type object = map[string]any

// photos gives pictures as a form would.
type photos []workflow.IncomingFile

func (p *photos) Next() (workflow.IncomingFile, error) {
	if len(*p) == 0 {
		return workflow.IncomingFile{}, io.EOF
	}
	f := (*p)[0]
	*p = (*p)[1:]
	return f, nil
}

// report registers a real-name report with two photos. It returns the code.
func (o *office) report() string {
	o.t.Helper()
	var files photos
	for seed := range uint64(2) {
		picture := mediatest.Picture(mediatest.Options{Seed: seed, Width: 64, Height: 48, Serial: "canary-serial"})
		files = append(files, workflow.IncomingFile{Name: "canary.jpg", Reader: bytes.NewReader(picture)})
	}
	made, err := o.service.Register(o.t.Context(), workflow.Submission{
		Tenant: "county", Key: must(vault.ParseIdemKey(must(vault.NewID(rand.Reader)))), Body: []byte(`{}`), Channel: "web",
		Mode: casefile.RealName, Narrative: narrative, TargetText: sentFor, Files: &files,
		Allegations: []workflow.SubmittedAllegation{{Matter: casefile.IllegalAct, Text: wording}},
		Target:      &grid.Place{Lon: 126.55, Lat: 44.85, Datum: grid.DatumWGS84},
		Identity: &vault.Identity{
			Name: "demo reporter", Relation: vault.RelationNone, PayeeName: "demo reporter", PayeeBank: "demo bank", PayeeAccount: "0",
		},
	})
	o.check(err)
	o.relay()
	return made.Code.Reveal()
}

type deskView struct {
	ID, Narrative, TargetText, Mode string
	Version                         int64
	Allegations                     []struct{ ID, Text string }
	Evidence                        []struct{ ID, Name string }
}

// The flow of an office from a report to a paid award, by HTTP, and what each
// role is not told of it on the way.
func TestFlow(t *testing.T) {
	t.Parallel()
	o := open(t)
	code := o.report()
	queue := get[struct{ Items []deskRow }](o, "desk", "/v1/office/reports?state=RECEIVED")
	if len(queue.Items) != 1 || queue.Items[0].Evidence != 2 || queue.Items[0].Allegations != 1 {
		t.Fatalf("got %+v, want one report", queue)
	}
	path := "/v1/office/reports/" + queue.Items[0].ID
	r := get[deskView](o, "desk", path)
	if r.Narrative != narrative || r.TargetText != sentFor || r.Mode != "real_name" || r.Allegations[0].Text != wording || r.Evidence[1].Name != "canary.jpg" {
		t.Errorf("got %+v", r)
	}
	o.refused(o.ask(http.MethodGet, "leader", path, nil, nil), http.StatusNotFound, "record.not_found")
	o.verify(path, r)
	visit := o.inspect(path, r.Allegations[0].ID)
	o.do("leader", path+"/conclude", object{"record": "verified", "findings": finding(r.Allegations[0].ID)}, "CONCLUDED")
	o.rectify(visit, r.Allegations[0].ID)
	o.punish(visit, r.Allegations[0].ID)
	o.do("desk", path+"/reply", object{"conclusion": "true", "facts": "as found", "decision": "fined", "reward": "yes"}, "REPLIED")
	award := o.reward(r.ID)
	o.claim(code, award)
	o.pay(award)
	type balances struct{ Allocated, Reserved, Paid, Available int64 }
	got := get[struct{ Balances balances }](o, "payer", o.budget()).Balances
	if want := (balances{Allocated: 10_000_000, Paid: 300_000, Available: 9_700_000}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

type deskRow struct {
	ID                    string
	Evidence, Allegations int
}

func finding(ref string) []object { return []object{{"ref": ref, "finding": "SUBSTANTIATED"}} }

// verify takes a report to a check of the lead.
func (o *office) verify(path string, r deskView) {
	o.t.Helper()
	o.do("desk", path+"/accept", nil, "ACCEPTED")
	o.refused(o.ask(http.MethodPost, "desk", path+"/target", object{"place": object{"lon": 126.55, "lat": 44.85, "datum": "wgs84"}, "name": "demo plant"},
		map[string]string{"Idempotency-Key": must(vault.NewID(rand.Reader)), "If-Match": fmt.Sprintf(`"%d"`, r.Version)}), http.StatusConflict, "record.changed")
	o.do("desk", path+"/target", object{"place": object{"lon": 126.55, "lat": 44.85, "datum": "wgs84"}, "name": "demo plant"}, "ACCEPTED")
	o.do("desk", path+"/brief", object{"text": "look at the gate", "items": []object{{"ref": r.Allegations[0].ID, "text": "is the gate locked"}}}, "ACCEPTED")
	o.release(path, r.Evidence[0].ID, r.Evidence[1].ID)
	best := get[struct{ Items []struct{ Person string } }](o, "desk", path+"/assignees")
	task := o.do("desk", path+"/assign", object{"persons": []string{best.Items[0].Person}}, "VERIFYING").Ref

	list := o.ask(http.MethodGet, "township", "/v1/office/tasks", nil, nil)
	shown := o.ask(http.MethodGet, "township", "/v1/office/tasks/"+task, nil, nil)
	if !strings.Contains(string(list.body), task) || shown.status != http.StatusOK {
		o.t.Errorf("got %s and %d, want the task", list.body, shown.status)
	}
	brief := o.ask(http.MethodGet, "leader", path+"/brief", nil, nil)
	if !strings.Contains(string(brief.body), "is the gate locked") {
		o.t.Errorf("got %s, want the desk's words", brief.body)
	}
	for _, hidden := range []string{"canary", r.Mode, "created", `"registeredAt"`} {
		if strings.Contains(string(brief.body)+string(shown.body)+string(list.body), hidden) {
			o.t.Errorf("got %q in %s or %s", hidden, brief.body, shown.body)
		}
	}
	if strings.Contains(string(shown.body), r.ID) {
		o.t.Errorf("got the report in %s", shown.body)
	}
	if cause := get[struct{ Cause string }](o, "desk", "/v1/office/tasks/"+task).Cause; cause != r.ID {
		o.t.Errorf("got cause %q, want the report", cause)
	}
}

// release releases two items: a key of the one is no key of the other.
func (o *office) release(path, first, second string) {
	o.t.Helper()
	key := map[string]string{"Idempotency-Key": must(vault.NewID(rand.Reader))}
	o.refused(o.ask(http.MethodGet, "desk", path+"/evidence/"+first, nil, nil), http.StatusNotFound, "record.not_found")
	busy := o.ask(http.MethodPost, "desk", path+"/evidence/"+first+"/release", object{}, key)
	o.refused(busy, http.StatusServiceUnavailable, "evidence.no_copy")
	for must(o.service.RelayOnce(o.t.Context())) > 0 {
	}
	for must(o.service.CopyOnce(o.t.Context(), workflow.PhotoLane)) {
	}
	for range 2 {
		if a := o.ask(http.MethodPost, "desk", path+"/evidence/"+first+"/release", object{}, key); a.status != http.StatusOK {
			o.t.Fatalf("got %d %s", a.status, a.body)
		}
	}
	o.refused(o.ask(http.MethodPost, "desk", path+"/evidence/"+second+"/release", object{}, key), http.StatusConflict, "idempotency.other_body")
	if a := o.ask(http.MethodGet, "desk", path+"/evidence/"+first+"/original", nil, nil); a.status != http.StatusNotFound {
		o.t.Errorf("got %d and %d bytes of the original, which is for the rings", a.status, len(a.body))
	}
	clean := o.ask(http.MethodGet, "desk", path+"/evidence/"+first, nil, nil)
	if clean.status != http.StatusOK || bytes.Contains(clean.body, []byte("canary-serial")) {
		o.t.Errorf("got %d, want a copy without the photo's metadata", clean.status)
	}
	if got := clean.header.Get("Content-Disposition"); got != "attachment; filename="+first+".jpeg" {
		o.t.Errorf("got %q", got)
	}
}

// inspect has two officers inspect and sign. It returns the record's id.
func (o *office) inspect(path, item string) string {
	o.t.Helper()
	task := o.do("desk", path+"/inspection", object{"persons": []string{"enforcer1", "enforcer2"}}, "VERIFYING").Ref
	visit := o.do("enforcer1", "/v1/office/inspections", object{
		"task": task, "on": time.Now().Add(-time.Minute), "place": object{"lon": 126.55, "lat": 44.85, "datum": "wgs84"},
		"party": "demo plant", "record": "the gate was locked", "findings": finding(item), "unit": object{"signed": true, "by": "manager"},
	}, "FILED").ID
	o.do("enforcer2", "/v1/office/inspections/"+visit+"/sign", nil, "SIGNED")
	if got := get[struct{ Party string }](o, "leader", "/v1/office/inspections/"+visit); got.Party != "demo plant" {
		o.t.Errorf("got %+v", got)
	}
	return visit
}

func (o *office) rectify(visit, item string) {
	o.t.Helper()
	path := "/v1/office/hazards/" + o.do("enforcer1", "/v1/office/hazards", object{"visit": visit, "item": item, "text": "gate locked"}, "FOUND").ID
	o.do("enforcer1", path+"/triage", object{"grade": "general"}, "TRIAGED")
	o.do("enforcer1", path+"/order", object{
		"officers": []string{"enforcer1", "enforcer2"}, "measures": "unlock", "deadline": time.Now().Add(time.Hour),
	}, "ORDERED")
	o.do("enforcer1", path+"/start", nil, "RECTIFYING")
	o.do("enforcer1", path+"/claim-done", object{"proof": "unlocked"}, "CLAIMED")
	o.do("enforcer2", path+"/recheck", object{"ok": false}, "RECTIFYING")
	o.do("enforcer1", path+"/claim-done", object{"proof": "really unlocked"}, "CLAIMED")
	o.do("enforcer2", path+"/recheck", object{"ok": true}, "CLOSED")
	if got := get[struct{ Proof string }](o, "township", path); got.Proof != "really unlocked" {
		o.t.Errorf("got %+v", got)
	}
}

func (o *office) punish(visit, item string) {
	o.t.Helper()
	path := "/v1/office/penalties/" + o.do("enforcer1", "/v1/office/penalties", object{"visit": visit}, "FILED").ID
	o.do("enforcer1", path+"/notice", object{"told": "a fine", "heard": "sorry"}, "NOTICED")
	o.do("leader", path+"/decide", object{"reason": "locked", "lines": []object{{
		"violation": "locked exit", "article": "安全生产法 第105条", "kind": "unit", "party": "demo plant", "fen": 1_000_000, "items": []string{item},
	}}}, "DECIDED")
	o.do("enforcer1", path+"/serve", nil, "SERVED")
	o.do("enforcer1", path+"/payments", object{"fen": 400_000, "ticket": "1"}, "SERVED")
	o.do("enforcer1", path+"/payments", object{"fen": 600_000, "ticket": "2"}, "PAID")
	if got := get[struct{ TotalFen, PaidFen int64 }](o, "desk", path); got.TotalFen != 1_000_000 || got.PaidFen != 1_000_000 {
		o.t.Errorf("got %+v", got)
	}
}

func (o *office) budget() string {
	return fmt.Sprintf("/v1/office/budgets/%d", time.Now().In(workflow.Shanghai()).Year())
}

// reward takes the award to the notice. It returns its path.
func (o *office) reward(report string) string {
	o.t.Helper()
	for range 2 { // the same paper twice brings its money in once
		paper := o.ask(http.MethodPost, "leader", o.budget()+"/allocations", object{"paper": "demo paper", "fen": 10_000_000}, nil)
		if paper.status != http.StatusCreated {
			o.t.Fatalf("got %d %s", paper.status, paper.body)
		}
	}
	made := o.do("reward1", "/v1/office/awards", object{"report": report, "matter": "illegal_act", "knownBefore": false, "clearTarget": true}, "DRAFT")
	path := "/v1/office/awards/" + made.ID
	o.do("reward2", path+"/review", nil, "REVIEWED")
	o.do("leader", path+"/return", object{"reason": "look_again"}, "DRAFT")
	o.do("reward2", path+"/review", nil, "REVIEWED")
	o.do("leader", path+"/approve", nil, "WAITING_BUDGET")
	o.do("reward1", path+"/file", object{"reference": "demo filing"}, "FILED")
	o.do("reward1", path+"/notify", nil, "NOTIFIED")
	full := get[struct {
		Fen       int64
		TraceText []string
		Facts     object
	}](o, "reward1", path)
	if full.Fen != 300_000 || !slices.Contains(full.TraceText, "Scheme national-2018, version 1 (安监总财〔2018〕19号)") || full.Facts["matter"] != "illegal_act" {
		o.t.Errorf("got %+v", full)
	}
	if _, shown := full.Facts["identityMode"]; shown {
		o.t.Error("the mode is shown to others than the desk")
	}
	if paid := get[object](o, "payer", path); len(paid) != 5 || paid["fen"] != 300_000.0 {
		o.t.Errorf("got %v, want id, state, version, number and amount", paid)
	}
	return path
}

// pay drops a payout of the award, has the bank fail at one and pay by another.
func (o *office) pay(award string) {
	o.t.Helper()
	id := award[strings.LastIndex(award, "/")+1:]
	for _, how := range []struct {
		step string
		body any
		want string
	}{
		{"drop", nil, "CLAIMED"},
		{"settle", object{"ticket": "demo ticket", "failed": []object{{"award": id, "reason": "account_closed"}}}, "PAY_FAILED"},
		{"settle", object{"ticket": "demo ticket"}, "PAID"},
	} {
		path := "/v1/office/payouts/" + o.do("payer", "/v1/office/payouts", object{"awards": []string{id}}, "DRAWN").ID
		o.relay()
		state := map[string]casefile.State{"drop": "DROPPED", "settle": "SETTLED"}[how.step]
		if how.step == "settle" {
			o.do("leader", path+"/confirm", nil, "CONFIRMED")
		}
		o.do("payer", path+"/"+how.step, how.body, state)
		o.relay()
		if a := get[object](o, "payer", award); a["state"] != how.want {
			o.t.Errorf("after %s the award is %v, want %s", how.step, a["state"], how.want)
		}
	}
}

// claim has the reporter ask and the two rings open.
func (o *office) claim(code, award string) {
	o.t.Helper()
	reporter := must(o.service.OpenReceipt(o.t.Context(), code))
	must(o.service.AskAward(o.t.Context(), workflow.Call{Actor: reporter, Route: "test", Key: must(vault.ParseIdemKey(must(vault.NewID(rand.Reader))))}))
	ask := object{"award": award[strings.LastIndex(award, "/")+1:], "purpose": "reward_payment", "basis": "art. 76", "hours": 24}
	denied := "/v1/custody/openings/" + o.do("reward1", "/v1/custody/openings", ask, "ASKED").ID
	o.do("ringB", denied+"/deny", object{"reason": "no basis"}, "DENIED")

	path := "/v1/custody/openings/" + o.do("reward1", "/v1/custody/openings", ask, "ASKED").ID
	once := must(vault.NewRequestKey())
	o.do("ringA", path+"/key", object{"recipient": once.Recipient()}, "KEYED")
	in := get[turn](o, "ringB", path)
	o.do("ringB", path+"/layer", must(vault.Peel(o.custody.Officers[vault.RingB], o.custody.Held[vault.RingB], in.Envelope, in.InnerDigest, in.Request, time.Now())), "PEELED")
	if other := get[turn](o, "ringB", path); other.Layer != nil || other.Envelope != nil || other.Binding != "" {
		o.t.Error("want nothing for ring B any more")
	}
	in = get[turn](o, "ringA", path)
	sealed := vault.Sealed{InnerDigest: in.InnerDigest, Binding: in.Binding}
	if who := must(vault.Open(o.custody.Held[vault.RingA], once, in.PeeledBy, *in.Layer, sealed, in.Request, time.Now())); who.Name != "demo reporter" {
		o.t.Error("want who reported")
	}
	o.do("ringA", path+"/outcome", must(vault.SignOutcome(o.custody.Officers[vault.RingA], vault.ResultOpened, *in.Layer, in.Request)), "FINISHED")
	states := get[struct {
		Items []struct{ State, Denial string }
	}](o, "reward1", "/v1/custody/openings")
	if len(states.Items) != 2 || states.Items[0].State != "DENIED" || states.Items[1].State != "FINISHED" {
		o.t.Errorf("got %+v", states)
	}
}

// turn is an opening as an officer's tool reads it.
type turn struct {
	Request     vault.Request
	Envelope    []byte
	InnerDigest string
	Layer       *vault.PeeledLayer
	Binding     string
	PeeledBy    []byte
}

// A list comes in pages that end, each report once, oldest first.
func TestPages(t *testing.T) {
	t.Parallel()
	o := open(t)
	for range 3 {
		o.report()
	}
	var seen []string
	next := ""
	for range 3 {
		page := get[struct {
			Items []deskRow
			Next  string
		}](o, "desk", "/v1/office/reports?limit=1"+next)
		if len(page.Items) != 1 || slices.Contains(seen, page.Items[0].ID) || (page.Next == "") != (len(seen) == 2) {
			t.Fatalf("got %+v after %v", page, seen)
		}
		seen = append(seen, page.Items[0].ID)
		next = "&cursor=" + page.Next
	}
	if got := get[object](o, "desk", "/v1/office/reports?state=CLOSED"); len(got["items"].([]any)) != 0 {
		t.Errorf("got %v, want no report", got)
	}
	for _, query := range []string{"?state=OPEN", "?limit=0", "?limit=101", "?cursor=x"} {
		a := o.ask(http.MethodGet, "desk", "/v1/office/reports"+query, nil, nil)
		var p web.Problem
		o.check(json.Unmarshal(a.body, &p))
		if a.status != http.StatusBadRequest || len(p.Errors) != 1 {
			t.Errorf("%s: got %d %s", query, a.status, a.body)
		}
	}
	o.refused(o.ask(http.MethodGet, "payer", "/v1/office/budgets/99", nil, nil), http.StatusNotFound, "record.not_found")
	o.refused(o.ask(http.MethodPost, "desk", "/v1/office/reports/"+seen[0]+"/accept", nil, nil), http.StatusBadRequest, "idempotency_key.format")
}
