package mongostore

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"gridwatch/notify/outbox"
	"gridwatch/server/workflow"
)

// pushes keeps pushes, or what waits for the contact gateway, and the leases of their slots (outbox.Store).
//
// Done and Retry look at the lease and then write, so they are two steps. What
// keeps them together is time: nobody else gets the slot before the lease ends,
// and a worker begins nothing that may take longer than that.
type pushes struct{ entries, slots *mongo.Collection }

// push is an outbox.Entry as a document.
type push struct {
	ID        string    `bson:"_id"`
	Slot      int       `bson:"slot"`
	Tenant    string    `bson:"tenant"`
	Recipient string    `bson:"recipient"`
	Kind      string    `bson:"kind"`
	Ref       string    `bson:"ref"`
	PushID    string    `bson:"push_id"`
	NotBefore time.Time `bson:"not_before"`
	ExpiresAt time.Time `bson:"expires_at"`
	Tries     int       `bson:"tries"`
}

// slot is an outbox.Lease as a document. A free slot has a lease that ended.
type slot struct {
	Slot  int       `bson:"_id"`
	Term  int64     `bson:"term"`
	Owner string    `bson:"owner"`
	Until time.Time `bson:"until"`
}

// slots makes the slots of pushes, none of them leased.
func slots(ctx context.Context, db *mongo.Database) error { return makeSlots(ctx, db, "slot") }

func makeSlots(ctx context.Context, db *mongo.Database, name string) error {
	var free []any
	for n := range outbox.Slots {
		free = append(free, slot{Slot: n})
	}
	_, err := db.Collection(name).InsertMany(ctx, free, options.InsertMany().SetOrdered(false))
	if mongo.IsDuplicateKeyError(err) {
		return nil // another process made some of them
	}
	return translate("make slots", err)
}

func (p pushes) Add(ctx context.Context, e outbox.Entry) error {
	_, err := p.entries.InsertOne(ctx, push(e))
	if mongo.IsDuplicateKeyError(err) {
		return nil
	}
	return translate("add push", err)
}

func (p pushes) Ready(ctx context.Context, now time.Time) ([]int, error) {
	cursor, err := p.entries.Aggregate(ctx, bson.A{
		bson.M{"$match": bson.M{"not_before": bson.M{"$lte": now}}},
		bson.M{"$group": bson.M{"_id": "$slot"}},
		bson.M{"$sort": bson.M{"_id": 1}},
	})
	if err != nil {
		return nil, translate("look for due slots", err)
	}
	var found []slot
	if err := cursor.All(ctx, &found); err != nil {
		return nil, translate("look for due slots", err)
	}
	ready := make([]int, len(found))
	for i, s := range found {
		ready[i] = s.Slot
	}
	return ready, nil
}

func (p pushes) Lease(ctx context.Context, n int, owner string, until, now time.Time) (outbox.Lease, bool, error) {
	var leased slot
	err := p.slots.FindOneAndUpdate(ctx, bson.M{"_id": n, "until": bson.M{"$lte": now}},
		bson.M{"$inc": bson.M{"term": 1}, "$set": bson.M{"owner": owner, "until": until}},
		options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&leased)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return outbox.Lease{}, false, nil
	}
	return outbox.Lease(leased), err == nil, translate("lease slot", err)
}

func (p pushes) Due(ctx context.Context, n int, now time.Time, limit int) ([]outbox.Entry, error) {
	found, err := find[push](ctx, p.entries, bson.M{"slot": n, "not_before": bson.M{"$lte": now}},
		options.Find().SetSort(ascending("not_before", "_id")).SetLimit(int64(limit)))
	due := make([]outbox.Entry, len(found))
	for i, e := range found {
		due[i] = outbox.Entry(e)
	}
	return due, err
}

func (p pushes) Done(ctx context.Context, l outbox.Lease, id string) error {
	if err := p.held(ctx, l); err != nil {
		return err
	}
	_, err := p.entries.DeleteOne(ctx, bson.M{"_id": id, "slot": l.Slot})
	return translate("remove push", err)
}

func (p pushes) Retry(ctx context.Context, l outbox.Lease, id string, notBefore time.Time, tries int) error {
	if err := p.held(ctx, l); err != nil {
		return err
	}
	_, err := p.entries.UpdateOne(ctx, bson.M{"_id": id, "slot": l.Slot},
		bson.M{"$set": bson.M{"not_before": notBefore, "tries": tries}})
	return translate("put push off", err)
}

func (p pushes) Release(ctx context.Context, l outbox.Lease) error {
	_, err := p.slots.UpdateOne(ctx, bson.M{"_id": l.Slot, "term": l.Term}, bson.M{"$set": bson.M{"until": time.Time{}}})
	return translate("release slot", err)
}

// held returns outbox.ErrLost if the lease is not the slot's any more.
func (p pushes) held(ctx context.Context, l outbox.Lease) error {
	held, err := exists(ctx, p.slots, bson.M{"_id": l.Slot, "term": l.Term, "until": bson.M{"$gt": time.Time{}}})
	if err == nil && !held {
		return outbox.ErrLost
	}
	return err
}

// Devices returns the devices of persons for the outbox. Tokens lie in the
// database sealed: open gives the token of a device, and id the device's id
// from the token, as whoever put the device made them.
func (s *Store) Devices(open func(sealed []byte) (string, error), id func(token string) string) outbox.Devices {
	return devices{c: s.db.Collection("device"), open: open, id: id}
}

type devices struct {
	c    *mongo.Collection
	open func([]byte) (string, error)
	id   func(string) string
}

func (d devices) Tokens(ctx context.Context, tenant, person string) ([]string, error) {
	found, err := find[workflow.Device](ctx, d.c, bson.M{"tenant": tenant, "person": person},
		options.Find().SetSort(ascending("_id")))
	if err != nil {
		return nil, err
	}
	tokens := make([]string, len(found))
	for i, device := range found {
		if tokens[i], err = d.open(device.Token); err != nil {
			return nil, err
		}
	}
	return tokens, nil
}

func (d devices) Drop(ctx context.Context, token string) error {
	_, err := d.c.DeleteOne(ctx, bson.M{"_id": d.id(token)})
	return translate("drop device", err)
}
