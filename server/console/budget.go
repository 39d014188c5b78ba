package console

import (
	"net/http"
	"strconv"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/reward"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// budget is a year's chain and where it stands.
type budget struct {
	Entries  []budgetEntry   `json:"entries"`
	Balances reward.Balances `json:"balances"` // fen
}

// budgetEntry is one link of the chain.
type budgetEntry struct {
	N    int64             `json:"n"` // from 1
	Step reward.BudgetStep `json:"step"`
	Ref  string            `json:"ref"` // paper or award
	Fen  reward.Fen        `json:"fen"`
	At   time.Time         `json:"at"`
	By   string            `json:"by"`
}

func newBudgetEntry(e reward.Entry) budgetEntry {
	return budgetEntry{N: e.N, Step: e.Step, Ref: e.Award, Fen: e.AmountFen, At: e.At, By: e.By}
}

// readBudget serves GET /v1/office/budgets/:year.
func readBudget(s *workflow.Service) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		year, err := yearOf(q)
		if err != nil {
			return web.Reply{}, err
		}
		entries, err := s.Budget(q.Context(), q.Actor, year)
		if err != nil {
			return web.Reply{}, err
		}
		out := budget{Entries: each(entries, newBudgetEntry)}
		if n := len(entries); n > 0 {
			out.Balances = entries[n-1].Balances
		}
		return web.Reply{Body: out}, nil
	}
}

// allocation is the route POST /v1/office/budgets/:year/allocations. It needs
// no idempotency key: a paper brings its money in once.
func allocation(s *workflow.Service) web.Route {
	r := post("/v1/office/budgets/:year/allocations", casefile.BudgetSet, "office-allocation", allocate(s))
	r.Command = false
	return r
}

// allocated is the body of allocations.
type allocated struct {
	Paper string `json:"paper"`
	Fen   int64  `json:"fen"`
}

func allocate(s *workflow.Service) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		year, err := yearOf(q)
		if err != nil {
			return web.Reply{}, err
		}
		c, in, err := decoded[allocated](q)
		if err != nil {
			return web.Reply{}, err
		}
		entry, err := s.AllocateBudget(q.Context(), c, year, in.Paper, in.Fen)
		return web.Reply{Status: http.StatusCreated, Body: newBudgetEntry(entry)}, err
	}
}

func yearOf(q *web.Request) (int, error) {
	year, err := strconv.Atoi(q.Param("year"))
	if err != nil || year < 2000 || year > 2999 {
		return 0, fault.Absent()
	}
	return year, nil
}
