package workflow_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gridwatch/media"
	"gridwatch/media/blobtest"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/mongostore"
	"gridwatch/server/storetest"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	county = "220182000000"
	canary = "canary reporter 演示"
)

// bench is the use cases of custody on a real store, with a clock that tests
// set, and a report whose award the reporter has asked for.
type bench struct {
	t       *testing.T
	s       *workflow.Service
	store   *mongostore.Store
	now     time.Time
	custody storetest.Custody
	gateway *vault.RequestKey // of a gateway that is nowhere
	code    string
	report  string
	award   string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, store: storetest.Open(t), now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), custody: storetest.NewCustody(t, "county")}
	file, err := vault.GenerateKeyring(rand.Reader, b.now)
	b.ok(err)
	keyring, err := vault.Parse(file)
	b.ok(err)
	clock := func() time.Time { return b.now }
	b.s = workflow.New(workflow.Deps{
		Reports: b.store.Reports, Tasks: b.store.Tasks, Awards: b.store.Awards, Openings: b.store.Openings, Rings: b.store.Rings, Leads: b.store.Leads, Held: b.store.Held, Batches: b.store.Batches, Payouts: b.store.Payouts, Ledger: b.store.Ledger, Hazards: b.store.Hazards, Statistics: b.store.Statistics,
		Approvals: b.store.Approvals, Contacts: b.store.Contacts,
		Envelopes: b.store.Envelopes, Messages: b.store.Messages, Pending: b.store.Pending, Directory: b.store.Directory,
		Chains: b.store.Chains, Prints: b.store.Prints,
		Audit: storetest.NewLog(t, b.store.Audit, "test", 0), Media: media.New(blobtest.Open(t), rand.Reader, media.Config{}), Keyring: keyring,
		Now: clock, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	})
	b.ok(b.importer().Tenant(t.Context(), workflow.Tenant{
		ID: "county", Name: "demo county", Area: county, Root: b.custody.Root.Public(), Keys: b.custody.List, Policy: b.policy(),
	}))
	b.ok(b.store.Loader.PutGrids(t.Context(), "county", nil))
	b.custody.Enrol(t, b.store, "county", map[vault.Ring]string{vault.RingA: "a1", vault.RingB: "b1"}, b.now)
	b.gateway, err = vault.NewRequestKey()
	b.ok(err)
	b.report = b.register()
	b.award = b.claimed()
	return b
}

// policy is the one that a tenant begins with.
func (b *bench) policy() workflow.Policy {
	b.t.Helper()
	p, err := workflow.DefaultPolicy()
	b.ok(err)
	return p
}

func (b *bench) importer() workflow.Import {
	return workflow.Import{Store: b.store.Loader, Directory: b.store.Directory}
}

func (b *bench) ok(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) refused(err error, code string) {
	b.t.Helper()
	if fault.CodeOf(err) != code {
		b.t.Errorf("got %v, want %s", err, code)
	}
}

func (b *bench) key() vault.IdemKey {
	b.t.Helper()
	id, err := vault.NewID(rand.Reader)
	b.ok(err)
	key, err := vault.ParseIdemKey(id)
	b.ok(err)
	return key
}

// call is a command of a person with posts.
func (b *bench) call(person string, roles ...casefile.Role) workflow.Call {
	b.t.Helper()
	actor := casefile.Actor{Tenant: "county", Person: person}
	for _, role := range roles {
		actor.Posts = append(actor.Posts, casefile.Post{Role: role, Area: county})
	}
	return workflow.Call{Actor: actor, Route: "test", Key: b.key()}
}

func (b *bench) ringA() workflow.Call   { return b.call("a1", casefile.IdentityOfficer) }
func (b *bench) ringB() workflow.Call   { return b.call("b1", casefile.SealLeader) }
func (b *bench) officer() workflow.Call { return b.call("r1", casefile.RewardOfficer) }

type noFiles struct{}

func (noFiles) Next() (workflow.IncomingFile, error) { return workflow.IncomingFile{}, io.EOF }

// register has a reporter send a real-name report that the server seals.
func (b *bench) register() string {
	b.t.Helper()
	out, err := b.s.Register(b.t.Context(), workflow.Submission{
		Tenant: "county", Key: b.key(), Body: []byte(`{}`), Channel: "web", Mode: casefile.RealName, Narrative: "narrative",
		Allegations: []workflow.SubmittedAllegation{{Matter: casefile.IllegalAct, Text: "text"}}, Files: noFiles{},
		Identity: &vault.Identity{Name: canary, Relation: vault.RelationNone}, Contact: &vault.Contact{Kind: "phone", Value: canary},
	})
	b.ok(err)
	b.code = out.Code.Reveal()
	actor, err := b.s.OpenReceipt(b.t.Context(), b.code)
	b.ok(err)
	return actor.Report
}

// anonymous has a reporter send a report that says nothing of who sends it.
func (b *bench) anonymous() string {
	b.t.Helper()
	out, err := b.s.Register(b.t.Context(), workflow.Submission{
		Tenant: "county", Key: b.key(), Body: []byte(`{}`), Channel: "web", Mode: casefile.Anonymous, Narrative: "narrative",
		Allegations: []workflow.SubmittedAllegation{{Matter: casefile.IllegalAct, Text: "text"}}, Files: noFiles{},
	})
	b.ok(err)
	actor, err := b.s.OpenReceipt(b.t.Context(), out.Code.Reveal())
	b.ok(err)
	return actor.Report
}

// unreached is a gateway whose line is down.
type unreached struct{}

func (unreached) Deliver(context.Context, string, casefile.ContactPurpose, []byte) (bool, error) {
	return false, errors.New("down")
}

// claimed writes an award for the report as it stands once the reporter asked.
func (b *bench) claimed() string {
	b.t.Helper()
	id, err := vault.NewID(rand.Reader)
	b.ok(err)
	a := &casefile.Award{Report: b.report, Area: county, NotifiedAt: b.now, AskedAt: b.now, ClaimBy: b.now.AddDate(0, 2, 0)}
	a.ID, a.Tenant, a.State, a.Version, a.Seq, a.At, a.Changed = id, "county", casefile.AwardNotified, 1, 1, b.now, b.now
	b.ok(b.store.Awards.Insert(b.t.Context(), a))
	return id
}

// opening is a request under way.
type opening struct {
	*bench
	id   string
	once *vault.RequestKey
}

func (b *bench) ask() *opening {
	b.t.Helper()
	out, err := b.s.AskOpening(b.t.Context(), b.officer(), workflow.OpeningRequest{
		Award: b.award, Purpose: casefile.RewardPayment, Basis: "art. 13", Hours: 24,
	})
	b.ok(err)
	return &opening{bench: b, id: out.ID}
}

func (o *opening) bringKey() *opening {
	o.t.Helper()
	var err error
	o.once, err = vault.NewRequestKey()
	o.ok(err)
	_, err = o.s.KeyOpening(o.t.Context(), o.ringA(), o.id, o.once.Recipient())
	o.ok(err)
	return o
}

func (o *opening) view(as workflow.Call) workflow.OpeningView {
	o.t.Helper()
	v, err := o.s.ReadOpening(o.t.Context(), as.Actor, o.id)
	o.ok(err)
	return v
}

// layer is what ring B's tool makes of the request.
func (o *opening) layer() vault.PeeledLayer {
	o.t.Helper()
	v := o.view(o.ringB())
	layer, err := vault.Peel(o.custody.Officers[vault.RingB], o.custody.Held[vault.RingB], v.Envelope, v.Inner, v.Request, o.now)
	o.ok(err)
	return layer
}

func (o *opening) peel() *opening {
	o.t.Helper()
	_, err := o.s.PeelOpening(o.t.Context(), o.ringB(), o.id, o.layer())
	o.ok(err)
	return o
}

// open is what ring A's tool reads.
func (o *opening) open() (vault.Identity, error) {
	o.t.Helper()
	v := o.view(o.ringA())
	sealed := vault.Sealed{InnerDigest: v.Inner, Binding: v.Binding}
	return vault.Open(o.custody.Held[vault.RingA], o.once, v.PeeledBy, *v.Layer, sealed, v.Request, o.now)
}

func (o *opening) finish(result vault.Result) error {
	o.t.Helper()
	v := o.view(o.ringA())
	if v.Layer == nil {
		v.Layer = &vault.PeeledLayer{InnerDigest: v.InnerDigest, WrappedDigest: v.WrappedDigest}
	}
	outcome, err := vault.SignOutcome(o.custody.Officers[vault.RingA], result, *v.Layer, v.Request)
	o.ok(err)
	_, err = o.s.FinishOpening(o.t.Context(), o.ringA(), o.id, outcome)
	return err
}

// noticed makes sure that the newest event of the record is the refusal of a
// person's step.
func (o *opening) noticed(person, code string) {
	o.t.Helper()
	rec, err := o.store.Openings.Get(o.t.Context(), "county", o.id)
	o.ok(err)
	last := rec.Timeline[len(rec.Timeline)-1]
	if last.Command != "refused" || last.Code != code || last.By != person || last.From != last.To {
		o.t.Errorf("got %+v on the record, want the refusal %s of %s", last, code, person)
	}
	if leaves := rec.Pending; len(leaves) == 0 || leaves[len(leaves)-1].Seq != last.Seq || len(leaves[len(leaves)-1].Leaf) == 0 {
		o.t.Error("the refusal does not enter the log")
	}
}
