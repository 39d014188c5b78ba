package dispatch_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gridwatch/server/dispatch"
)

func TestRank(t *testing.T) {
	t.Parallel()
	got := dispatch.Rank([]dispatch.Candidate{
		{Person: "county", Reach: 6},
		{Person: "village, busy", Reach: 12, Open: 3},
		{Person: "grid", Reach: 15, Open: 9},
		{Person: "village, free", Reach: 12, Open: 1},
		{Person: "village, also free", Reach: 12, Open: 1},
	})
	var order []string
	for _, c := range got {
		order = append(order, c.Person)
	}
	want := []string{"grid", "village, also free", "village, free", "village, busy", "county"}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}
