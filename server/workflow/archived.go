package workflow

import (
	"context"

	"gridwatch/media"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
)

// ArchivedReport is what was sealed away of a report, still sealed: the
// originals of its evidence, and what was said once the term is over. Bytes are
// base64 in JSON.
type ArchivedReport struct {
	Tenant     string            `json:"tenant"`
	Report     string            `json:"report"`
	Envelope   string            `json:"envelope"`
	Keys       []byte            `json:"keys,omitempty"` // what was put into the strongbox when the term was over
	Body       []byte            `json:"body,omitempty"`
	Objection  []byte            `json:"objection,omitempty"`
	Withdrawal []byte            `json:"withdrawal,omitempty"`
	Messages   []ArchivedMessage `json:"messages"`
	Items      []ArchivedItem    `json:"items"`
}

// ArchivedMessage is a message that was sealed away.
type ArchivedMessage struct {
	ID     string        `json:"id"`
	From   casefile.Side `json:"from"`
	On     string        `json:"on"` // date
	Sealed []byte        `json:"sealed"`
}

// ArchivedItem is an item of evidence that was sealed away.
type ArchivedItem struct {
	ID     string                `json:"id"`
	Kind   casefile.EvidenceKind `json:"kind"`
	Keys   []byte                `json:"keys,omitempty"` // what was put into the strongbox when it was settled
	Sealed []byte                `json:"sealed"`         // its facts
	Object string                `json:"object"`
	Parts  int                   `json:"parts"`
	Runs   []media.Run           `json:"runs,omitempty"`
}

// archiveOf reads the report of a request whose archive its officer of ring A
// opens now.
func (s *Service) archiveOf(ctx context.Context, actor casefile.Actor, id string) (*casefile.Report, error) {
	o, err := load(ctx, actor, s.Openings, id, casefile.OpeningFinish)
	if err != nil {
		return nil, err
	}
	refused := fault.New(fault.Conflict, "opening.no_archive", "an archive is read by the officer who brought the one-time key, once ring B has peeled")
	if !o.Purpose.OfArchive() || o.State != casefile.OpeningPeeled || actor.Person != o.RingA || !s.now().Before(o.Expires) {
		return nil, refused
	}
	r, err := s.Reports.Get(ctx, o.Tenant, o.Report)
	if err == nil && r.Strongbox.Recipient == "" { // erased meanwhile
		err = refused
	}
	return r, err
}

// ReadArchive returns what was sealed away of a report, still sealed, to the
// officer of ring A who opens it.
func (s *Service) ReadArchive(ctx context.Context, actor casefile.Actor, id string) (ArchivedReport, error) {
	r, err := s.archiveOf(ctx, actor, id)
	if err != nil {
		return ArchivedReport{}, err
	}
	out := ArchivedReport{Tenant: r.Tenant, Report: r.ID, Envelope: r.Envelope}
	for _, e := range r.Evidence {
		if away(r, e) {
			out.Items = append(out.Items, ArchivedItem{
				ID: e.ID, Kind: e.Kind, Keys: e.Away, Sealed: e.Sealed, Object: e.Object, Parts: e.Parts, Runs: original(e).Runs,
			})
		}
	}
	if !r.Archived() { // what was said the desk reads
		return out, nil
	}
	out.Keys, out.Body, out.Objection, out.Withdrawal = r.Archive.Keys, r.Sealed, r.Behind.Objection.Sealed, r.Behind.Withdrawal
	messages, err := s.Messages.List(ctx, r.Tenant, r.ID, 0, r.Archive.Before)
	if err != nil {
		return ArchivedReport{}, err
	}
	for _, m := range messages {
		if m.N <= r.Archive.Before {
			out.Messages = append(out.Messages, ArchivedMessage{ID: m.ID, From: m.From, On: m.On, Sealed: m.Sealed})
		}
	}
	return out, nil
}

// away says whether the original of an item is here and only the rings read it.
func away(r *casefile.Report, e casefile.Evidence) bool {
	return e.Object != "" && (e.SealedAway() || (r.Archived() && len(e.Key) == 0 && e.Here()))
}

// ReadArchivedItem returns a part of an item of evidence, from 1, as it lies in
// the store.
func (s *Service) ReadArchivedItem(ctx context.Context, actor casefile.Actor, id, item string, n int) ([]byte, error) {
	r, err := s.archiveOf(ctx, actor, id)
	if err != nil {
		return nil, err
	}
	e, ok := casefile.FindEvidence(r.Evidence, item)
	if !ok || !away(r, *e) || n < 1 || n > e.Parts {
		return nil, fault.Absent()
	}
	return s.Media.SealedPart(ctx, original(*e), n)
}

// OpenedReport is an archived report in clear, on the officer's own machine.
type OpenedReport struct {
	Narrative  string                   `json:"narrative"`
	Target     string                   `json:"target"`
	Wording    map[string]string        `json:"wording"` // by allegation
	Objection  string                   `json:"objection,omitempty"`
	Withdrawal string                   `json:"withdrawal,omitempty"`
	Messages   []OpenedMessage          `json:"messages"`
	Facts      []casefile.EvidenceFacts `json:"evidence"` // of Items, same order
}

// OpenedMessage is a message in clear.
type OpenedMessage struct {
	From casefile.Side `json:"from"`
	On   string        `json:"on"` // date
	Text string        `json:"text"`
}

// Open takes the keys of an archived report out of the strongbox that both
// rings opened, and reads it by them. It asks no server. It returns
// vault.ErrUnreadable or vault.ErrBinding if the box is another report's.
func (a ArchivedReport) Open(box *vault.OpenedBox) (OpenedReport, *vault.Archive, error) {
	var files [][]byte
	if len(a.Keys) > 0 {
		files = append(files, a.Keys)
	}
	for _, item := range a.Items {
		if len(item.Keys) > 0 {
			files = append(files, item.Keys)
		}
	}
	by, err := box.Take(files...)
	if err != nil {
		return OpenedReport{}, nil, err
	}
	var out OpenedReport
	if len(a.Keys) > 0 {
		if out, err = a.said(by); err != nil {
			return out, nil, err
		}
	}
	for _, item := range a.Items {
		var facts casefile.EvidenceFacts
		if key, ok := by.Key(copyPlace(a.place(item))); ok && len(item.Sealed) > 0 {
			if err := openJSON(key, item.Sealed, &facts, factsAD(a.Envelope, item.ID)); err != nil {
				return out, nil, err
			}
		}
		out.Facts = append(out.Facts, facts)
	}
	return out, by, nil
}

// said reads what was said in a report whose term is over.
func (a ArchivedReport) said(by *vault.Archive) (OpenedReport, error) {
	key, ok := by.Key(a.Envelope)
	if !ok {
		return OpenedReport{}, vault.ErrUnreadable
	}
	var body casefile.ReportBody
	if err := openJSON(key, a.Body, &body, reportBodyAD(a.Report)); err != nil {
		return OpenedReport{}, err
	}
	out := OpenedReport{Narrative: body.Narrative, Target: body.Target, Wording: body.Wording}
	if len(a.Objection) > 0 {
		if err := openJSON(key, a.Objection, &out.Objection, objectionAD(a.Report)); err != nil {
			return out, err
		}
	}
	if len(a.Withdrawal) > 0 {
		var w casefile.Withdrawal
		if err := openJSON(key, a.Withdrawal, &w, withdrawalAD(a.Report)); err != nil {
			return out, err
		}
		out.Withdrawal = w.Text
	}
	for _, m := range a.Messages {
		text := ""
		if err := openJSON(key, m.Sealed, &text, messageAD(m.ID)); err != nil {
			return out, err
		}
		out.Messages = append(out.Messages, OpenedMessage{From: m.From, On: m.On, Text: text})
	}
	return out, nil
}

func (a ArchivedReport) place(item ArchivedItem) media.Place {
	return media.Place{Tenant: a.Tenant, Record: a.Envelope, Item: item.ID}
}

// OpenPart opens a part of an item, of what ReadArchivedItem returned.
func (a ArchivedReport) OpenPart(sealed []byte, item ArchivedItem, n int, by *vault.Archive) ([]byte, error) {
	key, ok := by.Key(keyPlace(a.place(item)))
	if !ok {
		return nil, vault.ErrUnreadable
	}
	return media.OpenPart(sealed, media.Ref{Object: item.Object, Parts: item.Parts, Runs: item.Runs}, n, n == item.Parts, key)
}
