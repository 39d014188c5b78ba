package demo

import (
	"context"
	"fmt"
	"time"

	"gridwatch/server/casefile"
)

func (p *player) person(logins ...string) []string {
	var ids []string
	for _, login := range logins {
		ids = append(ids, p.people[login].Person)
	}
	return ids
}

// findings are what the inspection finds and the leader signs.
func (p *player) findings() []map[string]any {
	var out []map[string]any
	for _, i := range p.items {
		out = append(out, map[string]any{"ref": i.id, "finding": i.finding, "text": i.brief})
	}
	return out
}

func (p *player) conclusion() map[string]any {
	return map[string]any{"record": "Inspected; one allegation is substantiated, one is not.", "findings": p.findings()}
}

// proven is the allegation that the inspection substantiates.
func (p *player) proven() string { return p.items[0].id }

func (p *player) tooEarly(ctx context.Context) error {
	if err := p.refused(ctx, "leader1", p.reportPath("/conclude"), p.conclusion(), "report.no_inspection"); err != nil {
		return err
	}
	p.tell("409 report.no_inspection: what an inspector (网格员) saw does not substantiate anything")
	return nil
}

func (p *player) orderInspection(ctx context.Context) error {
	expired := map[string]any{"persons": p.person("enforcer1", "enforcer3")}
	if err := p.refused(ctx, "desk1", p.reportPath("/inspection"), expired, "officer.no_certificate"); err != nil {
		return err
	}
	p.tell("400 officer.no_certificate: %s cannot be sent", p.people["enforcer3"].Label)
	out, err := p.do(ctx, "desk1", p.reportPath("/inspection"), map[string]any{"persons": p.person("enforcer1", "enforcer2"), "imminent": true}, casefile.ReportVerifying)
	if err != nil {
		return err
	}
	p.task.id = out.Ref
	p.tell("task %s… for two officers", out.Ref[:8])
	return nil
}

func (p *player) inspect(ctx context.Context) error {
	err := until(ctx, "the inspection's task", func() (bool, error) {
		err := p.get(ctx, "enforcer1", p.taskPath(""), nil)
		return err == nil, err
	})
	if err != nil {
		return err
	}
	record := map[string]any{
		"task": p.task.id, "on": p.Now().Add(-time.Minute).UTC().Format(time.RFC3339), "place": p.target, "party": p.targetName(),
		"record":   "Three gas bottles stand 1 m from a stove. Permits for hot work are at hand.",
		"findings": p.findings(), "unit": map[string]any{"signed": true, "by": "person on duty of the unit"},
	}
	out, err := p.do(ctx, "enforcer1", "/v1/office/inspections", record, casefile.VisitFiled)
	if err != nil {
		return err
	}
	p.visit = out.ID
	p.tell("record (现场检查记录) filed and signed by the first officer: %s", out.State)
	if err := p.refused(ctx, "enforcer1", "/v1/office/penalties", map[string]any{"visit": p.visit}, "visit.unsigned"); err != nil {
		return err
	}
	if out, err = p.do(ctx, "enforcer2", "/v1/office/inspections/"+p.visit+"/sign", nil, casefile.VisitSigned); err != nil {
		return err
	}
	p.tell("signed by the second officer and by the unit: %s; before that no penalty could be filed", out.State)
	return nil
}

func (p *player) conclude(ctx context.Context) error {
	if _, err := p.do(ctx, "leader1", p.reportPath("/conclude"), p.conclusion(), casefile.ReportConcluded); err != nil {
		return err
	}
	for n, i := range p.items {
		p.tell("allegation %d, %s: %s", n+1, i.brief, i.finding)
	}
	return nil
}

func (p *player) rectify(ctx context.Context) error {
	out, err := p.do(ctx, "enforcer1", "/v1/office/hazards", map[string]any{
		"visit": p.visit, "item": p.proven(), "text": "Gas bottles beside a stove",
	}, casefile.HazardFound)
	if err != nil {
		return err
	}
	states := string(out.State)
	deadline := p.Now().AddDate(0, 0, 7).UTC().Format(time.RFC3339)
	for _, s := range []struct {
		part string
		body any
		want casefile.State
	}{
		{"triage", map[string]any{"grade": casefile.General}, casefile.HazardTriaged},
		{"order", map[string]any{
			"officers": p.person("enforcer1", "enforcer2"), "measures": "Keep the bottles 10 m from the stove, in a shed of their own.", "deadline": deadline,
		}, casefile.HazardOrdered},
		{"start", nil, casefile.HazardRectifying},
		{"claim-done", map[string]any{"proof": "A shed was built; the bottles stand there."}, casefile.HazardClaimed},
		{"recheck", map[string]any{"ok": true}, casefile.HazardClosed},
	} {
		if out, err = p.do(ctx, "enforcer1", fmt.Sprintf("/v1/office/hazards/%s/%s", out.ID, s.part), s.body, s.want); err != nil {
			return err
		}
		states += " → " + string(out.State)
	}
	p.tell("%s", states)
	return nil
}
