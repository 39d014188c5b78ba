package app_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gridwatch/media/mediatest"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/grid"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// doc is a JSON object.
type doc = map[string]any

// filedCase is one tenant's case, taken so far that every kind of record
// exists: its award is notified, and the opening of its identity is peeled.
type filedCase struct {
	*world

	t         *testing.T
	tenant    string
	at        grid.WGS84        // the target
	here      doc               // the target as it is sent
	area      string            // of the tenant
	year      string            // of the budget
	ids       map[string]string // by kind
	sent      map[string]string // what the reporter sent, by what it is
	number    string            // of registration
	inspector string            // login of the inspector of both patrols
	receipt   apiclient.Client
	refresh   string // token of a session of device
}

const device = "device-of-the-refresh-token-1"

// freshKey is an Idempotency-Key.
func freshKey() string { return rand.Text() }

func hexID(t *testing.T) string {
	t.Helper()
	id, err := vault.NewID(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// authenticator is the secret of everybody whom a test hires.
const authenticator = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

// hire imports a person whose only post is a role in an area, and who has an
// authenticator.
func (w *world) hire(t *testing.T, tenant, login string, role casefile.Role, area string) {
	t.Helper()
	s, keyring := w.join(t, tenant, login, role, area)
	s.TOTP = authenticator
	if err := workflow.Enrol(t.Context(), w.store.Accounts, keyring, rand.Reader, tenant, login, authenticator); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.people = append(w.people, s)
}

// join imports a person who never signed in.
func (w *world) join(t *testing.T, tenant, login string, role casefile.Role, area string) (demo.SignIn, *vault.Keyring) {
	t.Helper()
	var path string
	for _, s := range w.settings {
		if p, ok := strings.CutPrefix(s, "GRID_KEYRING="); ok {
			path = p
		}
	}
	keyring, err := vault.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	im := workflow.Import{Store: w.store.Loader, Directory: w.store.Directory, Hasher: vault.NewHasher(keyring, quick(), 1, rand.Reader)}
	from := time.Now().AddDate(-1, 0, 0).UTC()
	s := demo.SignIn{Tenant: tenant, Login: login, Person: hexID(t), Roles: []casefile.Role{role}, Password: rand.Text()}
	err = im.Person(t.Context(), casefile.Person{
		ID: s.Person, Tenant: tenant, Login: login, Label: string(role), Posts: []casefile.Post{{Role: role, Area: area, From: from}},
		Certificates: []casefile.Certificate{{Number: "T-" + login, From: from, To: from.AddDate(9, 0, 0)}},
	}, s.Password)
	if err != nil {
		t.Fatal(err)
	}
	return s, keyring
}

// hireAll gives a tenant whoever the played tenant has and it lacks, for every
// role somebody in another township, and two who are not assigned to anything.
func (c *filedCase) hireAll() {
	c.t.Helper()
	for _, p := range slices.Clone(c.people) {
		if _, ok := c.find(p.Login); p.Tenant == demo.Tenant && !ok {
			c.hire(c.t, c.tenant, p.Login, p.Roles[0], c.area)
		}
	}
	for _, role := range casefile.StaffRoles() {
		c.hire(c.t, c.tenant, "far-"+string(role), role, c.area[:6]+"101000")
	}
	c.hire(c.t, c.tenant, "near-inspector", casefile.Inspector, c.area)
	c.hire(c.t, c.tenant, "near-enforcer", casefile.Enforcer, c.area)
}

func (c *filedCase) find(login string) (demo.SignIn, bool) {
	at := slices.IndexFunc(c.people, func(p demo.SignIn) bool { return p.Tenant == c.tenant && p.Login == login })
	if at < 0 {
		return demo.SignIn{}, false
	}
	return c.people[at], true
}

// persons are the ids of people.
func (c *filedCase) persons(logins ...string) []string {
	var ids []string
	for _, login := range logins {
		p, ok := c.find(login)
		if !ok {
			c.t.Fatalf("nobody signs in as %s", login)
		}
		ids = append(ids, p.Person)
	}
	return ids
}

func (c *filedCase) client(login string) apiclient.Client { return c.as(c.t, c.tenant+":"+login) }

// do carries a command out and returns its outcome.
func (c *filedCase) do(login, path string, body any) casefile.Outcome {
	c.t.Helper()
	var out casefile.Outcome
	_, err := c.client(login).Do(c.t.Context(), apiclient.Call{Method: http.MethodPost, Path: path, Key: freshKey(), Body: body}, &out)
	if err != nil {
		c.t.Fatalf("%s: %v", login, err)
	}
	return out
}

func (c *filedCase) get(login, path string, out any) {
	c.t.Helper()
	if _, err := c.client(login).Do(c.t.Context(), apiclient.Call{Method: http.MethodGet, Path: path}, out); err != nil {
		c.t.Fatalf("%s: %v", login, err)
	}
}

// await asks until the answer holds a text.
func (c *filedCase) await(login, path, text string) {
	c.t.Helper()
	awaited(c.t, fmt.Sprintf("%s in %s as %s", text, path, login), func() bool {
		a, err := c.client(login).Do(c.t.Context(), apiclient.Call{Method: http.MethodGet, Path: path}, nil)
		return err == nil && bytes.Contains(a.Body, []byte(text))
	})
}

// prepare files a case of a tenant.
func prepare(t *testing.T, w *world, tenant string) *filedCase {
	t.Helper()
	c := &filedCase{world: w, t: t, tenant: tenant, ids: map[string]string{}, year: strconv.Itoa(time.Now().In(workflow.Shanghai()).Year())}
	of, err := w.store.Directory.Tenant(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	c.area = of.Area
	grids, err := w.store.Directory.Grids(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	in := max(0, slices.IndexFunc(grids, func(g grid.Grid) bool { return casefile.Under(string(g.Code), of.Area[:6]+"100000") }))
	c.at = grids[in].Centre()
	c.here = doc{"lon": c.at.Lon, "lat": c.at.Lat, "datum": "wgs84"}
	c.hireAll()
	c.submit()
	c.verify()
	c.inspect()
	c.punish()
	c.leads()
	c.reward()
	c.talk()
	c.open()
	c.reach()
	c.signIn()
	c.administer()
	c.publish()
	return c
}

// submit sends a report in which every value can be recognised.
func (c *filedCase) submit() {
	c.t.Helper()
	mark := func(what string) string { return "canary-" + what + "-" + rand.Text() }
	s := map[string]string{"key": freshKey(), "file": mark("file") + ".jpg", "serial": mark("serial")}
	for _, what := range []string{"name", "employer", "payee", "bank", "narrative", "wording", "target", "message", "objection"} {
		s[what] = mark(what)
	}
	s["id number"], s["account"], s["phone"] = "ID"+rand.Text(), "ACC"+rand.Text(), "PHONE"+rand.Text()
	stood := grid.WGS84{Lon: c.at.Lon + 0.00061, Lat: c.at.Lat + 0.00029}
	s["position"] = strconv.FormatFloat(stood.Lon, 'f', -1, 64)
	photo := mediatest.Picture(mediatest.Options{
		Width: 320, Height: 240, Seed: uint64(len(c.tenant)), Lon: stood.Lon, Lat: stood.Lat, Make: "Canary", Serial: s["serial"], Time: time.Now(),
	})
	sum := sha256.Sum256(photo)
	s["digest"] = hex.EncodeToString(sum[:])
	text, err := json.Marshal(doc{
		"mode": casefile.RealName, "narrative": s["narrative"], "targetText": s["target"], "target": c.here,
		"allegations": []doc{{"matter": casefile.IllegalAct, "text": s["wording"]}},
		"stood":       doc{"lon": stood.Lon, "lat": stood.Lat, "datum": "wgs84"},
		"identity": doc{
			"name": s["name"], "idNumber": s["id number"], "employer": s["employer"], "relation": "employee",
			"payeeName": s["payee"], "payeeBank": s["bank"], "payeeAccount": s["account"],
		},
		"contact": doc{"kind": "phone", "value": s["phone"]},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	var made struct{ Number, Code string }
	_, err = c.anyone().Do(c.t.Context(), apiclient.Call{
		Method: http.MethodPost, Path: "/v1/public/" + c.tenant + "/reports", Key: s["key"],
		Form: new(apiclient.Form).JSON("report", text).File("evidence", s["file"], "image/jpeg", photo),
	}, &made)
	if err != nil {
		c.t.Fatal(err)
	}
	var session struct{ Token string }
	_, err = c.anyone().Do(c.t.Context(), apiclient.Call{
		Method: http.MethodPost, Path: "/v1/receipt/session", Body: doc{"code": made.Code},
	}, &session)
	if err != nil {
		c.t.Fatal(err)
	}
	s["code"], s["receipt token"] = made.Code, session.Token
	c.sent, c.number, c.receipt = s, made.Number, c.anyone()
	c.receipt.Token = session.Token
}
