package mobileapi_test

import (
	"bytes"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"gridwatch/mobileapi/wire"
	"gridwatch/schemas/catalog/schemes"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/reward"
	"gridwatch/server/storetest"
	"gridwatch/server/workflow"
)

// TestWithdraw: before the reply; who is pressed tells the desk alone (R9).
func TestWithdraw(t *testing.T) {
	t.Parallel()
	r := start(t)
	h := r.submit(report())
	const path = "/v1/receipt/withdrawal"
	h.lacks(h.twice(path, wire.Withdraw{Pressed: true, Text: "canary-pressed"}, wire.Withdraw{}), "canary", "pressed")
	h.lacks(h.get("/v1/receipt", h.token), "canary", "pressed")
	desk := must(r.service.ReadReport(t.Context(), staff("desk", casefile.DeskOfficer), h.id))
	if desk.Withdrawal == nil || *desk.Withdrawal != (casefile.Withdrawal{Pressed: true, Text: "canary-pressed"}) || desk.State != casefile.ReportWithdrawn {
		t.Errorf("got %s %+v", desk.State, desk.Withdrawal)
	}
	h.noTimes()

	free := r.submit(report())
	free.twice(path, wire.Withdraw{}, nil)
	if a, b := h.report().Behind.Withdrawal, free.report().Behind.Withdrawal; len(a) != len(b) {
		t.Errorf("got %d bytes of a withdrawal under pressure, %d of another", len(a), len(b))
	}
	late := r.submit(report())
	late.answerToday(casefile.ReportReplied)
	late.refused(late.post(path, late.token, newKey(), wire.Withdraw{}), "report.move")
}

// TestTaskGoesOnAfterWithdrawal: what is looked at is the hazard (R9).
func TestTaskGoesOnAfterWithdrawal(t *testing.T) {
	t.Parallel()
	r := start(t)
	h := r.submit(report())
	desk := staff("desk", casefile.DeskOfficer)
	do := func(out casefile.Outcome, err error) casefile.Outcome {
		t.Helper()
		r.check(err)
		return out
	}
	ctx, s := t.Context(), r.service
	do(s.AcceptReport(ctx, callOf(desk, nil), h.id))
	do(s.ConfirmTarget(ctx, callOf(desk, nil), h.id, workflow.Target{Place: *report().Target, Name: "demo workshop"}))
	item := casefile.Item{Ref: h.report().Allegations[0].ID, Text: "storage"}
	do(s.WriteBrief(ctx, callOf(desk, nil), h.id, workflow.Brief{Text: "patrol", Items: []casefile.Item{item}}))
	task := do(s.AssignCheck(ctx, callOf(desk, nil), h.id, workflow.Assignment{Persons: []string{"inspector"}})).Ref
	h.twice("/v1/receipt/withdrawal", wire.Withdraw{}, nil)
	relay(t, s)
	out := do(s.SaveResult(ctx, callOf(staff("inspector", casefile.Inspector), nil), task, workflow.TaskResult{
		Findings: []casefile.ItemFinding{{Ref: item.Ref, Finding: casefile.Substantiated}}, Position: *report().Target,
	}))
	if out.State != casefile.TaskDone || h.report().State != casefile.ReportWithdrawn {
		t.Errorf("got task %s, report %s", out.State, h.report().State)
	}
}

// TestServed: an answer is served on the day it is first opened, or ServiceDays
// after it was laid behind the code; only the day is kept (R10).
func TestServed(t *testing.T) {
	t.Parallel()
	r := start(t)
	for name, row := range map[string]struct {
		state   casefile.State
		days    int // until it is opened
		counted int // until it counts as served
	}{
		"at once": {casefile.ReportReplied, 0, 0}, "a refusal": {casefile.ReportRejected, 3, 3}, "never until late": {casefile.ReportReplied, 45, 30},
	} {
		h := r.submit(report())
		laid := must(time.Parse(time.DateOnly, h.today())).AddDate(0, 0, -row.days)
		h.put(func(r *casefile.Report) { r.State = row.state; r.Lay(laid.Format(time.DateOnly)) })
		want := laid.AddDate(0, 0, row.counted).Format(time.DateOnly)
		for range 2 {
			if got := read[wire.Receipt](r, h.get("/v1/receipt", h.token), http.StatusOK); got.ServedOn != want {
				t.Errorf("%s: got %s, want %s", name, got.ServedOn, want)
			}
		}
		served := 0
		for _, e := range h.report().Timeline {
			if e.Command == "serve" {
				served++
			}
		}
		if served != 1 {
			t.Errorf("%s: got %d events, want 1", name, served)
		}
		h.noTimes()
	}
}

func TestObject(t *testing.T) {
	t.Parallel()
	r := start(t)
	const path = "/v1/receipt/objection"
	text := wire.WriteMessage{Text: "canary-objection"}
	h := r.submit(report())
	h.refused(h.post(path, h.token, newKey(), text), "report.no_answer")
	h.answerToday(casefile.ReportReplied)
	h.twice(path, text, wire.WriteMessage{Text: "another"})
	got := h.report()
	if got.State != casefile.ReportRechecking || got.Behind.Objection.On != h.today() || bytes.Contains(got.Behind.Objection.Sealed, []byte("canary")) {
		t.Errorf("got %s %+v", got.State, got.Behind.Objection)
	}
	if desk := must(r.service.ReadReport(t.Context(), staff("desk", casefile.DeskOfficer), h.id)); desk.Objection != text.Text {
		t.Errorf("desk: got %q", desk.Objection)
	}
	h.noTimes()

	// The level above answers, by who had no part in it; then there is no second objection.
	ctx, reply := t.Context(), casefile.Reply{Conclusion: "again", Facts: "f", Decision: "d", Reward: "r"}
	above := staff("above", casefile.Supervisor)
	if rows := must(r.service.Rechecks(ctx, above, workflow.Query{Limit: 9})); len(rows) != 1 || rows[0].ID != h.id {
		t.Errorf("got %d rechecks", len(rows))
	}
	call := callOf(above, reply)
	h.put(func(r *casefile.Report) { r.Timeline = append(r.Timeline, casefile.Event{Seq: r.Seq + 1, By: "above"}) })
	if _, err := r.service.FinishRecheck(ctx, call, h.id, reply); fault.CodeOf(err) != "report.other_person" {
		t.Errorf("got %v", err)
	}
	second := callOf(staff("second", casefile.Supervisor), reply)
	for range 2 {
		out, err := r.service.FinishRecheck(ctx, second, h.id, reply)
		if err != nil || out.State != casefile.ReportReplied {
			t.Errorf("got %s %v", out.State, err)
		}
	}
	if _, err := r.service.ReadRecheck(ctx, above, h.id); fault.KindOf(err) != fault.NotFound {
		t.Errorf("got %v for a report that is not rechecked", err)
	}
	seen := read[wire.Receipt](r, h.get("/v1/receipt", h.token), http.StatusOK)
	if seen.Reply.Conclusion != "again" || seen.ServedOn != h.today() || !seen.Objected {
		t.Errorf("got %+v", seen)
	}
	h.refused(h.post(path, h.token, newKey(), text), "report.objected_before")
}

// TestObjectionTerm: ten days from service; the last one counts whole.
func TestObjectionTerm(t *testing.T) {
	t.Parallel()
	r := start(t)
	for name, row := range map[string]struct {
		laid, served int // days ago; served -1: nobody opened it
		want         casefile.State
	}{
		"last day": {20, 10, casefile.ReportRechecking}, "a day late": {20, 11, ""},
		"never opened, last day": {40, -1, casefile.ReportRechecking}, "never opened, a day late": {41, -1, ""},
	} {
		h := r.submit(report())
		ago := func(days int) string {
			return must(time.Parse(time.DateOnly, h.today())).AddDate(0, 0, -days).Format(time.DateOnly)
		}
		h.put(func(r *casefile.Report) {
			r.State = casefile.ReportReplied
			r.Lay(ago(row.laid))
			if row.served >= 0 {
				r.Behind.ServedOn = ago(row.served)
			}
		})
		a := h.post("/v1/receipt/objection", h.token, newKey(), wire.WriteMessage{Text: "no"})
		if row.want == "" {
			h.refused(a, "report.objection_over")
		} else if got := read[wire.Moved](r, a, http.StatusOK); got.State != row.want {
			t.Errorf("%s: got %s", name, got.State)
		}
	}
}

// notified gives the report an award by a scheme that pays to a code too.
func (h *holder) notified() string {
	h.t.Helper()
	at := h.clock.now().UTC().Truncate(time.Millisecond)
	a := &casefile.Award{Report: h.id, Area: "220182000000", Number: "demo", Scheme: "demo-code/1", Fen: 300000, NotifiedAt: at, ClaimBy: at.AddDate(0, 0, 60)}
	a.ID, a.Tenant, a.State, a.At, a.Version = newKey(), "county", casefile.AwardNotified, at, 1
	h.check(h.service.Awards.Insert(h.t.Context(), a))
	for _, step := range []reward.BudgetStep{reward.Allocate, reward.Reserve} {
		must(reward.Post(h.t.Context(), h.service.Ledger, reward.Posting{
			Tenant: "county", Unit: "reward", Year: a.Year, Award: a.ID, Step: step, AmountFen: 300000, At: at, By: "test",
		}))
	}
	return a.ID
}

// codeScheme is the national scheme, paying to who is known by a code as well.
func codeScheme() []reward.Scheme {
	text := must(schemes.Files.ReadFile("national-2018.json"))
	text = bytes.Replace(text, []byte(`"id": "national-2018"`), []byte(`"id": "demo-code"`), 1)
	text = bytes.Replace(text, []byte(`"identity": ["real_name"]`), []byte(`"identity": ["real_name", "code"]`), 1)
	return must(reward.Load(fstest.MapFS{"demo-code.json": {Data: text}}))
}

func byCode(password string) wire.Report {
	in := report()
	in.Mode, in.Password = casefile.ByCode, password
	return in
}

func TestClaimByCode(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.service.Schemes = codeScheme()
	const path, right, wrong = "/v1/receipt/award/claim-by-code", "31415926", "00000000"
	h, none, national := r.submit(byCode(right)), r.submit(byCode("")), r.submit(byCode(right))
	if a, b := h.report().Behind.Claim.Sealed, none.report().Behind.Claim.Sealed; len(a) != len(b) {
		t.Errorf("got %d bytes with a password, %d without", len(a), len(b))
	}
	if a := h.post(path, h.token, newKey(), wire.ClaimByCode{Password: right}); a.status != http.StatusNotFound {
		t.Errorf("got %d without an award", a.status)
	}
	award := h.notified()
	none.notified()
	none.refused(none.post(path, none.token, newKey(), wire.ClaimByCode{Password: right}), "award.not_by_code")
	id := national.notified()
	r.service.Schemes = append(r.service.Schemes, must(reward.Load(schemes.Files))...)
	a := must(r.service.Awards.Get(t.Context(), "county", id))
	a.Scheme = "national-2018/1"
	a.Version, a.Seq = 2, 1
	r.check(r.service.Awards.Update(t.Context(), a, 1))
	national.refused(national.post(path, national.token, newKey(), wire.ClaimByCode{Password: right}), "award.not_by_code")

	key := newKey()
	for range 3 { // one try, sent three times
		h.refused(h.post(path, h.token, key, wire.ClaimByCode{Password: wrong}), "award.password_wrong /password")
	}
	left := func() int { return read[wire.Receipt](r, h.get("/v1/receipt", h.token), http.StatusOK).TriesLeft }
	if n := left(); n != 9 {
		t.Errorf("got %d tries left, want 9", n)
	}
	var all sync.WaitGroup
	for n := range 20 { // at once, and not more than nine count
		all.Go(func() {
			a := h.post(path, h.token, newKey(), wire.ClaimByCode{Password: fmt.Sprintf("1000000%d", n%10)})
			if code := a.code(); code != "award.password_wrong /password" && code != "award.password_wait" && code != "record.contended" {
				t.Errorf("got %d %s", a.status, a.body)
			}
		})
	}
	all.Wait()
	for left() > 0 {
		h.refused(h.post(path, h.token, newKey(), wire.ClaimByCode{Password: wrong}), "award.password_wrong /password")
	}
	h.refused(h.post(path, h.token, newKey(), wire.ClaimByCode{Password: right}), "award.password_wait")
	r.clock.pass(48 * time.Hour)
	h.open(h.made.Code)
	if n := left(); n != 10 {
		t.Errorf("got %d tries left after the wait, want 10", n)
	}
	h.twice(path, wire.ClaimByCode{Password: right}, wire.ClaimByCode{Password: wrong})
	if a := must(r.service.Awards.Get(t.Context(), "county", award)); a.State != casefile.AwardClaimed {
		t.Errorf("got %s, want it claimed", a.State)
	}
	h.noTimes()
}

// TestClose: the code and its tokens are dead, the report goes on, an award is
// lost only when the reporter says so.
func TestClose(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report())
	award := h.notified()
	const path = "/v1/receipt/closing"
	h.refused(h.post(path, h.token, newKey(), wire.Close{}), "receipt.award_open /forfeitAward")
	h.twice(path, wire.Close{ForfeitAward: true}, wire.Close{})
	relay(t, h.service)
	if a := must(h.service.Awards.Get(t.Context(), "county", award)); a.State != casefile.AwardWaived {
		t.Errorf("got award %s", a.State)
	}
	h.refused(h.post("/v1/receipt/session", "", "", wire.OpenReceipt{Code: h.made.Code}), "receipt.unknown")
	for _, a := range []answer{
		h.get("/v1/receipt", h.token), h.get(talk, h.token), h.post(talk, h.token, newKey(), wire.WriteMessage{Text: "x"}),
		h.post(path, h.token, newKey(), wire.Close{}), h.post("/v1/receipt/award/claim", h.token, newKey(), nil),
	} {
		if a.status != http.StatusNotFound {
			t.Errorf("got %d %s", a.status, a.body)
		}
	}
	_, err := h.service.AcceptReport(t.Context(), callOf(staff("desk", casefile.DeskOfficer), nil), h.id)
	h.check(err)

	asked := h.submit(report())
	award = asked.notified()
	asked.twice("/v1/receipt/award/claim", nil, nil)
	if a := must(h.service.Awards.Get(t.Context(), "county", award)); a.AskedAt.In(workflow.Shanghai()).Format(time.TimeOnly) != "00:00:00" {
		t.Errorf("got the time %s", a.AskedAt)
	}
	asked.twice(path, wire.Close{}, nil) // what was asked for is not lost
}

func TestQuickExit(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report())
	a := h.send(http.MethodDelete, "/v1/receipt/session", h.token, "", "", nil)
	if a.status != http.StatusNoContent || a.header.Get("Clear-Site-Data") != `"cache", "cookies", "storage"` {
		t.Errorf("got %d %v", a.status, a.header)
	}
}

// TestCall: an operator registers what a caller says; the code that was read
// out opens nothing, and is dead once the caller has exchanged it.
func TestCall(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.hire("operator", casefile.HotlineOperator)
	operator := r.signIn("operator").Access
	key, in := newKey(), report()
	first := r.post("/v1/office/calls", operator, key, in)
	made := read[wire.Registration](r, first, http.StatusCreated)
	if again := r.post("/v1/office/calls", operator, key, in); !bytes.Equal(again.body, first.body) {
		t.Errorf("again: got %s", again.body)
	}
	in.Password = "31415926"
	h := &holder{rig: r, made: made}
	h.refused(r.post("/v1/office/calls", operator, newKey(), in), "call.parts")
	if a := r.post("/v1/office/calls", r.signIn("inspector").Access, newKey(), report()); a.status != http.StatusNotFound {
		t.Errorf("inspector: got %d", a.status)
	}
	h.refused(r.post("/v1/receipt/session", "", "", wire.OpenReceipt{Code: made.Code}), "receipt.provisional")

	const path = "/v1/receipt/exchange"
	key = newKey()
	ask := wire.Exchange{Code: made.Code, Password: "31415926"}
	var mu sync.Mutex
	fresh := map[string]int{}
	var all sync.WaitGroup
	for range 8 { // the answer may be lost
		all.Go(func() {
			code := read[wire.Exchanged](r, r.post(path, "", key, ask), http.StatusOK).Code
			mu.Lock()
			defer mu.Unlock()
			fresh[code]++
		})
	}
	all.Wait()
	if len(fresh) != 1 || fresh[made.Code] != 0 {
		t.Fatalf("got codes %v", fresh)
	}
	h.refused(r.post(path, "", key, wire.Exchange{Code: made.Code}), "idempotency.other_body")
	h.refused(r.post(path, "", newKey(), ask), "receipt.unknown")
	h.refused(r.post("/v1/receipt/session", "", "", wire.OpenReceipt{Code: made.Code}), "receipt.unknown")
	for code := range fresh {
		h.open(code)
		h.refused(r.post(path, "", newKey(), wire.Exchange{Code: code}), "receipt.not_provisional")
	}
	if got := h.report(); got.Channel != "hotline" || got.Behind.Provisional {
		t.Errorf("got %s %v", got.Channel, got.Behind.Provisional)
	}
	h.noTimes()
	r.clock.pass(96 * time.Hour)
	h.refused(r.post(path, "", key, ask), "receipt.unknown")
}

// hire brings in a person with one role in the whole county.
func (r *rig) hire(login string, role casefile.Role) {
	r.t.Helper()
	im := workflow.Import{Store: r.loader, Directory: r.service.Directory, Hasher: r.service.Hasher}
	r.check(im.Person(r.t.Context(), casefile.Person{
		ID: login, Tenant: "county", Login: login, Label: "demo " + login,
		Posts: []casefile.Post{{Role: role, Area: "220182000000", From: time.Now().Add(-time.Hour)}},
	}, password))
}

// TestOfficials: what is about the office goes to the level above before any of
// it is read.
func TestOfficials(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.hire("operator", casefile.HotlineOperator)
	h := &holder{rig: r}
	county := must(r.service.Directory.Tenant(t.Context(), "county"))
	if got := read[wire.Tenant](r, r.get("/v1/public/county", ""), http.StatusOK); got.Officials != "county" {
		t.Errorf("got %q, want the only tenant there is", got.Officials)
	}
	read[wire.Registration](r, r.form(reports+"?about=officials", "", newKey(), jsonPart("report", report())), http.StatusCreated)

	im := workflow.Import{Store: r.loader, Directory: r.service.Directory, Hasher: r.service.Hasher}
	own := county
	own.Above = own.ID
	if err := im.Tenant(t.Context(), own); fault.CodeOf(err) != "tenant.above" {
		t.Errorf("a tenant above itself: got %v", err)
	}
	city := county
	custody := storetest.NewCustody(t, "city")
	city.ID, city.Area, city.Root, city.Keys = "city", "220100000000", custody.Root.Public(), custody.List
	county.Above = "city"
	if err := im.Tenant(t.Context(), county); fault.CodeOf(err) != "tenant.above" {
		t.Errorf("a level above that is not there: got %v", err)
	}
	for _, tenant := range []workflow.Tenant{city, county} {
		r.check(im.Tenant(t.Context(), tenant))
	}
	if got := read[wire.Tenant](r, r.get("/v1/public/county", ""), http.StatusOK); got.Officials != "city" {
		t.Errorf("got %q", got.Officials)
	}
	before := r.count()
	broken := part{name: "report", body: []byte("canary")} // is never read
	h.refused(r.form(reports+"?about=officials", "", newKey(), broken), "report.to_the_level_above")
	h.refused(r.post("/v1/office/calls?about=officials", r.signIn("operator").Access, newKey(), report()), "report.to_the_level_above")
	h.refused(r.form(reports+"?about=canary", "", newKey(), jsonPart("report", report())), "query.value ?about")
	if n := r.count(); n != before {
		t.Errorf("got %d reports, want %d", n, before)
	}
	a := r.form("/v1/public/city/reports?about=officials", "", newKey(), jsonPart("report", report()))
	made := read[wire.Registration](r, a, http.StatusCreated)
	actor := must(r.service.OpenReceipt(t.Context(), made.Code))
	if actor.Tenant != "city" {
		t.Errorf("got it in %s", actor.Tenant)
	}
	if _, err := r.service.ReadReport(t.Context(), staff("desk", casefile.DeskOfficer), actor.Report); fault.KindOf(err) != fault.NotFound {
		t.Errorf("the county's desk: got %v", err)
	}
}

// TestReceiptIsOneReportsOwn: behind another receipt, as staff or as nobody
// there is nothing.
func TestReceiptIsOneReportsOwn(t *testing.T) {
	t.Parallel()
	h := start(t).submit(report())
	stranger := h.submit(report())
	for path, body := range map[string]any{
		talk: wire.WriteMessage{Text: "x"}, "/v1/receipt/withdrawal": wire.Withdraw{}, "/v1/receipt/closing": wire.Close{},
		"/v1/receipt/objection": wire.WriteMessage{Text: "x"}, "/v1/receipt/award/claim-by-code": wire.ClaimByCode{Password: "31415926"},
	} {
		staff := h.signIn("desk").Access
		if a := h.post(path, staff, newKey(), body); a.status != http.StatusNotFound {
			t.Errorf("%s as staff: got %d %s", path, a.status, a.body)
		}
		if a := h.post(path, "", newKey(), body); a.status != http.StatusUnauthorized {
			t.Errorf("%s as nobody: got %d %s", path, a.status, a.body)
		}
	}
	stranger.twice(talk, wire.WriteMessage{Text: "canary-other"}, nil)
	h.lacks(h.get(talk, h.token), "canary")
	actor := casefile.Actor{Tenant: "county", Report: h.id, Receipt: stranger.report().Receipt}
	if _, err := h.service.ReadReceipt(t.Context(), actor); fault.KindOf(err) != fault.NotFound {
		t.Errorf("got %v for a receipt of another code", err)
	}
}
