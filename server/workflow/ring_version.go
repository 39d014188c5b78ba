package workflow

import (
	"context"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
)

// Leaving is a new version of a ring's key, made because an officer leaves.
type Leaving struct {
	Person    string
	Version   int
	Recipient string
	Shares    []casefile.PersonShare // to each officer who stays
	Wrapped   []byte                 // to the recovery key
	Signature []byte                 // vault.SignVersion
}

// LeaveRing takes an officer's shares away and puts a new version of the ring's
// key in their place, made by an officer who stays. It is sealed to once the
// root has signed the next list of keys; older versions stay with who stays.
func (s *Service) LeaveRing(ctx context.Context, call Call, id string, in Leaving) (casefile.Outcome, error) {
	if err := vault.CheckRecipient(in.Recipient); err != nil {
		return casefile.Outcome{}, err
	}
	return s.onRing(ctx, call, id, "leave", func(r *casefile.Ring, e *casefile.Event) error {
		maker, ok := r.Enrolled(call.Actor.Person)
		if !ok || call.Actor.Person == in.Person {
			return errNotEnrolled()
		}
		if _, ok := r.Officer(in.Person); !ok {
			return fault.New(fault.Conflict, "ring.not_there", "this person is not in the ring").At("/person")
		}
		made := casefile.RingVersion{
			Number: in.Version, Recipient: in.Recipient, Recovery: in.Wrapped, From: e.At, MadeBy: call.Actor.Person, Signature: in.Signature,
		}
		v := versionOf(r, made, in.Shares)
		v.Leaver = in.Person
		if err := vault.VerifyVersion(maker.Key.Verify, v, in.Signature); err != nil {
			return err
		}
		r.Drop(func(o casefile.RingOfficer) bool { return o.Person == in.Person })
		return renew(r, made, in.Shares)
	})
}

// versionOf is what is signed of a version that an officer made.
func versionOf(r *casefile.Ring, made casefile.RingVersion, held []casefile.PersonShare) vault.NewVersion {
	v := vault.NewVersion{
		Tenant: r.Tenant, Ring: vault.Ring(r.Ring), Version: made.Number, Recipient: made.Recipient,
		Shares: map[string][]byte{}, Recovery: made.Recovery,
	}
	for _, share := range held {
		v.Shares[share.Person] = share.Wrapped
	}
	return v
}

// renew puts a version in force whose shares are for all who hold the ring's
// key, and for nobody else. Who was on the way in got the old versions only, and
// asks again; so does a recovery key.
func renew(r *casefile.Ring, made casefile.RingVersion, held []casefile.PersonShare) error {
	if err := fits(r, made, held); err != nil {
		return err
	}
	r.Drop(func(o casefile.RingOfficer) bool { return o.State != casefile.RingEnrolled })
	for _, share := range held {
		o, _ := r.Officer(share.Person)
		o.Shares = append(o.Shares, casefile.RingShare{Version: made.Number, Wrapped: share.Wrapped})
	}
	r.Offer = nil
	r.Versions = append(r.Versions, made)
	return nil
}

// fits refuses a version that is not the next, or not for all who hold the key.
func fits(r *casefile.Ring, made casefile.RingVersion, held []casefile.PersonShare) error {
	wrapped, persons := [][]byte{made.Recovery}, map[string]bool{}
	for _, share := range held {
		if _, ok := r.Enrolled(share.Person); !ok {
			return errRingChanged()
		}
		persons[share.Person], wrapped = true, append(wrapped, share.Wrapped)
	}
	holders := 0
	for _, o := range r.Officers {
		if o.State == casefile.RingEnrolled {
			holders++
		}
	}
	if made.Number != len(r.Versions)+1 || len(held) != holders || len(persons) != holders {
		return errRingChanged()
	}
	return checkShares(wrapped...)
}

func checkShares(wrapped ...[]byte) error {
	for _, one := range wrapped {
		if err := vault.CheckShare(one); err != nil {
			return err
		}
	}
	return nil
}

func errRingChanged() error {
	return fault.New(fault.Conflict, "ring.changed", "the ring changed since it was read: read it again")
}
