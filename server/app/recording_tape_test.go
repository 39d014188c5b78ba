package app_test

import (
	"testing"

	"gridwatch/media/cliptest"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/workflow"
)

// policy changes the demo's.
func (w *world) policy(t *testing.T, change func(*workflow.Policy)) {
	t.Helper()
	tenant, err := w.store.Directory.Tenant(t.Context(), demo.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	change(&tenant.Policy)
	if err := w.store.Loader.PutTenant(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
}

// alter changes a record behind the back of everything.
func alter[T any](t *testing.T, of workflow.Records[T], id string, change func(*T) *casefile.Head) {
	t.Helper()
	awaited(t, "a record that nobody changes meanwhile", func() bool {
		r, err := of.Get(t.Context(), demo.Tenant, id)
		if err != nil {
			t.Fatal(err)
		}
		err = of.Update(t.Context(), r, change(r).Version)
		if err != nil && fault.CodeOf(err) != "record.stale" {
			t.Fatal(err)
		}
		return err == nil
	})
}

// tape is a recording of one segment, of an inspection that is signed.
type tape struct {
	*docket
	path string // of the recording
	item string
	film []byte
}

func newTape(t *testing.T, w *world) *tape {
	t.Helper()
	d := newDocket(t, w, casefile.Anonymous, casefile.MajorHazard).accept().confirm().describe().assign().order()
	p := &tape{docket: d, film: cliptest.Film(t, "mp4", "CANARY-recording", 1), path: "/v1/field/tasks/" + d.task + "/recordings"}
	p.path += "/" + d.do("enforcer1", p.path, object{"kind": "video"}, casefile.TaskAssigned).Ref
	sent := d.announceSegment("enforcer1", p.path, newKey(t), 1, len(p.film))
	p.item = sent.ID
	d.w.sendSegment(t, d.w.as(t, "enforcer1"), sent.Right, p.film)
	p.inspect(isSo).sign().completed()
	awaited(t, "the copy and the lock", func() bool {
		item := p.kept()
		return item.State == casefile.EvidenceDerived && len(p.read().Pending) == 0
	})
	return p
}

func (p *tape) read() *casefile.Task {
	p.t.Helper()
	task, err := p.w.store.Tasks.Get(p.t.Context(), demo.Tenant, p.task)
	if err != nil {
		p.t.Fatal(err)
	}
	return task
}

func (p *tape) kept() *casefile.Evidence {
	p.t.Helper()
	item, ok := casefile.FindEvidence(p.read().Collected, p.item)
	if !ok {
		p.t.Fatal("the task does not know the segment any more")
	}
	return item
}

// report changes the report behind the inspection.
func (p *tape) report(change func(*casefile.Report)) {
	p.t.Helper()
	alter(p.t, p.w.store.Reports, p.docket.report, func(r *casefile.Report) *casefile.Head { change(r); return &r.Head })
}

// over is the report at its end, a little later than it began.
func (p *tape) over() {
	p.t.Helper()
	p.report(func(r *casefile.Report) { r.State = casefile.ReportClosed })
}

// plays fetches the copy of the segment.
func (p *tape) plays(login string) {
	p.t.Helper()
	if got := p.fetch(login, "/v1/office/inspections/"+p.visit+"/segments/"+p.item); len(got) < 8 || string(got[4:8]) != "ftyp" {
		p.t.Errorf("%s is shown %d bytes, want the copy", login, len(got))
	}
}
