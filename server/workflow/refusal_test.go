package workflow_test

import (
	"testing"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// lead is a lead that the reporter agreed to, asked for by a person.
func (b *bench) lead(id, askedBy string) string {
	b.t.Helper()
	b.ok(b.store.Leads.Insert(b.t.Context(), &casefile.Lead{
		Head:   casefile.Head{ID: id, Tenant: "county", State: casefile.LeadAgreed, Version: 1, Seq: 1, At: b.now, Changed: b.now},
		Report: b.report, Area: county, AskedBy: askedBy, AnswerBy: "2026-03-02", Copy: casefile.Evidence{ID: "copy"},
	}))
	return id
}

// TestLeadIsReleasedByAnother: who holds posts of the desk and of ring B does
// not release what they asked for themselves, nor anybody what was withdrawn.
func TestLeadIsReleasedByAnother(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	both := b.call("b1", casefile.DeskOfficer, casefile.SealLeader)
	_, err := b.s.ReleaseLead(t.Context(), both, b.lead("own", "b1"))
	b.refused(err, "lead.second_person")
	out, err := b.s.ReleaseLead(t.Context(), b.ringB(), b.lead("another", "d1"))
	if err != nil || out.State != casefile.LeadReleased {
		t.Errorf("of another: got %+v, %v", out, err)
	}
	r, err := b.store.Reports.Get(t.Context(), "county", b.report)
	b.ok(err)
	r.State = casefile.ReportWithdrawn
	b.ok(b.store.Reports.Update(t.Context(), r, r.Version))
	_, err = b.s.ReleaseLead(t.Context(), b.ringB(), b.lead("late", "d1"))
	b.refused(err, "lead.withdrawn")
}

// TestYesToALeadHasALastDay: the last day itself still counts, and a no is
// taken at any time.
func TestYesToALeadHasALastDay(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, id := range []string{"in time", "late"} {
		b.lead(id, "d1")
		l, err := b.store.Leads.Get(t.Context(), "county", id)
		b.ok(err)
		l.State = casefile.LeadAsked
		l.Version++
		b.ok(b.store.Leads.Update(t.Context(), l, l.Version-1))
	}
	answer := func(id string, agree bool) (casefile.State, error) {
		actor, err := b.s.OpenReceipt(t.Context(), b.code)
		b.ok(err)
		call := b.call("")
		call.Actor = actor
		out, err := b.s.AnswerLead(t.Context(), call, id, agree)
		return out.State, err
	}
	if state, err := answer("in time", true); err != nil || state != casefile.LeadAgreed {
		t.Errorf("on the last day: got %s, %v", state, err)
	}
	b.now = b.now.AddDate(0, 0, 1)
	_, err := answer("late", true)
	b.refused(err, "lead.answer_over")
	if state, err := answer("late", false); err != nil || state != casefile.LeadRefused {
		t.Errorf("a no a day later: got %s, %v", state, err)
	}
}

// TestContactIsUsedInTime: a use that was taken gives nothing out once its time
// is over, not even to who took it.
func TestContactIsUsedInTime(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := b.approve(casefile.ByTerminal, 2)
	id := a.take()
	b.now = b.now.Add(25 * time.Hour)
	if v := b.use(id); len(v.Contact) > 0 || v.Binding != "" {
		t.Errorf("%d bytes of the contact are given out", len(v.Contact))
	}
}

// TestAnotherOfficerFinishesNoOpening: only who brought the one-time key can
// know what was in the envelope.
func TestAnotherOfficerFinishesNoOpening(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	o := b.ask().bringKey().peel()
	_, err := b.s.FinishOpening(t.Context(), b.call("a2", casefile.IdentityOfficer), o.id, vault.Outcome{Result: vault.ResultOpened})
	b.refused(err, "opening.other_officer")
	if _, err := o.open(); err != nil {
		t.Errorf("the layer is gone: %v", err)
	}
	b.ok(o.finish(vault.ResultOpened))
}

// TestPolicyOfAFileIsChecked: what a county's operator writes into a file is
// held to what a proposal is, number by number.
func TestPolicyOfAFileIsChecked(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, c := range map[string]struct {
		change func(*workflow.Policy)
		code   string
	}{
		"as it is":                {func(*workflow.Policy) {}, ""},
		"no payout by the day":    {func(p *workflow.Policy) { p.PayoutDay = 0 }, ""},
		"the last day of months":  {func(p *workflow.Policy) { p.PayoutDay = 28 }, ""},
		"a day some months lack":  {func(p *workflow.Policy) { p.PayoutDay = 29 }, "policy.payout_day"},
		"a day before the first":  {func(p *workflow.Policy) { p.PayoutDay = -1 }, "policy.payout_day"},
		"payments without a memo": {func(p *workflow.Policy) { p.PayoutMemo = "" }, "policy.payout_memo"},
		"a memo with a number":    {func(p *workflow.Policy) { p.PayoutMemo = "支出２" }, "policy.payout_memo"},
		"a voice unknown":         {func(p *workflow.Policy) { p.ReporterVoice = "loud" }, "policy.voice"},
		"a role unknown":          {func(p *workflow.Policy) { p.SecondFactor = []casefile.Role{casefile.Payer, "king"} }, "policy.unknown_role"},
		"a number below one":      {func(p *workflow.Policy) { p.DecideDays = 0 }, "policy.number"},
		"too many files":          {func(p *workflow.Policy) { p.MaxItems = 1 << 20 }, "policy.number"},
		"too many segments":       {func(p *workflow.Policy) { p.MaxSegments = 1 << 20 }, "policy.number"},
		"too large a payout":      {func(p *workflow.Policy) { p.PayoutMin = 1 << 20 }, "policy.number"},
		"too many uses":           {func(p *workflow.Policy) { p.ApprovalUses = 1 << 20 }, "policy.number"},
		"no cover":                {func(p *workflow.Policy) { p.CoverHours, p.CoverTasks, p.CoverFrom, p.CoverTo = 0, 0, 9, 9 }, ""},
		"the whole day":           {func(p *workflow.Policy) { p.CoverFrom, p.CoverTo = 0, 24 }, ""},
		"a cover of less than no": {func(p *workflow.Policy) { p.CoverHours = -1 }, "policy.cover"},
		"fewer patrols than none": {func(p *workflow.Policy) { p.CoverTasks = -1 }, "policy.cover"},
		"too many patrols":        {func(p *workflow.Policy) { p.CoverTasks = 1 << 20 }, "policy.cover"},
		"a day without an hour":   {func(p *workflow.Policy) { p.CoverHours, p.CoverFrom, p.CoverTo = 1, 9, 9 }, "policy.cover_day"},
		"before midnight":         {func(p *workflow.Policy) { p.CoverHours, p.CoverFrom = 1, -1 }, "policy.cover_day"},
		"after midnight":          {func(p *workflow.Policy) { p.CoverHours, p.CoverTo = 1, 25 }, "policy.cover_day"},
	} {
		p := b.policy()
		c.change(&p)
		err := b.importer().Tenant(t.Context(), workflow.Tenant{
			ID: "county", Name: "demo county", Area: county, Root: b.custody.Root.Public(), Keys: b.custody.List, Policy: p,
		})
		if got := fault.CodeOf(err); got != c.code || (err != nil && got == "") {
			t.Errorf("%s: got %v, want %q", name, err, c.code)
		}
	}
}
