package app_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/custody"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// keepers are the custody officers of a tenant at work with their tool.
type keepers struct {
	*world
	t   *testing.T
	dir string
}

// tool runs a command as an officer who is signed in, or without a network if
// login is "".
func (k *keepers) tool(login string, args ...string) (string, error) {
	k.t.Helper()
	token := ""
	if login != "" {
		token = k.as(k.t, login).Token
		args = append(args, "--server", k.base, "--token-file", "-")
	}
	var out bytes.Buffer
	err := custody.Run(k.t.Context(), args, custody.Env{
		Stdin: strings.NewReader(token), Stdout: &out, Stderr: &bytes.Buffer{}, Now: time.Now, Random: rand.Reader,
	})
	return out.String(), err
}

func (k *keepers) does(login string, args ...string) string {
	k.t.Helper()
	out, err := k.tool(login, args...)
	if err != nil {
		k.t.Fatalf("custody %s as %s: %v", strings.Join(args, " "), login, err)
	}
	return out
}

func (k *keepers) refused(want, login string, args ...string) {
	k.t.Helper()
	if _, err := k.tool(login, args...); err == nil || !strings.Contains(err.Error(), want) {
		k.t.Errorf("custody %s as %s: got %v, want %q", strings.Join(args, " "), login, err, want)
	}
}

func (k *keepers) file(name string) string { return filepath.Join(k.dir, name) }

// key is the file of a login's key: the demo's, or one that was made here.
func (k *keepers) key(login string) string {
	if path := demo.KeyFile(k.world.dir, demo.Tenant, login); exists(path) {
		return path
	}
	return k.file(login + ".key")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// hired is a new officer with an own key.
func (k *keepers) hired(login string, role casefile.Role, ring string) {
	k.t.Helper()
	k.hire(k.t, demo.Tenant, login, role, "220182000000")
	k.does("", "keygen", "--ring", ring, "--label", "demo officer", "--out", k.key(login))
}

// person is the id of a login.
func (k *keepers) person(login string) string {
	k.t.Helper()
	for _, p := range k.people {
		if p.Tenant == demo.Tenant && p.Login == login {
			return p.Person
		}
	}
	k.t.Fatalf("nobody signs in as %s", login)
	return ""
}

// publish has the root sign the next list of keys, and the server take it.
func (k *keepers) publish(name string) vault.KeyList {
	k.t.Helper()
	draft, signed := k.file(name+".json"), k.file(name+".signed.json")
	k.does("seal1", "ring", "list", "--out", draft)
	k.does("", "root", "sign", "--key", demo.KeyFile(k.world.dir, demo.Tenant, "root"), "--list", draft, "--out", signed)
	var keys vault.SignedKeyList
	k.read(signed, &keys)
	if err := k.importer().Keys(k.t.Context(), demo.Tenant, keys); err != nil {
		k.t.Fatal(err)
	}
	var list vault.KeyList
	k.read(draft, &list)
	return list
}

func (k *keepers) importer() workflow.Import {
	return workflow.Import{Store: k.store.Loader, Directory: k.store.Directory}
}

func (k *keepers) read(path string, v any) {
	k.t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		k.t.Fatal(err)
	}
}

func (k *keepers) enrol(login, sponsor, witness string) {
	k.t.Helper()
	asked := k.does(login, "enrol", "ask", "--key", k.key(login))
	fingerprint := strings.TrimSpace(strings.Split(asked, "\n")[1])
	for _, step := range [][2]string{{sponsor, "admit"}, {witness, "witness"}} {
		out := k.does(step[0], "enrol", step[1], "--key", k.key(step[0]), "--person", k.person(login), "--yes")
		if !strings.Contains(out, fingerprint) {
			k.t.Errorf("%s sees another fingerprint than %s", step[0], login)
		}
	}
}

// checks says how many of today's envelopes an officer of ring B can open.
func (k *keepers) checks(login string) string {
	k.t.Helper()
	out := strings.TrimSpace(k.does(login, "check", "--key", k.key(login), "--day", today()))
	return out[strings.LastIndex(out, "\n")+1:]
}

func today() string { return time.Now().In(workflow.Shanghai()).Format(time.DateOnly) }

// reportIn sends a report that the client sealed to the keys in force.
func (k *keepers) reportIn(spoil func(*vault.Envelope)) {
	k.t.Helper()
	var public struct {
		Rings struct {
			Version int
			vault.SignedKeyList
			Root []byte
		}
	}
	c := k.anyone()
	if _, err := c.Do(k.t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/public/" + demo.Tenant}, &public); err != nil {
		k.t.Fatal(err)
	}
	list, err := public.Rings.Verify(public.Rings.Root, demo.Tenant)
	if err != nil {
		k.t.Fatal(err)
	}
	rings, err := list.Rings()
	if err != nil {
		k.t.Fatal(err)
	}
	binding := newKey(k.t)
	identity, err := vault.SealIdentity(rings, vault.Identity{Name: "demo reporter", Relation: vault.RelationNone, Binding: binding})
	contact, err2 := vault.SealContact(rings, vault.Contact{Binding: binding})
	if err := errors.Join(err, err2); err != nil {
		k.t.Fatal(err)
	}
	spoil(&identity)
	text, err := json.Marshal(object{
		"mode": "real_name", "narrative": "n", "targetText": "t", "allegations": []object{{"matter": "illegal_act", "text": "t"}},
		"sealed": object{"innerDigest": identity.InnerDigest, "binding": binding, "rings": list.Version},
	})
	if err != nil {
		k.t.Fatal(err)
	}
	form := new(apiclient.Form).JSON("report", text).
		File("identity", "", "application/octet-stream", identity.File).File("contact", "", "application/octet-stream", contact.File)
	_, err = c.Do(k.t.Context(), apiclient.Call{
		Method: http.MethodPost, Path: "/v1/public/" + demo.Tenant + "/reports", Key: newKey(k.t), Form: form,
	}, nil)
	if err != nil {
		k.t.Fatal(err)
	}
}

// TestRingsLive goes through the life of ring B by the tool of its officers: a
// first day, a last day, a day on which nobody is left.
func TestRingsLive(t *testing.T) {
	t.Parallel()
	k := &keepers{world: start(t), t: t, dir: t.TempDir()}
	honest := func(*vault.Envelope) {}
	k.reportIn(honest)

	// First day: no key before three signatures.
	k.hired("seal2", casefile.SealLeader, "B")
	k.refused("not enrolled", "seal2", "check", "--key", k.key("seal2"), "--day", today())
	k.refused("not proved", "seal1", "enrol", "admit", "--key", k.key("seal1"), "--person", k.person("seal2"), "--yes")
	k.does("seal2", "enrol", "ask", "--key", k.key("seal2"))
	k.refused("not admitted", "identity1", "enrol", "witness", "--key", k.key("identity1"), "--person", k.person("seal2"), "--yes")
	k.refused("no share", "seal2", "enrol", "admit", "--key", k.key("seal2"), "--person", k.person("seal2"), "--yes")
	k.refused("wrong_ring", "identity1", "enrol", "ask", "--key", k.key("seal2"))
	k.enrol("seal2", "seal1", "identity1")
	if got := k.checks("seal2"); !strings.Contains(got, "1 readable, 0 not") {
		t.Errorf("the new officer: got %s", got)
	}
	if list := k.publish("joined"); list.Version != 2 || len(list.B.Officers) != 2 || list.B.Version != 1 {
		t.Errorf("got list %+v, want two officers of ring B", list)
	}

	// Last day: who left reads nothing of what comes, who stays reads it all.
	k.refused("ring.not_enrolled", "seal1", "leave", "--key", k.key("seal1"), "--person", k.person("seal1"), "--yes")
	k.does("seal2", "leave", "--key", k.key("seal2"), "--person", k.person("seal1"), "--yes")
	if list := k.publish("left"); list.Version != 3 || list.B.Version != 2 || list.A.Version != 1 || len(list.B.Officers) != 1 {
		t.Errorf("got list %+v, want a new key of ring B", list)
	}
	k.reportIn(honest)
	k.refused("not enrolled", "seal1", "check", "--key", k.key("seal1"), "--day", today())
	if got := k.checks("seal2"); !strings.Contains(got, "2 readable, 0 not") {
		t.Errorf("who stayed: got %s", got)
	}

	// Nobody is left: the recovery key does an officer's part, offline.
	k.hired("seal3", casefile.SealLeader, "B")
	k.does("seal3", "enrol", "ask", "--key", k.key("seal3"))
	k.does("seal3", "ring", "show", "--out", k.file("rings.json"))
	recover := []string{"recover", "--rings", k.file("rings.json"), "--person", k.person("seal3"), "--out", k.file("shares.json"), "--key"}
	k.refused("ring.share", "", append(recover, k.key("identity1"))...)
	k.does("", append(recover, demo.KeyFile(k.world.dir, demo.Tenant, "recovery-b"))...)
	k.does("seal3", "enrol", "admit", "--key", k.key("seal3"), "--person", k.person("seal3"), "--shares", k.file("shares.json"), "--yes")
	k.does("identity1", "enrol", "witness", "--key", k.key("identity1"), "--person", k.person("seal3"), "--yes")
	if got := k.checks("seal3"); !strings.Contains(got, "2 readable, 0 not") {
		t.Errorf("by the recovery key: got %s", got)
	}
	k.spoiled()
}

// A recovery paper that was lost is exchanged: what was sealed before and what
// is sealed from then on opens by the new one, and nothing by the old one but
// what an old copy of the database holds.
func TestRecoveryKeyIsExchanged(t *testing.T) {
	t.Parallel()
	k := &keepers{world: start(t), t: t, dir: t.TempDir()}
	honest := func(*vault.Envelope) {}
	k.reportIn(honest)
	ringOf := func(ring vault.Ring) *casefile.Ring {
		t.Helper()
		r, err := k.store.Rings.Get(t.Context(), demo.Tenant, workflow.RingID(demo.Tenant, ring))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	before := ringOf(vault.RingB)
	oldPaper, newPaper := demo.KeyFile(k.world.dir, demo.Tenant, "recovery-b"), k.file("recovery-b2.key")
	public := func(ring, key string) string {
		t.Helper()
		path := key + ".json"
		if err := os.WriteFile(path, []byte(k.does("", "recovery", "keygen", "--ring", ring, "--out", key)), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	recovery, rings, proof := public("B", newPaper), k.file("rings.json"), k.file("proof.json")
	offer := []string{"recovery", "exchange", "--key", k.key("seal1"), "--yes", "--recovery"}
	prove := []string{"recovery", "prove", "--rings", rings, "--out", proof, "--key"}
	witness := []string{"recovery", "witness", "--key", k.key("identity1"), "--yes", "--proof", proof}

	// The officer of the ring offers it: nothing has changed yet.
	k.refused("made for the same ring", "seal1", append(offer, public("A", k.file("recovery-a2.key")))...)
	k.refused("no share", "identity1", append(offer, recovery)...)
	k.does("seal1", append(offer, recovery)...)
	k.does("identity1", "ring", "show", "--out", rings)
	k.refused("not every version", "", append(prove, newPaper)...)
	if err := os.Remove(rings); err != nil {
		t.Fatal(err)
	}
	k.does("seal1", "ring", "show", "--out", rings)
	if r := ringOf(vault.RingB); len(r.Versions) != 1 || r.Recovery.Recipient != before.Recovery.Recipient {
		t.Errorf("the offer alone has changed the ring: %d versions", len(r.Versions))
	}

	// What nobody sees done within its time is destroyed, and offered again.
	if kept := k.terms(t, 4); kept.Lapsed != 1 || ringOf(vault.RingB).Offer != nil {
		t.Errorf("an offer that expired: got %+v", kept)
	}
	if kept := k.terms(t, 4); kept.Lapsed != 0 {
		t.Errorf("a second time: got %+v", kept)
	}
	k.refused("no recovery key is on its way", "identity1", "recovery", "witness", "--key", k.key("identity1"), "--yes", "--proof", recovery)
	k.does("seal1", append(offer, recovery)...)
	if err := os.Remove(rings); err != nil {
		t.Fatal(err)
	}
	k.does("seal1", "ring", "show", "--out", rings)

	// Its keeper proves to hold it, and the other ring sees it done.
	k.refused("not offered this recovery key", "", append(prove, oldPaper)...)
	read := fingerprintIn(k.does("", append(prove, newPaper)...))
	if seen := fingerprintIn(k.does("identity1", witness...)); seen != read {
		t.Errorf("the witness sees %s, the keeper reads %s", seen, read)
	}
	k.refused("no recovery key is on its way", "identity1", witness...)
	if list := k.publish("exchanged"); list.Version != 2 || list.B.Version != 2 || list.A.Version != 1 || len(list.B.Officers) != 1 {
		t.Errorf("got list %+v, want a new key of ring B", list)
	}
	k.reportIn(honest)
	if got := k.checks("seal1"); !strings.Contains(got, "2 readable, 0 not") {
		t.Errorf("the officer who was there: got %s", got)
	}

	// The old paper: nothing of the ring as it is, the first report of an old copy.
	k.hired("seal2", casefile.SealLeader, "B")
	k.does("seal2", "enrol", "ask", "--key", k.key("seal2"))
	now := k.file("now.json")
	k.does("seal2", "ring", "show", "--out", now)
	recover := []string{"recover", "--rings", now, "--person", k.person("seal2"), "--out", k.file("shares.json"), "--key"}
	k.refused("ring.share", "", append(recover, oldPaper)...)
	check := []string{"recovery", "check", "--rings", now, "--key"}
	k.refused("or no longer", "", append(check, oldPaper)...)
	if got := k.does("", append(check, newPaper)...); !strings.Contains(got, "all 2 versions of ring B") {
		t.Errorf("the new paper is checked: got %s", got)
	}
	k.does("identity1", "ring", "show", "--out", k.file("theirs.json"))
	k.refused("not every version", "", "recovery", "check", "--rings", k.file("theirs.json"), "--key", newPaper)
	after := ringOf(vault.RingB)
	if got := k.opensWith(oldPaper, before, before.Versions[0].Recovery); got != "1 of 2" {
		t.Errorf("the old paper and an old copy open %s", got)
	}
	for _, v := range after.Versions {
		if got := k.opensWith(oldPaper, after, v.Recovery); got != "0 of 2" {
			t.Errorf("the old paper opens %s by version %d", got, v.Number)
		}
	}

	// The new paper, with nobody left: an officer by it reads both reports.
	k.does("", append(recover, newPaper)...)
	k.does("seal2", "enrol", "admit", "--key", k.key("seal2"), "--person", k.person("seal2"), "--shares", k.file("shares.json"), "--yes")
	k.does("identity1", "enrol", "witness", "--key", k.key("identity1"), "--person", k.person("seal2"), "--yes")
	if got := k.checks("seal2"); !strings.Contains(got, "2 readable, 0 not") {
		t.Errorf("by the new recovery key: got %s", got)
	}
	if got := k.opensWith(newPaper, after, after.Versions[0].Recovery, after.Versions[1].Recovery); got != "2 of 2" {
		t.Errorf("the new paper opens %s", got)
	}
}

// fingerprintIn finds the one that a command printed.
func fingerprintIn(out string) string {
	for line := range strings.Lines(out) {
		if _, err := vault.ParseFingerprint(strings.TrimSpace(line)); err == nil {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// opensWith says how many reports a recovery paper of ring B, its shares and the
// officer of ring A open to an identity.
func (k *keepers) opensWith(paper string, r *casefile.Ring, shares ...[]byte) string {
	k.t.Helper()
	must := func(err error) {
		k.t.Helper()
		if err != nil {
			k.t.Fatal(err)
		}
	}
	key := func(path string) *vault.OfficerKey {
		file, err := os.ReadFile(path)
		must(err)
		out, err := vault.ParseOfficerKey(file, "")
		must(err)
		return out
	}
	unwrapped := func(by *vault.OfficerKey, r *casefile.Ring, shares ...[]byte) []*vault.RingKey {
		var keys []*vault.RingKey
		for _, share := range shares {
			for _, v := range r.Versions {
				if one, err := by.Unwrap(v.Number, share, v.Recipient); err == nil {
					keys = append(keys, one)
				}
			}
		}
		return keys
	}
	ringA, err := k.store.Rings.Get(k.t.Context(), demo.Tenant, workflow.RingID(demo.Tenant, vault.RingA))
	must(err)
	held := map[vault.Ring][]*vault.RingKey{
		vault.RingA: unwrapped(key(k.key("identity1")), ringA, ringA.Officers[0].Shares[0].Wrapped),
		vault.RingB: unwrapped(key(paper), r, shares...),
	}
	reports, err := k.store.Reports.List(k.t.Context(), workflow.Query{Tenant: demo.Tenant, Limit: 10})
	must(err)
	opened, officer := 0, key(k.key("seal1"))
	for _, report := range reports {
		e, err := k.store.Envelopes.Get(k.t.Context(), demo.Tenant, report.Envelope)
		must(err)
		once, err := vault.NewRequestKey()
		must(err)
		ask := vault.Request{
			ID: newKey(k.t), Tenant: demo.Tenant, Report: report.ID, Purpose: "test", LegalBasis: "test", OneTime: once.Recipient(), Expires: time.Now().Add(time.Hour),
		}
		layer, err := vault.Peel(officer, held[vault.RingB], e.Identity, report.InnerHash, ask, time.Now())
		if err != nil {
			continue
		}
		who, err := vault.Open(held[vault.RingA], once, officer.Public().Verify, layer, vault.Sealed{InnerDigest: report.InnerHash, Binding: report.Binding}, ask, time.Now())
		must(err)
		if who.Name == "demo reporter" {
			opened++
		}
	}
	return fmt.Sprintf("%d of %d", opened, len(reports))
}

// The example client, which shares no code with us, verifies the list of keys
// and seals a report that ring B can peel; with another fingerprint it sends none.
func TestExampleClient(t *testing.T) {
	t.Parallel()
	k := &keepers{world: start(t), t: t, dir: t.TempDir()}
	root, err := demo.Fingerprint(k.world.dir, demo.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	seal := func(root string) (string, error) {
		out, err := exec.CommandContext(t.Context(), "go", "run", "../../schemas/examples/seal", "-server", k.base, "-tenant", demo.Tenant,
			"-root", root, "-name", "demo reporter", "-phone", "00000000000", "-text", "gas bottles beside a stove").CombinedOutput()
		return string(out), err
	}
	if out, err := seal(strings.Repeat("0", 64)); err == nil || !strings.Contains(out, "another root") {
		t.Errorf("with another root: got %s, %v", out, err)
	}
	if out, err := seal(root); err != nil || !strings.Contains(out, "receipt code") {
		t.Fatalf("got %s, %v", out, err)
	}
	if got := k.checks("seal1"); !strings.Contains(got, "1 readable, 0 not") {
		t.Errorf("got %s", got)
	}
}

// spoiled has ring B find what was sealed to a wrong key or exchanged, and the
// desk see it; the server keeps a signed count.
func (k *keepers) spoiled() {
	k.t.Helper()
	other, err := vault.NewRingKey(vault.RingB, 1)
	if err != nil {
		k.t.Fatal(err)
	}
	inner, err := vault.NewRingKey(vault.RingA, 1)
	if err != nil {
		k.t.Fatal(err)
	}
	k.reportIn(func(e *vault.Envelope) {
		rings, err := vault.ParseRings([]string{inner.Recipient()}, []string{other.Recipient()})
		if err == nil {
			*e, err = vault.SealIdentity(rings, vault.Identity{Relation: vault.RelationNone, Binding: strings.Repeat("0", 32)})
		}
		if err != nil {
			k.t.Fatal(err)
		}
	})
	k.reportIn(func(e *vault.Envelope) { e.InnerDigest = strings.Repeat("0", 64) })
	if got := k.checks("seal3"); !strings.Contains(got, "2 readable, 1 not, 1 with another digest") {
		k.t.Errorf("got %s", got)
	}
	var queue struct{ Items []struct{ ID string } }
	c := k.as(k.t, "desk1")
	if _, err := c.Do(k.t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/office/reports"}, &queue); err != nil {
		k.t.Fatal(err)
	}
	seen := map[string]int{}
	for _, item := range queue.Items {
		var r struct{ SealFault string }
		if _, err := c.Do(k.t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/office/reports/" + item.ID}, &r); err != nil {
			k.t.Fatal(err)
		}
		seen[r.SealFault]++
	}
	if seen["unreadable"] != 1 || seen["swapped"] != 1 || seen[""] != 2 {
		k.t.Errorf("got %v at the desk", seen)
	}
	ring, err := k.store.Rings.Get(k.t.Context(), demo.Tenant, workflow.RingID(demo.Tenant, vault.RingB))
	if err != nil || len(ring.Checks) != 1 || ring.Checks[0].Unreadable != 1 || ring.Checks[0].By != k.person("seal3") {
		k.t.Errorf("got %+v, %v, want one count of the day", ring.Checks, err)
	}
}

// A list of keys is taken only as the tenant's root signed it, and no older one.
func TestKeyListRefused(t *testing.T) {
	t.Parallel()
	k := &keepers{world: start(t), t: t, dir: t.TempDir()}
	im, ctx := k.importer(), t.Context()
	before, err := k.store.Directory.Tenant(ctx, demo.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	k.publish("next")
	forger := k.file("forger.key")
	k.does("", "root", "keygen", "--out", forger)
	k.does("", "root", "sign", "--key", forger, "--list", k.file("next.json"), "--out", k.file("forged.json"))
	var forged vault.SignedKeyList
	k.read(k.file("forged.json"), &forged)
	inForce, err := k.store.Directory.Tenant(ctx, demo.Tenant)
	if err != nil || inForce.Rings.Version != 2 {
		t.Fatalf("got version %d, %v", inForce.Rings.Version, err)
	}
	other := inForce
	other.Root = bytes.Repeat([]byte{1}, 32)
	for want, err := range map[string]error{
		"keys.list":    im.Keys(ctx, demo.Tenant, forged),
		"keys.version": im.Keys(ctx, demo.Tenant, before.Keys),
		"keys.root":    im.Tenant(ctx, other),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	unsigned := inForce.Keys
	unsigned.Signature = nil
	if err := im.Keys(ctx, demo.Tenant, unsigned); err == nil {
		t.Error("an unsigned list was taken")
	}
	after, err := k.store.Directory.Tenant(ctx, demo.Tenant)
	if err != nil || after.Keys.List != inForce.Keys.List || !bytes.Equal(after.Root, inForce.Root) {
		t.Errorf("the list in force has changed, %v", err)
	}
}
