package reward

import (
	"fmt"
	"strconv"
	"strings"

	"gridwatch/server/casefile"
)

// StepCode names a step of a calculation.
type StepCode string

// The step codes, with the fields of Step that each one fills.
const (
	StepScheme          StepCode = "scheme"                // Ref id, Count version
	StepMatter          StepCode = "matter"                // Ref matter; Passed: there is a rule
	StepIdentity        StepCode = "identity"              // Ref identity mode; empty where it is not for the reader
	StepExclusion       StepCode = "exclusion"             // Ref exclusion; Passed: the scheme does not mind
	StepCondition       StepCode = "condition"             // Ref condition
	StepPending         StepCode = "pending"               // the decision or the grade is awaited
	StepLine            StepCode = "line"                  // Ref decision/line, InFen; counted: OutFen
	StepOtherAllegation StepCode = "line_other_allegation" // as StepLine, left out: answers nothing reported and substantiated
	StepOtherPart       StepCode = "line_other_part"       // as StepLine, left out: not of the base's parts
	StepOtherParty      StepCode = "line_other_party"      // as StepLine, left out: not of the base's parties
	StepBase            StepCode = "base"                  // OutFen
	StepZeroBase        StepCode = "zero_base"             // Ref floor or none
	StepPercent         StepCode = "percent"               // InFen base, RateBp, OutFen
	StepPerDeath        StepCode = "per_death"             // Ref grade, InFen for one, Count concealed deaths, OutFen
	StepFloor           StepCode = "floor"                 // InFen, LimitFen, OutFen
	StepCap             StepCode = "cap"                   // InFen, LimitFen, OutFen
	StepAmount          StepCode = "amount"                // OutFen
)

// Step is one line of the trace of a calculation, in the order it was done.
type Step struct {
	Code     StepCode `bson:"code" json:"code"`
	Source   string   `bson:"source" json:"source"` // document and article; empty where the rule is silent
	Passed   bool     `bson:"passed" json:"passed"` // a test was met, a line was counted, an amount was computed
	Ref      string   `bson:"ref,omitempty" json:"ref,omitempty"`
	InFen    Fen      `bson:"in_fen" json:"inFen"`
	RateBp   int      `bson:"rate_bp,omitempty" json:"rateBp,omitempty"`
	Count    int      `bson:"count,omitempty" json:"count,omitempty"`
	LimitFen Fen      `bson:"limit_fen" json:"limitFen"`
	OutFen   Fen      `bson:"out_fen" json:"outFen"`
}

// Text returns the steps of the trace as lines in lang. See Step.Text.
func (r Result) Text(lang string) []string {
	lines := make([]string, len(r.Trace))
	for i, s := range r.Trace {
		lines[i] = s.Text(lang)
	}
	return lines
}

// Text returns the step as one line with its source, in English if lang is "en"
// or begins with "en-", otherwise in simplified Chinese. Amounts are in yuan.
func (s Step) Text(lang string) string {
	english := lang == "en" || strings.HasPrefix(lang, "en-")
	text, source := s.chinese(), "（"+s.Source+"）"
	if english {
		text, source = s.english(), " ("+s.Source+")"
	}
	if s.Source == "" {
		return text
	}
	return text + source
}

func (s Step) english() string {
	ref := strings.ReplaceAll(s.Ref, "_", " ")
	switch s.Code {
	case StepScheme:
		return fmt.Sprintf("Scheme %s, version %d", s.Ref, s.Count)
	case StepMatter:
		return fmt.Sprintf("Matter %q: %s", ref, s.pick("rewarded", "not rewarded"))
	case StepIdentity:
		if ref == "" {
			return "Identity mode: " + s.pick("accepted", "not accepted")
		}
		return fmt.Sprintf("Identity mode %q: %s", ref, s.pick("accepted", "not accepted"))
	case StepExclusion:
		return fmt.Sprintf("Tie %q: %s", ref, s.pick("no bar", "excluded"))
	case StepCondition:
		return fmt.Sprintf("Condition %q: %s", ref, s.pick("met", "not met"))
	case StepPending:
		return "Not computable yet: a decision of a competent body is awaited"
	case StepLine:
		return fmt.Sprintf("Penalty line %s: %s counted", s.Ref, s.InFen)
	case StepOtherAllegation:
		return fmt.Sprintf("Penalty line %s: %s left out, answers no reported and substantiated allegation", s.Ref, s.InFen)
	case StepOtherPart:
		return fmt.Sprintf("Penalty line %s: %s left out, not a part of the base", s.Ref, s.InFen)
	case StepOtherParty:
		return fmt.Sprintf("Penalty line %s: %s left out, not a party of the base", s.Ref, s.InFen)
	case StepBase:
		return fmt.Sprintf("Base = %s", s.OutFen)
	case StepZeroBase:
		return s.pick("No fine: the floor is due", "No fine: nothing is due")
	case StepPercent:
		return fmt.Sprintf("%s %% of %s = %s", rate(s.RateBp), s.InFen, s.OutFen)
	case StepPerDeath:
		return fmt.Sprintf("%s × %d concealed deaths (%s accident) = %s", s.InFen, s.Count, ref, s.OutFen)
	case StepFloor:
		return fmt.Sprintf("Floor %s: max(%s, %s) = %s", s.LimitFen, s.InFen, s.LimitFen, s.OutFen)
	case StepCap:
		return fmt.Sprintf("Cap %s: min(%s, %s) = %s", s.LimitFen, s.InFen, s.LimitFen, s.OutFen)
	case StepAmount:
		return fmt.Sprintf("Amount = %s", s.OutFen)
	}
	return string(s.Code)
}

func (s Step) chinese() string {
	ref := s.Ref
	if term, ok := terms[s.Ref]; ok {
		ref = term
	}
	switch s.Code {
	case StepScheme:
		return fmt.Sprintf("适用办法 %s，第 %d 版", s.Ref, s.Count)
	case StepMatter:
		return fmt.Sprintf("举报事项“%s”：%s", ref, s.pick("属奖励范围", "不属奖励范围"))
	case StepIdentity:
		if ref == "" {
			return "举报方式：" + s.pick("可以奖励", "不予奖励")
		}
		return fmt.Sprintf("举报方式“%s”：%s", ref, s.pick("可以奖励", "不予奖励"))
	case StepExclusion:
		return fmt.Sprintf("举报人情形“%s”：%s", ref, s.pick("不影响奖励", "不在奖励之列"))
	case StepCondition:
		return fmt.Sprintf("条件“%s”：%s", ref, s.pick("符合", "不符合"))
	case StepPending:
		return "暂不能计算：有关机关尚未作出决定或者认定"
	case StepLine:
		return fmt.Sprintf("处罚项 %s：%s 元计入基数", s.Ref, s.InFen)
	case StepOtherAllegation:
		return fmt.Sprintf("处罚项 %s：%s 元不计入，与查实的举报事项无关", s.Ref, s.InFen)
	case StepOtherPart:
		return fmt.Sprintf("处罚项 %s：%s 元不计入，种类不属于计算基数", s.Ref, s.InFen)
	case StepOtherParty:
		return fmt.Sprintf("处罚项 %s：%s 元不计入，被处罚人不属于计算范围", s.Ref, s.InFen)
	case StepBase:
		return fmt.Sprintf("计算基数 = %s 元", s.OutFen)
	case StepZeroBase:
		return s.pick("未处罚款：按最低奖励", "未处罚款：不予奖励")
	case StepPercent:
		return fmt.Sprintf("%s 元 × %s%% = %s 元", s.InFen, rate(s.RateBp), s.OutFen)
	case StepPerDeath:
		return fmt.Sprintf("%s 元 × 查实瞒报谎报 %d 人（%s事故）= %s 元", s.InFen, s.Count, ref, s.OutFen)
	case StepFloor:
		return fmt.Sprintf("最低 %s 元：%s 元 → %s 元", s.LimitFen, s.InFen, s.OutFen)
	case StepCap:
		return fmt.Sprintf("最高 %s 元：%s 元 → %s 元", s.LimitFen, s.InFen, s.OutFen)
	case StepAmount:
		return fmt.Sprintf("奖励金额 = %s 元", s.OutFen)
	}
	return string(s.Code)
}

// terms are the Chinese words for the codes that Step.Ref may hold.
var terms = map[string]string{
	string(casefile.MajorHazard): "重大事故隐患", string(casefile.IllegalAct): "安全生产违法行为",
	string(casefile.ConcealedAccident): "瞒报谎报事故",
	string(casefile.Anonymous):         "匿名", string(casefile.ByCode): "凭码",
	string(casefile.Contactable): "匿名并留联系方式", string(casefile.RealName): "实名",
	string(DutyHolder): "负有安全生产管理、监管、监察职责", string(NearRelative): "近亲属", string(Instructed): "受其授意",
	string(NotKnownBefore): "未被发现或者发现后未依法处理", string(ClearTarget): "有明确的举报对象", string(Verified): "经核查属实",
	string(General): "一般", string(Larger): "较大", string(Major): "重大", string(Extraordinary): "特别重大",
}

func (s Step) pick(passed, failed string) string {
	if s.Passed {
		return passed
	}
	return failed
}

// rate writes basis points as a percentage: 1500 is "15", 1250 is "12.5".
func rate(bp int) string {
	return strconv.FormatFloat(float64(bp)/100, 'f', -1, 64)
}
