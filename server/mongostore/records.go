package mongostore

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/workflow"
)

// The kinds of record; each has a collection of its name.
const (
	reportKind  = "report"
	taskKind    = "task"
	visitKind   = "visit"
	hazardKind  = "hazard"
	penaltyKind = "penalty"
	awardKind   = "award"
	openingKind = "opening"
	ringKind    = "ring"
	leadKind    = "lead"
	heldKind    = "held"
	batchKind   = "batch"
	payoutKind  = "payout"

	approvalKind = "approval"
	contactKind  = "contact_use"
)

// nextEffect is when the effects of a record are due. A record without effects
// does not have the field, so its sparse index holds only what waits.
const nextEffect = "next_effect_at"

// header is a pointer to a record.
type header[T any] interface {
	*T
	Header() *casefile.Head
}

// records keeps one kind of record (workflow.Records).
type records[T any, P header[T]] struct{ c *mongo.Collection }

func newRecords[T any, P header[T]](db *mongo.Database, kind string) records[T, P] {
	return records[T, P]{db.Collection(kind)}
}

func (r records[T, P]) Get(ctx context.Context, tenant, id string) (*T, error) {
	record, err := get[T](ctx, r.c, bson.M{"_id": id, "tenant": tenant})
	if err != nil {
		return nil, err
	}
	return &record, nil
}

func (r records[T, P]) Insert(ctx context.Context, record *T) error {
	head := P(record).Header()
	doc, err := fields(record)
	if err != nil {
		return err
	}
	if len(head.Pending) > 0 {
		doc = append(doc, bson.E{Key: nextEffect, Value: head.Changed})
	}
	_, err = r.c.InsertOne(ctx, doc)
	return translate("insert "+r.c.Name(), err)
}

func (r records[T, P]) Update(ctx context.Context, record *T, was int64) error {
	head := P(record).Header()
	set, err := fields(record, "_id", "pending", "relayed")
	if err != nil {
		return err
	}
	change := bson.M{}
	if fresh := since(head, was); len(fresh) > 0 {
		set = append(set, bson.E{Key: nextEffect, Value: head.Changed})
		change["$push"] = bson.M{"pending": bson.M{"$each": fresh}}
	}
	change["$set"] = set
	res, err := r.c.UpdateOne(ctx, bson.M{"_id": head.ID, "tenant": head.Tenant, "version": was}, change)
	if err != nil {
		return translate("update "+r.c.Name(), err)
	}
	if res.MatchedCount == 1 {
		return nil
	}
	there, err := exists(ctx, r.c, bson.M{"_id": head.ID, "tenant": head.Tenant})
	switch {
	case err != nil:
		return err
	case there:
		return errStale
	default:
		return fault.Absent()
	}
}

// since returns the effects that came after a version. The effects before it
// are the relay's: they stand in the document, or are carried out already and
// must not come back. Head.Record raises version and sequence by one each, so
// the sequence that the version had is known.
func since(head *casefile.Head, was int64) []casefile.Effect {
	old := head.Seq - (head.Version - was)
	i := slices.IndexFunc(head.Pending, func(e casefile.Effect) bool { return e.Seq > old })
	if i < 0 {
		return nil
	}
	return head.Pending[i:]
}

func (r records[T, P]) List(ctx context.Context, q workflow.Query) ([]T, error) {
	opts := options.Find().SetSort(ascending("at", "_id")).SetLimit(int64(q.Limit))
	return find[T](ctx, r.c, filter(q), opts)
}

// filter selects what a query asks for. The sort is on (at, _id), the end of
// every index that an equality here begins, so that pages stream.
func filter(q workflow.Query) bson.M {
	f := bson.M{"tenant": q.Tenant}
	switch len(q.States) {
	case 0:
	case 1:
		f["state"] = q.States[0]
	default:
		f["state"] = bson.M{"$in": q.States}
	}
	switch len(q.Areas) {
	case 0:
	case 1:
		f["area"] = under(q.Areas[0])
	default:
		var ranges bson.A
		for _, area := range q.Areas {
			ranges = append(ranges, bson.M{"area": under(area)})
		}
		f["$and"] = bson.A{bson.M{"$or": ranges}} // beside the cursor's $or
	}
	for field, want := range map[string]string{
		"assigned": q.Assigned, "cause": q.Cause, "report": q.Report, "visit": q.Visit,
	} {
		if want != "" {
			f[field] = want
		}
	}
	if !q.After.At.IsZero() {
		f["at"] = bson.M{"$gte": q.After.At}
		f["$or"] = bson.A{
			bson.M{"at": bson.M{"$gt": q.After.At}},
			bson.M{"_id": bson.M{"$gt": q.After.ID}},
		}
	}
	return f
}

// under is the range of the codes that lie in an area.
func under(area string) bson.M {
	prefix := casefile.AreaPrefix(area)
	return bson.M{"$gte": prefix, "$lt": prefix + ":"} // ':' follows '9'
}

// reports keeps reports (workflow.Reports).
type reports struct {
	records[casefile.Report, *casefile.Report]
}

func (r reports) ByReceipt(ctx context.Context, hashes []string) (*casefile.Report, error) {
	return r.by(ctx, "receipt", hashes)
}

func (r reports) ByExchanged(ctx context.Context, hashes []string) (*casefile.Report, error) {
	return r.by(ctx, "behind.was", hashes)
}

func (r reports) ByDigests(ctx context.Context, tenant string, digests []string, limit int) ([]casefile.Report, error) {
	return find[casefile.Report](ctx, r.c, bson.M{"tenant": tenant, "evidence.digest": bson.M{"$in": digests}},
		options.Find().SetSort(ascending("at", "_id")).SetLimit(int64(limit)))
}

func (r reports) by(ctx context.Context, field string, hashes []string) (*casefile.Report, error) {
	report, err := get[casefile.Report](ctx, r.c, bson.M{field: bson.M{"$in": hashes}})
	if err != nil {
		return nil, err
	}
	return &report, nil
}
