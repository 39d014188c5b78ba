package app_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	random "math/rand/v2"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"gridwatch/media/mediatest"
	"gridwatch/server/app"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/canarytest"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// marked is a report all of whose content is canaries.
type marked struct {
	parcel

	form     *apiclient.Form
	code     string // of the receipt, once it is submitted
	canaries []canarytest.Canary
}

func (m *marked) mark(kind canarytest.Kind, name, text string) string {
	m.canaries = append(m.canaries, canarytest.Text(kind, name, text))
	return text
}

func (m *marked) place(kind canarytest.Kind, name string) (float64, float64) {
	lon, first := degrees(kind, name+" lon", 126)
	lat, second := degrees(kind, name+" lat", 44)
	m.canaries = append(m.canaries, append(first, second...)...)
	return lon, lat
}

// newMarked makes a real-name report; its identity is sealed by the client if
// rings are given, and by the server if not.
func newMarked(t *testing.T, rings *vault.Rings, long bool) *marked {
	t.Helper()
	m := &marked{parcel: newParcel(t)}
	lon, lat := m.place(capture, "EXIF")
	m.photo = mediatest.Tag(scene(), mediatest.Options{
		Lon: lon, Lat: lat, Time: time.Now(), Make: m.mark(capture, "make", rand.Text()), Serial: m.mark(capture, "serial", rand.Text()),
		Comment: m.mark(capture, "comment", chinese()), Software: m.mark(capture, "software", rand.Text()),
	})
	sum := sha256.Sum256(m.photo)
	m.canaries = append(m.canaries,
		canarytest.Canary{Kind: digest, Name: "SHA-256 of the photo", Raw: sum[:]},
		canarytest.Canary{Kind: capture, Name: "bytes of the photo", Raw: m.photo[len(m.photo)/2:][:64], Common: true})
	lon, lat = m.place(words, "stood")
	narrative := m.mark(words, "narrative", rand.Text()) + m.mark(words, "narrative", chinese())
	if long {
		narrative = strings.Repeat("long ", 1000) + narrative + strings.Repeat(" and longer", 1000)
	}
	m.body = map[string]any{
		"mode": casefile.RealName, "narrative": narrative, "targetText": m.mark(words, "target", chinese()),
		"allegations": []map[string]any{{"matter": casefile.IllegalAct, "text": m.mark(words, "allegation", chinese())}},
		"stood":       map[string]any{"lon": lon, "lat": lat, "datum": "wgs84"},
		"evidence":    []map[string]string{{"sha256": m.digest()}},
	}
	id := vault.Identity{
		Name: m.mark(identity, "name", chinese()), IDNumber: m.mark(identity, "ID number", rand.Text()),
		Employer: m.mark(identity, "employer", chinese()), Relation: vault.RelationEmployee,
		PayeeName: m.mark(identity, "payee", chinese()), PayeeBank: m.mark(identity, "bank", chinese()),
		PayeeAccount: m.mark(identity, "account", rand.Text()),
	}
	reach := vault.Contact{Kind: "phone", Value: m.mark(contact, "phone", rand.Text())}
	m.form = new(apiclient.Form)
	if rings == nil {
		m.body["contact"] = map[string]any{"kind": reach.Kind, "value": reach.Value}
		m.body["identity"] = map[string]any{
			"name": id.Name, "idNumber": id.IDNumber, "employer": id.Employer, "relation": id.Relation,
			"payeeName": id.PayeeName, "payeeBank": id.PayeeBank, "payeeAccount": id.PayeeAccount,
		}
		m.form.JSON("report", m.text(t))
	} else {
		id.Binding = newParcel(t).key
		reach.Binding = id.Binding
		first, err := vault.SealIdentity(*rings, id)
		if err != nil {
			t.Fatal(err)
		}
		second, err := vault.SealContact(*rings, reach)
		if err != nil {
			t.Fatal(err)
		}
		m.body["sealed"] = map[string]string{"innerDigest": first.InnerDigest, "binding": id.Binding}
		m.form.JSON("report", m.text(t)).File("identity", "", "application/octet-stream", first.File).
			File("contact", "", "application/octet-stream", second.File)
	}
	m.form.File("evidence", m.mark(words, "file name", rand.Text())+".jpg", "image/jpeg", m.photo)
	return m
}

func (m *marked) text(t *testing.T) []byte {
	t.Helper()
	text, err := json.Marshal(m.body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// plant is the one leak that the run is to have, see plants.
var plant = flag.String("plant", "", "plant one leak and let TestNothingLeaks find it: "+strings.Join(slices.Sorted(maps.Keys(plants())), ", "))

// TestNothingLeaks sends reports full of canaries, works on them, plays the
// demo from its report to an opened identity and a paid award, lets a server
// end in the middle of it, and then searches all that is kept and all that was
// said. It is not parallel: the folder of temporary files is the process's.
func TestNothingLeaks(t *testing.T) {
	s := newSweep(t)
	canaries := slices.Concat(ofDemo(), s.play(t), s.keys(t))
	if *plant != "" {
		of, ok := plants()[*plant]
		if !ok {
			t.Fatalf("there is no leak %q to plant", *plant)
		}
		canary := of.canary(t, canaries, "planted:")
		if of.mark == "" {
			canaries = append(canaries, canary)
		}
		of.plant(t, s, string(canary.Raw))
	}
	s.checkCollections(t)
	places := s.places(t)
	s.wire.mu.Lock()
	canaries = slices.AppendSeq(canaries, maps.Values(s.wire.secrets))
	s.wire.mu.Unlock()
	for _, p := range s.people {
		canaries = append(canaries, canarytest.Text(secret, "password of "+p.Login, p.Password))
	}
	found, err := canarytest.Sweep(places, canaries)
	if err != nil {
		t.Fatal(err)
	}
	if err := found.Print(t.Output()); err != nil {
		t.Error(err)
	}
	if n := len(found.Leaks()); n > 0 {
		t.Errorf("%d leaks, see above", n)
	}
	// The canaries did go through the system, and the search does see them.
	for _, searched := range found.Places {
		if searched.Bytes == 0 {
			t.Errorf("%s is empty", searched.Place.Name)
		}
		if len(searched.Place.May) > 0 && found.Owned(searched.Place.Name) == 0 {
			t.Errorf("%s holds no canary, where some belong", searched.Place.Name)
		}
	}
}

// play is what the sweep looks at: it returns the canaries of the reports.
func (s *sweep) play(t *testing.T) []canarytest.Canary {
	t.Helper()
	tenant, err := s.store.Directory.Tenant(t.Context(), demo.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	rings, err := vault.ParseRings(tenant.Rings.A, tenant.Rings.B)
	if err != nil {
		t.Fatal(err)
	}
	var canaries []canarytest.Canary
	var reports []casefile.Report
	sent := []*marked{newMarked(t, nil, false), newMarked(t, nil, true), newMarked(t, &rings, false), newMarked(t, &rings, true)}
	for _, m := range sent {
		reports = append(reports, s.submit(t, m))
	}
	s.handle(t, &reports[1])
	s.talk(t, sent[1], &reports[1])
	s.pieces(t, sent[1], &reports[1])
	s.refuse(t, sent[2], &reports[2])
	s.withdraw(t, sent[3])
	canaries = append(canaries, s.call(t)...)
	canaries = append(canaries, s.lead(t)...)
	s.reach(t, reports)
	err = demo.Play(t.Context(), demo.PlayDeps{
		BaseURL: s.base, FCM: s.fcmURL, Dir: s.dir, Fines: []int64{10_000}, Out: io.Discard, Now: time.Now, Random: rand.Reader, HTTP: s.http,
	})
	if err != nil {
		t.Fatal(err)
	}
	canaries = append(canaries, s.record(t)...)
	s.askAll(t, &reports[1])
	s.export(t)
	s.passwords(t)
	s.sealAway(t, &reports[3])
	for _, m := range sent {
		canaries = append(canaries, m.canaries...)
	}
	whole, half := newMarked(t, nil, true), newMarked(t, nil, false)
	s.crash(t, whole, half)
	return append(append(canaries, whole.canaries...), half.canaries...)
}

// reach has the contacts of reports used in both ways: the gateway calls the
// reporters, and the officer's terminal shows their numbers.
func (s *sweep) reach(t *testing.T, reports []casefile.Report) {
	t.Helper()
	c := &reachable{world: s.world, t: t, line: s.line}
	for way, flags := range map[casefile.Way][]string{casefile.ByTerminal: nil, casefile.ByGateway: {"--gateway", s.line.file("gateway.pub")}} {
		approval := c.approve("call_back", fmt.Sprint(len(reports)), flags...)
		for _, r := range reports {
			c.report = r.ID
			c.does("identity1", "call", "--approval", approval, "--via", string(way), "--root", c.root(), "--yes", "--report", r.ID)
		}
	}
	for _, r := range reports {
		c.report = r.ID
		c.finished(2)
	}
	if calls := s.line.called(t); len(calls) != len(reports) {
		t.Errorf("the gateway made %d calls, want %d", len(calls), len(reports))
	}
}

// submit sends a report, again with another body, and with a mistake.
func (w *world) submit(t *testing.T, m *marked) casefile.Report {
	t.Helper()
	call := apiclient.Call{Method: http.MethodPost, Path: reportsPath, Key: m.key, Form: m.form}
	answer, err := w.anyone().Do(t.Context(), call, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := answered(t, answer)
	m.code = got.Code
	if number := w.followed(t, got.Code); number != got.Number {
		t.Errorf("the receipt shows number %s, want %s", number, got.Number)
	}
	if other, _ := m.send(t.Context(), w.anyone()); other.Status < http.StatusBadRequest {
		t.Errorf("another body under the same key: got %d", other.Status)
	}
	m.body["evidence"] = m.mark(words, "mistake", rand.Text())
	if wrong, _ := m.send(t.Context(), w.anyone()); wrong.Status != http.StatusBadRequest {
		t.Errorf("a body with a mistake: got %d, want 400", wrong.Status)
	}
	return w.reports(t)[got.Number]
}

// handle takes a report to the result of its patrol.
func (w *world) handle(t *testing.T, r *casefile.Report) {
	t.Helper()
	desk, inspector := w.as(t, "desk1"), w.as(t, "inspector1")
	post := func(c apiclient.Client, call apiclient.Call) casefile.Outcome {
		var out casefile.Outcome
		call.Method, call.Key = http.MethodPost, newParcel(t).key
		if _, err := c.Do(t.Context(), call, &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	post(inspector, apiclient.Call{Path: "/v1/session/devices", Body: map[string]string{"token": "phone-" + rand.Text()}})
	path, place, ref := "/v1/office/reports/"+r.ID, w.inspected(t), r.Allegations[0].ID
	post(desk, apiclient.Call{Path: path + "/accept"})
	post(desk, apiclient.Call{Path: path + "/target", Body: map[string]any{"place": place, "name": "demo workshop"}})
	post(desk, apiclient.Call{Path: path + "/brief", Body: map[string]any{
		"text": "Patrol of a workshop.", "items": []map[string]string{{"ref": ref, "text": "storage of gas bottles"}},
	}})
	post(desk, apiclient.Call{Path: path + "/evidence/" + r.Evidence[0].ID + "/release", Body: map[string]any{}})
	task := post(desk, apiclient.Call{Path: path + "/assign", Body: map[string]any{"persons": []string{demo.Tenant + "-inspector1"}, "imminent": true}}).Ref
	awaited(t, "the task and its push", func() bool {
		_, err := w.store.Tasks.Get(t.Context(), demo.Tenant, task)
		return err == nil && len(w.fcm.Received()) > 0
	})
	result, err := json.Marshal(map[string]any{"findings": []map[string]any{{"ref": ref, "finding": casefile.Substantiated}}, "position": place})
	if err != nil {
		t.Fatal(err)
	}
	post(inspector, apiclient.Call{Path: "/v1/field/tasks/" + task + "/seen"})
	post(inspector, apiclient.Call{Path: "/v1/field/tasks/" + task + "/acknowledge"})
	post(inspector, apiclient.Call{Path: "/v1/field/tasks/" + task + "/result", Form: new(apiclient.Form).JSON("result", result)})
}

// askAll lets one person of each role ask for everything that can be read, of
// one report and of one record of each kind.
func (w *world) askAll(t *testing.T, r *casefile.Report) {
	t.Helper()
	q, ids := workflow.Query{Tenant: demo.Tenant, Limit: 1}, map[string]string{"reports": r.ID}
	tasks, err := w.store.Tasks.List(t.Context(), q)
	visits, err2 := w.store.Visits.List(t.Context(), q)
	penalties, err3 := w.store.Penalties.List(t.Context(), q)
	awards, err4 := w.store.Awards.List(t.Context(), q)
	openings, err5 := w.store.Openings.List(t.Context(), q)
	approvals, err6 := w.store.Approvals.List(t.Context(), q)
	contacts, err7 := w.store.Contacts.List(t.Context(), q)
	if err := errors.Join(err, err2, err3, err4, err5, err6, err7); err != nil {
		t.Fatal(err)
	}
	ids["tasks"], ids["inspections"], ids["penalties"] = tasks[0].ID, visits[0].ID, penalties[0].ID
	ids["awards"], ids["openings"] = awards[0].ID, openings[0].ID
	leads, err := w.store.Leads.List(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	ids["leads"], ids["people"], ids["rechecks"] = leads[0].ID, w.people[0].Person, r.ID
	ids["approvals"], ids["contacts"] = approvals[0].ID, contacts[0].ID
	asked := map[string]bool{}
	for _, p := range w.people {
		role := p.Tenant + " " + string(p.Roles[0])
		if asked[role] {
			continue
		}
		asked[role] = true
		login := p.Login
		if p.Tenant != demo.Tenant {
			login = p.Tenant + ":" + login
		}
		c := w.as(t, login)
		for _, route := range app.Routes(w.app.Service(), nil) {
			if route.Method != http.MethodGet {
				continue
			}
			noun, _, _ := strings.Cut(route.Path, "/:id")
			at := strings.NewReplacer(":id", ids[path.Base(noun)], ":item", r.Evidence[0].ID, ":year", fmt.Sprint(time.Now().Year()), ":tenant", demo.Tenant).Replace(route.Path)
			awaited(t, "room for the account", func() bool {
				answer, err := c.Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: at}, nil)
				if apiclient.CodeOf(err) == tooMany {
					return false
				}
				if answer.Status == 0 || answer.Status >= http.StatusInternalServerError {
					t.Errorf("%s as %s: %v", at, p.Login, err)
				}
				return true
			})
		}
	}
}

// chinese is a random text of eight common characters.
func chinese() string {
	var text []byte
	for range 8 {
		text = append(text, byte(0xB0+random.IntN(0x27)), byte(0xA1+random.IntN(0x5E))) // GB 2312, level 1
	}
	out, _ := simplifiedchinese.GBK.NewDecoder().Bytes(text) // every one of these is a character
	return string(out)
}

// degrees draws a coordinate of whole degrees and some, and what gives it away.
func degrees(kind canarytest.Kind, name string, whole int) (float64, []canarytest.Canary) {
	digits := fmt.Sprintf("%d.%06d", whole, 100_000+random.IntN(800_000))
	v, _ := strconv.ParseFloat(digits+"5", 64) // these are digits
	return v, canarytest.Degrees(kind, name, digits, v)
}

// ofDemo are what the demo's reporter says and is.
func ofDemo() []canarytest.Canary {
	var all []canarytest.Canary
	for kind, texts := range map[canarytest.Kind][]string{
		identity: {"demo reporter", "演示举报人"},
		words:    {"men weld next to them", "车间内气瓶靠近火源", "are kept beside a stove, without", "Welding goes on without", "the workshop by the road in"},
		capture:  {"DEMO-SERIAL-0001", "DemoPhone"},
	} {
		for _, text := range texts {
			c := canarytest.Text(kind, "of the demo:", text)
			c.Common = true
			all = append(all, c)
		}
	}
	return all
}

// passwords has somebody change the password: once not knowing it, once well.
func (s *sweep) passwords(t *testing.T) {
	t.Helper()
	who, _ := s.join(t, demo.Tenant, "walker", casefile.Inspector, "220182000000")
	c, err := apiclient.Client{Base: s.base, HTTP: s.http}.SignIn(t.Context(), apiclient.Credentials{
		Tenant: demo.Tenant, Login: who.Login, Password: who.Password, Device: newKey(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	change := func(current string) error {
		_, err := c.Do(t.Context(), apiclient.Call{
			Method: http.MethodPost, Path: "/v1/session/password", Body: object{"current": current, "new": "canary passphrase " + newKey(t)},
		}, nil)
		return err
	}
	if err := change("canary guess " + newKey(t)); apiclient.CodeOf(err) != "password.wrong" {
		t.Fatalf("a guess: got %v", err)
	}
	if err := change(who.Password); err != nil {
		t.Fatal(err)
	}
}
