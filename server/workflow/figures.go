package workflow

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// Counted is how many there are of one column in an area.
type Counted struct {
	Area   string `bson:"area"` // of the record
	Column string `bson:"column"`
	N      int    `bson:"n"`
}

// Span is a stretch of time; the end is not in it.
type Span struct{ From, To time.Time }

// Statistics counts what records say, and keeps what was published of it.
type Statistics interface {
	// Received counts reports by area and matter of the span they were
	// registered in: one with several matters counts once for each.
	Received(ctx context.Context, tenant string, in Span) ([]Counted, error)
	// Concluded counts them by the span their conclusion was signed in.
	Concluded(ctx context.Context, tenant string, in Span) ([]Counted, error)
	// Found counts by area what was found at places: hazards, and what patrols
	// without a report behind them found, in one column.
	Found(ctx context.Context, tenant string, in Span) ([]Counted, error)
	// Publish keeps a publication if there is none under its id, and returns
	// the one that is kept.
	Publish(ctx context.Context, p Publication) (Publication, error)
	// Published returns fault.Absent if there is none.
	Published(ctx context.Context, tenant, id string) (Publication, error)
}

// Measure is what a table counts.
type Measure string

// The measures.
const (
	ReceivedReports  Measure = "received"  // 受理前登记的举报事项
	ConcludedReports Measure = "concluded" // 办结的举报事项
	FoundHazards     Measure = "found"     // 发现的隐患: by patrols, inspections and reports alike
)

// Publication (公布的统计) is a quarter's figures as they were published. It is
// made once and kept: two looks at one figure would tell what came in between.
type Publication struct {
	ID      string           `bson:"_id"` // tenant:quarter
	Tenant  string           `bson:"tenant"`
	Quarter string           `bson:"quarter"` // 2026-Q1
	Under   int              `bson:"under"`   // the threshold
	Tables  []PublishedTable `bson:"tables"`
}

// PublishedTable is one measure by township.
type PublishedTable struct {
	Measure Measure  `bson:"measure"`
	Columns []string `bson:"columns"`
	Areas   []string `bson:"areas"` // township of each row; the county's own code for what lies in none

	casefile.Figures `bson:",inline"`
}

// publishedQuarters is how many quarters back figures are published.
const publishedQuarters = 8

// quarterOf names a quarter, e.g. 2026-Q1.
func quarterOf(at time.Time) string {
	at = at.In(Shanghai())
	return fmt.Sprintf("%04d-Q%d", at.Year(), (int(at.Month())+2)/3)
}

// spanOf returns the days of a quarter that has a name.
func spanOf(quarter string) (Span, error) {
	var year, n int
	if _, err := fmt.Sscanf(quarter, "%4d-Q%1d", &year, &n); err != nil || n < 1 || n > 4 || quarter != fmt.Sprintf("%04d-Q%d", year, n) {
		return Span{}, fault.New(fault.Invalid, "figures.quarter", "a quarter is written as 2026-Q1").At("?quarter")
	}
	from := time.Date(year, time.Month(3*n-2), 1, 0, 0, 0, 0, Shanghai())
	return Span{From: from, To: from.AddDate(0, 3, 0)}, nil
}

// PublishedQuarters lists the quarters whose figures are public, newest first:
// those that ended the tenant's FiguresDays ago and more, so that targets are
// confirmed by then.
func (s *Service) PublishedQuarters(ctx context.Context, tenant string) ([]string, error) {
	t, err := s.Directory.Tenant(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if t.Policy.SuppressUnder < 1 {
		return nil, nil // a tenant from before there was a threshold
	}
	var out []string
	latest, err := spanOf(quarterOf(s.now().AddDate(0, 0, -t.Policy.FiguresDays)))
	for i := range publishedQuarters {
		out = append(out, quarterOf(latest.From.AddDate(0, -3*(i+1), 0)))
	}
	return out, err
}

// PublicFigures (公布统计) returns the figures of a published quarter. Whoever
// asks first has them made; they are the same for everybody afterwards.
func (s *Service) PublicFigures(ctx context.Context, tenant, quarter string) (Publication, error) {
	id := tenant + ":" + quarter
	p, err := s.Statistics.Published(ctx, tenant, id)
	if fault.KindOf(err) != fault.NotFound {
		return p, err
	}
	open, err := s.PublishedQuarters(ctx, tenant)
	if err != nil {
		return Publication{}, err
	}
	if !slices.Contains(open, quarter) {
		return Publication{}, fault.Absent()
	}
	t, err := s.Directory.Tenant(ctx, tenant)
	if err != nil {
		return Publication{}, err
	}
	tables, err := s.tables(ctx, t, quarter, []string{t.Area})
	if err != nil {
		return Publication{}, err
	}
	p = Publication{ID: id, Tenant: tenant, Quarter: quarter, Under: t.Policy.SuppressUnder}
	for _, table := range tables {
		p.Tables = append(p.Tables, PublishedTable{
			Measure: table.Measure, Columns: table.Columns, Areas: table.Areas,
			Figures: casefile.Suppress(table.Counts, t.Policy.SuppressUnder),
		})
	}
	return s.Statistics.Publish(ctx, p)
}

// CountTable is a table for the office: every count as it is.
type CountTable struct {
	Measure Measure
	Columns []string
	Areas   []string
	Counts  [][]int
}

// OfficeFigures returns a quarter's counts in the actor's areas, up to now. They
// are for the office's own use and never leave it: nothing is suppressed.
func (s *Service) OfficeFigures(ctx context.Context, actor casefile.Actor, quarter string) ([]CountTable, error) {
	t, err := s.Directory.Tenant(ctx, actor.Tenant)
	if err != nil {
		return nil, err
	}
	if quarter == "" {
		quarter = quarterOf(s.now())
	}
	return s.tables(ctx, t, quarter, actor.Areas(casefile.RolesFor(casefile.FiguresRead)...))
}

// tables counts every measure in some areas of a tenant.
func (s *Service) tables(ctx context.Context, t Tenant, quarter string, areas []string) ([]CountTable, error) {
	in, err := spanOf(quarter)
	if err != nil {
		return nil, err
	}
	rows, err := s.townships(ctx, t, areas)
	if err != nil {
		return nil, err
	}
	matters := []string{string(casefile.MajorHazard), string(casefile.IllegalAct), string(casefile.ConcealedAccident)}
	var out []CountTable
	for _, m := range []struct {
		measure Measure
		columns []string
		count   func(context.Context, string, Span) ([]Counted, error)
	}{
		{ReceivedReports, matters, s.Statistics.Received},
		{ConcludedReports, matters, s.Statistics.Concluded},
		{FoundHazards, []string{"hazard"}, s.Statistics.Found},
	} {
		counted, err := m.count(ctx, t.ID, in)
		if err != nil {
			return nil, err
		}
		out = append(out, CountTable{
			Measure: m.measure, Columns: m.columns, Areas: rows, Counts: spread(counted, rows, m.columns, t.Area),
		})
	}
	return out, nil
}

// townships are the rows of every table: those that have a grid, and the county
// for what lies in none, always all of them, so that a row says nothing by being
// there.
func (s *Service) townships(ctx context.Context, t Tenant, areas []string) ([]string, error) {
	grids, err := s.Directory.Grids(ctx, t.ID)
	if err != nil {
		return nil, err
	}
	all := []string{t.Area}
	for _, g := range grids {
		all = append(all, township(string(g.Code), t.Area))
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(code string) bool {
		return !slices.ContainsFunc(areas, func(area string) bool { return casefile.Under(code, area) })
	}), nil
}

// township is the township's code of an area in it, or the county's for what
// lies in no township.
func township(area, county string) string {
	const digits, whole = 9, 12
	if len(area) < whole || area[:digits]+"000" == county {
		return county
	}
	return area[:digits] + "000"
}

// spread puts counts into the table of some rows and columns. What lies in a
// township that has no grid any more counts in the county's own row.
func spread(counted []Counted, rows, columns []string, county string) [][]int {
	out := make([][]int, len(rows))
	for i := range out {
		out[i] = make([]int, len(columns))
	}
	for _, c := range counted {
		i, j := slices.Index(rows, township(c.Area, county)), slices.Index(columns, c.Column)
		if i < 0 {
			i = slices.Index(rows, county)
		}
		if i >= 0 && j >= 0 {
			out[i][j] += c.N
		}
	}
	return out
}
