package console

import (
	"context"
	"time"

	"gridwatch/media/redact"
	"gridwatch/server/casefile"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// queued is a report in the desk's queue.
type queued struct {
	head

	Number       string    `json:"number"`
	Channel      string    `json:"channel"`
	RegisteredAt time.Time `json:"registeredAt"`
	DecideBy     time.Time `json:"decideBy,omitzero"`
	ConcludeBy   time.Time `json:"concludeBy,omitzero"`
	Grid         string    `json:"grid"`
	TargetName   string    `json:"targetName"`
	Allegations  int       `json:"allegations"`
	Evidence     int       `json:"evidence"`
	Messages     int       `json:"messages"`            // from the reporter
	MessageOn    string    `json:"messageOn,omitempty"` // date of the newest
}

func newQueued(r *casefile.Report) queued {
	return queued{
		head: newHead(&r.Head), Number: r.Number, Channel: r.Channel, RegisteredAt: r.At, DecideBy: r.DecideBy, ConcludeBy: r.ConcludeBy,
		Grid: r.Target.Grid, TargetName: r.Target.Name, Allegations: len(r.Allegations), Evidence: len(r.Evidence),
		Messages: r.Behind.Dialogue.FromReporter, MessageOn: r.Behind.Dialogue.ReporterOn,
	}
}

// deskReport is all of a report but who sent it. Only the desk sees it.
type deskReport struct {
	queued

	Area        string           `json:"area"`
	Mode        casefile.Mode    `json:"mode"`
	Narrative   string           `json:"narrative"`
	Allegations []deskAllegation `json:"allegations"`
	TargetText  string           `json:"targetText"`
	Target      target           `json:"target"`
	Stood       *place           `json:"stood,omitempty"`
	Evidence    []deskEvidence   `json:"evidence"`
	Brief       string           `json:"brief"`
	Refusal     string           `json:"refusal,omitempty"`   // reason code
	Envelope    string           `json:"sealFault,omitempty"` // who reported cannot be opened: unreadable, swapped
	Tasks       []string         `json:"tasks"`
	Conclusion  *conclusion      `json:"conclusion,omitempty"`
	Reply       *casefile.Reply  `json:"reply,omitempty"`
	Timeline    []event          `json:"timeline"`

	ServedOn   string      `json:"servedOn,omitempty"` // date the answer counts as served
	Objection  *objection  `json:"objection,omitempty"`
	Withdrawal *withdrawal `json:"withdrawal,omitempty"`

	Attachments []attachment `json:"attachments"` // files for the reporter, sent or waiting for a message

	// ArchivedOn is the date on which what the sender said was sealed away to the
	// rings; it is not shown since.
	ArchivedOn string          `json:"archivedOn,omitempty"`
	Holds      []casefile.Hold `json:"holds"`
}

// attachment is a file of the desk for the reporter.
type attachment struct {
	ID     string                 `json:"id"`
	Kind   casefile.EvidenceKind  `json:"kind"`
	State  casefile.EvidenceState `json:"state"`
	Reason string                 `json:"reason,omitempty"` // code, of a rejected item
	Sent   bool                   `json:"sent"`             // it is in a message
}

func newAttachment(e casefile.Evidence) attachment {
	return attachment{ID: e.ID, Kind: e.Kind, State: e.State, Reason: e.Reason, Sent: e.Released}
}

// objection is what the reporter says against the answer (R10).
type objection struct {
	On        string `json:"on"` // date
	RecheckBy string `json:"recheckBy"`
	Text      string `json:"text"`
}

// withdrawal of the report (R9).
type withdrawal struct {
	CallBack bool   `json:"callBack"` // it was withdrawn under pressure
	Text     string `json:"text"`
}

type deskAllegation struct {
	allegation

	Text string `json:"text"` // the sender's wording
}

type target struct {
	Place     *place    `json:"place,omitempty"`
	Grid      string    `json:"grid"`
	Name      string    `json:"name"`
	Confirmed time.Time `json:"confirmedAt,omitzero"`
}

type deskEvidence struct {
	ID       string                 `json:"id"`
	N        int                    `json:"n"` // from 1
	Kind     casefile.EvidenceKind  `json:"kind"`
	State    casefile.EvidenceState `json:"state"`
	Reason   string                 `json:"reason,omitempty"` // code, of a rejected item
	Released bool                   `json:"released"`
	Held     bool                   `json:"held"`   // legal hold
	OnSite   bool                   `json:"onSite"` // the copy may be shown to people there
	Used     bool                   `json:"used"`   // it was handed on: no taking back
	Copies   []casefile.CopyKind    `json:"copies"` // that there are
	Doubts   []casefile.Doubt       `json:"doubts"`
	casefile.EvidenceFacts

	Seen []verdict `json:"seen"` // where else
}

// verdict says where an item was seen besides. No sender is ever told.
type verdict struct {
	Kind   workflow.VerdictKind `json:"kind"`
	Report string               `json:"report"`
	Number string               `json:"number"`
	N      int                  `json:"n"` // of the other item, from 1
}

type conclusion struct {
	Record   string    `json:"record"`
	SignedBy string    `json:"signedBy"`
	SignedAt time.Time `json:"signedAt"`
}

func newDeskReport(_ *web.Request, r workflow.DeskReport) deskReport {
	out := deskReport{
		queued: newQueued(&r.Report), Area: r.Area, Mode: r.Body.Mode, Narrative: r.Body.Narrative, TargetText: r.Body.Target,
		Target: target{Place: newPlace(r.Target.Place), Grid: r.Target.Grid, Name: r.Target.Name, Confirmed: r.Target.Confirmed},
		Brief:  r.Brief, Refusal: r.Refusal.Reason, Envelope: r.SealFault, Tasks: whole(r.Tasks), Evidence: []deskEvidence{}, Timeline: newTimeline(r.Timeline),
		Allegations: each(r.Allegations, func(a casefile.Allegation) deskAllegation {
			return deskAllegation{allegation: newAllegation(a), Text: r.Body.Wording[a.ID]}
		}),
	}
	if r.Body.Stood != nil {
		out.Stood = newPlace(*r.Body.Stood)
	}
	for i, facts := range r.Facts {
		item := r.Evidence[i]
		out.Evidence = append(out.Evidence, deskEvidence{
			ID: item.ID, N: i + 1, Kind: item.Kind, State: item.State, Reason: item.Reason, Released: item.Released, Held: item.Held, OnSite: item.OnSite, Used: item.Used,
			Copies: each(item.Copies, func(c casefile.Copy) casefile.CopyKind { return c.Kind }), EvidenceFacts: facts,
			Seen: each(r.Seen[i], func(v workflow.Verdict) verdict { return verdict(v) }), Doubts: whole(r.Doubts[i]),
		})
	}
	if !r.Conclusion.SignedAt.IsZero() {
		c := conclusion(r.Conclusion)
		out.Conclusion = &c
	}
	if !r.Reply.At.IsZero() {
		out.Reply = &r.Reply
	}
	out.ServedOn, out.Attachments = r.Behind.ServedOn, each(r.Behind.Sent, newAttachment)
	out.ArchivedOn, out.Holds = r.Archive.On, whole(r.Holds)
	if o := r.Behind.Objection; o.On != "" {
		out.Objection = &objection{On: o.On, RecheckBy: o.RecheckBy, Text: r.Objection}
	}
	if w := r.Withdrawal; w != nil {
		out.Withdrawal = &withdrawal{CallBack: w.Pressed, Text: w.Text}
	}
	return out
}

// brief is a report as who signs and rewards sees it: the desk's words, and
// nothing of what was sent or when (confidentiality 6).
type brief struct {
	head

	Number      string       `json:"number"`
	Brief       string       `json:"brief"`
	Allegations []allegation `json:"allegations"`
	TargetName  string       `json:"targetName"`
	Grid        string       `json:"grid"`
	Evidence    []listed     `json:"evidence"`

	Holds []casefile.Hold `json:"holds"`
}

// listed is an item as others than the desk see it (confidentiality 7).
type listed struct {
	N     int                    `json:"n"` // from 1
	Kind  casefile.EvidenceKind  `json:"kind"`
	State casefile.EvidenceState `json:"state"`
}

func newListed(items []casefile.Evidence) []listed {
	out := []listed{}
	for i, e := range items {
		out = append(out, listed{N: i + 1, Kind: e.Kind, State: e.State})
	}
	return out
}

// briefRow is a report in the list of who signs and rewards.
type briefRow struct {
	head

	Number     string `json:"number"`
	TargetName string `json:"targetName"`
	Grid       string `json:"grid"`
}

func newBriefRow(r *casefile.Report) briefRow {
	return briefRow{head: newHead(&r.Head), Number: r.Number, TargetName: r.Target.Name, Grid: r.Target.Grid}
}

type allegation struct {
	ID      string           `json:"id"`
	Matter  casefile.Matter  `json:"matter"`
	Brief   string           `json:"brief"`
	Finding casefile.Finding `json:"finding,omitempty"`
}

func newAllegation(a casefile.Allegation) allegation { return allegation(a) }

func newBrief(_ *web.Request, r *casefile.Report) brief {
	return brief{
		head: newHead(&r.Head), Number: r.Number, Brief: r.Brief, Allegations: each(r.Allegations, newAllegation),
		TargetName: r.Target.Name, Grid: r.Target.Grid, Evidence: newListed(r.Evidence), Holds: whole(r.Holds),
	}
}

// assignee is an inspector who could take a task.
type assignee struct {
	Person string `json:"person"`
	Label  string `json:"label"`
	Own    bool   `json:"own"`  // the target lies in the inspector's own grid or village
	Open   int    `json:"open"` // tasks not done
}

// assignees serves GET /v1/office/reports/:id/assignees, best first.
func assignees(s *workflow.Service) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		found, err := s.SuggestAssignees(q.Context(), q.Actor, q.Param("id"))
		return web.Reply{Body: web.Page[assignee]{Items: each(found, newAssignee)}}, err
	}
}

func newAssignee(a workflow.Assignee) assignee {
	return assignee{Person: a.Person.ID, Label: a.Person.Label, Own: a.Own, Open: a.Open}
}

// evidence handles an item of a report: the copy that was released, or the one
// of ?copy.
func evidence(s *workflow.Service) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		kind, err := q.QueryOneOf("copy", string(casefile.DisplayCopy), string(casefile.ThumbnailCopy), string(casefile.VideoCopy),
			string(casefile.PosterCopy), string(casefile.AudioCopy), string(casefile.ReleasedCopy))
		if err != nil {
			return web.Reply{}, err
		}
		return downloaded(q)(s.ReportEvidence(q.Context(), q.Actor, q.Param("id"), q.Param("item"), casefile.CopyKind(kind)))
	}
}

// file handles the download of an item of a record.
func file(do func(ctx context.Context, actor casefile.Actor, id, item string) (workflow.Original, error)) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		return downloaded(q)(do(q.Context(), q.Actor, q.Param("id"), q.Param("item")))
	}
}

// downloaded answers with a file, named as its item.
func downloaded(q *web.Request) func(workflow.Original, error) (web.Reply, error) {
	return func(f workflow.Original, err error) (web.Reply, error) {
		if err != nil {
			return web.Reply{}, err
		}
		return web.Reply{Stream: &web.Stream{
			ReadCloser: f.ReadCloser, Size: f.Size, Type: f.Type, Name: web.FileName(q.Param("item"), f.Type), Tag: f.Tag,
		}}, nil
	}
}

// export handles the download of an archive of a record's evidence.
func export(do func(ctx context.Context, actor casefile.Actor, id string) (workflow.Original, error)) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		f, err := do(q.Context(), q.Actor, q.Param("id"))
		if err != nil {
			return web.Reply{}, err
		}
		return web.Reply{Stream: &web.Stream{ReadCloser: f.ReadCloser, Size: f.Size, Type: f.Type, Name: q.Param("id") + ".zip"}}, nil
	}
}

// item handles a command about an item of a record that needs nothing else.
func item(do func(ctx context.Context, c workflow.Call, id, item string) (casefile.Outcome, error)) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		c, err := call(q)
		if err != nil {
			return web.Reply{}, err
		}
		return answer(do(q.Context(), c, q.Param("id"), q.Param("item")))
	}
}

// released is how the desk lets others see an item (schema office-release).
type released struct {
	Crop   *redact.Rect  `json:"crop"`
	Hide   []redact.Mask `json:"hide"`
	OnSite bool          `json:"onSite"`
}

// release serves POST /v1/office/reports/:id/evidence/:item/release.
func release(s *workflow.Service) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		c, in, err := decoded[released](q)
		if err != nil {
			return web.Reply{}, err
		}
		return answer(s.ReleaseEvidence(q.Context(), c, q.Param("id"), q.Param("item"), workflow.Release{
			Edit: redact.Edit{Crop: in.Crop, Hide: in.Hide}, OnSite: in.OnSite,
		}))
	}
}
