package reward

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"gridwatch/server/casefile"
)

var (
	matters    = []casefile.Matter{casefile.MajorHazard, casefile.IllegalAct, casefile.ConcealedAccident}
	modes      = []casefile.Mode{casefile.Anonymous, casefile.ByCode, casefile.Contactable, casefile.RealName}
	conditions = []Condition{NotKnownBefore, ClearTarget, Verified}
	exclusions = []Exclusion{DutyHolder, NearRelative, Instructed}
	parts      = []Part{Fine, Confiscation, Surcharge, DailyFine}
	parties    = []casefile.PartyKind{casefile.Unit, casefile.Individual}
	grades     = []Grade{General, Larger, Major, Extraordinary}

	// noted are the options that every scheme must give a Note for.
	noted = []string{
		"asOf", "payer", "identity", "conditions", "exclusions", "multi", "joint", "trigger", "claimWithinDays",
		"filing", "approvals", "rounding", "base", "baseParts", "parties", "zeroBase",
	}
	// notable may have a Note.
	notable = append([]string{"effectiveFrom", "effectiveTo", "jurisdictionPrefix", "sectors"}, noted...)

	prefix = regexp.MustCompile(`^(\d{2}|\d{4}|\d{6}|\d{9}|\d{12})?$`)
)

// maxPerDeath keeps an amount times maxDeaths within 64 bits.
const maxPerDeath = maxFen / 1000

// mistakes collects what is wrong with a scheme, all of it.
type mistakes []error

func (m *mistakes) require(ok bool, format string, args ...any) {
	if !ok {
		*m = append(*m, fmt.Errorf(format, args...))
	}
}

func oneOf[T ~string](m *mistakes, name string, got T, allowed ...T) {
	m.require(slices.Contains(allowed, got), "%s: %q is none of %q", name, got, allowed)
}

// someOf checks a set: not empty, nothing twice, nothing unknown.
func someOf[T ~string](m *mistakes, name string, got, allowed []T) {
	m.require(len(got) > 0, "%s: is empty", name)
	for i, v := range got {
		oneOf(m, name, v, allowed...)
		m.require(!slices.Contains(got[:i], v), "%s: %q stands twice", name, v)
	}
}

// Validate returns every mistake in s, joined, or nil. It refuses values that
// exist in some local rule but that the program does not carry out yet.
func (s Scheme) Validate() error {
	var m mistakes
	m.require(s.ID != "", "id: is empty")
	m.require(s.Version >= 1, "version: %d is below 1", s.Version)
	m.require(s.Title != "" && s.DocNo != "", "title, docNo: both are needed")
	m.require(prefix.MatchString(s.JurisdictionPrefix), "jurisdictionPrefix: %q is not 0, 2, 4, 6, 9 or 12 digits", s.JurisdictionPrefix)
	m.require(isDate(s.EffectiveFrom), "effectiveFrom: %q is not a date", s.EffectiveFrom)
	if s.EffectiveTo != "" {
		m.require(isDate(s.EffectiveTo) && s.EffectiveTo >= s.EffectiveFrom,
			"effectiveTo: %q is not a date from effectiveFrom on", s.EffectiveTo)
	}
	oneOf(&m, "asOf", s.AsOf, AsOfReport, AsOfDecision)
	oneOf(&m, "payer", s.Payer, "acceptor")
	someOf(&m, "identity", s.Identity, modes)
	someOf(&m, "conditions", s.Conditions, conditions)
	m.require(slices.Contains(s.Conditions, Verified), "conditions: verified is needed")
	someOf(&m, "exclusions", s.Exclusions, exclusions)
	oneOf(&m, "multi", s.Multi, "first_accepted")
	oneOf(&m, "joint", s.Joint, "first_signer")
	oneOf(&m, "trigger", s.Trigger, "decided")
	m.require(s.ClaimWithinDays >= 1, "claimWithinDays: %d is below 1", s.ClaimWithinDays)
	oneOf(&m, "filing", s.Filing, "upper", "none")
	oneOf(&m, "rounding.unit", s.Rounding.Unit, "fen")
	oneOf(&m, "rounding.mode", s.Rounding.Mode, "half_up")
	s.checkRules(&m)
	s.checkApprovals(&m)
	s.checkNotes(&m)
	return errors.Join(m...)
}

func (s Scheme) checkRules(m *mistakes) {
	m.require(len(s.Rules) > 0, "rules: is empty")
	seen := make(map[casefile.Matter]bool)
	for i, r := range s.Rules {
		at := fmt.Sprintf("rules[%d].", i)
		oneOf(m, at+"matter", r.Matter, matters...)
		m.require(!seen[r.Matter], "%smatter: %q has two rules", at, r.Matter)
		seen[r.Matter] = true
		m.require(r.Source != "", "%ssource: is empty", at)
		m.require(r.CapFen > 0 && r.CapFen <= maxFen, "%scapFen: %d is not from 1 to %d", at, r.CapFen, maxFen)
		switch r.Method {
		case Percent:
			r.checkPercent(m, at)
		case PerDeath:
			r.checkPerDeath(m, at)
		default:
			oneOf(m, at+"method", r.Method, Percent, PerDeath)
		}
	}
}

func (r Rule) checkPercent(m *mistakes, at string) {
	m.require(r.Matter != casefile.ConcealedAccident, "%smethod: percent is not for a concealed accident", at)
	m.require(r.RateBp >= 1 && r.RateBp <= whole, "%srateBp: %d is not from 1 to %d", at, r.RateBp, whole)
	oneOf(m, at+"base", r.Base, "decided")
	someOf(m, at+"baseParts", r.BaseParts, parts)
	someOf(m, at+"parties", r.Parties, parties)
	m.require(r.FloorFen >= 0 && r.FloorFen <= r.CapFen, "%sfloorFen: %d is not from 0 to the cap", at, r.FloorFen)
	oneOf(m, at+"zeroBase", r.ZeroBase, ZeroBaseFloor, ZeroBaseNone)
	m.require(r.PerDeathFen == nil, "%sperDeathFen: has no meaning for percent", at)
}

func (r Rule) checkPerDeath(m *mistakes, at string) {
	m.require(r.Matter == casefile.ConcealedAccident, "%smethod: per_death is for a concealed accident only", at)
	m.require(r.RateBp == 0 && r.Base == "" && r.BaseParts == nil && r.Parties == nil && r.FloorFen == 0 && r.ZeroBase == "",
		"%srateBp, base, baseParts, parties, floorFen, zeroBase: have no meaning for per_death", at)
	for _, g := range grades {
		m.require(r.PerDeathFen[g] > 0 && r.PerDeathFen[g] <= maxPerDeath,
			"%sperDeathFen.%s: %d is not from 1 to %d", at, g, r.PerDeathFen[g], maxPerDeath)
	}
	for _, g := range slices.Sorted(maps.Keys(r.PerDeathFen)) {
		oneOf(m, at+"perDeathFen", g, grades...)
	}
}

func (s Scheme) checkApprovals(m *mistakes) {
	var reach Fen
	for i, a := range s.Approvals {
		oneOf(m, fmt.Sprintf("approvals[%d].role", i), a.Role, casefile.Leader, casefile.Supervisor)
		m.require(a.UpToFen > reach, "approvals[%d].upToFen: %d does not rise", i, a.UpToFen)
		reach = a.UpToFen
	}
	for i, r := range s.Rules {
		m.require(reach >= r.CapFen, "approvals: nobody approves the cap of rules[%d]", i)
	}
}

func (s Scheme) checkNotes(m *mistakes) {
	for _, option := range noted {
		_, ok := s.Notes[option]
		m.require(ok, "notes.%s: is missing", option)
	}
	for _, option := range slices.Sorted(maps.Keys(s.Notes)) {
		n := s.Notes[option]
		oneOf(m, "notes", option, notable...)
		m.require(n.Text != "", "notes.%s.text: is empty", option)
		m.require(n.Choice || n.Source != "", "notes.%s.source: is empty and it is no choice", option)
	}
}

func isDate(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}
