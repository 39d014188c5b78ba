package wire

import (
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// OpenReceipt asks for a token by the receipt code (schema receipt-session).
type OpenReceipt struct {
	Code string `json:"code"`
}

// ReceiptSession opens the routes of one receipt.
type ReceiptSession struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

// Receipt is what the reporter sees: dates, and no times of the office's work.
type Receipt struct {
	Number       string         `json:"number"`
	State        casefile.State `json:"state"`
	RegisteredOn string         `json:"registeredOn"` // date
	Evidence     []ReceiptItem  `json:"evidence"`
	Refusal      *Refusal       `json:"refusal,omitempty"`
	Reply        *Reply         `json:"reply,omitempty"`
	Award        *Award         `json:"award,omitempty"` // once the reporter was notified
	Openings     []Opening      `json:"openings"`
	Leads        []Lead         `json:"leads"`
	ContactUses  []ContactUse   `json:"contactUses"`
	ServedOn     string         `json:"servedOn,omitempty"` // date the answer counts as served
	Objected     bool           `json:"objected"`
	Messages     Messages       `json:"messages"`
	TriesLeft    int            `json:"triesLeft"` // of the claim password, if there is one
}

// Messages counts the dialogue. What was read is known to no one but the app.
type Messages struct {
	FromDesk int    `json:"fromDesk"`
	DeskOn   string `json:"deskOn,omitempty"` // date of the newest
	Sent     int    `json:"sent"`
}

// Message (留言) of the dialogue.
type Message struct {
	N           int           `json:"n"` // order, from 1
	From        casefile.Side `json:"from"`
	On          string        `json:"on"` // date
	Text        string        `json:"text"`
	Attachments []Attachment  `json:"attachments"`

	Archived bool `json:"archived,omitempty"` // sealed away: there is no text any more
}

// Attachment is a file of a message, made anew.
type Attachment struct {
	ID   string                `json:"id"`
	Kind casefile.EvidenceKind `json:"kind"`
	Type string                `json:"type"` // media type
	Size int64                 `json:"size"` // bytes
}

// WriteMessage is a message to the desk (schema receipt-message).
type WriteMessage struct {
	Text string `json:"text"`
}

// Withdraw ends the report (schema receipt-withdrawal).
type Withdraw struct {
	Pressed bool   `json:"pressed,omitempty"`
	Text    string `json:"text,omitempty"`
}

// Close ends the receipt (schema receipt-closing).
type Close struct {
	ForfeitAward bool `json:"forfeitAward,omitempty"`
}

// Exchange asks for a fresh code (schema receipt-exchange).
type Exchange struct {
	Code     string `json:"code"`
	Password string `json:"password,omitempty"`
}

// Exchanged is the fresh code, shown once.
type Exchanged struct {
	Code string `json:"code"`
}

// ClaimByCode claims with the claim password (schema receipt-claim).
type ClaimByCode struct {
	Password string `json:"password"`
}

// Added are files that came later.
type Added struct {
	Evidence []StoredFile `json:"evidence"`
}

// Moved is the answer to what a reporter does: the state, and no version.
type Moved struct {
	State casefile.State `json:"state"`
}

// FromMessage shows a message.
func FromMessage(m *workflow.ShownMessage) Message {
	out := Message{N: m.N, From: m.From, On: m.On, Text: m.Text, Attachments: []Attachment{}, Archived: m.Archived}
	for _, f := range m.Files {
		out.Attachments = append(out.Attachments, Attachment(f))
	}
	return out
}

// FromAdded shows what came later.
func FromAdded(a workflow.AddedEvidence) Added { return Added{storedFiles(a.First, a.Files)} }

// ReceiptItem is one item of evidence.
type ReceiptItem struct {
	N      int                    `json:"n"` // from 1
	Kind   casefile.EvidenceKind  `json:"kind"`
	State  casefile.EvidenceState `json:"state"`
	Reason string                 `json:"reason,omitempty"` // code, of a rejected item
}

// Refusal says why the report was not taken up (不予受理).
type Refusal struct {
	Reason string `json:"reason"` // code
	Text   string `json:"text"`
}

// Reply (答复) has four elements.
type Reply struct {
	Conclusion string `json:"conclusion"`
	Facts      string `json:"facts"`
	Decision   string `json:"decision"`
	Reward     string `json:"reward"`
}

// Award (奖励) as its receiver sees it.
type Award struct {
	Number  string         `json:"number"`
	Fen     int64          `json:"fen"`
	State   casefile.State `json:"state"`
	ClaimBy time.Time      `json:"claimBy"`
	Asked   bool           `json:"asked"` // the reporter asked for payment
}

// Opening (开封) is one time that somebody asked who reported.
type Opening struct {
	Purpose casefile.Purpose `json:"purpose"`
	Day     string           `json:"day"` // date it was asked for
	// Result is what ring A's officer found (casefile.OpeningResult), or "denied"
	// or, as long as there is none, "asked".
	Result string `json:"result"`
}

// ContactUse (联系方式使用) is one time that the reporter's contact was used. That
// of an anonymous report holds nothing.
type ContactUse struct {
	Purpose casefile.ContactPurpose `json:"purpose"`
	Day     string                  `json:"day"` // date
}

// ClaimedAward is the answer to asking for an award.
type ClaimedAward struct {
	State casefile.State `json:"state"`
	Asked bool           `json:"asked"`
}

// FromReceipt shows a receipt.
func FromReceipt(v workflow.ReceiptView, lang web.Lang) Receipt {
	r := v.Report
	out := Receipt{
		Number: r.Number, State: r.State.ForReporter(), RegisteredOn: day(r.At), Evidence: []ReceiptItem{}, Openings: []Opening{}, Leads: []Lead{},
		ContactUses: []ContactUse{},
		ServedOn:    r.Behind.ServedOn, Objected: r.Behind.Objection.On != "", TriesLeft: v.TriesLeft,
		Messages: Messages{FromDesk: r.Behind.Dialogue.FromDesk, DeskOn: r.Behind.Dialogue.DeskOn, Sent: r.Behind.Dialogue.FromReporter},
	}
	for i, e := range r.Evidence {
		out.Evidence = append(out.Evidence, ReceiptItem{N: i + 1, Kind: e.Kind, State: e.State, Reason: e.Reason})
	}
	if r.Refusal.Reason != "" {
		out.Refusal = &Refusal{Reason: r.Refusal.Reason, Text: v.Refusal}
	}
	if p := r.Reply; !p.At.IsZero() {
		out.Reply = &Reply{Conclusion: p.Conclusion, Facts: p.Facts, Decision: p.Decision, Reward: p.Reward}
	}
	if a := v.Award; a != nil {
		out.Award = &Award{Number: a.Number, Fen: a.Fen, State: a.State, ClaimBy: a.ClaimBy, Asked: !a.AskedAt.IsZero()}
	}
	for i := range v.Openings {
		out.Openings = append(out.Openings, fromOpening(&v.Openings[i]))
	}
	for i := range v.Leads {
		out.Leads = append(out.Leads, fromLead(&v.Leads[i], lang))
	}
	for _, u := range v.Contacts {
		out.ContactUses = append(out.ContactUses, ContactUse{Purpose: u.Purpose, Day: day(u.At)})
	}
	return out
}

func fromOpening(o *casefile.Opening) Opening {
	out := Opening{Purpose: o.Purpose, Day: day(o.At), Result: "asked"}
	if o.State == casefile.OpeningFinished {
		out.Result = string(o.Result)
	}
	if o.State == casefile.OpeningDenied {
		out.Result = "denied"
	}
	return out
}
