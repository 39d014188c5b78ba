package app_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	random "math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"

	"gridwatch/media"
	"gridwatch/media/cliptest"
	"gridwatch/mobileapi/wire"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
)

const (
	recordingKills = 4
	// enoughSegments is how many an officer sends at most.
	enoughSegments = 12
)

// TestEveryAcknowledgedSegmentOutlivesKills kills the server while two officers
// send the segments of one recording, and once more when its closing was
// acknowledged. The recording is whole then: every segment is what was sent, has
// its copy, and is under object lock.
func TestEveryAcknowledgedSegmentOutlivesKills(t *testing.T) {
	t.Parallel()
	f := &torrent{storm: &storm{world: apart(t), path: program(t), killed: make(chan struct{})}, files: map[string][]byte{}}
	server := launch(t, f.path, f.settings, "serve")
	f.ready(t)
	d := newDocket(t, f.world, casefile.Anonymous, casefile.MajorHazard).accept().confirm().describe().assign().order()
	officers := []apiclient.Client{f.as(t, "enforcer1"), f.as(t, "enforcer2")}
	path := "/v1/field/tasks/" + d.task + "/recordings"
	opened, _ := f.command(t, officers[0], path, object{"kind": "audio"})
	path += "/" + opened.Ref

	var all sync.WaitGroup
	sent := make([]int, len(officers))
	sound := cliptest.Sound(t, "wav", secretOf, 10)
	for i, c := range officers {
		all.Go(func() { sent[i] = f.tape(t, c, path, sound, i, len(officers)) })
	}
	server = f.kill(t, server, recordingKills)
	all.Wait()
	if t.Failed() {
		return
	}
	if sent[0] != sent[1] { // one of the numbers is missing: the slower officer has it too
		slower := slices.Index(sent, slices.Min(sent))
		for sent[slower] < slices.Max(sent) {
			f.segment(t, officers[slower], path, sound, sent[slower]*len(officers)+slower+1)
			sent[slower]++
		}
	}

	n, key := sent[0]+sent[1], newKey(t)
	closing := func(key string) error {
		_, err := officers[0].Do(t.Context(), apiclient.Call{Method: http.MethodPost, Path: path + "/close", Key: key, Body: object{"segments": n}}, nil)
		return err
	}
	f.stubborn(t, func(context.Context) error { return closing(key) })
	server.end(t, syscall.SIGKILL)
	launch(t, f.path, f.settings, "serve")
	f.ready(t)
	if err := closing(key); err != nil {
		t.Errorf("the closing again: %v", err)
	}
	if err := closing(newKey(t)); apiclient.CodeOf(err) != "recording.closed" {
		t.Errorf("another closing: got %v", err)
	}
	t.Logf("%d segments acknowledged, cut off %d times", n, f.resume)
	f.checkTape(t, d, n)
}

// tape sends every stride-th segment of a recording until the last kill, and
// returns how many.
func (f *torrent) tape(t *testing.T, c apiclient.Client, path string, sound []byte, from, stride int) int {
	t.Helper()
	n := 0
	for ; n < enoughSegments; n++ {
		select {
		case <-f.killed:
			return n
		default:
		}
		f.segment(t, c, path, sound, n*stride+from+1)
	}
	return n
}

// segment announces a segment and sends it in pieces.
func (f *torrent) segment(t *testing.T, c apiclient.Client, path string, sound []byte, n int) {
	t.Helper()
	content := fmt.Appendf(bytes.Clone(sound), "%s %d", secretOf, n)
	key := newKey(t)
	var out wire.Announced
	f.stubborn(t, func(ctx context.Context) error {
		_, err := c.Do(ctx, apiclient.Call{Method: http.MethodPost, Path: path + "/segments", Key: key, Body: oneSegment(n, len(content))}, &out)
		return err
	})
	f.send(t, c, random.New(random.NewPCG(uint64(n), 11)), out.Items[0], content)
	f.mu.Lock()
	f.files[out.Items[0].ID] = content
	f.mu.Unlock()
}

// checkTape reads every segment back.
func (f *torrent) checkTape(t *testing.T, d *docket, n int) {
	t.Helper()
	ready := 0
	for ready < n { // as long as there is progress
		awaited(t, "another segment with its copy and its lock", func() bool {
			now := 0
			for _, item := range f.collected(t, d) {
				if item.State == casefile.EvidenceDerived && len(d.locks(item.ID)) > 0 {
					now++
				}
			}
			defer func() { ready = max(ready, now) }()
			return now > ready
		})
	}
	sweep := launch(t, f.path, f.settings, "sweep", "--older-than", "0s")
	if code := sweep.code(t); code != 0 {
		t.Fatalf("sweep: got exit %d, %s", code, sweep.logs.String())
	}
	task, err := f.store.Tasks.Get(t.Context(), demo.Tenant, d.task)
	if err != nil {
		t.Fatal(err)
	}
	r := task.Recordings[0]
	if got := r.State(task.Collected); got != casefile.RecordingWhole || r.Count != n || len(task.Recordings) != 1 || len(task.Collected) != n {
		t.Errorf("got %d recordings, the first of %d segments and %s, and %d items, want one whole one of %d", len(task.Recordings), r.Count, got, len(task.Collected), n)
	}
	stored := media.New(f.objects, rand.Reader, media.Config{})
	for _, item := range task.Collected {
		at := placeOf(item.Object)
		key, err := f.keyring(t).OpenDataKey(at.String()+"/original", item.Key)
		if err != nil {
			t.Fatal(err)
		}
		ref := media.Ref{Object: item.Object, Parts: item.Parts}
		for _, run := range item.Runs {
			ref.Runs = append(ref.Runs, media.Run(run))
		}
		body, err := stored.Read(t.Context(), ref, key, at)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(body)
		if err := errors.Join(err, body.Close()); err != nil || !bytes.Equal(content, f.files[item.ID]) {
			t.Errorf("a segment comes back with %d bytes, %v, want %d", len(content), err, len(f.files[item.ID]))
		}
	}
}

func (f *torrent) collected(t *testing.T, d *docket) []casefile.Evidence {
	t.Helper()
	task, err := f.store.Tasks.Get(t.Context(), demo.Tenant, d.task)
	if err != nil {
		t.Fatal(err)
	}
	return task.Collected
}
