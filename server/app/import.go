package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// importer makes what imports need: the store and a hasher of passwords.
func (a *App) importer() (workflow.Import, error) {
	keyring, err := a.loadKeyring()
	if err != nil {
		return workflow.Import{}, err
	}
	return workflow.Import{Store: a.store.Loader, Directory: a.store.Directory, Hasher: a.hasher(keyring)}, nil
}

// imports reads --tenant and one argument and runs do.
func (c call) imports(ctx context.Context, name string, do func(a *App, im workflow.Import, tenant, arg string) error) error {
	tenant := ""
	args, err := c.flags(name, 1, func(set *flag.FlagSet) { set.StringVar(&tenant, "tenant", "", "id of the tenant") })
	if err != nil {
		return err
	}
	return c.opened(ctx, func(a *App) error {
		im, err := a.importer()
		if err != nil {
			return err
		}
		return do(a, im, tenant, args[0])
	})
}

func importTenant(ctx context.Context, c call) error {
	return c.imports(ctx, "tenant import", func(_ *App, im workflow.Import, _, path string) error {
		var t workflow.Tenant
		if err := readJSON(path, &t); err != nil {
			return err
		}
		return im.Tenant(ctx, t)
	})
}

// importKeys puts a signed list of ring keys in force.
func importKeys(ctx context.Context, c call) error {
	return c.imports(ctx, "tenant keys", func(_ *App, im workflow.Import, tenant, path string) error {
		var keys vault.SignedKeyList
		if err := readJSON(path, &keys); err != nil {
			return err
		}
		return im.Keys(ctx, tenant, keys)
	})
}

func importAreas(ctx context.Context, c call) error {
	return c.imports(ctx, "areas import", func(_ *App, im workflow.Import, tenant, dir string) error {
		n, err := im.Areas(ctx, tenant, os.DirFS(dir))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.Stdout, "%d areas\n", n)
		return err
	})
}

func importGrids(ctx context.Context, c call) error {
	return c.imports(ctx, "grids import", func(_ *App, im workflow.Import, tenant, path string) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		n, err := im.Grids(ctx, tenant, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.Stdout, "%d grids added\n", n)
		return err
	})
}

// newPerson is a person as an operator writes it down.
type newPerson struct {
	Login        string                 `json:"login"`
	Password     string                 `json:"password"`
	Label        string                 `json:"label"`
	Posts        []casefile.Post        `json:"posts"`
	Certificates []casefile.Certificate `json:"certificates"`
	Disabled     bool                   `json:"disabled"`
}

// importPeople writes people; one who signs in with a known login is replaced.
func importPeople(ctx context.Context, c call) error {
	return c.imports(ctx, "people import", func(a *App, im workflow.Import, tenant, path string) error {
		var people []newPerson
		if err := readJSON(path, &people); err != nil {
			return err
		}
		for i, n := range people {
			id, err := a.personID(ctx, tenant, n.Login)
			if err != nil {
				return err
			}
			p := casefile.Person{
				ID: id, Tenant: tenant, Login: n.Login, Label: n.Label, Posts: n.Posts, Certificates: n.Certificates,
				Disabled: n.Disabled,
			}
			if err := im.Person(ctx, p, n.Password); err != nil {
				return fmt.Errorf("entry %d, after %d were written: %w", i+1, i, err)
			}
		}
		_, err := fmt.Fprintf(c.Stdout, "%d people\n", len(people))
		return err
	})
}

// personID returns the id of whoever has a login, or a new one.
func (a *App) personID(ctx context.Context, tenant, login string) (string, error) {
	account, err := a.store.Accounts.Account(ctx, tenant, login)
	if fault.KindOf(err) == fault.NotFound {
		return vault.NewID(a.env.Random)
	}
	return account.Person, err
}
