package workflow_test

import (
	"bytes"
	"image"
	"image/jpeg"
	"slices"
	"sync"
	"testing"

	"gridwatch/media/mediatest"
	"gridwatch/server/workflow"
)

func shown(t *testing.T) image.Image {
	t.Helper()
	picture, err := jpeg.Decode(bytes.NewReader(mediatest.Picture(mediatest.Options{Width: 64, Height: 48, Seed: 1})))
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

// TestErasedPrintsStayedInMemory: the stored prints of an erased report were
// destroyed, and every running server knew its pictures until it was started anew.
func TestErasedPrintsStayedInMemory(t *testing.T) {
	t.Parallel()
	b, picture := newBench(t), shown(t)
	here, there := b.s, workflow.New(b.s.Deps) // two processes
	for _, p := range []workflow.Print{
		{Tenant: "county", Kind: "report", Record: "r1", Item: "i1"},
		{Tenant: "county", Kind: "report", Record: "r2", Item: "i2"},
		{Tenant: "county", Kind: "task", Record: "t1", Item: "i3"},
		{Tenant: "county", Kind: "report", Record: "r1", Item: "i4"},
	} {
		b.ok(here.KeepPicture(t.Context(), p, picture))
	}
	all := []string{"i1", "i2", "i3", "i4"}
	for _, s := range []*workflow.Service{here, there} {
		alike, err := s.Alike(t.Context(), "county", "i2", "report")
		b.ok(err)
		if got := s.InMemory("county"); !slices.Equal(alike, []string{"i1", "i4"}) || !slices.Equal(got, all) {
			t.Fatalf("got %v, like the second %v", got, alike)
		}
	}
	b.ok(here.ForgetPrints(t.Context(), "county", "r1"))
	left := []string{"i2", "i3"}
	if got := here.InMemory("county"); !slices.Equal(got, left) {
		t.Errorf("got %v in the memory of who erased, want %v", got, left)
	}
	b.ok(there.RefreshPrints(t.Context()))
	if got := there.InMemory("county"); !slices.Equal(got, left) {
		t.Errorf("got %v in the memory of another process, want %v", got, left)
	}
	b.ok(here.ForgetPrints(t.Context(), "county", "r1")) // again, as an effect may be
	b.ok(here.KeepPicture(t.Context(), workflow.Print{Tenant: "county", Kind: "report", Record: "r1", Item: "i5"}, picture))
	for name, s := range map[string]*workflow.Service{"here": here, "there": there, "started anew": workflow.New(b.s.Deps)} {
		alike, err := s.Alike(t.Context(), "county", "i2", "report")
		b.ok(err)
		if got := s.InMemory("county"); alike != nil || !slices.Equal(got, left) {
			t.Errorf("%s: got %v, like what is left %v, want %v and none", name, got, alike, left)
		}
	}
}

// TestAPrintThatCameWithTheErasureStayed: what was being kept while a record was
// erased was kept for good.
func TestAPrintThatCameWithTheErasureStayed(t *testing.T) {
	t.Parallel()
	b, picture := newBench(t), shown(t)
	var both sync.WaitGroup
	for _, item := range []string{"i1", "i2", "i3"} {
		both.Go(func() {
			if err := b.s.KeepPicture(t.Context(), workflow.Print{Tenant: "county", Kind: "report", Record: "r1", Item: item}, picture); err != nil {
				t.Error(err)
			}
		})
	}
	both.Go(func() {
		if err := b.s.ForgetPrints(t.Context(), "county", "r1"); err != nil {
			t.Error(err)
		}
	})
	both.Wait()
	prints, err := b.store.Prints.List(t.Context(), "county", 0, 10)
	b.ok(err)
	for _, p := range prints {
		if len(p.Key)+len(p.Sealed) > 0 {
			t.Errorf("got the print of %s beside the erasure of its record", p.Item)
		}
	}
}
