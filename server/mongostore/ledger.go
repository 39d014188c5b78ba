package mongostore

import (
	"context"
	"errors"
	"strings"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"gridwatch/server/reward"
)

// awardStep is the unique index on an award and its step.
const awardStep = "award_step"

// ledger keeps the budget chains (reward.Ledger).
type ledger struct{ c *mongo.Collection }

func (l ledger) Last(ctx context.Context, tenant, unit string, year int) (*reward.Entry, error) {
	found, err := find[reward.Entry](ctx, l.c, bson.M{"tenant": tenant, "unit": unit, "year": year},
		options.Find().SetSort(bson.M{"n": -1}).SetLimit(1))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

func (l ledger) Append(ctx context.Context, e reward.Entry) error {
	_, err := l.c.InsertOne(ctx, e)
	if mongo.IsDuplicateKeyError(err) && strings.Contains(err.Error(), awardStep) {
		return reward.ErrDuplicate
	}
	if err = translate("append to the ledger", err); errors.Is(err, errExists) {
		return reward.ErrRaced
	}
	return err
}

func (l ledger) OfAward(ctx context.Context, tenant, award string) ([]reward.Entry, error) {
	return find[reward.Entry](ctx, l.c, bson.M{"tenant": tenant, "award": award}, options.Find())
}

func (l ledger) Entries(ctx context.Context, tenant, unit string, year int) ([]reward.Entry, error) {
	return find[reward.Entry](ctx, l.c, bson.M{"tenant": tenant, "unit": unit, "year": year},
		options.Find().SetSort(bson.M{"n": 1}))
}
