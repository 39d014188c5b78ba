package workflow

import (
	"context"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
)

// RecoveryOffer is a recovery key that is to take the place of a ring's, with the
// version of the ring's key that comes with it.
type RecoveryOffer struct {
	Recovery  casefile.RingHolder
	Shares    []vault.Share // every version that there is, wrapped to the new recovery key
	Version   int           // the one that comes with it
	Recipient string
	Held      []casefile.PersonShare // of that version, to each officer
	Wrapped   []byte                 // of that version, to the new recovery key
	Signature []byte                 // vault.SignAdmission, of vault.SumWith
}

// OfferRecovery is an officer of a ring bringing the public half of a new
// recovery key: the first signature of an exchange. The answer to it is a
// challenge in the ring's record, for the keeper of the new key. Another offer
// takes this one's place; one that nobody saw done is destroyed when a request to
// open would have expired.
func (s *Service) OfferRecovery(ctx context.Context, call Call, id string, in RecoveryOffer) (casefile.Outcome, error) {
	if err := vault.CheckRecipient(in.Recipient); err != nil {
		return casefile.Outcome{}, err
	}
	if vault.CheckRecipient(in.Recovery.Recipient) != nil {
		return casefile.Outcome{}, vault.ErrRequest.At("/recovery/recipient")
	}
	challenge, nonce, err := vault.NewChallenge(in.Recovery.Recipient, s.Random)
	if err != nil {
		return casefile.Outcome{}, err
	}
	tenant, err := s.Directory.Tenant(ctx, call.Actor.Tenant)
	if err != nil {
		return casefile.Outcome{}, err
	}
	other, err := s.ringIfAny(ctx, call.Actor.Tenant, otherRing(call.Actor))
	if err != nil {
		return casefile.Outcome{}, err
	}
	return s.onRing(ctx, call, id, "offer", func(r *casefile.Ring, e *casefile.Event) error {
		maker, ok := r.Enrolled(call.Actor.Person)
		if !ok {
			return errNotEnrolled()
		}
		if in.Recovery.Recipient == r.Recovery.Recipient {
			return fault.New(fault.Conflict, "ring.same_recovery", "this is the ring's recovery key: make a new one").At("/recovery/recipient")
		}
		r.Offer = nil
		if holds(r, in.Recovery.Recipient, "") || holds(other, in.Recovery.Recipient, "") {
			return errKeyTaken()
		}
		offer := &casefile.RingExchange{
			Key: in.Recovery, Old: r.Recovery, Challenge: challenge, Nonce: nonce, Held: in.Held,
			Until: e.At.Add(time.Duration(tenant.Policy.OpeningHours) * time.Hour),
			Made: casefile.RingVersion{
				Number: in.Version, Recipient: in.Recipient, Recovery: in.Wrapped, From: e.At, MadeBy: call.Actor.Person, Signature: in.Signature,
			},
		}
		var wrapped [][]byte
		for _, share := range in.Shares {
			offer.Shares = append(offer.Shares, casefile.RingShare(share))
			wrapped = append(wrapped, share.Wrapped)
		}
		offer.Sum = vault.SumWith(in.Shares, versionOf(r, offer.Made, offer.Held))
		if err := vault.VerifyAdmission(maker.Key.Verify, candidateOf(r, "", offer.Key), offer.Sum, in.Signature); err != nil {
			return err
		}
		if err := everyVersion(r, in.Shares); err != nil {
			return err
		}
		if err := checkShares(wrapped...); err != nil {
			return err
		}
		r.Offer = offer
		return fits(r, offer.Made, offer.Held)
	})
}

// lapseOffers destroys what was wrapped to recovery keys that the other ring did
// not see brought in within their time. It returns how many there were.
func (s *Service) lapseOffers(ctx context.Context, failed *failures) (int, error) {
	lapsed := 0
	for after, more := "", true; more; {
		page, err := s.Rings.Lapsed(ctx, s.now(), after, termPage)
		if err != nil {
			return lapsed, err
		}
		for i := range page {
			r := &page[i]
			after = r.ID
			err := followOn(ctx, s, s.Rings, casefile.RingMoves, r.Tenant, casefile.Follow{Record: r.ID, Command: "lapse"}, "offer:"+r.Offer.Nonce,
				func(r *casefile.Ring, e *casefile.Event) ([]casefile.Effect, error) {
					if r.Offer != nil && !e.At.Before(r.Offer.Until) { // else there is a newer one
						r.Offer = nil
					}
					return nil, nil
				})
			if err != nil {
				failed.add(err)
				continue
			}
			lapsed++
		}
		more = len(page) == termPage
	}
	return lapsed, nil
}

// RecoveryExchange ends an exchange: the keeper's proof to hold the new key, and
// the signature of the officer of the other ring over what the offer's is over.
type RecoveryExchange struct {
	Proof     vault.Proof
	Signature []byte // vault.SignAdmission
}

// ExchangeRecovery is an officer of the other ring saying that it was done in
// the presence of both rings. The old recovery key's shares are gone, and the
// version that came with the new one is sealed to once the root has signed the
// next list of keys.
func (s *Service) ExchangeRecovery(ctx context.Context, call Call, id string, in RecoveryExchange) (casefile.Outcome, error) {
	own, err := s.ringIfAny(ctx, call.Actor.Tenant, ringOf(call.Actor))
	if err != nil {
		return casefile.Outcome{}, err
	}
	return s.onRing(ctx, call, id, "exchange", func(r *casefile.Ring, e *casefile.Event) error {
		witness, ok := own.Enrolled(call.Actor.Person)
		if !ok {
			return errNotEnrolled()
		}
		x := r.Offer
		if x == nil {
			return fault.New(fault.Conflict, "ring.no_offer", "no recovery key is on its way into this ring: its officer offers one")
		}
		if !e.At.Before(x.Until) {
			return fault.New(fault.Conflict, "ring.offer_expired", "the offer has expired: the ring's officer makes it again")
		}
		if err := vault.VerifyProof(candidateOf(r, "", x.Key), in.Proof, x.Nonce); err != nil {
			return err
		}
		if err := vault.VerifyAdmission(witness.Key.Verify, candidateOf(r, "", x.Key), x.Sum, in.Signature); err != nil {
			return err
		}
		x.Made.From = e.At
		if err := renew(r, x.Made, x.Held); err != nil {
			return err
		}
		for i, share := range x.Shares {
			r.Versions[i].Recovery = share.Wrapped
		}
		r.Recovery = x.Key
		x.Proof, x.Witness, x.Witnessed = in.Proof.Signature, call.Actor.Person, in.Signature
		x.Challenge, x.Shares, x.Held, x.Made.Recovery = nil, nil, nil, nil
		r.Exchanged = append(r.Exchanged, *x)
		return nil
	})
}
