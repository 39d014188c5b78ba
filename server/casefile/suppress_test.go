package casefile_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gridwatch/server/casefile"
)

// whole is a table of counts with its totals as last row and column.
func whole(counts [][]int) [][]int {
	cols := len(counts[0])
	out := make([][]int, len(counts)+1)
	for i := range out {
		out[i] = make([]int, cols+1)
	}
	for i, row := range counts {
		for j, n := range row {
			out[i][j] = n
			out[i][cols] += n
			out[len(counts)][j] += n
			out[len(counts)][cols] += n
		}
	}
	return out
}

// shown is a table of figures in the form of whole.
func shown(f casefile.Figures) [][]*int {
	var out [][]*int
	for i, row := range f.Cells {
		out = append(out, append(append([]*int{}, row...), f.Rows[i]))
	}
	return append(out, append(append([]*int{}, f.Columns...), f.Total))
}

// drawCounts is a table of few rows and columns with many small counts.
func drawCounts(rows, cols, most int) *rapid.Generator[[][]int] {
	return rapid.Custom(func(t *rapid.T) [][]int {
		counts := make([][]int, rapid.IntRange(1, rows).Draw(t, "rows"))
		wide := rapid.IntRange(1, cols).Draw(t, "columns")
		for i := range counts {
			counts[i] = rapid.SliceOfN(rapid.IntRange(0, most), wide, wide).Draw(t, "row")
		}
		return counts
	})
}

func TestSuppressShowsWhatIsTrueAndLarge(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		counts := drawCounts(8, 5, 40).Draw(t, "counts")
		threshold := rapid.IntRange(1, 10).Draw(t, "threshold")
		f := casefile.Suppress(counts, threshold)
		all, smallest := whole(counts), 1<<30
		for i, row := range shown(f) {
			for j, n := range row {
				smallest = min(smallest, all[i][j])
				if n != nil && (*n != all[i][j] || *n < threshold) {
					t.Fatalf("(%d, %d): shows %d of %d under the threshold %d", i, j, *n, all[i][j], threshold)
				}
			}
		}
		if smallest >= threshold {
			for i, row := range shown(f) {
				for j, n := range row {
					if n == nil {
						t.Fatalf("(%d, %d) is left out, though nothing is small", i, j)
					}
				}
			}
		}
		if diff := cmp.Diff(f, casefile.Suppress(counts, threshold)); diff != "" {
			t.Fatalf("another time it is another table:\n%s", diff)
		}
	})
}

// TestSuppressIsMonotone: a higher threshold shows nothing that a lower hides.
func TestSuppressIsMonotone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		counts := drawCounts(8, 5, 30).Draw(t, "counts")
		threshold := rapid.IntRange(1, 10).Draw(t, "threshold")
		low, high := shown(casefile.Suppress(counts, threshold)), shown(casefile.Suppress(counts, threshold+1))
		for i := range low {
			for j := range low[i] {
				if low[i][j] == nil && high[i][j] != nil {
					t.Fatalf("(%d, %d) is shown again at %d", i, j, threshold+1)
				}
			}
		}
	})
}

// computable lists the figures of a table that were left out and can be worked
// out from what is published: it tries every table of counts up to most.
func computable(counts [][]int, threshold, most int) map[[2]int]bool {
	published, truth := shown(casefile.Suppress(counts, threshold)), whole(counts)
	open := map[[2]int]bool{}
	for i, row := range published {
		for j, n := range row {
			if n == nil {
				open[[2]int{i, j}] = true
			}
		}
	}
	guess := make([][]int, len(counts))
	for i := range guess {
		guess[i] = make([]int, len(counts[0]))
	}
	var try func(at int)
	try = func(at int) {
		if len(open) == 0 {
			return
		}
		if at == len(counts)*len(counts[0]) {
			all := whole(guess)
			for i, row := range published {
				for j, n := range row {
					if n != nil && *n != all[i][j] {
						return
					}
				}
			}
			for c := range open {
				if all[c[0]][c[1]] != truth[c[0]][c[1]] {
					delete(open, c)
				}
			}
			return
		}
		i, j := at/len(counts[0]), at%len(counts[0])
		if n := published[i][j]; n != nil {
			guess[i][j] = *n
			try(at + 1)
			return
		}
		for n := range most + 1 {
			guess[i][j] = n
			try(at + 1)
		}
	}
	try(0)
	return open
}

// TestSuppressedCannotBeComputed: each figure that was left out, a total too,
// takes other values.
func TestSuppressedCannotBeComputed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		counts := drawCounts(3, 2, 7).Draw(t, "counts")
		if open := computable(counts, rapid.IntRange(1, 5).Draw(t, "threshold"), 8); len(open) > 0 {
			t.Fatalf("%v can be computed from what is published of %v", open, counts)
		}
	})
}

// TestSuppressedCannotBeComputedOfAnySmallTable tries all tables of two rows
// and two columns, where noughts leave the fewest ways.
func TestSuppressedCannotBeComputedOfAnySmallTable(t *testing.T) {
	t.Parallel()
	const most = 3
	for n := range 1 << 8 { // two bits for each count
		counts := [][]int{{n & most, n >> 2 & most}, {n >> 4 & most, n >> 6}}
		for threshold := 1; threshold <= most+1; threshold++ {
			if open := computable(counts, threshold, most+1); len(open) > 0 {
				t.Errorf("%v can be computed from what is published of %v under the threshold %d", open, counts, threshold)
			}
		}
	}
}

func TestSuppressExamples(t *testing.T) {
	t.Parallel()
	n := func(v int) *int { return &v }
	for name, row := range map[string]struct {
		counts [][]int
		want   [][]*int
	}{
		"one small figure takes the three that would give it back": {
			[][]int{{3, 20, 30}, {10, 40, 50}, {60, 70, 80}},
			[][]*int{{nil, nil, n(30), n(53)}, {nil, nil, n(50), n(100)}, {n(60), n(70), n(80), n(210)}, {n(73), n(130), n(160), n(363)}},
		},
		"nothing was reported": {[][]int{{0}}, [][]*int{{nil, nil}, {nil, nil}}},
		"no rows":              {nil, [][]*int{{nil}}},
	} {
		if diff := cmp.Diff(row.want, shown(casefile.Suppress(row.counts, 5))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
