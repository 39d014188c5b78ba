package mongostore_test

import (
	"testing"

	"go.uber.org/goleak"

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
