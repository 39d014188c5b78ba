package web

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// TestRevokedIsSeenWithinSeconds: what the directory said of somebody is kept
// for five seconds and for this session alone.
func TestRevokedIsSeenWithinSeconds(t *testing.T) {
	t.Parallel()
	list := &staffList{}
	kept := actors{directory: list, kept: map[Claims]cachedActor{}}
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	claims := Claims{Audience: Staff, Tenant: "demo", Subject: string(casefile.DeskOfficer), Family: "f1"}
	find := func(c Claims, after time.Duration) error {
		actor, err := kept.find(t.Context(), c, now.Add(after))
		if (err == nil) != (actor.Person == c.Subject) {
			t.Errorf("got the actor %+v with %v", actor, err)
		}
		return err
	}
	if err := find(claims, 0); err != nil {
		t.Fatal(err)
	}
	list.revoked = "f1"
	if err := find(claims, 5*time.Second-1); err != nil || list.asked != 1 {
		t.Errorf("within the five seconds: got %v, asked %d times", err, list.asked)
	}
	other := claims
	other.Family = "f2"
	if err := find(other, 0); err != nil || list.asked != 2 {
		t.Errorf("another session: got %v, asked %d times", err, list.asked)
	}
	for range 2 { // a refusal is not kept
		if err := find(claims, 5*time.Second); fault.CodeOf(err) != "session.invalid" {
			t.Errorf("after five seconds: got %v, want session.invalid", err)
		}
	}
	if list.asked != 4 {
		t.Errorf("asked %d times, want 4", list.asked)
	}
	for name, c := range map[string]struct {
		fails error
		code  string
	}{
		"unknown": {fault.Absent(), "session.invalid"}, "the directory is away": {fault.New(fault.Busy, "store.busy", "later"), "store.busy"},
		"out of order": {errors.New("broken"), ""},
	} {
		list.fails = c.fails
		if err := find(claims, time.Minute); err == nil || fault.CodeOf(err) != c.code {
			t.Errorf("%s: got %v, want %q", name, err, c.code)
		}
	}
}

// TestKeptActorsAreBounded: tokens of many sessions do not fill the memory.
func TestKeptActorsAreBounded(t *testing.T) {
	t.Parallel()
	kept := actors{directory: &staffList{}, kept: map[Claims]cachedActor{}}
	for i := range maxKept + 10 {
		if _, err := kept.find(t.Context(), Claims{Tenant: "demo", Subject: "leader", Family: fmt.Sprint(i)}, time.Unix(0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if len(kept.kept) != 10 {
		t.Errorf("%d are kept, want those since the table was full", len(kept.kept))
	}
}

// TestKeptAccountsAreBounded: requests of many sessions do not fill the memory,
// and a new day forgets who asked.
func TestKeptAccountsAreBounded(t *testing.T) {
	t.Parallel()
	kept, now := newAccounts(4, 1), time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for i := range maxKept + 10 {
		if kept.enter(casefile.Actor{Tenant: "demo", Report: fmt.Sprint(i)}, now) == nil {
			t.Fatalf("account %d is refused its first request", i)
		}
	}
	if len(kept.buckets) != 10 {
		t.Errorf("%d are kept, want those since the table was full", len(kept.buckets))
	}
	if kept.enter(casefile.Actor{Tenant: "demo", Report: "1"}, now.AddDate(0, 0, 1)) == nil || len(kept.buckets) != 1 {
		t.Errorf("%d are kept on the next day, want 1", len(kept.buckets))
	}
}
