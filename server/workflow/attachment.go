package workflow

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"gridwatch/media"
	"gridwatch/media/upload"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
)

// DeskMessage is a message of the desk to a reporter.
type DeskMessage struct {
	Text string `json:"text"`
	// Attachments are ids of items that were announced for the report and arrived.
	// The desk is an office: a colleague of who announced an item may send it.
	Attachments []string `json:"attachments"`
}

// WriteToReporter (回复留言) adds the desk's message. Its attachments are files
// of the form, and files that came in pieces before; of either the reporter gets
// copies drawn anew: nothing tells who made them.
func (s *Service) WriteToReporter(ctx context.Context, call Call, id string, in DeskMessage, files Files) (casefile.Outcome, error) {
	r, err := load(ctx, call.Actor, s.Reports, id, casefile.ReportDecide)
	if err != nil {
		return casefile.Outcome{}, err
	}
	tenant, err := s.Directory.Tenant(ctx, r.Tenant)
	if err != nil {
		return casefile.Outcome{}, err
	}
	keys, _, err := s.keys(call, r.ID)
	if err != nil {
		return casefile.Outcome{}, err
	}
	if len(in.Attachments) > tenant.Policy.MaxItems {
		return casefile.Outcome{}, errTooManyAttachments(tenant.Policy.MaxItems)
	}
	if _, again := r.Find(keys); !again { // before the files of the form cost anything
		if err := attach(r, in.Attachments); err != nil {
			return casefile.Outcome{}, err
		}
	}
	st := reportStage(r, tenant.Policy.MaxItems-len(in.Attachments))
	err = s.storeAll(ctx, st, files, s.copyOne)
	if fault.CodeOf(err) == "report.too_many_items" && len(in.Attachments) > 0 {
		err = errTooManyAttachments(tenant.Policy.MaxItems)
	}
	if err != nil {
		s.discard(ctx, st.items)
		return casefile.Outcome{}, err
	}
	call.Files = st.files
	out, err := s.write(ctx, call, id, casefile.ReportDecide, "desk_message", in, st.items)
	return out, s.settle(ctx, call, r.ID, st, err)
}

// attach gives items that came in pieces to the reporter, each once. What was
// refused stays as it is: the same message can be sent again when the copies
// are made.
func attach(r *casefile.Report, ids []string) error {
	for i, id := range ids {
		at := fmt.Sprintf("/attachments/%d", i)
		item, ok := casefile.FindEvidence(r.Behind.Sent, id)
		switch {
		case !ok:
			return fault.New(fault.Invalid, "attachment.unknown", "an attachment is a file that was announced for a message about this report").At(at)
		case item.Released:
			return fault.New(fault.Conflict, "attachment.used", "the file is in a message already").At(at)
		case item.State == casefile.EvidenceRejected:
			return fault.New(fault.Conflict, "attachment.rejected", "the file was rejected; announce it again").At(at)
		case !item.Here():
			return errNotHere().At(at)
		case item.State == casefile.EvidenceVerified:
			return errNoCopy().At(at)
		case len(item.CopyKey) == 0:
			return fault.New(fault.Conflict, "attachment.archived", "the file was sealed away with the report; announce it again").At(at)
		}
		if _, made := item.Copy(item.Attached()); !made {
			return errNothingToShow().At(at)
		}
		item.Released = true
	}
	return nil
}

// ShownFile is a file of a message as its reader gets it.
type ShownFile struct {
	ID   string
	Kind casefile.EvidenceKind
	Type string // media type of the copy
	Size int64  // bytes of the copy
}

// filesOf are the files of a message of the desk.
func filesOf(r *casefile.Report, m casefile.Message) []ShownFile {
	var out []ShownFile
	for _, id := range m.Attachments {
		if item, ok := casefile.FindEvidence(r.Behind.Sent, id); ok {
			c, _ := item.Copy(item.Attached())
			out = append(out, ShownFile{ID: id, Kind: item.Kind, Type: c.Type, Size: c.Size})
		}
	}
	return out
}

func errTooManyAttachments(most int) error {
	return fault.New(fault.Invalid, "message.too_many_attachments", "a message has at most %d attachments, those of the form among them", most).At("/attachments")
}

// settleAttachment enters what became of a file of the desk. As of one that
// comes by form its copies alone are kept: it is no evidence, and what made it
// is nobody's business.
func (s *Service) settleAttachment(ctx context.Context, ref ItemRef, command casefile.Command, reason string, made []casefile.Copy) error {
	return s.onItem(ctx, ref, command, func(e *casefile.Evidence) ([]casefile.Effect, bool) {
		if e.State != casefile.EvidenceVerified {
			return nil, false
		}
		gone := []casefile.Effect{{Drop: e.Object}}
		if len(made) == 0 {
			return gone, reject(e, cmp.Or(reason, "evidence.nothing_to_show"))
		}
		e.State, e.Copies = casefile.EvidenceDerived, made
		e.Key, e.Object, e.Parts, e.Runs, e.Digest, e.Doubts = nil, "", 0, nil, "", nil
		return gone, true
	})
}

// dropUnsent removes an attachment that no message took within the term, and
// says whether the upload that brought it is over with it.
func (s *Service) dropUnsent(ctx context.Context, u upload.Upload) (bool, error) {
	tenant, err := s.Directory.Tenant(ctx, u.Tenant)
	if err != nil || s.now().Before(u.Expires.AddDate(0, 0, tenant.Policy.AttachmentDays)) {
		return false, err
	}
	err = s.onItem(ctx, itemOf(u), "reject_item", func(e *casefile.Evidence) ([]casefile.Effect, bool) {
		if e.Released {
			return nil, false
		}
		var gone []casefile.Effect
		for _, ref := range refs(*e) {
			gone = append(gone, casefile.Effect{Drop: ref.Object})
		}
		return gone, reject(e, "evidence.unsent")
	})
	if fault.KindOf(err) == fault.NotFound { // the report is erased
		err = nil
	}
	return err == nil, err
}

// Attachment returns the clean copy of what the desk attached to a message: to
// the reporter behind the receipt, or to the desk itself, which may look at it
// before it is sent. Nobody reads an original.
func (s *Service) Attachment(ctx context.Context, actor casefile.Actor, id, item string) (Original, error) {
	action := casefile.ReportRead
	if actor.Report != "" {
		action = casefile.ReceiptRead
	}
	r, err := load(ctx, actor, s.Reports, id, action)
	if err != nil {
		return Original{}, err
	}
	found, ok := casefile.FindEvidence(r.Behind.Sent, item)
	if !ok || (action == casefile.ReceiptRead && !found.Released) {
		return Original{}, fault.Absent()
	}
	return s.readCopy(ctx, placeOfReport(r), *found, found.Attached())
}

// copyOne stores a clean copy, and no original.
func (s *Service) copyOne(ctx context.Context, st *stage, f IncomingFile) error {
	sent := measured{Hash: sha256.New()}
	clean, err := s.Cleaner.Clean(ctx, io.TeeReader(f.Reader, &sent))
	if err != nil {
		return mediaFault(err)
	}
	id, err := s.newID()
	if err != nil {
		return err
	}
	at := media.Place{Tenant: st.tenant, Record: st.id, Item: id}
	item := casefile.Evidence{ID: id, Kind: casefile.Photo, State: casefile.EvidenceDerived, Released: true}
	if _, item.CopyKey, err = s.Keyring.NewDataKey(copyPlace(at), s.Random); err != nil {
		return err
	}
	c, err := s.storeCopy(ctx, at, item.CopyKey, casefile.DisplayCopy, "image/jpeg", bytes.NewReader(clean.JPEG))
	if err != nil {
		return err
	}
	item.Copies = []casefile.Copy{c}
	st.items = append(st.items, item)
	st.files = append(st.files, vault.File{Name: f.Name, Size: sent.n, SHA256: [sha256.Size]byte(sent.Sum(nil))})
	return nil
}

// measured hashes and counts what is written to it.
type measured struct {
	hash.Hash
	n uint64
}

// Write implements io.Writer.
func (m *measured) Write(p []byte) (int, error) {
	m.n += uint64(len(p))
	return m.Hash.Write(p)
}
