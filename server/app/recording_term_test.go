package app_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gridwatch/media"
	"gridwatch/media/cliptest"
	"gridwatch/mobileapi/tus"
	"gridwatch/server/app"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/workflow"
)

// TestRecordingIsRemovedWhenItsClassHasEnded: while anything that a recording is
// linked to is not at its end it outlives every day; then its class counts; then
// bytes and keys are gone, and chain and log say so.
func TestRecordingIsRemovedWhenItsClassHasEnded(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.policy(t, func(p *workflow.Policy) { p.EvidenceDays = 0 }) // the store's clock is not the test's
	p := newTape(t, w)
	p.over()
	task := func(change func(*casefile.Task)) func() {
		return func() {
			t.Helper()
			alter(t, w.store.Tasks, p.task, func(t *casefile.Task) *casefile.Head { change(t); return &t.Head })
		}
	}
	report := func(change func(*casefile.Report)) func() { return func() { t.Helper(); p.report(change) } }
	head := func(s casefile.State) casefile.Head {
		return casefile.Head{ID: newKey(t), Tenant: demo.Tenant, State: s, At: time.Now(), Changed: time.Now()}
	}
	award := casefile.Award{Head: head(casefile.AwardNotified), Report: p.docket.report, AskedAt: time.Now()} // it does not lapse
	hazard := casefile.Hazard{Head: head(casefile.HazardOrdered), Visit: p.visit}
	penalty := casefile.Penalty{Head: head(casefile.PenaltyServed), Visit: p.visit}
	held := func(command string) func() {
		return func() {
			p.do("leader1", "/v1/office/tasks/"+p.task+"/evidence/"+p.item+command, object{"reason": "court_order"}, casefile.TaskDone)
		}
	}
	day := 0
	for _, link := range []struct {
		name        string
		open, close func()
	}{
		{
			"an inspection that is not signed", task(func(t *casefile.Task) { t.State = casefile.TaskAcknowledged }),
			task(func(t *casefile.Task) { t.State = casefile.TaskDone }),
		},
		{"a report that is verified", report(func(r *casefile.Report) { r.State = casefile.ReportVerifying }), p.over},
		{"a report that is rechecked", report(func(r *casefile.Report) { r.State = casefile.ReportRechecking }), p.over},
		{
			"a report on hold", report(func(r *casefile.Report) { r.Holds = []casefile.Hold{{ID: "1"}} }),
			report(func(r *casefile.Report) { r.Holds[0].LiftedOn = today() }),
		},
		{"an award", func() {
			if err := w.store.Awards.Insert(t.Context(), &award); err != nil {
				t.Fatal(err)
			}
		}, func() {
			alter(t, w.store.Awards, award.ID, func(a *casefile.Award) *casefile.Head { a.State = casefile.AwardPaid; return &a.Head })
		}},
		{"a hold on a segment", held("/hold"), held("/lift")},
		{"a hazard", func() {
			if err := w.store.Hazards.Insert(t.Context(), &hazard); err != nil {
				t.Fatal(err)
			}
		}, func() {
			alter(t, w.store.Hazards, hazard.ID, func(h *casefile.Hazard) *casefile.Head { h.State = casefile.HazardClosed; return &h.Head })
		}},
		{"a penalty", func() {
			if err := w.store.Penalties.Insert(t.Context(), &penalty); err != nil {
				t.Fatal(err)
			}
		}, func() {
			alter(t, w.store.Penalties, penalty.ID, func(p *casefile.Penalty) *casefile.Head { p.State = casefile.PenaltyPaid; return &p.Head })
		}},
	} {
		link.open()
		day += 200 // beyond what it was kept for by the link before
		if kept := w.terms(t, day); kept.Recordings != 0 || p.kept().State != casefile.EvidenceDerived {
			t.Fatalf("%s does not keep the recording on day %d", link.name, day)
		}
		link.close()
	}
	if kept := w.terms(t, day+3640); kept.Recordings != 0 {
		t.Error("removed before the class of its case had ended")
	}
	p.plays("leader1")

	// In the store it may be locked a moment longer: it is what it was until then.
	item := p.kept()
	ref := media.Ref{Object: item.Object, Parts: item.Parts, Runs: []media.Run{media.Run(item.Runs[0])}}
	awaited(t, "a lock that has not ended when it arrives", func() bool {
		return w.app.Service().Media.Lock(t.Context(), ref, time.Now().Add(2*time.Second)) == nil
	})
	day += 3655
	awaited(t, "the removal", func() bool {
		day++ // it is looked at again the day after
		return w.terms(t, day).Recordings == 1
	})
	p.isGone(item)
	if kept := w.terms(t, day+4000); kept.Recordings != 0 {
		t.Error("removed twice")
	}
	p.refused("enforcer1", p.path+"/segments", oneSegment(2, len(p.film)), "recording.removed")
	p.refused("enforcer1", p.path+"/close", object{"segments": 1}, "recording.removed")
	if act := regexp.MustCompile(`"act": ?"delete"`); len(act.FindAll(p.exported(), -1)) != len(item.Copies)+1 {
		t.Error("the archive does not tell of the removal")
	}
}

// isGone makes sure that nothing is left of a segment but that it was there.
func (p *tape) isGone(was *casefile.Evidence) {
	p.t.Helper()
	got := p.kept()
	if got.State != casefile.EvidenceRemoved || len(got.Key)+len(got.CopyKey)+len(got.Sealed)+len(got.Doubts)+len(got.Copies) > 0 || got.Object != "" {
		p.t.Errorf("the task keeps %+v", got)
	}
	err := p.w.objects.List(p.t.Context(), demo.Tenant+"/"+p.task+"-", func(key string, _ time.Time) error {
		p.t.Errorf("the store has %s", key)
		return nil
	})
	if err != nil {
		p.t.Error(err)
	}
	for _, c := range append(was.Copies, casefile.Copy{Object: was.Object}) {
		if body, _, err := p.w.objects.Get(p.t.Context(), c.Object+"/000001"); err == nil {
			_ = body.Close()
			p.t.Errorf("the store has %s", c.Object)
		}
	}
	deleted := 0
	for _, act := range p.acts(p.item) {
		if act == casefile.CustodyDelete {
			deleted++
		}
	}
	if deleted != len(was.Copies)+1 {
		p.t.Errorf("the chain has %d deletions, want the original's and those of %d copies", deleted, len(was.Copies))
	}
	if seen := p.recorded("leader1"); seen.State != casefile.RecordingRemoved || len(seen.Missing) > 0 || seen.Segments[0].State != casefile.EvidenceRemoved {
		p.t.Errorf("a reader sees %+v", seen)
	}
	a, _ := p.w.as(p.t, "leader1").Do(p.t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/office/inspections/" + p.visit + "/segments/" + p.item}, nil)
	if a.Status != http.StatusNotFound {
		p.t.Errorf("the copy: got %d, want 404", a.Status)
	}
}

// exported exports the task after a checkpoint, checks the archive and returns it.
func (p *tape) exported() []byte {
	p.t.Helper()
	awaited(p.t, "all leaves", func() bool {
		waiting, err := p.w.store.Audit.Waiting(p.t.Context(), 1)
		return err == nil && len(waiting) == 0
	})
	p.w.tomorrow(p.t, 1)
	file := filepath.Join(p.t.TempDir(), "task.zip")
	if err := os.WriteFile(file, p.fetch("desk2", "/v1/office/tasks/"+p.task+"/export"), 0o600); err != nil {
		p.t.Fatal(err)
	}
	key, _ := p.w.logKey(p.t)
	out, err := p.w.command(p.t, "", "evidence", "verify", "--key", key, file)
	if err != nil || !strings.Contains(out, "checkpoint of") {
		p.t.Errorf("the archive: %v\n%s", err, out)
	}
	archive, err := os.ReadFile(file)
	if err != nil {
		p.t.Fatal(err)
	}
	return archive
}

// TestRemovalGoesOnWhereItBrokeOff: of a recording that is said to be removed, by
// a server that was killed then, the rest goes, whatever came to be linked to it
// since.
func TestRemovalGoesOnWhereItBrokeOff(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.policy(t, func(p *workflow.Policy) { p.EvidenceDays = 0 })
	p := newTape(t, w)
	alter(t, w.store.Tasks, p.task, func(t *casefile.Task) *casefile.Head {
		t.Recordings[0].RemovedOn = today()
		return &t.Head
	})
	item := p.kept()
	if err := w.app.Service().Media.Delete(t.Context(), media.Ref{Object: item.Object}); err != nil {
		t.Fatal(err)
	}
	hold := "/v1/office/tasks/" + p.task + "/evidence/" + p.item + "/hold"
	p.refused("leader1", hold, object{"reason": "court_order"}, "evidence.not_here")
	p.do("enforcer1", "/v1/office/penalties", object{"visit": p.visit}, casefile.PenaltyFiled)
	if kept := w.terms(t, 181); kept.Recordings != 1 {
		t.Errorf("got %+v, want one recording removed", kept)
	}
	p.isGone(item)
	p.refused("leader1", hold, object{"reason": "court_order"}, "evidence.not_here")
}

// TestARecordingThatCannotBeRemovedHoldsNoOtherUp looks at three inspections, of
// which one names objects that are none.
func TestARecordingThatCannotBeRemovedHoldsNoOtherUp(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.policy(t, func(p *workflow.Policy) { p.EvidenceDays = 0 })
	tapes := []*tape{newTape(t, w), newTape(t, w), newTape(t, w)}
	slices.SortFunc(tapes, func(a, b *tape) int { return strings.Compare(a.task, b.task) })
	for i, p := range tapes {
		p.over()
		if i == 0 { // the first that is looked at
			alter(t, w.store.Tasks, p.task, func(t *casefile.Task) *casefile.Head {
				t.Collected[0].Object = "nowhere"
				return &t.Head
			})
		}
	}
	kept, err := w.tryTerms(t, 181)
	if err == nil || kept.Recordings != 2 {
		t.Errorf("got %+v, %v, want an error and that two were removed", kept, err)
	}
	if acts := tapes[0].acts(tapes[0].item); slices.Contains(acts, casefile.CustodyDelete) || tapes[0].kept().State != casefile.EvidenceDerived {
		t.Errorf("the first is %s, its chain %v", tapes[0].kept().State, acts)
	}
}

// TestArchiveHasWhatNoCopyCouldBeMadeOf: a segment whose film cannot be read is
// evidence all the same. It used to cut the archive of its task off.
func TestArchiveHasWhatNoCopyCouldBeMadeOf(t *testing.T) {
	t.Parallel()
	w := start(t)
	d := newDocket(t, w, casefile.Anonymous, casefile.MajorHazard).accept().confirm().describe().assign().order()
	film := cliptest.Film(t, "mp4", "CANARY-recording", 1)
	film = film[:len(film)/2] // its index stood at the end
	path := "/v1/field/tasks/" + d.task + "/recordings"
	path += "/" + d.do("enforcer1", path, object{"kind": "video"}, casefile.TaskAssigned).Ref
	sent := d.announceSegment("enforcer1", path, newKey(t), 1, len(film))
	w.sendSegment(t, w.as(t, "enforcer1"), sent.Right, film)
	p := &tape{docket: d, path: path, item: sent.ID, film: film}
	p.inspect(isSo).sign().completed()
	awaited(t, "the refusal of the copier", func() bool { return p.kept().State == casefile.EvidenceRejected })
	d.do("leader1", "/v1/office/tasks/"+d.task+"/evidence/"+sent.ID+"/hold", object{"reason": "court_order"}, casefile.TaskDone)
	awaited(t, "the hold", func() bool { return slices.Contains(d.acts(sent.ID), casefile.CustodyHold) })
	if seen := d.recorded("leader1"); len(seen.Missing) > 0 || seen.Segments[0].State != casefile.EvidenceRejected {
		t.Errorf("a reader sees %+v", seen)
	}
	archive := p.exported()
	if !bytes.Contains(archive, film) {
		t.Error("the archive does not have the film as it was sent")
	}
}

// TestObjectLockHasTheLastWord: where the store's clock or a lock that was set
// there by hand keeps a recording whose class has ended, it is as it was.
func TestObjectLockHasTheLastWord(t *testing.T) {
	t.Parallel()
	w := start(t)
	p := newTape(t, w)
	p.over()
	before := p.kept()
	if kept := w.terms(t, 200); kept.Recordings != 0 {
		t.Error("counted as removed, though the store has it")
	}
	if after := p.kept(); !bytes.Equal(after.Key, before.Key) || !bytes.Equal(after.CopyKey, before.CopyKey) || after.State != casefile.EvidenceDerived {
		t.Errorf("got %+v, want that nothing was lost", after)
	}
	if slices.Contains(p.acts(p.item), casefile.CustodyDelete) {
		t.Error("the chain tells of a removal that was not")
	}
	w.isLocked(t, before)
	p.plays("leader1")
}

// TestNothingRemovesARecordingThatACaseRestsOn tries all ways there are: those of
// the officer, the sweep, the terms, the erasure of the report behind the
// inspection, and the object store itself.
func TestNothingRemovesARecordingThatACaseRestsOn(t *testing.T) {
	t.Parallel()
	w := start(t)
	p := newTape(t, w)
	p.penalty = p.do("enforcer1", "/v1/office/penalties", object{"visit": p.visit}, casefile.PenaltyFiled).ID
	awaited(t, "the lock of the case", func() bool { return len(p.locks(p.item)) == 2 })

	for _, r := range app.Routes(w.app.Service(), nil) {
		if r.Method == http.MethodDelete && (strings.Contains(r.Path, "recording") || strings.Contains(r.Path, "segment") || strings.Contains(r.Path, "evidence") || strings.Contains(r.Path, "tasks")) {
			t.Errorf("%s %s removes evidence", r.Method, r.Path)
		}
	}
	late := p.announceSegment("enforcer1", p.path, newKey(t), 2, len(p.film))
	at := w.sendSegment(t, w.as(t, "enforcer1"), late.Right, p.film)
	call := apiclient.Call{Method: http.MethodDelete, Path: at, Header: map[string]string{"Tus-Resumable": "1.0.0"}}
	if a, err := w.as(t, "enforcer1").Do(t.Context(), call, nil); apiclient.CodeOf(err) != "upload.gone" {
		t.Errorf("the officer gives up what arrived: got %d, %v", a.Status, err)
	}
	if !strings.HasPrefix(at, tus.Path) {
		t.Errorf("got the upload %q", at)
	}
	if _, err := w.app.Service().Sweep(t.Context(), 0); err != nil {
		t.Fatal(err)
	}

	// The penalty is open for longer than its class: the locks go on.
	if kept := w.terms(t, 3640); kept.Recordings != 0 {
		t.Error("a recording with an open penalty was removed")
	}
	far := time.Now().AddDate(0, 0, 3640+3650).In(time.FixedZone("", 8*3600)).Format(time.DateOnly)
	if got := p.locks(p.item); len(got) != 3 || got[2] != "until "+far {
		t.Errorf("got the locks %v, want one until %s", got, far)
	}

	// What was said in the report is erased, the recording is the inspection's.
	alter(t, w.store.Penalties, p.penalty, func(p *casefile.Penalty) *casefile.Head { p.State = casefile.PenaltyPaid; return &p.Head })
	p.over()
	w.terms(t, 3650)
	w.terms(t, 3700)
	if r := p.record(); r.State != casefile.ReportErased {
		t.Fatalf("the report is %s", r.State)
	}
	for _, login := range []string{"leader1", "enforcer1"} {
		p.plays(login)
	}
	if acts := p.acts(p.item); slices.Contains(acts, casefile.CustodyDelete) {
		t.Errorf("the chain tells of a removal: %v", acts)
	}
	w.isLocked(t, p.kept())
}
