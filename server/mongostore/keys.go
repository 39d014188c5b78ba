package mongostore

import (
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"gridwatch/server/fault"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// rewrapKind is the collection of how far wrapping under new keys has come.
const rewrapKind = "rewrap"

// wrappedKeys finds wrapped data keys (workflow.WrappedKeys).
type wrappedKeys struct{ db *mongo.Database }

func (w wrappedKeys) Collections(ctx context.Context) ([]string, error) {
	names, err := w.db.ListCollectionNames(ctx, bson.M{})
	slices.Sort(names)
	return names, translate("list collections", err)
}

// Page pages in order of the id. What has no text for an id holds no keys.
func (w wrappedKeys) Page(ctx context.Context, collection, after string, limit int) ([]workflow.WrappedKey, string, error) {
	docs, err := find[bson.Raw](ctx, w.db.Collection(collection), bson.M{"_id": bson.M{"$gt": after, "$type": "string"}},
		options.Find().SetSort(ascending("_id")).SetLimit(int64(limit)))
	if err != nil {
		return nil, "", err
	}
	var keys []workflow.WrappedKey
	last := ""
	for _, doc := range docs {
		last = doc.Lookup("_id").StringValue()
		found, err := within(doc, "", nil)
		if err != nil {
			return nil, "", fmt.Errorf("read %s: %w", collection, err)
		}
		for _, k := range found {
			k.Collection, k.Document = collection, last
			k.Tenant, _ = doc.Lookup("tenant").StringValueOK()
			keys = append(keys, k)
		}
	}
	if len(docs) < limit {
		last = ""
	}
	return keys, last, nil
}

// within walks a document or a list. Ids that stand around a key come with it.
func within(doc bson.Raw, path string, around []string) ([]workflow.WrappedKey, error) {
	elements, err := doc.Elements()
	if err != nil {
		return nil, err
	}
	own := slices.Clone(around)
	for _, name := range []string{"envelope", "_id", "id", "item", "object"} {
		if v, ok := doc.Lookup(name).StringValueOK(); ok {
			own = append([]string{v}, own...)
		}
	}
	var keys []workflow.WrappedKey
	for _, e := range elements {
		at, v := path+e.Key(), e.Value()
		switch v.Type { //nolint:exhaustive // nothing else holds bytes
		case bson.TypeBinary:
			_, data := v.Binary()
			if _, ok := vault.WrappedUnder(data); ok {
				keys = append(keys, workflow.WrappedKey{Path: at, Value: slices.Clone(data), Owners: own})
			}
		case bson.TypeEmbeddedDocument, bson.TypeArray:
			inner, err := within(v.Value, at+".", own)
			if err != nil {
				return nil, err
			}
			keys = append(keys, inner...)
		}
	}
	return keys, nil
}

func (w wrappedKeys) Replace(ctx context.Context, k workflow.WrappedKey, by []byte) (bool, error) {
	res, err := w.db.Collection(k.Collection).UpdateOne(ctx,
		bson.M{"_id": k.Document, k.Path: k.Value}, bson.M{"$set": bson.M{k.Path: by}})
	if err != nil {
		return false, translate("replace a wrapped key", err)
	}
	return res.MatchedCount == 1, nil
}

func (w wrappedKeys) Rewrap(ctx context.Context, key string) (workflow.Rewrap, error) {
	r, err := get[workflow.Rewrap](ctx, w.db.Collection(rewrapKind), bson.M{"_id": key})
	if fault.KindOf(err) == fault.NotFound {
		return workflow.Rewrap{}, nil
	}
	return r, err
}

func (w wrappedKeys) PutRewrap(ctx context.Context, r workflow.Rewrap) error {
	return put(ctx, w.db.Collection(rewrapKind), r.Key, nil, r)
}

// rewraps makes the collection of how far rotations have come.
func rewraps(ctx context.Context, db *mongo.Database) error {
	return collection{rewrapKind, nil}.create(ctx, db)
}
