package app_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gridwatch/media/blobtest"
	"gridwatch/media/mediatest"
	"gridwatch/server/app"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// tap lies between the clients and the server. It keeps what each was told,
// and every secret that crossed it.
type tap struct {
	*http.Transport

	host string

	mu      sync.Mutex
	who     map[string]string // by bearer token
	told    map[string][]byte // by who
	secrets map[string]canary
}

// RoundTrip implements http.RoundTripper.
func (p *tap) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != p.host {
		return p.Transport.RoundTrip(req)
	}
	var asked struct {
		Login    string `json:"login"`
		Password string `json:"password"`
		Token    string `json:"token"`
		Half     string `json:"half"`
	}
	if strings.HasPrefix(req.URL.Path, "/v1/session") && req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		if err := json.NewDecoder(body).Decode(&asked); err != nil {
			return nil, err
		}
	}
	res, err := p.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	var given struct {
		Access  string `json:"access"`
		Refresh string `json:"refresh"`
		Token   string `json:"token"`
		Code    string `json:"code"`
		Half    string `json:"half"`
	}
	if res.StatusCode < http.StatusBadRequest {
		_ = json.Unmarshal(body, &given) // most answers are something else
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	bearer := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
	who := p.who[bearer]
	if asked.Half != "" {
		asked.Login = p.who[asked.Half]
	}
	if given.Access+given.Refresh+given.Token+given.Code+given.Half != "" {
		who = "whom it is issued to"
		p.who[given.Access], p.who[given.Half], p.who[given.Token] = asked.Login, asked.Login, "the reporter"
	}
	p.who[""] = "anyone"
	p.told[who] = append(append(p.told[who], body...), '\n')
	p.keep(phone, asked.Token)
	for _, s := range []string{
		bearer, asked.Password, given.Access, given.Refresh, given.Token, given.Half, given.Code, strings.ReplaceAll(given.Code, "-", ""),
		req.Header.Get("Idempotency-Key"),
	} {
		p.keep(secret, s)
	}
	return res, nil
}

func (p *tap) keep(kind, text string) {
	if len(text) < 12 {
		return
	}
	p.secrets[text] = canary{kind, text, []byte(text)}
	if raw, err := hex.DecodeString(text); err == nil && len(raw) >= 16 {
		p.secrets[text+" raw"] = canary{kind, text + " (raw)", raw}
	}
}

// marked is a report all of whose content is canaries.
type marked struct {
	parcel

	form     *apiclient.Form
	canaries []canary
}

func (m *marked) mark(kind, name, text string) string {
	m.canaries = append(m.canaries, canary{kind, name + " " + text, []byte(text)})
	return text
}

func (m *marked) place(kind, name string) (float64, float64) {
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
	contact := vault.Contact{Kind: "phone", Value: m.mark(identity, "phone", rand.Text())}
	m.form = new(apiclient.Form)
	if rings == nil {
		m.body["contact"] = map[string]any{"kind": contact.Kind, "value": contact.Value}
		m.body["identity"] = map[string]any{
			"name": id.Name, "idNumber": id.IDNumber, "employer": id.Employer, "relation": id.Relation,
			"payeeName": id.PayeeName, "payeeBank": id.PayeeBank, "payeeAccount": id.PayeeAccount,
		}
		m.form.JSON("report", m.text(t))
	} else {
		id.Binding = newParcel(t).key
		contact.Binding = id.Binding
		first, err := vault.SealIdentity(*rings, id)
		if err != nil {
			t.Fatal(err)
		}
		second, err := vault.SealContact(*rings, contact)
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

// TestNothingLeaks sends reports full of canaries, works on them, plays the
// demo from its report to an opened identity and a paid award, and then
// searches all that is kept and all that was said. It is not parallel: the
// folder of temporary files is that of the process.
func TestNothingLeaks(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	w := start(t)
	wire := &tap{
		Transport: w.http.Transport.(*http.Transport), host: strings.TrimPrefix(w.base, "http://"),
		who: map[string]string{"": "anyone"}, told: map[string][]byte{}, secrets: map[string]canary{},
	}
	w.http.Transport = wire
	tenant, err := w.store.Directory.Tenant(t.Context(), demo.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	rings, err := vault.ParseRings(tenant.Rings.A, tenant.Rings.B)
	if err != nil {
		t.Fatal(err)
	}
	canaries := ofDemo()
	var reports []casefile.Report
	for _, m := range []*marked{
		newMarked(t, nil, false), newMarked(t, nil, true), newMarked(t, &rings, false), newMarked(t, &rings, true),
	} {
		canaries = append(canaries, m.canaries...)
		reports = append(reports, w.submit(t, m))
	}
	w.handle(t, &reports[1])
	err = demo.Play(t.Context(), demo.PlayDeps{
		BaseURL: w.base, FCM: w.fcmURL, Dir: w.dir, Fines: []int64{10_000}, Out: io.Discard, Now: time.Now, Random: rand.Reader, HTTP: w.http,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.askAll(t, &reports[1])

	hay := w.haystacks(t, wire)
	canaries = slices.AppendSeq(canaries, maps.Values(wire.secrets))
	for _, p := range w.people {
		canaries = append(canaries, canary{secret, "password of " + p.Login, []byte(p.Password)})
	}
	t.Logf("%d canaries, %d haystacks", len(canaries), len(hay))
	for _, hit := range scan(hay, canaries) {
		t.Error(hit)
	}

	// They did go through the system, and the search does see them.
	for i := range hay {
		if len(hay[i].data) == 0 {
			t.Errorf("%s is empty", hay[i].name)
		}
		if len(hay[i].may) > 0 && len(scan([]haystack{{name: hay[i].name, data: hay[i].data}}, canaries)) == 0 {
			t.Errorf("%s holds no canary, where some belong", hay[i].name)
		}
	}
	checkScan(t, hay)
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
	post(desk, apiclient.Call{Path: path + "/evidence/" + r.Evidence[0].ID + "/release"})
	task := post(desk, apiclient.Call{Path: path + "/assign", Body: map[string]any{"persons": []string{demo.Tenant + "-inspector1"}}}).Ref
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
	if err := errors.Join(err, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	ids["tasks"], ids["inspections"], ids["penalties"] = tasks[0].ID, visits[0].ID, penalties[0].ID
	ids["awards"], ids["openings"] = awards[0].ID, openings[0].ID
	asked := map[casefile.Role]bool{}
	for _, p := range w.people {
		if p.Tenant != demo.Tenant || asked[p.Roles[0]] {
			continue
		}
		asked[p.Roles[0]] = true
		c := w.as(t, p.Login)
		for _, route := range app.Routes(w.app.Service(), nil) {
			if route.Method != http.MethodGet {
				continue
			}
			noun, _, _ := strings.Cut(route.Path, "/:id")
			at := strings.NewReplacer(":id", ids[path.Base(noun)], ":item", r.Evidence[0].ID, ":year", fmt.Sprint(time.Now().Year()), ":tenant", demo.Tenant).Replace(route.Path)
			if answer, err := c.Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: at}, nil); answer.Status == 0 || answer.Status >= http.StatusInternalServerError {
				t.Errorf("%s as %s: %v", at, p.Login, err)
			}
		}
	}
}

// haystacks are all places that are searched, and what belongs there.
func (w *world) haystacks(t *testing.T, wire *tap) []haystack {
	t.Helper()
	var database, objects, pushes bytes.Buffer
	if err := w.store.Dump(t.Context(), &database); err != nil {
		t.Fatal(err)
	}
	err := w.objects.List(t.Context(), "", func(key string, _ time.Time) error {
		body, err := w.objects.Get(t.Context(), key)
		if err != nil {
			return err
		}
		defer body.Close()
		objects.WriteString(key)
		_, err = objects.ReadFrom(body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range w.fcm.Received() {
		pushes.Write(m.Body)
	}
	metrics, err := apiclient.Client{Base: w.ops, HTTP: w.http}.Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/metrics"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	hay := []haystack{
		{"the database", database.Bytes(), nil},
		{"the object store", objects.Bytes(), nil},
		{"the metrics", metrics.Body, nil},
		{"the pushes", pushes.Bytes(), []string{phone}},
		{"the log", []byte(w.logs.String()), nil},
		{"the temporary files", folder(t, os.TempDir(), w.dir), nil},
	}
	prefix := ""
	for _, s := range w.settings {
		if p, ok := strings.CutPrefix(s, "GRID_S3_PREFIX="); ok {
			prefix = p
		}
	}
	disk := filepath.Join("..", "..", ".stack", "minio", "disk", blobtest.Bucket, prefix)
	if _, err := os.Stat(disk); err == nil {
		hay = append(hay, haystack{"the object store's disk", folder(t, disk, ""), nil})
	} else {
		t.Logf("the object store is not that of the local stack, so its disk is out of reach: %v", err)
	}
	for who, told := range wire.told {
		h := haystack{name: "what is told to " + who, data: told}
		switch {
		case strings.HasPrefix(who, "desk"):
			h.may = []string{words, capture}
		case who == "whom it is issued to":
			h.may = []string{secret}
		}
		hay = append(hay, h)
	}
	return hay
}
