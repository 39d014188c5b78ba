package workflow

import (
	"context"
	"slices"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// FoundHazard is a hazard as an inspection found it.
type FoundHazard struct {
	Visit string
	Item  string
	Text  string
}

// FindHazard (发现隐患) takes a hazard from the signed record of an inspection.
func (s *Service) FindHazard(ctx context.Context, call Call, in FoundHazard) (casefile.Outcome, error) {
	visit, err := s.signedVisit(ctx, call.Actor, in.Visit, casefile.HazardWork)
	if err != nil {
		return casefile.Outcome{}, err
	}
	if !visit.Upheld(in.Item) {
		return casefile.Outcome{}, fault.New(fault.Invalid, "hazard.not_found", "the item is one that the inspection found to be so").At("/item")
	}
	return create(ctx, s, call, s.Hazards, casefile.HazardMoves,
		func(h *casefile.Hazard, e *casefile.Event) ([]casefile.Effect, error) {
			e.Command = "find"
			*h = casefile.Hazard{
				Head: h.Head, Visit: visit.ID, Cause: visit.Cause, Area: visit.Area, Place: visit.Place, Party: visit.Party,
				Item: in.Item, Text: in.Text,
			}
			return nil, nil
		})
}

// signedVisit returns a signed inspection the actor may work on.
func (s *Service) signedVisit(ctx context.Context, actor casefile.Actor, id string, action casefile.Action) (*casefile.Visit, error) {
	visit, err := load(ctx, actor, s.Visits, id, action)
	if err != nil {
		return nil, err
	}
	if visit.State != casefile.VisitSigned {
		return nil, fault.New(fault.Conflict, "visit.unsigned", "the record of the inspection is not signed by all officers").At("/visit")
	}
	return visit, nil
}

func (s *Service) onHazard(
	ctx context.Context, call Call, id string, command casefile.Command, do func(*casefile.Hazard, *casefile.Event) error,
) (casefile.Outcome, error) {
	return change(ctx, s, call, s.Hazards, casefile.HazardMoves, id, casefile.HazardWork,
		func(h *casefile.Hazard, e *casefile.Event) ([]casefile.Effect, error) {
			e.Command = command
			return nil, do(h, e)
		})
}

// Triage is the grade a qualified person gives, with the catalogue item it rests on.
type Triage struct {
	Grade     casefile.Grade
	Catalogue casefile.CatalogueItem
}

// TriageHazard grades a hazard 一般 or 重大 (R16); 重大 names a catalogue item.
func (s *Service) TriageHazard(ctx context.Context, call Call, id string, in Triage) (casefile.Outcome, error) {
	return s.onHazard(ctx, call, id, "triage", func(h *casefile.Hazard, _ *casefile.Event) error {
		if in.Grade == casefile.Major && in.Catalogue.Item == "" {
			return fault.New(fault.Invalid, "hazard.no_catalogue_item", "a major hazard names the item of the catalogue it falls under").At("/catalogue/item")
		}
		h.Grade, h.Catalogue, h.GradedBy = in.Grade, in.Catalogue, call.Actor.Person
		return nil
	})
}

// Order is what the responsible party has to do by when (责令限期整改).
type Order struct {
	Officers []string
	Measures string
	Deadline time.Time
}

// OrderRectification is given by two officers with certificates (R13).
func (s *Service) OrderRectification(ctx context.Context, call Call, id string, in Order) (casefile.Outcome, error) {
	if !slices.Contains(in.Officers, call.Actor.Person) {
		return casefile.Outcome{}, fault.New(fault.Invalid, "officer.not_among", "you are one of the officers").At("/officers")
	}
	return s.onHazard(ctx, call, id, "order", func(h *casefile.Hazard, e *casefile.Event) error {
		if !in.Deadline.After(e.At) {
			return fault.New(fault.Invalid, "hazard.deadline_past", "the deadline lies ahead").At("/deadline")
		}
		persons, err := s.assignable(ctx, in.Officers, casefile.Enforcer, h.Subject())
		if err != nil {
			return err
		}
		if err := casefile.CheckOfficers(persons, e.At); err != nil {
			return err
		}
		h.Officers = nil
		for _, p := range persons {
			certificate, _ := p.Certificate(e.At)
			h.Officers = append(h.Officers, casefile.Officer{Person: p.ID, Certificate: certificate.Number, SignedAt: e.At})
		}
		h.Measures, h.Deadline = in.Measures, in.Deadline
		return nil
	})
}

// StartRectification notes that the party has begun.
func (s *Service) StartRectification(ctx context.Context, call Call, id string) (casefile.Outcome, error) {
	return s.onHazard(ctx, call, id, "start", func(*casefile.Hazard, *casefile.Event) error { return nil })
}

// ClaimRectified notes the party's proof that it is done.
func (s *Service) ClaimRectified(ctx context.Context, call Call, id, proof string) (casefile.Outcome, error) {
	return s.onHazard(ctx, call, id, "claim_done", func(h *casefile.Hazard, _ *casefile.Event) error {
		h.Proof = proof
		return nil
	})
}

// Recheck (复查) by an officer with a certificate accepts the proof or not. A
// general hazard is closed by it, a major one waits for its acceptance.
func (s *Service) Recheck(ctx context.Context, call Call, id string, ok bool) (casefile.Outcome, error) {
	officer, err := s.Directory.Person(ctx, call.Actor.Tenant, call.Actor.Person)
	if err != nil {
		return casefile.Outcome{}, err
	}
	return s.onHazard(ctx, call, id, "recheck", func(h *casefile.Hazard, e *casefile.Event) error {
		if _, valid := officer.Certificate(e.At); !valid {
			return fault.New(fault.Invalid, "officer.no_certificate", "each officer needs a certificate valid on the day")
		}
		switch {
		case !ok:
			e.To = casefile.HazardRectifying
		case h.Grade == casefile.Major:
			e.To = casefile.HazardAcceptance
		default:
			e.To = casefile.HazardClosed
		}
		return nil
	})
}

// ListHazards lists hazards in the actor's area, oldest first.
func (s *Service) ListHazards(ctx context.Context, actor casefile.Actor, q Query) ([]casefile.Hazard, error) {
	return listed(ctx, actor, s.Hazards, casefile.HazardRead, q)
}

// ReadHazard returns a hazard.
func (s *Service) ReadHazard(ctx context.Context, actor casefile.Actor, id string) (*casefile.Hazard, error) {
	return load(ctx, actor, s.Hazards, id, casefile.HazardRead)
}
