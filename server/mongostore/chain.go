package mongostore

import (
	"context"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"gridwatch/server/casefile"
)

// chains keeps the chains of custody (workflow.Chains). A link is written once;
// only whether its leaf is in the log is noted on it later, and with the erasure
// of its record what it says of the file goes.
type chains struct{ c *mongo.Collection }

// chainCollection makes what chains of custody need.
func chainCollection(ctx context.Context, db *mongo.Database) error {
	return collection{"chain", []mongo.IndexModel{
		index("tenant", "item", "n"),
		index("tenant", "item", "source"),
		index("tenant", "record"),
		{Keys: ascending("unlogged"), Options: options.Index().SetSparse(true)},
	}}.create(ctx, db)
}

func (s chains) Append(ctx context.Context, e casefile.CustodyEvent) error {
	_, err := s.c.InsertOne(ctx, e)
	return translate("append to a chain", err)
}

func (s chains) Last(ctx context.Context, tenant, item string) (int, error) {
	found, err := find[casefile.CustodyEvent](ctx, s.c, bson.M{"tenant": tenant, "item": item},
		options.Find().SetSort(bson.D{{Key: "tenant", Value: -1}, {Key: "item", Value: -1}, {Key: "n", Value: -1}}).SetLimit(1))
	if err != nil || len(found) == 0 {
		return 0, err
	}
	return found[0].N, nil
}

func (s chains) Caused(ctx context.Context, tenant, item, source string) (bool, error) {
	found, err := find[casefile.CustodyEvent](ctx, s.c, bson.M{"tenant": tenant, "item": item, "source": source}, options.Find().SetLimit(1))
	return len(found) > 0, err
}

func (s chains) List(ctx context.Context, tenant, item string, after, limit int) ([]casefile.CustodyEvent, error) {
	return find[casefile.CustodyEvent](ctx, s.c, bson.M{"tenant": tenant, "item": item, "n": bson.M{"$gt": after}},
		options.Find().SetSort(ascending("tenant", "item", "n")).SetLimit(int64(limit)))
}

func (s chains) Unlogged(ctx context.Context, limit int) ([]casefile.CustodyEvent, error) {
	return find[casefile.CustodyEvent](ctx, s.c, bson.M{"unlogged": true}, options.Find().SetLimit(int64(limit)))
}

func (s chains) Logged(ctx context.Context, id string) error {
	_, err := s.c.UpdateOne(ctx, bson.M{"_id": id}, bson.M{"$unset": bson.M{"unlogged": ""}})
	return translate("note a logged link", err)
}

func (s chains) Forget(ctx context.Context, tenant, record string) error {
	_, err := s.c.UpdateMany(ctx, bson.M{"tenant": tenant, "record": record, "unlogged": bson.M{"$exists": false}},
		bson.M{"$set": bson.M{"digest": "", "salt": []byte{}}})
	return translate("forget the digests of a chain", err)
}
