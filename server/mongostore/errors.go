package mongostore

import (
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/x/mongo/driver"

	"gridwatch/server/fault"
)

// Codes of server errors that the driver has no name for.
const (
	deadlockDetected = 16908292 // DocumentDB: many inserted one key of a unique index at once
	documentTooLarge = 10334    // BSONObjectTooLarge
	grownTooLarge    = 17419    // an update would let a document grow too large
	namespaceExists  = 48       // the collection is there
)

// The faults of a store.
var (
	errExists = fault.New(fault.Conflict, "record.exists", "there is one with this id already")
	errStale  = fault.New(fault.Conflict, "record.stale", "it changed meanwhile; read it again")
	errLarge  = fault.New(fault.TooLarge, "record.too_large", "a record is smaller than 16 MiB")
	errBusy   = fault.New(fault.Busy, "store.busy", "the database is busy; try again")
)

// translate turns what the driver says into a Fault where a caller can do
// something about it, and otherwise says what was being done. A write that
// ended in Busy may have happened; the caller's idempotency settles that.
func translate(doing string, err error) error {
	var server mongo.ServerError
	isServer := errors.As(err, &server)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, mongo.ErrNoDocuments):
		return fault.Absent()
	case mongo.IsDuplicateKeyError(err):
		return errExists
	case errors.Is(err, driver.ErrDocumentTooLarge),
		isServer && (server.HasErrorCode(documentTooLarge) || server.HasErrorCode(grownTooLarge)):
		return errLarge
	case isServer && (server.HasErrorCode(deadlockDetected) || strings.Contains(err.Error(), "deadlock detected")),
		mongo.IsTimeout(err), mongo.IsNetworkError(err):
		return fmt.Errorf("%w: %s: %w", errBusy, doing, err)
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}
