package mobileapi_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"gridwatch/media/redact"
	"gridwatch/mobileapi/wire"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
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

// TestAnExportLeavesNothingOut: a copy was released, its chain did not tell of it
// yet, and the archive that was made then was whole without it.
func TestAnExportLeavesNothingOut(t *testing.T) {
	t.Parallel()
	r := start(t)
	read[wire.Registration](r, r.form(reports, "", newKey(), jsonPart("report", report()), photo(picture(1))), http.StatusCreated)
	relay(t, r.service)
	must(r.service.CopyOnce(t.Context(), workflow.PhotoLane))
	relay(t, r.service)
	filed := must(r.service.Reports.List(t.Context(), workflow.Query{Tenant: "county", Limit: 1}))[0]
	filed.State = casefile.ReportAccepted // by the desk
	filed.Version++
	if err := r.service.Reports.Update(t.Context(), &filed, filed.Version-1); err != nil {
		t.Fatal(err)
	}
	desk := casefile.Actor{Tenant: "county", Person: "desk1", Posts: []casefile.Post{{Role: casefile.DeskOfficer, Area: "220182000000"}}}
	item := filed.Evidence[0].ID
	release := func(edit redact.Edit) {
		must(r.service.ReleaseEvidence(t.Context(), workflow.Call{Actor: desk, Route: "test", Key: must(vault.ParseIdemKey(newKey()))}, filed.ID, item, workflow.Release{Edit: edit}))
	}
	for name, edit := range map[string]redact.Edit{"released": {}, "released anew": {Hide: []redact.Mask{{Rect: redact.Rect{X: 1, Y: 1, W: 5, H: 5}}}}} {
		release(edit)
		if _, err := r.service.ExportReport(t.Context(), desk, filed.ID); fault.CodeOf(err) != "evidence.chain_behind" {
			t.Errorf("%s, before its chain tells of it: got %v", name, err)
		}
		relay(t, r.service)
		archive := must(r.service.ExportReport(t.Context(), desk, filed.ID))
		if text := string(must(io.ReadAll(archive))); !strings.Contains(text, "items/"+item+"/released.jpg") {
			t.Errorf("%s: the archive is without it", name)
		}
	}
	chain := must(r.service.Chains.List(t.Context(), "county", item, 0, 100))
	exports := slices.DeleteFunc(chain, func(e casefile.CustodyEvent) bool { return e.Act != casefile.CustodyExport })
	if len(exports) != 2 {
		t.Errorf("the chain tells of %d exports, want those that were made: 2", len(exports))
	}
}
