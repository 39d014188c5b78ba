package mongostore

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// set is a collection whose documents come and go together. Which set is in
// force, and how many were begun, stands in the tenant's document. Older sets
// stay: records name the codes of their day.
type set struct{ collection, current, begun string }

// Fields of a tenant's document that only imports write.
func gridSet() set { return set{"grid", "grid_set", "grid_sets_begun"} }
func areaSet() set { return set{"area", "area_set", "area_sets_begun"} }

// member is one document of a set.
type member[T any] struct {
	ID     string `bson:"_id"` // tenant:set:n
	Tenant string `bson:"tenant"`
	Set    int64  `bson:"set"`
	N      int    `bson:"n"`
	Value  T      `bson:"value"`
}

// members reads the set in force; there is none before the first import.
func members[T any](ctx context.Context, db *mongo.Database, s set, tenant string) ([]T, error) {
	doc, err := db.Collection("tenant").FindOne(ctx, bson.M{"_id": tenant}).Raw()
	if err != nil {
		return nil, translate("read set of "+s.collection, err)
	}
	version, _ := doc.Lookup(s.current).AsInt64OK()
	found, err := find[member[T]](ctx, db.Collection(s.collection), bson.M{"tenant": tenant, "set": version},
		options.Find().SetSort(ascending("n")))
	values := make([]T, len(found))
	for i, m := range found {
		values[i] = m.Value
	}
	return values, err
}

// replace writes a new set, and then puts it in force by one write. If two
// imports meet, the one begun later stays in force. Stamp marks a value as the
// tenant's and the set's.
func replace[T any](ctx context.Context, db *mongo.Database, s set, tenant string, values []T, stamp func(*T, int64)) error {
	const batch = 500
	tenants := db.Collection("tenant")
	doc, err := tenants.FindOneAndUpdate(ctx, bson.M{"_id": tenant}, bson.M{"$inc": bson.M{s.begun: int64(1)}},
		options.FindOneAndUpdate().SetReturnDocument(options.After)).Raw()
	if err != nil {
		return translate("begin set of "+s.collection, err)
	}
	version := doc.Lookup(s.begun).AsInt64()
	for from := 0; from < len(values); from += batch {
		var docs []any
		for i := from; i < min(len(values), from+batch); i++ {
			value := values[i]
			stamp(&value, version)
			docs = append(docs, member[T]{fmt.Sprintf("%s:%d:%d", tenant, version, i), tenant, version, i, value})
		}
		if _, err := db.Collection(s.collection).InsertMany(ctx, docs); err != nil {
			return translate("insert set of "+s.collection, err)
		}
	}
	_, err = tenants.UpdateOne(ctx, bson.M{"_id": tenant}, bson.M{"$max": bson.M{s.current: version}})
	return translate("switch set of "+s.collection, err)
}
