package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"gridwatch/media/probe"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/casefile"
	"gridwatch/server/grid"
	"gridwatch/server/vault"
)

// item is an allegation and what an inspection is to find of it.
type item struct {
	id      string
	brief   string
	finding casefile.Finding
}

type deskReport struct {
	State       casefile.State `json:"state"`
	Narrative   string         `json:"narrative"`
	Mode        string         `json:"mode"`
	Allegations []struct {
		ID   string `json:"id"`
		Text string `json:"text"`
	} `json:"allegations"`
	Evidence []struct {
		ID      string      `json:"id"`
		SHA256  string      `json:"sha256"`
		Capture probe.Facts `json:"capture"`
	} `json:"evidence"`
	Target struct {
		Grid string `json:"grid"`
	} `json:"target"`
}

func (p *player) reportPath(part string) string { return "/v1/office/reports/" + p.report + part }

func (p *player) accept(ctx context.Context) error {
	type row struct {
		ID     string `json:"id"`
		Number string `json:"number"`
	}
	found, err := find(ctx, p, "desk1", "/v1/office/reports?limit=100&state=RECEIVED", func(r row) bool { return r.Number == p.sent.answer.Number })
	if err != nil {
		return err
	}
	p.report = found.ID
	var r deskReport
	if err := p.get(ctx, "desk1", p.reportPath(""), &r); err != nil {
		return err
	}
	if r.Narrative != p.sent.body.Narrative || len(r.Allegations) != len(p.sent.body.Allegations) || len(r.Evidence) != 1 {
		return errors.New("the desk does not see what was sent")
	}
	taken := r.Evidence[0].Capture.Position
	if taken == nil || r.Evidence[0].SHA256 != digestOf(p.sent.photo) {
		return errors.New("the desk does not see the photo's digest and position")
	}
	p.tell("the desk alone reads narrative and photo facts: taken %.0f m from where the sender stood, %.0f m from the target",
		grid.DistanceM(grid.WGS84{Lon: taken.Lon, Lat: taken.Lat}, p.place.stood), grid.DistanceM(grid.WGS84{Lon: taken.Lon, Lat: taken.Lat}, p.place.target))
	for i, a := range r.Allegations {
		p.items = append(p.items, []item{
			{a.ID, "Storage of gas bottles: distance to sources of fire", casefile.Substantiated},
			{a.ID, "Hot work: permits", casefile.Unsubstantiated},
		}[i])
	}
	if _, err := p.do(ctx, "desk1", p.reportPath("/accept"), nil, casefile.ReportAccepted); err != nil {
		return err
	}
	p.tell("%s; the time for the conclusion (核查期限) runs", casefile.ReportAccepted)
	return nil
}

// stranger makes sure that another tenant's desk is answered as if there were
// no such report.
func (p *player) stranger(ctx context.Context) error {
	const login = Neighbour + " desk1"
	absent, err := vault.NewID(p.Random)
	if err != nil {
		return err
	}
	c, err := p.as(ctx, login)
	if err != nil {
		return err
	}
	var bodies [2][]byte
	for i, id := range []string{p.report, absent} {
		answer, err := c.Do(ctx, apiclient.Call{Method: http.MethodGet, Path: "/v1/office/reports/" + id}, nil)
		if err := apiclient.Refused(err, "record.not_found"); err != nil {
			return err
		}
		bodies[i] = answer.Body
	}
	if !bytes.Equal(bodies[0], bodies[1]) {
		return errors.New("a foreign report and an absent one are answered differently")
	}
	p.tell("404, byte for byte as for a report that does not exist (%s)", p.people[login].Label)
	return nil
}

func (p *player) describe(ctx context.Context) error {
	p.target = place{p.place.target.Lon, p.place.target.Lat, "wgs84", 0}
	if _, err := p.do(ctx, "desk1", p.reportPath("/target"), map[string]any{"place": p.target, "name": p.targetName()}, casefile.ReportAccepted); err != nil {
		return err
	}
	var items []map[string]string
	for _, i := range p.items {
		items = append(items, map[string]string{"ref": i.id, "text": i.brief})
	}
	if _, err := p.do(ctx, "desk1", p.reportPath("/brief"), map[string]any{"text": p.brief(), "items": items}, casefile.ReportAccepted); err != nil {
		return err
	}
	var r deskReport
	if err := p.get(ctx, "desk1", p.reportPath(""), &r); err != nil {
		return err
	}
	if r.Target.Grid != string(p.place.grid.Code) {
		return fmt.Errorf("the target lies in grid %q, want %s", r.Target.Grid, p.place.grid.Code)
	}
	p.tell("target in grid %s; handlers outside the desk will read the brief, never the narrative", r.Target.Grid)
	return nil
}

func (p *player) targetName() string { return "demo workshop, " + p.place.village }

func (p *player) brief() string { return "Patrol of a workshop: storage of gas bottles and hot work." }

func (p *player) assign(ctx context.Context) error {
	var r deskReport
	if err := p.get(ctx, "desk1", p.reportPath(""), &r); err != nil {
		return err
	}
	evidence := p.reportPath("/evidence/" + r.Evidence[0].ID + "/release")
	if _, err := p.do(ctx, "desk1", evidence, map[string]any{}, casefile.ReportAccepted); err != nil {
		return err
	}
	var suggested struct {
		Items []struct {
			Person string `json:"person"`
			Label  string `json:"label"`
			Own    bool   `json:"own"`
			Open   int    `json:"open"`
		} `json:"items"`
	}
	if err := p.get(ctx, "desk1", p.reportPath("/assignees"), &suggested); err != nil {
		return err
	}
	if len(suggested.Items) == 0 {
		return errors.New("nobody is suggested")
	}
	best := suggested.Items[0]
	for _, s := range p.people {
		if s.Person == best.Person {
			p.task.inspector = s.Login
		}
	}
	p.tell("suggested first of %d: %s, %d open tasks", len(suggested.Items), best.Label, best.Open)
	if err := p.registerPhone(ctx); err != nil {
		return err
	}
	out, err := p.do(ctx, "desk1", p.reportPath("/assign"), map[string]any{"persons": []string{best.Person}, "imminent": true}, casefile.ReportVerifying)
	if err != nil {
		return err
	}
	p.task.id = out.Ref
	p.tell("%s; task %s…", out.State, out.Ref[:8])
	return nil
}
