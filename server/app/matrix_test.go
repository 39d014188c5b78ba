package app_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gridwatch/mobileapi/tus"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/web"
)

// said is all of an answer but the time: two answers that say the same cannot
// be told apart.
func said(a apiclient.Answer) string {
	h := a.Header.Clone()
	h.Del("Date")
	h.Del("Tus-Resumable") // every answer about uploads says it
	h.Del("Tus-Version")
	if bytes.HasPrefix(a.Body, []byte("{")) {
		return fmt.Sprint(a.Status, h, string(a.Body))
	}
	return fmt.Sprintf("%d %v and %d bytes with the digest %x", a.Status, h, len(a.Body), sha256.Sum256(a.Body))
}

// saidSame says whether an answer is a certain one; to HEAD there is no body.
func saidSame(r web.Route, a apiclient.Answer, want string) bool {
	if r.Method == http.MethodHead {
		return strings.HasPrefix(want, strconv.Itoa(a.Status)+" ") || strings.HasPrefix(want, strconv.Itoa(a.Status)+"m")
	}
	return said(a) == want
}

// matrix is two tenants' cases and what is answered for what is not there.
type matrix struct {
	own, other       *filedCase
	absent, unsigned string
	samples          map[string]sample
	staff            map[casefile.Role]string // who is responsible, by role
	files            map[string]bool          // routes that gave a file
}

// TestEveryRouteAndRole walks the table of routes with every role: it is
// allowed, or answered as an absent record is (confidentiality 10). What the
// answers hold is looked through on the way.
func TestEveryRouteAndRole(t *testing.T) {
	t.Parallel()
	w := start(t)
	neighbour := prepare(t, w, demo.Neighbour) // first, since it is given the staff that the other has by now
	yushu := prepare(t, w, demo.Tenant)
	awaited(t, "what the log shows", func() bool { // the log has its first checkpoint, which is public
		_, err := w.store.Audit.Latest(t.Context())
		return err == nil
	})
	alikeTasks(t, neighbour)
	alikeTasks(t, yushu)
	newMatrix(t, neighbour, yushu).foreign(t)
	m := newMatrix(t, yushu, neighbour)
	m.foreign(t)
	m.elsewhere(t)
	m.receipts(t)
	m.roles(t) // last: it moves the records on
}

func newMatrix(t *testing.T, own, other *filedCase) *matrix {
	t.Helper()
	m := &matrix{own: own, other: other, samples: own.samples(), files: map[string]bool{}, staff: map[casefile.Role]string{casefile.Inspector: own.inspector}}
	for _, p := range own.people {
		if p.Tenant == own.tenant && m.staff[p.Roles[0]] == "" {
			m.staff[p.Roles[0]] = p.Login
		}
	}
	const reports = "/v1/office/reports"
	a, _ := own.client("desk1").Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: reports + "/" + hexID(t)}, nil)
	if m.absent = said(a); a.Status != http.StatusNotFound {
		t.Fatalf("an absent record: got %s", m.absent)
	}
	a, _ = own.anyone().Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: reports}, nil)
	if m.unsigned = said(a); a.Status != http.StatusUnauthorized {
		t.Fatalf("without a token: got %s", m.unsigned)
	}
	return m
}

func pattern(r web.Route) string { return r.Method + " " + r.Path }

// send tries a route of the own case as someone of either tenant, and looks the
// answer through.
func (m *matrix) send(t *testing.T, from *filedCase, r web.Route, ids map[string]string, role casefile.Role, login string) apiclient.Answer {
	t.Helper()
	client, ids := from.anyone(), maps.Clone(ids)
	ids["role"] = string(role)
	switch role {
	case casefile.Anyone:
	case casefile.ReceiptHolder:
		client = from.receipt
	default:
		client, ids["me"] = from.client(login), from.persons(login)[0]
	}
	if role == casefile.Enforcer && strings.HasPrefix(r.Path, "/v1/field/") {
		ids["task"] = ids["inspection"]
	}
	if strings.HasPrefix(r.Path, "/v1/office/tasks/") {
		ids["item"] = ids["found"]
	}
	if strings.HasPrefix(r.Path, "/v1/office/inspections/") {
		ids["exhibit"], ids["item"] = ids["shown"], ids["taken"]
	}
	p, ok := from.find(login)
	if ends := ok && r.Method == http.MethodDelete && strings.HasPrefix(r.Path+"/", "/v1/session/"); ends {
		client, ids["family"] = from.session(t, p) // one that may end
	}
	call := apiclient.Call{Method: r.Method, Path: m.own.path(t, r.Path, ids)}
	s := m.samples[pattern(r)]
	if s.body != nil {
		call.Body = s.body(ids)
	}
	if s.form != nil {
		call.Form = s.form(ids)
	}
	if r.Command {
		call.Key = freshKey()
	}
	if strings.HasPrefix(r.Path, "/v1/uploads") {
		call.Header = map[string]string{"Tus-Resumable": "1.0.0", "Upload-Length": "1", "Upload-Offset": "0", "Content-Type": tus.Type}
	}
	a, err := client.Do(t.Context(), call, nil)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for apiclient.CodeOf(err) == "server.too_many" { // this test asks faster than people do
		<-tick.C
		a, err = client.Do(t.Context(), call, nil)
	}
	if a.Status == 0 {
		t.Fatal(err)
	}
	from.scan(t, m.opposite(from), role, pattern(r), a)
	if wrong := unguarded(a.Header, r.Download && a.Status < http.StatusMultipleChoices); wrong != "" {
		t.Errorf("%s as %s: got %d with the header %s %q", pattern(r), role, a.Status, wrong, a.Header.Get(wrong))
	}
	if r.Download && a.Status == http.StatusOK {
		m.files[pattern(r)] = true
	}
	if ok && pattern(r) == "DELETE /v1/session/all" {
		client, _ = from.session(t, p)
		from.mu.Lock()
		from.sessions[from.tenant+":"+login] = client
		from.mu.Unlock()
	}
	return a
}

// opposite is the case of the tenant that one does not belong to.
func (m *matrix) opposite(from *filedCase) *filedCase {
	if from == m.own {
		return m.other
	}
	return m.own
}

// roles tries every route as every role.
func (m *matrix) roles(t *testing.T) {
	t.Helper()
	nobodys := map[string]string{}
	for kind := range m.own.ids {
		nobodys[kind] = hexID(t)
	}
	tried := map[string]bool{}
	for _, r := range m.own.routes() {
		tried[pattern(r)] = true
		if _, ok := m.samples[pattern(r)]; !ok {
			t.Errorf("%s: add it to the samples of this test", pattern(r))
			continue
		}
		may := casefile.RolesFor(r.Action)
		public := slices.Contains(may, casefile.Anyone)
		for _, role := range append([]casefile.Role{casefile.Anyone, casefile.ReceiptHolder}, casefile.StaffRoles()...) {
			a := m.send(t, m.own, r, m.own.ids, role, m.staff[role])
			switch {
			case public || slices.Contains(may, role):
				served(t, r, role, a, m.samples[pattern(r)].refusal)
				if m.samples[pattern(r)].reach != noRecord {
					if got := said(m.send(t, m.own, r, nobodys, role, m.staff[role])); got != m.absent {
						t.Errorf("%s as %s, absent: got %s", pattern(r), role, got)
					}
				}
			case role == casefile.Anyone:
				if !saidSame(r, a, m.unsigned) {
					t.Errorf("%s without a token: got %s", pattern(r), said(a))
				}
			case !saidSame(r, a, m.absent):
				t.Errorf("%s as %s: got %s, want what is said of an absent record", pattern(r), role, said(a))
			}
		}
	}
	for _, r := range m.own.routes() {
		if r.Download && !m.files[pattern(r)] && m.samples[pattern(r)].refusal == "" {
			t.Errorf("%s gave no file, so nobody looked at its headers", pattern(r))
		}
	}
	for route := range m.samples {
		if !tried[route] {
			t.Errorf("got a sample of %s, which is no route", route)
		}
	}
}

// served makes sure that the one who is responsible is let in: a refusal can
// only come from the state of the record, and never from the form of the body,
// unless the sample itself is one that is refused.
func served(t *testing.T, r web.Route, role casefile.Role, a apiclient.Answer, refusal string) {
	t.Helper()
	var p apiclient.ProblemError
	if a.Status >= http.StatusBadRequest && r.Method != http.MethodHead {
		if err := json.Unmarshal(a.Body, &p); err != nil {
			t.Errorf("%s as %s: %v", pattern(r), role, err)
		}
	}
	if refusal != "" && (p.Code == refusal || r.Method == http.MethodHead) {
		return
	}
	ok := a.Status < http.StatusBadRequest || (r.Method != http.MethodGet && (a.Status == http.StatusConflict || a.Status == http.StatusBadRequest))
	if noun, _, _ := strings.Cut(p.Code, "."); !ok || noun == "body" || noun == "request" || noun == "idempotency_key" {
		t.Errorf("%s as %s: got %d %s, want it allowed", pattern(r), role, a.Status, a.Body)
	}
}

// elsewhere tries every route of a record as people of the right role who are
// not near enough to it, and their lists.
func (m *matrix) elsewhere(t *testing.T) {
	t.Helper()
	for _, r := range m.own.routes() {
		for _, role := range casefile.RolesFor(r.Action) {
			logins := []string{"far-" + string(role)}
			if role == casefile.Inspector || role == casefile.Enforcer {
				logins = append(logins, "near-"+string(role))
			}
			switch reach := m.samples[pattern(r)].reach; {
			case role == casefile.IdentityOfficer || role == casefile.SealLeader: // the rings are the whole tenant's
				continue
			case reach == ofTheCase:
				logins = logins[:1]
			case reach == ofThePerson:
			case isList(r) && r.Action == casefile.TaskWork:
			case isList(r):
				logins = logins[:1]
			default:
				continue
			}
			for _, login := range logins {
				if isList(r) {
					m.listsNothing(t, m.own, r, role, login)
				} else if got := said(m.send(t, m.own, r, m.own.ids, role, login)); got != m.absent {
					t.Errorf("%s as %s: got %s", pattern(r), login, got)
				}
			}
		}
	}
}

// isList says whether a route lists records of the people's areas, and not what
// one record has.
func isList(r web.Route) bool {
	parts := strings.Split(r.Path, "/")
	return r.Method == http.MethodGet && !strings.HasPrefix(r.Path, "/v1/public/") && kinds()[parts[len(parts)-1]] != "" &&
		!strings.HasPrefix(parts[len(parts)-2], ":")
}

// listsNothing makes sure that someone finds nothing of the case in a list, and
// that a cursor made of its record is like one of no record.
func (m *matrix) listsNothing(t *testing.T, from *filedCase, r web.Route, role casefile.Role, login string) {
	t.Helper()
	a := m.send(t, from, r, m.own.ids, role, login)
	served(t, r, role, a, "")
	for kind, id := range m.own.ids {
		if within(a.Body, id) {
			t.Errorf("%s as %s of %s shows the %s", pattern(r), login, from.tenant, kind)
		}
	}
	kind := kinds()[r.Path[strings.LastIndex(r.Path, "/")+1:]]
	var answers []string
	for _, id := range []string{m.own.ids[kind], hexID(t)} {
		a, _ := from.client(login).Do(t.Context(), apiclient.Call{Method: r.Method, Path: r.Path + "?cursor=" + web.Cursor(id)}, nil)
		answers = append(answers, said(a))
	}
	if answers[0] != answers[1] {
		t.Errorf("%s as %s of %s: a cursor of the %s gets %s, of nothing %s", pattern(r), login, from.tenant, kind, answers[0], answers[1])
	}
}

// foreign tries every route with the ids of this case as the other tenant's
// people of the right role, and reads all that they can list.
func (m *matrix) foreign(t *testing.T) {
	t.Helper()
	for _, r := range m.own.routes() {
		for _, role := range casefile.RolesFor(r.Action) {
			login, ok := m.staff[role]
			if role == casefile.Inspector {
				login = m.other.inspector
			}
			switch {
			case !ok:
			case m.samples[pattern(r)].reach != noRecord:
				if got := said(m.send(t, m.other, r, m.own.ids, role, login)); got != m.absent {
					t.Errorf("%s as %s of %s: got %s", pattern(r), role, m.other.tenant, got)
				}
			case isList(r):
				m.listsNothing(t, m.other, r, role, login)
			case r.Method == http.MethodGet:
				served(t, r, role, m.send(t, m.other, r, m.own.ids, role, login), "") // and looked through
			}
		}
	}
	m.foreignPersons(t)
}

// foreignPersons: the other tenant can give a task to this one's inspector as
// little as to nobody.
func (m *matrix) foreignPersons(t *testing.T) {
	t.Helper()
	var answers []string
	for _, person := range []string{m.own.persons(m.own.inspector)[0], hexID(t)} {
		a, _ := m.other.client("township1").Do(t.Context(), apiclient.Call{
			Method: http.MethodPost, Path: "/v1/office/tasks", Key: freshKey(), Body: m.other.plan(person),
		}, nil)
		answers = append(answers, said(a))
	}
	if answers[0] != answers[1] || !strings.Contains(answers[0], "assignee.unfit") {
		t.Errorf("a task for a person of %s: got %s, for nobody %s", m.own.tenant, answers[0], answers[1])
	}
}
