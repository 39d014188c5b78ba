package wire

import "gridwatch/server/workflow"

// Figures (统计) are what a county publishes of a quarter. A figure that is null
// is left out: it is small, or it would give a small one back.
type Figures struct {
	Quarter  string         `json:"quarter"`
	Quarters []string       `json:"quarters"` // that are public, newest first
	Under    int            `json:"under"`    // no figure smaller than this is shown
	Tables   []FiguresTable `json:"tables"`
}

// FiguresTable is one measure by township.
type FiguresTable struct {
	Measure workflow.Measure `json:"measure"`
	Columns []string         `json:"columns"`
	Rows    []FiguresRow     `json:"rows"`
	Totals  []*int           `json:"totals"` // of the columns
	Total   *int             `json:"total"`
}

// FiguresRow is a township's.
type FiguresRow struct {
	Area  string `json:"area"` // township; the county's code for what lies in none
	Cells []*int `json:"cells"`
	Total *int   `json:"total"`
}

// FromPublication shows what was published.
func FromPublication(p workflow.Publication, quarters []string) Figures {
	out := Figures{Quarter: p.Quarter, Quarters: quarters, Under: p.Under, Tables: []FiguresTable{}}
	for _, t := range p.Tables {
		table := FiguresTable{Measure: t.Measure, Columns: t.Columns, Rows: []FiguresRow{}, Totals: t.Figures.Columns, Total: t.Total}
		for i, area := range t.Areas {
			table.Rows = append(table.Rows, FiguresRow{Area: area, Cells: t.Cells[i], Total: t.Rows[i]})
		}
		out.Tables = append(out.Tables, table)
	}
	return out
}
