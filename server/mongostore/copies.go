package mongostore

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"gridwatch/server/workflow"
)

// copyJobs keeps the jobs of copiers (workflow.CopyJobs). The time from which a
// job is free is its lease: who moves it on has the job until then.
type copyJobs struct{ c *mongo.Collection }

func (j copyJobs) Add(ctx context.Context, job workflow.CopyJob) error {
	_, err := j.c.InsertOne(ctx, job)
	if mongo.IsDuplicateKeyError(err) {
		return nil
	}
	return translate("add copy job", err)
}

func (j copyJobs) Due(ctx context.Context, lane workflow.Lane, now time.Time, limit int) ([]workflow.CopyJob, error) {
	return find[workflow.CopyJob](ctx, j.c, bson.M{"lane": lane, "next": bson.M{"$lte": now}},
		options.Find().SetSort(ascending("next", "_id")).SetLimit(int64(limit)))
}

func (j copyJobs) Turn(ctx context.Context, job workflow.CopyJob, next time.Time, tries int) (bool, error) {
	res, err := j.c.UpdateOne(ctx, bson.M{"_id": job.ID, "next": job.Next, "tries": job.Tries},
		bson.M{"$set": bson.M{"next": next, "tries": tries}})
	if err != nil {
		return false, translate("turn copy job", err)
	}
	return res.MatchedCount == 1, nil
}

func (j copyJobs) Done(ctx context.Context, id string) error {
	_, err := j.c.DeleteOne(ctx, bson.M{"_id": id})
	return translate("remove copy job", err)
}
