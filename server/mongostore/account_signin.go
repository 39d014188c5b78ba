package mongostore

import (
	"context"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"gridwatch/server/fault"
	"gridwatch/server/workflow"
)

// signIns keeps tickets and lists families (workflow.SignIns).
type signIns struct{ db *mongo.Database }

func (s signIns) InsertTicket(ctx context.Context, t workflow.Ticket) error {
	_, err := s.db.Collection("ticket").InsertOne(ctx, t)
	return translate("insert ticket", err)
}

func (s signIns) Ticket(ctx context.Context, id string) (workflow.Ticket, error) {
	return get[workflow.Ticket](ctx, s.db.Collection("ticket"), bson.M{"_id": id})
}

func (s signIns) UseTicket(ctx context.Context, id string) error {
	res, err := s.db.Collection("ticket").DeleteOne(ctx, bson.M{"_id": id})
	if err == nil && res.DeletedCount == 0 {
		return fault.Absent()
	}
	return translate("use ticket", err)
}

func (s signIns) Families(ctx context.Context, tenant, person string) ([]workflow.Family, error) {
	return find[workflow.Family](ctx, s.db.Collection("family"), bson.M{"tenant": tenant, "person": person, "revoked": false},
		options.Find().SetSort(ascending("begun", "_id")))
}

// RevokeFamilies counts every family on, so that a turn that read it before
// does not write over the revocation.
func (s signIns) RevokeFamilies(ctx context.Context, tenant, person, but string) error {
	_, err := s.db.Collection("family").UpdateMany(ctx,
		bson.M{"tenant": tenant, "person": person, "revoked": false, "_id": bson.M{"$ne": but}},
		bson.M{"$set": bson.M{"revoked": true}, "$inc": bson.M{"counter": int64(1)}})
	return translate("revoke families", err)
}

// signInCollections makes what two-step sign-ins need.
func signInCollections(ctx context.Context, db *mongo.Database) error {
	for _, c := range []collection{
		{"ticket", []mongo.IndexModel{{Keys: ascending("expires"), Options: options.Index().SetExpireAfterSeconds(0)}}},
		{"family", []mongo.IndexModel{index("tenant", "person", "begun", "_id")}},
	} {
		if err := c.create(ctx, db); err != nil {
			return err
		}
	}
	return nil
}
