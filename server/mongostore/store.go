// Package mongostore keeps everything Gridwatch keeps in MongoDB.
//
// It is the only importer of the driver and holds no rule: what may be written
// is decided by workflow. Every write touches one document, so the package
// needs neither transactions nor change streams, which not every engine that
// speaks the protocol has.
package mongostore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/mongo/readconcern"
	"go.mongodb.org/mongo-driver/mongo/writeconcern"

	"gridwatch/media/upload"
	"gridwatch/notify/outbox"
	"gridwatch/server/audit"
	"gridwatch/server/casefile"
	"gridwatch/server/reward"
	"gridwatch/server/workflow"
)

// DefaultTimeout bounds an operation whose context has no deadline.
const DefaultTimeout = 10 * time.Second

// Config says where the database is.
type Config struct {
	URI      string           // mongodb://…; may hold a password
	Database string           // name of the database
	Now      func() time.Time // the clock that terms of posts are compared with
	Timeout  time.Duration    // of one operation; DefaultTimeout if zero
}

// Store is the connection and what is kept behind it. Its parts may be used by
// any number of goroutines.
type Store struct {
	Reports   workflow.Reports
	Tasks     workflow.Tasks
	Visits    workflow.Records[casefile.Visit]
	Hazards   workflow.Records[casefile.Hazard]
	Penalties workflow.Records[casefile.Penalty]
	Awards    workflow.Awards
	Openings  workflow.Openings
	Rings     workflow.RingRecords
	Leads     workflow.Records[casefile.Lead]
	Approvals workflow.Records[casefile.Approval]
	Contacts  workflow.Records[casefile.ContactUse]
	Held      workflow.Records[casefile.Held]
	Batches   workflow.Records[casefile.Batch]
	Payouts   workflow.Records[casefile.Payout]
	Pending   workflow.Pending
	Envelopes workflow.Envelopes
	// WrappedKeys are those of all documents.
	WrappedKeys workflow.WrappedKeys
	Erasures    workflow.Erasures
	Leases      workflow.Leases
	Messages    workflow.Messages
	Uploads     upload.Store
	Chains      workflow.Chains
	Prints      workflow.Prints
	CopyJobs    workflow.CopyJobs
	Claims      workflow.Claims
	Directory   workflow.Directory
	Accounts    workflow.Accounts
	SignIns     workflow.SignIns
	Rosters     workflow.Rosters
	Loader      workflow.Loader
	Ledger      reward.Ledger
	Statistics  workflow.Statistics
	Outbox      outbox.Store
	HandOvers   outbox.Store // what waits for the contact gateway
	Audit       audit.Store

	db *mongo.Database
}

// Open connects to the database and makes sure that it answers. Writes are
// acknowledged by a majority and its journals, and reads see what a majority
// acknowledged. Migrate must have run before the parts are used.
func Open(ctx context.Context, c Config) (*Store, error) {
	journal := true
	opts := options.Client().ApplyURI(c.URI).
		SetAppName("gridwatch").
		SetTimeout(cmp.Or(c.Timeout, DefaultTimeout)).
		SetServerSelectionTimeout(cmp.Or(c.Timeout, DefaultTimeout)).
		SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journal}).
		SetReadConcern(readconcern.Majority()).
		SetBSONOptions(&options.BSONOptions{NilSliceAsEmpty: true})
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("read the database's address: %w", err)
	}
	client, err := mongo.Connect(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	if err := client.Ping(ctx, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("reach the database: %w", err), client.Disconnect(ctx))
	}
	return assemble(client.Database(c.Database), c.Now), nil
}

func assemble(db *mongo.Database, now func() time.Time) *Store {
	d := directory{db: db, now: now}
	return &Store{
		Reports:   reports{newRecords[casefile.Report](db, reportKind)},
		Tasks:     tasks{newRecords[casefile.Task](db, taskKind)},
		Visits:    newRecords[casefile.Visit](db, visitKind),
		Hazards:   newRecords[casefile.Hazard](db, hazardKind),
		Penalties: newRecords[casefile.Penalty](db, penaltyKind),
		Awards:    awards{newRecords[casefile.Award](db, awardKind)},
		Openings:  openings{newRecords[casefile.Opening](db, openingKind)},
		Rings:     ringRecords{newRecords[casefile.Ring](db, ringKind)},
		Leads:     newRecords[casefile.Lead](db, leadKind),
		Approvals: newRecords[casefile.Approval](db, approvalKind),
		Contacts:  newRecords[casefile.ContactUse](db, contactKind),
		Held:      newRecords[casefile.Held](db, heldKind),
		Batches:   newRecords[casefile.Batch](db, batchKind),
		Payouts:   newRecords[casefile.Payout](db, payoutKind),
		Pending:   pending{db},
		Envelopes: envelopes{db.Collection("envelope")},

		WrappedKeys: wrappedKeys{db},
		Erasures:    erasures{db.Collection(erasureKind)},
		Leases:      leases{db.Collection(leaseKind)},

		Messages:  messages{db.Collection("message")},
		Uploads:   uploads{db.Collection(uploadKind)},
		Chains:    chains{db.Collection("chain")},
		Prints:    prints{db.Collection("print")},
		CopyJobs:  copyJobs{db.Collection("copy_job")},
		Claims:    claims{db.Collection(claimKind)},
		Directory: d,
		Accounts:  accounts{db},
		SignIns:   signIns{db},
		Rosters:   rosters{db},
		Loader:    loader{directory: d, rosters: rosters{db}},
		Ledger:    ledger{db.Collection("ledger")},
		Outbox:    pushes{entries: db.Collection("outbox"), slots: db.Collection("slot")},
		HandOvers: pushes{entries: db.Collection("handover"), slots: db.Collection("handover_slot")},
		Audit:     newAuditLog(db),

		Statistics: statistics{db},

		db: db,
	}
}

// Ready says whether the database can be read and is migrated, and returns the
// database's clock, UTC, so that the caller can compare it with its own.
func (s *Store) Ready(ctx context.Context) (time.Time, error) {
	done, err := s.migrated(ctx)
	if err != nil {
		return time.Time{}, err
	}
	if done < len(migrations()) {
		return time.Time{}, fmt.Errorf("the database is at migration %d of %d", done, len(migrations()))
	}
	return s.clock(ctx)
}

func (s *Store) clock(ctx context.Context) (time.Time, error) {
	var hello struct {
		LocalTime time.Time `bson:"localTime"` //nolint:tagliatelle // the protocol's own name
	}
	err := s.db.RunCommand(ctx, bson.M{"hello": 1}).Decode(&hello)
	return hello.LocalTime, translate("read the database's clock", err)
}

// Close ends the connections.
func (s *Store) Close(ctx context.Context) error { return s.db.Client().Disconnect(ctx) }

// Drop removes the database with all that is in it. It is there for tests.
func (s *Store) Drop(ctx context.Context) error {
	return translate("drop the database", s.db.Drop(ctx))
}
