package custody

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gridwatch/server/vault"
)

// recoveryKeygen makes the key that opens a ring when no officer is left. Its
// file is to be printed or kept offline, by a keeper of its own.
func recoveryKeygen(_ context.Context, o options, env Env) error {
	public, err := newKey(o, "recovery key of ring "+strings.ToUpper(o.ring), env)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.Stderr, "Write this on the paper, and read it to the officers when the key is brought in:\n  %s\n", public.Fingerprint())
	return err
}

// recoverRing does an officer's part of an enrolment by the recovery key, on a
// machine without a network: all officers of the ring are gone.
func recoverRing(_ context.Context, o options, env Env) error {
	key, err := o.anyKey()
	if err != nil {
		return err
	}
	var saved rings
	if err := readJSON(o.rings, &saved); err != nil {
		return err
	}
	r, err := saved.of(key.Public().Ring)
	if err != nil {
		return err
	}
	held, err := r.recovered(key)
	if err != nil {
		return err
	}
	o.yes = true // what was compared is compared again by the witness
	made, err := o.admit(env, key, held, saved.Tenant, r)
	if err != nil {
		return err
	}
	if err := writeJSON(o.out, made); err != nil {
		return err
	}
	return o.say(env, "Now the new officer runs enrol admit --shares, and an officer of the other ring enrol witness.\n")
}

// recovered opens the recovery key's shares: the ring's key in every version.
func (r ring) recovered(key *vault.OfficerKey) ([]*vault.RingKey, error) {
	var shares []vault.Share
	for _, v := range r.Versions {
		shares = append(shares, vault.Share{Version: v.Number, Wrapped: v.Recovery})
	}
	return r.unwrap(key, shares)
}

// recoveryCheck says whether a recovery key opens the ring's key in every
// version, on a machine without a network. Whoever made a version may have wrapped it
// wrongly, which would show only when nobody is left.
func recoveryCheck(_ context.Context, o options, env Env) error {
	key, err := o.anyKey()
	if err != nil {
		return err
	}
	var saved rings
	if err := readJSON(o.rings, &saved); err != nil {
		return err
	}
	own := key.Public()
	r, err := saved.of(own.Ring)
	if err != nil {
		return err
	}
	if r.Recovery.Recipient != own.Recipient {
		return fmt.Errorf("this is not the recovery key of ring %s, or no longer", strings.ToUpper(string(own.Ring)))
	}
	held, err := r.recovered(key)
	if err != nil {
		return fmt.Errorf("not every version of the ring's key opens (ring show is run by an officer of the ring): make a new recovery key: %w", err)
	}
	return o.say(env, "This key opens all %d versions of ring %s's key.\n", len(held), strings.ToUpper(string(own.Ring)))
}

// readRecovery reads the public half of a recovery key for the ring of an
// officer's key.
func (o options) readRecovery(key *vault.OfficerKey) (vault.OfficerPublic, error) {
	var recovery vault.OfficerPublic
	if err := readJSON(o.recovery, &recovery); err != nil {
		return recovery, err
	}
	if own := key.Public(); recovery.Ring != own.Ring || recovery.Recipient == own.Recipient {
		return recovery, errors.New("the recovery key is one of its own, made for the same ring")
	}
	return recovery, nil
}

// exchange wraps the ring's key to a new recovery key and makes a new version of
// it, which the old recovery key is not given.
func exchange(ctx context.Context, o options, env Env) error {
	key, err := o.anyKey()
	if err != nil {
		return err
	}
	recovery, err := o.readRecovery(key)
	if err != nil {
		return err
	}
	s, err := o.begin(ctx, env, key)
	if err != nil {
		return err
	}
	held, err := s.ring.held(key)
	if err != nil {
		return err
	}
	if err := o.agreed(env, "New recovery key of ring %s:\n  %s\nIs this what its keeper reads?",
		strings.ToUpper(string(s.ring.Ring)), recovery.Fingerprint()); err != nil {
		return err
	}
	shares, err := wrapped(held, recovery.Recipient)
	if err != nil {
		return err
	}
	v, officers, err := s.newVersion("", recovery.Recipient)
	if err != nil {
		return err
	}
	c := vault.Candidate{Tenant: s.rings.Tenant, Ring: s.ring.Ring, Recipient: recovery.Recipient, Verify: recovery.Verify}
	err = post(ctx, s.c, s.ring.path("/recovery"), map[string]any{
		"recovery": holder{recovery.Recipient, recovery.Verify}, "shares": shares,
		"version": v.Version, "recipient": v.Recipient, "held": officers, "wrapped": v.Recovery,
		"signature": vault.SignAdmission(key, c, vault.SumWith(shares, v)),
	})
	if err != nil {
		return err
	}
	return o.say(env, "Nothing has changed yet. Run ring show, and carry its file to the keeper, who runs recovery prove;\n"+
		"with what that writes an officer of the other ring runs recovery witness.\n")
}

// recoveryProve shows, on a machine without a network, that a new recovery key
// is held and opens all that was wrapped to it.
func recoveryProve(_ context.Context, o options, env Env) error {
	key, err := o.anyKey()
	if err != nil {
		return err
	}
	own := key.Public()
	var saved rings
	if err := readJSON(o.rings, &saved); err != nil {
		return err
	}
	r, err := saved.of(own.Ring)
	if err != nil {
		return err
	}
	x := r.Offer
	if x == nil || x.Key.Recipient != own.Recipient || !own.Verify.Equal(x.Key.Verify) {
		return errors.New("the ring is not offered this recovery key: recovery exchange comes first, then ring show by an officer of the ring")
	}
	r.Versions = append(r.Versions, version{Number: x.Version, Recipient: x.Recipient})
	shares := append(x.Shares, vault.Share{Version: x.Version, Wrapped: x.Wrapped})
	if len(shares) != len(r.Versions) {
		return errors.New("not every version of the ring's key is wrapped: ring show is run by an officer of the ring")
	}
	if _, err := r.unwrap(key, shares); err != nil {
		return err
	}
	c := vault.Candidate{Tenant: saved.Tenant, Ring: own.Ring, Recipient: own.Recipient, Verify: own.Verify}
	proof, err := key.Prove(c, x.Challenge)
	if err != nil {
		return err
	}
	if err := writeJSON(o.out, proof); err != nil {
		return err
	}
	return o.say(env, "This key opens all %d versions of ring %s's key. Read this to the officers:\n  %s\n",
		len(shares), strings.ToUpper(string(own.Ring)), own.Fingerprint())
}

// recoveryWitness signs, for the other ring, what was done: from then on the new
// recovery key is the ring's.
func recoveryWitness(ctx context.Context, o options, env Env) error {
	key, err := o.anyKey()
	if err != nil {
		return err
	}
	var proof vault.Proof
	if err := readJSON(o.proof, &proof); err != nil {
		return err
	}
	s, err := o.begin(ctx, env, key)
	if err != nil {
		return err
	}
	r, err := s.other()
	if err != nil {
		return err
	}
	x := r.Offer
	if x == nil {
		return fmt.Errorf("no recovery key is on its way into ring %s: an officer of it runs recovery exchange", strings.ToUpper(string(r.Ring)))
	}
	public := vault.OfficerPublic{Ring: r.Ring, Recipient: x.Key.Recipient, Verify: x.Key.Verify}
	if err := o.agreed(env, "New recovery key of ring %s, in the place of the old one:\n  %s\nIs this what its keeper reads, and did you see it done?",
		strings.ToUpper(string(r.Ring)), public.Fingerprint()); err != nil {
		return err
	}
	c := vault.Candidate{Tenant: s.rings.Tenant, Ring: r.Ring, Recipient: x.Key.Recipient, Verify: x.Key.Verify}
	if err := post(ctx, s.c, r.path("/recovery/exchange"), map[string]any{
		"proof": proof, "signature": vault.SignAdmission(key, c, x.Sum),
	}); err != nil {
		return err
	}
	return o.say(env, "Exchanged. The old recovery key opens nothing of what is sealed once the root has signed the next list (ring list, root sign).\n")
}
