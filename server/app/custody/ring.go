package custody

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
)

const ringsPath = "/v1/custody/rings"

// holder is the public half of an officer's or a recovery key.
type holder struct {
	Recipient string            `json:"recipient"`
	Verify    ed25519.PublicKey `json:"verify"`
}

// ring is a ring as the server shows it.
type ring struct {
	ID       string     `json:"id"`
	Ring     vault.Ring `json:"ring"`
	Recovery holder     `json:"recovery"`
	Versions []version  `json:"versions"`
	Officers []officer  `json:"officers"`
	Offer    *offer     `json:"offer,omitempty"`
}

// offer is a recovery key that is to take the place of the ring's.
type offer struct {
	Key       holder        `json:"key"`
	Challenge []byte        `json:"challenge,omitempty"`
	Shares    []vault.Share `json:"shares,omitempty"`
	Version   int           `json:"version"`
	Recipient string        `json:"recipient"`
	Wrapped   []byte        `json:"wrapped,omitempty"`
	Sum       string        `json:"sum"`
}

type version struct {
	Number    int    `json:"number"`
	Recipient string `json:"recipient"`
	Recovery  []byte `json:"recovery,omitempty"`
}

type officer struct {
	Person    string         `json:"person"`
	Key       holder         `json:"key"`
	State     casefile.State `json:"state"`
	Challenge []byte         `json:"challenge,omitempty"`
	Shares    []vault.Share  `json:"shares,omitempty"`
	Sum       string         `json:"sum,omitempty"`
}

// rings are both rings, and who asked.
type rings struct {
	Tenant string `json:"tenant"`
	Person string `json:"person"`
	Items  []ring `json:"items"`
}

// of returns one of the rings.
func (r rings) of(which vault.Ring) (ring, error) {
	for _, one := range r.Items {
		if one.Ring == which {
			return one, nil
		}
	}
	return ring{}, fmt.Errorf("ring %s has no key yet: its first officer runs ring create", strings.ToUpper(string(which)))
}

func (r ring) path(part string) string { return ringsPath + "/" + url.PathEscape(r.ID) + part }

// officer finds a person in a state.
func (r ring) officer(person string, state casefile.State) (officer, error) {
	for _, o := range r.Officers {
		if o.Person == person && o.State == state {
			return o, nil
		}
	}
	return officer{}, fmt.Errorf("this person is not %s in ring %s", strings.ToLower(string(state)), strings.ToUpper(string(r.Ring)))
}

// own finds whose key it is.
func (r ring) own(key *vault.OfficerKey) (officer, error) {
	for _, o := range r.Officers {
		if o.Key.Recipient == key.Public().Recipient {
			return o, nil
		}
	}
	return officer{}, fmt.Errorf("this key is not enrolled in ring %s", strings.ToUpper(string(r.Ring)))
}

// held opens the officer's shares: the ring's key in every version.
func (r ring) held(key *vault.OfficerKey) ([]*vault.RingKey, error) {
	o, err := r.own(key)
	if err != nil {
		return nil, err
	}
	if len(o.Shares) == 0 {
		return nil, errors.New("the server shows no share of the ring's key: sign in as the officer whose key it is")
	}
	return r.unwrap(key, o.Shares)
}

func (r ring) unwrap(key *vault.OfficerKey, shares []vault.Share) ([]*vault.RingKey, error) {
	var keys []*vault.RingKey
	for _, s := range shares {
		at := slices.IndexFunc(r.Versions, func(v version) bool { return v.Number == s.Version })
		if at < 0 {
			return nil, vault.ErrShare
		}
		k, err := key.Unwrap(s.Version, s.Wrapped, r.Versions[at].Recipient)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// wrapped wraps every version of the ring's key.
func wrapped(held []*vault.RingKey, recipient string) ([]vault.Share, error) {
	var shares []vault.Share
	for _, k := range held {
		share, err := k.Wrap(recipient)
		if err != nil {
			return nil, err
		}
		shares = append(shares, vault.Share{Version: k.Version(), Wrapped: share})
	}
	return shares, nil
}

// session is an officer at work: the key, the connection, the tenant's rings.
type session struct {
	options
	env   Env
	c     apiclient.Client
	key   *vault.OfficerKey
	rings rings
	ring  ring // the key's
}

// begin reads the key, connects and reads the rings.
func (o options) begin(ctx context.Context, env Env, key *vault.OfficerKey) (session, error) {
	s := session{options: o, env: env, key: key}
	var err error
	if s.c, err = o.connect(ctx, env); err != nil {
		return s, err
	}
	if s.rings, err = readRings(ctx, s.c); err != nil {
		return s, err
	}
	s.ring, err = s.rings.of(key.Public().Ring)
	return s, err
}

// other is the ring that the key is not of.
func (s session) other() (ring, error) {
	if s.ring.Ring == vault.RingA {
		return s.rings.of(vault.RingB)
	}
	return s.rings.of(vault.RingA)
}

func readRings(ctx context.Context, c apiclient.Client) (rings, error) {
	var r rings
	_, err := c.Do(ctx, apiclient.Call{Method: http.MethodGet, Path: ringsPath}, &r)
	return r, err
}

// ringCreate makes the first version of a ring's key.
func ringCreate(ctx context.Context, o options, env Env) error {
	key, err := o.anyKey()
	if err != nil {
		return err
	}
	recovery, err := o.readRecovery(key)
	if err != nil {
		return err
	}
	own := key.Public()
	c, err := o.connect(ctx, env)
	if err != nil {
		return err
	}
	r, err := readRings(ctx, c)
	if err != nil {
		return err
	}
	made, err := vault.NewRingKey(own.Ring, 1)
	if err != nil {
		return err
	}
	v := vault.NewVersion{Tenant: r.Tenant, Ring: own.Ring, Version: 1, Recipient: made.Recipient(), Shares: map[string][]byte{}}
	if v.Shares[r.Person], err = made.Wrap(own.Recipient); err != nil {
		return err
	}
	if v.Recovery, err = made.Wrap(recovery.Recipient); err != nil {
		return err
	}
	err = post(ctx, c, ringsPath, map[string]any{
		"recipient": v.Recipient, "officer": holder{own.Recipient, own.Verify}, "share": v.Shares[r.Person],
		"recovery": holder{recovery.Recipient, recovery.Verify}, "wrapped": v.Recovery, "signature": vault.SignVersion(key, v),
	})
	if err != nil {
		return err
	}
	return o.say(env, "Ring %s has its key, version 1: %s\nNow the other ring; then ring list, and the root signs.\n",
		strings.ToUpper(string(own.Ring)), vault.Fingerprint([]byte(v.Recipient)))
}

// ringShow saves the rings for recover, which has no network.
func ringShow(ctx context.Context, o options, env Env) error {
	c, err := o.connect(ctx, env)
	if err != nil {
		return err
	}
	r, err := readRings(ctx, c)
	if err != nil {
		return err
	}
	return writeJSON(o.out, r)
}

// ringList writes the list of keys that follows the one in force.
func ringList(ctx context.Context, o options, env Env) error {
	c, err := o.connect(ctx, env)
	if err != nil {
		return err
	}
	r, err := readRings(ctx, c)
	if err != nil {
		return err
	}
	var public struct {
		Rings struct {
			Version int `json:"version"`
		} `json:"rings"`
	}
	if _, err := c.Do(ctx, apiclient.Call{Method: http.MethodGet, Path: publicPath(r.Tenant)}, &public); err != nil {
		return err
	}
	list := vault.KeyList{Tenant: r.Tenant, Version: public.Rings.Version + 1}
	for which, into := range map[vault.Ring]*vault.PublishedRing{vault.RingA: &list.A, vault.RingB: &list.B} {
		one, err := r.of(which)
		if err != nil {
			return err
		}
		newest := one.Versions[len(one.Versions)-1]
		into.Version, into.Recipient = newest.Number, newest.Recipient
		for _, officer := range one.Officers {
			if officer.State == casefile.RingEnrolled {
				into.Officers = append(into.Officers, officer.Key.Verify)
			}
		}
	}
	return writeJSON(o.out, list)
}

func publicPath(tenant string) string { return "/v1/public/" + url.PathEscape(tenant) }

// leave makes a new version of the ring's key for those who stay.
func leave(ctx context.Context, o options, env Env) error {
	key, err := o.anyKey()
	if err != nil {
		return err
	}
	s, err := o.begin(ctx, env, key)
	if err != nil {
		return err
	}
	if err := o.agreed(env, "Take ring %s's key from %s, and make a new one?", strings.ToUpper(string(s.ring.Ring)), printable(o.person)); err != nil {
		return err
	}
	v, held, err := s.newVersion(o.person, s.ring.Recovery.Recipient)
	if err != nil {
		return err
	}
	err = post(ctx, s.c, s.ring.path("/leave"), map[string]any{
		"person": o.person, "version": v.Version, "recipient": v.Recipient, "shares": held, "wrapped": v.Recovery,
		"signature": vault.SignVersion(key, v),
	})
	if err != nil {
		return err
	}
	return o.say(env, "Done: version %d. New reports are sealed to it once the root has signed the next list (ring list, root sign).\n", v.Version)
}

// newVersion makes the next version of the ring's key for all who hold it but a
// leaver, and for a recovery key.
func (s session) newVersion(leaver, recovery string) (vault.NewVersion, []casefile.PersonShare, error) {
	made, err := vault.NewRingKey(s.ring.Ring, len(s.ring.Versions)+1)
	if err != nil {
		return vault.NewVersion{}, nil, err
	}
	v := vault.NewVersion{
		Tenant: s.rings.Tenant, Ring: s.ring.Ring, Version: made.Version(), Recipient: made.Recipient(), Leaver: leaver, Shares: map[string][]byte{},
	}
	held := []casefile.PersonShare{}
	for _, one := range s.ring.Officers {
		if one.State != casefile.RingEnrolled || one.Person == leaver {
			continue
		}
		if v.Shares[one.Person], err = made.Wrap(one.Key.Recipient); err != nil {
			return v, nil, err
		}
		held = append(held, casefile.PersonShare{Person: one.Person, Wrapped: v.Shares[one.Person]})
	}
	v.Recovery, err = made.Wrap(recovery)
	return v, held, err
}
