package app_test

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"gridwatch/media"
	"gridwatch/media/cliptest"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/canarytest"
	"gridwatch/server/casefile"
	"gridwatch/server/workflow"
)

// record has the inspection of the demo recorded: a film, a name of its file and
// a position of the device full of canaries. The segment is looked at by who may.
func (s *sweep) record(t *testing.T) []canarytest.Canary {
	t.Helper()
	visits, err := s.store.Visits.List(t.Context(), workflow.Query{Tenant: demo.Tenant, Limit: 1})
	if err != nil || len(visits) == 0 {
		t.Fatalf("got %d inspections, %v", len(visits), err)
	}
	task, visit := visits[0].Task, "/v1/office/inspections/"+visits[0].ID
	become := func(state casefile.State) {
		alter(t, s.store.Tasks, task, func(task *casefile.Task) *casefile.Head { task.State = state; return &task.Head })
	}
	m, officer := &marked{}, s.as(t, "enforcer1")
	become(casefile.TaskAcknowledged) // a recording is opened at work
	var opened casefile.Outcome
	path := "/v1/field/tasks/" + task + "/recordings"
	s.send(t, officer, apiclient.Call{Path: path, Body: doc{"kind": casefile.Video}}, &opened)
	path += "/" + opened.Ref
	film := cliptest.Film(t, "mp4", m.mark(capture, "title of a recording", rand.Text()), 1)
	lon, lat := m.place(capture, "recording")
	segment := oneSegment(1, len(film))
	segment["position"] = doc{"lon": lon, "lat": lat, "datum": "wgs84", "accuracyM": 7, "provider": "gps"}
	segment["mock"], segment["clock"] = true, doc{"now": time.Now().UTC().Format(time.RFC3339), "elapsedMs": 1500}
	var announced struct{ Items []struct{ ID, Right string } }
	s.send(t, officer, apiclient.Call{Path: path + "/segments", Body: segment}, &announced)
	right := canarytest.Text(secret, "right to upload a segment", announced.Items[0].Right)
	right.Hashed = true
	m.canaries = append(m.canaries, right)
	b64 := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	s.tus(t, officer, http.MethodPost, "/v1/uploads", film, http.Header{
		"Upload-Length": {strconv.Itoa(len(film))}, "Content-Type": {"application/offset+octet-stream"},
		"Upload-Metadata": {"right " + b64(announced.Items[0].Right) + ",filename " + b64(m.mark(words, "name of a recording", rand.Text())+".mp4")},
	})
	s.send(t, officer, apiclient.Call{Path: path + "/close", Body: doc{"segments": 1}}, nil)
	become(casefile.TaskDone)
	awaited(t, "the copy of the recording", func() bool {
		now, err := s.store.Tasks.Get(t.Context(), demo.Tenant, task)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(now.Collected, func(e casefile.Evidence) bool { return e.State == casefile.EvidenceDerived })
	})
	for _, login := range []string{"leader1", "desk1", "enforcer2"} {
		for _, part := range []string{"/recordings", "/segments/" + announced.Items[0].ID} {
			s.send(t, s.as(t, login), apiclient.Call{Method: http.MethodGet, Path: visit + part}, nil)
		}
	}
	s.send(t, s.as(t, "desk1"), apiclient.Call{Method: http.MethodGet, Path: "/v1/office/tasks/" + task + "/export"}, nil) // for a court, originals too
	return m.canaries
}

// taken reads the copies of what staff took or recorded, as they are kept.
func (s *sweep) taken(t *testing.T, see func(string, []byte)) error {
	t.Helper()
	tasks, err := s.store.Tasks.List(t.Context(), workflow.Query{Tenant: demo.Tenant, Limit: 100})
	if err != nil {
		return err
	}
	for _, task := range tasks {
		for _, item := range task.Collected {
			for _, c := range item.Copies {
				at := placeOf(c.Object)
				key, err := s.keyring(t).OpenDataKey(placeOf(item.Object).String()+"/copies", item.CopyKey)
				if err != nil {
					return err
				}
				body, err := s.ingest().Read(t.Context(), media.Ref{Object: c.Object, Parts: c.Parts}, key, at)
				if err != nil {
					return err
				}
				content, err := io.ReadAll(body)
				if err := errors.Join(err, body.Close()); err != nil {
					return err
				}
				see(item.ID+" "+string(c.Kind), content)
			}
		}
	}
	return nil
}
