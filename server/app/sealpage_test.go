package app_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"gridwatch/server/app"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
	"gridwatch/server/vault/agetest"
	"gridwatch/server/workflow"
)

// fill types into the page's form by id.
func fill(fields map[string]string) chromedp.Action {
	var all chromedp.Tasks
	for id, value := range fields {
		all = append(all, chromedp.SetValue("#"+id, value, chromedp.ByID))
	}
	return all
}

// heldKeys are the versions of a ring's key that an officer of the demo holds.
func (w *world) heldKeys(t *testing.T, login string, ring vault.Ring) (*vault.OfficerKey, []*vault.RingKey) {
	t.Helper()
	file, err := os.ReadFile(demo.KeyFile(w.dir, demo.Tenant, login))
	if err != nil {
		t.Fatal(err)
	}
	key, err := vault.ParseOfficerKey(file, "")
	if err != nil {
		t.Fatal(err)
	}
	r, err := w.store.Rings.Get(t.Context(), demo.Tenant, workflow.RingID(demo.Tenant, ring))
	if err != nil {
		t.Fatal(err)
	}
	var held []*vault.RingKey
	for _, o := range r.Officers {
		for _, share := range o.Shares {
			if o.Key.Recipient != key.Public().Recipient {
				continue
			}
			for _, v := range r.Versions {
				if v.Number != share.Version {
					continue
				}
				k, err := key.Unwrap(v.Number, share.Wrapped, v.Recipient)
				if err != nil {
					t.Fatal(err)
				}
				held = append(held, k)
			}
		}
	}
	if len(held) == 0 {
		t.Fatalf("%s holds no key", login)
	}
	return key, held
}

// A report sealed by the page in a browser, on plain http and while a flood
// waits, is registered; the two rings open it by the code of their tool and by
// the age command; the page breaks no rule of its content security policy.
func TestPageSealsInBrowser(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.crowd(t)
	root, err := demo.Fingerprint(w.dir, demo.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	b := browse(t)
	site := strings.Replace(w.base, "127.0.0.1", intranet, 1)
	page := site + app.ReportPage + "#tenant=" + demo.Tenant + "&root="
	fields := map[string]string{
		"target": "workshop by the bridge", "narrative": "gas bottles beside a stove " + rand.Text(), "mode": "real_name",
		"name": "王" + rand.Text(), "idNumber": "220182199001010000", "employer": "workshop", "relation": "employee",
		"payeeName": "王", "payeeBank": "bank", "payeeAccount": "6200", "phone": "130" + rand.Text(),
	}
	var said string
	b.run(t, chromedp.Navigate(page+strings.Repeat("0", 64)), fill(fields),
		chromedp.Click("#send", chromedp.ByID),
		chromedp.Poll(`document.getElementById("said").textContent.includes("指纹不一致")`, nil))
	if got := w.reports(t); len(got) != 0 {
		t.Fatalf("with another root: got %d reports", len(got))
	}

	photo := filepath.Join(t.TempDir(), "holiday in my village.jpg")
	if err := os.WriteFile(photo, newParcel(t).photo, 0o600); err != nil {
		t.Fatal(err)
	}
	var number, code, kept string
	b.run(t, chromedp.Navigate("about:blank"), chromedp.Navigate(page+root), fill(fields), chromedp.SetUploadFiles("#photos", []string{photo}, chromedp.ByID),
		chromedp.Click("#send", chromedp.ByID),
		chromedp.Poll(`!document.getElementById("receipt").hidden || !document.getElementById("send").disabled`, nil),
		chromedp.Text("#said", &said, chromedp.ByID), chromedp.TextContent("#number", &number, chromedp.ByID), chromedp.TextContent("#code", &code, chromedp.ByID),
		chromedp.Evaluate(`JSON.stringify([document.cookie, localStorage.length, sessionStorage.length, document.getElementById("name").value, isSecureContext])`, &kept))
	if said != "" || w.followed(t, code) != number {
		t.Fatalf("the page said %q, number %s, code %s", said, number, code)
	}
	if kept != `["",0,0,"",false]` {
		t.Errorf("got %s, want no cookie, nothing stored, no name, plain http", kept)
	}
	b.run(t, chromedp.KeyEvent(kb.Escape))
	for at := ""; at != "about:blank"; { // the quick exit
		b.run(t, chromedp.Location(&at))
	}
	b.quiet(t, site, "503 (Service Unavailable)") // what asks for work

	// Were there a script of another's in the page, it would not run, and quiet would tell.
	b.run(t, chromedp.Navigate(page), chromedp.Evaluate(`document.head.append(Object.assign(document.createElement("script"), {text: "document.title = 'run'"}))`, nil),
		chromedp.Title(&said))
	if said == "run" || !b.complained("Content Security Policy") {
		t.Errorf("an inline script: title %q, and the page said %q", said, b.said)
	}

	report := w.reports(t)[number]
	w.opens(t, &report, vault.Identity{
		Name: fields["name"], IDNumber: fields["idNumber"], Employer: fields["employer"], Relation: vault.RelationEmployee,
		PayeeName: fields["payeeName"], PayeeBank: fields["payeeBank"], PayeeAccount: fields["payeeAccount"], Binding: report.Binding,
	}, fields["phone"])
	k := &keepers{world: w, t: t, dir: t.TempDir()}
	if got := k.checks("seal1"); !strings.Contains(got, "1 readable, 0 not") {
		t.Errorf("got %s", got)
	}
}

// The page sends again what the network lost the answer to: one report, one code.
// An anonymous report has envelopes of the size of any other.
func TestPageSendsAgain(t *testing.T) {
	t.Parallel()
	w := start(t)
	root, err := demo.Fingerprint(w.dir, demo.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	b := browse(t)
	var lost atomic.Bool
	chromedp.ListenTarget(b, func(event any) {
		paused, ok := event.(*fetch.EventRequestPaused)
		if !ok {
			return
		}
		act := fetch.ContinueRequest(paused.RequestID).Do
		if paused.ResponseStatusCode == http.StatusCreated && !lost.Swap(true) { // the report is registered by now
			act = fetch.FailRequest(paused.RequestID, network.ErrorReasonConnectionReset).Do
		}
		go func() { _ = act(cdp.WithExecutor(b, chromedp.FromContext(b).Target)) }() // fails when the browser is gone
	})
	var code, said string
	b.run(t, fetch.Enable().WithPatterns([]*fetch.RequestPattern{{URLPattern: "*/reports*", RequestStage: fetch.RequestStageResponse}}),
		chromedp.Navigate(w.base+app.ReportPage+"#tenant="+demo.Tenant+"&root="+root),
		fill(map[string]string{"target": "workshop by the bridge", "narrative": "gas bottles beside a stove", "phone": "typed, then thought better of"}),
		chromedp.Click("#send", chromedp.ByID), chromedp.Poll(`document.getElementById("said").textContent.includes("网络中断")`, nil))
	if got := w.reports(t); len(got) != 1 || !lost.Load() {
		t.Fatalf("got %d reports, want one whose answer was lost", len(got))
	}
	b.run(t, chromedp.Click("#send", chromedp.ByID),
		chromedp.Poll(`!document.getElementById("receipt").hidden || !document.getElementById("send").disabled`, nil),
		chromedp.Text("#said", &said, chromedp.ByID), chromedp.TextContent("#code", &code, chromedp.ByID))
	number, all := w.followed(t, code), w.reports(t)
	report, ok := all[number]
	if len(all) != 1 || !ok || said != "" {
		t.Fatalf("got %d reports, the code opens %q, the page said %q", len(all), number, said)
	}
	w.opens(t, &report, vault.Identity{Relation: vault.RelationNone, Binding: report.Binding}, "")
	b.quiet(t, w.base, "ERR_CONNECTION_RESET")
}

// opens opens a report's envelope twice: by the code of the custody tool, and by
// the age command with the keys of the two rings.
func (w *world) opens(t *testing.T, r *casefile.Report, want vault.Identity, phone string) {
	t.Helper()
	e, err := w.store.Envelopes.Get(t.Context(), r.Tenant, r.Envelope)
	if err != nil {
		t.Fatal(err)
	}
	sealer, ringB := w.heldKeys(t, "seal1", vault.RingB)
	_, ringA := w.heldKeys(t, "identity1", vault.RingA)
	once, err := vault.NewRequestKey()
	if err != nil {
		t.Fatal(err)
	}
	req := vault.Request{
		ID: "q", Tenant: r.Tenant, Report: r.ID, Purpose: "reward", LegalBasis: "basis", Expires: time.Now().Add(time.Hour).Truncate(time.Millisecond), OneTime: once.Recipient(),
	}
	layer, err := vault.Peel(sealer, ringB, e.Identity, r.InnerHash, req, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	got, err := vault.Open(ringA, once, sealer.Public().Verify, layer, vault.Sealed{InnerDigest: r.InnerHash, Binding: r.Binding}, req, time.Now())
	if err != nil || got != want {
		t.Errorf("the rings open another identity, or %v", err)
	}

	command, dir := agetest.Command(t), t.TempDir()
	mine, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	officer := file("officer", []byte(mine.String()+"\n"))
	key := func(name string, k *vault.RingKey) string { // a share becomes a key by the age command
		share, err := k.Wrap(mine.Recipient().String())
		if err != nil {
			t.Fatal(err)
		}
		return file(name, command(share, "--decrypt", "-i", officer))
	}
	a, b := key("a", ringA[0]), key("b", ringB[0])
	inner := command(e.Identity, "--decrypt", "-i", b)
	if sum := sha256.Sum256(inner); hex.EncodeToString(sum[:]) != r.InnerHash {
		t.Error("the age command peels another inner file")
	}
	var opened map[string]string
	unpadded(t, command(inner, "--decrypt", "-i", a), &opened)
	if opened["name"] != want.Name || opened["payeeAccount"] != want.PayeeAccount || opened["binding"] != want.Binding {
		t.Error("the age command opens another identity")
	}
	unpadded(t, command(e.Contact, "--decrypt", "-i", a), &opened)
	if opened["value"] != phone {
		t.Error("the age command opens another contact")
	}
}

// unpadded reads the JSON of a compartment behind its length.
func unpadded(t *testing.T, padded []byte, into any) {
	t.Helper()
	if len(padded) < 4 || json.Unmarshal(padded[4:4+binary.BigEndian.Uint32(padded)], into) != nil {
		t.Fatal("a compartment is not padded JSON")
	}
}

// The page is served with a policy of its own, and only what belongs to it.
func TestPageIsServed(t *testing.T) {
	t.Parallel()
	w := start(t)
	get := func(path string) (int, http.Header, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := w.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		var body bytes.Buffer
		if _, err := body.ReadFrom(res.Body); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, res.Header, body.String()
	}
	status, header, page := get(app.ReportPage)
	policy := header.Get("Content-Security-Policy")
	if status != http.StatusOK || !strings.HasPrefix(policy, "default-src 'none'; script-src 'self';") || strings.Contains(policy, "unsafe") ||
		header.Get("Cache-Control") != "no-cache" || header.Get("Referrer-Policy") != "no-referrer" || header.Get("Set-Cookie") != "" {
		t.Errorf("got %d %v", status, header)
	}
	_, rest, _ := strings.Cut(page, `<script src="`)
	script, _, _ := strings.Cut(rest, `"`)
	if status, header, _ := get(app.ReportPage + script); status != http.StatusOK || !strings.Contains(header.Get("Cache-Control"), "immutable") ||
		!strings.HasPrefix(header.Get("Content-Type"), "text/javascript") || header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s: got %d %v", script, status, header)
	}
	for _, path := range []string{"sealpage.go", "../page.js", "index.html", "dist/index.html"} {
		if status, _, _ := get(app.ReportPage + path); status != http.StatusNotFound {
			t.Errorf("%s: got %d", path, status)
		}
	}
}
