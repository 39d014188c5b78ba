package mongostore

import (
	"context"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"

	"gridwatch/server/casefile"
	"gridwatch/server/workflow"
)

// statistics counts records and keeps publications (workflow.Statistics).
type statistics struct{ db *mongo.Database }

func during(in workflow.Span) bson.M { return bson.M{"$gte": in.From.UTC(), "$lt": in.To.UTC()} }

func (s statistics) Received(ctx context.Context, tenant string, in workflow.Span) ([]workflow.Counted, error) {
	return s.matters(ctx, bson.M{"tenant": tenant, "at": during(in)})
}

func (s statistics) Concluded(ctx context.Context, tenant string, in workflow.Span) ([]workflow.Counted, error) {
	return s.matters(ctx, bson.M{"tenant": tenant, "conclusion.signed_at": during(in)})
}

// matters counts every matter of a report once.
func (s statistics) matters(ctx context.Context, of bson.M) ([]workflow.Counted, error) {
	return aggregate(ctx, s.db.Collection(reportKind), bson.A{
		bson.M{"$match": of},
		bson.M{"$unwind": "$allegations"},
		bson.M{"$group": bson.M{"_id": bson.M{"report": "$_id", "area": "$area", "column": "$allegations.matter"}}},
		bson.M{"$group": bson.M{"_id": bson.M{"area": "$_id.area", "column": "$_id.column"}, "n": bson.M{"$sum": 1}}},
	})
}

func (s statistics) Found(ctx context.Context, tenant string, in workflow.Span) ([]workflow.Counted, error) {
	byArea := bson.M{"$group": bson.M{"_id": bson.M{"area": "$area", "column": "hazard"}, "n": bson.M{"$sum": 1}}}
	hazards, err := aggregate(ctx, s.db.Collection(hazardKind), bson.A{
		bson.M{"$match": bson.M{"tenant": tenant, "at": during(in)}}, byArea,
	})
	if err != nil {
		return nil, err
	}
	patrols, err := aggregate(ctx, s.db.Collection(taskKind), bson.A{
		bson.M{"$match": bson.M{"tenant": tenant, "kind": casefile.Patrol, "cause": "", "result.at": during(in)}},
		bson.M{"$unwind": "$result.findings"},
		bson.M{"$match": bson.M{"result.findings.finding": bson.M{"$in": bson.A{casefile.Substantiated, casefile.Partial}}}},
		byArea,
	})
	return append(hazards, patrols...), err
}

// aggregate runs a pipeline whose groups are by area and column.
func aggregate(ctx context.Context, c *mongo.Collection, pipeline bson.A) ([]workflow.Counted, error) {
	cursor, err := c.Aggregate(ctx, pipeline)
	if err != nil {
		return nil, translate("count "+c.Name(), err)
	}
	var groups []struct {
		ID workflow.Counted `bson:"_id"`
		N  int              `bson:"n"`
	}
	if err := cursor.All(ctx, &groups); err != nil {
		return nil, translate("count "+c.Name(), err)
	}
	out := make([]workflow.Counted, 0, len(groups))
	for _, g := range groups {
		g.ID.N = g.N
		out = append(out, g.ID)
	}
	return out, nil
}

func (s statistics) Publish(ctx context.Context, p workflow.Publication) (workflow.Publication, error) {
	_, err := s.db.Collection(publications).InsertOne(ctx, p)
	if mongo.IsDuplicateKeyError(err) {
		return s.Published(ctx, p.Tenant, p.ID)
	}
	return p, translate("publish figures", err)
}

func (s statistics) Published(ctx context.Context, tenant, id string) (workflow.Publication, error) {
	return get[workflow.Publication](ctx, s.db.Collection(publications), bson.M{"_id": id, "tenant": tenant})
}

// publications is the collection of what was published.
const publications = "publication"

func publicationCollection(ctx context.Context, db *mongo.Database) error {
	return collection{publications, nil}.create(ctx, db)
}
