package mongostore

import (
	"context"

	"go.mongodb.org/mongo-driver/bson"

	"gridwatch/server/workflow"
)

// Explain returns the engine's plan for a list that reads an index, as
// extended JSON. Without statistics an engine may prefer to sort the few
// documents it expects; the index is named to see whether it serves.
func (s *Store) Explain(ctx context.Context, kind, index string, q workflow.Query) (string, error) {
	plan, err := s.db.RunCommand(ctx, bson.D{
		{Key: "explain", Value: bson.D{
			{Key: "find", Value: kind},
			{Key: "filter", Value: filter(q)},
			{Key: "sort", Value: ascending("at", "_id")},
			{Key: "limit", Value: q.Limit},
			{Key: "hint", Value: index},
		}},
		{Key: "verbosity", Value: "queryPlanner"},
	}).Raw()
	if err != nil {
		return "", err
	}
	text, err := bson.MarshalExtJSON(plan, false, false)
	return string(text), err
}

// Change changes documents behind the back of everything, as who has broken in
// would.
func (s *Store) Change(ctx context.Context, collection, id, field string, value any) error {
	_, err := s.db.Collection(collection).UpdateOne(ctx, bson.M{"_id": id}, bson.M{"$set": bson.M{field: value}})
	return err
}

// Remove removes a document behind the back of everything.
func (s *Store) Remove(ctx context.Context, collection, id string) error {
	_, err := s.db.Collection(collection).DeleteOne(ctx, bson.M{"_id": id})
	return err
}

// RemoveAll empties a collection behind the back of everything.
func (s *Store) RemoveAll(ctx context.Context, collection string) error {
	_, err := s.db.Collection(collection).DeleteMany(ctx, bson.M{})
	return err
}
