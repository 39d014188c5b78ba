package demo

import (
	"context"
	"fmt"

	"gridwatch/server/casefile"
	"gridwatch/server/reward"
)

// fen is one fine of the play.
func (p *player) fen(n int) int64 { return p.Fines[n] * 100 }

// lines are the penalty lines: the unit's, and a person's if one is fined too.
func (p *player) lines() []casefile.PenaltyLine {
	lines := []casefile.PenaltyLine{{
		ID: "1", Violation: "Gas bottles beside a stove", Article: "安全生产法 第101条", Kind: casefile.Unit, Party: p.targetName(),
		Fen: p.fen(0), Items: []string{p.proven()},
	}}
	if len(p.Fines) > 1 {
		lines = append(lines, casefile.PenaltyLine{
			ID: "2", Violation: "The duty to see to it was not met", Article: "安全生产法 第94条", Kind: casefile.Individual,
			Party: "main responsible person of the unit", Fen: p.fen(1), Items: []string{p.proven()},
		})
	}
	return lines
}

func (p *player) penaltyPath(part string) string { return "/v1/office/penalties/" + p.penalty + part }

func (p *player) punish(ctx context.Context) error {
	out, err := p.do(ctx, "enforcer1", "/v1/office/penalties", map[string]any{"visit": p.visit}, casefile.PenaltyFiled)
	if err != nil {
		return err
	}
	p.penalty = out.ID
	var decided []map[string]any
	for _, l := range p.lines() {
		decided = append(decided, map[string]any{
			"violation": l.Violation, "article": l.Article, "kind": l.Kind, "party": l.Party, "fen": l.Fen, "items": l.Items,
		})
	}
	states := string(out.State)
	steps := []struct {
		login, part string
		body        any
		want        casefile.State
	}{
		{"enforcer1", "/notice", map[string]any{"told": "Facts, grounds and proposed fine (告知).", "heard": "The unit waives a hearing."}, casefile.PenaltyNoticed},
		{"leader1", "/decide", map[string]any{"reason": "One violation, rectified in time.", "lines": decided}, casefile.PenaltyDecided},
		{"enforcer1", "/serve", nil, casefile.PenaltyServed},
	}
	for n := range p.Fines {
		want := casefile.PenaltyServed
		if n == len(p.Fines)-1 {
			want = casefile.PenaltyPaid
		}
		steps = append(steps, struct {
			login, part string
			body        any
			want        casefile.State
		}{"enforcer1", "/payments", map[string]any{"fen": p.fen(n), "ticket": fmt.Sprintf("DEMO-FINE-%d", n+1)}, want})
	}
	for _, s := range steps {
		if out, err = p.do(ctx, s.login, p.penaltyPath(s.part), s.body, s.want); err != nil {
			return err
		}
		states += " → " + string(out.State)
	}
	p.tell("%s", states)
	for _, l := range p.lines() {
		p.tell("line %s: %s, %s: %s yuan", l.ID, l.Kind, l.Article, reward.Fen(l.Fen))
	}
	return nil
}

func (p *player) reply(ctx context.Context) error {
	_, err := p.do(ctx, "desk1", p.reportPath("/reply"), map[string]any{
		"conclusion": "One allegation was found to be true.", "facts": "Gas bottles stood beside a stove.",
		"decision": "The unit was fined and has rectified.", "reward": "A reward is being calculated.",
	}, casefile.ReportReplied)
	if err != nil {
		return err
	}
	p.tell("%s: conclusion, facts, decision and reward, behind the receipt", casefile.ReportReplied)
	return nil
}
