package mongostore

import (
	"context"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/workflow"
)

// rosters keeps the roster in the tenant's document (workflow.Rosters). Imports
// of a tenant leave it as it is.
type rosters struct{ db *mongo.Database }

func (s rosters) Roster(ctx context.Context, tenant string) (workflow.Roster, error) {
	doc, err := get[struct {
		Roster workflow.Roster `bson:"roster"`
	}](ctx, s.db.Collection("tenant"), bson.M{"_id": tenant})
	return doc.Roster, err
}

func (s rosters) TurnRoster(ctx context.Context, tenant string, r workflow.Roster, p *workflow.Policy, was int64) error {
	set := bson.M{"roster": r}
	if p != nil {
		set["policy"] = p
	}
	res, err := s.db.Collection("tenant").UpdateOne(ctx, bson.M{"_id": tenant, "roster.version": versionIs(was)}, bson.M{"$set": set})
	if err == nil && res.MatchedCount == 0 {
		return errStale
	}
	return translate("turn roster", err)
}

func (s rosters) People(ctx context.Context, tenant string) ([]casefile.Person, error) {
	return find[casefile.Person](ctx, s.db.Collection("person"), bson.M{"tenant": tenant}, options.Find().SetSort(ascending("_id")))
}

func (s rosters) Revise(ctx context.Context, tenant, person string, r workflow.Revision) error {
	set := bson.M{"revision": r.Number}
	if r.Posts != nil {
		set["posts"] = *r.Posts
	}
	if r.Disabled != nil {
		set["disabled"] = *r.Disabled
	}
	_, err := s.db.Collection("person").UpdateOne(ctx,
		bson.M{"_id": person, "tenant": tenant, "revision": bson.M{"$not": bson.M{"$gte": r.Number}}}, bson.M{"$set": set})
	return translate("revise person", err)
}

func (s rosters) AddTie(ctx context.Context, tenant, person string, t casefile.Tie) error {
	res, err := s.db.Collection("person").UpdateOne(ctx,
		bson.M{"_id": person, "tenant": tenant, "ties.id": bson.M{"$ne": t.ID}}, bson.M{"$push": bson.M{"ties": t}})
	if err == nil && res.MatchedCount == 0 {
		return fault.Absent()
	}
	return translate("add tie", err)
}
