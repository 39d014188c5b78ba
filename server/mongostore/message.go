package mongostore

import (
	"context"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"gridwatch/server/casefile"
)

// messages keeps the dialogue behind receipts (workflow.Messages).
type messages struct{ c *mongo.Collection }

func (s messages) Insert(ctx context.Context, m casefile.Message) error {
	_, err := s.c.InsertOne(ctx, m)
	return translate("insert message", err)
}

func (s messages) DeleteAll(ctx context.Context, tenant, report string) error {
	_, err := s.c.DeleteMany(ctx, bson.M{"tenant": tenant, "report": report})
	return translate("delete messages", err)
}

func (s messages) List(ctx context.Context, tenant, report string, after, limit int) ([]casefile.Message, error) {
	return find[casefile.Message](ctx, s.c, bson.M{"tenant": tenant, "report": report, "n": bson.M{"$gt": after}},
		options.Find().SetSort(ascending("n")).SetLimit(int64(limit)))
}

// dialogue makes what the messages behind receipts need.
func dialogue(ctx context.Context, db *mongo.Database) error {
	if err := (collection{"message", []mongo.IndexModel{index("tenant", "report", "n")}}).create(ctx, db); err != nil {
		return err
	}
	return collection{reportKind, []mongo.IndexModel{index("behind.was")}}.create(ctx, db)
}
