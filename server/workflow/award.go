package workflow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/reward"
	"gridwatch/server/vault"
)

// budgetUnit names the chain of a tenant's reward budget.
const budgetUnit = "reward"

// AwardDraft are the facts that only a person can state.
type AwardDraft struct {
	Report      string
	Matter      casefile.Matter
	KnownBefore bool
	// EarlierReviewed says why hazards found at the place before the report do
	// not make the matter known; needed when there are such hazards.
	EarlierReviewed string
	ClearTarget     bool
	Exclusions      []reward.Exclusion
	Accident        *reward.Accident
}

// DraftAward (奖励核算) freezes the facts and calculates by the scheme in force.
// There is one award for a matter of a report and a trigger; a second draft
// collides (R24, R30).
func (s *Service) DraftAward(ctx context.Context, call Call, in AwardDraft) (casefile.Outcome, error) {
	r, err := load(ctx, call.Actor, s.Reports, in.Report, casefile.AwardDraft)
	if err != nil {
		return casefile.Outcome{}, err
	}
	tenant, err := s.Directory.Tenant(ctx, r.Tenant)
	if err != nil {
		return casefile.Outcome{}, err
	}
	if r.Conclusion.SignedAt.IsZero() {
		return casefile.Outcome{}, fault.New(fault.Conflict, "award.not_concluded", "an award follows the signed conclusion").At("/report")
	}
	if err := s.earlierHazards(ctx, r, in); err != nil {
		return casefile.Outcome{}, err
	}
	key, body, err := s.bodyOf(ctx, r)
	if err != nil {
		return casefile.Outcome{}, err
	}
	facts, err := s.awardFacts(ctx, r, body, in)
	if err != nil {
		return casefile.Outcome{}, err
	}
	scheme, err := reward.Select(s.Schemes, reward.Place{Area: tenant.Area}, r.At.In(Shanghai()), s.now().In(Shanghai()))
	if err != nil {
		return casefile.Outcome{}, err
	}
	result, err := reward.Calculate(scheme, facts)
	if err != nil {
		return casefile.Outcome{}, err
	}
	if result.Reason == reward.ReasonNotComputable {
		return casefile.Outcome{}, fault.New(fault.Conflict, "award.not_computable", "the penalty of this matter is not decided yet")
	}
	id := derivedID(r.ID, string(in.Matter), scheme.Trigger)
	return createAs(ctx, s, call, s.Awards, casefile.AwardMoves, []string{id},
		func(a *casefile.Award, e *casefile.Event) ([]casefile.Effect, error) {
			number, err := s.number(e.At)
			if err != nil {
				return nil, err
			}
			*a = casefile.Award{
				Head: a.Head, Report: r.ID, Area: r.Area, Number: number, Scheme: scheme.ID + "/" + strconv.Itoa(scheme.Version),
				Fen: int64(result.AmountFen), Reason: string(result.Reason), DraftedBy: call.Actor.Person,
				Year: e.At.In(Shanghai()).Year(),
			}
			e.Command, e.To = "draft", casefile.AwardDrafted
			if !result.Eligible {
				e.To, e.Code = casefile.AwardNotEligible, a.Reason
			}
			if a.Calculation, err = sealJSON(key, result, calculationAD(a.ID)); err != nil {
				return nil, err
			}
			return s.logged(ctx, a.Report, &a.Head, casefile.AwardMoves, *e, nil)
		})
}

func calculationAD(id string) []byte { return vault.AD("award", id, "calculation") }

// derivedID names a record of which there can be one only for what it is made of.
func derivedID(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:16])
}

// earlierHazards asks for a word about hazards that were found at the target
// before the report (R24a). A person decides, not the program.
func (s *Service) earlierHazards(ctx context.Context, r *casefile.Report, in AwardDraft) error {
	if in.KnownBefore || in.EarlierReviewed != "" {
		return nil
	}
	hazards, err := s.Hazards.List(ctx, Query{Tenant: r.Tenant, Areas: []string{r.Area}, Limit: maxOfReport})
	if err != nil {
		return err
	}
	for _, h := range hazards {
		if h.Cause != r.ID && h.At.Before(r.At) {
			return fault.New(fault.Conflict, "award.earlier_hazards",
				"hazards were found at this place before the report: say that the matter was known, or why it was not").At("/earlierReviewed")
		}
	}
	return nil
}

// awardFacts gathers what the records say of one matter of a report.
func (s *Service) awardFacts(ctx context.Context, r *casefile.Report, body casefile.ReportBody, in AwardDraft) (reward.Facts, error) {
	facts := reward.Facts{
		Matter: in.Matter, IdentityMode: body.Mode, KnownBefore: in.KnownBefore, ClearTarget: in.ClearTarget,
		Exclusions: in.Exclusions, Accident: in.Accident, Penalty: reward.PenaltyPending,
	}
	for _, a := range r.Allegations {
		if a.Matter != in.Matter {
			continue
		}
		facts.Reported = append(facts.Reported, a.ID)
		if a.Finding.Upheld() {
			facts.Verified = true
			facts.Substantiated = append(facts.Substantiated, a.ID)
		}
	}
	if len(facts.Reported) == 0 {
		return facts, fault.New(fault.Invalid, "award.matter_not_reported", "the matter is one that the report names").At("/matter")
	}
	penalties, err := s.Penalties.List(ctx, Query{Tenant: r.Tenant, Cause: r.ID, Limit: maxOfReport})
	if err != nil {
		return facts, err
	}
	facts.Penalty, facts.Lines = penaltyFacts(penalties)
	return facts, nil
}

// penaltyFacts says what all penalties of a report come to: pending while one
// is undecided, none when every one ended without a penalty.
func penaltyFacts(penalties []casefile.Penalty) (reward.PenaltyState, []reward.PenaltyLine) {
	state := reward.PenaltyPending
	var lines []reward.PenaltyLine
	for _, p := range penalties {
		switch p.State {
		case casefile.PenaltyFiled, casefile.PenaltyNoticed:
			return reward.PenaltyPending, nil
		case casefile.PenaltyNone:
			if state == reward.PenaltyPending {
				state = reward.PenaltyNone
			}
		case casefile.PenaltyDecided, casefile.PenaltyServed, casefile.PenaltyPaid:
			state = reward.PenaltyDecided
			for _, l := range p.Lines {
				lines = append(lines, reward.PenaltyLine{
					Decision: p.ID, Line: l.ID, Violation: l.Violation, Article: l.Article, Party: l.Kind, Part: reward.Fine,
					Fen: reward.Fen(l.Fen), Allegations: slices.Clone(l.Items),
				})
			}
		}
	}
	return state, lines
}

// onAward changes an award. Its timeline has days only: the hour at which a
// reporter was told, asked and was paid would fit what somebody saw.
func (s *Service) onAward(
	ctx context.Context, call Call, id string, action casefile.Action, command casefile.Command,
	do func(*casefile.Award, *casefile.Event) ([]casefile.Effect, error),
) (casefile.Outcome, error) {
	return change(ctx, s, call, s.Awards, casefile.AwardMoves, id, action,
		func(a *casefile.Award, e *casefile.Event) ([]casefile.Effect, error) {
			e.Command, e.At = command, onlyDay(e.At)
			effects, err := do(a, e)
			if err != nil {
				return nil, err
			}
			return s.logged(ctx, a.Report, &a.Head, casefile.AwardMoves, *e, effects)
		})
}

// ReviewAward (复核) is by another person than the drafter.
func (s *Service) ReviewAward(ctx context.Context, call Call, id string) (casefile.Outcome, error) {
	return s.onAward(ctx, call, id, casefile.AwardReview, "review",
		func(a *casefile.Award, _ *casefile.Event) ([]casefile.Effect, error) {
			if call.Actor.Person == a.DraftedBy {
				return nil, errSecondPerson()
			}
			a.ReviewedBy = call.Actor.Person
			return nil, nil
		})
}

func errSecondPerson() error {
	return fault.New(fault.Conflict, "award.second_person", "another person than the one before has to do this")
}

// ReturnAward gives an award back with a reason code.
func (s *Service) ReturnAward(ctx context.Context, call Call, id, reason string) (casefile.Outcome, error) {
	return s.onAward(ctx, call, id, casefile.AwardApprove, "return",
		func(a *casefile.Award, e *casefile.Event) ([]casefile.Effect, error) {
			a.ReviewedBy, e.Code = "", reason
			return nil, nil
		})
}

// ApproveAward (审批) is by whom the scheme's ladder names for the amount, and
// by a third person. The award waits until the budget holds its amount.
func (s *Service) ApproveAward(ctx context.Context, call Call, id string) (casefile.Outcome, error) {
	return s.onAward(ctx, call, id, casefile.AwardApprove, "approve",
		func(a *casefile.Award, _ *casefile.Event) ([]casefile.Effect, error) {
			if call.Actor.Person == a.DraftedBy || call.Actor.Person == a.ReviewedBy {
				return nil, errSecondPerson()
			}
			role, err := s.approver(a)
			if err != nil {
				return nil, err
			}
			if !slices.Contains(call.Actor.Roles(), role) {
				return nil, fault.New(fault.Conflict, "award.ladder", "an award of this amount is approved higher up")
			}
			a.ApprovedBy = call.Actor.Person
			return []casefile.Effect{{Budget: &casefile.BudgetEffect{
				Step: string(reward.Reserve), Fen: a.Fen, Year: a.Year, By: call.Actor.Person,
			}}}, nil
		})
}

func (s *Service) approver(a *casefile.Award) (casefile.Role, error) {
	scheme, err := s.schemeOf(a)
	return scheme.Approver(reward.Fen(a.Fen)), err
}

// schemeOf returns the version of the scheme that the award was made by.
func (s *Service) schemeOf(a *casefile.Award) (reward.Scheme, error) {
	for _, scheme := range s.Schemes {
		if scheme.ID+"/"+strconv.Itoa(scheme.Version) == a.Scheme {
			return scheme, nil
		}
	}
	return reward.Scheme{}, fault.New(fault.Conflict, "award.scheme_gone", "the scheme this award was made by is not loaded")
}

// FileAward (备案) notes the reference under which the level above has it (R32).
func (s *Service) FileAward(ctx context.Context, call Call, id, reference string) (casefile.Outcome, error) {
	return s.onAward(ctx, call, id, casefile.AwardDraft, "file",
		func(a *casefile.Award, _ *casefile.Event) ([]casefile.Effect, error) {
			a.Filing = reference
			return nil, nil
		})
}

// NotifyAward (通知) lays the award behind the receipt; the time to claim runs
// from there (R31).
func (s *Service) NotifyAward(ctx context.Context, call Call, id string) (casefile.Outcome, error) {
	return s.onAward(ctx, call, id, casefile.AwardDraft, "notify",
		func(a *casefile.Award, e *casefile.Event) ([]casefile.Effect, error) {
			scheme, err := s.schemeOf(a)
			if err != nil {
				return nil, err
			}
			day := e.At.In(Shanghai())
			a.NotifiedAt = e.At
			// The first day does not count, the last one counts whole.
			a.ClaimBy = dayAfter(day, scheme.ClaimWithinDays+1)
			return nil, nil
		})
}

// ListAwards lists awards in the actor's area, oldest first.
func (s *Service) ListAwards(ctx context.Context, actor casefile.Actor, q Query) ([]casefile.Award, error) {
	return listed(ctx, actor, s.Awards, casefile.AwardRead, q)
}

// CalculatedAward is an award with its calculation.
type CalculatedAward struct {
	casefile.Award
	Result reward.Result
}

// ReadAward returns an award with every line of its calculation.
func (s *Service) ReadAward(ctx context.Context, actor casefile.Actor, id string) (CalculatedAward, error) {
	a, err := load(ctx, actor, s.Awards, id, casefile.AwardRead)
	if err != nil {
		return CalculatedAward{}, err
	}
	r, err := s.Reports.Get(ctx, a.Tenant, a.Report)
	if err != nil {
		return CalculatedAward{}, err
	}
	out := CalculatedAward{Award: *a}
	if r.State == casefile.ReportErased {
		return out, nil
	}
	text, err := s.calculationOf(ctx, r, a)
	if err != nil {
		return CalculatedAward{}, err
	}
	return out, decodeJSON(text, &out.Result)
}

// AllocateBudget (下达预算) brings money into a year's reward budget by a paper.
func (s *Service) AllocateBudget(ctx context.Context, call Call, year int, paper string, fen int64) (reward.Entry, error) {
	entry, err := reward.Post(ctx, s.Ledger, reward.Posting{
		Tenant: call.Actor.Tenant, Unit: budgetUnit, Year: year, Award: paper, Step: reward.Allocate,
		AmountFen: reward.Fen(fen), At: s.now(), By: call.Actor.Person,
	})
	if err != nil {
		return entry, err
	}
	s.Kick()
	return entry, nil
}

// Budget returns a year's whole chain, checked.
func (s *Service) Budget(ctx context.Context, actor casefile.Actor, year int) ([]reward.Entry, error) {
	entries, err := s.Ledger.Entries(ctx, actor.Tenant, budgetUnit, year)
	if err != nil {
		return nil, err
	}
	return entries, reward.Check(entries)
}
