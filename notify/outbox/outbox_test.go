package outbox

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestForNamesAnEffect(t *testing.T) {
	t.Parallel()
	got := For("3f9a", 7, "person-1")
	want := Entry{
		ID: "3f9a:7:person-1", Slot: 10, Recipient: "person-1",
		PushID: "dd97fb5b91647fb396a86fbf08cbff34",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestForKeepsARecordInOneSlotAndEffectsApart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		record := rapid.StringMatching(`[0-9a-f]{32}`).Draw(t, "record")
		a := For(record, rapid.Uint64().Draw(t, "seq"), rapid.StringMatching(`[0-9a-f]{8}`).Draw(t, "person"))
		b := For(record, rapid.Uint64().Draw(t, "other seq"), rapid.StringMatching(`[0-9a-f]{8}`).Draw(t, "other person"))
		if a.Slot != b.Slot || a.Slot < 0 || a.Slot >= Slots {
			t.Errorf("got slots %d and %d, want one of %d", a.Slot, b.Slot, Slots)
		}
		if (a.ID == b.ID) != (a.PushID == b.PushID) {
			t.Errorf("got push ids %s and %s for %s and %s", a.PushID, b.PushID, a.ID, b.ID)
		}
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		tries  int
		asked  time.Duration
		jitter float64
		want   time.Duration
	}{
		"first":            {1, 0, 0, 5 * time.Second},
		"third":            {3, 0, 0, 20 * time.Second},
		"jitter":           {3, 0, 0.5, 22500 * time.Millisecond},
		"end of doubling":  {50, 0, 0, 10 * time.Minute},
		"asked for more":   {1, 30 * time.Second, 0, 30 * time.Second},
		"asked for less":   {4, 30 * time.Second, 0, 40 * time.Second},
		"asked for a year": {1, 365 * 24 * time.Hour, 0, time.Hour},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := backoff(tt.tries, tt.asked, tt.jitter); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestBackoffIsMonotoneAndBounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tries := rapid.IntRange(1, 1<<30).Draw(t, "tries")
		asked := time.Duration(rapid.Int64Range(0, int64(1000*time.Hour)).Draw(t, "asked"))
		jitter := rapid.Float64Range(0, 0.999999).Draw(t, "jitter")
		got := backoff(tries, asked, jitter)
		if got < firstWait || got < min(asked, maxAsked) || got >= maxAsked*5/4 {
			t.Errorf("got %v, out of bounds", got)
		}
		if next := backoff(tries+1, asked, jitter); next < got {
			t.Errorf("got %v after %v, want no less", next, got)
		}
		if more := backoff(tries, asked+time.Second, jitter); more < got {
			t.Errorf("got %v when asked for more than %v, want no less", more, got)
		}
	})
}
