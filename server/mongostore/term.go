package mongostore

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"gridwatch/server/casefile"
	"gridwatch/server/workflow"
)

const (
	erasureKind = "erasure"
	leaseKind   = "lease"
)

// terms makes what the keeping of terms needs.
func terms(ctx context.Context, db *mongo.Database) error {
	for _, c := range []collection{
		{reportKind, []mongo.IndexModel{index("state", "changed", "_id")}},
		{erasureKind, []mongo.IndexModel{{Keys: ascending("report"), Options: options.Index().SetUnique(true)}}},
		{leaseKind, nil},
	} {
		if err := c.create(ctx, db); err != nil {
			return err
		}
	}
	return nil
}

func (r reports) Due(ctx context.Context, q workflow.DueReports) ([]casefile.Report, error) {
	f := bson.M{"state": bson.M{"$in": q.States}, "changed": bson.M{"$lt": q.Before}, "_id": bson.M{"$gt": q.After}}
	if q.Readable {
		f["archive.on"] = bson.M{"$in": bson.A{"", nil}}
	}
	return find[casefile.Report](ctx, r.c, f, options.Find().SetSort(ascending("_id")).SetLimit(int64(q.Limit)))
}

// recordedTasks finds the tasks whose recordings a term may be over of: no other
// task is in the index.
func recordedTasks(ctx context.Context, db *mongo.Database) error {
	return collection{taskKind, []mongo.IndexModel{
		{Keys: ascending(recordedUntil), Options: options.Index().SetSparse(true)},
	}}.create(ctx, db)
}

// Until when recordings are kept, and what else was collected.
const (
	recordedUntil  = "recordings.until"
	collectedUntil = "until"
)

// collectedTasks finds tasks by the day until which what was collected is kept.
func collectedTasks(ctx context.Context, db *mongo.Database) error {
	return collection{taskKind, []mongo.IndexModel{
		{Keys: ascending(collectedUntil), Options: options.Index().SetSparse(true)},
	}}.create(ctx, db)
}

// tasks keeps tasks (workflow.Tasks).
type tasks struct {
	records[casefile.Task, *casefile.Task]
}

func (r tasks) Recorded(ctx context.Context, before time.Time, after string, limit int) ([]workflow.TaskRef, error) {
	return r.until(ctx, recordedUntil, before, after, limit)
}

func (r tasks) Collected(ctx context.Context, before time.Time, after string, limit int) ([]workflow.TaskRef, error) {
	return r.until(ctx, collectedUntil, before, after, limit)
}

// until names the index: an engine may prefer to go through all tasks.
func (r tasks) until(ctx context.Context, field string, before time.Time, after string, limit int) ([]workflow.TaskRef, error) {
	return find[workflow.TaskRef](ctx, r.c, bson.M{field: bson.M{"$gt": time.Time{}, "$lt": before}, "_id": bson.M{"$gt": after}},
		options.Find().SetSort(ascending("_id")).SetLimit(int64(limit)).SetHint(ascending(field)).SetProjection(bson.M{"tenant": 1}))
}

func (r tasks) Prolong(ctx context.Context, tenant, id string, was, until time.Time) error {
	_, err := r.c.UpdateOne(ctx, bson.M{"_id": id, "tenant": tenant, collectedUntil: was}, bson.M{"$set": bson.M{collectedUntil: until}})
	return translate("prolong", err)
}

// lapsingOpenings finds the openings that expired with a layer.
func lapsingOpenings(ctx context.Context, db *mongo.Database) error {
	return collection{openingKind, []mongo.IndexModel{index("state", "expires")}}.create(ctx, db)
}

// openings keeps openings (workflow.Openings).
type openings struct {
	records[casefile.Opening, *casefile.Opening]
}

func (r openings) Lapsed(ctx context.Context, before time.Time, after string, limit int) ([]casefile.Opening, error) {
	return find[casefile.Opening](ctx, r.c, bson.M{
		"state": casefile.OpeningPeeled, "expires": bson.M{"$lt": before}, "wrapped": bson.M{"$type": "binData"}, "_id": bson.M{"$gt": after},
	}, options.Find().SetSort(ascending("_id")).SetLimit(int64(limit)))
}

// ringRecords keeps the rings of officers (workflow.RingRecords).
type ringRecords struct {
	records[casefile.Ring, *casefile.Ring]
}

func (r ringRecords) Lapsed(ctx context.Context, before time.Time, after string, limit int) ([]casefile.Ring, error) {
	return find[casefile.Ring](ctx, r.c, bson.M{"offer.until": bson.M{"$lt": before}, "_id": bson.M{"$gt": after}},
		options.Find().SetSort(ascending("_id")).SetLimit(int64(limit)))
}

// unclaimedAwards finds the awards whose time to claim is over.
func unclaimedAwards(ctx context.Context, db *mongo.Database) error {
	return collection{awardKind, []mongo.IndexModel{index("state", "claim_by")}}.create(ctx, db)
}

// awards keeps awards (workflow.Awards).
type awards struct {
	records[casefile.Award, *casefile.Award]
}

func (r awards) Unclaimed(ctx context.Context, before time.Time, after string, limit int) ([]casefile.Award, error) {
	return find[casefile.Award](ctx, r.c, bson.M{
		"state": casefile.AwardNotified, "claim_by": bson.M{"$lt": before}, "_id": bson.M{"$gt": after},
	}, options.Find().SetSort(ascending("_id")).SetLimit(int64(limit)))
}

// erasures keeps the list of erasures (workflow.Erasures).
type erasures struct{ c *mongo.Collection }

func (e erasures) Insert(ctx context.Context, entry workflow.Erased) error {
	_, err := e.c.InsertOne(ctx, entry)
	return translate("insert erasure", err)
}

func (e erasures) List(ctx context.Context, after int64, limit int) ([]workflow.Erased, error) {
	return find[workflow.Erased](ctx, e.c, bson.M{"_id": bson.M{"$gt": after}}, options.Find().SetSort(ascending("_id")).SetLimit(int64(limit)))
}

func (e erasures) Last(ctx context.Context) (workflow.Erased, error) {
	found, err := find[workflow.Erased](ctx, e.c, bson.M{}, options.Find().SetSort(bson.M{"_id": -1}).SetLimit(1))
	if err != nil || len(found) == 0 {
		return workflow.Erased{}, err
	}
	return found[0], nil
}

func (e erasures) Of(ctx context.Context, report string) (bool, error) {
	return exists(ctx, e.c, bson.M{"report": report})
}

// leases keeps leases by name (workflow.Leases).
type leases struct{ c *mongo.Collection }

// Take is decided by the insert of the first, and then by one update.
func (l leases) Take(ctx context.Context, name, owner string, until, now time.Time) (bool, error) {
	_, err := l.c.InsertOne(ctx, bson.M{"_id": name, "owner": owner, "until": until})
	if err == nil {
		return true, nil
	}
	if !mongo.IsDuplicateKeyError(err) {
		return false, translate("make a lease", err)
	}
	res, err := l.c.UpdateOne(ctx,
		bson.M{"_id": name, "$or": bson.A{bson.M{"owner": owner}, bson.M{"until": bson.M{"$lte": now}}}},
		bson.M{"$set": bson.M{"owner": owner, "until": until}})
	if err != nil {
		return false, translate("take a lease", err)
	}
	return res.MatchedCount == 1, nil
}
