package demo

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// KeyFile is where the key of a custody officer of the demo lies; the tenant's
// root and the recovery keys of its rings lie there too, as "root" and
// "recovery-a" and "recovery-b". A county keeps them apart and offline.
func KeyFile(dir, tenant, login string) string {
	return filepath.Join(dir, "custody", tenant+"-"+login+".key")
}

// keyOf reads a key of the demo, or makes it if there is none.
func keyOf[K interface {
	File(passphrase string) ([]byte, error)
}](path string, parse func([]byte, string) (K, error), create func() (K, error)) (K, error) {
	file, err := os.ReadFile(path)
	if err == nil {
		return parse(file, "")
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return *new(K), err
	}
	key, err := create()
	if err != nil {
		return key, err
	}
	if file, err = key.File(""); err != nil {
		return key, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return key, err
	}
	return key, errors.Join(os.WriteFile(path+".new", file, 0o600), os.Rename(path+".new", path))
}

func (l *loader) officer(tenant, login, label string, ring vault.Ring) (*vault.OfficerKey, error) {
	return keyOf(KeyFile(l.Dir, tenant, login), vault.ParseOfficerKey,
		func() (*vault.OfficerKey, error) { return vault.NewOfficerKey(ring, label, l.Random) })
}

// root returns the tenant's root, and writes its public half beside it for
// clients to pin.
func (l *loader) root(tenant string) (*vault.RootKey, error) {
	key, err := keyOf(KeyFile(l.Dir, tenant, "root"), vault.ParseRootKey, func() (*vault.RootKey, error) { return vault.NewRootKey(l.Random) })
	if err != nil {
		return nil, err
	}
	return key, os.WriteFile(fingerprintFile(l.Dir, tenant), []byte(vault.Fingerprint(key.Public())+"\n"), 0o600)
}

func fingerprintFile(dir, tenant string) string {
	return filepath.Join(dir, "custody", tenant+"-root.fingerprint")
}

// Fingerprint returns what the demo's public notice says of a tenant's root.
func Fingerprint(dir, tenant string) (string, error) {
	text, err := os.ReadFile(fingerprintFile(dir, tenant))
	if err != nil {
		return "", err
	}
	return vault.ParseFingerprint(string(text))
}

// found makes the keys of a tenant's two rings, each by its officer, and has the
// root sign the list; what is there stays.
func (l *loader) found(ctx context.Context, tenant string, people []member, root *vault.RootKey) error {
	list := vault.KeyList{Tenant: tenant}
	for _, m := range people {
		var err error
		switch m.role {
		case casefile.IdentityOfficer:
			list.A, err = l.ring(ctx, tenant, m, vault.RingA)
		case casefile.SealLeader:
			list.B, err = l.ring(ctx, tenant, m, vault.RingB)
		default: // keeps no key
		}
		if err != nil {
			return fmt.Errorf("%s: %w", m.login, err)
		}
	}
	t, err := l.Import.Directory.Tenant(ctx, tenant)
	if err != nil {
		return err
	}
	list.Version = t.Rings.Version
	if same, err := json.Marshal(list); err != nil || string(same) == t.Keys.List {
		return err
	}
	list.Version++
	signed, err := root.Sign(list)
	if err != nil {
		return err
	}
	return l.Import.Keys(ctx, tenant, signed)
}

// ring makes a ring's key as its first officer does, unless there is one.
func (l *loader) ring(ctx context.Context, tenant string, m member, ring vault.Ring) (vault.PublishedRing, error) {
	key, err := l.officer(tenant, m.login, m.label, ring)
	if err != nil {
		return vault.PublishedRing{}, err
	}
	r, err := l.Custody.Rings.Get(ctx, tenant, workflow.RingID(tenant, ring))
	if fault.KindOf(err) == fault.NotFound {
		if err = l.createRing(ctx, tenant, m, key); err == nil {
			r, err = l.Custody.Rings.Get(ctx, tenant, workflow.RingID(tenant, ring))
		}
	}
	if err != nil {
		return vault.PublishedRing{}, err
	}
	public, newest := key.Public(), r.Versions[len(r.Versions)-1]
	o, ok := r.Enrolled(m.person(tenant).ID)
	if !ok || o.Key.Recipient != public.Recipient {
		return vault.PublishedRing{}, fmt.Errorf("the database was made with other keys than those in %s: make clean begins anew", l.Dir)
	}
	return vault.PublishedRing{Version: newest.Number, Recipient: newest.Recipient, Officers: []ed25519.PublicKey{public.Verify}}, nil
}

func (l *loader) createRing(ctx context.Context, tenant string, m member, key *vault.OfficerKey) error {
	own := key.Public()
	recovery, err := l.officer(tenant, "recovery-"+string(own.Ring), "demo recovery key", own.Ring)
	if err != nil {
		return err
	}
	kept := recovery.Public()
	made, err := vault.NewRingKey(own.Ring, 1)
	if err != nil {
		return err
	}
	p := m.person(tenant)
	v := vault.NewVersion{Tenant: tenant, Ring: own.Ring, Version: 1, Recipient: made.Recipient(), Shares: map[string][]byte{}}
	if v.Shares[p.ID], err = made.Wrap(own.Recipient); err != nil {
		return err
	}
	if v.Recovery, err = made.Wrap(kept.Recipient); err != nil {
		return err
	}
	text, err := vault.NewID(l.Random)
	if err != nil {
		return err
	}
	once, err := vault.ParseIdemKey(text)
	if err != nil {
		return err
	}
	_, err = l.Custody.CreateRing(ctx, workflow.Call{
		Actor: casefile.Actor{Tenant: tenant, Person: p.ID, Posts: p.Posts}, Route: "demo load", Key: once,
	}, workflow.RingFounding{
		Recipient: v.Recipient, Officer: casefile.RingHolder{Recipient: own.Recipient, Verify: own.Verify}, Share: v.Shares[p.ID],
		Recovery: casefile.RingHolder{Recipient: kept.Recipient, Verify: kept.Verify}, Wrapped: v.Recovery, Signature: vault.SignVersion(key, v),
	})
	return err
}
