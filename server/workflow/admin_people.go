package workflow

import (
	"context"
	"slices"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// People lists everybody of the tenant for its administrators.
func (s *Service) People(ctx context.Context, actor casefile.Actor) ([]casefile.Person, error) {
	return s.Rosters.People(ctx, actor.Tenant)
}

// ReadPerson returns a person for the tenant's administrators.
func (s *Service) ReadPerson(ctx context.Context, actor casefile.Actor, id string) (casefile.Person, error) {
	return s.Directory.Person(ctx, actor.Tenant, id)
}

// SignOutPerson ends every session of a person of the tenant.
func (s *Service) SignOutPerson(ctx context.Context, actor casefile.Actor, id string) error {
	if _, err := s.Directory.Person(ctx, actor.Tenant, id); err != nil {
		return err
	}
	return s.SignIns.RevokeFamilies(ctx, actor.Tenant, id)
}

// NearTo is a tie to be declared: a place or a firm.
type NearTo struct {
	Area string
	Firm string
}

// DeclareTie (利害关系申报) notes that a person, oneself or for an administrator
// anyone of the tenant, is close to a place or a firm. It stays: who could take
// it back could come near a case. The same tie is noted once.
func (s *Service) DeclareTie(ctx context.Context, actor casefile.Actor, person string, in NearTo) (casefile.Tie, error) {
	p, err := s.Directory.Person(ctx, actor.Tenant, person)
	if err != nil {
		return casefile.Tie{}, err
	}
	t, err := s.Directory.Tenant(ctx, actor.Tenant)
	if err != nil {
		return casefile.Tie{}, err
	}
	if (in.Area == "") == (in.Firm == "") {
		return casefile.Tie{}, fault.New(fault.Invalid, "tie.one_of", "a tie is to a place or to a firm")
	}
	if in.Area != "" && (!casefile.Under(in.Area, t.Area) || casefile.Under(t.Area, in.Area)) {
		return casefile.Tie{}, fault.New(fault.Invalid, "tie.area", "the place is a township or a village of the county").At("/area")
	}
	if at := slices.IndexFunc(p.Ties, func(t casefile.Tie) bool { return t.Area == in.Area && t.Firm == in.Firm }); at >= 0 {
		return p.Ties[at], nil
	}
	if len(p.Ties) >= maxTies {
		return casefile.Tie{}, fault.New(fault.Conflict, "tie.too_many", "a person declares at most %d ties", maxTies)
	}
	tie := casefile.Tie{Area: in.Area, Firm: in.Firm, By: actor.Person, At: s.now()}
	if tie.ID, err = s.newID(); err != nil {
		return casefile.Tie{}, err
	}
	return tie, s.Rosters.AddTie(ctx, actor.Tenant, person, tie)
}

// maxTies bounds the ties of a person.
const maxTies = 50

// MyTies lists the actor's own ties.
func (s *Service) MyTies(ctx context.Context, actor casefile.Actor) ([]casefile.Tie, error) {
	p, err := s.Directory.Person(ctx, actor.Tenant, actor.Person)
	return p.Ties, err
}

// errTied refuses who has declared a tie.
func errTied() *fault.Fault {
	return fault.New(fault.Conflict, "officer.tie", "a declared tie to the place or the firm keeps this person away from the case")
}
