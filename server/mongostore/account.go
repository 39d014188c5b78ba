package mongostore

import (
	"context"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"

	"gridwatch/server/workflow"
)

// accounts keeps sign-ins (workflow.Accounts).
type accounts struct{ db *mongo.Database }

func (s accounts) Account(ctx context.Context, tenant, login string) (workflow.Account, error) {
	return get[workflow.Account](ctx, s.db.Collection("account"), bson.M{"_id": accountID(tenant, login)})
}

// TurnAccount leaves alone what imports write.
func (s accounts) TurnAccount(ctx context.Context, a workflow.Account, was int64) error {
	res, err := s.db.Collection("account").UpdateOne(ctx, bson.M{"_id": a.ID, "version": versionIs(was)}, bson.M{"$set": bson.M{
		"failures": a.Failures, "until": a.Until, "version": a.Version, "factors": a.Factors, "known": a.Known,
	}})
	if err == nil && res.MatchedCount == 0 {
		return errStale
	}
	return translate("turn account", err)
}

func (s accounts) PutPassword(ctx context.Context, account, was, hash, family string) error {
	res, err := s.db.Collection("account").UpdateOne(ctx, bson.M{"_id": account, "hash": was}, bson.M{"$set": bson.M{"hash": hash, "changed_by": family}})
	if err == nil && res.MatchedCount == 0 {
		return errStale
	}
	return translate("put password", err)
}

// versionIs selects a version; what was never changed has none.
func versionIs(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

func (s accounts) InsertFamily(ctx context.Context, f workflow.Family) error {
	_, err := s.db.Collection("family").InsertOne(ctx, f)
	return translate("insert family", err)
}

func (s accounts) Family(ctx context.Context, id string) (workflow.Family, error) {
	return get[workflow.Family](ctx, s.db.Collection("family"), bson.M{"_id": id})
}

func (s accounts) TurnFamily(ctx context.Context, f workflow.Family, was int64) error {
	res, err := s.db.Collection("family").ReplaceOne(ctx, bson.M{"_id": f.ID, "counter": was}, f)
	if err == nil && res.MatchedCount == 0 {
		return errStale
	}
	return translate("turn family", err)
}

// PutDevice gives a device to whoever signed in on it last.
func (s accounts) PutDevice(ctx context.Context, d workflow.Device) error {
	return put(ctx, s.db.Collection("device"), d.ID, nil, d)
}

func (s accounts) DropDevice(ctx context.Context, id, person string) error {
	_, err := s.db.Collection("device").DeleteOne(ctx, bson.M{"_id": id, "person": person})
	return translate("drop device", err)
}

func accountID(tenant, login string) string { return tenant + ":" + login }
