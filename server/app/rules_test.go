package app_test

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gridwatch/server/app"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/config"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// However the commands are ordered, nothing rests on less than the record of
// an inspection that two officers with certificates signed and that found it
// to be so (R11, R13, R15).
func TestNothingRestsOnLessThanASignedInspection(t *testing.T) {
	t.Parallel()
	w := start(t)
	other := newDocket(t, w, casefile.RealName, casefile.IllegalAct).verify(casefile.Substantiated)
	d := newDocket(t, w, casefile.Anonymous, casefile.IllegalAct, casefile.MajorHazard)

	const found, not = casefile.Substantiated, casefile.Unsubstantiated
	steps := []struct {
		name     string
		step     func()
		conclude string // code of the refusal to conclude
		rest     string // code of the refusal of what would rest on the visit
	}{
		{"received", func() {}, "report.no_inspection", ""},
		{"accepted", func() { d.accept() }, "report.no_inspection", ""},
		{"described", func() { d.confirm().describe() }, "report.no_inspection", ""},
		{"patrol asked for", func() { d.assign() }, "report.no_inspection", ""},
		{"patrol says it is so", func() { d.saveResult(casefile.Substantiated) }, "report.no_inspection", ""},
		{"inspection ordered", func() { d.order() }, "report.no_inspection", ""},
		{"filed by one officer", func() { d.inspect(found, not) }, "report.no_inspection", "visit.unsigned"},
		{"signed by both", func() { d.sign() }, "report.no_inspection", "hazard.not_found"}, // the second allegation
	}
	for _, s := range steps {
		s.step()
		d.refused("leader1", d.path("/conclude"), d.conclusion(found, found), s.conclude)
		d.refused("enforcer1", "/v1/office/penalties", object{"visit": d.patrolOr(d.report)}, "record.not_found")
		if d.visit != "" {
			d.refused("enforcer1", "/v1/office/hazards", object{"visit": d.visit, "item": d.items[1], "text": "Gas bottles"}, s.rest)
		}
		// Another report's inspection is no help.
		d.refused("enforcer1", "/v1/office/hazards", object{"visit": other.visit, "item": d.items[0], "text": "Gas bottles"}, "hazard.not_found")
		if t.Failed() {
			t.Fatalf("after: %s", s.name)
		}
	}
	d.noSecondRecord()
	d.conclude(found, not)
	d.charge().notice()
	d.refused("leader1", d.penaltyPath("/decide"), object{"reason": "x", "lines": []object{d.fine(casefile.Unit, 10_000, 0, 1)}}, "penalty.item_not_found")

	nothing := newDocket(t, w, casefile.Anonymous, casefile.IllegalAct).verify(not)
	nothing.refused("enforcer1", "/v1/office/penalties", object{"visit": nothing.visit}, "penalty.nothing_found")
	nothing.refused("leader1", nothing.path("/conclude"), nothing.conclusion(found), "report.no_inspection")
}

// noSecondRecord: once its record is signed an inspection is not recorded anew,
// with other findings.
func (d *docket) noSecondRecord() {
	d.t.Helper()
	awaited(d.t, "the end of the inspection's task", func() bool {
		task, err := d.w.store.Tasks.Get(d.t.Context(), demo.Tenant, d.task)
		return err == nil && task.State == casefile.TaskDone
	})
	d.refused("enforcer2", "/v1/office/inspections", d.inspection(casefile.Substantiated), "visit.recorded")
}

// patrolOr is an id that an officer could take for a visit's.
func (d *docket) patrolOr(otherwise string) string {
	if d.patrol != "" {
		return d.patrol
	}
	return otherwise
}

// A repeat gets the answer of the first time, also when the record has gone on;
// another body under the key is refused; of many at once one is carried out.
func TestCommandsAreCarriedOutOnce(t *testing.T) {
	t.Parallel()
	w := start(t)
	d := newDocket(t, w, casefile.Anonymous, casefile.IllegalAct)

	var won, conflicts atomic.Int32
	var all sync.WaitGroup
	desk := w.as(t, "desk1")
	for range 16 {
		key := newKey(t)
		all.Go(func() {
			_, err := desk.Do(t.Context(), apiclient.Call{Method: http.MethodPost, Path: d.path("/accept"), Key: key}, nil)
			switch apiclient.CodeOf(err) {
			case "":
				if err == nil {
					won.Add(1)
				}
			case "report.move":
				conflicts.Add(1)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 || conflicts.Load() != 15 {
		t.Fatalf("16 accept at once: got %d successes and %d conflicts, want 1 and 15", won.Load(), conflicts.Load())
	}

	key, body := newKey(t), object{"place": d.place(), "name": "demo workshop"}
	first, err := d.try("desk1", d.path("/target"), key, body)
	if err != nil {
		t.Fatal(err)
	}
	d.describe().assign().order()
	again, err := d.try("desk1", d.path("/target"), key, body)
	if err != nil || again != first {
		t.Errorf("the same command again: got %+v %v, want %+v", again, err, first)
	}
	body["name"] = "another workshop"
	if _, err := d.try("desk1", d.path("/target"), key, body); apiclient.CodeOf(err) != "idempotency.other_body" {
		t.Errorf("the same key with another body: got %v, want idempotency.other_body", err)
	}

	key = newKey(t)
	record := d.inspection(casefile.Substantiated)
	made, err := d.try("enforcer1", "/v1/office/inspections", key, record)
	if err != nil {
		t.Fatal(err)
	}
	d.visit = made.ID
	d.sign()
	d.noSecondRecord()
	again, err = d.try("enforcer1", "/v1/office/inspections", key, record)
	if err != nil || again != made {
		t.Errorf("a record filed again once it is signed: got %+v %v, want %+v", again, err, made)
	}
	record["party"] = "another workshop"
	if _, err := d.try("enforcer1", "/v1/office/inspections", key, record); apiclient.CodeOf(err) != "idempotency.other_body" {
		t.Errorf("a creation's key with another body: got %v, want idempotency.other_body", err)
	}
}

// A request to open that is sent again gets its answer, also once the award it
// was for is claimed.
func TestOpeningAskedAgainAfterTheClaim(t *testing.T) {
	t.Parallel()
	w := start(t)
	d := newDocket(t, w, casefile.RealName, casefile.IllegalAct).verify(casefile.Substantiated).conclude(casefile.Substantiated)
	d.punish(d.fine(casefile.Unit, 50_000, 0)).allocate(100_000).draft().approve().announce()
	d.ask()
	key := newKey(t)
	first, err := d.try("reward1", "/v1/custody/openings", key, d.request())
	if err != nil {
		t.Fatal(err)
	}
	once := filepath.Join(t.TempDir(), "once.key")
	d.tool("identity1", "key", "--once", once)
	d.tool("seal1", "peel", "--yes")
	d.tool("identity1", "open", "--once", once, "--json")
	awaited(t, "the claim", func() bool { return d.shown().State == casefile.AwardClaimed })
	again, err := d.try("reward1", "/v1/custody/openings", key, d.request())
	if err != nil || again != first {
		t.Errorf("got %+v %v, want %+v", again, err, first)
	}
	d.refused("reward1", "/v1/custody/openings", d.request(), "opening.not_claimed")
}

// later opens a second program on the same engines whose clock is ahead. It
// serves nothing: its use cases and its relay are called.
func (w *world) later(t *testing.T, by time.Duration) *workflow.Service {
	t.Helper()
	cfg, err := config.Read(w.settings)
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.Open(t.Context(), cfg, app.Env{
		Now: func() time.Time { return time.Now().Add(by) }, Random: rand.Reader, Password: quick(),
		Log: slog.New(slog.NewJSONHandler(w.logs, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return a.Service()
}

// call is a command as a surface makes it, for a service with another clock.
func (d *docket) call(actor casefile.Actor) workflow.Call {
	d.t.Helper()
	key, err := vault.ParseIdemKey(newKey(d.t))
	if err != nil {
		d.t.Fatal(err)
	}
	return workflow.Call{Actor: actor, Route: "POST /v1/receipt/award/claim", Key: key}
}

// An award is claimed until the end of its term and not after it (R31), and
// nobody opens an identity on a request that has expired.
func TestTermsEnd(t *testing.T) {
	t.Parallel()
	w := start(t)
	d := newDocket(t, w, casefile.RealName, casefile.IllegalAct).verify(casefile.Substantiated)
	d.conclude(casefile.Substantiated).punish(d.fine(casefile.Unit, 50_000, 0))
	d.allocate(100_000).draft().approve().announce()
	award, err := w.store.Awards.Get(t.Context(), demo.Tenant, d.award)
	if err != nil {
		t.Fatal(err)
	}
	left := time.Until(award.ClaimBy)
	if days := left.Hours() / 24; days < 60 || days > 61 {
		t.Errorf("got %.1f days to claim, want the 60 days after today", days)
	}

	after := w.later(t, left+time.Second)
	actor, err := after.OpenReceipt(t.Context(), d.code)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := after.AskAward(t.Context(), d.call(actor)); fault.CodeOf(err) != "award.claim_over" {
		t.Errorf("a claim after the term: got %v, want award.claim_over", err)
	}
	before := w.later(t, left-time.Minute)
	if _, err := before.AskAward(t.Context(), d.call(actor)); err != nil {
		t.Errorf("a claim on the last day: %v", err)
	}

	d.ask()
	tomorrow := w.later(t, 25*time.Hour)
	officer, err := w.store.Directory.Person(t.Context(), demo.Tenant, persons("identity1")[0])
	if err != nil {
		t.Fatal(err)
	}
	once, err := vault.NewRequestKey()
	if err != nil {
		t.Fatal(err)
	}
	ring := casefile.Actor{Tenant: demo.Tenant, Person: officer.ID, Posts: officer.Posts}
	if _, err := tomorrow.KeyOpening(t.Context(), d.call(ring), d.opening, once.Recipient()); fault.CodeOf(err) != "custody.expired" {
		t.Errorf("a key for an expired request: got %v, want custody.expired", err)
	}
}
