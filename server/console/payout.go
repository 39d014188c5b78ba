package console

import (
	"context"

	"gridwatch/server/casefile"
	"gridwatch/server/reward"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// payout is a payout with its awards.
type payout struct {
	payoutRow

	Ticket   string                `json:"ticket,omitempty"` // the bank's reference
	Lines    []casefile.PayoutLine `json:"lines"`
	DrawnBy  string                `json:"drawnBy"`
	Timeline []event               `json:"timeline"` // days
}

type payoutRow struct {
	head

	Memo  string     `json:"memo"` // of every transfer
	Count int        `json:"count"`
	Fen   reward.Fen `json:"fen"` // of all
}

func newPayoutRow(p *casefile.Payout) payoutRow {
	row := payoutRow{head: newHead(&p.Head), Memo: p.Memo, Count: len(p.Lines)}
	for _, line := range p.Lines {
		row.Fen += reward.Fen(line.Fen)
	}
	return row
}

func newPayout(_ *web.Request, p *casefile.Payout) payout {
	return payout{payoutRow: newPayoutRow(p), Ticket: p.Ticket, Lines: whole(p.Lines), DrawnBy: p.DrawnBy, Timeline: newTimeline(p.Timeline)}
}

// drawn is the body of POST /v1/office/payouts.
type drawn struct {
	Awards []string `json:"awards"`
}

// drawPayout serves POST /v1/office/payouts.
func drawPayout(s *workflow.Service) web.Handler {
	return create(func(ctx context.Context, c workflow.Call, in drawn) (casefile.Outcome, error) {
		return s.DrawPayout(ctx, c, in.Awards)
	})
}
