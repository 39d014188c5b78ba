// Package reward computes what a reporter is due and keeps the budget it is
// paid from.
//
// A scheme (奖励办法) is data: no rate, floor, cap or number of days is in the
// code. Calculate is a pure function of a scheme and of frozen facts; it stores
// both with its trace, so an auditor can repeat it. The fine is only the base
// of the calculation: the money comes from the budget (行政处罚法 art. 74), kept
// as an append-only chain of entries.
//
// The package knows no person: who is paid is the business of the vault.
package reward

import "gridwatch/server/casefile"

// Condition is what must hold for a reward to be due (R24a).
type Condition string

// The conditions.
const (
	NotKnownBefore Condition = "not_known_before" // not found before, or found and not lawfully handled
	ClearTarget    Condition = "clear_target"     // 有明确的举报对象
	Verified       Condition = "verified"         // 经核查属实, for at least one reported allegation
)

// Exclusion is a tie that keeps a reporter from a reward (R27).
type Exclusion string

// The exclusions.
const (
	DutyHolder   Exclusion = "duty_holder"   // has safety management or supervision duties
	NearRelative Exclusion = "near_relative" // 近亲属 of a duty holder
	Instructed   Exclusion = "instructed"    // 授意他人的举报
)

// Method is how a rule comes to an amount.
type Method string

// The methods.
const (
	Percent  Method = "percent"   // a rate of the penalty
	PerDeath Method = "per_death" // an amount for each concealed death, by grade
)

// Part is the kind of money in a penalty line.
type Part string

// The parts.
const (
	Fine         Part = "fine"         // 罚款
	Confiscation Part = "confiscation" // 没收违法所得
	Surcharge    Part = "surcharge"    // 加处罚款, 行政处罚法 art. 72
	DailyFine    Part = "daily_fine"   // 按日连续处罚, 安全生产法 art. 112
)

// Grade is the grade of an accident as finally confirmed (事故等级, 国务院令493号
// art. 3).
type Grade string

// The grades.
const (
	General       Grade = "general"       // 一般
	Larger        Grade = "larger"        // 较大
	Major         Grade = "major"         // 重大
	Extraordinary Grade = "extraordinary" // 特别重大
)

// ZeroBase says what a verified matter without any fine is worth.
type ZeroBase string

// The values of ZeroBase.
const (
	ZeroBaseFloor ZeroBase = "floor" // the floor is paid
	ZeroBaseNone  ZeroBase = "none"  // nothing is paid
)

// AsOf is the day that decides which scheme applies.
type AsOf string

// The values of AsOf.
const (
	AsOfReport   AsOf = "report"   // the day the report was registered
	AsOfDecision AsOf = "decision" // the day of the penalty decision, or of the conclusion
)

// Scheme is one version of a reward scheme. A value of an option that the
// program does not carry out is refused by Validate, never ignored.
type Scheme struct {
	ID      string `json:"id"`
	Version int    `json:"version"` // from 1; a change of the data is a new version
	Title   string `json:"title"`
	DocNo   string `json:"docNo"` // 文号

	// JurisdictionPrefix is the start of the area codes the scheme is for: 0
	// (nation), 2, 4, 6, 9 or 12 digits.
	JurisdictionPrefix string `json:"jurisdictionPrefix"`
	// Sectors are the industries the scheme is for; none means all.
	Sectors []string `json:"sectors"`
	// EffectiveFrom and EffectiveTo are the first and the last day, as
	// 2006-01-02; an empty EffectiveTo is open. See Select for the time zone.
	EffectiveFrom string `json:"effectiveFrom"`
	EffectiveTo   string `json:"effectiveTo"`
	AsOf          AsOf   `json:"asOf"`

	Payer      string          `json:"payer"`    // acceptor: the department that accepted the report pays
	Identity   []casefile.Mode `json:"identity"` // the modes that can be rewarded
	Conditions []Condition     `json:"conditions"`
	Exclusions []Exclusion     `json:"exclusions"`
	Multi      string          `json:"multi"`   // first_accepted: R28
	Joint      string          `json:"joint"`   // first_signer: R29
	Trigger    string          `json:"trigger"` // decided: a draft may be made once the penalty is decided, R30
	// ClaimWithinDays are calendar days from service of the notice, R31.
	ClaimWithinDays int        `json:"claimWithinDays"`
	Filing          string     `json:"filing"`    // upper: filed one level up, R32; or none
	Approvals       []Approval `json:"approvals"` // rising, the last covers every cap
	Rounding        Rounding   `json:"rounding"`
	Rules           []Rule     `json:"rules"` // at most one for a matter
	// Notes says for each option where its value comes from. See Note.
	Notes map[string]Note `json:"notes"`
}

// Approval is a step of the ladder of who approves what.
type Approval struct {
	UpToFen Fen           `json:"upToFen"` // inclusive
	Role    casefile.Role `json:"role"`    // leader, or supervisor for the level above
}

// Rounding is where an amount is cut: always whole fen, half up.
type Rounding struct {
	Unit string `json:"unit"` // fen
	Mode string `json:"mode"` // half_up
}

// Rule is how one matter is rewarded: Method says which of the fields count.
type Rule struct {
	Matter casefile.Matter `json:"matter"`
	Source string          `json:"source"` // document and article
	Method Method          `json:"method"`

	// For Percent (R24).
	RateBp    int                  `json:"rateBp,omitzero"`    // basis points, 10,000 is the whole
	Base      string               `json:"base,omitzero"`      // decided: amounts as decided, whether paid or not
	BaseParts []Part               `json:"baseParts,omitzero"` // the parts that make the base
	Parties   []casefile.PartyKind `json:"parties,omitzero"`   // the parties whose lines make the base
	FloorFen  Fen                  `json:"floorFen,omitzero"`
	ZeroBase  ZeroBase             `json:"zeroBase,omitzero"`

	// For PerDeath (R25).
	PerDeathFen map[Grade]Fen `json:"perDeathFen,omitzero"`

	CapFen Fen `json:"capFen"`
}

// Note is the source of an option's value, keyed in Scheme.Notes by the JSON
// name of the option.
type Note struct {
	// Choice is true where the document is silent or can be read both ways, and
	// the value is ours for the tenant to confirm.
	Choice bool   `json:"choice"`
	Source string `json:"source"` // document and article; empty only for a choice
	Text   string `json:"text"`
}

// Approver returns the role that approves amount: the lowest step of the ladder
// that reaches it. Validate has seen to it that the ladder reaches every cap.
func (s Scheme) Approver(amount Fen) casefile.Role {
	var role casefile.Role
	for _, a := range s.Approvals {
		role = a.Role
		if amount <= a.UpToFen {
			break
		}
	}
	return role
}

// rule returns the rule for m, and whether there is one.
func (s Scheme) rule(m casefile.Matter) (Rule, bool) {
	for _, r := range s.Rules {
		if r.Matter == m {
			return r, true
		}
	}
	return Rule{}, false
}
