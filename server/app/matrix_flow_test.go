package app_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/custody"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

func soon() string { return time.Now().AddDate(0, 0, 3).UTC().Format(time.RFC3339) }

// verify takes the report to a patrol, and makes another patrol of a plan.
func (c *filedCase) verify() {
	c.t.Helper()
	var queue struct{ Items []struct{ ID, Number string } }
	c.get("desk1", "/v1/office/reports?limit=100", &queue)
	for _, r := range queue.Items {
		if r.Number == c.number {
			c.ids["report"] = r.ID
		}
	}
	c.timed()
	report := "/v1/office/reports/" + c.ids["report"]
	var desk struct{ Allegations, Evidence []struct{ ID string } }
	c.get("desk1", report, &desk)
	c.ids["allegation"], c.ids["item"] = desk.Allegations[0].ID, desk.Evidence[0].ID
	c.do("desk1", report+"/accept", nil)
	c.do("desk1", report+"/target", doc{"place": c.here, "name": "workshop"})
	c.do("desk1", report+"/brief", brief(c.ids))
	c.do("desk1", report+"/evidence/"+c.ids["item"]+"/release", doc{})
	var suggested struct{ Items []struct{ Person string } }
	c.get("desk1", report+"/assignees", &suggested)
	for _, p := range c.people {
		if p.Person == suggested.Items[0].Person {
			c.inspector = p.Login
		}
	}
	var phone struct{ ID string }
	_, err := c.client(c.inspector).Do(c.t.Context(), apiclient.Call{
		Method: http.MethodPost, Path: "/v1/session/devices", Body: doc{"token": c.phone()},
	}, &phone)
	if err != nil {
		c.t.Fatal(err)
	}
	c.ids["device"] = phone.ID
	c.ids["task"] = c.do("desk1", report+"/assign", doc{"persons": c.persons(c.inspector), "imminent": true}).Ref
	c.ids["planned"] = c.do("township1", "/v1/office/tasks", c.plan(c.persons(c.inspector)...)).ID
	c.ids["upload"] = hexID(c.t) // of nobody: whose it is, TestUploadRights asks
	c.await(c.inspector, "/v1/field/tasks", c.ids["task"])
}

// timed notes to the millisecond when the report came: below the desk there
// are days, and the log knows days only.
func (c *filedCase) timed() {
	c.t.Helper()
	r, err := c.store.Reports.Get(c.t.Context(), c.tenant, c.ids["report"])
	if err != nil {
		c.t.Fatal(err)
	}
	c.sent["time"] = strings.TrimSuffix(strings.TrimRight(r.At.UTC().Format("15:04:05.000"), "0"), ".") + "Z"
}

// phone is the push token of the inspector's phone.
func (c *filedCase) phone() string { return "phone-of-" + c.tenant }

func brief(ids map[string]string) doc {
	return doc{"text": "Look at the store.", "items": []doc{{"ref": ids["allegation"], "text": "Distance to fire"}}}
}

// plan is a patrol that is asked for in the very words of the brief.
func (c *filedCase) plan(persons ...string) doc {
	return doc{"persons": persons, "place": c.here, "placeName": "workshop", "brief": "Look at the store.", "items": []string{"Distance to fire"}}
}

func findings(ids map[string]string) []doc {
	return []doc{{"ref": ids["allegation"], "finding": casefile.Substantiated, "text": "as seen"}}
}

func conclusion(ids map[string]string) doc {
	return doc{"record": "Inspected.", "findings": findings(ids)}
}

func (c *filedCase) visit(ids map[string]string) doc {
	return doc{
		"task": ids["inspection"], "on": time.Now().Add(-time.Minute).UTC().Format(time.RFC3339), "place": c.here, "party": "workshop",
		"record": "Bottles beside a stove.", "findings": findings(ids), "unit": doc{"signed": true, "by": "person on duty"},
	}
}

func decision(ids map[string]string) doc {
	return doc{"reason": "One violation.", "lines": []doc{{
		"violation": "Bottles beside a stove", "article": "安全生产法 第99条", "kind": "unit", "party": "workshop", "fen": 1_000_000,
		"items": []string{ids["allegation"]},
	}}}
}

func draft(ids map[string]string) doc {
	return doc{"report": ids["report"], "matter": casefile.IllegalAct, "knownBefore": false, "clearTarget": true}
}

// asked is a request for an opening, for the purpose of who asks.
func asked(ids map[string]string) doc {
	switch casefile.Role(ids["role"]) {
	case casefile.DeskOfficer:
		return doc{"report": ids["report"], "purpose": casefile.CallBack, "basis": "安全生产法 第76条", "hours": 24}
	case casefile.Leader:
		return doc{"report": ids["report"], "purpose": casefile.TransferToJustice, "basis": "行政执法机关移送涉嫌犯罪案件的规定 第3条", "hours": 24}
	default:
		return doc{"award": ids["award"], "purpose": casefile.RewardPayment, "basis": "安监总财〔2018〕19号第13条", "hours": 24}
	}
}

func reply() doc {
	return doc{"conclusion": "True.", "facts": "Bottles stood there.", "decision": "A fine.", "reward": "Is calculated."}
}

// inspect takes the report from the inspection to its conclusion and reply.
func (c *filedCase) inspect() {
	c.t.Helper()
	report := "/v1/office/reports/" + c.ids["report"]
	c.ids["inspection"] = c.do("desk1", report+"/inspection", doc{"persons": c.persons("enforcer1", "enforcer2"), "imminent": true}).Ref
	c.await("enforcer1", "/v1/field/tasks", c.ids["inspection"])
	c.record()
	c.ids["visit"] = c.do("enforcer1", "/v1/office/inspections", c.visit(c.ids)).ID
	c.do("enforcer2", "/v1/office/inspections/"+c.ids["visit"]+"/sign", nil)
	c.ids["hazard"] = c.do("enforcer1", "/v1/office/hazards", hazard(c.ids)).ID
	c.do("leader1", report+"/conclude", conclusion(c.ids))
	c.do("desk1", report+"/reply", reply())
}

func hazard(ids map[string]string) doc {
	return doc{"visit": ids["visit"], "item": ids["allegation"], "text": "Bottles beside a stove"}
}

func (c *filedCase) punish() {
	c.t.Helper()
	c.ids["penalty"] = c.do("enforcer1", "/v1/office/penalties", doc{"visit": c.ids["visit"]}).ID
	penalty := "/v1/office/penalties/" + c.ids["penalty"]
	c.do("enforcer1", penalty+"/notice", doc{"told": "Facts and fine.", "heard": "Nothing."})
	c.do("leader1", penalty+"/decide", decision(c.ids))
	c.do("enforcer1", penalty+"/serve", nil)
}

func wanted(ids map[string]string) doc {
	return doc{"item": ids["item"], "file": casefile.OfPenalty, "record": ids["penalty"], "reason": "Shows the bottles."}
}

// leads has the reporter agree to the picture in the files of the inspection
// and of the penalty, and ring B release it.
func (c *filedCase) leads() {
	c.t.Helper()
	of := map[string]doc{"exhibit": wanted(c.ids), "shown": wanted(c.ids)}
	of["shown"]["file"], of["shown"]["record"] = casefile.OfInspection, c.ids["visit"]
	for name, want := range of {
		c.ids["lead"] = c.do("desk1", "/v1/office/reports/"+c.ids["report"]+"/leads", want).ID
		_, err := c.receipt.Do(c.t.Context(), apiclient.Call{
			Method: http.MethodPost, Path: "/v1/receipt/leads/" + c.ids["lead"] + "/answer", Key: freshKey(), Body: doc{"agree": true},
		}, nil)
		if err != nil {
			c.t.Fatal(err)
		}
		c.ids[name] = c.do("seal1", "/v1/office/leads/"+c.ids["lead"]+"/release", nil).Ref
	}
	c.await("enforcer1", "/v1/office/penalties/"+c.ids["penalty"], c.ids["exhibit"])
	c.await("enforcer1", "/v1/office/inspections/"+c.ids["visit"], c.ids["shown"])
}

// reward takes the award to the reporter, who asks for it.
func (c *filedCase) reward() {
	c.t.Helper()
	c.ids["award"] = c.do("reward1", "/v1/office/awards", draft(c.ids)).ID
	award := "/v1/office/awards/" + c.ids["award"]
	c.do("reward2", award+"/review", nil)
	_, err := c.client("leader1").Do(c.t.Context(), apiclient.Call{
		Method: http.MethodPost, Path: "/v1/office/budgets/" + c.year + "/allocations", Body: doc{"paper": "paper", "fen": 100_000_000},
	}, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.do("leader2", award+"/approve", nil)
	c.await("reward1", award, string(`"state":"`+casefile.AwardApproved+`"`))
	c.do("reward1", award+"/file", doc{"reference": "filed"})
	c.do("reward1", award+"/notify", nil)
	_, err = c.receipt.Do(c.t.Context(), apiclient.Call{Method: http.MethodPost, Path: "/v1/receipt/award/claim", Key: freshKey()}, nil)
	if err != nil {
		c.t.Fatal(err)
	}
}

// talk is a message of each side, the desk's with a picture, and the
// reporter's objection to the reply.
func (c *filedCase) talk() {
	c.t.Helper()
	for path, text := range map[string]string{"messages": c.sent["message"], "objection": c.sent["objection"]} {
		call := apiclient.Call{Method: http.MethodPost, Path: "/v1/receipt/" + path, Key: freshKey(), Body: doc{"text": text}}
		if _, err := c.receipt.Do(c.t.Context(), call, nil); err != nil {
			c.t.Fatal(err)
		}
	}
	path := "/v1/office/reports/" + c.ids["report"] + "/messages"
	_, err := c.client("desk1").Do(c.t.Context(), apiclient.Call{Method: http.MethodPost, Path: path, Key: freshKey(), Form: c.message(nil)}, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	var page struct {
		Items []struct{ Attachments []struct{ ID string } }
	}
	c.get("desk1", path, &page)
	c.ids["attachment"] = page.Items[1].Attachments[0].ID
}

// open asks for the identity; ring A brings a key and ring B peels.
func (c *filedCase) open() {
	c.t.Helper()
	c.ids["ring"] = workflow.RingID(c.tenant, vault.RingA)
	c.ids["opening"] = c.do("reward1", "/v1/custody/openings", asked(c.ids)).ID
	once := filepath.Join(c.t.TempDir(), "once.key")
	c.custody("identity1", "key", "--opening", c.ids["opening"], "--once", once)
	c.custody("seal1", "peel", "--opening", c.ids["opening"], "--yes")
}

// reach has ring B approve that contacts are used, and ring A take a use.
func (c *filedCase) reach() {
	c.t.Helper()
	out := c.custody("seal1", "approve", "--purpose", "call_back", "--basis", "安全生产法 第76条", "--uses", "40", "--days", "7", "--yes")
	c.ids["approval"] = strings.TrimSpace(out[strings.LastIndex(out, " ")+1:])
	c.ids["contact"] = c.do("identity1", "/v1/custody/contacts", use(c.ids)).ID
}

func use(ids map[string]string) doc {
	return doc{"approval": ids["approval"], "report": ids["report"], "way": casefile.ByTerminal}
}

// custody runs the custody tool as an officer and returns what it prints.
func (c *filedCase) custody(login, command string, flags ...string) string {
	c.t.Helper()
	args := append([]string{command, "--server", c.base, "--token-file", "-", "--key", demo.KeyFile(c.dir, c.tenant, login)}, flags...)
	var out bytes.Buffer
	err := custody.Run(c.t.Context(), args, custody.Env{
		Stdin: strings.NewReader(c.client(login).Token), Stdout: &out, Stderr: io.Discard, Now: time.Now, Random: rand.Reader,
	})
	if err != nil {
		c.t.Fatalf("custody %s: %v", command, err)
	}
	return out.String()
}

// signIn begins a session of which the refresh token is kept.
func (c *filedCase) signIn() {
	c.t.Helper()
	p, _ := c.find("auditor1")
	var session struct{ Refresh string }
	_, err := c.anyone().Do(c.t.Context(), apiclient.Call{Method: http.MethodPost, Path: "/v1/session", Body: signIn(p)}, &session)
	if err != nil {
		c.t.Fatal(err)
	}
	c.refresh = session.Refresh
}

// session begins a session of a person without a sign-in, and returns its family.
func (c *filedCase) session(t *testing.T, p demo.SignIn) (apiclient.Client, string) {
	t.Helper()
	f := workflow.Family{ID: hexID(t), Tenant: p.Tenant, Person: p.Person, Begun: time.Now(), Expires: time.Now().Add(time.Hour), Strong: true}
	if err := c.store.Accounts.InsertFamily(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	client := c.anyone()
	client.Token = tokens(t, c.world, "gridwatch", 0, web.Claims{Audience: web.Staff, Tenant: p.Tenant, Subject: p.Person, Family: f.ID})
	return client, f.ID
}

// publish leaves a batch of results that waits for its release, and a payout
// that waits for its confirmation.
func (c *filedCase) publish() {
	c.t.Helper()
	b := &casefile.Batch{Area: c.area, Month: "2025-01", Results: []casefile.PublishedResult{{Area: c.area, Text: "A blocked exit."}}}
	b.ID, b.Tenant, b.State, b.Version, b.Seq, b.At = hexID(c.t), c.tenant, casefile.BatchPrepared, 1, 1, time.Now().UTC()
	b.Timeline = []casefile.Event{{Seq: 1, Command: "prepare", To: casefile.BatchPrepared, By: "desk"}}
	if err := c.store.Batches.Insert(c.t.Context(), b); err != nil {
		c.t.Fatal(err)
	}
	c.ids["batch"] = b.ID
	p := &casefile.Payout{Area: c.area, Memo: "expense", DrawnBy: "payer", Lines: []casefile.PayoutLine{}}
	p.ID, p.Tenant, p.State, p.Version, p.Seq, p.At = hexID(c.t), c.tenant, casefile.PayoutDrawn, 1, 1, time.Now().UTC()
	p.Timeline = []casefile.Event{{Seq: 1, Command: "draw", To: casefile.PayoutDrawn, By: "payer"}}
	if err := c.store.Payouts.Insert(c.t.Context(), p); err != nil {
		c.t.Fatal(err)
	}
	c.ids["payout"] = p.ID
}

// administer leaves something for administrators: a person who does nothing in
// the case, and a proposal of another administrator's.
func (c *filedCase) administer() {
	c.t.Helper()
	c.ids["person"], c.ids["family"] = c.persons("far-auditor")[0], hexID(c.t)
	var made struct{ ID string }
	_, err := c.client("far-administrator").Do(c.t.Context(), apiclient.Call{
		Method: http.MethodPost, Path: "/v1/office/policy", Key: freshKey(), Body: doc{"decideDays": 13},
	}, &made)
	if err != nil {
		c.t.Fatal(err)
	}
	c.ids["proposal"] = made.ID
}

func signIn(p demo.SignIn) doc {
	return doc{"tenant": p.Tenant, "login": p.Login, "password": p.Password, "device": device}
}
