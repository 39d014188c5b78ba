package mongostore

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"gridwatch/server/workflow"
)

// envelopes keeps sealed identities (workflow.Envelopes).
type envelopes struct{ c *mongo.Collection }

func (s envelopes) Insert(ctx context.Context, e workflow.Envelope) error {
	_, err := s.c.InsertOne(ctx, e)
	return translate("insert envelope", err)
}

func (s envelopes) Get(ctx context.Context, tenant, id string) (workflow.Envelope, error) {
	return get[workflow.Envelope](ctx, s.c, bson.M{"_id": id, "tenant": tenant})
}

func (s envelopes) Delete(ctx context.Context, tenant, id string) error {
	_, err := s.c.DeleteOne(ctx, bson.M{"_id": id, "tenant": tenant})
	return translate("delete envelope", err)
}

func (s envelopes) DropKey(ctx context.Context, tenant, id string) error {
	_, err := s.c.UpdateOne(ctx, bson.M{"_id": id, "tenant": tenant}, bson.M{"$set": bson.M{"key": []byte{}}})
	return translate("drop the key of an envelope", err)
}

// Before lists in order of the id.
func (s envelopes) Before(ctx context.Context, at time.Time, after string, limit int) ([]workflow.Envelope, error) {
	return find[workflow.Envelope](ctx, s.c, bson.M{"_id": bson.M{"$gt": after}, "at": bson.M{"$lt": at}},
		options.Find().SetSort(ascending("_id")).SetLimit(int64(limit)))
}
