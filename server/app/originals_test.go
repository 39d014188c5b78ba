package app_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"gridwatch/media"
	"gridwatch/media/mediatest"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// unboxed is what both rings together take out of a report's strongbox.
func (w *world) unboxed(t *testing.T, r *casefile.Report) *vault.OpenedBox {
	t.Helper()
	reader, ringA := w.heldKeys(t, "identity1", vault.RingA)
	peeler, ringB := w.heldKeys(t, "seal1", vault.RingB)
	once, err := vault.NewRequestKey()
	if err != nil {
		t.Fatal(err)
	}
	req := vault.Request{
		ID: "q", Tenant: r.Tenant, Report: r.ID, Purpose: "test", LegalBasis: "none", Expires: time.Now().Add(time.Hour), OneTime: once.Recipient(),
	}
	layer, err := vault.Peel(peeler, ringB, r.Strongbox.File, r.Strongbox.Inner, req, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	sealed := vault.Sealed{InnerDigest: r.Strongbox.Inner, Binding: r.Binding}
	if _, err := vault.OpenStrongbox(ringB, once, peeler.Public().Verify, layer, sealed, req, time.Now()); err == nil {
		t.Error("ring B alone opens the strongbox")
	}
	sealed.Binding = strings.Repeat("0", 32)
	if _, err := vault.OpenStrongbox(ringA, once, peeler.Public().Verify, layer, sealed, req, time.Now()); err == nil {
		t.Errorf("%s opens the strongbox of another report", reader.Public().Verify)
	}
	sealed.Binding = r.Binding
	box, err := vault.OpenStrongbox(ringA, once, peeler.Public().Verify, layer, sealed, req, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// originals reads the settled items of a report as both rings together can, and
// nobody else, by what lies in the stores. By the items' ids.
func (w *world) originals(t *testing.T, r *casefile.Report) map[string][]byte {
	t.Helper()
	box, ingest, out := w.unboxed(t, r), media.New(w.objects, rand.Reader, media.Config{}), map[string][]byte{}
	for _, e := range r.Evidence {
		if len(e.Key) > 0 || !e.SealedAway() {
			t.Errorf("an item that is %s is not sealed away", e.State)
			continue
		}
		keys, err := box.Take(e.Away)
		if err != nil {
			t.Fatal(err)
		}
		at := media.Place{Tenant: r.Tenant, Record: r.Envelope, Item: e.ID}
		key, ok := keys.Key(at.String() + "/original")
		if !ok {
			t.Fatal("the key of the original is not there")
		}
		ref := media.Ref{Object: e.Object, Parts: e.Parts}
		for _, run := range e.Runs {
			ref.Runs = append(ref.Runs, media.Run(run))
		}
		body, err := ingest.Read(t.Context(), ref, key, at)
		if err != nil {
			t.Fatal(err)
		}
		if out[e.ID], err = io.ReadAll(body); err != nil {
			t.Fatal(err)
		}
		_ = body.Close()
	}
	return out
}

// dataKeys are all data keys that the keyring opens, wherever in the database
// they lie.
func (w *world) dataKeys(t *testing.T) []*vault.DataKey {
	t.Helper()
	l := w.steal(t)
	l.pry()
	return slices.Collect(maps.Values(l.keys))
}

// reads says whether one of the keys opens a stored thing.
func (w *world) reads(t *testing.T, keys []*vault.DataKey, ref media.Ref) bool {
	t.Helper()
	sealed, err := media.New(w.objects, rand.Reader, media.Config{}).SealedPart(t.Context(), ref, 1)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(keys, func(key *vault.DataKey) bool {
		_, err := media.OpenPart(sealed, ref, 1, ref.Parts == 1, key)
		return err == nil
	})
}

// TestStolenOriginalsAreSealed: once the clean copy of a reporter's photo is
// made, who has database, keyring and objects reads the copy, and the original
// no more; nor does the desk. The two rings open it by their tool, byte for byte,
// while the case is under way, and after all else was sealed away too.
func TestStolenOriginalsAreSealed(t *testing.T) {
	t.Parallel()
	w := start(t)
	d := newDocket(t, w, casefile.ByCode, casefile.IllegalAct)
	d.refused("leader1", "/v1/custody/openings", d.wantsArchive(), "opening.not_archived")
	photo := mediatest.Picture(mediatest.Options{Width: 96, Height: 64, Serial: "CANARY-original-3f", Time: time.Now()})
	broken := []byte("%PDF-1.7\nCANARY-broken-3f")
	d.hands(photo, broken)
	r := d.settled()
	for n, e := range r.Evidence {
		original := media.Ref{Object: e.Object, Parts: e.Parts}
		keys := w.dataKeys(t)
		if w.reads(t, keys, original) {
			t.Errorf("item %d: the thief reads the original with one of %d keys", n+1, len(keys))
		}
		for _, c := range e.Copies {
			if !w.reads(t, keys, media.Ref{Object: c.Object, Parts: c.Parts}) {
				t.Errorf("item %d: the thief does not read the %s copy: the test's thief is no good", n+1, c.Kind)
			}
		}
		awaited(t, "the chain", func() bool { return slices.Contains(d.acts(e.ID), casefile.CustodySeal) })
	}
	if r.Evidence[0].State != casefile.EvidenceDerived || r.Evidence[1].State != casefile.EvidenceRejected {
		t.Fatalf("got %s and %s, want one derived and one rejected", r.Evidence[0].State, r.Evidence[1].State)
	}
	item := d.path("/evidence/" + r.Evidence[0].ID)
	for _, path := range []string{item + "/original", item + "?copy=original"} {
		if a, err := w.as(t, "desk2").Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: path}, nil); err == nil {
			t.Errorf("the desk gets %d bytes of %s", len(a.Body), path)
		}
	}
	if got := d.fetch("desk2", item+"?copy=display"); len(got) == 0 || bytes.Contains(got, []byte("CANARY")) {
		t.Error("the desk has no clean copy to look at")
	}
	d.tells("canary-first-message")
	said, first := d.archive()
	d.isSent(said, first, photo)
	if said.Narrative != "" || len(said.Messages) != 0 {
		t.Error("the opening of the originals gives out what was said")
	}
	d.do("desk2", d.path("/refuse"), object{"reason": "unclear", "text": "Nothing to go by."}, casefile.ReportRejected)
	d.receipt()
	before := d.record()
	if kept := w.terms(t, 60); kept.Archived != 1 {
		t.Fatalf("got %+v, want one report sealed away", kept)
	}
	after := d.record()
	for i := range after.Evidence {
		if !bytes.Equal(after.Evidence[i].Away, before.Evidence[i].Away) || len(after.Evidence[i].CopyKey) > 0 {
			t.Errorf("item %d: sealing the report away did not leave the sealed key and drop that of the copies", i+1)
		}
	}
	said, first = d.archive()
	d.isSent(said, first, photo)
	if said.Narrative == "" || len(said.Messages) != 1 {
		t.Errorf("the archive holds %+v", said)
	}
}

// isSent wants the first item to be what was sent, by its bytes and by what is
// known of it.
func (d *docket) isSent(said workflow.OpenedReport, got, sent []byte) {
	d.t.Helper()
	sum := sha256.Sum256(got)
	if !bytes.Equal(got, sent) || len(said.Facts) != 2 || said.Facts[0].SHA256 != hex.EncodeToString(sum[:]) {
		d.t.Errorf("got %d bytes and facts %+v, not what was sent", len(got), said.Facts)
	}
}

// TestSealedOriginalsOutliveARotation: sealed keys are none of the keyring's,
// and an item that comes after the rotation is put into the same strongbox.
func TestSealedOriginalsOutliveARotation(t *testing.T) {
	t.Parallel()
	w := start(t)
	d := newDocket(t, w, casefile.Anonymous, casefile.IllegalAct)
	sent := [][]byte{}
	for n := range 2 {
		sent = append(sent, mediatest.Picture(mediatest.Options{Width: 96, Height: 64 + n, Time: time.Now()}))
		d.hands(sent[n])
		d.settled()
		if n == 0 {
			before := d.record()
			if err := w.app.Service().RewrapAll(t.Context(), func(workflow.Rewrap) error { return nil }); err != nil {
				t.Fatal(err)
			}
			if after := d.record(); !bytes.Equal(after.Evidence[0].Away, before.Evidence[0].Away) {
				t.Error("the rotation changed a sealed key")
			}
		}
	}
	r := d.settled()
	got := w.originals(t, r)
	for i, e := range r.Evidence {
		if !bytes.Equal(got[e.ID], sent[i]) {
			t.Errorf("item %d is not what was sent", i+1)
		}
	}
}
