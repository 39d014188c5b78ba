package app_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"strconv"
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

// openings are requests for the identity behind one report, over HTTP and with
// the officers' tool.
type openings struct {
	*docket

	once map[string]string // file of the one-time key, by request
}

func newOpenings(t *testing.T, w *world) *openings {
	t.Helper()
	return &openings{docket: newDocket(t, w, casefile.RealName, casefile.IllegalAct), once: map[string]string{}}
}

// asked is a new request of the desk to call the reporter back.
func (o *openings) asked(login string) string {
	o.t.Helper()
	body := object{"report": o.report, "purpose": casefile.CallBack, "basis": "安全生产法 第76条", "hours": 1}
	o.opening = o.do(login, "/v1/custody/openings", body, casefile.OpeningAsked).ID
	return o.opening
}

// keyed is a request to which ring A brought its one-time key.
func (o *openings) keyed() {
	o.t.Helper()
	id := o.asked("desk1")
	o.once[id] = filepath.Join(o.t.TempDir(), "once.key")
	if out, err := o.custody("identity1", "key", "--once", o.once[id]); err != nil {
		o.t.Fatal(out, err)
	}
}

// custody runs the tool of an officer on the request, without a terminal.
func (o *openings) custody(login, command string, flags ...string) (string, error) {
	o.t.Helper()
	args := append([]string{
		command, "--server", o.w.base, "--token-file", "-", "--opening", o.opening, "--key", demo.KeyFile(o.w.dir, demo.Tenant, login),
	}, flags...)
	var out bytes.Buffer
	err := custody.Run(o.t.Context(), args, custody.Env{
		Stdin: strings.NewReader(o.w.as(o.t, login).Token), Stdout: &out, Stderr: io.Discard, Now: time.Now, Random: rand.Reader,
	})
	return out.String(), err
}

// layer has ring B peel a new request, and returns what it made of it.
func (o *openings) layer() vault.PeeledLayer {
	o.t.Helper()
	o.keyed()
	return o.peel()
}

// refused makes sure that a person's step is refused, that the request says who
// tried and why, that the step entered the log, and that nobody is named.
func (o *openings) refused(login, part string, body any, want string) {
	o.t.Helper()
	_, err := o.try(login, o.openingPath(part), newKey(o.t), body)
	if apiclient.CodeOf(err) != want {
		o.t.Errorf("%s by %s: got %v, want %s", part, login, err, want)
	}
	o.noticed("refused", want, o.person(login))
}

// noticed looks for the newest step of the request: on the record, and in the log.
func (o *openings) noticed(command casefile.Command, code, by string) {
	o.t.Helper()
	rec, err := o.w.store.Openings.Get(o.t.Context(), demo.Tenant, o.opening)
	if err != nil {
		o.t.Fatal(err)
	}
	last := rec.Timeline[len(rec.Timeline)-1]
	if last.Command != command || last.Code != code || last.By != by {
		o.t.Errorf("got %+v on the request, want %s %s by %s", last, command, code, by)
	}
	awaited(o.t, "what the log shows", func() bool {
		_, err := o.w.store.Audit.Leaf(o.t.Context(), rec.ID+":"+strconv.FormatInt(last.Seq, 10))
		return err == nil
	})
}

func (o *openings) person(login string) string {
	o.t.Helper()
	for _, p := range o.w.people {
		if p.Tenant == demo.Tenant && p.Login == login {
			return p.Person
		}
	}
	o.t.Fatalf("nobody signs in as %s", login)
	return ""
}

// late lets the request run out.
func (o *openings) late() {
	o.t.Helper()
	rec, err := o.w.store.Openings.Get(o.t.Context(), demo.Tenant, o.opening)
	if err != nil {
		o.t.Fatal(err)
	}
	rec.Expires = time.Now().Add(-time.Second).UTC()
	if err := o.w.store.Openings.Update(o.t.Context(), rec, rec.Version); err != nil {
		o.t.Fatal(err)
	}
}

// post gives a login further posts behind the back of the import, which would
// refuse them.
func (w *world) post(t *testing.T, login string, roles ...casefile.Role) {
	t.Helper()
	p, a := w.account(t, login)
	for _, role := range roles {
		p.Posts = append(p.Posts, casefile.Post{Role: role, Area: "220182000000", From: time.Now().AddDate(-1, 0, 0).UTC()})
	}
	if err := w.store.Loader.PutPerson(t.Context(), p, a); err != nil {
		t.Fatal(err)
	}
}

func (w *world) account(t *testing.T, login string) (casefile.Person, workflow.Account) {
	t.Helper()
	a, err := w.store.Accounts.Account(t.Context(), demo.Tenant, login)
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.store.Directory.Person(t.Context(), demo.Tenant, a.Person)
	if err != nil {
		t.Fatal(err)
	}
	return p, a
}

func oneTime(t *testing.T) object {
	t.Helper()
	once, err := vault.NewRequestKey()
	if err != nil {
		t.Fatal(err)
	}
	return object{"recipient": once.Recipient()}
}

// Every way round the two rings is refused over HTTP or found out by their
// tools; the request says who tried, and the log has it.
func TestOpeningRefused(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.hire(t, demo.Tenant, "both1", casefile.IdentityOfficer, "220182000000")
	w.post(t, "both1", casefile.SealLeader, casefile.DeskOfficer)

	t.Run("by one person", func(t *testing.T) {
		t.Parallel()
		o := newOpenings(t, w)
		layer := o.layer()
		o.asked("desk1")
		o.do("both1", o.openingPath("/key"), oneTime(t), casefile.OpeningKeyed)
		o.refused("both1", "/layer", layer, "opening.second_person")
		_, err := o.try("identity1", o.openingPath("/layer"), newKey(t), layer)
		if apiclient.CodeOf(err) != "record.not_found" { // ring A's officer has no such step
			t.Errorf("got %v", err)
		}
	})
	t.Run("by the requester", func(t *testing.T) {
		t.Parallel()
		o := newOpenings(t, w)
		o.asked("both1")
		o.refused("both1", "/key", oneTime(t), "opening.second_person")
	})
	t.Run("after expiry", func(t *testing.T) {
		t.Parallel()
		o := newOpenings(t, w)
		o.asked("desk1")
		o.late()
		o.refused("identity1", "/key", oneTime(t), "custody.expired")
		layer := o.layer()
		o.keyed()
		o.late()
		layer.RequestID = o.opening
		o.refused("seal1", "/layer", layer, "custody.expired")
		if out, err := o.custody("seal1", "peel", "--yes"); err == nil {
			t.Errorf("the tool peels: %s", out)
		}
	})
	t.Run("twice", func(t *testing.T) {
		t.Parallel()
		o := newOpenings(t, w)
		layer := o.layer()
		o.refused("identity1", "/key", oneTime(t), "opening.second_person")
		o.refused("seal1", "/layer", layer, "opening.second_person")
		once := filepath.Join(t.TempDir(), "copied.key")
		copyFile(t, o.once[o.opening], once)
		if out, err := o.custody("identity1", "open", "--once", o.once[o.opening], "--json"); err != nil || !strings.Contains(out, "demo reporter") {
			t.Fatalf("the way it should go: %s, %v", out, err)
		}
		o.noticed("finish", string(casefile.Opened), o.person("identity1"))
		out, err := o.custody("identity1", "open", "--once", once, "--json")
		if err == nil || strings.Contains(out, "demo reporter") {
			t.Errorf("opened again: %s, %v", out, err)
		}
	})
	t.Run("a replayed layer", func(t *testing.T) {
		t.Parallel()
		o := newOpenings(t, w)
		old := o.layer()
		o.keyed()
		o.refused("seal1", "/layer", old, "custody.foreign_request")
		old.RequestID = o.opening
		o.refused("seal1", "/layer", old, "custody.signature")
	})
	t.Run("a foreign request's layer", func(t *testing.T) {
		t.Parallel()
		o, other := newOpenings(t, w), newOpenings(t, w)
		foreign := other.layer()
		o.keyed()
		o.refused("seal1", "/layer", foreign, "custody.foreign_request")
	})
	t.Run("a swapped envelope", func(t *testing.T) {
		t.Parallel()
		o := newOpenings(t, w)
		o.swap(newOpenings(t, w), false)
		o.keyed()
		if out, err := o.custody("seal1", "peel", "--yes"); err == nil || !strings.Contains(err.Error(), "custody.swapped") {
			t.Errorf("ring B peels it: %s, %v", out, err)
		}
		k := &keepers{world: w, t: t, dir: t.TempDir()}
		if out := k.does("seal1", "check", "--key", k.key("seal1"), "--day", today()); !strings.Contains(out, "1 with another digest") {
			t.Errorf("the day's check does not find it: %s", out)
		}
		o.swap(newOpenings(t, w), true) // and the digest with it
		o.keyed()
		o.peel()
		out, err := o.custody("identity1", "open", "--once", o.once[o.opening], "--json")
		if err != nil || strings.Contains(out, "demo reporter") || !strings.Contains(out, "binding") {
			t.Errorf("ring A reads it: %s, %v", out, err)
		}
		o.noticed("finish", string(casefile.Unbound), o.person("identity1"))
	})
}

// swap puts the identity of another report in the place of this one's, as who
// can write the database could.
func (o *openings) swap(other *openings, digestToo bool) {
	o.t.Helper()
	ctx, s := o.t.Context(), o.w.store
	own, err := s.Reports.Get(ctx, demo.Tenant, o.report)
	if err != nil {
		o.t.Fatal(err)
	}
	foreign, err := s.Reports.Get(ctx, demo.Tenant, other.report)
	if err != nil {
		o.t.Fatal(err)
	}
	envelope, err := s.Envelopes.Get(ctx, demo.Tenant, own.Envelope)
	if err != nil {
		o.t.Fatal(err)
	}
	theirs, err := s.Envelopes.Get(ctx, demo.Tenant, foreign.Envelope)
	if err != nil {
		o.t.Fatal(err)
	}
	envelope.Identity = theirs.Identity
	if err := s.Envelopes.Delete(ctx, demo.Tenant, envelope.ID); err != nil {
		o.t.Fatal(err)
	}
	if err := s.Envelopes.Insert(ctx, envelope); err != nil {
		o.t.Fatal(err)
	}
	if digestToo {
		own.InnerHash = foreign.InnerHash
		if err := s.Reports.Update(ctx, own, own.Version); err != nil {
			o.t.Fatal(err)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
