package console

import (
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/reward"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// award is what a payer sees of an award. Who calculates and approves sees the
// calculation too.
type award struct {
	awardRow
	*calculation
}

// calculation is how an award came to its amount, and through whose hands it
// went. How the reporter is known stays with the desk: the trace says only
// whether the scheme takes it.
type calculation struct {
	Report     string        `json:"report"`
	Area       string        `json:"area"`
	Scheme     string        `json:"scheme"` // id and version
	Eligible   bool          `json:"eligible"`
	Reason     string        `json:"reason,omitempty"` // code, when not eligible
	BaseFen    reward.Fen    `json:"baseFen"`
	Lines      []reward.Line `json:"lines"`
	Trace      []reward.Step `json:"trace"`
	TraceText  []string      `json:"traceText"` // in the language of the request
	Facts      reward.Facts  `json:"facts"`
	DraftedBy  string        `json:"draftedBy"`
	ReviewedBy string        `json:"reviewedBy,omitempty"`
	ApprovedBy string        `json:"approvedBy,omitempty"`
	Year       int           `json:"year"` // of the budget
	Filing     string        `json:"filing,omitempty"`
	NotifiedAt time.Time     `json:"notifiedAt,omitzero"`
	ClaimBy    time.Time     `json:"claimBy,omitzero"`
	Asked      bool          `json:"asked"` // the reporter has asked for payment
	PaidAt     time.Time     `json:"paidAt,omitzero"`
	Timeline   []event       `json:"timeline"`
}

// awardRow is an award in a list.
type awardRow struct {
	head

	Number string     `json:"number"`
	Fen    reward.Fen `json:"fen"`
}

func newAwardRow(a *casefile.Award) awardRow {
	return awardRow{head: newHead(&a.Head), Number: a.Number, Fen: reward.Fen(a.Fen)}
}

func newAward(q *web.Request, a workflow.CalculatedAward) award {
	out := award{awardRow: newAwardRow(&a.Award)}
	subject := a.Subject()
	if !q.Actor.May(casefile.AwardReview, subject) && !q.Actor.May(casefile.AwardApprove, subject) {
		return out
	}
	r := a.Result.WithoutMode()
	out.calculation = &calculation{
		Report: a.Report, Area: a.Area, Scheme: a.Scheme, Eligible: r.Eligible, Reason: a.Reason, BaseFen: r.BaseFen, Lines: whole(r.Lines),
		Trace: whole(r.Trace), TraceText: r.Text(string(q.Lang)), Facts: r.Facts, DraftedBy: a.DraftedBy, ReviewedBy: a.ReviewedBy,
		ApprovedBy: a.ApprovedBy, Year: a.Year, Filing: a.Filing, NotifiedAt: a.NotifiedAt, ClaimBy: a.ClaimBy,
		Asked: !a.AskedAt.IsZero(), PaidAt: a.PaidAt, Timeline: newTimeline(a.Timeline),
	}
	return out
}

// reason is the body of return and failed: why, as a code.
type reason struct {
	Reason string `json:"reason"`
}

func (r reason) code() string { return r.Reason }

// filing is the body of file: where the level above has it.
type filing struct {
	Reference string `json:"reference"`
}

func (f filing) reference() string { return f.Reference }
