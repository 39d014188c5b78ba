// Package demo holds two made-up tenants and plays the whole flow against a
// running server: from a report to a paid reward. People are roles, never names.
// It is for showing and never for production: its keys and passwords lie in
// clear in a folder.
package demo

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"gridwatch/schemas/catalog/areas"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/grid"
	"gridwatch/server/workflow"
)

// The demo's tenants and areas.
const (
	Tenant      = "yushu" // 榆树市（演示）, whose flow is played
	Neighbour   = "demo2" // 德惠市（演示）, which sees nothing of the other
	county      = grid.Code("220182000000")
	township    = grid.Code("220182100000") // 五棵树镇
	neighbours  = grid.Code("220183000000")
	neighbourly = grid.Code("220183999000") // made up
)

//go:embed data/demo2.geojson
var data embed.FS

// LoadDeps is everything Load needs.
type LoadDeps struct {
	Import  workflow.Import
	Custody *workflow.Service // what the officers of the rings ask for
	Now     func() time.Time
	Random  io.Reader
	Dir     string // keeps the custody keys and the sign-ins
	BaseURL string // of the server, for what Summary says; http://host:port
	// Enrol gives a login the secret of its authenticator.
	Enrol func(ctx context.Context, tenant, login, secret string) error
}

// Load writes the demo's tenants, areas, grids and people. What is there
// already stays, so a second Load changes nothing.
func Load(ctx context.Context, d LoadDeps) (Summary, error) {
	signIns, err := ReadSignIns(d.Dir)
	if err != nil {
		return Summary{}, err
	}
	l := loader{LoadDeps: d, kept: signIns}
	if err := l.yushu(ctx); err != nil {
		return Summary{}, fmt.Errorf("tenant %s: %w", Tenant, err)
	}
	if err := l.neighbour(ctx); err != nil {
		return Summary{}, fmt.Errorf("tenant %s: %w", Neighbour, err)
	}
	// Last, so that a password stands here only once it opens its account.
	if err := writeSignIns(d.Dir, l.signIns); err != nil {
		return Summary{}, err
	}
	return Summary{BaseURL: d.BaseURL, Dir: d.Dir, SignIns: l.signIns}, nil
}

type loader struct {
	LoadDeps

	kept    []SignIn // of an earlier Load
	signIns []SignIn
}

func (l *loader) yushu(ctx context.Context) error {
	known, err := grid.ReadAreas(areas.Files, county)
	if err != nil {
		return err
	}
	file, err := grid.Demo(known)
	if err != nil {
		return err
	}
	return l.tenant(ctx, workflow.Tenant{ID: Tenant, Name: "榆树市（演示）", Area: string(county)}, known, file, roster(known))
}

func (l *loader) neighbour(ctx context.Context) error {
	var known []grid.Area
	for _, a := range []struct {
		code grid.Code
		name string
	}{
		{"220000000000", "吉林省"},
		{"220100000000", "长春市"},
		{neighbours, "德惠市"},
		{neighbourly, "演示镇"},
		{"220183999001", "演示村"},
	} {
		known = append(known, grid.Area{Code: a.code, Name: a.name, Level: a.code.Level(), Parent: a.code.Parent()})
	}
	file, err := data.ReadFile("data/demo2.geojson")
	if err != nil {
		return err
	}
	return l.tenant(ctx, workflow.Tenant{ID: Neighbour, Name: "德惠市（演示）", Area: string(neighbours)}, known, file, neighbourRoster())
}

// tenant writes a tenant from the top down; areas and grids only if it has none.
func (l *loader) tenant(ctx context.Context, t workflow.Tenant, known []grid.Area, grids []byte, people []member) error {
	root, err := l.root(t.ID)
	if err != nil {
		return err
	}
	t.Root = root.Public()
	if t.Policy, err = workflow.DefaultPolicy(); err != nil {
		return err
	}
	t.Policy.PayoutMin = 1 // the play has one award and does not wait for others
	if err := l.Import.Tenant(ctx, t); err != nil {
		return fmt.Errorf("%w; if %s was lost: make clean begins anew", err, l.Dir)
	}
	had, err := l.Import.Store.Areas(ctx, t.ID)
	if err != nil {
		return err
	}
	if len(had) == 0 {
		if err := l.Import.Store.PutAreas(ctx, t.ID, known); err != nil {
			return err
		}
	}
	drawn, err := l.Import.Directory.Grids(ctx, t.ID)
	if err != nil {
		return err
	}
	if len(drawn) == 0 {
		if _, err := l.Import.Grids(ctx, t.ID, bytes.NewReader(grids)); err != nil {
			return err
		}
	}
	for _, m := range people {
		if err := l.person(ctx, t, m); err != nil {
			return fmt.Errorf("%s: %w", m.login, err)
		}
	}
	return l.found(ctx, t.ID, people, root)
}

// person writes a member of staff, unless the very same is there and its
// password is known.
func (l *loader) person(ctx context.Context, t workflow.Tenant, m member) error {
	p := m.person(t.ID)
	s := SignIn{Tenant: t.ID, Login: m.login, Person: p.ID, Label: m.label}
	for _, post := range p.Posts {
		s.Roles = append(s.Roles, post.Role)
	}
	second := slices.Contains(t.Policy.SecondFactor, m.role)
	at := slices.IndexFunc(l.kept, func(k SignIn) bool {
		return k.Tenant == t.ID && k.Login == m.login && (k.TOTP != "") == second
	})
	if at >= 0 {
		s.Password, s.TOTP = l.kept[at].Password, l.kept[at].TOTP
		same, err := l.has(ctx, p)
		if err != nil {
			return err
		}
		if same {
			l.signIns = append(l.signIns, s)
			return nil
		}
	} else if err := l.draw(&s, second); err != nil {
		return err
	}
	l.signIns = append(l.signIns, s)
	if err := l.Import.Person(ctx, p, s.Password); err != nil || !second {
		return err
	}
	return l.Enrol(ctx, s.Tenant, s.Login, s.TOTP)
}

// draw makes the secrets of a sign-in.
func (l *loader) draw(s *SignIn, second bool) error {
	password, err := newSecret(l.Random, 2)
	if err != nil {
		return err
	}
	s.Password = strings.ToLower(password)
	if second {
		s.TOTP, err = newSecret(l.Random, 4)
	}
	return err
}

// has says whether the store holds the very person.
func (l *loader) has(ctx context.Context, p casefile.Person) (bool, error) {
	old, err := l.Import.Directory.Person(ctx, p.Tenant, p.ID)
	if fault.KindOf(err) == fault.NotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	have, err := json.Marshal(old)
	want, err2 := json.Marshal(p)
	return bytes.Equal(have, want), errors.Join(err, err2)
}
