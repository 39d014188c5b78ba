package workflow_test

import (
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// exchange is a recovery key of ring B on its way.
type exchange struct {
	*bench
	paper *vault.OfficerKey
	offer workflow.RecoveryOffer
}

func (b *bench) exchange() *exchange {
	b.t.Helper()
	paper, err := vault.NewOfficerKey(vault.RingB, "recovery", rand.Reader)
	b.ok(err)
	x := &exchange{bench: b, paper: paper}
	public := paper.Public()
	x.offer.Recovery = casefile.RingHolder{Recipient: public.Recipient, Verify: public.Verify}
	for _, held := range b.custody.Held[vault.RingB] {
		x.offer.Shares = append(x.offer.Shares, vault.Share{Version: held.Version(), Wrapped: b.wrap(held, public.Recipient)})
	}
	x.offer.Version = len(b.ring().Versions) + 1
	made, err := vault.NewRingKey(vault.RingB, x.offer.Version)
	b.ok(err)
	x.offer.Recipient, x.offer.Wrapped = made.Recipient(), b.wrap(made, public.Recipient)
	for _, o := range b.ring().Officers {
		if o.State == casefile.RingEnrolled {
			x.offer.Held = append(x.offer.Held, casefile.PersonShare{Person: o.Person, Wrapped: b.wrap(made, o.Key.Recipient)})
		}
	}
	return x
}

func (b *bench) wrap(k *vault.RingKey, recipient string) []byte {
	b.t.Helper()
	wrapped, err := k.Wrap(recipient)
	b.ok(err)
	return wrapped
}

func (b *bench) ring() *casefile.Ring {
	b.t.Helper()
	r, err := b.store.Rings.Get(b.t.Context(), "county", ringB)
	b.ok(err)
	return r
}

var ringB = workflow.RingID("county", vault.RingB)

func (x *exchange) candidate() vault.Candidate {
	return vault.Candidate{Tenant: "county", Ring: vault.RingB, Recipient: x.offer.Recovery.Recipient, Verify: x.offer.Recovery.Verify}
}

// signed has an officer sign the offer as it stands.
func (x *exchange) signed(by *vault.OfficerKey) *exchange {
	v := vault.NewVersion{
		Tenant: "county", Ring: vault.RingB, Version: x.offer.Version, Recipient: x.offer.Recipient, Shares: map[string][]byte{}, Recovery: x.offer.Wrapped,
	}
	for _, held := range x.offer.Held {
		v.Shares[held.Person] = held.Wrapped
	}
	x.offer.Signature = vault.SignAdmission(by, x.candidate(), vault.SumWith(x.offer.Shares, v))
	return x
}

func (x *exchange) offered() error {
	_, err := x.s.OfferRecovery(x.t.Context(), x.ringB(), ringB, x.signed(x.custody.Officers[vault.RingB]).offer)
	return err
}

// exchanged is the witness's step with what the key's keeper proves.
func (x *exchange) exchanged() (workflow.RecoveryExchange, error) {
	x.t.Helper()
	r := x.ring()
	proof, err := x.paper.Prove(x.candidate(), r.Offer.Challenge)
	x.ok(err)
	in := workflow.RecoveryExchange{Proof: proof, Signature: vault.SignAdmission(x.custody.Officers[vault.RingA], x.candidate(), r.Offer.Sum)}
	_, err = x.s.ExchangeRecovery(x.t.Context(), x.ringA(), ringB, in)
	return in, err
}

// colleague is enrolled in ring B beside the first officer.
func (b *bench) colleague() *vault.OfficerKey {
	b.t.Helper()
	key, err := vault.NewOfficerKey(vault.RingB, "colleague", rand.Reader)
	b.ok(err)
	public, call := key.Public(), b.call("b2", casefile.SealLeader)
	_, err = b.s.AskEnrol(b.t.Context(), call, ringB, casefile.RingHolder{Recipient: public.Recipient, Verify: public.Verify})
	b.ok(err)
	r := b.ring()
	asked, _ := r.Officer("b2")
	c := vault.Candidate{Tenant: "county", Ring: vault.RingB, Person: "b2", Recipient: public.Recipient, Verify: public.Verify}
	proof, err := key.Prove(c, asked.Challenge)
	b.ok(err)
	_, err = b.s.ProveEnrol(b.t.Context(), b.call("b2", casefile.SealLeader), ringB, proof)
	b.ok(err)
	shares := []vault.Share{{Version: 1, Wrapped: b.wrap(b.custody.Held[vault.RingB][0], public.Recipient)}}
	_, err = b.s.AdmitOfficer(b.t.Context(), b.ringB(), ringB, workflow.Admission{
		Person: "b2", Shares: shares, Signature: vault.SignAdmission(b.custody.Officers[vault.RingB], c, vault.Sum(shares)),
	})
	b.ok(err)
	_, err = b.s.WitnessEnrol(b.t.Context(), b.ringA(), ringB, workflow.Witnessing{
		Person: "b2", Signature: vault.SignAdmission(b.custody.Officers[vault.RingA], c, vault.Sum(shares)),
	})
	b.ok(err)
	return key
}

// leaving is the colleague making a version without the first officer.
func (b *bench) leaving(by *vault.OfficerKey) workflow.Leaving {
	b.t.Helper()
	made, err := vault.NewRingKey(vault.RingB, 2)
	b.ok(err)
	recipient := by.Public().Recipient
	v := vault.NewVersion{
		Tenant: "county", Ring: vault.RingB, Version: 2, Recipient: made.Recipient(), Leaver: "b1",
		Shares: map[string][]byte{"b2": b.wrap(made, recipient)}, Recovery: b.wrap(made, recipient),
	}
	return workflow.Leaving{
		Person: "b1", Version: 2, Recipient: v.Recipient, Shares: []casefile.PersonShare{{Person: "b2", Wrapped: v.Shares["b2"]}},
		Wrapped: v.Recovery, Signature: vault.SignVersion(by, v),
	}
}

// An exchange puts the new key in the old one's place with a version of its own,
// which enters the log; it is done once.
func TestRecoveryExchange(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	x := b.exchange()
	b.ok(x.offered())
	again := b.exchange() // the officer begins anew
	b.ok(again.offered())
	in, err := again.exchanged()
	b.ok(err)
	r := b.ring()
	if r.Recovery.Recipient != again.offer.Recovery.Recipient || len(r.Versions) != 2 || r.Versions[1].Recipient != again.offer.Recipient || r.Offer != nil {
		t.Errorf("got %d versions and the recovery key %v", len(r.Versions), r.Recovery)
	}
	for _, v := range r.Versions {
		if _, err := again.paper.Unwrap(v.Number, v.Recovery, v.Recipient); err != nil {
			t.Errorf("version %d: %v", v.Number, err)
		}
	}
	o, _ := r.Enrolled("b1")
	if _, err := b.custody.Officers[vault.RingB].Unwrap(2, o.Shares[1].Wrapped, r.Versions[1].Recipient); err != nil {
		t.Errorf("the officer's share: %v", err)
	}
	done := r.Exchanged[0]
	if done.Made.MadeBy != "b1" || done.Witness != "a1" || len(done.Shares)+len(done.Held)+len(done.Challenge)+len(done.Made.Recovery) > 0 {
		t.Errorf("got %+v, want who did it and nothing that was wrapped", done)
	}
	last := r.Timeline[len(r.Timeline)-1]
	if last.Command != "exchange" || last.By != "a1" {
		t.Errorf("got %+v as the last event", last)
	}
	if leaves := r.Pending; len(leaves) != 1 || leaves[0].Seq != last.Seq || len(leaves[0].Leaf) == 0 {
		t.Errorf("got %+v on the way to the log, want the new version", leaves)
	}
	_, err = b.s.ExchangeRecovery(t.Context(), b.ringA(), ringB, in)
	b.refused(err, "ring.no_offer")

	// Neither the key that is there nor the one that went is brought in again.
	same := b.exchange()
	same.paper, same.offer.Recovery = again.paper, again.offer.Recovery
	b.refused(same.offered(), "ring.same_recovery")
	next := b.exchange()
	next.offer.Shares = append(next.offer.Shares, vault.Share{Version: 2, Wrapped: again.offer.Wrapped})
	b.ok(next.offered())
	_, err = next.exchanged()
	b.ok(err)
	back := b.exchange()
	back.offer.Recovery = again.offer.Recovery
	b.refused(back.offered(), "ring.key_taken")
}

func TestRecoveryOfferRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	offer := func(change func(*exchange)) error {
		x := b.exchange()
		change(x)
		return x.offered()
	}
	by := func(call workflow.Call, id string, key *vault.OfficerKey) error {
		_, err := b.s.OfferRecovery(t.Context(), call, id, b.exchange().signed(key).offer)
		return err
	}
	keys := b.custody.Officers
	foreign := b.ringB()
	foreign.Actor.Tenant = "another"
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"by who is not in the ring": {by(b.call("b3", casefile.SealLeader), ringB, keys[vault.RingB]), "ring.not_enrolled"},
		"by the other ring":         {by(b.ringA(), ringB, keys[vault.RingA]), "custody.wrong_ring"},
		"of another tenant":         {by(foreign, ringB, keys[vault.RingB]), "record.not_found"},
		"by the desk":               {by(b.call("b1", casefile.DeskOfficer), ringB, keys[vault.RingB]), "record.not_found"},
		"signed by another":         {by(b.ringB(), ringB, keys[vault.RingA]), "ring.approval"},
		"an officer's key": {offer(func(x *exchange) {
			x.offer.Recovery.Recipient = keys[vault.RingB].Public().Recipient
		}), "ring.key_taken"},
		"an officer's key of the other ring": {offer(func(x *exchange) {
			x.offer.Recovery.Recipient = keys[vault.RingA].Public().Recipient
		}), "ring.key_taken"},
		"no recipient":          {offer(func(x *exchange) { x.offer.Recovery.Recipient = "age1pq1qqq" }), "custody.request"},
		"no key":                {offer(func(x *exchange) { x.offer.Recipient = "age1pq1qqq" }), "custody.request"},
		"no version":            {offer(func(x *exchange) { x.offer.Shares = nil }), "ring.versions"},
		"a version too many":    {offer(func(x *exchange) { x.offer.Shares = append(x.offer.Shares, x.offer.Shares[0]) }), "ring.versions"},
		"another version":       {offer(func(x *exchange) { x.offer.Shares[0].Version = 2 }), "ring.versions"},
		"not the next":          {offer(func(x *exchange) { x.offer.Version = 3 }), "ring.changed"},
		"an officer too few":    {offer(func(x *exchange) { x.offer.Held = nil }), "ring.changed"},
		"an officer twice":      {offer(func(x *exchange) { x.offer.Held = append(x.offer.Held, x.offer.Held[0]) }), "ring.changed"},
		"a stranger":            {offer(func(x *exchange) { x.offer.Held[0].Person = "b3" }), "ring.changed"},
		"an old share cut":      {offer(func(x *exchange) { x.offer.Shares[0].Wrapped = x.offer.Wrapped[1:] }), "ring.wrapped"},
		"a new share cut":       {offer(func(x *exchange) { x.offer.Wrapped = x.offer.Wrapped[:len(x.offer.Wrapped)-1] }), "ring.wrapped"},
		"an officer's in clear": {offer(func(x *exchange) { x.offer.Held[0].Wrapped = []byte("key") }), "ring.wrapped"},
	} {
		if fault.CodeOf(tt.err) != tt.want {
			t.Errorf("%s: got %v, want %s", name, tt.err, tt.want)
		}
	}
	if r := b.ring(); r.Offer != nil || r.Version != 1 {
		t.Errorf("something was kept: version %d", r.Version)
	}
}

func TestRecoveryExchangeRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		meanwhile func(*bench, *exchange) error
		want      string
	}{
		"nothing offered": {func(b *bench, _ *exchange) error {
			_, err := b.s.ExchangeRecovery(b.t.Context(), b.ringA(), ringB, workflow.RecoveryExchange{})
			return err
		}, "ring.no_offer"},
		"by the officer who offered": {func(b *bench, x *exchange) error {
			b.ok(x.offered())
			_, err := b.s.ExchangeRecovery(b.t.Context(), b.ringB(), ringB, workflow.RecoveryExchange{})
			return err
		}, "custody.wrong_ring"},
		"by one with both posts": {func(b *bench, x *exchange) error {
			b.ok(x.offered())
			_, err := b.s.ExchangeRecovery(b.t.Context(), b.call("b1", casefile.IdentityOfficer, casefile.SealLeader), ringB, workflow.RecoveryExchange{})
			return err
		}, "ring.not_enrolled"},
		"by who is not enrolled": {func(b *bench, x *exchange) error {
			b.ok(x.offered())
			_, err := b.s.ExchangeRecovery(b.t.Context(), b.call("a3", casefile.IdentityOfficer), ringB, workflow.RecoveryExchange{})
			return err
		}, "ring.not_enrolled"},
		"after the time": {func(b *bench, x *exchange) error {
			b.ok(x.offered())
			b.now = b.now.Add(72 * time.Hour)
			_, err := x.exchanged()
			return err
		}, "ring.offer_expired"},
		"with the proof of an earlier offer": {func(b *bench, x *exchange) error {
			b.ok(x.offered())
			old, err := x.paper.Prove(x.candidate(), b.ring().Offer.Challenge)
			b.ok(err)
			b.ok(x.offered())
			_, err = b.s.ExchangeRecovery(b.t.Context(), b.ringA(), ringB, workflow.RecoveryExchange{
				Proof: old, Signature: vault.SignAdmission(b.custody.Officers[vault.RingA], x.candidate(), b.ring().Offer.Sum),
			})
			return err
		}, "ring.possession"},
		"with the proof of another": {func(b *bench, x *exchange) error {
			b.ok(x.offered())
			proof, err := x.paper.Prove(x.candidate(), b.ring().Offer.Challenge)
			b.ok(err)
			proof.Signature = vault.SignAdmission(b.custody.Officers[vault.RingB], x.candidate(), b.ring().Offer.Sum)
			_, err = b.s.ExchangeRecovery(b.t.Context(), b.ringA(), ringB, workflow.RecoveryExchange{Proof: proof})
			return err
		}, "ring.possession"},
		"what was wrapped is another's": {func(b *bench, x *exchange) error {
			b.ok(x.offered())
			proof, err := x.paper.Prove(x.candidate(), b.ring().Offer.Challenge)
			b.ok(err)
			_, err = b.s.ExchangeRecovery(b.t.Context(), b.ringA(), ringB, workflow.RecoveryExchange{
				Proof: proof, Signature: vault.SignAdmission(b.custody.Officers[vault.RingA], x.candidate(), vault.Sum(x.offer.Shares)),
			})
			return err
		}, "ring.approval"},
		"an officer came meanwhile": {func(b *bench, x *exchange) error {
			b.ok(x.offered())
			b.colleague()
			_, err := x.exchanged()
			return err
		}, "ring.changed"},
		"an officer left meanwhile": {func(b *bench, _ *exchange) error {
			stays := b.colleague()
			x := b.exchange()
			b.ok(x.offered())
			r := b.ring()
			proof, err := x.paper.Prove(x.candidate(), r.Offer.Challenge)
			b.ok(err)
			_, err = b.s.LeaveRing(b.t.Context(), b.call("b2", casefile.SealLeader), ringB, b.leaving(stays))
			b.ok(err)
			_, err = b.s.ExchangeRecovery(b.t.Context(), b.ringA(), ringB, workflow.RecoveryExchange{
				Proof: proof, Signature: vault.SignAdmission(b.custody.Officers[vault.RingA], x.candidate(), r.Offer.Sum),
			})
			return err
		}, "ring.no_offer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.refused(tt.meanwhile(b, b.exchange()), tt.want)
			r := b.ring()
			if len(r.Exchanged) > 0 || slices.ContainsFunc(r.Timeline, func(e casefile.Event) bool { return e.Command == "exchange" }) {
				t.Error("the recovery key was exchanged all the same")
			}
		})
	}
}

// Of an officer's leaving and the witness's step at the same time one is done,
// and the ring fits together after either.
func TestRecoveryExchangeAgainstLeaving(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	stays := b.colleague()
	x := b.exchange()
	b.ok(x.offered())
	r := b.ring()
	proof, err := x.paper.Prove(x.candidate(), r.Offer.Challenge)
	b.ok(err)
	in := workflow.RecoveryExchange{Proof: proof, Signature: vault.SignAdmission(b.custody.Officers[vault.RingA], x.candidate(), r.Offer.Sum)}
	leaving := b.leaving(stays)
	calls := []workflow.Call{b.ringA(), b.call("b2", casefile.SealLeader)}
	errs := make(chan error, len(calls))
	go func() {
		_, err := b.s.ExchangeRecovery(t.Context(), calls[0], ringB, in)
		errs <- err
	}()
	go func() {
		_, err := b.s.LeaveRing(t.Context(), calls[1], ringB, leaving)
		errs <- err
	}()
	won := 0
	for range calls {
		switch err := <-errs; fault.CodeOf(err) {
		case "ring.no_offer", "ring.changed":
		default:
			b.ok(err)
			won++
		}
	}
	r = b.ring()
	if won != 1 || len(r.Versions) != 2 || r.Offer != nil {
		t.Errorf("%d of two won, and there are %d versions", won, len(r.Versions))
	}
	for _, o := range r.Officers {
		if len(o.Shares) != len(r.Versions) {
			t.Errorf("%s holds %d of %d versions", o.Person, len(o.Shares), len(r.Versions))
		}
	}
}

// An officer who was moved from one ring to the other got its key beside the one
// that was known already, and opened alone what takes two.
func TestFormerOfficerJoinedTheOtherRing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	stays := b.colleague()
	key, err := vault.NewOfficerKey(vault.RingA, "moved", rand.Reader)
	b.ok(err)
	public := key.Public()
	ask := func(person string) error {
		call := b.call(person, casefile.IdentityOfficer) // the post of ring B was taken away
		_, err := b.s.AskEnrol(t.Context(), call, workflow.RingID("county", vault.RingA), casefile.RingHolder{Recipient: public.Recipient, Verify: public.Verify})
		return err
	}
	b.refused(ask("b1"), "ring.other_ring")
	_, err = b.s.LeaveRing(t.Context(), b.call("b2", casefile.SealLeader), ringB, b.leaving(stays))
	b.ok(err)
	b.refused(ask("b1"), "ring.other_ring")
	b.ok(ask("a2"))
	_, err = b.s.AskEnrol(t.Context(), b.call("a2", casefile.SealLeader), ringB, casefile.RingHolder{Recipient: public.Recipient, Verify: public.Verify})
	b.refused(err, "ring.other_ring")
}
