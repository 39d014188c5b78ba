package app_test

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gridwatch/media/blob"
	"gridwatch/media/blobtest"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/workflow"
)

// lockedUntil is what a chain says of a lock until so many days from now.
func lockedUntil(days int) string {
	return "until " + time.Now().AddDate(0, 0, days).In(workflow.Shanghai()).Format(time.DateOnly)
}

// patrolled reads the patrol's task and its picture behind the back of everything.
func (d *docket) patrolled() (*casefile.Task, *casefile.Evidence) {
	d.t.Helper()
	task, err := d.w.store.Tasks.Get(d.t.Context(), demo.Tenant, d.patrol)
	if err != nil || len(task.Collected) != 1 {
		d.t.Fatalf("the patrol collected %v, %v", task, err)
	}
	return task, &task.Collected[0]
}

// TestEvidenceIsKeptByWhatItIsLinkedTo: what staff collected has the class of the
// weightiest that came of it. While something is not at its end, or the item is on
// hold, its lock is made longer before it ends; then it is removed, unless the
// object store keeps it; chain and log tell of it, the assignee's view of the task
// does not.
func TestEvidenceIsKeptByWhatItIsLinkedTo(t *testing.T) {
	t.Parallel()
	w := start(t)
	d := newDocket(t, w, casefile.Anonymous, casefile.MajorHazard).accept().confirm().describe().assign()
	item := d.saveWithPhoto()
	awaited(t, "the copies", func() bool { _, e := d.patrolled(); return e.State == casefile.EvidenceDerived })
	path, why := "/v1/office/tasks/"+d.patrol+"/evidence/"+item, object{"reason": "court_order"}
	report := func(change func(*casefile.Report)) {
		alter(t, w.store.Reports, d.report, func(r *casefile.Report) *casefile.Head { change(r); return &r.Head })
	}
	head := func(s casefile.State) casefile.Head {
		return casefile.Head{ID: newKey(t), Tenant: demo.Tenant, State: s, At: time.Now(), Changed: time.Now()}
	}
	hazard := casefile.Hazard{Head: head(casefile.HazardOrdered), Cause: d.report}
	penalty := casefile.Penalty{Head: head(casefile.PenaltyServed), Cause: d.report}
	var before struct{ Version int64 }
	d.get(d.patroler, "/v1/field/tasks/"+d.patrol, &before)

	ends := 1095 // days from now, of the class that nothing came of
	if got := d.locks(item); !slices.Equal(got, []string{lockedUntil(ends)}) {
		t.Errorf("got the locks %v, want %s", got, lockedUntil(ends))
	}
	for _, link := range []struct {
		name        string
		open, close func()
		days        int // of the class, from the day of the look; negative from now
	}{
		{"a report that is verified", func() {}, func() { report(func(r *casefile.Report) { r.State = casefile.ReportClosed }) }, 1095},
		{
			"a hazard",
			func() {
				if err := w.store.Hazards.Insert(t.Context(), &hazard); err != nil {
					t.Fatal(err)
				}
			},
			func() {
				alter(t, w.store.Hazards, hazard.ID, func(h *casefile.Hazard) *casefile.Head { h.State = casefile.HazardClosed; return &h.Head })
			},
			1825,
		},
		{
			"a penalty",
			func() {
				if err := w.store.Penalties.Insert(t.Context(), &penalty); err != nil {
					t.Fatal(err)
				}
			},
			func() {
				alter(t, w.store.Penalties, penalty.ID, func(p *casefile.Penalty) *casefile.Head { p.State = casefile.PenaltyPaid; return &p.Head })
			},
			3650,
		},
		{"an accident that was concealed", func() {
			report(func(r *casefile.Report) {
				r.Allegations[0].Matter, r.Allegations[0].Finding = casefile.ConcealedAccident, casefile.Substantiated
			})
		}, func() {}, -10950},
		{"a hold", func() { d.do("leader1", path+"/hold", why, casefile.TaskDone) }, func() { d.do("leader1", path+"/lift", why, casefile.TaskDone) }, 10950},
	} {
		link.open()
		look := ends - 5
		if ends = -link.days; link.days > 0 {
			ends = look + link.days
		}
		if kept := w.terms(t, look); kept.Collected != 0 {
			t.Fatalf("%s does not keep the evidence", link.name)
		}
		if got := d.locks(item); got[len(got)-1] != lockedUntil(ends) {
			t.Errorf("%s: got the locks %v, want the last %s", link.name, got, lockedUntil(ends))
		}
		many := len(d.locks(item))
		if w.terms(t, look); len(d.locks(item)) != many {
			t.Errorf("%s: the lock was made longer twice", link.name)
		}
		link.close()
	}

	// The store has the last word: its clock is another, and its lock holds.
	if kept := w.terms(t, ends+1); kept.Collected != 0 {
		t.Error("counted as removed, though the store has it")
	}
	_, was := d.patrolled()
	if slices.Contains(d.acts(item), casefile.CustodyDelete) || was.State != casefile.EvidenceDerived || len(was.Key) == 0 {
		t.Errorf("got %+v, want that nothing was lost", was)
	}
	if err := w.objects.Delete(t.Context(), was.Object+"/000001"); !errors.Is(err, blob.ErrLocked) {
		t.Errorf("the store: got %v, want %v", err, blob.ErrLocked)
	}
	d.fetch("desk2", path)

	blobtest.Expire(t, w.setting("GRID_S3_PREFIX"))
	if kept := w.terms(t, ends+3); kept.Collected != 1 {
		t.Errorf("got %d removed, want 1", kept.Collected)
	}
	task, gone := d.patrolled()
	if gone.State != casefile.EvidenceRemoved || len(gone.Key)+len(gone.CopyKey)+len(gone.Sealed)+len(gone.Copies)+len(gone.Digest) > 0 || !task.Until.IsZero() {
		t.Errorf("the task keeps %+v until %s", gone, task.Until)
	}
	for _, object := range append([]casefile.Copy{{Object: was.Object}}, was.Copies...) {
		if body, _, err := w.objects.Get(t.Context(), object.Object+"/000001"); err == nil {
			_ = body.Close()
			t.Errorf("the store has %s", object.Object)
		}
	}
	if prints, err := w.store.Prints.List(t.Context(), demo.Tenant, 0, 100); err != nil || slices.ContainsFunc(prints, func(p workflow.Print) bool { return p.Record == d.patrol && len(p.Key) > 0 }) {
		t.Errorf("its print is kept: %v", err)
	}
	deleted := 0
	for _, act := range d.acts(item) {
		if act == casefile.CustodyDelete {
			deleted++
		}
	}
	if deleted != len(was.Copies)+1 {
		t.Errorf("the chain has %d deletions, want those of the original and %d copies", deleted, len(was.Copies))
	}
	a, _ := w.as(t, "desk2").Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: path}, nil)
	if a.Status != http.StatusNotFound {
		t.Errorf("the original: got %d, want 404", a.Status)
	}
	d.refused("leader1", path+"/hold", why, "evidence.not_here")
	if kept := w.terms(t, ends+4000); kept.Collected != 0 {
		t.Error("removed twice")
	}
	var after struct{ Version int64 }
	if d.get(d.patroler, "/v1/field/tasks/"+d.patrol, &after); after != before {
		t.Errorf("the assignee sees version %d, and saw %d", after.Version, before.Version)
	}
	d.removalIsProved()
}

// removalIsProved makes sure that an archive proves the removal by the log.
func (d *docket) removalIsProved() {
	d.t.Helper()
	awaited(d.t, "all leaves", func() bool {
		waiting, err := d.w.store.Audit.Waiting(d.t.Context(), 1)
		return err == nil && len(waiting) == 0
	})
	d.w.tomorrow(d.t, 1)
	archive := d.fetch("desk2", "/v1/office/tasks/"+d.patrol+"/export")
	file := filepath.Join(d.t.TempDir(), "task.zip")
	if err := os.WriteFile(file, archive, 0o600); err != nil {
		d.t.Fatal(err)
	}
	key, _ := d.w.logKey(d.t)
	if out, err := d.w.command(d.t, "", "evidence", "verify", "--key", key, file); err != nil || !strings.Contains(out, "checkpoint of") {
		d.t.Errorf("the archive: %v\n%s", err, out)
	}
	if !bytes.Contains(bytes.ReplaceAll(archive, []byte(" "), nil), []byte(`"act":"delete"`)) {
		d.t.Error("the archive does not tell of the removal")
	}
}

// TestCaseKeepsWhatStaffCollected: with the first step of a penalty the picture of
// the patrol that the same report led to has the case's class.
func TestCaseKeepsWhatStaffCollected(t *testing.T) {
	t.Parallel()
	w := start(t)
	d := newDocket(t, w, casefile.Anonymous, casefile.MajorHazard).accept().confirm().describe().assign()
	item := d.saveWithPhoto()
	d.order().inspect(isSo).sign().completed()
	task, _ := d.patrolled()
	d.penalty = d.do("enforcer1", "/v1/office/penalties", object{"visit": d.visit}, casefile.PenaltyFiled).ID
	awaited(t, "the lock of the case", func() bool { return len(d.locks(item)) == 2 })
	if got := d.locks(item)[1]; got != lockedUntil(3650) {
		t.Errorf("got %q, want %q", got, lockedUntil(3650))
	}
	if now, _ := d.patrolled(); now.Version != task.Version || now.Seq != task.Seq {
		t.Error("the patrol's record tells of the case")
	}
}

// TestHoldOnAReportersItem: while a leader holds one item of a report, the report
// is neither sealed away nor erased, whatever its term, and an announced erasure is
// taken back; each hold and lift is a link of the item's chain and a leaf of the
// log. Once it is lifted the terms go on, and the objects are removed.
func TestHoldOnAReportersItem(t *testing.T) {
	t.Parallel()
	w := start(t)
	d, _ := ended(t, w)
	d.receipt()
	item := d.settled().Evidence[0]
	path, why := d.path("/evidence/"+item.ID), object{"reason": "court_order"}
	d.refused("leader1", path+"/lift", why, "evidence.hold")
	d.do("leader1", path+"/hold", why, casefile.ReportRejected)
	d.refused("leader1", path+"/hold", why, "evidence.hold")
	for _, days := range []int{60, 731, 4000} {
		if kept := w.terms(t, days); kept.Archived+kept.Announced+kept.Erased != 0 {
			t.Errorf("on day %d: got %+v under a hold", days, kept)
		}
	}
	if _, err := w.app.Service().Sweep(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	stored := func() (n int) {
		for _, o := range append([]casefile.Copy{{Object: item.Object}}, item.Copies...) {
			if body, _, err := w.objects.Get(t.Context(), o.Object+"/000001"); err == nil {
				_ = body.Close()
				n++
			}
		}
		return n
	}
	all := stored()
	if all != 1+len(item.Copies) {
		t.Errorf("the store has %d objects of the item under a hold, want %d", all, 1+len(item.Copies))
	}
	d.do("leader1", path+"/lift", why, casefile.ReportRejected)
	if kept := w.terms(t, 721); kept.Archived != 1 {
		t.Fatalf("once it was lifted: got %+v, want it sealed away", kept)
	}
	if kept := w.terms(t, 1500); kept.Announced != 1 {
		t.Fatalf("after its term: got %+v, want one announced", kept)
	}
	d.do("leader1", path+"/hold", why, casefile.ReportRejected) // takes it back
	if kept := w.terms(t, 1600); kept.Announced+kept.Erased != 0 {
		t.Errorf("got %+v under a hold", kept)
	}
	d.do("leader1", path+"/lift", why, casefile.ReportRejected)
	want := []casefile.CustodyAct{casefile.CustodyHold, casefile.CustodyLift, casefile.CustodyHold, casefile.CustodyLift}
	awaited(t, "the chain", func() bool {
		got := slices.DeleteFunc(d.acts(item.ID), func(a casefile.CustodyAct) bool { return a != casefile.CustodyHold && a != casefile.CustodyLift })
		return slices.Equal(got, want)
	})
	chain, err := w.store.Chains.List(t.Context(), demo.Tenant, item.ID, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range chain {
		if link.Act == casefile.CustodyHold && (link.By != demo.Tenant+"-leader1" || link.Note != "court_order" || link.Unlogged) {
			t.Errorf("got the link %+v", link)
		}
	}
	w.terms(t, 2300)
	if kept := w.terms(t, 2400); kept.Erased != 1 {
		t.Fatalf("got %+v, want that it is erased at last", kept)
	}
	if left := stored(); left != 0 {
		t.Errorf("the store has %d objects after the erasure", left)
	}
	d.refused("leader1", path+"/hold", why, "record.not_found")
}
