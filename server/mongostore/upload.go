package mongostore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"gridwatch/media/upload"
)

const uploadKind = "upload"

// uploads keeps the records of uploads (upload.Store).
type uploads struct{ c *mongo.Collection }

func (s uploads) Insert(ctx context.Context, u upload.Upload) error {
	_, err := s.c.InsertOne(ctx, u)
	if err = translate("insert upload", err); errors.Is(err, errExists) {
		return upload.ErrExists
	}
	return err
}

func (s uploads) Get(ctx context.Context, tenant, id string) (upload.Upload, error) {
	var u upload.Upload
	err := s.c.FindOne(ctx, bson.M{"_id": id, "tenant": tenant}).Decode(&u)
	return u, noUpload(translate("get upload", err), err)
}

// noUpload says ErrNone where the driver found nothing.
func noUpload(translated, err error) error {
	if errors.Is(err, mongo.ErrNoDocuments) {
		return upload.ErrNone
	}
	return translated
}

// Lease takes a lease that runs for twice the time asked for or more as over: it
// is of a clock that was far ahead, and of nobody who is at work.
func (s uploads) Lease(ctx context.Context, tenant, id string, now, until time.Time) (upload.Upload, error) {
	var u upload.Upload
	err := s.c.FindOneAndUpdate(ctx,
		bson.M{"_id": id, "tenant": tenant, "$or": bson.A{
			bson.M{"until": bson.M{"$lte": now}}, bson.M{"until": bson.M{"$gte": until.Add(until.Sub(now))}},
		}},
		bson.M{"$inc": bson.M{"term": 1}, "$set": bson.M{"until": until}},
		options.FindOneAndUpdate().SetReturnDocument(options.After),
	).Decode(&u)
	if !errors.Is(err, mongo.ErrNoDocuments) {
		return u, translate("lease upload", err)
	}
	if _, err := s.Get(ctx, tenant, id); err != nil {
		return u, err
	}
	return u, upload.ErrLocked
}

func (s uploads) Save(ctx context.Context, u upload.Upload) error {
	text, err := bson.Marshal(u)
	if err != nil {
		return fmt.Errorf("save upload: %w", err)
	}
	set := bson.M{}
	if err := bson.Unmarshal(text, &set); err != nil {
		return fmt.Errorf("save upload: %w", err)
	}
	delete(set, "_id")
	for field, key := range map[string][]byte{"key": u.Key, "copy_key": u.CopyKey} {
		if len(key) > 0 {
			delete(set, field)
		}
	}
	res, err := s.c.UpdateOne(ctx, bson.M{"_id": u.ID, "tenant": u.Tenant, "term": u.Term}, bson.M{"$set": set})
	if err != nil {
		return translate("save upload", err)
	}
	if res.MatchedCount == 0 {
		return fmt.Errorf("save upload: %w", upload.ErrFenced)
	}
	return nil
}

func (s uploads) Delete(ctx context.Context, tenant, id string) error {
	_, err := s.c.DeleteOne(ctx, bson.M{"_id": id, "tenant": tenant})
	return translate("delete upload", err)
}

// Ended lists in order of the id.
func (s uploads) Ended(ctx context.Context, before time.Time, after string, limit int) ([]upload.Upload, error) {
	return find[upload.Upload](ctx, s.c, bson.M{
		"_id": bson.M{"$gt": after},
		"$or": bson.A{
			bson.M{"expires": bson.M{"$lt": before}},
			bson.M{"stage": bson.M{"$ne": upload.Open}, "settled": false},
			bson.M{"until": bson.M{"$gt": time.Time{}, "$lt": before}},
		},
	}, options.Find().SetSort(ascending("_id")).SetLimit(int64(limit)))
}

// uploadCollection makes the collection of uploads.
func uploadCollection(ctx context.Context, db *mongo.Database) error {
	return collection{uploadKind, nil}.create(ctx, db)
}
