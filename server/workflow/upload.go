package workflow

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gridwatch/media"
	"gridwatch/media/kind"
	"gridwatch/media/upload"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// What an upload brings an item to.
const (
	toReport = "report" // the manifest of a report, by its reporter
	toReply  = "reply"  // the attachments of a report, by the desk
	toTask   = "task"   // what was collected for a task, by its assignee
)

// Announcement says that an item will come in pieces.
type Announcement struct {
	Kind   casefile.EvidenceKind
	Size   int64  // bytes
	SHA256 []byte // nil if the sender cannot tell yet
	Photo  string // id that the app gave it when it was taken, of staff; may be ""

	said []byte // JSON of said
}

// Announced is an item that is expected, with the right to send it: single use,
// and of no use to anyone but who announced it.
type Announced struct {
	N       int // place in the manifest, from 1
	Item    string
	Right   string
	Expires time.Time
}

// AnnounceEvidence puts items that its reporter will send into the manifest of
// a report. A repeat with the same key gives the same rights.
func (s *Service) AnnounceEvidence(ctx context.Context, call Call, in []Announcement) ([]Announced, error) {
	r, err := load(ctx, call.Actor, s.Reports, call.Actor.Report, casefile.ReceiptWrite)
	if err != nil {
		return nil, err
	}
	return s.announce(ctx, call, toReport, placeOfReport(r), r.ID, in)
}

// AnnounceAttachment is AnnounceEvidence for what the desk will send to the reporter.
func (s *Service) AnnounceAttachment(ctx context.Context, call Call, id string, in []Announcement) ([]Announced, error) {
	r, err := load(ctx, call.Actor, s.Reports, id, casefile.ReportDecide)
	if err != nil {
		return nil, err
	}
	return s.announce(ctx, call, toReply, placeOfReport(r), r.ID, in)
}

// AnnounceCollected is AnnounceEvidence for what an assignee takes at the place,
// with what the device says of that.
func (s *Service) AnnounceCollected(ctx context.Context, call Call, id string, in []Announcement, c Capture) ([]Announced, error) {
	t, err := load(ctx, call.Actor, s.Tasks, id, casefile.TaskWork)
	if err != nil {
		return nil, err
	}
	if err := s.collect(ctx, t, in, c); err != nil {
		return nil, err
	}
	return s.announce(ctx, call, toTask, placeOfTask(t), t.ID, in)
}

func (s *Service) announce(ctx context.Context, call Call, of string, at media.Place, record string, in []Announcement) ([]Announced, error) {
	tenant, err := s.Directory.Tenant(ctx, at.Tenant)
	if err != nil {
		return nil, err
	}
	if err := tenant.Policy.checkAnnounced(in); err != nil {
		return nil, err
	}
	expires := s.uploadEnd(tenant.Policy)
	var items []casefile.Evidence
	plan := func(e *casefile.Event, has []casefile.Evidence) error {
		if len(in) > tenant.Policy.room(has) {
			return errTooManyItems(tenant.Policy.MaxManifest)
		}
		items = nil
		for n, a := range in {
			u, err := s.expect(ctx, call, of, at, record, n, a, expires)
			if err != nil {
				return err
			}
			items = append(items, casefile.Evidence{
				ID: u.Item, Kind: a.Kind, State: casefile.EvidenceExpected, Upload: u.ID, Object: u.Object, Key: u.Key, CopyKey: u.CopyKey,
			})
		}
		e.Command, e.Ref = "announce_evidence", items[0].ID
		return nil
	}
	var manifest func() ([]casefile.Evidence, error)
	if of == toTask {
		_, err = change(ctx, s, call, s.Tasks, casefile.TaskMoves, record, casefile.TaskWork,
			func(t *casefile.Task, e *casefile.Event) ([]casefile.Effect, error) {
				err := plan(e, t.Collected)
				t.Collected = append(t.Collected, items...)
				return nil, err
			})
		manifest = func() ([]casefile.Evidence, error) {
			t, err := s.Tasks.Get(ctx, at.Tenant, record)
			if err != nil {
				return nil, err
			}
			return t.Collected, nil
		}
	} else {
		action := casefile.ReceiptWrite
		if of == toReply {
			action = casefile.ReportDecide
		}
		_, err = change(ctx, s, call, s.Reports, casefile.ReportMoves, record, action,
			func(r *casefile.Report, e *casefile.Event) ([]casefile.Effect, error) {
				list := manifestOf(r, of)
				err := plan(e, *list)
				*list = append(*list, items...)
				if of == toReply {
					e.Command = "announce_attachment"
				} else {
					e.At = onlyDay(e.At)
				}
				return nil, err
			})
		manifest = func() ([]casefile.Evidence, error) {
			r, err := s.Reports.Get(ctx, at.Tenant, record)
			if err != nil {
				return nil, err
			}
			return *manifestOf(r, of), nil
		}
	}
	if err != nil {
		return nil, err
	}
	return s.announced(ctx, call, record, len(in), manifest)
}

// entries is how many times as many items as it has places a manifest lists, what
// came to nothing among them: a record has an end.
const entries = 5

// room is how many more items a manifest takes. One that came to nothing takes no
// place: a bad network would use all of them up. Segments of recordings have
// limits of their own.
func (p Policy) room(items []casefile.Evidence) int {
	taken, all := 0, 0
	for _, item := range items {
		if item.Recording != "" {
			continue
		}
		all++
		if item.State != casefile.EvidenceRejected || item.Stored() {
			taken++
		}
	}
	return max(0, min(p.MaxManifest-taken, entries*p.MaxManifest-all))
}

func manifestOf(r *casefile.Report, of string) *[]casefile.Evidence {
	if of == toReply {
		return &r.Behind.Sent
	}
	return &r.Evidence
}

// announced makes the answer from the record: a repeat gets the same.
func (s *Service) announced(ctx context.Context, call Call, record string, n int, manifest func() ([]casefile.Evidence, error)) ([]Announced, error) {
	items, err := manifest()
	if err != nil {
		return nil, err
	}
	var out []Announced
	for i := range n {
		for v, right := range s.idsOf(call, record, "right", i) { // one for each key of the keyring
			at := slices.IndexFunc(items, func(e casefile.Evidence) bool { return e.ID == s.idsOf(call, record, "item", i)[v] })
			if at < 0 {
				continue
			}
			a := Announced{N: at + 1, Item: items[at].ID, Right: right}
			u, err := s.Uploads.Get(ctx, call.Actor.Tenant, uploadID(right))
			if err != nil && !errors.Is(err, upload.ErrNone) {
				return nil, err
			}
			a.Expires = u.Expires // none if it is over long since
			out = append(out, a)
			break
		}
	}
	return out, nil
}

// idsOf are ids that the same command always gives: under the newest key
// first, then under older ones.
func (s *Service) idsOf(call Call, record, what string, n int) []string {
	return s.Keyring.RecordIDs(call.Key, call.Actor.Tenant, call.Actor.Name(), call.Route, record, what, strconv.Itoa(n))
}

// uploadID is the id of the upload that a right is for. It does not give the
// right away.
func uploadID(right string) string {
	sum := sha256.Sum256([]byte("gridwatch/upload/1\x00" + right))
	return hex.EncodeToString(sum[:16])
}

// expect keeps the record of an upload. It is written before the manifest, so
// that an item in a manifest always has one; one that no manifest names expires.
func (s *Service) expect(
	ctx context.Context, call Call, of string, at media.Place, record string, n int, a Announcement, expires time.Time,
) (upload.Upload, error) {
	id := uploadID(s.idsOf(call, record, "right", n)[0])
	at.Item = s.idsOf(call, record, "item", n)[0]
	item, _, copies, err := s.newItem(at, a.Kind, casefile.EvidenceExpected)
	if err != nil {
		return upload.Upload{}, err
	}
	object, err := s.Media.NewObject(at)
	if err != nil {
		return upload.Upload{}, err
	}
	u, err := upload.New(id, object, upload.State{Length: a.Size, Want: a.SHA256, Class: kind.Class(a.Kind), Said: a.said}, copies, expires)
	if err != nil {
		return upload.Upload{}, err
	}
	u.Tenant, u.Of, u.Record, u.Item, u.Owner = at.Tenant, of, record, at.Item, ownerOf(call.Actor)
	u.Key, u.CopyKey = item.Key, item.CopyKey
	err = s.Uploads.Insert(ctx, u)
	if errors.Is(err, upload.ErrExists) { // of an earlier try
		return s.expected(ctx, at, id, a)
	}
	return u, err
}

// expected returns the upload that an earlier try left, which no manifest names
// yet, unless that announced another file.
func (s *Service) expected(ctx context.Context, at media.Place, id string, a Announcement) (upload.Upload, error) {
	u, err := s.Uploads.Get(ctx, at.Tenant, id)
	if err != nil {
		return u, err
	}
	keys, err := s.uploadKeys(at, u)
	if err != nil {
		return u, err
	}
	was, err := u.State(keys.State)
	if err == nil && (was.Length != a.Size || !bytes.Equal(was.Want, a.SHA256) || was.Class != kind.Class(a.Kind)) {
		err = errOtherBody()
	}
	return u, err
}

// ownerOf names who may send: a person, or the receipt of a report.
func ownerOf(a casefile.Actor) string {
	if a.Person != "" {
		return "person:" + a.Person
	}
	return "report:" + a.Report
}

// senderOf is who sent an upload, as a timeline says it.
func senderOf(u upload.Upload) string {
	if person, ok := strings.CutPrefix(u.Owner, "person:"); ok {
		return person
	}
	return string(casefile.ReceiptHolder)
}

// maxAnnounced is how many items one command can announce.
const maxAnnounced = 20

// checkAnnounced refuses what is larger than the tenant takes of its kind.
func (p Policy) checkAnnounced(in []Announcement) error {
	if len(in) == 0 || len(in) > maxAnnounced {
		return fault.New(fault.Invalid, "upload.count", "1 to %d items are announced at once", maxAnnounced).At("/items")
	}
	for i, a := range in {
		most := map[casefile.EvidenceKind]int{
			casefile.Photo: p.PhotoMiB, casefile.Video: p.VideoMiB, casefile.Audio: p.AudioMiB, casefile.Document: p.DocumentMiB,
		}[a.Kind]
		if a.Size < 1 || a.Size > int64(min(most, math.MaxInt32))<<20 {
			return fault.New(fault.TooLarge, "upload.too_large", "an item of this kind has 1 byte to %d MiB", most).At(fmt.Sprintf("/items/%d/size", i))
		}
	}
	return nil
}
