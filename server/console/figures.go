package console

import (
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// countTable is a table of counts for the office, nothing suppressed.
type countTable struct {
	Measure workflow.Measure `json:"measure"`
	Columns []string         `json:"columns"`
	Rows    []countRow       `json:"rows"`
}

type countRow struct {
	Area   string `json:"area"` // township
	Counts []int  `json:"counts"`
}

// figures serves GET /v1/office/figures.
func figures(s *workflow.Service) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		tables, err := s.OfficeFigures(q.Context(), q.Actor, q.Query("quarter"))
		if err != nil {
			return web.Reply{}, err
		}
		return web.Reply{Body: items[countTable]{each(tables, func(t workflow.CountTable) countTable {
			out := countTable{Measure: t.Measure, Columns: whole(t.Columns), Rows: []countRow{}}
			for i, area := range t.Areas {
				out.Rows = append(out.Rows, countRow{Area: area, Counts: whole(t.Counts[i])})
			}
			return out
		})}}, nil
	}
}
