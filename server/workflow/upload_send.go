package workflow

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"time"

	"gridwatch/media"
	"gridwatch/media/upload"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// Sent is how far an upload is.
type Sent struct {
	ID      string
	Length  int64 // bytes
	Offset  int64 // bytes that are durable
	Expires time.Time
}

// sending is an upload that the actor may send to.
type sending struct {
	upload.Upload
	keys upload.Keys
	item casefile.Evidence
}

func (s *Service) pieces() *upload.Uploads {
	return &upload.Uploads{Store: s.Uploads, Media: s.Media, Now: s.now}
}

// sending finds an upload of the actor's: whoever announced it, as long as that
// person or receipt may still work on the record.
func (s *Service) sending(ctx context.Context, actor casefile.Actor, id string) (*sending, error) {
	u, err := s.Uploads.Get(ctx, actor.Tenant, id)
	if errors.Is(err, upload.ErrNone) || (err == nil && u.Owner != ownerOf(actor)) {
		return nil, fault.Absent()
	}
	if err != nil {
		return nil, err
	}
	items, at, err := s.itemsFor(ctx, actor, u)
	if err != nil {
		return nil, err
	}
	item, ok := casefile.FindEvidence(items, u.Item)
	if !ok {
		return nil, fault.Absent()
	}
	out := &sending{Upload: u, item: *item}
	if u.Settled || u.Stage == upload.Rejected { // its keys are gone
		return out, nil
	}
	out.keys, err = s.uploadKeys(at, u)
	return out, err
}

func (s *Service) uploadKeys(at media.Place, u upload.Upload) (upload.Keys, error) {
	at.Item = u.Item
	content, err := s.Keyring.OpenDataKey(keyPlace(at), u.Key)
	if err != nil {
		return upload.Keys{}, err
	}
	state, err := s.Keyring.OpenDataKey(copyPlace(at), u.CopyKey)
	return upload.Keys{Content: content, State: state}, err
}

// itemsFor returns the manifest that an upload is for, if the actor may work on it.
func (s *Service) itemsFor(ctx context.Context, actor casefile.Actor, u upload.Upload) ([]casefile.Evidence, media.Place, error) {
	if u.Of == toTask {
		t, err := load(ctx, actor, s.Tasks, u.Record, casefile.TaskWork)
		if err != nil {
			return nil, media.Place{}, err
		}
		return t.Collected, placeOfTask(t), nil
	}
	action := casefile.ReceiptWrite
	if u.Of == toReply {
		action = casefile.ReportDecide
	}
	r, err := load(ctx, actor, s.Reports, u.Record, action)
	if err != nil {
		return nil, media.Place{}, err
	}
	return *manifestOf(r, u.Of), placeOfReport(r), nil
}

// CreateUpload uses a right: the upload of that length begins, with a first
// piece or without (nil). The same again is the same upload, a whole one too; if
// something of it is here, the first piece is not read again.
func (s *Service) CreateUpload(ctx context.Context, actor casefile.Actor, right string, length int64, name string, first *upload.Piece) (Sent, error) {
	u, err := s.sending(ctx, actor, uploadID(right))
	if err != nil {
		return Sent{}, err
	}
	if u.Stage == upload.Whole {
		sent, err := s.whereIs(ctx, u)
		return sent, errors.Join(err, declared(length, sent.Length))
	}
	if err := s.ended(u); err != nil {
		return Sent{}, err
	}
	state, err := u.State(u.keys.State)
	if err != nil {
		return Sent{}, err
	}
	if err := declared(length, state.Length); err != nil {
		return Sent{}, err
	}
	if first != nil && state.Offset == 0 {
		first.Name = &name
		return s.sendPiece(ctx, u, *first)
	}
	if u.Upload, err = s.pieces().Begin(ctx, u.Upload, u.keys.State, name); err != nil {
		return Sent{}, uploadFault(err)
	}
	return s.sent(u)
}

// declared refuses another length than the one that was announced.
func declared(length, announced int64) error {
	switch {
	case length > announced:
		return fault.New(fault.TooLarge, "upload.too_long", "the right is for the size that was announced")
	case length < announced:
		return fault.New(fault.Invalid, "upload.length", "the right is for the size that was announced")
	default:
		return nil
	}
}

// ended refuses what came to an end, in either way.
func (s *Service) ended(u *sending) error {
	if u.Stage != upload.Open || !s.now().Before(u.Expires) {
		return uploadFault(upload.ErrEnded)
	}
	return nil
}

func (s *Service) sent(u *sending) (Sent, error) {
	out := Sent{ID: u.ID, Expires: u.Expires}
	if u.Settled { // the item has its bytes, and the upload its sizes no more
		return out, nil
	}
	state, err := u.State(u.keys.State)
	out.Length, out.Offset = state.Length, state.Offset
	return out, err
}

// FindUpload says how far an upload is. One that was rejected is over.
func (s *Service) FindUpload(ctx context.Context, actor casefile.Actor, id string) (Sent, error) {
	u, err := s.begun(ctx, actor, id)
	if err != nil {
		return Sent{}, err
	}
	return s.whereIs(ctx, u)
}

func (s *Service) whereIs(ctx context.Context, u *sending) (Sent, error) {
	if u.Stage == upload.Rejected || (u.Stage == upload.Open && s.ended(u) != nil) {
		return Sent{}, uploadFault(upload.ErrEnded)
	}
	if !u.Settled && u.Stage == upload.Whole {
		if err := s.settleUpload(ctx, u.Upload); err != nil {
			return Sent{}, err
		}
	}
	if !u.Settled {
		return s.sent(u)
	}
	if len(u.item.Sealed) == 0 { // it was refused later, and nothing of it was kept
		return Sent{}, uploadFault(upload.ErrEnded)
	}
	at, _ := media.PlaceOf(u.Object)
	facts, err := s.facts(at, u.item)
	return Sent{ID: u.ID, Length: facts.Size, Offset: facts.Size, Expires: u.Expires}, err
}

func (s *Service) begun(ctx context.Context, actor casefile.Actor, id string) (*sending, error) {
	u, err := s.sending(ctx, actor, id)
	if err == nil && !u.Begun {
		err = fault.Absent()
	}
	return u, err
}

// SendPiece takes a piece in and returns how far the upload is then. Everything
// before that offset is durable. Of a piece that breaks off, what arrived stays.
// One that is whole takes no byte more: a piece at its end is empty.
func (s *Service) SendPiece(ctx context.Context, actor casefile.Actor, id string, p upload.Piece) (Sent, error) {
	u, err := s.begun(ctx, actor, id)
	if err != nil {
		return Sent{}, err
	}
	if u.Stage == upload.Whole {
		sent, err := s.whereIs(ctx, u)
		if err == nil {
			err = uploadFault(emptyAt(sent.Length, p))
		}
		return sent, err
	}
	if err := s.ended(u); err != nil {
		return Sent{}, err
	}
	return s.sendPiece(ctx, u, p)
}

// emptyAt refuses a piece unless it is empty and begins at the end.
func emptyAt(end int64, p upload.Piece) error {
	if p.Offset != end {
		return upload.ErrOffset
	}
	n, err := io.ReadFull(p.Body, make([]byte, 1))
	switch {
	case n > 0:
		return upload.ErrTooLong
	case !errors.Is(err, io.EOF):
		return err //nolint:wrapcheck // the body's
	case p.Sum != nil && !bytes.Equal(p.Sum.Sum(nil), p.Want):
		return upload.ErrChecksum
	default:
		return nil
	}
}

func (s *Service) sendPiece(ctx context.Context, u *sending, p upload.Piece) (Sent, error) {
	var state upload.State
	var err error
	u.Upload, state, err = s.pieces().Append(ctx, u.Upload, u.keys, p)
	settled := s.afterPiece(context.WithoutCancel(ctx), u, state)
	if err = errors.Join(uploadFault(err), settled); err != nil {
		return Sent{}, err
	}
	return Sent{ID: u.ID, Length: state.Length, Offset: state.Offset, Expires: u.Expires}, nil
}

// afterPiece tells the record what a piece changed for its item.
func (s *Service) afterPiece(ctx context.Context, u *sending, state upload.State) error {
	if u.Stage != upload.Open {
		return s.settleUpload(ctx, u.Upload)
	}
	if u.item.State != casefile.EvidenceExpected || state.Offset == 0 {
		return nil
	}
	return s.onItem(ctx, itemOf(u.Upload), "receive_item", func(e *casefile.Evidence) ([]casefile.Effect, bool) {
		if e.State != casefile.EvidenceExpected {
			return nil, false
		}
		e.State = casefile.EvidenceReceiving
		return nil, true
	})
}

// EndUpload gives an upload up; what had come of it is removed. One that is
// whole belongs to the record and stays.
func (s *Service) EndUpload(ctx context.Context, actor casefile.Actor, id string) error {
	u, err := s.begun(ctx, actor, id)
	if err != nil {
		return err
	}
	if err := s.ended(u); err != nil {
		return err
	}
	rejected, err := s.pieces().Reject(ctx, u.Upload, "evidence.given_up")
	if err != nil {
		return uploadFault(err)
	}
	if rejected.Stage != upload.Rejected {
		return uploadFault(upload.ErrEnded)
	}
	return s.settleUpload(ctx, rejected)
}

// settleUpload tells the record of the item how its upload ended.
func (s *Service) settleUpload(ctx context.Context, u upload.Upload) error {
	var err error
	switch {
	case u.Settled:
		return nil
	case u.Stage == upload.Whole:
		err = s.verified(ctx, u)
	default:
		err = s.onItem(ctx, itemOf(u), "reject_item", func(e *casefile.Evidence) ([]casefile.Effect, bool) { return nil, reject(e, u.Reason) })
	}
	if err != nil && fault.KindOf(err) != fault.NotFound { // a record that is gone needs nothing
		return err
	}
	return s.pieces().Settle(ctx, u)
}

// verified makes what is known of a whole upload the item's.
func (s *Service) verified(ctx context.Context, u upload.Upload) error {
	at, ok := media.PlaceOf(u.Object)
	if !ok {
		return media.ErrDamaged
	}
	key, err := s.Keyring.OpenDataKey(copyPlace(at), u.CopyKey)
	if err != nil {
		return err
	}
	state, err := u.State(key)
	if err != nil {
		return err
	}
	facts := casefile.EvidenceFacts{
		Name: state.Name, Size: state.Length, SHA256: hex.EncodeToString(state.SHA256), Type: state.Type,
		Width: state.Width, Height: state.Height, Capture: state.Capture,
	}
	sealed, err := sealJSON(key, facts, factsAD(at.Record, u.Item))
	if err != nil {
		return err
	}
	found, err := s.doubtsOfUpload(ctx, u, state)
	if err != nil {
		return err
	}
	inDoubt, err := sealJSON(key, found, doubtsAD(media.Place{Tenant: u.Tenant, Record: at.Record, Item: u.Item}))
	if err != nil {
		return err
	}
	index := s.Keyring.FileIndex(u.Tenant, [sha256.Size]byte(state.SHA256))[0]
	link := s.linkAt(s.now(), casefile.CustodyStore, u.Tenant, u.Record, u.Item, senderOf(u))
	link.Copy, link.Digest = string(casefile.OriginalCopy), facts.SHA256
	if link.By == byReporter {
		link.Digest = index
	}
	tenant, err := s.Directory.Tenant(ctx, u.Tenant)
	if err != nil {
		return err
	}
	verify := func(e *casefile.Evidence) ([]casefile.Effect, bool) {
		if e.State != casefile.EvidenceExpected && e.State != casefile.EvidenceReceiving {
			return nil, false
		}
		e.State, e.Upload, e.Object, e.Parts, e.Runs = casefile.EvidenceVerified, "", u.Object, u.Parts, nil
		for _, run := range u.Runs {
			e.Runs = append(e.Runs, casefile.Run(run))
		}
		e.Digest, e.Sealed, e.Doubts = index, sealed, inDoubt
		if u.Of == toReply { // it is no evidence: no chain, no lock
			return casefile.CopiesOf([]casefile.Evidence{*e}), true
		}
		var keep time.Time // what staff took is under object lock
		if link.By != byReporter {
			keep = tenant.Policy.keepItem(*e, s.now())
		}
		return append(casefile.CopiesOf([]casefile.Evidence{*e}), casefile.Effect{Link: &link, Keep: keep}), true
	}
	if u.Of != toTask {
		return s.onItem(ctx, itemOf(u), "verify_item", verify)
	}
	return s.onTaskItem(ctx, itemOf(u), "verify_item", func(t *casefile.Task, e *casefile.Evidence) ([]casefile.Effect, bool, error) {
		effects, changed := verify(e)
		if r, ok := t.FindRecording(e.Recording); ok && changed {
			r.Keep(tenant.Policy.keepRecording(e.Cased, s.now()))
		} else if changed {
			t.Keep(tenant.Policy.keepItem(*e, s.now()))
		}
		return effects, changed, nil
	})
}

// reject ends an item: nothing of it stays but its number, kind and why.
func reject(e *casefile.Evidence, reason string) bool {
	if e.State == casefile.EvidenceRejected {
		return false
	}
	*e = casefile.Evidence{ID: e.ID, Kind: e.Kind, State: casefile.EvidenceRejected, Reason: reason, Recording: e.Recording, Cased: e.Cased}
	return true
}

// endUploads settles uploads whose end their record does not know, and rejects
// those that expired. It returns how many it removed.
func (s *Service) endUploads(ctx context.Context) (int, error) {
	removed := 0
	for after := ""; ; {
		page, err := s.Uploads.Ended(ctx, s.now(), after, sweepPage)
		if err != nil || len(page) == 0 {
			return removed, err
		}
		for _, u := range page {
			after = u.ID
			gone, err := s.endUpload(ctx, u)
			if err != nil {
				s.Log.LogAttrs(ctx, slog.LevelWarn, "an upload is left to the next sweep", slog.String("code", fault.CodeOf(err)))
			}
			if gone {
				removed++
			}
		}
	}
}

func (s *Service) endUpload(ctx context.Context, u upload.Upload) (bool, error) {
	var err error
	if u.Stage == upload.Open && s.now().Before(u.Expires) {
		return false, s.pieces().Release(ctx, u)
	}
	if u.Stage == upload.Open {
		if u, err = s.pieces().Reject(ctx, u, "evidence.expired"); err != nil {
			return false, err
		}
	}
	if err := s.settleUpload(ctx, u); err != nil || s.now().Before(u.Expires) {
		return false, err
	}
	if u.Of == toReply && u.Stage == upload.Whole {
		if over, err := s.dropUnsent(ctx, u); !over {
			return false, err
		}
	}
	return true, s.Uploads.Delete(ctx, u.Tenant, u.ID)
}
