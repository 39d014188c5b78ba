package mongostore

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/grid"
	"gridwatch/server/workflow"
)

// directory keeps tenants, areas, grids and people (workflow.Directory).
type directory struct {
	db  *mongo.Database
	now func() time.Time
}

func (d directory) Tenant(ctx context.Context, id string) (workflow.Tenant, error) {
	return get[workflow.Tenant](ctx, d.db.Collection("tenant"), bson.M{"_id": id})
}

func (d directory) Person(ctx context.Context, tenant, id string) (casefile.Person, error) {
	return get[casefile.Person](ctx, d.db.Collection("person"), bson.M{"_id": id, "tenant": tenant})
}

// Holders leaves out who is disabled.
func (d directory) Holders(ctx context.Context, tenant string, role casefile.Role) ([]casefile.Person, error) {
	post := bson.M{"role": role, "$or": bson.A{bson.M{"to": nil}, bson.M{"to": bson.M{"$gt": d.now()}}}}
	return find[casefile.Person](ctx, d.db.Collection("person"),
		bson.M{"tenant": tenant, "disabled": false, "posts": bson.M{"$elemMatch": post}},
		options.Find().SetSort(ascending("_id")))
}

func (d directory) Grids(ctx context.Context, tenant string) ([]grid.Grid, error) {
	return members[grid.Grid](ctx, d.db, gridSet(), tenant)
}

func (d directory) Areas(ctx context.Context, tenant string) ([]grid.Area, error) {
	return members[grid.Area](ctx, d.db, areaSet(), tenant)
}

// loader writes what imports bring (workflow.Loader).
type loader struct {
	directory
	rosters
}

// PutTenant keeps the tenant's sets of areas and grids.
func (l loader) PutTenant(ctx context.Context, t workflow.Tenant) error {
	return put(ctx, l.directory.db.Collection("tenant"), t.ID, nil, t)
}

func (l loader) PutAreas(ctx context.Context, tenant string, areas []grid.Area) error {
	return replace(ctx, l.directory.db, areaSet(), tenant, areas, func(a *grid.Area, _ int64) { a.Tenant = tenant })
}

func (l loader) PutGrids(ctx context.Context, tenant string, grids []grid.Grid) error {
	return replace(ctx, l.directory.db, gridSet(), tenant, grids, func(g *grid.Grid, version int64) {
		g.Tenant, g.SetVersion = tenant, int(version)
	})
}

// PutPerson writes the account first: who has the login is decided there. An
// account the person had under another login goes last.
func (l loader) PutPerson(ctx context.Context, p casefile.Person, a workflow.Account) error {
	a.ID, a.Tenant, a.Person = accountID(p.Tenant, p.Login), p.Tenant, p.ID
	err := put(ctx, l.directory.db.Collection("account"), a.ID, bson.M{"person": p.ID}, a)
	if errors.Is(err, errExists) {
		return fault.New(fault.Conflict, "account.exists", "another person has this login")
	}
	if err != nil {
		return err
	}
	if err := put(ctx, l.directory.db.Collection("person"), p.ID, bson.M{"tenant": p.Tenant}, p); err != nil {
		return err
	}
	_, err = l.directory.db.Collection("account").DeleteMany(ctx,
		bson.M{"tenant": p.Tenant, "person": p.ID, "_id": bson.M{"$ne": a.ID}})
	return translate("delete former accounts", err)
}
