package console

import (
	"context"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// penalty is a penalty without where its inspection came from.
type penalty struct {
	head

	Visit     string                 `json:"visit"`
	Area      string                 `json:"area"`
	Party     string                 `json:"party"`
	Officers  []officer              `json:"officers"`
	Told      string                 `json:"told,omitempty"`
	Heard     string                 `json:"heard,omitempty"`
	Reason    string                 `json:"reason,omitempty"`
	Lines     []casefile.PenaltyLine `json:"lines"`
	DecidedBy string                 `json:"decidedBy,omitempty"`
	DecidedAt time.Time              `json:"decidedAt,omitzero"`
	ServedAt  time.Time              `json:"servedAt,omitzero"`
	DueBy     time.Time              `json:"dueBy,omitzero"`
	TotalFen  int64                  `json:"totalFen"`
	PaidFen   int64                  `json:"paidFen"`
	Payments  []casefile.Payment     `json:"payments"`
	Exhibits  []exhibit              `json:"exhibits"`
	Timeline  []event                `json:"timeline"`
}

// penaltyRow is a penalty in a list.
type penaltyRow struct {
	head

	Area     string    `json:"area"`
	Party    string    `json:"party"`
	TotalFen int64     `json:"totalFen"`
	PaidFen  int64     `json:"paidFen"`
	DueBy    time.Time `json:"dueBy,omitzero"`
}

func newPenaltyRow(p *casefile.Penalty) penaltyRow {
	return penaltyRow{head: newHead(&p.Head), Area: p.Area, Party: p.Party, TotalFen: p.Total(), PaidFen: p.Paid(), DueBy: p.DueBy}
}

func newPenalty(_ *web.Request, p *casefile.Penalty) penalty {
	return penalty{
		head: newHead(&p.Head), Visit: p.Visit, Area: p.Area, Party: p.Party, Officers: newOfficers(p.Officers), Told: p.Notice,
		Heard: p.Heard, Reason: p.Reason, Lines: whole(p.Lines), DecidedBy: p.DecidedBy, DecidedAt: p.DecidedAt, ServedAt: p.ServedAt,
		DueBy: p.DueBy, TotalFen: p.Total(), PaidFen: p.Paid(), Payments: whole(p.Payments), Exhibits: newExhibits(p.Exhibits), Timeline: newTimeline(p.Timeline),
	}
}

// filed is the body of POST /v1/office/penalties: what the penalty rests on.
type filed struct {
	Visit string `json:"visit"`
}

// filePenalty serves POST /v1/office/penalties.
func filePenalty(s *workflow.Service) web.Handler {
	return create(func(ctx context.Context, c workflow.Call, in filed) (casefile.Outcome, error) {
		return s.FilePenalty(ctx, c, in.Visit)
	})
}
