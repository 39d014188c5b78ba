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
	return s.SignIns.RevokeFamilies(ctx, actor.Tenant, id, "")
}

// NearTo is a tie to be declared: a place or a firm.
type NearTo struct {
	Area string `bson:"area"`
	Firm string `bson:"firm"`
}

// near finds the tie to a place or a firm.
func near(p casefile.Person, in NearTo) int {
	return slices.IndexFunc(p.Ties, func(t casefile.Tie) bool { return t.Area == in.Area && t.Firm == in.Firm })
}

func checkTie(t Tenant, p casefile.Person, in NearTo) error {
	switch {
	case (in.Area == "") == (in.Firm == ""):
		return fault.New(fault.Invalid, "tie.one_of", "a tie is to a place or to a firm")
	case in.Area != "" && (!casefile.Under(in.Area, t.Area) || casefile.Under(t.Area, in.Area)):
		return fault.New(fault.Invalid, "tie.area", "the place is a township or a village of the county").At("/area")
	case near(p, in) < 0 && len(p.Ties) >= maxTies:
		return fault.New(fault.Conflict, "tie.too_many", "a person declares at most %d ties", maxTies)
	}
	return nil
}

// DeclareTie (利害关系申报) notes that the actor is close to a place or a firm. It
// stays: who could take it back could come near a case. The same tie is noted
// once. That of somebody else is proposed (AddTie): who could add ties alone
// could keep everybody away from a case.
func (s *Service) DeclareTie(ctx context.Context, actor casefile.Actor, in NearTo) (casefile.Tie, error) {
	p, err := s.Directory.Person(ctx, actor.Tenant, actor.Person)
	if err != nil {
		return casefile.Tie{}, err
	}
	t, err := s.Directory.Tenant(ctx, actor.Tenant)
	if err != nil {
		return casefile.Tie{}, err
	}
	if err := checkTie(t, p, in); err != nil {
		return casefile.Tie{}, err
	}
	if at := near(p, in); at >= 0 {
		return p.Ties[at], nil
	}
	tie := casefile.Tie{Area: in.Area, Firm: in.Firm, By: actor.Person, At: s.now()}
	if tie.ID, err = s.newID(); err != nil {
		return casefile.Tie{}, err
	}
	return tie, s.Rosters.AddTie(ctx, actor.Tenant, actor.Person, tie)
}

// carryTie adds the tie of a proposal, once however often it is carried out.
func (s *Service) carryTie(ctx context.Context, tenant string, p Proposal) error {
	person, err := s.Directory.Person(ctx, tenant, p.Person)
	if err != nil || near(person, p.Tie) >= 0 {
		return err
	}
	err = s.Rosters.AddTie(ctx, tenant, p.Person, casefile.Tie{ID: p.ID, Area: p.Tie.Area, Firm: p.Tie.Firm, By: p.By, At: p.Decided})
	if fault.KindOf(err) == fault.NotFound { // another was carrying it out
		return nil
	}
	return err
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
