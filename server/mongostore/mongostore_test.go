package mongostore_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gridwatch/server/fault"
	"gridwatch/server/mongostore"
	"gridwatch/server/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Open)
}

func TestOutbox(t *testing.T) {
	t.Parallel()
	storetest.RunOutbox(t, storetest.Open)
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, uri := range map[string]string{
		"no address": "", "no scheme": "127.0.0.1:27017", "nobody there": "mongodb://127.0.0.1:1/",
	} {
		s, err := mongostore.Open(t.Context(), mongostore.Config{URI: uri, Database: "none", Timeout: 200 * time.Millisecond})
		if err == nil {
			t.Errorf("%s: got %v, want an error", name, s)
		}
	}
}

func TestNoTimeLeft(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if _, err := s.Tasks.Get(ctx, "county", "id"); fault.KindOf(err) != fault.Busy {
		t.Errorf("got %v, want a Busy Fault", err)
	}
}
