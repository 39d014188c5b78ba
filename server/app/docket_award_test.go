package app_test

import (
	"crypto/rand"
	"io"
	"net/http"
	"strings"
	"time"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/custody"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
)

// fine is a line of a penalty that punishes some of the report's items.
func (d *docket) fine(kind casefile.PartyKind, yuan int64, items ...int) object {
	var refs []string
	for _, i := range items {
		refs = append(refs, d.items[i])
	}
	return object{
		"violation": "Gas bottles beside a stove", "article": "安全生产法 第99条", "kind": kind, "party": "demo workshop",
		"fen": yuan * 100, "items": refs,
	}
}

func (d *docket) charge() *docket {
	d.t.Helper()
	d.penalty = d.do("enforcer1", "/v1/office/penalties", object{"visit": d.visit}, casefile.PenaltyFiled).ID
	return d
}

func (d *docket) notice() *docket {
	d.t.Helper()
	d.do("enforcer1", d.penaltyPath("/notice"), object{"told": "Facts, grounds and proposed fine."}, casefile.PenaltyNoticed)
	return d
}

func (d *docket) decide(lines ...object) *docket {
	d.t.Helper()
	d.do("leader1", d.penaltyPath("/decide"), object{"reason": "One violation.", "lines": lines}, casefile.PenaltyDecided)
	return d
}

// punish goes from a signed inspection to a decision.
func (d *docket) punish(lines ...object) *docket {
	d.t.Helper()
	return d.charge().notice().decide(lines...)
}

// claim is the draft of an award for the matter of the first allegation. Cases
// of other tests may have found hazards at the place.
func (d *docket) claim() object {
	return object{
		"report": d.report, "matter": d.matters[0], "knownBefore": false, "clearTarget": true,
		"earlierReviewed": "Earlier hazards were others.",
	}
}

func (d *docket) draft() *docket {
	d.t.Helper()
	d.award = d.do("reward1", "/v1/office/awards", d.claim(), casefile.AwardDrafted).ID
	return d
}

// awardShown is what a reward officer sees of an award.
type awardShown struct {
	State    casefile.State
	Eligible bool
	Reason   string
	BaseFen  int64
	Fen      int64
	Year     int
}

func (d *docket) shown() awardShown {
	d.t.Helper()
	var a awardShown
	d.get("reward1", d.awardPath(""), &a)
	return a
}

func (d *docket) approve() *docket {
	d.t.Helper()
	d.do("reward2", d.awardPath("/review"), nil, casefile.AwardReviewed)
	d.do("leader2", d.awardPath("/approve"), nil, casefile.AwardWaitingBudget)
	return d
}

// announce goes from the approval until the reporter is told.
func (d *docket) announce() {
	d.t.Helper()
	awaited(d.t, "the budget", func() bool { return d.shown().State == casefile.AwardApproved })
	d.do("reward1", d.awardPath("/file"), object{"reference": "DEMO-1"}, casefile.AwardFiled)
	d.do("reward1", d.awardPath("/notify"), nil, casefile.AwardNotified)
}

// holder is a client behind the report's receipt.
func (d *docket) holder() apiclient.Client {
	d.t.Helper()
	var out struct{ Token string }
	c := d.w.anyone()
	call := apiclient.Call{Method: http.MethodPost, Path: "/v1/receipt/session", Body: object{"code": d.code}}
	if _, err := c.Do(d.t.Context(), call, &out); err != nil {
		d.t.Fatal(err)
	}
	c.Token = out.Token
	return c
}

// ask is the reporter asking for the award, and an officer for the identity.
func (d *docket) ask() {
	d.t.Helper()
	if _, err := d.holder().Do(d.t.Context(), apiclient.Call{Method: http.MethodPost, Path: "/v1/receipt/award/claim", Key: newKey(d.t)}, nil); err != nil {
		d.t.Fatal(err)
	}
	d.opening = d.do("reward1", "/v1/custody/openings", d.request(), casefile.OpeningAsked).ID
}

func (d *docket) request() object {
	return object{"award": d.award, "purpose": casefile.RewardPayment, "basis": "安监总财〔2018〕19号 第13条", "hours": 24}
}

// allocate brings money into the budget of the award's year.
func (d *docket) allocate(yuan int64) *docket {
	d.t.Helper()
	path := "/v1/office/budgets/" + time.Now().UTC().Add(8*time.Hour).Format("2006") + "/allocations"
	call := apiclient.Call{Method: http.MethodPost, Path: path, Body: object{"paper": "DEMO-" + newKey(d.t), "fen": yuan * 100}}
	if err := d.send("leader1", call, nil); err != nil {
		d.t.Fatal(err)
	}
	return d
}

// tool runs the custody tool as an officer.
func (d *docket) tool(login, command string, flags ...string) {
	d.t.Helper()
	args := append([]string{
		command, "--server", d.w.base, "--token-file", "-", "--opening", d.opening, "--key", demo.KeyFile(d.w.dir, demo.Tenant, login),
	}, flags...)
	err := custody.Run(d.t.Context(), args, custody.Env{
		Stdin: strings.NewReader(d.w.as(d.t, login).Token), Stdout: io.Discard, Stderr: io.Discard, Now: time.Now, Random: rand.Reader,
	})
	if err != nil {
		d.t.Fatalf("custody %s: %v", command, err)
	}
}

// peel has ring B's officer peel the request, and returns the layer.
func (d *docket) peel() vault.PeeledLayer {
	d.t.Helper()
	d.tool("seal1", "peel", "--yes")
	o, err := d.w.store.Openings.Get(d.t.Context(), demo.Tenant, d.opening)
	if err != nil {
		d.t.Fatal(err)
	}
	return vault.PeeledLayer{
		RequestID: o.ID, Wrapped: o.Wrapped, InnerDigest: o.InnerDigest, WrappedDigest: o.WrappedDigest, Signature: o.PeelSignature,
	}
}
