package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"

	"gridwatch/schemas"
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

// newTenant is a tenant as an operator writes it down.
type newTenant struct {
	ID     string      `json:"id"`
	Name   string      `json:"name"`
	Area   string      `json:"area"`
	Root   []byte      `json:"root"`
	Above  string      `json:"above"`
	Policy policyLines `json:"policy"`
}

// policyLines are the numbers of a policy that a file names, JSON.
type policyLines []byte

// UnmarshalJSON implements json.Unmarshaler. It knows a policy's fields.
func (p *policyLines) UnmarshalJSON(text []byte) error {
	*p = slices.Clone(text)
	return strict(text, &workflow.Policy{})
}

// importTenant writes a tenant. What its file does not say of the policy is as it
// was, or as a tenant begins.
func importTenant(ctx context.Context, c call) error {
	return c.imports(ctx, "tenant import", func(_ *App, im workflow.Import, _, path string) error {
		var n newTenant
		if err := readImport(path, "import-tenant", &n); err != nil {
			return err
		}
		policy, err := im.Policy(ctx, n.ID, n.Policy)
		if err == nil {
			err = im.Tenant(ctx, workflow.Tenant{ID: n.ID, Name: n.Name, Area: n.Area, Root: n.Root, Above: n.Above, Policy: policy})
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.Stdout, "tenant %s\n", n.ID)
		return err
	})
}

// importKeys puts a signed list of ring keys in force.
func importKeys(ctx context.Context, c call) error {
	return c.imports(ctx, "tenant keys", func(_ *App, im workflow.Import, tenant, path string) error {
		var keys vault.SignedKeyList
		if _, err := readJSON(path, &keys); err != nil {
			return err
		}
		if err := im.Keys(ctx, tenant, keys); err != nil {
			return err
		}
		_, err := fmt.Fprintf(c.Stdout, "the list of keys is in force for %s\n", tenant)
		return err
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

// importPeople writes people, all that are right or none; one who signs in with
// a known login is replaced, the password only by another.
func importPeople(ctx context.Context, c call) error {
	return c.imports(ctx, "people import", func(a *App, im workflow.Import, tenant, path string) error {
		var file []newPerson
		if err := readImport(path, "import-people", &file); err != nil {
			return err
		}
		people, err := a.checkPeople(ctx, im, tenant, file)
		if err != nil {
			return err
		}
		for i, p := range people {
			if err := im.Person(ctx, p, file[i].Password); err != nil {
				return fmt.Errorf("/%d, after %d were written: %w", i, i, err)
			}
		}
		_, err = fmt.Fprintf(c.Stdout, "%d people\n", len(people))
		return err
	})
}

// checkPeople returns the people of a file, or all that is wrong with them.
func (a *App) checkPeople(ctx context.Context, im workflow.Import, tenant string, file []newPerson) ([]casefile.Person, error) {
	people, wrong, seen := make([]casefile.Person, len(file)), []error(nil), map[string]bool{}
	for i, n := range file {
		id, known, err := a.personID(ctx, tenant, n.Login)
		if err != nil {
			return nil, err
		}
		people[i] = casefile.Person{
			ID: id, Tenant: tenant, Login: n.Login, Label: n.Label, Posts: n.Posts, Certificates: n.Certificates, Disabled: n.Disabled,
		}
		err = im.Check(ctx, people[i])
		if fault.CodeOf(err) == "tenant.unknown" {
			return nil, err
		}
		if err == nil && !known && n.Password == "" {
			err = fault.New(fault.Invalid, "account.no_password", "who is new has a password").At("/password")
		}
		if err == nil && seen[n.Login] {
			err = fault.New(fault.Conflict, "account.exists", "another person has this login").At("/login")
		}
		if seen[n.Login] = true; err != nil {
			wrong = append(wrong, fmt.Errorf("/%d%w", i, explained(err)))
		}
	}
	return people, errors.Join(wrong...)
}

// readJSON reads a file that an operator wrote; an unknown field is a mistake.
func readJSON(path string, v any) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := strict(text, v); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return text, nil
}

func strict(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// readImport is readJSON that says all that a schema finds wrong.
func readImport(path, schema string, v any) error {
	text, err := readJSON(path, v)
	if err != nil {
		return err
	}
	found, err := schemas.Validate(schema, text)
	if err != nil {
		return err
	}
	var wrong []error
	for _, v := range found {
		wrong = append(wrong, fmt.Errorf("%s: %s: %s", path, v.Field, v.EN))
	}
	return errors.Join(wrong...)
}

// personID returns the id of whoever has a login, or a new one, and whether
// somebody has it.
func (a *App) personID(ctx context.Context, tenant, login string) (string, bool, error) {
	account, err := a.store.Accounts.Account(ctx, tenant, login)
	if fault.KindOf(err) == fault.NotFound {
		id, err := vault.NewID(a.env.Random)
		return id, false, err
	}
	return account.Person, true, err
}
