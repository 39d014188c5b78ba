package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"gridwatch/server/audit"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// OpenRecording (执法全过程记录) begins a recording of an inspection that is
// under way. Its id is the outcome's Ref.
func (s *Service) OpenRecording(ctx context.Context, call Call, id string, kind casefile.EvidenceKind) (casefile.Outcome, error) {
	tenant, err := s.Directory.Tenant(ctx, call.Actor.Tenant)
	if err != nil {
		return casefile.Outcome{}, err
	}
	return change(ctx, s, call, s.Tasks, casefile.TaskMoves, id, casefile.VisitFile,
		func(t *casefile.Task, e *casefile.Event) ([]casefile.Effect, error) {
			if t.Kind != casefile.Inspection {
				return nil, errNotInspection()
			}
			if most := tenant.Policy.MaxRecordings; len(t.Recordings) >= most {
				return nil, fault.New(fault.Conflict, "recording.too_many", "an inspection has at most %d recordings", most)
			}
			r := casefile.Recording{
				ID: s.idsOf(call, id, "recording", 0)[0], Kind: kind, By: call.Actor.Person, OpenedAt: e.At, Segments: []casefile.Segment{},
			}
			t.Recordings = append(t.Recordings, r)
			e.Command, e.Ref = "open_recording", r.ID
			return nil, nil
		})
}

// maxTaskSegments bounds the segments of one inspection, whatever the policy
// says: they are kept in its task, which is one document of at most 16 MiB.
const maxTaskSegments = 2500

// SegmentPlan announces a segment of a recording.
type SegmentPlan struct {
	Recording  string    `json:"recording"`
	N          int       `json:"n"`      // from 1, in any order
	Size       int64     `json:"size"`   // bytes
	SHA256     []byte    `json:"sha256"` // nil if the sender cannot tell yet
	StartedAt  time.Time `json:"startedAt"`
	OffsetMS   int64     `json:"offsetMs"`
	DurationMS int64     `json:"durationMs"`
	Capture    Capture   `json:"capture"` // what the device says of the segment
}

// AnnounceSegment expects a segment of a recording that is not closed, also when
// the record of the inspection is filed already, and gives the right to send
// it. A number is given once, unless nothing came of it.
func (s *Service) AnnounceSegment(ctx context.Context, call Call, id string, in SegmentPlan) (Announced, error) {
	t, err := load(ctx, call.Actor, s.Tasks, id, casefile.VisitFile)
	if err != nil {
		return Announced{}, err
	}
	known, ok := t.FindRecording(in.Recording)
	if !ok {
		return Announced{}, fault.Absent()
	}
	tenant, err := s.Directory.Tenant(ctx, t.Tenant)
	if err != nil {
		return Announced{}, err
	}
	a := Announcement{Kind: known.Kind, Size: in.Size, SHA256: in.SHA256}
	if a.said, err = s.saying(in.Capture); err != nil {
		return Announced{}, err
	}
	if tenant.Policy.checkAnnounced([]Announcement{a}) != nil {
		return Announced{}, fault.New(fault.TooLarge, "upload.too_large", "a segment is larger than this office takes of its kind").At("/size")
	}
	if call.Body, err = json.Marshal(in); err != nil {
		return Announced{}, errors.New("a segment has no JSON")
	}
	_, err = change(ctx, s, call, s.Tasks, casefile.TaskMoves, id, casefile.VisitFile,
		func(t *casefile.Task, e *casefile.Event) ([]casefile.Effect, error) {
			r, ok := t.FindRecording(in.Recording)
			if !ok {
				return nil, fault.Absent()
			}
			if err := takesSegment(r, t, in.N, tenant.Policy.MaxSegments); err != nil {
				return nil, err
			}
			u, err := s.expect(ctx, call, toTask, placeOfTask(t), t.ID, 0, a, s.uploadEnd(tenant.Policy))
			if err != nil {
				return nil, err
			}
			if old, ok := r.Segment(in.N); ok { // nothing of it is here
				t.Collected = slices.DeleteFunc(t.Collected, func(e casefile.Evidence) bool { return e.ID == old.Item })
			}
			t.Collected = append(t.Collected, casefile.Evidence{
				ID: u.Item, Kind: r.Kind, State: casefile.EvidenceExpected, Upload: u.ID, Object: u.Object, Key: u.Key, CopyKey: u.CopyKey,
				Recording: r.ID, Cased: len(t.Cases) > 0,
			})
			r.Put(casefile.Segment{
				N: in.N, Item: u.Item, By: call.Actor.Person, StartedAt: in.StartedAt.UTC(), OffsetMS: in.OffsetMS, DurationMS: in.DurationMS,
			})
			e.Command, e.Ref = "announce_segment", u.Item
			return nil, nil
		})
	if err != nil {
		return Announced{}, err
	}
	out, err := s.announced(ctx, call, id, 1, func() ([]casefile.Evidence, error) {
		t, err := s.Tasks.Get(ctx, call.Actor.Tenant, id)
		if err != nil {
			return nil, err
		}
		return t.Collected, nil
	})
	if err != nil || len(out) == 0 { // rejected and announced anew meanwhile
		return Announced{}, errors.Join(err, fault.Absent())
	}
	out[0].N = in.N
	return out[0], nil
}

func takesSegment(r *casefile.Recording, t *casefile.Task, n, most int) error {
	if r.Removed() {
		return errRemoved()
	}
	if r.Closed() {
		return fault.New(fault.Conflict, "recording.closed", "the recording is closed: its number of segments was stated")
	}
	if n > most {
		return fault.New(fault.Invalid, "recording.segment", "a recording has at most %d segments", most).At("/n")
	}
	s, ok := r.Segment(n)
	if !ok && len(t.Collected)-t.Loose() >= maxTaskSegments {
		return fault.New(fault.Conflict, "recording.full", "the recordings of an inspection have at most %d segments together", maxTaskSegments)
	}
	if !ok {
		return nil
	}
	if item, ok := casefile.FindEvidence(t.Collected, s.Item); ok && (item.State != casefile.EvidenceRejected || item.Stored()) {
		return fault.New(fault.Conflict, "recording.segment_taken", "a segment of this number was announced").At("/n")
	}
	return nil
}

func errRemoved() *fault.Fault {
	return fault.New(fault.Conflict, "recording.removed", "the recording was kept for its term and removed")
}

// ClosingRecording says of a recording how many segments it has.
type ClosingRecording struct {
	Recording string `json:"recording"`
	Segments  int    `json:"segments"`
}

// CloseRecording states the number of segments. What was announced still
// arrives; what was not is missing from then on, and everybody sees which.
func (s *Service) CloseRecording(ctx context.Context, call Call, id string, in ClosingRecording) (casefile.Outcome, error) {
	tenant, err := s.Directory.Tenant(ctx, call.Actor.Tenant)
	if err != nil {
		return casefile.Outcome{}, err
	}
	if call.Body, err = json.Marshal(in); err != nil {
		return casefile.Outcome{}, errors.New("a closing has no JSON")
	}
	return change(ctx, s, call, s.Tasks, casefile.TaskMoves, id, casefile.VisitFile,
		func(t *casefile.Task, e *casefile.Event) ([]casefile.Effect, error) {
			r, ok := t.FindRecording(in.Recording)
			switch {
			case !ok:
				return nil, fault.Absent()
			case r.Removed():
				return nil, errRemoved()
			case r.Closed():
				return nil, fault.New(fault.Conflict, "recording.closed", "the recording is closed: its number of segments was stated")
			case in.Segments > tenant.Policy.MaxSegments:
				return nil, fault.New(fault.Invalid, "recording.segment", "a recording has at most %d segments", tenant.Policy.MaxSegments).At("/segments")
			case in.Segments < r.Last():
				return nil, fault.New(fault.Conflict, "recording.segments", "a segment with a higher number was announced").At("/segments")
			}
			r.Count, r.ClosedAt = in.Segments, e.At
			e.Command, e.Ref = "close_recording", r.ID
			return nil, nil
		})
}

// CollectedAt returns what was taken at an inspection that has a record, its
// recordings among it. What the rules find of the items is for desk and leader,
// not for the officers who took them.
func (s *Service) CollectedAt(ctx context.Context, actor casefile.Actor, visit string) (OverseenTask, error) {
	t, err := s.recorded(ctx, actor, visit)
	if err != nil {
		return OverseenTask{}, err
	}
	if !actor.May(casefile.VisitList, t.Subject()) {
		return OverseenTask{Task: t}, nil
	}
	return s.overseen(ctx, t)
}

func (s *Service) recorded(ctx context.Context, actor casefile.Actor, visit string) (*casefile.Task, error) {
	v, err := load(ctx, actor, s.Visits, visit, casefile.VisitRead)
	if err != nil {
		return nil, err
	}
	return s.Tasks.Get(ctx, v.Tenant, v.Task)
}

// RecordedSegment returns the copy of a segment to play. Who looks is noted in
// the segment's chain.
func (s *Service) RecordedSegment(ctx context.Context, actor casefile.Actor, visit, item string) (Original, error) {
	t, err := s.recorded(ctx, actor, visit)
	if err != nil {
		return Original{}, err
	}
	e, ok := casefile.FindEvidence(t.Collected, item)
	if !ok || e.Recording == "" || t.Removed(*e) {
		return Original{}, fault.Absent()
	}
	return s.show(ctx, actor, sight{record: t.ID, at: placeOfTask(t), item: *e, copied: e.Shown()})
}

// uploadEnd is until when what is announced now may arrive: the end of a day,
// for when a reporter announced something is nobody's to know.
func (s *Service) uploadEnd(p Policy) time.Time {
	return onlyDay(s.now().Add(time.Duration(p.UploadHours)*time.Hour)).AddDate(0, 0, 1)
}

// keepItem is until when the original of an item of staff is under object lock:
// a recording has classes of its own, and a longer one once a case rests on it.
func (p Policy) keepItem(e casefile.Evidence, at time.Time) time.Time {
	if e.Recording == "" || p.EvidenceDays == 0 {
		return p.keepUntil(at)
	}
	return p.keepRecording(e.Cased, at)
}

// keepRecording is until when a recording is kept by its class, counted from a
// time; with or without object lock.
func (p Policy) keepRecording(cased bool, at time.Time) time.Time {
	if cased {
		return dayAfter(at.In(Shanghai()), p.CaseRecordingDays)
	}
	return dayAfter(at.In(Shanghai()), p.RecordingDays)
}

// keepRecordings carries to the recordings of an inspection that a case rests
// on them: from then on they have the case's class, which counts anew with each
// step of the case. No lock gets shorter.
func (s *Service) keepRecordings(ctx context.Context, tenant string, f casefile.Follow, key string) error {
	v, err := s.Visits.Get(ctx, tenant, f.Record)
	if err != nil {
		return err
	}
	t, err := s.Tasks.Get(ctx, tenant, v.Task)
	if err != nil || (len(t.Recordings) == 0 && t.State == casefile.TaskDone) { // there will be none
		return err
	}
	office, err := s.Directory.Tenant(ctx, tenant)
	if err != nil {
		return err
	}
	f.Record = t.ID
	until := office.Policy.keepRecording(true, s.now())
	if err := followOn(ctx, s, s.Tasks, casefile.TaskMoves, tenant, f, key, func(t *casefile.Task, _ *casefile.Event) ([]casefile.Effect, error) {
		for i := range t.Collected {
			t.Collected[i].Cased = t.Collected[i].Cased || t.Collected[i].Recording != ""
		}
		for i := range t.Recordings {
			if !t.Recordings[i].Until.IsZero() { // something of it is here
				t.Recordings[i].Keep(until)
			}
		}
		if !slices.Contains(t.Cases, f.Ref) {
			t.Cases = append(t.Cases, f.Ref)
		}
		return nil, nil
	}); err != nil {
		return err
	}
	if t, err = s.Tasks.Get(ctx, tenant, t.ID); err != nil {
		return err
	}
	return s.lockItems(ctx, t, isSegment, until, " case "+f.Ref, key)
}

func isSegment(e casefile.Evidence) bool { return e.Recording != "" }

// lockItems locks what is here of a task's items of a sort until a day, where the
// tenant has object lock, and says so in the chains with a remark. It may be done
// again under the same key.
func (s *Service) lockItems(
	ctx context.Context, t *casefile.Task, sort func(casefile.Evidence) bool, until time.Time, remark, key string,
) error {
	tenant, err := s.Directory.Tenant(ctx, t.Tenant)
	if err != nil || tenant.Policy.EvidenceDays == 0 {
		return err
	}
	for _, e := range t.Collected {
		if !sort(e) || !e.Stored() || t.Removed(e) {
			continue
		}
		if err := s.Media.Lock(ctx, original(e), until); err != nil {
			return fmt.Errorf("lock an item: %w", err)
		}
		link := s.linkAt(s.now(), casefile.CustodyLock, t.Tenant, t.ID, e.ID, "system")
		link.Copy, link.Note, link.Source = string(casefile.OriginalCopy), "until "+audit.Day(until)+remark, key
		if err := s.link(ctx, link); err != nil {
			return err
		}
	}
	return nil
}
