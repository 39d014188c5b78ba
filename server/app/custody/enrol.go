package custody

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
)

// candidate is what the signatures of an enrolment are about.
func candidate(tenant string, r ring, o officer) vault.Candidate {
	return vault.Candidate{Tenant: tenant, Ring: r.Ring, Person: o.Person, Recipient: o.Key.Recipient, Verify: o.Key.Verify}
}

// enrolAsk brings a new officer's public key and answers the challenge.
func enrolAsk(ctx context.Context, o options, env Env) error {
	key, err := o.anyKey()
	if err != nil {
		return err
	}
	s, err := o.begin(ctx, env, key)
	if err != nil {
		return err
	}
	own := key.Public()
	again, err := vault.NewID(env.Random) // who asks again gets a new challenge
	if err != nil {
		return err
	}
	_, err = s.c.Do(ctx, apiclient.Call{
		Method: http.MethodPost, Path: s.ring.path("/ask"), Key: again, Body: holder{own.Recipient, own.Verify},
	}, nil)
	if err != nil {
		return err
	}
	if s.rings, err = readRings(ctx, s.c); err != nil {
		return err
	}
	if s.ring, err = s.rings.of(own.Ring); err != nil {
		return err
	}
	asked, err := s.ring.officer(s.rings.Person, casefile.RingAsked)
	if err != nil {
		return err
	}
	c := candidate(s.rings.Tenant, s.ring, asked)
	if c.Recipient != own.Recipient || !own.Verify.Equal(c.Verify) {
		return errors.New("the server shows another key than the one that was brought: tell the officers of both rings")
	}
	proof, err := key.Prove(c, asked.Challenge)
	if err != nil {
		return err
	}
	if err := post(ctx, s.c, s.ring.path("/prove"), proof); err != nil {
		return err
	}
	return o.say(env, "Read this to the officers beside you, who compare it with what they see:\n  %s\nperson %s\n", c.Fingerprint(), s.rings.Person)
}

// enrolAdmit wraps the ring's key to a new officer, or brings what recover made.
func enrolAdmit(ctx context.Context, o options, env Env) error {
	key, err := o.anyKey()
	if err != nil {
		return err
	}
	s, err := o.begin(ctx, env, key)
	if err != nil {
		return err
	}
	if o.shares != "" {
		var made admission
		if err := readJSON(o.shares, &made); err != nil {
			return err
		}
		return post(ctx, s.c, s.ring.path("/admit"), made)
	}
	held, err := s.ring.held(key)
	if err != nil {
		return err
	}
	made, err := s.admit(env, key, held, s.rings.Tenant, s.ring)
	if err != nil {
		return err
	}
	if err := post(ctx, s.c, s.ring.path("/admit"), made); err != nil {
		return err
	}
	return o.say(env, "Wrapped %d versions of the key. Now an officer of the other ring runs enrol witness.\n", len(made.Shares))
}

// admission is the body of admit.
type admission struct {
	Person    string        `json:"person"`
	Shares    []vault.Share `json:"shares"`
	Signature []byte        `json:"signature"`
}

// admit wraps every version of the ring's key to a candidate who proved to hold
// an own key, after the fingerprint was compared.
func (o options) admit(env Env, key *vault.OfficerKey, held []*vault.RingKey, tenant string, r ring) (admission, error) {
	proved, err := r.officer(o.person, casefile.RingProved)
	if err != nil {
		return admission{}, err
	}
	c := candidate(tenant, r, proved)
	if err := o.agreed(env, "New officer %s of ring %s:\n  %s\nIs this what the officer beside you reads?",
		printable(c.Person), strings.ToUpper(string(c.Ring)), c.Fingerprint()); err != nil {
		return admission{}, err
	}
	made := admission{Person: o.person}
	if made.Shares, err = wrapped(held, c.Recipient); err != nil {
		return admission{}, err
	}
	made.Signature = vault.SignAdmission(key, c, vault.Sum(made.Shares))
	return made, nil
}

// enrolWitness signs, for the other ring, what was done.
func enrolWitness(ctx context.Context, o options, env Env) error {
	key, err := o.anyKey()
	if err != nil {
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
	admitted, err := r.officer(o.person, casefile.RingAdmitted)
	if err != nil {
		return err
	}
	c := candidate(s.rings.Tenant, r, admitted)
	if err := o.agreed(env, "New officer %s of ring %s:\n  %s\nIs this what the officer beside you reads, and did you see it done?",
		printable(c.Person), strings.ToUpper(string(c.Ring)), c.Fingerprint()); err != nil {
		return err
	}
	err = post(ctx, s.c, r.path("/witness"), map[string]any{"person": o.person, "signature": vault.SignAdmission(key, c, admitted.Sum)})
	if err != nil {
		return err
	}
	return o.say(env, "Enrolled. The next list of keys names the officer (ring list, root sign).\n")
}
