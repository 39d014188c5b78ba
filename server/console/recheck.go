package console

import (
	"gridwatch/server/casefile"
	"gridwatch/server/web"
)

// recheckRow is a report in the list of the level above.
type recheckRow struct {
	briefRow

	RecheckBy string `json:"recheckBy"` // date
}

func newRecheckRow(r *casefile.Report) recheckRow {
	return recheckRow{briefRow: newBriefRow(r), RecheckBy: r.Behind.Objection.RecheckBy}
}

// recheckView is a report that is rechecked: the desk's words, what was found
// and what was answered.
type recheckView struct {
	brief

	RecheckBy  string         `json:"recheckBy"` // date
	Conclusion conclusion     `json:"conclusion"`
	Reply      casefile.Reply `json:"reply"`
}

func newRecheck(q *web.Request, r *casefile.Report) recheckView {
	return recheckView{
		brief: newBrief(q, r), RecheckBy: r.Behind.Objection.RecheckBy, Conclusion: conclusion(r.Conclusion), Reply: r.Reply,
	}
}
