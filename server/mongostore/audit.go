package mongostore

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"gridwatch/server/audit"
	"gridwatch/server/fault"
)

// auditLog keeps the log (audit.Store): leaves, whole tiles, one document that
// is the head with the tree's right edge, one that is the lease, checkpoints.
type auditLog struct{ leaves, tiles, state, checkpoints *mongo.Collection }

func newAuditLog(db *mongo.Database) auditLog {
	return auditLog{db.Collection("leaf"), db.Collection("tile"), db.Collection("log"), db.Collection("checkpoint")}
}

// auditCollections makes the log's collections, and a lease that nobody holds.
func auditCollections(ctx context.Context, db *mongo.Database) error {
	for _, c := range []collection{
		{"leaf", []mongo.IndexModel{index("index", "_id")}}, {"tile", nil}, {"log", nil}, {"checkpoint", nil},
	} {
		if err := c.create(ctx, db); err != nil {
			return err
		}
	}
	_, err := db.Collection("log").InsertOne(ctx, bson.M{"_id": "lease", "owner": "", "until": time.Time{}})
	if mongo.IsDuplicateKeyError(err) {
		return nil
	}
	return translate("make the log's lease", err)
}

// insertAll inserts what is not there yet.
func insertAll[T any](ctx context.Context, c *mongo.Collection, all []T) error {
	docs := make([]any, len(all))
	for i, v := range all {
		docs[i] = v
	}
	_, err := c.InsertMany(ctx, docs, options.InsertMany().SetOrdered(false))
	var many mongo.BulkWriteException
	if errors.As(err, &many) && many.WriteConcernError == nil {
		for _, e := range many.WriteErrors {
			if !mongo.IsDuplicateKeyError(e) {
				return translate("insert "+c.Name(), err)
			}
		}
		return nil
	}
	return translate("insert "+c.Name(), err)
}

func (a auditLog) Add(ctx context.Context, leaves []audit.Leaf) error {
	return insertAll(ctx, a.leaves, leaves)
}

// Waiting lists in the order of ids, which are random.
func (a auditLog) Waiting(ctx context.Context, limit int) ([]audit.Leaf, error) {
	return find[audit.Leaf](ctx, a.leaves, bson.M{"index": audit.Unplaced},
		options.Find().SetSort(ascending("_id")).SetLimit(int64(limit)))
}

func (a auditLog) Place(ctx context.Context, first int64, ids []string) error {
	writes := make([]mongo.WriteModel, len(ids))
	for i, id := range ids {
		writes[i] = mongo.NewUpdateOneModel().SetFilter(bson.M{"_id": id}).
			SetUpdate(bson.M{"$set": bson.M{"index": first + int64(i)}})
	}
	_, err := a.leaves.BulkWrite(ctx, writes, options.BulkWrite().SetOrdered(false))
	return translate("place leaves", err)
}

func (a auditLog) Placed(ctx context.Context, from int64, limit int) ([]audit.Leaf, error) {
	return find[audit.Leaf](ctx, a.leaves, bson.M{"index": bson.M{"$gte": from, "$lt": from + int64(limit)}},
		options.Find().SetSort(ascending("index", "_id")))
}

func (a auditLog) Leaf(ctx context.Context, id string) (audit.Leaf, error) {
	return orNone(get[audit.Leaf](ctx, a.leaves, bson.M{"_id": id}))
}

func (a auditLog) Head(ctx context.Context) (audit.Head, error) {
	h, err := get[audit.Head](ctx, a.state, bson.M{"_id": "head"})
	if fault.KindOf(err) == fault.NotFound {
		return audit.Head{}, nil
	}
	return h, err
}

// Advance compares and sets on the size: of many who come from the same head
// one succeeds.
func (a auditLog) Advance(ctx context.Context, h audit.Head, was int64) error {
	doc, err := fields(h)
	if err != nil {
		return err
	}
	if was == 0 {
		_, err := a.state.InsertOne(ctx, append(bson.D{{Key: "_id", Value: "head"}}, doc...))
		if mongo.IsDuplicateKeyError(err) {
			return audit.ErrRaced
		}
		return translate("advance the log", err)
	}
	res, err := a.state.UpdateOne(ctx, bson.M{"_id": "head", "size": was}, bson.M{"$set": doc})
	if err == nil && res.MatchedCount == 0 {
		return audit.ErrRaced
	}
	return translate("advance the log", err)
}

func (a auditLog) PutTiles(ctx context.Context, tiles []audit.Tile) error {
	return insertAll(ctx, a.tiles, tiles)
}

func (a auditLog) Tiles(ctx context.Context, ids []string) ([]audit.Tile, error) {
	return find[audit.Tile](ctx, a.tiles, bson.M{"_id": bson.M{"$in": ids}}, options.Find())
}

func (a auditLog) Lease(ctx context.Context, owner string, until, now time.Time) (bool, error) {
	res, err := a.state.UpdateOne(ctx,
		bson.M{"_id": "lease", "$or": bson.A{bson.M{"owner": owner}, bson.M{"until": bson.M{"$lte": now}}}},
		bson.M{"$set": bson.M{"owner": owner, "until": until}})
	if err != nil {
		return false, translate("lease the log", err)
	}
	return res.MatchedCount == 1, nil
}

func (a auditLog) PutCheckpoint(ctx context.Context, c audit.Checkpoint) error {
	return insertAll(ctx, a.checkpoints, []audit.Checkpoint{c})
}

func (a auditLog) Latest(ctx context.Context) (audit.Checkpoint, error) {
	found, err := find[audit.Checkpoint](ctx, a.checkpoints, bson.M{}, options.Find().SetSort(bson.M{"_id": -1}).SetLimit(1))
	if err != nil {
		return audit.Checkpoint{}, err
	}
	if len(found) == 0 {
		return audit.Checkpoint{}, audit.ErrNone
	}
	return found[0], nil
}

func (a auditLog) Checkpoint(ctx context.Context, day string) (audit.Checkpoint, error) {
	return orNone(get[audit.Checkpoint](ctx, a.checkpoints, bson.M{"_id": day}))
}

func (a auditLog) Checkpoints(ctx context.Context) ([]audit.Checkpoint, error) {
	return find[audit.Checkpoint](ctx, a.checkpoints, bson.M{}, options.Find().SetSort(ascending("_id")))
}

func (a auditLog) Countersign(ctx context.Context, c audit.Checkpoint, was string) error {
	res, err := a.checkpoints.UpdateOne(ctx, bson.M{"_id": c.Day, "note": was}, bson.M{"$set": bson.M{"note": c.Note}})
	if err == nil && res.MatchedCount == 0 {
		return audit.ErrRaced
	}
	return translate("countersign", err)
}

// orNone says of what is not there that it is not.
func orNone[T any](v T, err error) (T, error) {
	if fault.KindOf(err) == fault.NotFound {
		return v, audit.ErrNone
	}
	return v, err
}
