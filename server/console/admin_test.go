package console_test

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

type proposed struct {
	ID      string `json:"id"`
	State   string `json:"state"`
	By      string `json:"by"`
	Decider string `json:"decider"`
}

// command asks for something under a fresh key.
func (o *office) command(login, path string, body any) answer {
	o.t.Helper()
	return o.keyed(login, path, must(vault.NewID(rand.Reader)), body)
}

func (o *office) keyed(login, path, key string, body any) answer {
	o.t.Helper()
	return o.ask(http.MethodPost, login, path, body, map[string]string{"Idempotency-Key": key})
}

// propose makes a proposal and returns the path of it.
func (o *office) propose(login, path string, body any) string {
	o.t.Helper()
	a := o.command(login, path, body)
	var p proposed
	o.check(json.Unmarshal(a.body, &p))
	if a.status != http.StatusCreated || p.State != "OPEN" || p.By != login {
		o.t.Fatalf("%s by %s: got %d %s", path, login, a.status, a.body)
	}
	return "/v1/office/proposals/" + p.ID
}

func (o *office) confirm(login, proposal string) {
	o.t.Helper()
	a := o.command(login, proposal+"/confirm", nil)
	var p proposed
	_ = json.Unmarshal(a.body, &p)
	if a.status != http.StatusOK || p.State != "DONE" || p.Decider != login {
		o.t.Fatalf("confirm by %s: got %d %s", login, a.status, a.body)
	}
}

func posts(roles ...casefile.Role) object {
	list := []object{}
	for _, role := range roles {
		list = append(list, object{"role": role, "area": county, "from": "2026-01-01T00:00:00+08:00"})
	}
	return object{"posts": list}
}

const people = "/v1/office/people/"

// Nobody gives posts alone, to oneself, or in both rings.
func TestPostsTakeTwo(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.refused(o.command("admin1", people+"admin1/posts", posts(casefile.Leader)), http.StatusConflict, "proposal.oneself")
	o.refused(o.command("admin1", people+"inspector/posts", posts(casefile.IdentityOfficer, casefile.SealLeader)), http.StatusBadRequest, "person.both_rings")
	o.refused(o.command("leader", people+"inspector/posts", posts(casefile.Leader)), http.StatusNotFound, "record.not_found")

	key := must(vault.NewID(rand.Reader))
	first := o.keyed("admin1", people+"inspector/posts", key, posts(casefile.Inspector, casefile.HotlineOperator))
	if again := o.keyed("admin1", people+"inspector/posts", key, posts(casefile.Inspector, casefile.HotlineOperator)); string(again.body) != string(first.body) {
		t.Errorf("a repeat: got %s, want %s", again.body, first.body)
	}
	o.refused(o.keyed("admin1", people+"inspector/posts", key, posts(casefile.Leader)), http.StatusConflict, "idempotency.other_body")
	var p proposed
	o.check(json.Unmarshal(first.body, &p))
	path := "/v1/office/proposals/" + p.ID
	o.refused(o.command("admin1", path+"/confirm", nil), http.StatusConflict, "proposal.second_person")
	held := func() int {
		return len(get[struct{ Posts []casefile.Post }](o, "admin1", people+"inspector").Posts)
	}
	if got := held(); got != 1 {
		t.Errorf("got %d posts before it was confirmed, want 1", got)
	}
	key = must(vault.NewID(rand.Reader))
	done := o.keyed("admin2", path+"/confirm", key, nil)
	if again := o.keyed("admin2", path+"/confirm", key, nil); done.status != http.StatusOK || string(again.body) != string(done.body) {
		t.Errorf("confirm: got %d %s, and again %s", done.status, done.body, again.body)
	}
	if got := held(); got != 2 {
		t.Errorf("got %d posts after it was confirmed, want 2", got)
	}
	o.refused(o.command("admin3", path+"/confirm", nil), http.StatusConflict, "proposal.decided")

	path = o.propose("admin1", people+"inspector/posts", posts())
	if a := o.command("admin1", path+"/refuse", nil); a.status != http.StatusOK {
		t.Errorf("take back: got %d %s", a.status, a.body)
	}
	o.refused(o.command("admin2", path+"/confirm", nil), http.StatusConflict, "proposal.decided")
	o.refused(o.command("admin2", o.propose("admin1", people+"ringA/posts", posts())+"/confirm", nil), http.StatusConflict, "person.last_holder")
}

// Of sixteen confirmations one decides.
func TestConfirmAtOnce(t *testing.T) {
	t.Parallel()
	o := open(t)
	path := o.propose("admin1", people+"inspector/posts", posts(casefile.HotlineOperator))
	answers := make([]answer, 16)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = o.command([]string{"admin2", "admin3"}[i%2], path+"/confirm", nil) })
	}
	wg.Wait()
	won := 0
	for _, a := range answers {
		switch {
		case a.status == http.StatusOK:
			won++
		case a.status != http.StatusConflict && a.status != http.StatusServiceUnavailable:
			t.Errorf("got %d %s", a.status, a.body)
		}
	}
	if won != 1 {
		t.Errorf("got %d decisions, want 1", won)
	}
}

// However the administrators take one another off at once, one of them stays.
func TestLastAdministrator(t *testing.T) {
	t.Parallel()
	o := open(t)
	var wg sync.WaitGroup
	for _, row := range []struct{ by, about, second string }{
		{"admin2", "admin1", "admin3"}, {"admin3", "admin2", "admin1"}, {"admin1", "admin3", "admin2"},
	} {
		path := o.propose(row.by, people+row.about+"/posts", posts(casefile.Auditor))
		o.refused(o.command(row.about, path+"/confirm", nil), http.StatusConflict, "proposal.second_person")
		wg.Go(func() { o.command(row.second, path+"/confirm", nil) })
	}
	wg.Wait()
	left := 0
	for _, login := range []string{"admin1", "admin2", "admin3"} {
		p := must(o.service.ReadPerson(t.Context(), casefile.Actor{Tenant: "county"}, login))
		if p.Holds(casefile.Administrator, county, time.Now()) {
			left++
		}
	}
	if left == 0 {
		t.Error("no administrator is left")
	}
}

// Who is disabled is out at once; who is let in again signs in anew.
func TestDisable(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.confirm("admin2", o.propose("admin1", people+"township/access", object{"disabled": true}))
	o.refused(o.ask(http.MethodGet, "township", "/v1/office/tasks", nil, nil), http.StatusUnauthorized, "session.invalid")
	in := workflow.Credentials{Tenant: "county", Login: "township", Password: password, Device: "a device"}
	if _, err := o.service.SignIn(t.Context(), in); err == nil {
		t.Error("a disabled person signs in")
	}
	o.confirm("admin2", o.propose("admin1", people+"township/access", object{"disabled": false}))
	if _, err := o.service.SignIn(t.Context(), in); err != nil {
		t.Errorf("after being let in again: %v", err)
	}
	o.refused(o.ask(http.MethodGet, "township", "/v1/office/tasks", nil, nil), http.StatusUnauthorized, "session.invalid")

	if a := o.command("admin1", people+"desk/sign-out", nil); a.status != http.StatusNoContent {
		t.Errorf("sign out everywhere: got %d %s", a.status, a.body)
	}
	o.refused(o.ask(http.MethodGet, "desk", "/v1/office/reports", nil, nil), http.StatusUnauthorized, "session.invalid")
}

// The numbers of the policy change by two, and only those that were named. Who
// gets a post that asks for a second factor signs in anew.
func TestPolicyTakesTwo(t *testing.T) {
	t.Parallel()
	o := open(t)
	days := o.propose("admin1", "/v1/office/policy", object{"decideDays": 10})
	second := o.propose("admin2", "/v1/office/policy", object{"secondFactor": []string{"payer"}})
	o.refused(o.command("admin1", "/v1/office/policy", object{"maxItems": 1000}), http.StatusBadRequest, "policy.number")
	o.refused(o.command("admin1", days+"/confirm", nil), http.StatusConflict, "proposal.second_person")
	before := get[workflow.Policy](o, "admin1", "/v1/office/policy")
	o.confirm("admin2", days)
	o.confirm("admin3", second)
	after := get[workflow.Policy](o, "admin1", "/v1/office/policy")
	if before.DecideDays != 15 || after.DecideDays != 10 || after.PayDays != before.PayDays || len(after.SecondFactor) != 1 {
		t.Errorf("got %+v, then %+v", before, after)
	}
	o.refused(o.ask(http.MethodGet, "payer", o.budget(), nil, nil), http.StatusUnauthorized, "session.invalid")
	if got := get[struct{ Items []proposed }](o, "admin3", "/v1/office/proposals").Items; len(got) != 2 || got[0].State != "DONE" {
		t.Errorf("got %+v, want two decided proposals", got)
	}
}

// What an administrator had proposed before leaving was confirmed by one alone,
// any time later.
func TestProposalOfAFormerAdministrator(t *testing.T) {
	t.Parallel()
	o := open(t)
	left := o.propose("admin1", people+"inspector/posts", posts(casefile.Leader))
	policy := o.propose("admin1", "/v1/office/policy", object{"decideDays": 10})
	o.confirm("admin3", o.propose("admin2", people+"admin1/posts", posts(casefile.Auditor)))
	for _, path := range []string{left, policy} {
		o.refused(o.command("admin2", path+"/confirm", nil), http.StatusConflict, "proposal.proposer_left")
	}
	disabled := o.propose("admin3", people+"inspector/posts", posts(casefile.Leader))
	now := time.Now()
	o.check(o.service.Rosters.Revise(t.Context(), "county", "admin3", workflow.Revision{Number: now.Unix(), Disabled: new(true)}))
	o.refused(o.command("admin2", disabled+"/confirm", nil), http.StatusConflict, "proposal.proposer_left")
	if a := o.command("admin2", left+"/refuse", nil); a.status != http.StatusOK {
		t.Errorf("refuse: got %d %s", a.status, a.body)
	}
}

// One administrator declared ties of everybody to everything, for good, and
// nobody was left to handle what came in from there.
func TestOneAdministratorTiedEverybody(t *testing.T) {
	t.Parallel()
	o := open(t)
	ties := func() []casefile.Tie {
		return must(o.service.ReadPerson(t.Context(), casefile.Actor{Tenant: "county"}, "desk")).Ties
	}
	path := o.propose("admin1", people+"desk/ties", object{"area": "220182103000"})
	o.refused(o.command("admin1", path+"/confirm", nil), http.StatusConflict, "proposal.second_person")
	o.refused(o.command("admin1", people+"admin1/ties", object{"area": "220182103000"}), http.StatusConflict, "proposal.oneself")
	if got := ties(); len(got) != 0 {
		t.Errorf("got ties %+v by one administrator", got)
	}
	again := o.propose("admin3", people+"desk/ties", object{"area": "220182103000"})
	o.confirm("admin2", path)
	o.confirm("admin2", again)
	if got := ties(); len(got) != 1 || got[0].Area != "220182103000" || got[0].By != "admin1" {
		t.Errorf("got ties %+v, want the one that two administrators decided", got)
	}
}

// Who has a tie to a place or a firm is left out where people are suggested,
// and is refused where they are assigned and where they decide. Nobody but
// administrators and the person learns what the tie is.
func TestTies(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.report()
	path := "/v1/office/reports/" + get[struct{ Items []deskRow }](o, "desk", "/v1/office/reports").Items[0].ID
	r := get[deskView](o, "desk", path)
	const firm = "demo firm of the tie"
	near := object{"area": "220182103000"} // of the target's grid
	for person, tie := range map[string]object{"inspector": near, "enforcer1": {"firm": firm}, "leader": {"firm": firm}} {
		o.confirm("admin2", o.propose("admin1", people+person+"/ties", tie))
	}
	o.refused(o.command("admin1", people+"inspector/ties", object{"area": county}), http.StatusBadRequest, "tie.area")
	o.refused(o.command("admin1", people+"inspector/ties", object{}), http.StatusBadRequest, "tie.one_of")

	o.do("desk", path+"/accept", nil, "ACCEPTED")
	place := object{"lon": 126.55, "lat": 44.85, "datum": "wgs84"}
	o.do("desk", path+"/target", object{"place": place, "name": "Demo Firm of the Tie, east yard"}, "ACCEPTED")
	o.do("desk", path+"/brief", object{"text": "look", "items": []object{{"ref": r.Allegations[0].ID, "text": "look"}}}, "ACCEPTED")

	suggested := o.ask(http.MethodGet, "desk", path+"/assignees", nil, nil)
	if strings.Contains(string(suggested.body), `"inspector"`) {
		t.Errorf("who has a tie is suggested: %s", suggested.body)
	}
	for what, a := range map[string]answer{
		"check":      o.command("desk", path+"/assign", object{"persons": []string{"inspector"}}),
		"inspection": o.command("desk", path+"/inspection", object{"persons": []string{"enforcer1", "enforcer2"}}),
		"patrol": o.command("township", "/v1/office/tasks", object{
			"persons": []string{"inspector"}, "place": place, "placeName": "shop", "brief": "look", "items": []string{"door"},
		}),
		"conclusion": o.command("leader", path+"/conclude", object{"record": "r", "findings": finding(r.Allegations[0].ID)}),
	} {
		o.refused(a, http.StatusConflict, "officer.tie")
		if strings.Contains(string(a.body), firm) || strings.Contains(string(a.body), "220182103000") {
			t.Errorf("%s: the answer tells the tie: %s", what, a.body)
		}
	}
	if ties := get[struct{ Ties []struct{ Area, By string } }](o, "admin2", people+"inspector").Ties; len(ties) != 1 || ties[0].By != "admin1" {
		t.Errorf("got %+v, want the tie", ties)
	}
}

// A lost phone: two administrators let the person enrol anew.
func TestForgetFactors(t *testing.T) {
	t.Parallel()
	o := open(t)
	const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	o.check(workflow.Enrol(t.Context(), o.service.Accounts, o.service.Keyring, rand.Reader, "county", "payer", secret))
	in := workflow.Credentials{Tenant: "county", Login: "payer", Password: password, Device: "a device"}
	if s := must(o.service.SignIn(t.Context(), in)); s.Half == nil {
		t.Fatal("a password alone signs in")
	}
	o.confirm("admin2", o.propose("admin1", people+"payer/forget-factors", nil))
	if s := must(o.service.SignIn(t.Context(), in)); s.Half != nil {
		t.Errorf("got %v, want a session", s.Half.Factors)
	}
	o.refused(o.ask(http.MethodGet, "payer", o.budget(), nil, nil), http.StatusUnauthorized, "session.invalid")
}

// What was confirmed and not carried out, because a process ended between, is
// carried out by whoever comes next.
func TestDecisionOutlivesItsProcess(t *testing.T) {
	t.Parallel()
	o := open(t)
	ctx := t.Context()
	r := must(o.service.Rosters.Roster(ctx, "county"))
	was := r.Version
	r.Version++
	r.Proposals = append(r.Proposals, workflow.Proposal{
		ID: "p", Kind: workflow.Disable, State: workflow.ProposalConfirmed, Person: "payer", By: "admin1", Decider: "admin2", Revision: r.Version,
	})
	o.check(o.service.Rosters.TurnRoster(ctx, "county", r, nil, was))
	if got := get[struct{ Items []proposed }](o, "admin3", "/v1/office/proposals").Items; len(got) != 1 || got[0].State != "DONE" {
		t.Errorf("got %+v, want it done", got)
	}
	o.refused(o.ask(http.MethodGet, "payer", o.budget(), nil, nil), http.StatusUnauthorized, "session.invalid")
}
