package demo

import (
	"fmt"
	"slices"

	"gridwatch/schemas/catalog/schemes"
	"gridwatch/server/casefile"
	"gridwatch/server/reward"
	"gridwatch/server/workflow"
)

// byHand are awards that were worked out by hand from 安监总财〔2018〕19号
// art. 11(一), by the fines in yuan: 15 %, at least 3,000, at most 300,000.
func byHand(fines []int64) (reward.Fen, bool) {
	switch {
	case slices.Equal(fines, []int64{10_000}):
		return 300_000, true
	case slices.Equal(fines, []int64{50_000}):
		return 750_000, true
	case slices.Equal(fines, []int64{2_500_000}):
		return 30_000_000, true
	case slices.Equal(fines, []int64{100_000, 30_000}):
		return 1_950_000, true
	}
	return 0, false
}

// expect works the award out without the server: from the scheme's data and
// what the play itself knows of the case, and by hand where that was done.
func (p *player) expect() (reward.Result, error) {
	all, err := reward.Load(schemes.Files)
	if err != nil {
		return reward.Result{}, err
	}
	today := p.Now().In(workflow.Shanghai())
	scheme, err := reward.Select(all, reward.Place{Area: string(county)}, today, today)
	if err != nil {
		return reward.Result{}, err
	}
	facts := reward.Facts{
		Matter: casefile.IllegalAct, IdentityMode: casefile.RealName, ClearTarget: true, Verified: true,
		Substantiated: []string{p.proven()}, Penalty: reward.PenaltyDecided,
	}
	for _, i := range p.items {
		facts.Reported = append(facts.Reported, i.id)
	}
	for _, l := range p.lines() {
		facts.Lines = append(facts.Lines, reward.PenaltyLine{
			Decision: p.penalty, Line: l.ID, Violation: l.Violation, Article: l.Article, Party: l.Kind, Part: reward.Fine,
			Fen: reward.Fen(l.Fen), Allegations: l.Items,
		})
	}
	result, err := reward.Calculate(scheme, facts)
	if err != nil {
		return result, err
	}
	if fen, ok := byHand(p.Fines); ok && fen != result.AmountFen {
		return result, fmt.Errorf("the scheme's data give %s yuan, worked out by hand it is %s", result.AmountFen, fen)
	}
	return result.WithoutMode(), nil // which the desk alone reads
}

// awardView is an award as those who decide it see it.
type awardView struct {
	State     casefile.State `json:"state"`
	Scheme    string         `json:"scheme"`
	Fen       reward.Fen     `json:"fen"`
	Eligible  bool           `json:"eligible"`
	BaseFen   reward.Fen     `json:"baseFen"`
	Lines     []reward.Line  `json:"lines"`
	Trace     []reward.Step  `json:"trace"`
	TraceText []string       `json:"traceText"`
	Year      int            `json:"year"`
}

// compare says where the server's award differs from what is expected.
func (a awardView) compare(want reward.Result) error {
	scheme := fmt.Sprintf("%s/%d", want.SchemeID, want.SchemeVersion)
	if a.Scheme != scheme || a.Fen != want.AmountFen || a.BaseFen != want.BaseFen || !a.Eligible {
		return fmt.Errorf("the award is %s yuan of base %s by %s, the scheme says %s of base %s by %s",
			a.Fen, a.BaseFen, a.Scheme, want.AmountFen, want.BaseFen, scheme)
	}
	if !slices.Equal(a.Lines, want.Lines) || !slices.Equal(a.Trace, want.Trace) {
		return fmt.Errorf("the award's lines or trace are other than the scheme says: %v, want %v", a.TraceText, want.Text("en"))
	}
	return nil
}
