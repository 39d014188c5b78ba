package mongostore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// maxTries bounds how often a migration is begun again because other processes
// make the same indexes and the engine gave one of them up.
const maxTries = 20

// migrations are run in order, each at most once by its success, and never
// backwards. Each may be run twice, by two processes that start together.
func migrations() []func(context.Context, *mongo.Database) error {
	return []func(context.Context, *mongo.Database) error{
		collections,
		slots,
		signInCollections,
		rings,
		dialogue,
		auditCollections,
		leads,
		digests,
		rewraps,
		publicationCollection,
		heldTasks,
		batches,
		chainCollection,
		printCollection,
		contacts,
		uploadCollection,
		terms,
		copying,
		payouts,
		claimCollection,
		recordedTasks,
		collectedTasks,
		lapsingOpenings,
		unclaimedAwards,
	}
}

// Migrate brings the database up to what this program needs.
func (s *Store) Migrate(ctx context.Context) error {
	done, err := s.migrated(ctx)
	if err != nil {
		return err
	}
	at, err := s.clock(ctx)
	if err != nil {
		return err
	}
	for i, migrate := range migrations()[min(done, len(migrations())):] {
		version := done + i + 1
		err := migrate(ctx, s.db)
		for tries := 0; errors.Is(err, errBusy) && tries < maxTries; tries++ {
			err = migrate(ctx, s.db)
		}
		if err != nil {
			return fmt.Errorf("migration %d: %w", version, err)
		}
		_, err = s.db.Collection("migration").InsertOne(ctx, struct {
			Version int       `bson:"_id"`
			At      time.Time `bson:"at"`
		}{version, at})
		if err != nil && !mongo.IsDuplicateKeyError(err) {
			return translate("note migration", err)
		}
	}
	return nil
}

// migrated returns the number of the newest migration that was run.
func (s *Store) migrated(ctx context.Context) (int, error) {
	var newest struct {
		Version int `bson:"_id"`
	}
	err := s.db.Collection("migration").FindOne(ctx, bson.M{}, options.FindOne().SetSort(bson.M{"_id": -1})).Decode(&newest)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return 0, nil
	}
	return newest.Version, translate("read migrations", err)
}

// collections makes every collection with its indexes. An index that begins
// with what a list selects by and ends with (at, _id) lets the sort stream.
func collections(ctx context.Context, db *mongo.Database) error {
	record := func(name string, own ...mongo.IndexModel) collection {
		return collection{name, append(own,
			index("tenant", "state", "at", "_id"),
			index("tenant", "at", "_id"),
			mongo.IndexModel{Keys: ascending(nextEffect), Options: options.Index().SetSparse(true)})}
	}
	for _, c := range []collection{
		record(reportKind, index("receipt")),
		record(taskKind, index("tenant", "assigned", "at", "_id"), index("tenant", "cause", "at", "_id")),
		record(visitKind, index("tenant", "cause", "at", "_id")),
		record(hazardKind, index("tenant", "cause", "at", "_id"), index("tenant", "visit", "at", "_id")),
		record(penaltyKind, index("tenant", "cause", "at", "_id"), index("tenant", "visit", "at", "_id")),
		record(awardKind, index("tenant", "report", "at", "_id")),
		record(openingKind, index("tenant", "report", "at", "_id")),
		{"event", nil},
		{"envelope", nil},
		{"tenant", nil},
		{"area", []mongo.IndexModel{index("tenant", "set", "n")}},
		{"grid", []mongo.IndexModel{index("tenant", "set", "n")}},
		{"person", []mongo.IndexModel{index("tenant", "posts.role")}},
		{"account", []mongo.IndexModel{index("tenant", "person")}},
		{"family", []mongo.IndexModel{{Keys: ascending("expires"), Options: options.Index().SetExpireAfterSeconds(0)}}},
		{"device", []mongo.IndexModel{index("tenant", "person")}},
		{"outbox", []mongo.IndexModel{index("slot", "not_before", "_id"), index("not_before", "slot")}},
		{"slot", nil},
		{"ledger", []mongo.IndexModel{
			index("tenant", "unit", "year", "n"),
			{Keys: ascending("tenant", "award", "step"), Options: options.Index().SetUnique(true).SetName(awardStep)},
		}},
	} {
		if err := c.create(ctx, db); err != nil {
			return err
		}
	}
	return nil
}

// rings makes the collection of rings, which are found by id.
func rings(ctx context.Context, db *mongo.Database) error {
	return collection{ringKind, []mongo.IndexModel{
		{Keys: ascending(nextEffect), Options: options.Index().SetSparse(true)},
	}}.create(ctx, db)
}

// digests finds the reports that have a file.
func digests(ctx context.Context, db *mongo.Database) error {
	return collection{reportKind, []mongo.IndexModel{index("tenant", "evidence.digest")}}.create(ctx, db)
}

// batches makes the collection of results that are published.
func batches(ctx context.Context, db *mongo.Database) error {
	return collection{batchKind, []mongo.IndexModel{
		index("tenant", "state", "at", "_id"),
		index("tenant", "at", "_id"),
		{Keys: ascending(nextEffect), Options: options.Index().SetSparse(true)},
	}}.create(ctx, db)
}

// payouts makes the collection of awards that are paid together.
func payouts(ctx context.Context, db *mongo.Database) error {
	return collection{payoutKind, []mongo.IndexModel{
		index("tenant", "state", "at", "_id"),
		index("tenant", "at", "_id"),
		{Keys: ascending(nextEffect), Options: options.Index().SetSparse(true)},
	}}.create(ctx, db)
}

// heldTasks makes the collection of tasks that wait.
func heldTasks(ctx context.Context, db *mongo.Database) error {
	return collection{heldKind, []mongo.IndexModel{
		{Keys: ascending(nextEffect), Options: options.Index().SetSparse(true)},
	}}.create(ctx, db)
}

// copying makes the collection of jobs for copiers.
func copying(ctx context.Context, db *mongo.Database) error {
	return collection{"copy_job", []mongo.IndexModel{index("lane", "next", "_id")}}.create(ctx, db)
}

// leads makes the collection of leads.
func leads(ctx context.Context, db *mongo.Database) error {
	return collection{leadKind, []mongo.IndexModel{
		index("tenant", "state", "at", "_id"),
		index("tenant", "at", "_id"),
		index("tenant", "report", "at", "_id"),
		{Keys: ascending(nextEffect), Options: options.Index().SetSparse(true)},
	}}.create(ctx, db)
}

// contacts makes what the use of contacts needs: approvals, uses, and what waits
// for the gateway.
func contacts(ctx context.Context, db *mongo.Database) error {
	due := mongo.IndexModel{Keys: ascending(nextEffect), Options: options.Index().SetSparse(true)}
	for _, c := range []collection{
		{approvalKind, []mongo.IndexModel{index("tenant", "state", "at", "_id"), index("tenant", "at", "_id"), due}},
		{contactKind, []mongo.IndexModel{
			index("tenant", "state", "at", "_id"), index("tenant", "at", "_id"), index("tenant", "report", "at", "_id"), due,
		}},
		{"handover", []mongo.IndexModel{index("slot", "not_before", "_id"), index("not_before", "slot")}},
		{"handover_slot", nil},
	} {
		if err := c.create(ctx, db); err != nil {
			return err
		}
	}
	return makeSlots(ctx, db, "handover_slot")
}

type collection struct {
	name    string
	indexes []mongo.IndexModel
}

func (c collection) create(ctx context.Context, db *mongo.Database) error {
	err := db.CreateCollection(ctx, c.name)
	var server mongo.ServerError
	if err != nil && (!errors.As(err, &server) || !server.HasErrorCode(namespaceExists)) {
		return translate("create "+c.name, err)
	}
	if len(c.indexes) == 0 {
		return nil
	}
	_, err = db.Collection(c.name).Indexes().CreateMany(ctx, c.indexes)
	return translate("index "+c.name, err)
}

func index(names ...string) mongo.IndexModel { return mongo.IndexModel{Keys: ascending(names...)} }
