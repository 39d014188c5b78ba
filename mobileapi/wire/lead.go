package wire

import (
	"gridwatch/server/casefile"
	"gridwatch/server/web"
)

// Lead (线索) is the question whether a copy of an item may enter a case file,
// and what became of it.
type Lead struct {
	ID        string                `json:"id"`
	N         int                   `json:"n"` // of the item, from 1
	Kind      casefile.EvidenceKind `json:"kind"`
	File      casefile.CaseFile     `json:"file"`
	State     casefile.State        `json:"state"`
	AskedOn   string                `json:"askedOn"`             // date
	AnswerBy  string                `json:"answerBy"`            // date; no answer by then is no
	DecidedOn string                `json:"decidedOn,omitempty"` // date of release or denial
	Meaning   string                `json:"meaning"`             // what a yes means
}

// AnswerLead is the reporter's yes or no (schema receipt-lead).
type AnswerLead struct {
	Agree bool `json:"agree"`
}

// meanings say what a yes means, before it is given.
var meanings = map[web.Lang]string{
	web.EN: "The office wants to put the copy of this item, which you can look at, into the file of a case. " +
		"Who is punished may read that file. The copy has no name, place or time in it, but the picture itself may tell who took it, from where and when. " +
		"No, or no answer by the last day, is a no: it has no other consequence and is final. A yes can be taken back until the copy is in the file; from there it cannot.",
	web.ZH: "办案机关申请将该材料的副本放入案卷，副本可先行查看。被处罚人依法可以查阅案卷。副本不含姓名、位置和时间信息，" +
		"但画面本身可能显示由谁、从哪里、什么时候拍摄。不同意或者到期未答复即为不同意，不产生其他影响，且不再征询；同意的，在放入案卷前可以撤回，放入后不能取出。",
}

func fromLead(l *casefile.Lead, lang web.Lang) Lead {
	return Lead{
		ID: l.ID, N: l.N, Kind: l.Copy.Kind, File: l.File, State: l.State, AskedOn: l.AskedOn, AnswerBy: l.AnswerBy,
		DecidedOn: l.DecidedOn, Meaning: meanings[lang],
	}
}
