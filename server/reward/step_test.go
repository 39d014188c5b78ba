package reward_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"gridwatch/server/reward"
)

func TestTraceText(t *testing.T) {
	t.Parallel()
	r := calculate(t, national(t), reported(line("1", 5_000_000, "a1"), line("2", 1_000_000, "a2")))
	for lang, want := range map[string]string{
		"en": `Scheme national-2018, version 1 (安监总财〔2018〕19号)
Matter "illegal act": rewarded (安监总财〔2018〕19号第11条(一))
Identity mode "real name": accepted (安监总财〔2012〕63号第12条)
Condition "not known before": met (安监总财〔2018〕19号第7条)
Condition "clear target": met (安监总财〔2018〕19号第7条)
Condition "verified": met (安监总财〔2018〕19号第7条)
Penalty line d1/1: 50,000.00 counted (安监总财〔2018〕19号第11条(一))
Penalty line d1/2: 10,000.00 left out, answers no reported and substantiated allegation (安监总财〔2018〕19号第11条(一))
Base = 50,000.00 (安监总财〔2018〕19号第11条(一))
15 % of 50,000.00 = 7,500.00 (安监总财〔2018〕19号第11条(一))
Floor 3,000.00: max(7,500.00, 3,000.00) = 7,500.00 (安监总财〔2018〕19号第11条(一))
Cap 300,000.00: min(7,500.00, 300,000.00) = 7,500.00 (安监总财〔2018〕19号第11条(一))
Amount = 7,500.00 (安监总财〔2018〕19号第11条(一))`,
		"zh-CN": `适用办法 national-2018，第 1 版（安监总财〔2018〕19号）
举报事项“安全生产违法行为”：属奖励范围（安监总财〔2018〕19号第11条(一)）
举报方式“实名”：可以奖励（安监总财〔2012〕63号第12条）
条件“未被发现或者发现后未依法处理”：符合（安监总财〔2018〕19号第7条）
条件“有明确的举报对象”：符合（安监总财〔2018〕19号第7条）
条件“经核查属实”：符合（安监总财〔2018〕19号第7条）
处罚项 d1/1：50,000.00 元计入基数（安监总财〔2018〕19号第11条(一)）
处罚项 d1/2：10,000.00 元不计入，与查实的举报事项无关（安监总财〔2018〕19号第11条(一)）
计算基数 = 50,000.00 元（安监总财〔2018〕19号第11条(一)）
50,000.00 元 × 15% = 7,500.00 元（安监总财〔2018〕19号第11条(一)）
最低 3,000.00 元：7,500.00 元 → 7,500.00 元（安监总财〔2018〕19号第11条(一)）
最高 300,000.00 元：7,500.00 元 → 7,500.00 元（安监总财〔2018〕19号第11条(一)）
奖励金额 = 7,500.00 元（安监总财〔2018〕19号第11条(一)）`,
	} {
		if diff := cmp.Diff(want, strings.Join(r.Text(lang), "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", lang, diff)
		}
	}
}

// Every code has words of its own in both languages.
func TestStepTextCoversCodes(t *testing.T) {
	t.Parallel()
	for _, code := range []reward.StepCode{
		reward.StepScheme, reward.StepMatter, reward.StepIdentity, reward.StepExclusion, reward.StepCondition,
		reward.StepPending, reward.StepLine, reward.StepOtherAllegation, reward.StepOtherPart, reward.StepOtherParty,
		reward.StepBase, reward.StepZeroBase, reward.StepPercent, reward.StepPerDeath, reward.StepFloor, reward.StepCap, reward.StepAmount,
	} {
		for _, lang := range []string{"en", "en-GB", "zh-CN", ""} {
			got := (reward.Step{Code: code}).Text(lang)
			if got == string(code) || strings.Contains(got, "%!") {
				t.Errorf("%s in %q: got %q, want a sentence", code, lang, got)
			}
			if strings.HasPrefix(lang, "en") != !strings.ContainsFunc(got, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
				t.Errorf("%s in %q: got %q", code, lang, got)
			}
		}
	}
}

func TestFenString(t *testing.T) {
	t.Parallel()
	for amount, want := range map[reward.Fen]string{
		0: "0.00", 1: "0.01", 99: "0.99", 100: "1.00", -150: "-1.50", 99_999: "999.99", 100_000: "1,000.00",
		5_000_000: "50,000.00", -900_000_000: "-9,000,000.00", 1_000_000_000_000_000: "10,000,000,000,000.00",
		-1 << 63: "-92,233,720,368,547,758.08",
	} {
		if got := amount.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
