package workflow_test

import (
	"testing"

	"gridwatch/server/casefile"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// TestOpeningOfAReport: to call a reporter back, and for justice, an identity is
// opened by report. The reporter sees for what; no award is touched.
func TestOpeningOfAReport(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for purpose, asker := range map[casefile.Purpose]workflow.Call{
		casefile.CallBack: b.call("d1", casefile.DeskOfficer), casefile.TransferToJustice: b.call("l1", casefile.Leader),
	} {
		in := workflow.OpeningRequest{Report: b.report, Purpose: purpose, Basis: "art. 76", Hours: 24}
		_, err := b.s.AskOpening(t.Context(), b.officer(), in)
		b.refused(err, "opening.other_role")
		out, err := b.s.AskOpening(t.Context(), asker, in)
		b.ok(err)
		o := (&opening{bench: b, id: out.ID}).bringKey().peel()
		who, err := o.open()
		if err != nil || who.Name != canary {
			t.Fatalf("%s: got another identity, %v", purpose, err)
		}
		b.ok(o.finish(vault.ResultOpened))
	}
	_, err := b.s.RelayOnce(t.Context())
	b.ok(err)
	award, err := b.store.Awards.Get(t.Context(), "county", b.award)
	if err != nil || award.State != casefile.AwardNotified {
		t.Errorf("got the award %s, %v, want it as it was", award.State, err)
	}
	actor, err := b.s.OpenReceipt(t.Context(), b.code)
	b.ok(err)
	seen, err := b.s.ReadReceipt(t.Context(), actor)
	b.ok(err)
	purposes := map[casefile.Purpose]bool{}
	for _, o := range seen.Openings {
		purposes[o.Purpose] = o.Result == casefile.Opened
	}
	if len(seen.Openings) != 2 || !purposes[casefile.CallBack] || !purposes[casefile.TransferToJustice] {
		t.Errorf("got %v behind the receipt, want both openings", purposes)
	}
}

// An opening lies in its report's area: a post in another township reads it as
// little as nothing, and the rings read it all.
func TestOpeningsAreSeenInTheirArea(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	o := b.ask()
	far := b.call("r2", casefile.RewardOfficer)
	far.Actor.Posts[0].Area = "220182101000"
	ring := b.ringB()
	ring.Actor.Posts[0].Area = far.Actor.Posts[0].Area
	_, err := b.s.ReadOpening(t.Context(), far.Actor, o.id)
	b.refused(err, "record.not_found")
	for want, actor := range map[int]casefile.Actor{0: far.Actor, 1: ring.Actor} {
		found, err := b.s.ListOpenings(t.Context(), actor, workflow.Query{Limit: 10})
		if err != nil || len(found) != want {
			t.Errorf("%s: got %d openings, %v, want %d", actor.Person, len(found), err, want)
		}
	}
	if _, err := b.s.ReadOpening(t.Context(), ring.Actor, o.id); err != nil {
		t.Error(err)
	}
}

// A declared tie to the firm keeps an officer of a ring away from its case.
func TestTiedOfficerPeelsNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, err := b.store.Reports.Get(t.Context(), "county", b.report)
	b.ok(err)
	r.Target.Name = "demo workshop"
	b.ok(b.store.Reports.Update(t.Context(), r, r.Version))
	o := b.ask().bringKey()
	tied := b.ringB()
	tied.Actor.Ties = []casefile.Tie{{Firm: "Demo Workshop"}}
	_, err = b.s.PeelOpening(t.Context(), tied, o.id, o.layer())
	b.refused(err, "officer.tie")
	o.noticed("b1", "officer.tie")
}
