package app_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"gridwatch/media/cliptest"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/workflow"
)

// TestSegmentsAreDoubted: a segment carries what its device says, and desk and
// leader read what the rules find of it; the officers who recorded do not.
func TestSegmentsAreDoubted(t *testing.T) {
	t.Parallel()
	w := start(t)
	d := newDocket(t, w, casefile.Anonymous, casefile.MajorHazard).accept().confirm().describe().assign().order()
	path := "/v1/field/tasks/" + d.task + "/recordings"
	path += "/" + d.do("enforcer1", path, object{"kind": "video"}, casefile.TaskAssigned).Ref
	here, there := d.place(), d.place()
	here["accuracyM"], there["accuracyM"] = 8, 5000
	there["lon"] = d.target.Lon + 0.5
	now := time.Now().UTC()
	said := []object{
		{"position": here, "clock": object{"now": now.Format(time.RFC3339), "elapsedMs": 1000}},
		{"position": there, "mock": true, "clock": object{"now": now.Add(-time.Hour).Format(time.RFC3339), "elapsedMs": 0}},
		{},
	}
	for i, more := range said {
		film := cliptest.Film(t, "mp4", "CANARY-segment-"+string(rune('a'+i)), 1)
		body := oneSegment(i+1, len(film))
		for k, v := range more {
			body[k] = v
		}
		var out struct{ Items []struct{ Right string } }
		if err := d.send("enforcer1", apiclient.Call{Method: http.MethodPost, Path: path + "/segments", Key: newKey(t), Body: body}, &out); err != nil {
			t.Fatal(err)
		}
		w.sendSegment(t, w.as(t, "enforcer1"), out.Items[0].Right, film)
	}
	d.inspect(isSo).sign()
	var page struct {
		Items []struct {
			Until    string
			Segments []struct{ Doubts []casefile.Doubt }
		}
	}
	d.get("leader1", "/v1/office/inspections/"+d.visit+"/recordings", &page)
	if got, want := page.Items[0].Until, now.In(time.FixedZone("", 8*3600)).AddDate(0, 0, 180).Format(time.DateOnly); got != want {
		t.Errorf("it is kept until %q, want %s", got, want)
	}
	want := map[casefile.DoubtRule][]casefile.DoubtVerdict{
		casefile.DoubtAccuracy: {casefile.NoDoubt, casefile.InDoubt, casefile.NotKnown},
		casefile.DoubtMock:     {casefile.NoDoubt, casefile.InDoubt, casefile.NotKnown},
		casefile.DoubtPlace:    {casefile.NoDoubt, casefile.InDoubt, casefile.NotKnown},
		casefile.DoubtSkew:     {casefile.NoDoubt, casefile.InDoubt, casefile.NotKnown},
		casefile.DoubtSameFile: {casefile.NoDoubt, casefile.NoDoubt, casefile.NoDoubt},
	}
	for rule, verdicts := range want {
		for i, verdict := range verdicts {
			doubts := page.Items[0].Segments[i].Doubts
			at := slices.IndexFunc(doubts, func(d casefile.Doubt) bool { return d.Rule == rule })
			if at < 0 || doubts[at].Verdict != verdict {
				t.Errorf("segment %d, %s: want %s of %+v", i+1, rule, verdict, doubts)
			}
		}
	}
	var raw struct{ Items []json.RawMessage }
	d.get("enforcer1", "/v1/office/inspections/"+d.visit+"/recordings", &raw)
	if bytes.Contains(raw.Items[0], []byte("doubts")) || bytes.Contains(raw.Items[0], []byte("until")) {
		t.Errorf("who recorded reads %s", raw.Items[0])
	}
}

// TestRecordingsAreLimitedByPolicy: how many recordings an inspection has, and
// how many segments each, are numbers of the tenant's.
func TestRecordingsAreLimitedByPolicy(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.policy(t, func(p *workflow.Policy) { p.MaxRecordings, p.MaxSegments = 2, 3 })
	d := newDocket(t, w, casefile.Anonymous, casefile.MajorHazard).accept().confirm().describe().assign().order()
	tapes := "/v1/field/tasks/" + d.task + "/recordings"
	path := tapes + "/" + d.do("enforcer1", tapes, object{"kind": "audio"}, casefile.TaskAssigned).Ref
	d.do("enforcer2", tapes, object{"kind": "video"}, casefile.TaskAssigned)
	d.refused("enforcer1", tapes, object{"kind": "video"}, "recording.too_many")
	d.announceSegment("enforcer1", path, newKey(t), 3, 1000)
	d.refused("enforcer1", path+"/segments", oneSegment(4, 1000), "recording.segment")
	d.refused("enforcer1", path+"/close", object{"segments": 4}, "recording.segment")

	// A task is one document: whatever the policy says, it does not outgrow it.
	alter(t, w.store.Tasks, d.task, func(task *casefile.Task) *casefile.Head {
		for i := range 2500 {
			item := task.Collected[0]
			item.ID, item.Sealed, item.Doubts = newKey(t), make([]byte, 900), make([]byte, 2200)
			item.Copies = slices.Repeat([]casefile.Copy{{Object: strings.Repeat("x", 200), SHA256: strings.Repeat("0", 64)}}, 2)
			task.Collected = append(task.Collected, item)
			task.Recordings[1].Segments = append(task.Recordings[1].Segments, casefile.Segment{N: i + 1, Item: item.ID, By: demo.Tenant + "-enforcer1"})
		}
		return &task.Head
	})
	d.refused("enforcer1", path+"/segments", oneSegment(1, 1000), "recording.full")
	d.do("enforcer1", path+"/close", object{"segments": 3}, casefile.TaskAssigned)
}
