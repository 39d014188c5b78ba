package workflow

import (
	"context"
	"errors"
	"slices"
	"time"

	"gridwatch/media"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
)

// ShownMessage is a message in clear.
type ShownMessage struct {
	casefile.Message
	Text  string
	Files []ShownFile // of Attachments, same order

	Archived bool // sealed away to the rings; there is no text
}

// ReadDialogue returns messages behind the actor's own receipt after a number.
// Reading leaves no trace: neither side learns what the other has read.
func (s *Service) ReadDialogue(ctx context.Context, actor casefile.Actor, after, limit int) ([]ShownMessage, error) {
	return s.dialogue(ctx, actor, actor.Report, casefile.ReceiptRead, after, limit)
}

// DeskDialogue is ReadDialogue for the desk.
func (s *Service) DeskDialogue(ctx context.Context, actor casefile.Actor, id string, after, limit int) ([]ShownMessage, error) {
	return s.dialogue(ctx, actor, id, casefile.ReportRead, after, limit)
}

func (s *Service) dialogue(
	ctx context.Context, actor casefile.Actor, id string, action casefile.Action, after, limit int,
) ([]ShownMessage, error) {
	r, err := load(ctx, actor, s.Reports, id, action)
	if err != nil || r.State == casefile.ReportErased {
		return nil, err
	}
	key, err := s.reportKey(ctx, r)
	if err != nil {
		return nil, err
	}
	kept, err := s.Messages.List(ctx, r.Tenant, r.ID, after, limit)
	if err != nil {
		return nil, err
	}
	for _, e := range r.Pending { // on their way to the others
		if m := e.Message; m != nil && m.N > after && !slices.ContainsFunc(kept, func(k casefile.Message) bool { return k.ID == m.ID }) {
			kept = append(kept, *m)
		}
	}
	slices.SortFunc(kept, func(a, b casefile.Message) int { return a.N - b.N })
	var out []ShownMessage
	for _, m := range kept[:min(limit, len(kept))] {
		shown := ShownMessage{Message: m, Files: filesOf(r, m), Archived: r.Archived() && m.N <= r.Archive.Before}
		if shown.Archived {
			out = append(out, shown)
			continue
		}
		if err := openJSON(key, m.Sealed, &shown.Text, messageAD(m.ID)); err != nil {
			return nil, err
		}
		out = append(out, shown)
	}
	return out, nil
}

func messageAD(id string) []byte { return vault.AD("message", id, "text") }

// WriteToDesk (留言) adds the reporter's message to the dialogue.
func (s *Service) WriteToDesk(ctx context.Context, call Call, text string) (casefile.Outcome, error) {
	return s.write(ctx, call, call.Actor.Report, casefile.ReceiptWrite, "reporter_message", DeskMessage{Text: text}, nil)
}

// write is one side's message. It is an effect of the report, so that message
// and count are written together.
func (s *Service) write(
	ctx context.Context, call Call, id string, action casefile.Action, command casefile.Command, in DeskMessage, items []casefile.Evidence,
) (casefile.Outcome, error) {
	tenant, err := s.Directory.Tenant(ctx, call.Actor.Tenant)
	if err != nil {
		return casefile.Outcome{}, err
	}
	return s.onReport(ctx, call, id, action, command,
		func(r *casefile.Report, e *casefile.Event) ([]casefile.Effect, error) {
			d := &r.Behind.Dialogue
			if d.Messages() >= tenant.Policy.MaxMessages {
				return nil, fault.New(fault.Conflict, "message.too_many", "this dialogue is as long as it can be: %d messages", tenant.Policy.MaxMessages)
			}
			if len(items) > tenant.Policy.room(r.Behind.Sent) {
				return nil, errTooManyItems(tenant.Policy.MaxManifest)
			}
			m := &casefile.Message{
				ID: s.Keyring.RecordIDs(call.Key, r.Tenant, r.ID, string(command))[0], Tenant: r.Tenant, Report: r.ID,
				N: d.Messages() + 1, From: casefile.FromReporter, On: s.today(),
			}
			if command == "desk_message" {
				m.From = casefile.FromDesk
				d.FromDesk, d.DeskOn = d.FromDesk+1, m.On
			} else {
				e.At = onlyDay(e.At)
				d.FromReporter, d.ReporterOn = d.FromReporter+1, m.On
			}
			key, err := s.reportKey(ctx, r)
			if err != nil {
				return nil, err
			}
			if m.Sealed, err = sealPadded(key, in.Text, textClass, messageAD(m.ID)); err != nil {
				return nil, err
			}
			for _, item := range items {
				m.Attachments = append(m.Attachments, item.ID)
			}
			if err := attach(r, in.Attachments); err != nil {
				return nil, err
			}
			m.Attachments = append(m.Attachments, in.Attachments...)
			r.Behind.Sent = append(r.Behind.Sent, items...)
			e.Ref = m.ID
			return []casefile.Effect{{Message: m}}, nil
		})
}

// placeOfReport is where the items of a report lie.
func placeOfReport(r *casefile.Report) media.Place {
	return media.Place{Tenant: r.Tenant, Record: r.Envelope}
}

// reportStage is a stage whose items are the report's own.
func reportStage(r *casefile.Report, maxItems int) *stage {
	return &stage{id: r.Envelope, tenant: r.Tenant, max: maxItems}
}

// settle removes the items of a stage that the record did not take: those of a
// repeat, or of a command that was refused. Where it cannot be known whether
// the record was written they are left to the sweep.
func (s *Service) settle(ctx context.Context, call Call, id string, st *stage, err error) error {
	if len(st.items) == 0 {
		return err
	}
	r, getErr := s.Reports.Get(context.WithoutCancel(ctx), call.Actor.Tenant, id)
	if getErr != nil {
		return errors.Join(err, getErr)
	}
	for _, manifest := range [][]casefile.Evidence{r.Evidence, r.Behind.Sent} {
		if _, ok := casefile.FindEvidence(manifest, st.items[0].ID); ok {
			return err
		}
	}
	if kind := fault.KindOf(err); err == nil || (kind != fault.Internal && kind != fault.Busy) {
		s.discard(ctx, st.items)
	}
	return err
}

// AddedEvidence is what came later, and where it stands in the manifest.
type AddedEvidence struct {
	First int // number of the first, from 1
	Files []vault.File
}

// AddEvidence (补充证据) adds files to the actor's own report. They are durable
// when it returns, and a repeat with the same key adds nothing.
func (s *Service) AddEvidence(ctx context.Context, call Call, files Files) (AddedEvidence, error) {
	r, err := load(ctx, call.Actor, s.Reports, call.Actor.Report, casefile.ReceiptWrite)
	if err != nil {
		return AddedEvidence{}, err
	}
	tenant, err := s.Directory.Tenant(ctx, r.Tenant)
	if err != nil {
		return AddedEvidence{}, err
	}
	st := reportStage(r, min(tenant.Policy.MaxItems, tenant.Policy.room(r.Evidence)))
	keys, _, err := s.keys(call, r.ID)
	if err != nil {
		return AddedEvidence{}, err
	}
	if _, again := r.Find(keys); again {
		st.files, err = s.digestAll(ctx, files)
	} else {
		err = s.storeAll(ctx, st, files, s.storeOne)
	}
	if err == nil && len(st.files) == 0 {
		err = fault.New(fault.Invalid, "evidence.none", "the form has at least one file").At("/evidence")
	}
	if err != nil {
		s.discard(ctx, st.items)
		return AddedEvidence{}, err
	}
	// By the end of the day: when in the day is not kept of a reporter.
	if err := s.doubt(ctx, st, circumstances{received: onlyDay(s.now()).AddDate(0, 0, 1)}, tenant.Policy.Doubts); err != nil {
		s.discard(ctx, st.items)
		return AddedEvidence{}, err
	}
	call.Files = st.files
	first := 0
	out, err := s.onReport(ctx, call, r.ID, casefile.ReceiptWrite, "add_evidence",
		func(r *casefile.Report, e *casefile.Event) ([]casefile.Effect, error) {
			if len(st.items) > tenant.Policy.room(r.Evidence) {
				return nil, errTooManyItems(tenant.Policy.MaxManifest)
			}
			e.At, e.Ref = onlyDay(e.At), st.items[0].ID
			first = len(r.Evidence) + 1
			r.Evidence = append(r.Evidence, st.items...)
			return append(s.storedLinks(r.Tenant, r.ID, *e, st, time.Time{}), casefile.CopiesOf(st.items)...), nil
		})
	if err == nil && len(st.items) > 0 && out.Ref == st.items[0].ID { // the record took these, now
		return AddedEvidence{First: first, Files: st.files}, nil
	}
	if err = s.settle(ctx, call, r.ID, st, err); err != nil {
		return AddedEvidence{}, err
	}
	if r, err = s.Reports.Get(ctx, r.Tenant, r.ID); err != nil {
		return AddedEvidence{}, err
	}
	first = slices.IndexFunc(r.Evidence, func(e casefile.Evidence) bool { return e.ID == out.Ref }) + 1
	return AddedEvidence{First: first, Files: st.files}, nil
}

func errTooManyItems(most int) error {
	return fault.New(fault.Invalid, "report.too_many_items", "at most %d files", most).At("/evidence")
}
