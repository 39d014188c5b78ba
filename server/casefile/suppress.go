package casefile

import (
	"math"
)

// Figures (统计表) is a table of counts, rows by columns with their totals, as it is
// published. A cell that is nil is suppressed.
type Figures struct {
	Cells   [][]*int `bson:"cells" json:"cells"`           // by row, then column
	Rows    []*int   `bson:"row_totals" json:"rows"`       // total of each row
	Columns []*int   `bson:"column_totals" json:"columns"` // total of each column
	Total   *int     `bson:"total" json:"total"`
}

// Suppress (小数抑制) makes a table of counts publishable (confidentiality 13).
// No figure under the threshold is shown, nought included: it could point at
// one person. And so many more are left out that none of those can be worked
// out from the totals: for every figure left out there is another table of
// counts with the same figures shown in which it is another number.
//
// It is deterministic, and a higher threshold shows no figure that a lower one
// hides. The figures left out on top are the smallest that do: a cheapest cycle
// through each open one in the network of rows and columns (F. Kelly, B. Golden
// and A. Assad, "Cell suppression: disclosure protection for sensitive tabular
// data", Networks 22, 1992). Counts are not negative, all rows are equally long.
func Suppress(counts [][]int, threshold int) Figures {
	g := newGridOfFigures(counts)
	for t := 1; t <= threshold; t++ { // each step keeps what the one before left out
		g.suppress(t)
	}
	return g.figures()
}

// figureGrid is a table whose last row and column are the totals. With totals
// counted as negative every row and every column adds up to nought: so rows and
// columns are the nodes of a network, figures its arcs, and one table goes over
// into another along cycles.
type figureGrid struct {
	value  [][]int
	hidden [][]bool
	rows   int // with the totals
	cols   int
}

func newGridOfFigures(counts [][]int) *figureGrid {
	g := &figureGrid{rows: len(counts) + 1, cols: 1}
	if len(counts) > 0 {
		g.cols = len(counts[0]) + 1
	}
	for range g.rows {
		g.value = append(g.value, make([]int, g.cols))
		g.hidden = append(g.hidden, make([]bool, g.cols))
	}
	last, end := g.rows-1, g.cols-1
	for i, row := range counts {
		for j, n := range row {
			g.value[i][j] = n
			g.value[i][end] += n
			g.value[last][j] += n
			g.value[last][end] += n
		}
	}
	return g
}

// suppress hides what is under the threshold and, for each figure that could be
// worked out then, the cheapest cycle through it.
func (g *figureGrid) suppress(threshold int) {
	for i := range g.rows {
		for j := range g.cols {
			g.hidden[i][j] = g.hidden[i][j] || g.value[i][j] < threshold
		}
	}
	for i := range g.rows {
		for j := range g.cols {
			if g.hidden[i][j] {
				g.protect(i, j)
			}
		}
	}
}

// protect hides the cheapest cycle through a figure. Every figure on it is
// another number in the table one step along, so none of them has to be looked
// at again.
func (g *figureGrid) protect(i, j int) {
	up, costUp := g.path(g.rows+j, i, i, j)     // closes the arc from row to column
	down, costDown := g.path(i, g.rows+j, i, j) // closes the arc from column to row
	// A cycle in an arc's direction lowers the figure where the figure counts
	// against it, which one that is nought cannot be.
	if g.lowers(i, j, true) {
		costUp = math.MaxInt
	}
	if g.lowers(i, j, false) {
		costDown = math.MaxInt
	}
	best := up
	if costDown < costUp {
		best = down
	}
	for _, at := range best {
		g.hidden[at[0]][at[1]] = true
	}
}

// lowers says whether going along a figure's arc would take it below nought:
// from row to column an inner figure rises and a total falls.
func (g *figureGrid) lowers(i, j int, rowToColumn bool) bool {
	total := (i == g.rows-1) != (j == g.cols-1)
	return g.value[i][j] == 0 && rowToColumn == total
}

// path is the cheapest way between two nodes that does not use the figure (i,
// j): hidden figures are free, others cost what they say, totals more than all
// inner figures together. Nodes are the rows, then the columns.
func (g *figureGrid) path(from, to, i, j int) ([][2]int, int) {
	nodes := g.rows + g.cols
	cost, last, done := make([]int, nodes), make([]int, nodes), make([]bool, nodes)
	for n := range nodes {
		cost[n], last[n] = math.MaxInt, -1
	}
	cost[from] = 0
	for n := from; n >= 0 && n != to; n = nearest(cost, done) {
		done[n] = true
		for k := range nodes {
			if (n < g.rows) == (k < g.rows) || done[k] {
				continue // both rows or both columns
			}
			row, col := min(n, k), max(n, k)-g.rows
			if (row == i && col == j) || g.lowers(row, col, n < g.rows) {
				continue
			}
			if c := cost[n] + g.cost(row, col); c < cost[k] {
				cost[k], last[k] = c, n
			}
		}
	}
	var way [][2]int
	if cost[to] == math.MaxInt {
		return nil, math.MaxInt
	}
	for n := to; last[n] >= 0; n = last[n] {
		way = append(way, [2]int{min(n, last[n]), max(n, last[n]) - g.rows})
	}
	return way, cost[to]
}

// nearest is the cheapest node that is not done, -1 if none can be reached.
func nearest(cost []int, done []bool) int {
	n := -1
	for k := range cost {
		if !done[k] && cost[k] < math.MaxInt && (n < 0 || cost[k] < cost[n]) {
			n = k
		}
	}
	return n
}

func (g *figureGrid) cost(i, j int) int {
	switch {
	case g.hidden[i][j]:
		return 0
	case i == g.rows-1 || j == g.cols-1:
		return g.value[g.rows-1][g.cols-1] + g.value[i][j] + 1
	default:
		return g.value[i][j] + 1
	}
}

func (g *figureGrid) figures() Figures {
	shown := func(i, j int) *int {
		if g.hidden[i][j] {
			return nil
		}
		return &g.value[i][j]
	}
	last, end := g.rows-1, g.cols-1
	f := Figures{Cells: make([][]*int, last), Rows: make([]*int, last), Columns: make([]*int, end), Total: shown(last, end)}
	for i := range last {
		f.Cells[i] = make([]*int, end)
		for j := range end {
			f.Cells[i][j] = shown(i, j)
		}
		f.Rows[i] = shown(i, end)
	}
	for j := range end {
		f.Columns[j] = shown(last, j)
	}
	return f
}
