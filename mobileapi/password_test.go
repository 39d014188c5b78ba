package mobileapi_test

import (
	"net/http"
	"testing"
	"time"

	"gridwatch/mobileapi/wire"
	"gridwatch/server/workflow"
)

const another = "quite another passphrase"

func (r *rig) signInBy(secret string) answer {
	return r.post("/v1/session", "", "", wire.OpenSession{Tenant: "county", Login: "inspector", Password: secret, Device: device, Label: "demo phone"})
}

// TestTheOperatorKnowsNoPasswordForGood: passwords came from a file of the
// operator and could not be changed by whom they were for.
func TestTheOperatorKnowsNoPasswordForGood(t *testing.T) {
	t.Parallel()
	r := start(t)
	elsewhere, here := r.signIn("inspector"), read[wire.Session](r, r.signInBy(password), http.StatusOK)
	if !here.InitialPassword {
		t.Error("an imported password is not called so")
	}
	change := wire.ChangePassword{Current: password, New: another}
	for name, tt := range map[string]struct {
		in   wire.ChangePassword
		want string
	}{
		"the same":             {wire.ChangePassword{Current: password, New: password}, "password.same /new"},
		"with the login in it": {wire.ChangePassword{Current: password, New: "the Inspector's own"}, "password.login /new"},
		"too short":            {wire.ChangePassword{Current: password, New: "12345678901"}, "body.invalid /new"},
		"of a wrong one":       {wire.ChangePassword{Current: another, New: another + "!"}, "password.wrong /current"},
	} {
		if a := r.post("/v1/session/password", here.Access, "", tt.in); a.code() != tt.want {
			t.Errorf("%s: got %d %s, want %s", name, a.status, a.body, tt.want)
		}
	}
	for name, token := range map[string]string{"nobody": "", "a reporter": start(t).submit(report()).token} {
		if a := r.post("/v1/session/password", token, "", change); a.status != http.StatusUnauthorized {
			t.Errorf("%s: got %d %s", name, a.status, a.body)
		}
	}
	for range 2 { // the answer to the first may have been lost
		if a := r.post("/v1/session/password", here.Access, "", change); a.status != http.StatusNoContent {
			t.Fatalf("got %d %s", a.status, a.body)
		}
	}
	if a := r.get("/v1/field/tasks", here.Access); a.status != http.StatusOK {
		t.Errorf("the session that changed it: got %d %s", a.status, a.body)
	}
	r.clock.pass(6 * time.Second)
	if a := r.get("/v1/field/tasks", elsewhere.Access); a.status != http.StatusUnauthorized {
		t.Errorf("the other session: got %d %s", a.status, a.body)
	}
	if a := r.signInBy(password); a.code() != "session.wrong" {
		t.Errorf("the old password: got %d %s", a.status, a.body)
	}
	if s := read[wire.Session](r, r.signInBy(another), http.StatusOK); s.InitialPassword {
		t.Error("one's own password is called imported")
	}

	im := workflow.Import{Store: r.loader, Directory: r.service.Directory, Hasher: r.service.Hasher}
	p := must(r.service.Directory.Person(t.Context(), "county", "inspector"))
	r.check(im.Person(t.Context(), p, "")) // the file again, for somebody else
	read[wire.Session](r, r.signInBy(another), http.StatusOK)
	r.check(im.Person(t.Context(), p, password)) // forgotten
	if s := read[wire.Session](r, r.signInBy(password), http.StatusOK); !s.InitialPassword {
		t.Error("a password of a second import is not called so")
	}
}

// Wrong passwords make the account wait at a change as at a sign-in, and at both
// together.
func TestPasswordIsNotGuessedByAChange(t *testing.T) {
	t.Parallel()
	r := start(t)
	s := r.signIn("inspector")
	for range 4 {
		r.post("/v1/session/password", s.Access, "", wire.ChangePassword{Current: "a guess of a password", New: another})
	}
	if a := r.post("/v1/session/password", s.Access, "", wire.ChangePassword{Current: password, New: another}); a.code() != "password.wrong /current" {
		t.Errorf("right, after wrong ones: got %d %s", a.status, a.body)
	}
	if a := r.signInBy(password); a.code() != "session.wrong" {
		t.Errorf("a sign-in meanwhile: got %d %s", a.status, a.body)
	}
	r.clock.pass(time.Minute)
	if a := r.post("/v1/session/password", s.Access, "", wire.ChangePassword{Current: password, New: another}); a.status != http.StatusNoContent {
		t.Errorf("later: got %d %s", a.status, a.body)
	}
}

// TestAChangeOfThePasswordClearedTheCount: a right password, or a guess of it as the
// new one, let wrong ones and wrong codes be tried without end; and who had sent the
// old one still ended the sign-in by a code.
func TestAChangeOfThePasswordClearedTheCount(t *testing.T) {
	t.Parallel()
	r := start(t)
	secret, s := r.enrol()
	change := func(in wire.ChangePassword) answer { return r.post("/v1/session/password", s.Access, "", in) }
	r.clock.pass(30 * time.Second)
	half := r.half()
	for range 3 {
		r.second(half.Half, "000000")
	}
	r.clock.pass(2 * time.Second) // the account waits no longer, and counts on
	if a := change(wire.ChangePassword{Current: password, New: another}); a.status != http.StatusNoContent {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	if a := r.second(half.Half, r.code(secret)); a.code() != "session.half" {
		t.Errorf("a half session by the old password: got %d %s", a.status, a.body)
	}
	begin := func() string {
		return read[wire.HalfSession](r, r.post("/v1/session", "", "", wire.OpenSession{Tenant: "county", Login: "payer", Password: another, Device: device}), http.StatusOK).Half
	}
	next := begin()
	r.second(next, "000000") // the fourth: from now on it waits two seconds
	if a := r.second(next, r.code(secret)); a.code() != "session.second" {
		t.Errorf("after four wrong codes: got %d %s, want that it waits", a.status, a.body)
	}
	r.clock.pass(time.Minute)
	if a := change(wire.ChangePassword{Current: "a guess of a password", New: another}); a.status != http.StatusNoContent {
		t.Errorf("the change again: got %d %s", a.status, a.body)
	}
	other := read[wire.Session](r, r.second(begin(), r.code(secret)), http.StatusOK)
	if a := r.post("/v1/session/password", other.Access, "", wire.ChangePassword{Current: "a guess of a password", New: another}); a.code() != "password.wrong /current" {
		t.Errorf("another session guesses by the new password: got %d %s", a.status, a.body)
	}
}
