package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/reward"
	"gridwatch/server/workflow"
)

// sets writes a field of a document past the program.
func (w *world) sets(t *testing.T, collection, id, field string, value any) {
	t.Helper()
	if b, ok := value.([]byte); ok {
		value = primitive.Binary{Data: b}
	}
	res, err := w.database(t).Collection(collection).UpdateOne(t.Context(), bson.M{"_id": id}, bson.M{"$set": bson.M{field: value}})
	if err != nil || res.MatchedCount != 1 {
		t.Fatalf("set %s.%s: %v", collection, field, err)
	}
}

// withdraws is the reporter taking the report back.
func (d *docket) withdraws() {
	d.t.Helper()
	call := apiclient.Call{Method: http.MethodPost, Path: "/v1/receipt/withdrawal", Key: newKey(d.t), Body: object{"pressed": false, "text": ""}}
	if _, err := d.holder().Do(d.t.Context(), call, nil); err != nil {
		d.t.Fatal(err)
	}
}

// peeledFor asks for an opening, and goes on until ring A could open.
func (d *docket) peeledFor(purpose casefile.Purpose) *casefile.Opening {
	d.t.Helper()
	d.opening = d.do("desk2", "/v1/custody/openings", object{
		"report": d.report, "purpose": purpose, "basis": "安全生产举报处理规定", "hours": 24,
	}, casefile.OpeningAsked).ID
	d.tool("identity1", "key", "--once", d.t.TempDir()+"/once")
	d.peel()
	return d.opened()
}

func (d *docket) opened() *casefile.Opening {
	d.t.Helper()
	o, err := d.w.store.Openings.Get(d.t.Context(), demo.Tenant, d.opening)
	if err != nil {
		d.t.Fatal(err)
	}
	return o
}

// use keeps a use of the report's contact as it stands under way.
func (d *docket) use(state casefile.State, expires time.Time) *casefile.ContactUse {
	d.t.Helper()
	u := &casefile.ContactUse{Report: d.report, Way: casefile.ByGateway, Expires: expires, Sealed: []byte("sealed to a gateway")}
	u.ID, u.Tenant, u.State, u.Version, u.Seq, u.At, u.Changed = newKey(d.t), demo.Tenant, state, 1, 1, time.Now().UTC(), time.Now().UTC()
	if err := d.w.store.Contacts.Insert(d.t.Context(), u); err != nil {
		d.t.Fatal(err)
	}
	return u
}

// TestErasureLeavesNothingThatHungOnTheReport: the layer of an opening, a
// contact on its way to a gateway and the copy of a lead that nobody released
// outlived the report that they were of.
func TestErasureLeavesNothingThatHungOnTheReport(t *testing.T) {
	t.Parallel()
	w := start(t)
	d := newDocket(t, w, casefile.RealName, casefile.IllegalAct).accept()
	item := d.photographed("CANARY-lead")
	d.penalty = newKey(t)
	penalty := casefile.Penalty{Cause: d.report, Area: wukeshu}
	penalty.ID, penalty.Tenant, penalty.State, penalty.Version, penalty.Seq = d.penalty, demo.Tenant, casefile.PenaltyPaid, 1, 1
	penalty.At, penalty.Changed = time.Now().UTC(), time.Now().UTC()
	if err := w.store.Penalties.Insert(t.Context(), &penalty); err != nil {
		t.Fatal(err)
	}
	lead := strings.TrimPrefix(d.askAbout(item), "/v1/office/leads/")
	layer := d.peeledFor(casefile.CallBack).Wrapped
	use := d.use(casefile.ContactHandedOver, time.Now().Add(time.Hour))
	d.withdraws()
	w.restoredToday(t, d)

	if kept := w.terms(t, 60); kept.Archived != 1 || kept.Lapsed != 1 {
		t.Fatalf("got %+v, want it sealed away and the expired layer gone", kept)
	}
	if kept := w.terms(t, 800); kept.Announced != 1 {
		t.Fatalf("got %+v, want it announced", kept)
	}
	w.sets(t, "opening", d.opening, "wrapped", layer) // as a backup brings it back
	if kept := w.terms(t, 840); kept.Erased != 1 {
		t.Fatalf("got %+v, want it erased", kept)
	}
	if o := d.opened(); len(o.Wrapped) > 0 {
		t.Error("the layer of the opening is still kept")
	}
	if u, err := w.store.Contacts.Get(t.Context(), demo.Tenant, use.ID); err != nil || len(u.Sealed) > 0 || u.State != casefile.ContactFinished {
		t.Errorf("the contact is still on its way to the gateway: %v", err)
	}
	l, err := w.store.Leads.Get(t.Context(), demo.Tenant, lead)
	if err != nil || len(l.Copy.CopyKey) > 0 || l.State != casefile.LeadRefused {
		t.Errorf("the lead is %s and has its key, %v", l.State, err)
	}
	if n := d.objects(); n > 0 {
		t.Errorf("%d objects are left", n)
	}
}

// TestExpiredOpeningLosesItsLayer: what ring B peeled for a day was kept for
// good where ring A did not finish, and needed ring B no more.
func TestExpiredOpeningLosesItsLayer(t *testing.T) {
	t.Parallel()
	w := start(t)
	d := newDocket(t, w, casefile.RealName, casefile.IllegalAct)
	if len(d.peeledFor(casefile.CallBack).Wrapped) == 0 {
		t.Fatal("nothing was peeled")
	}
	if kept := w.terms(t, 0); kept.Lapsed != 0 || len(d.opened().Wrapped) == 0 {
		t.Errorf("before it expired: got %+v", kept)
	}
	if kept := w.terms(t, 2); kept.Lapsed != 1 || len(d.opened().Wrapped) != 0 {
		t.Errorf("after it expired: got %+v, want the layer gone", kept)
	}
	if kept := w.terms(t, 3); kept.Lapsed != 0 {
		t.Errorf("lapsed twice: got %+v", kept)
	}
	if r, _ := d.receipt(); len(r.Openings) != 1 {
		t.Errorf("the reporter sees the openings %+v", r.Openings)
	}
}

// TestOneBrokenReportStopsNoTerm: a report whose key did not open ended the
// keeping of terms for all that came after it, every hour again.
func TestOneBrokenReportStopsNoTerm(t *testing.T) {
	t.Parallel()
	w := start(t)
	first, _ := ended(t, w)
	second, _ := ended(t, w)
	if second.report < first.report { // in the order of the ids
		first, second = second, first
	}
	w.restoredToday(t, first)
	w.restoredToday(t, second)
	e, err := w.store.Envelopes.Get(t.Context(), demo.Tenant, first.record().Envelope)
	if err != nil {
		t.Fatal(err)
	}
	e.Key[len(e.Key)-1] ^= 1
	w.sets(t, "envelope", e.ID, "key", e.Key)
	kept, err := w.keeps(t, 60, func(*workflow.Service) {})
	if kept.Archived != 1 || kept.Failed != 1 || err == nil || !strings.Contains(err.Error(), "1 records are left") {
		t.Errorf("got %+v, %v, want one sealed away and one that failed", kept, err)
	}
	if !second.record().Archived() || first.record().Archived() {
		t.Error("the broken one was sealed away, or the other was not")
	}
}

// TestWrongClockDestroysNothing: a machine whose clock had jumped by years took
// no report in any more, and erased those that it had.
func TestWrongClockDestroysNothing(t *testing.T) {
	t.Parallel()
	w := start(t)
	d, _ := ended(t, w)
	w.restoredToday(t, d)
	kept, err := w.keeps(t, 800, func(s *workflow.Service) {
		s.SetClock(false)
		if swept, err := s.Sweep(t.Context(), 0); fault.CodeOf(err) != "server.clock" || swept != (workflow.Swept{}) {
			t.Errorf("the sweep: got %+v, %v", swept, err)
		}
	})
	if fault.CodeOf(err) != "server.clock" || kept != (workflow.Kept{}) {
		t.Errorf("the terms: got %+v, %v", kept, err)
	}
	for _, command := range []string{"terms", "sweep"} {
		if said, err := w.at(t, time.Now().AddDate(5, 0, 0), command); fault.CodeOf(err) != "server.clock" {
			t.Errorf("%s in five years says %q, %v", command, said, err)
		}
		if said, err := w.at(t, time.Now(), command); err != nil {
			t.Errorf("%s now says %q, %v", command, said, err)
		}
	}
	if r := d.record(); r.State != casefile.ReportRejected || r.Archived() || d.objects() == 0 {
		t.Errorf("the report is %s", r.State)
	}
}

// TestContactInUseKeepsTheReport: a report was erased while an officer was to
// call its reporter, and what came of the call could not be noted.
func TestContactInUseKeepsTheReport(t *testing.T) {
	t.Parallel()
	w := start(t)
	d, _ := ended(t, w)
	w.restoredToday(t, d)
	w.terms(t, 60)
	if kept := w.terms(t, 800); kept.Announced != 1 {
		t.Fatalf("got %+v, want it announced", kept)
	}
	use := d.use(casefile.ContactTaken, time.Now().AddDate(0, 0, 850))
	if kept := w.terms(t, 840); kept.Erased != 0 {
		t.Error("erased while the contact is in use")
	}
	w.sets(t, "contact_use", use.ID, "state", casefile.ContactFinished)
	if kept := w.terms(t, 840); kept.Erased != 1 {
		t.Errorf("got %+v, want it erased", kept)
	}
}

// TestNoObjectionToWhatIsSealedAway: a policy with more days to object than when
// a report was sealed away brought it back to a desk that could not read it.
func TestNoObjectionToWhatIsSealedAway(t *testing.T) {
	t.Parallel()
	w := start(t)
	d, _ := ended(t, w)
	d.receipt()
	w.restoredToday(t, d)
	if kept := w.terms(t, 60); kept.Archived != 1 {
		t.Fatalf("got %+v, want it sealed away", kept)
	}
	call := apiclient.Call{Method: http.MethodPost, Path: "/v1/receipt/objection", Key: newKey(t), Body: object{"text": "Look again."}}
	if _, err := d.holder().Do(t.Context(), call, nil); apiclient.CodeOf(err) != "report.objection_over" {
		t.Errorf("got %v, want that the time is over", err)
	}
	if r := d.record(); r.State != casefile.ReportRejected {
		t.Errorf("the report is %s", r.State)
	}
}

// heldFor is what the budget still holds for an award.
func (d *docket) heldFor() (reserved, paid reward.Fen) {
	d.t.Helper()
	entries, err := d.w.store.Ledger.OfAward(d.t.Context(), demo.Tenant, d.award)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Step == reward.Reserve {
			reserved += e.AmountFen
		}
		if e.Step == reward.Release {
			reserved -= e.AmountFen
		}
		if e.Step == reward.Pay {
			paid += e.AmountFen
		}
	}
	return reserved, paid
}

// notified is a report whose award waits to be asked for.
func notified(t *testing.T, w *world) *docket {
	t.Helper()
	d := newDocket(t, w, casefile.RealName, casefile.IllegalAct).verify(isSo).conclude(isSo)
	d.do("desk2", d.path("/reply"), object{"conclusion": "It is so.", "facts": "Three bottles.", "decision": "A fine.", "reward": "Due."}, casefile.ReportReplied)
	d.punish(d.fine(casefile.Unit, 50_000, 0)).allocate(100_000).draft().approve().announce()
	return d
}

// TestAwardThatNobodyAsksForEnds: it waited for good, and for as long its money
// was held and its report was neither sealed away nor erased.
func TestAwardThatNobodyAsksForEnds(t *testing.T) {
	t.Parallel()
	w := start(t)
	d := notified(t, w)
	if reserved, _ := d.heldFor(); reserved == 0 {
		t.Fatal("nothing is held for the award")
	}
	if kept := w.terms(t, 61); kept.Forfeited != 0 || d.shown().State != casefile.AwardNotified {
		t.Errorf("a day after the last day to claim: got %+v", kept)
	}
	if kept := w.terms(t, 92); kept.Forfeited != 1 || d.shown().State != casefile.AwardForfeited {
		t.Errorf("after the quiet days: got %+v, the award is %s", kept, d.shown().State)
	}
	if reserved, paid := d.heldFor(); reserved != 0 || paid != 0 {
		t.Errorf("the budget holds %d for it, and paid %d", reserved, paid)
	}
	if kept := w.terms(t, 93); kept.Forfeited != 0 {
		t.Error("it ended twice")
	}
	if kept := w.terms(t, 130); kept.Archived != 1 {
		t.Errorf("got %+v, want the report sealed away", kept)
	}
}

// TestAwardThatWasAskedForStays: who asked in time waits for the rings, however
// long they take.
func TestAwardThatWasAskedForStays(t *testing.T) {
	t.Parallel()
	w := start(t)
	d := notified(t, w)
	d.ask()
	if kept := w.terms(t, 200); kept.Forfeited != 0 || d.shown().State != casefile.AwardNotified {
		t.Errorf("got %+v, the award is %s", kept, d.shown().State)
	}
}

// TestWaivedAwardFreesItsMoney: what was reserved for an award that its reporter
// gave up stayed reserved.
func TestWaivedAwardFreesItsMoney(t *testing.T) {
	t.Parallel()
	w := start(t)
	d := notified(t, w)
	call := apiclient.Call{Method: http.MethodPost, Path: "/v1/receipt/closing", Key: newKey(t), Body: object{"forfeitAward": true}}
	if _, err := d.holder().Do(t.Context(), call, nil); err != nil {
		t.Fatal(err)
	}
	awaited(t, "the budget", func() bool {
		reserved, _ := d.heldFor()
		return reserved == 0
	})
	if got := d.shown().State; got != casefile.AwardWaived {
		t.Errorf("the award is %s", got)
	}
}

// TestADayIsCheckedPastWhatIsErased: the daily check of envelopes ended at the
// first report whose envelope is gone, and with it that of the whole day.
func TestADayIsCheckedPastWhatIsErased(t *testing.T) {
	t.Parallel()
	w := start(t)
	erased, _ := ended(t, w)
	w.restoredToday(t, erased)
	day := erased.record().At.In(workflow.Shanghai()).Format(time.DateOnly)
	for _, days := range []int{60, 800, 840} {
		w.terms(t, days)
	}
	erased.isErased("before the check")
	lost := newDocket(t, w, casefile.RealName, casefile.IllegalAct)
	whole := newDocket(t, w, casefile.RealName, casefile.IllegalAct)
	if err := w.store.Envelopes.Delete(t.Context(), demo.Tenant, lost.record().Envelope); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for cursor := ""; ; {
		var page struct {
			Items []struct {
				Report   string
				Envelope []byte
			}
			Next string
		}
		lost.get("seal1", "/v1/custody/envelopes/"+day+"?limit=1"+cursor, &page)
		for _, e := range page.Items {
			seen[e.Report] = len(e.Envelope)
		}
		if page.Next == "" {
			break
		}
		cursor = "&cursor=" + page.Next
	}
	if n, ok := seen[lost.report]; len(seen) != 2 || !ok || n != 0 || seen[whole.report] == 0 {
		t.Errorf("got %v, want the lost one without an envelope and the whole one", seen)
	}
}

// TestOnePrintThatDoesNotOpenHidesNoReport: a damaged print failed the desk's
// reading of a report, of whatever report.
func TestOnePrintThatDoesNotOpenHidesNoReport(t *testing.T) {
	t.Parallel()
	w := start(t)
	d := newDocket(t, w, casefile.Anonymous, casefile.IllegalAct).accept()
	d.photographed("CANARY-print")
	last := 0
	awaited(t, "the print", func() bool {
		var err error
		if last, err = w.store.Prints.Last(t.Context(), demo.Tenant); err != nil {
			t.Fatal(err)
		}
		return last > 0
	})
	prints, err := w.store.Prints.List(t.Context(), demo.Tenant, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	broken := prints[0]
	broken.N, broken.Item = last+1, newKey(t)
	if err := w.store.Prints.Add(t.Context(), broken); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		d.get("desk2", d.path(""), nil)
	}
}
