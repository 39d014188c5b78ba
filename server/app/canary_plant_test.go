package app_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"time"

	"gridwatch/media"
	"gridwatch/media/mediatest"
	"gridwatch/media/upload"
	"gridwatch/notify/outbox"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/canarytest"
	"gridwatch/server/casefile"
	"gridwatch/server/workflow"
)

// planted is a leak that is made on purpose, each in its own real place.
type planted struct {
	where []string // places that the sweep must name, after a > what must be opened there
	plant func(t *testing.T, s *sweep, text string)
	// mark is how the name of the canary begins that is planted; "" plants one made
	// for it.
	mark string
}

// canary is what is planted: one of those that went through the system, or a
// new one of this name.
func (p planted) canary(t *testing.T, canaries []canarytest.Canary, name string) canarytest.Canary {
	t.Helper()
	if p.mark == "" {
		return canarytest.Text(identity, name, chinese()+hexID(t))
	}
	i := slices.IndexFunc(canaries, func(c canarytest.Canary) bool { return strings.HasPrefix(c.Name, p.mark) })
	if i < 0 {
		t.Fatalf("nothing marked as %s went through the system", p.mark)
	}
	return canaries[i]
}

// plants are the leaks that a run must be able to find.
func plants() map[string]planted {
	return map[string]planted{
		// As a line that somebody added in haste.
		"log": {where: []string{"the log"}, plant: func(t *testing.T, s *sweep, text string) {
			t.Helper()
			slog.New(slog.NewJSONHandler(s.logs, nil)).LogAttrs(t.Context(), slog.LevelInfo, "report taken in", slog.String("by", text))
		}},
		// As a field of a record, which the database compresses and cuts to pieces.
		"db": {where: []string{"the database", "the database's data files > value of chunks"}, plant: func(t *testing.T, s *sweep, text string) {
			t.Helper()
			s.changeTask(t, func(task *casefile.Task) { task.Result = &casefile.Result{Note: longer(t, text)} })
		}},
		// As a record that was written, compressed, and deleted again.
		"wal": {where: []string{"the database's write-ahead log > compressed value"}, plant: func(t *testing.T, s *sweep, text string) {
			t.Helper()
			e := workflow.Envelope{ID: hexID(t), Tenant: demo.Tenant, Report: hexID(t), Contact: []byte(long(text)), At: time.Now()}
			if err := s.store.Envelopes.Insert(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			if err := s.store.Envelopes.Delete(t.Context(), demo.Tenant, e.ID); err != nil {
				t.Fatal(err)
			}
		}},
		// As an object that nobody encrypted, only packed.
		"objects": {where: []string{"the object store > gzip", "the object store's disk > gzip"}, plant: func(t *testing.T, s *sweep, text string) {
			t.Helper()
			var packed bytes.Buffer
			w := gzip.NewWriter(&packed)
			_, _ = w.Write([]byte(long(text)))
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if err := s.objects.Put(t.Context(), "unsealed/"+hexID(t), packed.Bytes()); err != nil {
				t.Fatal(err)
			}
		}},
		// As a contact that went to the gateway and nobody sealed.
		"gateway": {where: []string{"the contact gateway's requests", "the database"}, plant: func(t *testing.T, s *sweep, text string) {
			t.Helper()
			u := &casefile.ContactUse{Report: hexID(t), Way: casefile.ByGateway, Sealed: []byte(text), Expires: time.Now().Add(time.Hour).UTC()}
			u.ID, u.Tenant, u.State, u.Version, u.At, u.Changed = hexID(t), demo.Tenant, casefile.ContactHandedOver, 1, time.Now().UTC(), time.Now().UTC()
			if err := s.store.Contacts.Insert(t.Context(), u); err != nil {
				t.Fatal(err)
			}
			before := s.line.tries()
			e := outbox.For(u.ID, 1, "gateway")
			e.Tenant, e.Ref, e.NotBefore, e.ExpiresAt = demo.Tenant, u.ID, time.Now().UTC(), u.Expires
			if err := s.store.HandOvers.Add(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			awaited(t, "the handover", func() bool { return s.line.tries() > before })
		}},
		// As the body of a push that says too much.
		"push": {where: []string{"the pushes"}, plant: func(t *testing.T, s *sweep, text string) {
			t.Helper()
			before := len(s.fcm.Received())
			e := outbox.For(hexID(t), 1, demo.Tenant+"-inspector1")
			e.Tenant, e.Kind, e.Ref, e.NotBefore, e.ExpiresAt = demo.Tenant, "task", text, time.Now().UTC(), time.Now().UTC().Add(time.Hour)
			if err := s.store.Outbox.Add(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			awaited(t, "the push", func() bool { return len(s.fcm.Received()) > before })
		}},
		// As the serial number of the camera, in the copy for handlers.
		"media": {where: []string{"the copies of evidence"}, plant: func(t *testing.T, s *sweep, text string) {
			t.Helper()
			r := s.released(t)
			item := &r.Evidence[0]
			at := placeOf(item.Object)
			at.Item = hexID(t)
			photo := mediatest.Picture(mediatest.Options{Width: 320, Height: 240, Lon: 126, Lat: 44, Time: time.Now(), Make: "Camera", Serial: text})
			stored, err := s.ingest().Store(t.Context(), media.Source{Reader: bytes.NewReader(photo)}, s.copyKey(t, r, *item), at)
			if err != nil {
				t.Fatal(err)
			}
			for i := range item.Copies {
				c := &item.Copies[i]
				c.Object, c.Parts, c.Size = stored.Object, stored.Parts, stored.Size
			}
			was := r.Version
			if err := s.store.Reports.Update(t.Context(), r, was); err != nil {
				t.Fatal(err)
			}
		}},
		// As a note in the chain of custody, in an archive for a court.
		"export": {where: []string{"the exports > zip", "the database > chain"}, plant: func(t *testing.T, s *sweep, text string) {
			t.Helper()
			r := s.released(t)
			item := r.Evidence[0].ID
			last, err := s.store.Chains.Last(t.Context(), demo.Tenant, item)
			if err != nil {
				t.Fatal(err)
			}
			err = s.store.Chains.Append(t.Context(), casefile.CustodyEvent{
				ID: casefile.CustodyID(item, last+1), Tenant: demo.Tenant, Record: r.ID, Item: item, N: last + 1,
				Act: casefile.CustodyView, On: today(), By: "system", Note: text, Salt: make([]byte, 32), Source: hexID(t),
			})
			if err != nil {
				t.Fatal(err)
			}
			s.archive(t, r)
		}},
		// As what is left of an upload.
		"temp": {where: []string{"the temporary files"}, plant: func(t *testing.T, _ *sweep, text string) {
			t.Helper()
			file, err := os.CreateTemp(os.TempDir(), "multipart-")
			if err != nil {
				t.Fatal(err)
			}
			_, _ = file.WriteString(text)
			if err := file.Close(); err != nil {
				t.Fatal(err)
			}
		}},
		// As a label of a goroutine.
		"pprof": {where: []string{"the profiles > gzip"}, plant: func(t *testing.T, _ *sweep, text string) {
			t.Helper()
			end, labelled, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
			go func() {
				defer close(ended)
				pprof.Do(t.Context(), pprof.Labels("reporter", text), func(context.Context) {
					close(labelled)
					<-end
				})
			}()
			<-labelled
			t.Cleanup(func() {
				close(end)
				<-ended
			})
		}},
		// As a brief with what the desk should have kept to itself.
		"answer": {where: []string{"what is told to inspector1"}, plant: func(t *testing.T, s *sweep, text string) {
			t.Helper()
			id := s.changeTask(t, func(task *casefile.Task) { task.Brief = text })
			call := apiclient.Call{Method: http.MethodGet, Path: "/v1/field/tasks/" + id}
			if _, err := s.as(t, "inspector1").Do(t.Context(), call, nil); err != nil {
				t.Fatal(err)
			}
		}},
		// As a part of the address in a line of the log.
		"upload": {mark: "id of an upload", where: []string{"the log"}, plant: func(t *testing.T, s *sweep, text string) {
			t.Helper()
			slog.New(slog.NewJSONHandler(s.logs, nil)).LogAttrs(t.Context(), slog.LevelInfo, "request", slog.String("url", "/v1/uploads/"+text))
		}},
		// As it was given out, in the record of the upload.
		"right": {mark: "right to upload", where: []string{"the database's records of uploads > upload"}, plant: func(t *testing.T, s *sweep, text string) {
			t.Helper()
			u := upload.Upload{ID: hexID(t), Tenant: demo.Tenant, Reason: text, Stage: upload.Rejected, Settled: true, Expires: time.Now().Add(time.Hour)}
			if err := s.store.Uploads.Insert(t.Context(), u); err != nil {
				t.Fatal(err)
			}
		}},
		// As the name of an object.
		"name": {mark: "name in pieces", where: []string{"the object store", "the object store's disk"}, plant: func(t *testing.T, s *sweep, text string) {
			t.Helper()
			if err := s.objects.Put(t.Context(), "unsealed/"+text, []byte("sealed or not")); err != nil {
				t.Fatal(err)
			}
		}},
		// As what a killed copier left.
		"metadata": {mark: "metadata", where: []string{"the copiers' scratch folder"}, plant: func(t *testing.T, s *sweep, text string) {
			t.Helper()
			if err := os.WriteFile(filepath.Join(s.setting("GRID_MEDIA_SCRATCH"), "left"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		// As the claim of a photo under the id itself instead of its keyed hash.
		"claim": {mark: "photo id", where: []string{"the database > claim"}, plant: func(t *testing.T, s *sweep, text string) {
			t.Helper()
			if _, err := s.store.Claims.Claim(t.Context(), workflow.Claim{ID: "photo:" + text, Tenant: demo.Tenant, By: hexID(t)}); err != nil {
				t.Fatal(err)
			}
		}},
		// As a print that nobody sealed.
		"print": {where: []string{"the database > print"}, plant: func(t *testing.T, s *sweep, text string) {
			t.Helper()
			last, err := s.store.Prints.Last(t.Context(), demo.Tenant)
			if err != nil {
				t.Fatal(err)
			}
			p := workflow.Print{Tenant: demo.Tenant, N: last + 1000, Kind: "report", Record: hexID(t), Item: hexID(t), Sealed: []byte(text)}
			if err := s.store.Prints.Add(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}},
		// As the reason of a hold.
		"hold": {where: []string{"the database's records of uploads > report"}, plant: func(t *testing.T, s *sweep, text string) {
			t.Helper()
			s.insertReport(t, func(r *casefile.Report) { r.Holds = []casefile.Hold{{ID: hexID(t), Reason: text}} })
		}},
		// As what was kept of a report that was sealed away.
		"archive": {where: []string{"the database's records of uploads > report"}, plant: func(t *testing.T, s *sweep, text string) {
			t.Helper()
			s.insertReport(t, func(r *casefile.Report) { r.Archive = casefile.Archive{On: today(), Kept: []byte(text)} })
		}},
	}
}

// insertReport keeps a report as no command would have made it.
func (s *sweep) insertReport(t *testing.T, change func(*casefile.Report)) {
	t.Helper()
	r := &casefile.Report{Head: casefile.Head{ID: hexID(t), Tenant: demo.Tenant, State: casefile.ReportWithdrawn, Version: 1, At: time.Now(), Changed: time.Now()}, Number: hexID(t)}
	change(r)
	if err := s.store.Reports.Insert(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

// long is a text of more than 8 KB that is kept smaller than it is.
func long(text string) string { return strings.Repeat("and so on, ", 1000) + text }

// longer is a text of which 8 KB and more are left when it is compressed.
func longer(t *testing.T, text string) string {
	t.Helper()
	var all strings.Builder
	for range 1000 {
		all.WriteString(text + hexID(t))
	}
	return all.String()
}

// changeTask changes the task of the report that was handled, and returns its id.
func (s *sweep) changeTask(t *testing.T, change func(*casefile.Task)) string {
	t.Helper()
	tasks, err := s.store.Tasks.List(t.Context(), workflow.Query{Tenant: demo.Tenant, Assigned: demo.Tenant + "-inspector1", Limit: 1})
	if err != nil || len(tasks) == 0 {
		t.Fatalf("got %d tasks, %v", len(tasks), err)
	}
	task := &tasks[0]
	change(task)
	was := task.Version
	if err := s.store.Tasks.Update(t.Context(), task, was); err != nil {
		t.Fatal(err)
	}
	return task.ID
}

// released is the report whose photo was released.
func (s *sweep) released(t *testing.T) *casefile.Report {
	t.Helper()
	reports, err := s.store.Reports.List(t.Context(), workflow.Query{Tenant: demo.Tenant, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(reports, func(r casefile.Report) bool { return len(r.Evidence) > 0 && r.Evidence[0].Released })
	if at < 0 {
		t.Fatal("no photo was released")
	}
	return &reports[at]
}

// TestPlantedLeaksAreFound makes a leak of each kind, and wants the sweep to
// name each in its place, and nothing else.
func TestPlantedLeaksAreFound(t *testing.T) {
	s := newSweep(t)
	m := newMarked(t, nil, true)
	r := s.submit(t, m)
	s.handle(t, &r)
	s.pieces(t, m, &r)
	s.export(t)
	s.panics = []byte("none here")
	texts := map[string]string{}
	canaries := m.canaries
	for _, kind := range slices.Sorted(maps.Keys(plants())) {
		p := plants()[kind]
		canary := p.canary(t, m.canaries, "planted as "+kind+":")
		if p.mark == "" {
			canaries = append(canaries, canary)
		}
		texts[kind] = string(canary.Raw)
		p.plant(t, s, texts[kind])
	}
	found, err := canarytest.Sweep(s.places(t), canaries)
	if err != nil {
		t.Fatal(err)
	}
	if err := found.Print(t.Output()); err != nil {
		t.Error(err)
	}
	for kind, p := range plants() {
		for _, where := range p.where {
			place, opened, _ := strings.Cut(where, " > ")
			if !slices.ContainsFunc(found.Leaks(), func(h canarytest.Hit) bool {
				return h.Place == place && strings.Contains(h.Piece, opened) && strings.Contains(h.Canary.Name, texts[kind])
			}) {
				t.Errorf("the leak planted as %s was not found in %s", kind, where)
			}
		}
	}
	for _, h := range found.Leaks() {
		planted := func(text string) bool { return strings.Contains(h.Canary.Name, text) }
		if !slices.ContainsFunc(slices.Collect(maps.Values(texts)), planted) {
			t.Error(h)
		}
	}
}
