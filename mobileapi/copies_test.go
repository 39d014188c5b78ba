package mobileapi_test

import (
	"net/http"
	"testing"
	"time"

	"gridwatch/mobileapi/wire"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/workflow"
)

// TestABusyRecordCostsNoFile: when a record could not take the news of its
// copies a few times, that was counted against the file, and the file given up.
func TestABusyRecordCostsNoFile(t *testing.T) {
	t.Parallel()
	r := start(t)
	read[wire.Registration](r, r.form(reports, "", newKey(), jsonPart("report", report()), photo(picture(1))), http.StatusCreated)
	relay(t, r.service) // the job is there
	find := func() *casefile.Report {
		return &must(r.service.Reports.List(t.Context(), workflow.Query{Tenant: "county", Limit: 1}))[0]
	}

	full := find()
	was := full.Version
	full.Version++
	full.Seq++
	for range 63 {
		full.Pending = append(full.Pending, casefile.Effect{Seq: full.Seq})
	}
	if err := r.service.Reports.Update(t.Context(), full, was); err != nil {
		t.Fatal(err)
	}
	for range 7 {
		worked, err := r.service.CopyOnce(t.Context(), workflow.PhotoLane)
		if !worked || fault.CodeOf(err) != "record.too_many_effects" {
			t.Fatalf("got %t, %v, want a try that finds the record busy", worked, err)
		}
		r.clock.pass(5 * time.Second)
	}
	if got := find().Evidence[0].State; got != casefile.EvidenceVerified {
		t.Errorf("got %s, want that it waits", got)
	}
	relay(t, r.service)
	must(r.service.CopyOnce(t.Context(), workflow.PhotoLane))
	if got := find().Evidence[0].State; got != casefile.EvidenceDerived {
		t.Errorf("got %s once the record has time", got)
	}
}
