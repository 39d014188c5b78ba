package storetest

import (
	"crypto/ed25519"
	"crypto/rand"
	"testing"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/mongostore"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// Custody is a tenant's root and its two rings, with an officer in each.
type Custody struct {
	Root     *vault.RootKey
	Officers map[vault.Ring]*vault.OfficerKey
	Held     map[vault.Ring][]*vault.RingKey
	List     vault.SignedKeyList // version 1
}

// NewCustody makes all keys of a tenant.
func NewCustody(tb testing.TB, tenant string) Custody {
	tb.Helper()
	root, err := vault.NewRootKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	c := Custody{Root: root, Officers: map[vault.Ring]*vault.OfficerKey{}, Held: map[vault.Ring][]*vault.RingKey{}}
	for _, ring := range []vault.Ring{vault.RingA, vault.RingB} {
		officer, err := vault.NewOfficerKey(ring, "demo officer", rand.Reader)
		if err != nil {
			tb.Fatal(err)
		}
		key, err := vault.NewRingKey(ring, 1)
		if err != nil {
			tb.Fatal(err)
		}
		c.Officers[ring], c.Held[ring] = officer, []*vault.RingKey{key}
	}
	if c.List, err = root.Sign(vault.KeyList{Tenant: tenant, Version: 1, A: c.published(vault.RingA), B: c.published(vault.RingB)}); err != nil {
		tb.Fatal(err)
	}
	return c
}

func (c Custody) published(ring vault.Ring) vault.PublishedRing {
	return vault.PublishedRing{
		Version: 1, Recipient: c.Held[ring][0].Recipient(), Officers: []ed25519.PublicKey{c.Officers[ring].Public().Verify},
	}
}

// Enrol writes the two rings, each with one person who holds its key.
func (c Custody) Enrol(tb testing.TB, s *mongostore.Store, tenant string, persons map[vault.Ring]string, at time.Time) {
	tb.Helper()
	for ring, person := range persons {
		key, officer := c.Held[ring][0], c.Officers[ring].Public()
		share, err := key.Wrap(officer.Recipient)
		if err != nil {
			tb.Fatal(err)
		}
		r := &casefile.Ring{
			Ring:     string(ring),
			Versions: []casefile.RingVersion{{Number: 1, Recipient: key.Recipient(), From: at, MadeBy: person}},
			Officers: []casefile.RingOfficer{{
				Person: person, Key: casefile.RingHolder{Recipient: officer.Recipient, Verify: officer.Verify},
				State: casefile.RingEnrolled, Shares: []casefile.RingShare{{Version: 1, Wrapped: share}},
			}},
		}
		r.ID, r.Tenant = workflow.RingID(tenant, ring), tenant
		if err := r.Record(casefile.RingMoves, casefile.Event{Command: "create", To: casefile.RingOpen, At: at, By: person}); err != nil {
			tb.Fatal(err)
		}
		if err := s.Rings.Insert(tb.Context(), r); err != nil {
			tb.Fatal(err)
		}
	}
}
