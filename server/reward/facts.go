package reward

import (
	"fmt"
	"slices"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// PenaltyState says whether the penalty side of a matter is settled.
type PenaltyState string

// The penalty states.
const (
	PenaltyPending PenaltyState = "pending"    // a decision is still awaited: the base is unknown, not 0
	PenaltyDecided PenaltyState = "decided"    // every decision of the matter is made
	PenaltyNone    PenaltyState = "no_penalty" // decided not to punish, 行政处罚法 art. 33: the base is 0
)

// Facts are what a calculation starts from. They are frozen in the award and
// hold no person: allegations, decisions and lines are named by their ids.
type Facts struct {
	Matter       casefile.Matter `bson:"matter" json:"matter"`
	IdentityMode casefile.Mode   `bson:"identity_mode" json:"identityMode,omitempty"`
	// KnownBefore: found before the report was registered and lawfully handled
	// (R24a). A person decides it.
	KnownBefore bool `bson:"known_before" json:"knownBefore"`
	ClearTarget bool `bson:"clear_target" json:"clearTarget"`
	Verified    bool `bson:"verified" json:"verified"`
	// Exclusions are the ties found to hold (R27).
	Exclusions []Exclusion `bson:"exclusions" json:"exclusions"`
	// Reported are the ids of the allegations (举报事项) this report made,
	// Substantiated those of the matter that were found true.
	Reported      []string      `bson:"reported" json:"reported"`
	Substantiated []string      `bson:"substantiated" json:"substantiated"`
	Penalty       PenaltyState  `bson:"penalty" json:"penalty"`
	Lines         []PenaltyLine `bson:"lines" json:"lines"`
	// Accident is needed for a concealed accident and refused otherwise.
	Accident *Accident `bson:"accident,omitempty" json:"accident,omitempty"`
}

// PenaltyLine is one violation, party and amount in a decision: several
// violations are judged apart and punished together (分别裁量, 合并处罚, R24b).
type PenaltyLine struct {
	Decision    string             `bson:"decision" json:"decision"`
	Line        string             `bson:"line" json:"line"`
	Violation   string             `bson:"violation" json:"violation"`
	Article     string             `bson:"article" json:"article"`
	Party       casefile.PartyKind `bson:"party" json:"party"`
	Part        Part               `bson:"part" json:"part"`
	Fen         Fen                `bson:"fen" json:"fen"`
	Allegations []string           `bson:"allegations" json:"allegations"` // ids the line answers
}

// Accident is a concealed or falsely reported accident (瞒报, 谎报).
type Accident struct {
	Grade           Grade `bson:"grade" json:"grade"` // empty until finally confirmed (R25)
	Deaths          int   `bson:"deaths" json:"deaths"`
	ConcealedDeaths int   `bson:"concealed_deaths" json:"concealedDeaths"` // 查实瞒报谎报死亡人数
}

// maxDeaths is far above any accident; it keeps amounts within 64 bits.
const maxDeaths = 1_000_000

// check returns an Invalid Fault for the first fact that cannot be.
func (f Facts) check() error {
	for _, v := range []struct {
		ok    bool
		field string
	}{
		{slices.Contains(matters, f.Matter), "/matter"},
		{slices.Contains(modes, f.IdentityMode), "/identityMode"},
		{slices.Contains([]PenaltyState{PenaltyPending, PenaltyDecided, PenaltyNone}, f.Penalty), "/penalty"},
	} {
		if !v.ok {
			return unknown(v.field)
		}
	}
	for i, e := range f.Exclusions {
		if !slices.Contains(exclusions, e) {
			return unknown(fmt.Sprintf("/exclusions/%d", i))
		}
	}
	if err := f.checkLines(); err != nil {
		return err
	}
	return f.checkAccident()
}

func (f Facts) checkLines() error {
	if f.Penalty == PenaltyNone && len(f.Lines) > 0 {
		return invalid("facts.lines_without_penalty", "/lines", "a matter without penalty has no penalty lines")
	}
	var sum Fen
	seen := map[[2]string]bool{}
	for i, l := range f.Lines {
		at := fmt.Sprintf("/lines/%d", i)
		id := [2]string{l.Decision, l.Line}
		switch {
		case l.Decision == "" || l.Line == "":
			return invalid("facts.line_unnamed", at, "a penalty line needs the ids of its decision and of itself")
		case seen[id]:
			return invalid("facts.line_twice", at, "a penalty line counts once")
		case !slices.Contains(parties, l.Party):
			return unknown(at + "/party")
		case !slices.Contains(parts, l.Part):
			return unknown(at + "/part")
		case l.Fen < 0:
			return invalid("facts.negative", at+"/fen", "a penalty is not negative")
		case l.Fen > maxFen-sum:
			return invalid("facts.too_large", at+"/fen", "the penalty lines add up to more than %d fen", maxFen)
		}
		sum += l.Fen
		seen[id] = true
	}
	return nil
}

func (f Facts) checkAccident() error {
	a := f.Accident
	switch {
	case (a != nil) != (f.Matter == casefile.ConcealedAccident):
		return invalid("facts.accident", "/accident", "an accident belongs to a concealed accident and to nothing else")
	case a == nil:
		return nil
	case a.Grade != "" && !slices.Contains(grades, a.Grade):
		return unknown("/accident/grade")
	case a.Deaths < 0 || a.ConcealedDeaths < 0:
		return invalid("facts.negative", "/accident/deaths", "a number of deaths is not negative")
	case a.Deaths > maxDeaths:
		return invalid("facts.too_large", "/accident/deaths", "more than %d deaths", maxDeaths)
	case a.ConcealedDeaths > a.Deaths:
		return invalid("facts.concealed_exceeds_deaths", "/accident/concealedDeaths", "no more deaths can be concealed than there were")
	}
	return nil
}

// proven returns the ids that were both reported and substantiated.
func (f Facts) proven() []string {
	var ids []string
	for _, id := range f.Reported {
		if slices.Contains(f.Substantiated, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// clone returns a copy that shares nothing with f.
func (f Facts) clone() Facts {
	f.Exclusions = slices.Clone(f.Exclusions)
	f.Reported = slices.Clone(f.Reported)
	f.Substantiated = slices.Clone(f.Substantiated)
	f.Lines = slices.Clone(f.Lines)
	for i := range f.Lines {
		f.Lines[i].Allegations = slices.Clone(f.Lines[i].Allegations)
	}
	if f.Accident != nil {
		a := *f.Accident
		f.Accident = &a
	}
	return f
}

func unknown(field string) error {
	return invalid("facts.unknown_value", field, "the value is none of the known ones")
}

func invalid(code, field, format string, args ...any) error {
	return fault.New(fault.Invalid, code, format, args...).At(field)
}
