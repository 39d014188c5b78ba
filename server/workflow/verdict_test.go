package workflow_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gridwatch/media"
	"gridwatch/media/blobtest"
	"gridwatch/media/mediatest"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// watched notes every question that is put to a store, which answers.
type watched struct {
	workflow.Reports

	asked []string
}

func (w *watched) Get(ctx context.Context, tenant, id string) (*casefile.Report, error) {
	w.asked = append(w.asked, "get")
	return w.Reports.Get(ctx, tenant, id)
}

func (w *watched) Insert(ctx context.Context, r *casefile.Report) error {
	w.asked = append(w.asked, "insert")
	return w.Reports.Insert(ctx, r)
}

func (w *watched) Update(ctx context.Context, r *casefile.Report, was int64) error {
	w.asked = append(w.asked, "update")
	return w.Reports.Update(ctx, r, was)
}

func (w *watched) List(ctx context.Context, q workflow.Query) ([]casefile.Report, error) {
	w.asked = append(w.asked, "list")
	return w.Reports.List(ctx, q)
}

func (w *watched) ByReceipt(ctx context.Context, hashes []string) (*casefile.Report, error) {
	w.asked = append(w.asked, "by receipt")
	return w.Reports.ByReceipt(ctx, hashes)
}

func (w *watched) ByDigests(ctx context.Context, tenant string, digests []string, limit int) ([]casefile.Report, error) {
	w.asked = append(w.asked, "by digests")
	return w.Reports.ByDigests(ctx, tenant, digests, limit)
}

// files are pictures of a form.
type files struct{ left [][]byte }

func (f *files) Next() (workflow.IncomingFile, error) {
	if len(f.left) == 0 {
		return workflow.IncomingFile{}, io.EOF
	}
	next := f.left[0]
	f.left = f.left[1:]
	return workflow.IncomingFile{Name: "IMG.jpg", Reader: bytes.NewReader(next)}, nil
}

// TestVerdictsAreForTheDesk: whether a picture was seen before changes nothing
// of what is done while its sender waits: the same questions to the store, the
// same number of objects. The desk reads who else sent it.
func TestVerdictsAreForTheDesk(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	objects := blobtest.Open(t)
	b.s.Media = media.New(objects, rand.Reader, media.Config{})
	reports := &watched{Reports: b.store.Reports}
	b.s.Reports = reports
	count := func() int {
		n := 0
		b.ok(objects.List(t.Context(), "", func(string, time.Time) error { n++; return nil }))
		return n
	}
	seen := mediatest.Picture(mediatest.Options{Width: 64, Height: 48, Seed: 1})
	fresh := mediatest.Picture(mediatest.Options{Width: 64, Height: 48, Seed: 2})
	type work struct {
		Asked   []string
		Objects int
		State   casefile.EvidenceState
	}
	var ids []string
	send := func(first, later []byte) work {
		reports.asked = nil
		before := count()
		out, err := b.s.Register(t.Context(), workflow.Submission{
			Tenant: "county", Key: b.key(), Body: []byte(`{}`), Channel: "web", Mode: casefile.Anonymous, Narrative: "narrative",
			Allegations: []workflow.SubmittedAllegation{{Matter: casefile.IllegalAct, Text: "text"}}, Files: &files{[][]byte{first}},
			Identity: &vault.Identity{Relation: vault.RelationNone}, Contact: &vault.Contact{},
		})
		b.ok(err)
		actor, err := b.s.OpenReceipt(t.Context(), out.Code.Reveal())
		b.ok(err)
		added, err := b.s.AddEvidence(t.Context(), workflow.Call{Actor: actor, Route: "test", Key: b.key()}, &files{[][]byte{later}})
		b.ok(err)
		if added.First != 2 {
			t.Errorf("got the second item as number %d", added.First)
		}
		view, err := b.s.ReadReceipt(t.Context(), actor)
		b.ok(err)
		ids = append(ids, actor.Report)
		return work{slices.Clone(reports.asked), count() - before, view.Report.Evidence[1].State}
	}
	first := send(seen, fresh)
	if again := send(fresh, seen); !cmp.Equal(first, again) || slices.Contains(first.Asked, "by digests") {
		t.Errorf("what was done for pictures that were seen before differs (-new +seen):\n%s", cmp.Diff(first, again))
	}

	desk := b.call("d1", casefile.DeskOfficer).Actor
	one, err := b.s.ReadReport(t.Context(), desk, ids[0])
	b.ok(err)
	two, err := b.s.ReadReport(t.Context(), desk, ids[1])
	b.ok(err)
	want := [][]workflow.Verdict{
		{{Kind: workflow.SameFile, Report: ids[1], Number: two.Number, N: 2}},
		{{Kind: workflow.SameFile, Report: ids[1], Number: two.Number, N: 1}},
	}
	if diff := cmp.Diff(want, one.Seen); diff != "" {
		t.Errorf("the desk reads (-want +got):\n%s", diff)
	}
	elsewhere := casefile.Actor{Tenant: "county", Person: "d2", Posts: []casefile.Post{{Role: casefile.DeskOfficer, Area: "220182101000"}}}
	if _, err := b.s.ReadReport(t.Context(), elsewhere, ids[0]); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a desk elsewhere: got %v", err)
	}
}

// TestVerdictsOnlyOfWhatTheDeskMayRead: a township's desk does not learn from a
// picture that the same came to a desk of another township.
func TestVerdictsOnlyOfWhatTheDeskMayRead(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	photo := mediatest.Picture(mediatest.Options{Width: 64, Height: 48, Seed: 3})
	var ids []string
	for _, area := range []string{"220182100201001", "220182101201001"} {
		out, err := b.s.Register(t.Context(), workflow.Submission{
			Tenant: "county", Key: b.key(), Body: []byte(`{}`), Channel: "web", Mode: casefile.Anonymous, Narrative: "narrative",
			Allegations: []workflow.SubmittedAllegation{{Matter: casefile.IllegalAct, Text: "text"}}, Files: &files{[][]byte{photo, photo}},
			Identity: &vault.Identity{Relation: vault.RelationNone}, Contact: &vault.Contact{},
		})
		b.ok(err)
		actor, err := b.s.OpenReceipt(t.Context(), out.Code.Reveal())
		b.ok(err)
		r, err := b.store.Reports.Get(t.Context(), "county", actor.Report)
		b.ok(err)
		r.Area = area
		r.Version++
		b.ok(b.store.Reports.Update(t.Context(), r, r.Version-1))
		ids = append(ids, actor.Report)
	}
	near := casefile.Actor{Tenant: "county", Person: "d1", Posts: []casefile.Post{{Role: casefile.DeskOfficer, Area: "220182100000"}}}
	r, err := b.s.ReadReport(t.Context(), near, ids[0])
	b.ok(err)
	for i, other := range []int{2, 1} {
		if len(r.Seen[i]) != 1 || r.Seen[i][0].Report != ids[0] || r.Seen[i][0].N != other {
			t.Errorf("item %d: got %v, want the report's own other item alone", i+1, r.Seen[i])
		}
	}
	county := b.call("d2", casefile.DeskOfficer).Actor
	if r, err = b.s.ReadReport(t.Context(), county, ids[0]); err != nil || len(r.Seen[0]) != 3 {
		t.Errorf("the county's desk: got %v, %v, want three", r.Seen, err)
	}
}
