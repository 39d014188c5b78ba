package mongostore

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"gridwatch/server/workflow"
)

// prints keeps what pictures are known again by (workflow.Prints).
type prints struct{ c *mongo.Collection }

func printCollection(ctx context.Context, db *mongo.Database) error {
	return collection{"print", []mongo.IndexModel{index("tenant", "n"), index("tenant", "item")}}.create(ctx, db)
}

// printed is a print as a document. Its id makes numbers unique.
type printed struct {
	ID             string `bson:"_id"` // tenant:n
	workflow.Print `bson:",inline"`
}

func (s prints) Add(ctx context.Context, p workflow.Print) error {
	_, err := s.c.InsertOne(ctx, printed{fmt.Sprintf("%s:%d", p.Tenant, p.N), p})
	return translate("insert print", err)
}

func (s prints) Last(ctx context.Context, tenant string) (int, error) {
	found, err := find[workflow.Print](ctx, s.c, bson.M{"tenant": tenant},
		options.Find().SetSort(bson.D{{Key: "tenant", Value: -1}, {Key: "n", Value: -1}}).SetLimit(1).SetProjection(bson.M{"n": 1}))
	if err != nil || len(found) == 0 {
		return 0, err
	}
	return found[0].N, nil
}

func (s prints) Has(ctx context.Context, tenant, item string) (bool, error) {
	return exists(ctx, s.c, bson.M{"tenant": tenant, "item": item})
}

func (s prints) List(ctx context.Context, tenant string, after, limit int) ([]workflow.Print, error) {
	return find[workflow.Print](ctx, s.c, bson.M{"tenant": tenant, "n": bson.M{"$gt": after}},
		options.Find().SetSort(ascending("tenant", "n")).SetLimit(int64(limit)))
}

func (s prints) Forget(ctx context.Context, tenant, record string) error {
	_, err := s.c.UpdateMany(ctx, bson.M{"tenant": tenant, "record": record}, bson.M{"$set": bson.M{"key": []byte{}, "sealed": []byte{}}})
	return translate("forget prints", err)
}
