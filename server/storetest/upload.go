package storetest

import (
	"errors"
	"testing"
	"time"

	"gridwatch/media"
	"gridwatch/media/upload"
	"gridwatch/server/mongostore"
)

func newUpload(id string) upload.Upload {
	return upload.Upload{
		ID: id, Tenant: "county", Of: "report", Record: "r", Item: "i", Owner: "o", Object: "county/r-1/i", Parts: 3,
		Runs: []media.Run{{Parts: 2, Size: 8 << 20, Term: 1}, {Parts: 1, Size: 5, Term: 1 << 40}}, Sealed: []byte("sealed"),
		Key: []byte("as stored"), CopyKey: []byte("as stored"),
		Stage: upload.Open, Expires: start().Add(time.Hour),
	}
}

func uploads(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ctx, us, now := t.Context(), s.Uploads, start()
	ok(t, us.Insert(ctx, newUpload("a")))
	is(t, us.Insert(ctx, newUpload("a")), upload.ErrExists)
	got := must[upload.Upload](t)(us.Get(ctx, "county", "a"))
	got.Until = got.Until.UTC()
	same(t, "upload read back", got, newUpload("a"))
	for _, of := range [][2]string{{"county", "b"}, {"other", "a"}} {
		_, err := us.Get(ctx, of[0], of[1])
		is(t, err, upload.ErrNone)
		_, err = us.Lease(ctx, of[0], of[1], now, now)
		is(t, err, upload.ErrNone)
	}

	first := must[upload.Upload](t)(us.Lease(ctx, "county", "a", now, now.Add(time.Minute)))
	same(t, "first term", first.Term, int64(1))
	_, err := us.Lease(ctx, "county", "a", now.Add(time.Minute-1), now.Add(time.Hour))
	is(t, err, upload.ErrLocked)
	second := must[upload.Upload](t)(us.Lease(ctx, "county", "a", now.Add(time.Minute), now.Add(time.Hour)))
	same(t, "second term", second.Term, int64(2))
	first.Parts = 9
	is(t, us.Save(ctx, first), upload.ErrFenced)
	second.Parts, second.Until = 4, time.Time{}
	ok(t, us.Save(ctx, second))
	same(t, "saved under the lease", must[upload.Upload](t)(us.Get(ctx, "county", "a")).Parts, 4)

	second.Key, second.CopyKey = []byte("of before"), []byte("of before")
	ok(t, us.Save(ctx, second))
	kept := must[upload.Upload](t)(us.Get(ctx, "county", "a"))
	same(t, "keys that were there", string(kept.Key)+" "+string(kept.CopyKey), "as stored as stored")
	second.Key, second.CopyKey = nil, nil
	ok(t, us.Save(ctx, second))
	same(t, "keys that are gone", len(must[upload.Upload](t)(us.Get(ctx, "county", "a")).Key), 0)

	done := newUpload("b")
	done.Stage = upload.Whole
	ok(t, us.Insert(ctx, done))
	settled := newUpload("c")
	settled.Stage, settled.Settled = upload.Rejected, true
	ok(t, us.Insert(ctx, settled))
	ids := func(before time.Time, after string) []string {
		var out []string
		for _, u := range must[[]upload.Upload](t)(us.Ended(ctx, before, after, 10)) {
			out = append(out, u.ID)
		}
		return out
	}
	same(t, "not settled", ids(now, ""), []string{"b"})
	same(t, "expired too", ids(now.Add(2*time.Hour), ""), []string{"a", "b", "c"})
	same(t, "after one", ids(now.Add(2*time.Hour), "b"), []string{"c"})
	ok(t, us.Delete(ctx, "other", "a"))
	ok(t, us.Delete(ctx, "county", "a"))
	ok(t, us.Delete(ctx, "county", "a"))
	_, err = us.Get(ctx, "county", "a")
	is(t, err, upload.ErrNone)
	is(t, us.Save(ctx, second), upload.ErrFenced)
}

// uploadRace lets many lease one upload: one has it.
func uploadRace(t *testing.T, s *mongostore.Store) {
	t.Helper()
	ok(t, s.Uploads.Insert(t.Context(), newUpload("a")))
	won := 0
	for _, err := range race(func(int) error {
		_, err := s.Uploads.Lease(t.Context(), "county", "a", start(), start().Add(time.Minute))
		return err
	}) {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, upload.ErrLocked):
			t.Errorf("got %v", err)
		}
	}
	same(t, "leases given", won, 1)
	same(t, "term", must[upload.Upload](t)(s.Uploads.Get(t.Context(), "county", "a")).Term, int64(1))
}

func is(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got error %v, want %v", got, want)
	}
}
