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
