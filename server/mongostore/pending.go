package mongostore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"gridwatch/server/casefile"
	"gridwatch/server/workflow"
)

// pending is the relay's view of the records (workflow.Pending).
type pending struct{ db *mongo.Database }

// Due leaves the timelines out.
func (p pending) Due(ctx context.Context, now time.Time, limit int) ([]workflow.Waiting, error) {
	type due struct {
		casefile.Head `bson:",inline"`
		At            time.Time `bson:"next_effect_at"`
		kind          string
	}
	var all []due
	opts := options.Find().SetSort(ascending(nextEffect)).SetLimit(int64(limit)).SetProjection(bson.M{
		"tenant": 1, "state": 1, "version": 1, "seq": 1, "at": 1, "changed": 1, "pending": 1, "relayed": 1, nextEffect: 1,
	})
	for _, kind := range kinds() {
		found, err := find[due](ctx, p.db.Collection(kind), bson.M{nextEffect: bson.M{"$lte": now}}, opts)
		if err != nil {
			return nil, err
		}
		for i := range found {
			found[i].kind = kind
		}
		all = append(all, found...)
	}
	slices.SortStableFunc(all, func(a, b due) int { return a.At.Compare(b.At) })
	waiting := make([]workflow.Waiting, 0, min(limit, len(all)))
	for _, d := range all[:cap(waiting)] {
		waiting = append(waiting, workflow.Waiting{Kind: d.kind, Head: d.Head})
	}
	return waiting, nil
}

// Relayed takes out what was carried out and nothing else, in one write: a
// command that pushed more meanwhile keeps both its effects and their time.
func (p pending) Relayed(ctx context.Context, kind, id string, seq int64) error {
	left := bson.M{"$filter": bson.M{"input": "$pending", "as": "e", "cond": bson.M{"$gt": bson.A{"$$e.seq", seq}}}}
	return p.update(ctx, kind, bson.M{"_id": id}, bson.A{
		bson.M{"$set": bson.M{"pending": left, "relayed": bson.M{"$max": bson.A{"$relayed", seq}}}},
		bson.M{"$set": bson.M{nextEffect: bson.M{"$cond": bson.A{
			bson.M{"$eq": bson.A{"$pending", bson.A{}}}, "$$REMOVE", "$" + nextEffect,
		}}}},
	})
}

func (p pending) Postpone(ctx context.Context, kind, id string, until time.Time) error {
	waiting := bson.M{"_id": id, nextEffect: bson.M{"$exists": true}}
	return p.update(ctx, kind, waiting, bson.M{"$set": bson.M{nextEffect: until}})
}

func (p pending) update(ctx context.Context, kind string, filter, change any) error {
	if !slices.Contains(kinds(), kind) {
		return fmt.Errorf("relay: there is no kind %q of record", kind)
	}
	_, err := p.db.Collection(kind).UpdateOne(ctx, filter, change)
	return translate("relay "+kind, err)
}

// Archive names the event by record and sequence, so that a repeat collides.
func (p pending) Archive(ctx context.Context, kind, record string, e casefile.Event) error {
	_, err := p.db.Collection("event").InsertOne(ctx, struct {
		ID             string `bson:"_id"`
		Kind           string `bson:"kind"`
		Record         string `bson:"record"`
		casefile.Event `bson:",inline"`
	}{fmt.Sprintf("%s:%d", record, e.Seq), kind, record, e})
	if mongo.IsDuplicateKeyError(err) {
		return nil
	}
	return translate("archive event", err)
}

func kinds() []string {
	return []string{reportKind, taskKind, visitKind, hazardKind, penaltyKind, awardKind, openingKind, ringKind, leadKind, heldKind, batchKind, payoutKind, approvalKind, contactKind}
}
