package workflow_test

import (
	"bytes"
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// approval is a standing approval under way.
type approval struct {
	*bench
	id  string
	way casefile.Way
}

// statement is what ring B's tool signs.
func (b *bench) statement(way casefile.Way, uses int) vault.Approval {
	b.t.Helper()
	id, err := vault.NewID(rand.Reader)
	b.ok(err)
	a := vault.Approval{
		ID: id, Tenant: "county", Purpose: string(casefile.ContactCallBack), LegalBasis: "art. 76", Way: string(way), Uses: uses,
		Expires: b.now.Add(48 * time.Hour),
	}
	if way == casefile.ByGateway {
		a.Gateway = b.gateway.Recipient()
	}
	return a
}

// signed is the body that goes with a statement.
func (b *bench) signed(a vault.Approval) workflow.StandingApproval {
	b.t.Helper()
	signature, err := vault.SignApproval(b.custody.Officers[vault.RingB], a)
	b.ok(err)
	return workflow.StandingApproval{
		ID: a.ID, Purpose: casefile.ContactPurpose(a.Purpose), Basis: a.LegalBasis, Way: casefile.Way(a.Way), Gateway: a.Gateway,
		Uses: a.Uses, Expires: a.Expires, Signature: signature,
	}
}

func (b *bench) approve(way casefile.Way, uses int) *approval {
	b.t.Helper()
	out, err := b.s.GiveApproval(b.t.Context(), b.ringB(), b.signed(b.statement(way, uses)))
	b.ok(err)
	return &approval{b, out.ID, way}
}

func (a *approval) request() workflow.ContactRequest {
	return workflow.ContactRequest{Approval: a.id, Report: a.report, Way: a.way}
}

func (a *approval) take() string {
	a.t.Helper()
	out, err := a.s.TakeContact(a.t.Context(), a.ringA(), a.request())
	a.ok(err)
	if out.State != casefile.ContactTaken {
		a.t.Errorf("got %+v", out)
	}
	return out.ID
}

func (b *bench) use(id string) workflow.ContactView {
	b.t.Helper()
	v, err := b.s.ReadContact(b.t.Context(), b.ringA().Actor, id)
	b.ok(err)
	return v
}

// handover is what ring A's tool makes of a use.
func (b *bench) handover(id string) vault.Handover {
	b.t.Helper()
	v := b.use(id)
	opened, err := vault.OpenContact(b.custody.Held[vault.RingA], v.Contact, v.Binding)
	b.ok(err)
	sealed, err := vault.SealToGateway(v.Gateway, v.Use, opened)
	b.ok(err)
	h, err := vault.SignHandover(b.custody.Officers[vault.RingA], v.Use, v.Gateway, sealed)
	b.ok(err)
	return h
}

func (b *bench) outcome(use vault.ContactUse, result vault.ContactResult) vault.ContactOutcome {
	b.t.Helper()
	o, err := vault.SignContactOutcome(b.custody.Officers[vault.RingA], use, result)
	b.ok(err)
	return o
}

// newest is the newest event of an approval's record.
func (a *approval) newest() casefile.Event {
	a.t.Helper()
	rec, err := a.store.Approvals.Get(a.t.Context(), "county", a.id)
	a.ok(err)
	return rec.Timeline[len(rec.Timeline)-1]
}

// TestContactIsUsed is the way it should go: one officer sees it, for one call,
// and the reporter sees that it was used, by day.
func TestContactIsUsed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := b.approve(casefile.ByTerminal, 2)
	id := a.take()
	v := b.use(id)
	c, err := vault.OpenContact(b.custody.Held[vault.RingA], v.Contact, v.Binding)
	if err != nil || c.Value != canary {
		t.Fatalf("got another contact, %v", err)
	}
	_, err = b.s.FinishContact(t.Context(), b.ringA(), id, b.outcome(v.Use, vault.ContactFinished))
	b.ok(err)
	if after := b.use(id); len(after.Contact) > 0 || after.Result != casefile.ContactDone || after.State != casefile.ContactFinished {
		t.Errorf("got %s, %s and %d bytes after the use", after.State, after.Result, len(after.Contact))
	}
	actor, err := b.s.OpenReceipt(t.Context(), b.code)
	b.ok(err)
	seen, err := b.s.ReadReceipt(t.Context(), actor)
	if err != nil || len(seen.Contacts) != 1 || seen.Contacts[0].Purpose != casefile.ContactCallBack {
		t.Errorf("got %+v, %v behind the receipt, want one use", seen.Contacts, err)
	}
	for _, other := range []workflow.Call{b.ringB(), b.call("a2", casefile.IdentityOfficer)} {
		fresh := a.take
		if other.Actor.Person == "b1" {
			fresh = func() string { return id }
		}
		got, err := b.s.ReadContact(t.Context(), other.Actor, fresh())
		if err != nil || len(got.Contact) > 0 || got.Binding != "" {
			t.Errorf("%s reads %d bytes of the contact, %v", other.Actor.Person, len(got.Contact), err)
		}
	}
}

// A use, its event and its leaf are there before the contact can be read: what
// is killed between the two writes is finished by the relay.
func TestUseIsDurableBeforeTheContactIsGiven(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := b.approve(casefile.ByTerminal, 1)
	id := a.take()
	rec, err := b.store.Approvals.Get(t.Context(), "county", a.id)
	b.ok(err)
	var kept *casefile.ContactUse
	for _, e := range rec.Pending {
		if e.Contact != nil {
			kept = e.Contact
		}
	}
	if kept == nil || kept.ID != id || len(kept.Pending) != 1 || len(kept.Pending[0].Leaf) == 0 {
		t.Fatalf("got %+v with the use of the approval, want the record and its leaf", kept)
	}
	if rec.State != casefile.ApprovalUsedUp || len(rec.Taken) != 1 || a.newest().Ref != id {
		t.Errorf("got %s and %v", rec.State, rec.Taken)
	}
	_, err = b.s.RelayOnce(t.Context())
	b.ok(err)
	all, err := b.store.Contacts.List(t.Context(), workflow.Query{Tenant: "county", Limit: 10})
	if err != nil || len(all) != 1 {
		t.Errorf("got %d uses, %v, want the one", len(all), err)
	}
}

// TestLastUseIsTakenOnce has 16 calls race for the last use: one gets it, the
// others are refused with the code, and noticed.
func TestLastUseIsTakenOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := b.approve(casefile.ByTerminal, 1)
	const callers = 16
	calls := make([]workflow.Call, callers)
	for i := range calls {
		calls[i] = b.ringA()
	}
	codes := make([]string, callers)
	var all sync.WaitGroup
	for i := range calls {
		all.Go(func() {
			_, err := b.s.TakeContact(t.Context(), calls[i], a.request())
			if err != nil {
				codes[i] = fault.CodeOf(err)
			}
		})
	}
	all.Wait()
	got := map[string]int{}
	for _, code := range codes {
		got[code]++
	}
	if got[""] != 1 || got["approval.used_up"] != callers-1 {
		t.Errorf("got %v, want one use and %d refusals", got, callers-1)
	}
	rec, err := b.store.Approvals.Get(t.Context(), "county", a.id)
	b.ok(err)
	noted := 0
	for _, e := range rec.Timeline {
		if e.Command == "refused" && e.Code == "approval.used_up" && e.By == "a1" && e.Ref == b.report {
			noted++
		}
	}
	if len(rec.Taken) != 1 || noted != callers-1 {
		t.Errorf("got %d uses and %d refusals on the record", len(rec.Taken), noted)
	}
}

// However often one request for a use is sent, it is one use.
func TestUseAskedForAgainIsTheSame(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := b.approve(casefile.ByTerminal, 3)
	call := b.ringA()
	ids := make([]string, 8)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			for {
				out, err := b.s.TakeContact(t.Context(), call, a.request())
				if fault.KindOf(err) == fault.Busy && err != nil {
					continue
				}
				if err != nil {
					t.Error(err)
				}
				ids[i] = out.ID
				return
			}
		})
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("got the uses %v", ids)
			break
		}
	}
	_, err := b.s.RelayOnce(t.Context())
	b.ok(err)
	out, err := b.s.TakeContact(t.Context(), call, a.request())
	if err != nil || out.ID != ids[0] {
		t.Errorf("later: got %s, %v", out.ID, err)
	}
	other := call
	other.Body = []byte(`{"other":1}`)
	_, err = b.s.TakeContact(t.Context(), other, a.request())
	b.refused(err, "idempotency.other_body")
	rec, err := b.store.Approvals.Get(t.Context(), "county", a.id)
	if err != nil || len(rec.Taken) != 1 {
		t.Errorf("got %d uses, %v, want one", len(rec.Taken), err)
	}
}

// What the approval does not allow is refused with a code, and stands on its
// record with who tried and for which report.
func TestContactRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		try  func(*bench, *approval) error
		code string
	}{
		"after expiry": {func(b *bench, a *approval) error {
			b.now = b.now.Add(48 * time.Hour)
			_, err := b.s.TakeContact(b.t.Context(), b.ringA(), a.request())
			return err
		}, "approval.expired"},
		"revoked": {func(b *bench, a *approval) error {
			_, err := b.s.RevokeApproval(b.t.Context(), b.ringB(), a.id)
			b.ok(err)
			_, err = b.s.TakeContact(b.t.Context(), b.ringA(), a.request())
			return err
		}, "approval.revoked"},
		"one too many": {func(b *bench, a *approval) error {
			a.take()
			a.take()
			_, err := b.s.TakeContact(b.t.Context(), b.ringA(), a.request())
			return err
		}, "approval.used_up"},
		"another way": {func(b *bench, a *approval) error {
			in := a.request()
			in.Way = casefile.ByGateway
			_, err := b.s.TakeContact(b.t.Context(), b.ringA(), in)
			return err
		}, "approval.other_way"},
		"a tied officer": {func(b *bench, a *approval) error {
			tied := b.ringA()
			tied.Actor.Ties = []casefile.Tie{{Area: county}}
			_, err := b.s.TakeContact(b.t.Context(), tied, a.request())
			return err
		}, "officer.tie"},
		"whose giver left": {func(b *bench, a *approval) error {
			ring, err := b.store.Rings.Get(b.t.Context(), "county", workflow.RingID("county", vault.RingB))
			b.ok(err)
			ring.Officers[0].Person = "b2"
			was := ring.Version
			ring.Version++
			b.ok(b.store.Rings.Update(b.t.Context(), ring, was))
			_, err = b.s.TakeContact(b.t.Context(), b.ringA(), a.request())
			return err
		}, "approval.giver_left"},
		"no gateway": {func(b *bench, a *approval) error {
			g := b.approve(casefile.ByGateway, 1)
			a.id = g.id
			_, err := b.s.TakeContact(b.t.Context(), b.ringA(), g.request())
			return err
		}, "contact.no_gateway"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			a := b.approve(casefile.ByTerminal, 2)
			b.refused(tt.try(b, a), tt.code)
			last := a.newest()
			if last.Command != "refused" || last.Code != tt.code || last.By != "a1" || last.Ref != b.report {
				t.Errorf("got %+v on the record, want the refusal %s", last, tt.code)
			}
			rec, err := b.store.Approvals.Get(t.Context(), "county", a.id)
			b.ok(err)
			if e := rec.Pending[len(rec.Pending)-1]; e.Seq != last.Seq || len(e.Leaf) == 0 {
				t.Error("the refusal does not enter the log")
			}
		})
	}
}

// Who may not know of an approval or a report is told of none.
func TestContactOfOthersIsAbsent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := b.approve(casefile.ByTerminal, 2)
	id := a.take()
	foreign := b.ringA()
	foreign.Actor.Tenant = "other"
	for name, tt := range map[string]struct {
		call workflow.Call
		in   workflow.ContactRequest
	}{
		"foreign tenant": {foreign, a.request()}, "ring B": {b.ringB(), a.request()}, "the desk": {b.call("d1", casefile.DeskOfficer), a.request()},
		"no such report":   {b.ringA(), workflow.ContactRequest{Approval: a.id, Report: id, Way: a.way}},
		"no such approval": {b.ringA(), workflow.ContactRequest{Approval: id, Report: b.report, Way: a.way}},
	} {
		if _, err := b.s.TakeContact(t.Context(), tt.call, tt.in); fault.CodeOf(err) != "record.not_found" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for _, call := range []workflow.Call{foreign, b.call("d1", casefile.DeskOfficer)} {
		_, err := b.s.ReadContact(t.Context(), call.Actor, id)
		b.refused(err, "record.not_found")
		_, err = b.s.ReadApproval(t.Context(), call.Actor, a.id)
		b.refused(err, "record.not_found")
	}
	_, err := b.s.TakeContact(t.Context(), b.call("a2", casefile.IdentityOfficer), a.request())
	b.refused(err, "ring.not_enrolled")
}

// An approval is what ring B's officer signed, given once.
func TestApprovalRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	give := func(change func(*workflow.StandingApproval)) error {
		in := b.signed(b.statement(casefile.ByTerminal, 2))
		change(&in)
		_, err := b.s.GiveApproval(t.Context(), b.ringB(), in)
		return err
	}
	for name, tt := range map[string]struct {
		change func(*workflow.StandingApproval)
		code   string
	}{
		"more uses than signed": {func(in *workflow.StandingApproval) { in.Uses++ }, "custody.signature"},
		"longer than signed":    {func(in *workflow.StandingApproval) { in.Expires = in.Expires.Add(time.Hour) }, "custody.signature"},
		"another purpose":       {func(in *workflow.StandingApproval) { in.Purpose = casefile.ContactNotice }, "custody.signature"},
		"another basis":         {func(in *workflow.StandingApproval) { in.Basis = "art. 1" }, "custody.signature"},
		"a gateway's key":       {func(in *workflow.StandingApproval) { in.Gateway = b.gateway.Recipient() }, "approval.gateway"},
		"a gateway without key": {func(in *workflow.StandingApproval) { in.Way = casefile.ByGateway }, "approval.gateway"},
		"too many uses":         {func(in *workflow.StandingApproval) { in.Uses = 51 }, "approval.too_many"},
		"too long":              {func(in *workflow.StandingApproval) { in.Expires = b.now.AddDate(0, 0, 91) }, "approval.too_long"},
		"expired":               {func(in *workflow.StandingApproval) { in.Expires = b.now }, "approval.too_long"},
	} {
		if err := give(tt.change); fault.CodeOf(err) != tt.code {
			t.Errorf("%s: got %v, want %s", name, err, tt.code)
		}
	}
	in := b.signed(b.statement(casefile.ByTerminal, 2))
	_, err := b.s.GiveApproval(t.Context(), b.call("b2", casefile.SealLeader), in)
	b.refused(err, "ring.not_enrolled")
	_, err = b.s.GiveApproval(t.Context(), b.ringB(), in)
	b.ok(err)
	_, err = b.s.GiveApproval(t.Context(), b.ringB(), in) // replayed under another key
	b.refused(err, "record.exists")
}

// What was taken is given to nobody once the approval is revoked or the time
// for it is over, and a step is its officer's, once.
func TestContactStepsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := b.approve(casefile.ByTerminal, 3)
	first, second, third := a.take(), a.take(), a.take()
	use := b.use(first).Use
	finish := func(call workflow.Call, id string, o vault.ContactOutcome) error {
		_, err := b.s.FinishContact(t.Context(), call, id, o)
		return err
	}
	right := b.outcome(use, vault.ContactFinished)
	forged := right
	forged.Result = vault.ContactFailed
	b.refused(finish(b.ringA(), second, right), "custody.foreign_request")
	renamed := right
	renamed.RequestID = second
	b.refused(finish(b.ringA(), second, renamed), "custody.signature")
	b.refused(finish(b.ringA(), first, forged), "custody.signature")
	b.refused(finish(b.call("a2", casefile.IdentityOfficer), first, right), "contact.other_officer")
	_, err := b.s.HandOver(t.Context(), b.ringA(), first, vault.Handover{RequestID: first})
	b.refused(err, "approval.other_way")
	b.ok(finish(b.ringA(), first, right))
	b.refused(finish(b.ringA(), first, right), "contact.move")
	rec, err := b.store.Contacts.Get(t.Context(), "county", first)
	b.ok(err)
	if last := rec.Timeline[len(rec.Timeline)-1]; last.Command != "refused" || last.Code != "contact.move" || last.By != "a1" {
		t.Errorf("got %+v on the record", last)
	}

	if v := b.use(second); len(v.Contact) == 0 {
		t.Error("the contact is not given")
	}
	_, err = b.s.RevokeApproval(t.Context(), b.ringB(), a.id)
	b.ok(err)
	_, err = b.s.RevokeApproval(t.Context(), b.ringB(), a.id)
	b.refused(err, "approval.revoked")
	if v := b.use(second); len(v.Contact) > 0 || v.Binding != "" {
		t.Error("a revoked approval gives a contact")
	}
	a = b.approve(casefile.ByTerminal, 1)
	late := a.take()
	b.now = b.now.Add(24 * time.Hour)
	for _, id := range []string{third, late} {
		if v := b.use(id); len(v.Contact) > 0 {
			t.Error("a contact is given after its time")
		}
	}
}

// The contact of an anonymous report holds nothing, and who does not open it
// cannot tell: neither by the file, nor by its record, nor by what is handed over.
func TestDummyContactIsLikeAnother(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := b.approve(casefile.ByTerminal, 2)
	named := b.use(a.take())
	b.report = b.anonymous()
	dummy := b.use(a.take())
	if len(named.Contact) != len(dummy.Contact) {
		t.Errorf("got %d and %d bytes", len(named.Contact), len(dummy.Contact))
	}
	held := b.custody.Held[vault.RingA]
	c, err := vault.OpenContact(held, dummy.Contact, dummy.Binding)
	if err != nil || c.Value != "" {
		t.Errorf("got a value of %d bytes, %v in a dummy", len(c.Value), err)
	}
	if _, err := vault.OpenContact(held, dummy.Contact, named.Binding); fault.CodeOf(err) != "custody.binding" {
		t.Errorf("another report's contact: got %v", err)
	}
	full, err := vault.OpenContact(held, named.Contact, named.Binding)
	b.ok(err)
	one, err := vault.SealToGateway(b.gateway.Recipient(), named.Use, full)
	b.ok(err)
	two, err := vault.SealToGateway(b.gateway.Recipient(), dummy.Use, c)
	b.ok(err)
	if len(one) != len(two) || bytes.Equal(one, two) || vault.CheckHandover(one) != nil || vault.CheckHandover(two) != nil {
		t.Errorf("got %d and %d bytes for the gateway", len(one), len(two))
	}
	dummy.Head, dummy.Report = named.Head, named.Report
	if dummy.Party != named.Party || dummy.Area != named.Area || dummy.Way != named.Way || dummy.Expires != named.Expires {
		t.Errorf("got %+v, want what there is of another", dummy.ContactUse)
	}
}

// A database and a keyring that are stolen give no contact: what waits for the
// gateway opens by no key of the server and none of an officer.
func TestContactOnItsWayOpensToTheGatewayOnly(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.s.Gateway = unreached{}
	a := b.approve(casefile.ByGateway, 2)
	id := a.take()
	h := b.handover(id)
	other := a.take()
	_, err := b.s.HandOver(t.Context(), b.ringA(), other, h)
	b.refused(err, "custody.foreign_request")
	renamed := h
	renamed.RequestID = other
	_, err = b.s.HandOver(t.Context(), b.ringA(), other, renamed)
	b.refused(err, "custody.signature")
	_, err = b.s.HandOver(t.Context(), b.ringA(), id, h)
	b.ok(err)
	_, err = b.s.HandOver(t.Context(), b.ringA(), id, h)
	b.refused(err, "contact.move")
	var dump bytes.Buffer
	b.ok(b.store.Dump(t.Context(), &dump))
	if bytes.Contains(dump.Bytes(), []byte(canary)) {
		t.Error("the contact lies in clear")
	}
	for _, by := range []*vault.OfficerKey{b.custody.Officers[vault.RingA], b.custody.Officers[vault.RingB]} {
		if _, err := by.Unwrap(1, h.Sealed, b.custody.Held[vault.RingA][0].Recipient()); err == nil {
			t.Error("an officer's key opens what is sealed to the gateway")
		}
	}
	if _, err := vault.OpenContact(b.custody.Held[vault.RingA], h.Sealed, ""); err == nil {
		t.Error("ring A's key opens what is sealed to the gateway")
	}
	if v := b.use(id); len(v.Contact) > 0 || len(v.Sealed) > 0 {
		t.Error("the contact is still given")
	}
}

// A use whose gateway never answered ends when its time is over.
func TestUnansweredHandoverEnds(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.s.Gateway = unreached{}
	id := b.approve(casefile.ByGateway, 1).take()
	_, err := b.s.HandOver(t.Context(), b.ringA(), id, b.handover(id))
	b.ok(err)
	if err := b.s.CarryContact(t.Context(), "county", id); err == nil {
		t.Error("got an answer of nobody")
	}
	b.now = b.now.Add(24 * time.Hour)
	b.ok(b.s.CarryContact(t.Context(), "county", id))
	b.ok(b.s.CarryContact(t.Context(), "county", id))
	rec, err := b.store.Contacts.Get(t.Context(), "county", id)
	if err != nil || rec.State != casefile.ContactFinished || rec.Result != casefile.ContactFailed || len(rec.Sealed) > 0 {
		t.Errorf("got %s, %s and %d bytes, %v", rec.State, rec.Result, len(rec.Sealed), err)
	}
}
