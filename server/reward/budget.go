package reward

import (
	"fmt"
	"strings"
	"time"

	"gridwatch/server/fault"
)

// BudgetStep is what an entry does with money of the budget.
type BudgetStep string

// The budget steps.
const (
	Allocate BudgetStep = "allocate" // 下达: money comes into the year's budget
	Reserve  BudgetStep = "reserve"  // an approved award takes hold of its amount
	Release  BudgetStep = "release"  // forfeited or waived: the hold ends
	Pay      BudgetStep = "pay"      // reserved money has left
	Return   BudgetStep = "return"   // paid money came back: recovery, failed transfer
)

// Posting is what is to be entered. The chain is that of (tenant, unit, year).
type Posting struct {
	Tenant string `bson:"tenant" json:"tenant"`
	Unit   string `bson:"unit" json:"unit"`
	Year   int    `bson:"year" json:"year"` // budget year, the same for all steps of an award
	// Award is the award's id; for Allocate the id of the paper that gives the
	// money. An award has each step at most once: one that is reinstated or
	// adjusted posts under a reference of its own.
	Award     string     `bson:"award" json:"award"`
	Step      BudgetStep `bson:"step" json:"step"`
	AmountFen Fen        `bson:"amount_fen" json:"amountFen"` // above 0
	At        time.Time  `bson:"at" json:"at"`                // UTC, whole milliseconds
	By        string     `bson:"by" json:"by"`                // person id
}

// Balances are the state of a chain after an entry:
// Allocated = Available + Reserved + Paid, and none is negative.
type Balances struct {
	Allocated Fen `bson:"allocated" json:"allocated"`
	Reserved  Fen `bson:"reserved" json:"reserved"`
	Paid      Fen `bson:"paid" json:"paid"`
	Available Fen `bson:"available" json:"available"`
}

// Entry is one link of a budget chain; it is written once and never changed.
type Entry struct {
	// ID is tenant:unit:year:n, so the storage lets each n be taken once.
	ID       string `bson:"_id" json:"id"`
	N        int64  `bson:"n" json:"n"` // from 1, without gap
	Posting  `bson:",inline"`
	Balances Balances `bson:"balances" json:"balances"`
}

// Next returns the entry for p that follows prev, or that opens the chain if
// prev is nil. It returns a Conflict Fault "budget.insufficient" if a balance
// would go below zero, an Invalid Fault if p cannot be posted at all.
func Next(prev *Entry, p Posting) (Entry, error) {
	if err := p.check(); err != nil {
		return Entry{}, err
	}
	p.At = p.At.UTC().Truncate(time.Millisecond)
	next := Entry{N: 1, Posting: p}
	var before Balances
	if prev != nil {
		if prev.Tenant != p.Tenant || prev.Unit != p.Unit || prev.Year != p.Year {
			return Entry{}, fmt.Errorf("budget entry %s is of another chain", prev.ID)
		}
		next.N, before = prev.N+1, prev.Balances
	}
	next.ID = fmt.Sprintf("%s:%s:%d:%d", p.Tenant, p.Unit, p.Year, next.N)
	next.Balances = before.after(p.Step, p.AmountFen)
	if b := next.Balances; b.Allocated > maxFen {
		return Entry{}, fault.New(fault.Invalid, "budget.too_large", "a budget holds at most %d fen", maxFen).At("/amountFen")
	} else if b.Available < 0 || b.Reserved < 0 || b.Paid < 0 {
		return Entry{}, fault.New(fault.Conflict, "budget.insufficient", "the budget of the unit and year does not hold the amount")
	}
	return next, nil
}

// Check verifies a whole chain in order: ids without gap, every balance the
// consequence of the one before, every step of an award once and in order.
func Check(entries []Entry) error {
	var prev *Entry
	own := map[string][]Entry{}
	for i, e := range entries {
		want, err := Next(prev, e.Posting)
		if err != nil {
			return fmt.Errorf("budget entry %d: %w", i+1, err)
		}
		if e.ID != want.ID || e.N != want.N || e.Balances != want.Balances {
			return fmt.Errorf("budget entry %d: got %s %+v, want %s %+v", i+1, e.ID, e.Balances, want.ID, want.Balances)
		}
		done, err := admit(own[e.Award], e.Posting)
		if err != nil {
			return fmt.Errorf("budget entry %d: %w", i+1, err)
		}
		if done != nil {
			return fmt.Errorf("budget entry %d: repeats %s", i+1, done.ID)
		}
		own[e.Award] = append(own[e.Award], e)
		prev = &entries[i]
	}
	return nil
}

// admit decides p against the entries its award has already. It returns the
// entry that is p, if there is one. An award can pay or release only what it
// reserved, and return only what it was paid, in the same chain; otherwise a
// Conflict Fault "budget.order". The same step with another amount or in
// another chain is a Conflict Fault "budget.duplicate".
func admit(own []Entry, p Posting) (*Entry, error) {
	var held Balances
	for i, e := range own {
		same := e.Tenant == p.Tenant && e.Unit == p.Unit && e.Year == p.Year
		if e.Step == p.Step {
			if !same || e.AmountFen != p.AmountFen {
				return nil, ErrDuplicate
			}
			return &own[i], nil
		}
		if same {
			held = held.after(e.Step, e.AmountFen)
		}
	}
	if held = held.after(p.Step, p.AmountFen); held.Reserved < 0 || held.Paid < 0 {
		return nil, fault.New(fault.Conflict, "budget.order", "the award does not hold what %s needs", p.Step)
	}
	return nil, nil
}

// after returns the balances a step leaves; they may be below zero.
func (b Balances) after(step BudgetStep, amount Fen) Balances {
	switch step {
	case Allocate:
		b.Allocated += amount
		b.Available += amount
	case Reserve:
		b.Available -= amount
		b.Reserved += amount
	case Release:
		b.Reserved -= amount
		b.Available += amount
	case Pay:
		b.Reserved -= amount
		b.Paid += amount
	case Return:
		b.Paid -= amount
		b.Available += amount
	}
	return b
}

func (p Posting) check() error {
	switch p.Step {
	case Allocate, Reserve, Release, Pay, Return:
	default:
		return fault.New(fault.Invalid, "budget.step", "the step is none of the known ones").At("/step")
	}
	if p.AmountFen <= 0 || p.AmountFen > maxFen {
		return fault.New(fault.Invalid, "budget.amount", "the amount is from 1 to %d fen", maxFen).At("/amountFen")
	}
	for _, f := range []struct{ at, value string }{{"/tenant", p.Tenant}, {"/unit", p.Unit}, {"/award", p.Award}, {"/by", p.By}} {
		if f.value == "" {
			return fault.New(fault.Invalid, "budget.missing", "the value is needed").At(f.at)
		}
	}
	if strings.Contains(p.Tenant+p.Unit, ":") {
		return fault.New(fault.Invalid, "budget.chain", "tenant and unit hold no colon").At("/unit")
	}
	return nil
}
