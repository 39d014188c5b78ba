package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/mongostore"
	"gridwatch/server/reward/rewardtest"
)

// racers is how many callers meet at once.
const racers = 16

// Opener returns an empty store for a test, as Open does.
type Opener func(testing.TB) *mongostore.Store

// Run runs the suite on stores that open returns.
func Run(t *testing.T, open Opener) {
	t.Helper()
	for name, part := range map[string]func(*testing.T, *mongostore.Store){
		"roundTrip":      roundTrip,
		"absent":         absent,
		"insertRace":     insertRace,
		"updateRace":     updateRace,
		"updateKeeps":    updateKeeps,
		"tooLarge":       tooLarge,
		"filters":        filters,
		"recorded":       recorded,
		"collected":      collected,
		"pages":          pages,
		"reports":        reports,
		"envelopes":      envelopes,
		"messages":       messages,
		"publish":        publish,
		"uploads":        uploads,
		"uploadRace":     uploadRace,
		"due":            due,
		"relayRace":      relayRace,
		"archive":        archive,
		"copyJobs":       copyJobs,
		"people":         people,
		"logins":         logins,
		"holders":        holders,
		"sets":           sets,
		"setSwitch":      setSwitch,
		"families":       families,
		"familyRace":     familyRace,
		"devices":        devices,
		"accountRace":    accountRace,
		"tickets":        tickets,
		"sessions":       sessions,
		"rosters":        rosters,
		"rosterRace":     rosterRace,
		"revisions":      revisions,
		"ready":          ready,
		"migrationsRace": migrations,
		"chains":         chains,
		"chainRace":      chainRace,
		"prints":         prints,
		"claimRace":      claimRace,
		"logStore":       logStore,
		"logHead":        logHead,
		"logRace":        logRace,
		"logKilled":      logKilled,
		"logDays":        logDays,
		"ledger":         func(t *testing.T, s *mongostore.Store) { t.Helper(); rewardtest.Exercise(t, s.Ledger) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, open(t))
		})
	}
}

// start is when the suite's records were registered.
func start() time.Time { return time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC) }

// newTask returns a task with one event and the effects given.
func newTask(t *testing.T, tenant, id string, at time.Time, effects ...casefile.Effect) *casefile.Task {
	t.Helper()
	task := &casefile.Task{Area: "220182103001001", Kind: casefile.Patrol}
	task.ID, task.Tenant = id, tenant
	move(t, &task.Head, "assign", casefile.TaskAssigned, at, effects...)
	return task
}

func move(t *testing.T, h *casefile.Head, c casefile.Command, to casefile.State, at time.Time, effects ...casefile.Effect) {
	t.Helper()
	if err := h.Record(casefile.TaskMoves, casefile.Event{Command: c, To: to, At: at}, effects...); err != nil {
		t.Fatal(err)
	}
}

// race calls f from many goroutines at once and returns what each got.
func race(f func(n int) error) []error {
	got := make([]error, racers)
	var wg sync.WaitGroup
	for n := range racers {
		wg.Go(func() { got[n] = f(n) })
	}
	wg.Wait()
	return got
}

// oneWinner wants one caller to have succeeded and all others to be refused.
func oneWinner(t *testing.T, got []error, refusal string) {
	t.Helper()
	won := 0
	for _, err := range got {
		switch {
		case err == nil:
			won++
		case fault.CodeOf(err) != refusal:
			t.Errorf("loser: got %v, want %s", err, refusal)
		}
	}
	if won != 1 {
		t.Errorf("got %d winners, want 1", won)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, err error, kind fault.Kind, code string) {
	t.Helper()
	if fault.KindOf(err) != kind || fault.CodeOf(err) != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// must returns a value, and ends the test on an error.
func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		ok(t, err)
		return v
	}
}

func ready(t *testing.T, s *mongostore.Store) {
	t.Helper()
	at, err := s.Ready(t.Context())
	ok(t, err)
	if off := time.Until(at).Abs(); off > time.Minute {
		t.Errorf("the database's clock is %s off", off)
	}
}

// migrations brings one database up from many processes at once.
func migrations(t *testing.T, _ *mongostore.Store) {
	t.Helper()
	s := Connect(t, name())
	if _, err := s.Ready(t.Context()); err == nil {
		t.Error("a database that was not migrated is ready")
	}
	for _, err := range race(func(int) error { return s.Migrate(t.Context()) }) {
		ok(t, err)
	}
	ready(t, s)
}
