package workflow_test

import (
	"crypto/rand"
	"testing"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// TestOpening is the way it should go: the reporter sees it.
func TestOpening(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	o := b.ask().bringKey().peel()
	who, err := o.open()
	if err != nil || who.Name != canary {
		t.Fatalf("got another identity, %v", err)
	}
	b.ok(o.finish(vault.ResultOpened))
	_, err = b.s.RelayOnce(t.Context())
	b.ok(err)
	award, err := b.store.Awards.Get(t.Context(), "county", b.award)
	if err != nil || award.State != casefile.AwardClaimed {
		t.Errorf("got the award %s, %v, want it claimed", award.State, err)
	}
	actor, err := b.s.OpenReceipt(t.Context(), b.code)
	b.ok(err)
	seen, err := b.s.ReadReceipt(t.Context(), actor)
	if err != nil || len(seen.Openings) != 1 || seen.Openings[0].Result != casefile.Opened {
		t.Errorf("got %+v, %v behind the receipt, want one opening", seen.Openings, err)
	}
	rec, err := b.store.Openings.Get(t.Context(), "county", o.id)
	if err != nil || len(rec.Wrapped) > 0 {
		t.Errorf("the layer is still kept, %v", err)
	}
}

// Each way round the two rings is refused, and noticed on the record.
func TestOpeningRefused(t *testing.T) {
	t.Parallel()
	both := []casefile.Role{casefile.IdentityOfficer, casefile.SealLeader, casefile.RewardOfficer}
	tests := map[string]struct {
		try  func(*bench) (*opening, error)
		by   string
		code string
	}{
		"by one person": {func(b *bench) (*opening, error) {
			o := b.ask()
			once, err := vault.NewRequestKey()
			b.ok(err)
			o.once = once
			_, err = b.s.KeyOpening(b.t.Context(), b.call("b1", both...), o.id, once.Recipient())
			b.ok(err)
			_, err = b.s.PeelOpening(b.t.Context(), b.call("b1", both...), o.id, o.layer())
			return o, err
		}, "b1", "opening.second_person"},
		"by the requester, key": {func(b *bench) (*opening, error) {
			o := b.ask()
			once, err := vault.NewRequestKey()
			b.ok(err)
			_, err = b.s.KeyOpening(b.t.Context(), b.call("r1", both...), o.id, once.Recipient())
			return o, err
		}, "r1", "opening.second_person"},
		"by the requester, peel": {func(b *bench) (*opening, error) {
			o := b.ask().bringKey()
			_, err := b.s.PeelOpening(b.t.Context(), b.call("r1", both...), o.id, o.layer())
			return o, err
		}, "r1", "opening.second_person"},
		"by who is not enrolled": {func(b *bench) (*opening, error) {
			o := b.ask().bringKey()
			_, err := b.s.PeelOpening(b.t.Context(), b.call("b2", casefile.SealLeader), o.id, o.layer())
			return o, err
		}, "b2", "ring.not_enrolled"},
		"key after expiry": {func(b *bench) (*opening, error) {
			o := b.ask()
			b.now = b.now.Add(24 * time.Hour)
			once, err := vault.NewRequestKey()
			b.ok(err)
			_, err = b.s.KeyOpening(b.t.Context(), b.ringA(), o.id, once.Recipient())
			return o, err
		}, "a1", "custody.expired"},
		"layer after expiry": {func(b *bench) (*opening, error) {
			o := b.ask().bringKey()
			layer := o.layer()
			b.now = b.now.Add(24 * time.Hour)
			_, err := b.s.PeelOpening(b.t.Context(), b.ringB(), o.id, layer)
			return o, err
		}, "b1", "custody.expired"},
		"outcome after expiry": {func(b *bench) (*opening, error) {
			o := b.ask().bringKey().peel()
			b.now = b.now.Add(24 * time.Hour)
			return o, o.finish(vault.ResultOpened)
		}, "a1", "custody.expired"},
		"key twice": {func(b *bench) (*opening, error) {
			o := b.ask().bringKey()
			once, err := vault.NewRequestKey()
			b.ok(err)
			_, err = b.s.KeyOpening(b.t.Context(), b.ringA(), o.id, once.Recipient())
			return o, err
		}, "a1", "opening.second_person"},
		"layer twice": {func(b *bench) (*opening, error) {
			o := b.ask().bringKey()
			layer := o.layer()
			_, err := b.s.PeelOpening(b.t.Context(), b.ringB(), o.id, layer)
			b.ok(err)
			_, err = b.s.PeelOpening(b.t.Context(), b.ringB(), o.id, layer)
			return o, err
		}, "b1", "opening.second_person"},
		"outcome twice": {func(b *bench) (*opening, error) {
			o := b.ask().bringKey().peel()
			b.ok(o.finish(vault.ResultOpened))
			return o, o.finish(vault.ResultOpened)
		}, "a1", "opening.move"},
		"a replayed layer": {func(b *bench) (*opening, error) {
			old := b.ask().bringKey().layer()
			o := b.ask().bringKey()
			_, err := b.s.PeelOpening(b.t.Context(), b.ringB(), o.id, old)
			return o, err
		}, "b1", "custody.foreign_request"},
		"a replayed layer, renamed": {func(b *bench) (*opening, error) {
			old := b.ask().bringKey().layer()
			o := b.ask().bringKey()
			old.RequestID = o.id
			_, err := b.s.PeelOpening(b.t.Context(), b.ringB(), o.id, old)
			return o, err
		}, "b1", "custody.signature"},
		"a foreign request's layer": {func(b *bench) (*opening, error) {
			first := b.ask().bringKey()
			b.report = b.register()
			b.award = b.claimed()
			foreign := b.ask().bringKey().layer()
			_, err := b.s.PeelOpening(b.t.Context(), b.ringB(), first.id, foreign)
			return first, err
		}, "b1", "custody.foreign_request"},
		"a swapped inner file": {func(b *bench) (*opening, error) {
			o := b.ask().bringKey()
			v := o.view(b.ringB())
			other := b.otherEnvelope()
			layer, err := vault.Peel(b.custody.Officers[vault.RingB], b.custody.Held[vault.RingB], other.File, other.InnerDigest, v.Request, b.now)
			b.ok(err)
			_, err = b.s.PeelOpening(b.t.Context(), b.ringB(), o.id, layer)
			return o, err
		}, "b1", "custody.swapped"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			o, err := tt.try(b)
			b.refused(err, tt.code)
			o.noticed(tt.by, tt.code)
			if actor, err := b.s.OpenReceipt(t.Context(), b.code); err != nil || actor.Report != b.report {
				t.Errorf("the receipt no longer opens: %v", err)
			}
		})
	}
}

// otherEnvelope is somebody else's identity, sealed to the right keys.
func (b *bench) otherEnvelope() vault.Envelope {
	b.t.Helper()
	list, err := b.custody.List.Verify(b.custody.Root.Public(), "county")
	b.ok(err)
	rings, err := list.Rings()
	b.ok(err)
	binding, err := vault.NewID(rand.Reader)
	b.ok(err)
	e, err := vault.SealIdentity(rings, vault.Identity{Name: "another", Relation: vault.RelationNone, Binding: binding})
	b.ok(err)
	return e
}

// swap puts another envelope in the place of the report's, as who can write the
// database could.
func (b *bench) swap(e vault.Envelope, digestToo bool) {
	b.t.Helper()
	r, err := b.store.Reports.Get(b.t.Context(), "county", b.report)
	b.ok(err)
	old, err := b.store.Envelopes.Get(b.t.Context(), "county", r.Envelope)
	b.ok(err)
	b.ok(b.store.Envelopes.Delete(b.t.Context(), "county", r.Envelope))
	old.Identity = e.File
	b.ok(b.store.Envelopes.Insert(b.t.Context(), old))
	if digestToo {
		r.InnerHash = e.InnerDigest
		b.ok(b.store.Reports.Update(b.t.Context(), r, r.Version))
	}
}

// A swapped envelope is noticed by ring B's tool, by the digest; where the
// digest was exchanged too, by ring A's, by the binding: nobody is named, and
// the award is not claimed.
func TestOpeningOfASwappedEnvelope(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.swap(b.otherEnvelope(), false)
	o := b.ask().bringKey()
	v := o.view(b.ringB())
	_, err := vault.Peel(b.custody.Officers[vault.RingB], b.custody.Held[vault.RingB], v.Envelope, v.Inner, v.Request, b.now)
	b.refused(err, "custody.swapped")

	b.swap(b.otherEnvelope(), true)
	o = b.ask().bringKey().peel()
	who, err := o.open()
	b.refused(err, "custody.binding")
	if who != (vault.Identity{}) {
		t.Error("somebody is named")
	}
	b.ok(o.finish(vault.ResultBinding))
	_, err = b.s.RelayOnce(t.Context())
	b.ok(err)
	award, err := b.store.Awards.Get(t.Context(), "county", b.award)
	if err != nil || award.State != casefile.AwardNotified {
		t.Errorf("got the award %s, %v, want it not claimed", award.State, err)
	}
}

// What the server relays from ring B to ring A is sealed to a key that lives
// for one request: no long-term key of either ring opens it.
func TestRelayedLayerIsUnreadable(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.ask().bringKey().peel()
	o, err := b.store.Openings.List(t.Context(), workflow.Query{Tenant: "county", Limit: 1})
	b.ok(err)
	for _, by := range []*vault.OfficerKey{b.custody.Officers[vault.RingA], b.custody.Officers[vault.RingB]} {
		if _, err := by.Unwrap(1, o[0].Wrapped, b.custody.Held[vault.RingA][0].Recipient()); err == nil {
			t.Error("a long-term key opens what the server relays")
		}
	}
}
