package reward

import (
	"slices"
)

// Reason is why nothing is due, or not yet.
type Reason string

// The reasons. ReasonNotComputable is the only one that more facts may lift.
const (
	ReasonMatter        Reason = "matter"         // the scheme rewards no such matter
	ReasonIdentity      Reason = "identity"       // the identity mode cannot be rewarded
	ReasonExcluded      Reason = "excluded"       // R27
	ReasonKnown         Reason = "known"          // found before and lawfully handled
	ReasonTarget        Reason = "target"         // no clear target
	ReasonUnverified    Reason = "unverified"     // nothing reported was substantiated
	ReasonZeroBase      Reason = "zero_base"      // no fine, and the scheme then pays nothing
	ReasonNotComputable Reason = "not_computable" // decision or grade is awaited, or no death was concealed and a person decides
)

// Line is a part of an award. The lines of a Result add up to its amount.
type Line struct {
	Code      StepCode `bson:"code" json:"code"` // StepPercent, StepPerDeath, StepFloor or StepCap
	AmountFen Fen      `bson:"amount_fen" json:"amountFen"`
}

// Result is the outcome of a calculation with all that is needed to repeat it.
type Result struct {
	SchemeID      string `bson:"scheme_id" json:"schemeId"`
	SchemeVersion int    `bson:"scheme_version" json:"schemeVersion"`
	Facts         Facts  `bson:"facts" json:"facts"`
	Eligible      bool   `bson:"eligible" json:"eligible"`
	Reason        Reason `bson:"reason" json:"reason"` // empty if eligible
	// BaseFen is the sum of the counted penalty lines; 0 where none was formed.
	BaseFen   Fen    `bson:"base_fen" json:"baseFen"`
	AmountFen Fen    `bson:"amount_fen" json:"amountFen"` // 0 unless eligible
	Lines     []Line `bson:"lines" json:"lines"`
	Trace     []Step `bson:"trace" json:"trace"`
}

// Calculate returns what facts are worth under a validated scheme (R24, R24a,
// R24b, R25, R27). It is pure: the same arguments give the same Result. That
// nothing is due is a Result with a Reason; an Invalid Fault "facts.…" means
// that the facts cannot be.
func Calculate(s Scheme, facts Facts) (Result, error) {
	if err := facts.check(); err != nil {
		return Result{}, err
	}
	r := Result{SchemeID: s.ID, SchemeVersion: s.Version, Facts: facts.clone()}
	r.trace(Step{Code: StepScheme, Ref: s.ID, Count: s.Version, Passed: true, Source: s.DocNo})
	rule, ok := s.rule(facts.Matter)
	r.gate(Step{Code: StepMatter, Ref: string(facts.Matter), Passed: ok, Source: rule.Source}, ReasonMatter)
	r.conditions(s)
	if r.Reason != "" {
		return r, nil
	}
	switch rule.Method {
	case Percent:
		r.percent(s, rule)
	case PerDeath:
		r.perDeath(rule)
	}
	return r, nil
}

// WithoutMode returns the result as others than the accepting desk may read it
// (confidentiality 6): the test of how the reporter is known tells its outcome,
// not the mode. A scheme that accepts one mode alone still says which by paying
// at all: that much the person who answers for the sum has to know.
func (r Result) WithoutMode() Result {
	r.Facts.IdentityMode = ""
	r.Trace = slices.Clone(r.Trace)
	for i := range r.Trace {
		if r.Trace[i].Code == StepIdentity {
			r.Trace[i].Ref = ""
		}
	}
	return r
}

func (r *Result) trace(s Step) { r.Trace = append(r.Trace, s) }

// gate records a test. The first that fails gives the reason; the others are
// still recorded, so that the trace tells all of them.
func (r *Result) gate(s Step, reason Reason) {
	r.trace(s)
	if !s.Passed && r.Reason == "" {
		r.Reason = reason
	}
}

func (r *Result) conditions(s Scheme) {
	f := r.Facts
	r.gate(Step{
		Code: StepIdentity, Ref: string(f.IdentityMode), Source: s.Notes["identity"].Source,
		Passed: slices.Contains(s.Identity, f.IdentityMode),
	}, ReasonIdentity)
	for _, e := range f.Exclusions {
		r.gate(Step{
			Code: StepExclusion, Ref: string(e), Source: s.Notes["exclusions"].Source,
			Passed: !slices.Contains(s.Exclusions, e),
		}, ReasonExcluded)
	}
	for _, c := range s.Conditions {
		step := Step{Code: StepCondition, Ref: string(c), Source: s.Notes["conditions"].Source}
		switch c {
		case NotKnownBefore:
			step.Passed = !f.KnownBefore
			r.gate(step, ReasonKnown)
		case ClearTarget:
			step.Passed = f.ClearTarget
			r.gate(step, ReasonTarget)
		case Verified:
			step.Passed = f.Verified && len(f.proven()) > 0
			r.gate(step, ReasonUnverified)
		}
	}
}

func (r *Result) percent(s Scheme, rule Rule) {
	if r.Facts.Penalty == PenaltyPending {
		r.gate(Step{Code: StepPending, Source: s.Notes["trigger"].Source}, ReasonNotComputable)
		return
	}
	proven := r.Facts.proven()
	for _, l := range r.Facts.Lines {
		step := Step{Code: StepLine, Ref: l.Decision + "/" + l.Line, InFen: l.Fen, Source: rule.Source}
		switch {
		case !slices.ContainsFunc(l.Allegations, func(id string) bool { return slices.Contains(proven, id) }):
			step.Code = StepOtherAllegation
		case !slices.Contains(rule.BaseParts, l.Part):
			step.Code, step.Source = StepOtherPart, s.Notes["baseParts"].Source
		case !slices.Contains(rule.Parties, l.Party):
			step.Code, step.Source = StepOtherParty, s.Notes["parties"].Source
		default:
			step.Passed, step.OutFen = true, l.Fen
		}
		r.trace(step)
		r.BaseFen += step.OutFen
	}
	r.trace(Step{Code: StepBase, OutFen: r.BaseFen, Passed: true, Source: s.Notes["base"].Source})
	if r.BaseFen == 0 {
		r.gate(Step{
			Code: StepZeroBase, Ref: string(rule.ZeroBase), Source: s.Notes["zeroBase"].Source,
			Passed: rule.ZeroBase == ZeroBaseFloor,
		}, ReasonZeroBase)
		if r.Reason != "" {
			return
		}
	}
	r.award(Step{Code: StepPercent, InFen: r.BaseFen, RateBp: rule.RateBp, OutFen: r.BaseFen.percent(rule.RateBp), Source: rule.Source})
	r.award(Step{Code: StepFloor, InFen: r.AmountFen, LimitFen: rule.FloorFen, OutFen: max(r.AmountFen, rule.FloorFen), Source: rule.Source})
	r.cap(rule)
}

func (r *Result) perDeath(rule Rule) {
	a := r.Facts.Accident
	if a.Grade == "" || a.ConcealedDeaths == 0 {
		r.gate(Step{Code: StepPending, Source: rule.Source}, ReasonNotComputable)
		return
	}
	each := rule.PerDeathFen[a.Grade]
	r.award(Step{
		Code: StepPerDeath, Ref: string(a.Grade), InFen: each, Count: a.ConcealedDeaths,
		OutFen: each * Fen(a.ConcealedDeaths), Source: rule.Source,
	})
	r.cap(rule)
}

func (r *Result) cap(rule Rule) {
	r.award(Step{Code: StepCap, InFen: r.AmountFen, LimitFen: rule.CapFen, OutFen: min(r.AmountFen, rule.CapFen), Source: rule.Source})
	r.trace(Step{Code: StepAmount, OutFen: r.AmountFen, Passed: true, Source: rule.Source})
	r.Eligible = true
}

// award records a step that sets the amount, and as a line what it changed.
func (r *Result) award(s Step) {
	s.Passed = true
	r.trace(s)
	if change := s.OutFen - r.AmountFen; change != 0 {
		r.Lines = append(r.Lines, Line{Code: s.Code, AmountFen: change})
	}
	r.AmountFen = s.OutFen
}
