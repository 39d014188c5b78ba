package workflow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"gridwatch/server/audit"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
)

// RingID is the id of a tenant's ring: there is one of each.
func RingID(tenant string, ring vault.Ring) string {
	sum := sha256.Sum256([]byte("gridwatch/ring\n" + tenant + "\n" + string(ring)))
	return hex.EncodeToString(sum[:16])
}

// ringOf is the ring whose post an actor holds; nobody holds posts in both.
func ringOf(actor casefile.Actor) vault.Ring {
	if slices.Contains(actor.Roles(), casefile.IdentityOfficer) {
		return vault.RingA
	}
	return vault.RingB
}

func errNotEnrolled() error {
	return fault.New(fault.Conflict, "ring.not_enrolled", "this is for an officer who is enrolled in the ring")
}

// RingFounding is the first version of a ring's key.
type RingFounding struct {
	Recipient string // of the ring's key
	Officer   casefile.RingHolder
	Share     []byte // wrapped to the officer
	Recovery  casefile.RingHolder
	Wrapped   []byte // wrapped to the recovery key
	Signature []byte // vault.SignVersion
}

// CreateRing is the first officer of a ring making its key. The officer's post
// says of which ring; others are enrolled by AskEnrol and what follows.
func (s *Service) CreateRing(ctx context.Context, call Call, in RingFounding) (casefile.Outcome, error) {
	ring, person := ringOf(call.Actor), call.Actor.Person
	v := vault.NewVersion{
		Tenant: call.Actor.Tenant, Ring: ring, Version: 1, Recipient: in.Recipient,
		Shares: map[string][]byte{person: in.Share}, Recovery: in.Wrapped,
	}
	for _, r := range []string{in.Recipient, in.Officer.Recipient, in.Recovery.Recipient} {
		if err := vault.CheckRecipient(r); err != nil {
			return casefile.Outcome{}, err
		}
	}
	if err := vault.VerifyVersion(in.Officer.Verify, v, in.Signature); err != nil {
		return casefile.Outcome{}, err
	}
	if err := checkShares(in.Share, in.Wrapped); err != nil {
		return casefile.Outcome{}, err
	}
	if err := s.neverInOther(ctx, call.Actor); err != nil {
		return casefile.Outcome{}, err
	}
	return createAs(ctx, s, call, s.Rings, casefile.RingMoves, []string{RingID(call.Actor.Tenant, ring)},
		func(r *casefile.Ring, e *casefile.Event) ([]casefile.Effect, error) {
			e.Command = "create"
			r.Ring, r.Recovery = string(ring), in.Recovery
			r.Versions = []casefile.RingVersion{{
				Number: 1, Recipient: in.Recipient, Recovery: in.Wrapped, From: e.At, MadeBy: person, Signature: in.Signature,
			}}
			r.Officers = []casefile.RingOfficer{{
				Person: person, Key: in.Officer, State: casefile.RingEnrolled, Sponsor: person,
				Shares: []casefile.RingShare{{Version: 1, Wrapped: in.Share}},
			}}
			return ringLeaf(r, casefile.RingOpen, *e), nil
		})
}

func (s *Service) onRing(
	ctx context.Context, call Call, id string, command casefile.Command, do func(*casefile.Ring, *casefile.Event) error,
) (casefile.Outcome, error) {
	return change(ctx, s, call, s.Rings, casefile.RingMoves, id, casefile.RingKeep,
		func(r *casefile.Ring, e *casefile.Event) ([]casefile.Effect, error) {
			e.Command = command
			if own := vault.Ring(r.Ring) == ringOf(call.Actor); own == (command == "witness" || command == "exchange") {
				return nil, vault.ErrWrongRing
			}
			if err := do(r, e); err != nil {
				return nil, err
			}
			return ringLeaf(r, r.State, *e), nil
		})
}

// ringLeaf enters a new version of a ring's key in the log. The key is public:
// whoever has a list of keys can show that its versions stand there.
func ringLeaf(r *casefile.Ring, to casefile.State, e casefile.Event) []casefile.Effect {
	kind, ok := casefile.RingMoves.LeafKind(e.Command, to)
	if !ok {
		return nil
	}
	sum := sha256.Sum256([]byte(r.Versions[len(r.Versions)-1].Recipient))
	s := audit.Statement{Kind: kind, Commitment: hex.EncodeToString(sum[:]), Day: audit.Day(e.At), Salt: sum[:]}
	return []casefile.Effect{{Leaf: s.Data()}}
}

// candidateOf is what the signatures of an enrolment are about.
func candidateOf(r *casefile.Ring, person string, key casefile.RingHolder) vault.Candidate {
	return vault.Candidate{Tenant: r.Tenant, Ring: vault.Ring(r.Ring), Person: person, Recipient: key.Recipient, Verify: key.Verify}
}

// holds says whether a key is in a ring: an officer's, the recovery key, or one
// that was a recovery key or is to be.
func holds(r *casefile.Ring, recipient, except string) bool {
	of := func(x casefile.RingExchange) bool { return x.Old.Recipient == recipient }
	return r.Recovery.Recipient == recipient || slices.ContainsFunc(r.Exchanged, of) ||
		(r.Offer != nil && r.Offer.Key.Recipient == recipient) ||
		slices.ContainsFunc(r.Officers, func(o casefile.RingOfficer) bool { return o.Person != except && o.Key.Recipient == recipient })
}

func errKeyTaken() error {
	return fault.New(fault.Conflict, "ring.key_taken", "this key is somebody else's, or was: everyone makes an own one")
}

// AskEnrol is a new officer of a ring bringing the public half of an own key.
// The answer to it is a challenge in the ring's record. Who asks again begins
// anew; who is enrolled leaves the ring first.
func (s *Service) AskEnrol(ctx context.Context, call Call, id string, key casefile.RingHolder) (casefile.Outcome, error) {
	if err := s.neverInOther(ctx, call.Actor); err != nil {
		return casefile.Outcome{}, err
	}
	challenge, nonce, err := vault.NewChallenge(key.Recipient, s.Random)
	if err != nil {
		return casefile.Outcome{}, err
	}
	return s.onRing(ctx, call, id, "ask", func(r *casefile.Ring, _ *casefile.Event) error {
		person := call.Actor.Person
		if _, ok := r.Enrolled(person); ok {
			return fault.New(fault.Conflict, "ring.enrolled", "you are enrolled: leave the ring before you bring another key")
		}
		if holds(r, key.Recipient, person) {
			return errKeyTaken()
		}
		r.Drop(func(o casefile.RingOfficer) bool { return o.Person == person })
		r.Officers = append(r.Officers, casefile.RingOfficer{
			Person: person, Key: key, State: casefile.RingAsked, Challenge: challenge, Nonce: nonce,
		})
		return nil
	})
}

// step finds the person of an enrolment in the state that a step begins from.
func step(r *casefile.Ring, person string, from casefile.State) (*casefile.RingOfficer, error) {
	o, ok := r.Officer(person)
	if !ok || o.State != from {
		return nil, fault.New(fault.Conflict, "ring.step", "an enrolment goes: ask, prove, admit, witness")
	}
	return o, nil
}

// ProveEnrol is the new officer answering the challenge: the first signature.
func (s *Service) ProveEnrol(ctx context.Context, call Call, id string, proof vault.Proof) (casefile.Outcome, error) {
	return s.onRing(ctx, call, id, "prove", func(r *casefile.Ring, _ *casefile.Event) error {
		o, err := step(r, call.Actor.Person, casefile.RingAsked)
		if err != nil {
			return err
		}
		if err := vault.VerifyProof(candidateOf(r, o.Person, o.Key), proof, o.Nonce); err != nil {
			return err
		}
		o.State, o.Proof, o.Challenge = casefile.RingProved, proof.Signature, nil
		return nil
	})
}

// Admission is the ring's key in every version, wrapped to a new officer.
type Admission struct {
	Person    string
	Shares    []vault.Share
	Signature []byte // vault.SignAdmission, of vault.Sum
}

// AdmitOfficer is an officer of the ring wrapping its key to a new one: the
// second signature. Where no officer is left the new one brings the shares that
// the recovery key made and signed.
func (s *Service) AdmitOfficer(ctx context.Context, call Call, id string, in Admission) (casefile.Outcome, error) {
	return s.onRing(ctx, call, id, "admit", func(r *casefile.Ring, _ *casefile.Event) error {
		verify := r.Recovery.Verify
		if call.Actor.Person != in.Person {
			sponsor, ok := r.Enrolled(call.Actor.Person)
			if !ok {
				return errNotEnrolled()
			}
			verify = sponsor.Key.Verify
		}
		o, err := step(r, in.Person, casefile.RingProved)
		if err != nil {
			return err
		}
		sum := vault.Sum(in.Shares)
		if err := vault.VerifyAdmission(verify, candidateOf(r, o.Person, o.Key), sum, in.Signature); err != nil {
			return err
		}
		if err := everyVersion(r, in.Shares); err != nil {
			return err
		}
		for _, share := range in.Shares {
			if err := vault.CheckShare(share.Wrapped); err != nil {
				return err
			}
			o.Shares = append(o.Shares, casefile.RingShare(share))
		}
		o.State, o.Sum, o.Sponsor, o.Admission = casefile.RingAdmitted, sum, call.Actor.Person, in.Signature
		return nil
	})
}

func everyVersion(r *casefile.Ring, shares []vault.Share) error {
	if !slices.EqualFunc(shares, r.Versions, func(s vault.Share, v casefile.RingVersion) bool { return s.Version == v.Number }) {
		return fault.New(fault.Conflict, "ring.versions", "every version of the ring's key is wrapped, oldest first: read the ring again")
	}
	return nil
}

// Witnessing is the third signature, over what the second was over.
type Witnessing struct {
	Person    string
	Signature []byte // vault.SignAdmission
}

// WitnessEnrol is an officer of the other ring saying that it was done in the
// presence of both rings: the new officer is enrolled.
func (s *Service) WitnessEnrol(ctx context.Context, call Call, id string, in Witnessing) (casefile.Outcome, error) {
	other, err := s.ringIfAny(ctx, call.Actor.Tenant, ringOf(call.Actor))
	if err != nil {
		return casefile.Outcome{}, err
	}
	return s.onRing(ctx, call, id, "witness", func(r *casefile.Ring, _ *casefile.Event) error {
		witness, ok := other.Enrolled(call.Actor.Person)
		if !ok {
			return errNotEnrolled()
		}
		o, err := step(r, in.Person, casefile.RingAdmitted)
		if err != nil {
			return err
		}
		if err := vault.VerifyAdmission(witness.Key.Verify, candidateOf(r, o.Person, o.Key), o.Sum, in.Signature); err != nil {
			return err
		}
		o.State, o.Witness, o.Witnessed = casefile.RingEnrolled, call.Actor.Person, in.Signature
		return nil
	})
}

// ReadRings returns the tenant's rings, A first; of what is wrapped only what
// is for the actor, and what is for a recovery key for the ring's own officers.
func (s *Service) ReadRings(ctx context.Context, actor casefile.Actor) ([]casefile.Ring, error) {
	rings := []casefile.Ring{}
	for _, ring := range []vault.Ring{vault.RingA, vault.RingB} {
		r, err := load(ctx, actor, s.Rings, RingID(actor.Tenant, ring), casefile.RingRead)
		if fault.KindOf(err) == fault.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		for i := range r.Officers {
			o := &r.Officers[i]
			if o.Person != actor.Person {
				o.Challenge, o.Shares = nil, nil
			}
		}
		if ring != ringOf(actor) {
			for i := range r.Versions {
				r.Versions[i].Recovery = nil
			}
			if r.Offer != nil {
				r.Offer.Challenge, r.Offer.Shares, r.Offer.Made.Recovery = nil, nil, nil
			}
		}
		rings = append(rings, *r)
	}
	return rings, nil
}

// signer returns the key by which an enrolled officer of a ring signs.
func (s *Service) signer(ctx context.Context, tenant string, ring vault.Ring, person string) ([]byte, error) {
	r, err := s.ringIfAny(ctx, tenant, ring)
	if err != nil {
		return nil, err
	}
	if o, ok := r.Enrolled(person); ok {
		return o.Key.Verify, nil
	}
	return nil, errNotEnrolled()
}

// ringIfAny returns a ring, one with nobody in it if it has no key yet.
func (s *Service) ringIfAny(ctx context.Context, tenant string, ring vault.Ring) (*casefile.Ring, error) {
	r, err := s.Rings.Get(ctx, tenant, RingID(tenant, ring))
	if fault.KindOf(err) == fault.NotFound {
		return &casefile.Ring{}, nil
	}
	return r, err
}

// neverInOther refuses who is on the way into the other ring, in it, or was: a
// post is taken away, the key of a ring that somebody was given is not.
func (s *Service) neverInOther(ctx context.Context, actor casefile.Actor) error {
	other, err := s.ringIfAny(ctx, actor.Tenant, otherRing(actor))
	if err != nil {
		return err
	}
	if _, there := other.Officer(actor.Person); there || slices.Contains(other.Left, actor.Person) {
		return fault.New(fault.Conflict, "ring.other_ring", "who is or was in the other ring cannot be in this one: it takes another person")
	}
	return nil
}

// otherRing is the one that an actor has no post in.
func otherRing(actor casefile.Actor) vault.Ring {
	if ringOf(actor) == vault.RingA {
		return vault.RingB
	}
	return vault.RingA
}
