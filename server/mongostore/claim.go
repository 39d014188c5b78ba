package mongostore

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"

	"gridwatch/server/workflow"
)

// claims keeps what was seen first, and with what (workflow.Claims).
type claims struct{ c *mongo.Collection }

const claimKind = "claim"

func claimCollection(ctx context.Context, db *mongo.Database) error {
	return collection{claimKind, nil}.create(ctx, db)
}

func (s claims) Claim(ctx context.Context, c workflow.Claim) (string, error) {
	_, err := s.c.InsertOne(ctx, c)
	if mongo.IsDuplicateKeyError(err) {
		return s.Holder(ctx, c.ID)
	}
	return c.By, translate("insert claim", err)
}

func (s claims) Holder(ctx context.Context, id string) (string, error) {
	var c workflow.Claim
	err := s.c.FindOne(ctx, bson.M{"_id": id}).Decode(&c)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return "", nil
	}
	return c.By, translate("read claim", err)
}
