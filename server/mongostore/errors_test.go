package mongostore

import (
	"context"
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/mongo"

	"gridwatch/server/fault"
)

func TestTranslate(t *testing.T) {
	t.Parallel()
	write := func(code int, message string) error {
		return mongo.WriteException{WriteErrors: mongo.WriteErrors{{Code: code, Message: message}}}
	}
	for name, row := range map[string]struct {
		err  error
		kind fault.Kind
		code string
	}{
		"none":              {mongo.ErrNoDocuments, fault.NotFound, "record.not_found"},
		"duplicate":         {write(11000, "E11000 duplicate key error"), fault.Conflict, "record.exists"},
		"deadlock":          {write(deadlockDetected, "deadlock detected"), fault.Busy, "store.busy"},
		"deadlock, by text": {mongo.CommandError{Code: 1, Message: "deadlock detected"}, fault.Busy, "store.busy"},
		"out of time":       {mongo.CommandError{Code: 50, Name: "MaxTimeMSExpired"}, fault.Busy, "store.busy"},
		"deadline":          {context.DeadlineExceeded, fault.Busy, "store.busy"},
		"connection lost":   {mongo.CommandError{Labels: []string{"NetworkError"}}, fault.Busy, "store.busy"},
		"document too big":  {mongo.CommandError{Code: documentTooLarge}, fault.TooLarge, "record.too_large"},
		"grown too big":     {write(grownTooLarge, ""), fault.TooLarge, "record.too_large"},
		"anything else":     {mongo.CommandError{Code: 2, Message: "BadValue"}, fault.Internal, ""},
		"cancelled":         {context.Canceled, fault.Internal, ""},
	} {
		got := translate("try", row.err)
		if fault.KindOf(got) != row.kind || fault.CodeOf(got) != row.code {
			t.Errorf("%s: got %v, want kind %d, code %q", name, got, row.kind, row.code)
		}
		if row.kind == fault.Busy && !errors.Is(got, errBusy) {
			t.Errorf("%s: got %v, want it to be errBusy", name, got)
		}
	}
	if err := translate("try", nil); err != nil {
		t.Errorf("no error: got %v", err)
	}
}
