package reward

import (
	"context"
	"errors"

	"gridwatch/server/fault"
)

// Ledger stores the budget chains. What it answers must include every Append
// that has returned, whoever made it (read and write concern majority).
//
// Two things are unique: the entry's ID, which decides who is n, and (tenant,
// award, step). The second may be an ordinary unique index: within a chain Post
// has already decided it by the ID, the index only guards against one award
// posted to two chains at once, where it may ask for another try.
type Ledger interface {
	// Last returns the entry with the highest N of a chain, nil if it is empty.
	Last(ctx context.Context, tenant, unit string, year int) (*Entry, error)
	// Append inserts e. It returns ErrRaced if the ID is taken and ErrDuplicate
	// if the award has the step already; either one if both hold.
	Append(ctx context.Context, e Entry) error
	// OfAward returns all entries of an award, in all chains of the tenant.
	OfAward(ctx context.Context, tenant, award string) ([]Entry, error)
	// Entries returns a whole chain by rising N.
	Entries(ctx context.Context, tenant, unit string, year int) ([]Entry, error)
}

// maxTries bounds how often Post decides again. Of the posts that meet at one n
// one always wins, so it is also the number that may safely meet.
const maxTries = 64

// ErrRaced and ErrDuplicate are what Append refuses with; errors.Is matches
// them by code.
var (
	ErrRaced     error = fault.New(fault.Conflict, "budget.raced", "another entry came first, read again")
	ErrDuplicate error = fault.New(fault.Conflict, "budget.duplicate", "the award has this step already")
)

// Post enters p and returns its entry. A step that the award has already is
// returned as it stands, so a repeat is harmless. Beside the faults of Next it
// returns Conflict Faults "budget.duplicate" (the step is there with another
// amount or in another chain) and "budget.order" (an award can pay or release
// only what it reserved, and return only what it was paid), and a Busy Fault
// "budget.busy" when too many others came first.
func Post(ctx context.Context, ledger Ledger, p Posting) (Entry, error) {
	if err := p.check(); err != nil {
		return Entry{}, err
	}
	for range maxTries {
		// The order matters: what another post enters between the two reads
		// takes the n that follows last, so Append will refuse ours.
		last, err := ledger.Last(ctx, p.Tenant, p.Unit, p.Year)
		if err != nil {
			return Entry{}, err
		}
		own, err := ledger.OfAward(ctx, p.Tenant, p.Award)
		if err != nil {
			return Entry{}, err
		}
		done, err := admit(own, p)
		if err != nil {
			return Entry{}, err
		}
		if done != nil {
			return *done, nil
		}
		next, err := Next(last, p)
		if err != nil {
			return Entry{}, err
		}
		err = ledger.Append(ctx, next)
		if err == nil {
			return next, nil
		}
		if !errors.Is(err, ErrRaced) && !errors.Is(err, ErrDuplicate) {
			return Entry{}, err
		}
	}
	return Entry{}, fault.New(fault.Busy, "budget.busy", "the budget is being written by many, try again")
}
