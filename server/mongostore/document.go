package mongostore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/bsonrw"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// fields returns the fields of a document, in order, without those left out.
func fields(v any, without ...string) (bson.D, error) {
	var raw bytes.Buffer
	w, err := bsonrw.NewBSONValueWriter(&raw)
	if err != nil {
		return nil, fmt.Errorf("write document: %w", err)
	}
	enc, err := bson.NewEncoder(w)
	if err != nil {
		return nil, fmt.Errorf("write document: %w", err)
	}
	enc.NilSliceAsEmpty() // a null could not be pushed to
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("write document: %w", err)
	}
	elements, err := bson.Raw(raw.Bytes()).Elements()
	if err != nil {
		return nil, fmt.Errorf("write document: %w", err)
	}
	doc := make(bson.D, 0, len(elements)+1)
	for _, e := range elements {
		if !slices.Contains(without, e.Key()) {
			doc = append(doc, bson.E{Key: e.Key(), Value: e.Value()})
		}
	}
	return doc, nil
}

// put inserts a document, or sets its fields in the one there is if that is
// the owner's. Fields that v does not have are kept. It returns errExists if
// the id is somebody else's. It is no upsert: of those, several may win.
func put(ctx context.Context, c *mongo.Collection, id string, owner bson.M, v any) error {
	doing := "put " + c.Name()
	_, err := c.InsertOne(ctx, v)
	if !mongo.IsDuplicateKeyError(err) {
		return translate(doing, err)
	}
	set, err := fields(v, "_id")
	if err != nil {
		return err
	}
	filter := bson.M{"_id": id}
	for k, want := range owner {
		filter[k] = want
	}
	res, err := c.UpdateOne(ctx, filter, bson.M{"$set": set})
	if err != nil {
		return translate(doing, err)
	}
	if res.MatchedCount == 0 {
		return errExists
	}
	return nil
}

// get reads one document.
func get[T any](ctx context.Context, c *mongo.Collection, filter bson.M) (T, error) {
	var v T
	err := c.FindOne(ctx, filter).Decode(&v)
	return v, translate("get "+c.Name(), err)
}

// find reads all documents that a filter and options select.
func find[T any](ctx context.Context, c *mongo.Collection, filter any, opts *options.FindOptions) ([]T, error) {
	cursor, err := c.Find(ctx, filter, opts)
	if err != nil {
		return nil, translate("find "+c.Name(), err)
	}
	var all []T
	if err := cursor.All(ctx, &all); err != nil {
		return nil, translate("find "+c.Name(), err)
	}
	return all, nil
}

// exists says whether a filter selects anything.
func exists(ctx context.Context, c *mongo.Collection, filter bson.M) (bool, error) {
	err := c.FindOne(ctx, filter, options.FindOne().SetProjection(bson.M{"_id": 1})).Err()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return false, nil
	}
	return err == nil, translate("look up "+c.Name(), err)
}

// ascending is a sort order, or the keys of an index.
func ascending(names ...string) bson.D {
	order := make(bson.D, len(names))
	for i, name := range names {
		order[i] = bson.E{Key: name, Value: 1}
	}
	return order
}
