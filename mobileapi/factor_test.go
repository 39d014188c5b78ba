package mobileapi_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"gridwatch/mobileapi/wire"
)

// half signs the payer in by the password alone.
func (r *rig) half() wire.HalfSession {
	r.t.Helper()
	return read[wire.HalfSession](r, r.open(), http.StatusOK)
}

func (r *rig) open() answer {
	return r.post("/v1/session", "", "", wire.OpenSession{Tenant: "county", Login: "payer", Password: password, Device: device, Label: "demo phone"})
}

func (r *rig) second(half, code string) answer {
	return r.post("/v1/session/second", "", "", wire.SecondFactor{Half: half, Device: device, Code: code})
}

// code is what an authenticator app shows.
func (r *rig) code(secret string) string { return must(totp.GenerateCode(secret, r.clock.now())) }

// enrol signs the payer in, who has no second factor yet.
func (r *rig) enrol() (string, wire.Session) {
	r.t.Helper()
	half := r.half()
	e := read[wire.Enrolment](r, r.post("/v1/session/enrol", "", "", wire.Half{Half: half.Half, Device: device}), http.StatusOK)
	return e.Secret, read[wire.Session](r, r.second(half.Half, r.code(e.Secret)), http.StatusOK)
}

// A role that the policy names enrols at its first sign-in, and from then on
// signs in in two steps; codes and recovery codes are right once.
func TestSecondFactor(t *testing.T) {
	t.Parallel()
	r := start(t)
	half := r.half()
	if len(half.Factors) != 1 || half.Factors[0] != "enrol" {
		t.Fatalf("got factors %v, want enrol", half.Factors)
	}
	if a := r.second(half.Half, "000000"); a.code() != "session.second" {
		t.Errorf("a code of no secret: got %d %s", a.status, a.body)
	}
	secret, session := r.enrol()
	if len(session.RecoveryCodes) != 10 {
		t.Fatalf("got %d recovery codes, want 10", len(session.RecoveryCodes))
	}
	if a := r.post("/v1/session/enrol", "", "", wire.Half{Half: half.Half, Device: device}); a.code() != "session.half" {
		t.Errorf("an older half session enrols anew: got %d %s", a.status, a.body)
	}

	half = r.half()
	if a := r.second(half.Half, r.code(secret)); a.code() != "session.second" {
		t.Errorf("the code of the enrolment again: got %d %s", a.status, a.body)
	}
	r.clock.pass(30 * time.Second)
	if a := r.post("/v1/session/second", "", "", wire.SecondFactor{Half: half.Half, Device: "another-device-0123456789", Code: r.code(secret)}); a.code() != "session.half" {
		t.Errorf("on another device: got %d %s", a.status, a.body)
	}
	read[wire.Session](r, r.second(half.Half, r.code(secret)), http.StatusOK)
	if a := r.second(half.Half, session.RecoveryCodes[0]); a.code() != "session.half" {
		t.Errorf("a half session again: got %d %s", a.status, a.body)
	}

	half = r.half()
	read[wire.Session](r, r.second(half.Half, strings.ToLower(session.RecoveryCodes[0])), http.StatusOK)
	half = r.half()
	if a := r.second(half.Half, session.RecoveryCodes[0]); a.code() != "session.second" {
		t.Errorf("a recovery code again: got %d %s", a.status, a.body)
	}
	r.clock.pass(6 * time.Minute)
	if a := r.second(half.Half, session.RecoveryCodes[1]); a.code() != "session.half" {
		t.Errorf("a late half session: got %d %s", a.status, a.body)
	}
	f := read[wire.Factors](r, r.get("/v1/session/factors", session.Access), http.StatusOK)
	if !f.TOTP || f.RecoveryLeft != 9 {
		t.Errorf("got %+v, want TOTP and nine codes left", f)
	}
}

// Sixteen at once with one right code: one session.
func TestSecondFactorAtOnce(t *testing.T) {
	t.Parallel()
	r := start(t)
	secret, _ := r.enrol()
	var halves []string
	for range 16 {
		halves = append(halves, r.half().Half)
	}
	r.clock.pass(30 * time.Second)
	code := r.code(secret)
	answers := make([]answer, len(halves))
	var wg sync.WaitGroup
	for i, half := range halves {
		wg.Go(func() { answers[i] = r.second(half, code) })
	}
	wg.Wait()
	won := 0
	for _, a := range answers {
		switch {
		case a.status == http.StatusOK:
			won++
		case a.status != http.StatusUnauthorized && a.code() != "session.busy":
			t.Errorf("got %d %s", a.status, a.body)
		}
	}
	if won != 1 {
		t.Errorf("got %d sessions by one code, want 1", won)
	}
}

// Wrong codes make the account wait as wrong passwords do, a right password
// does not wind that back, and waiting is answered like a wrong code.
func TestSecondFactorDelays(t *testing.T) {
	t.Parallel()
	r := start(t)
	secret, _ := r.enrol()
	r.clock.pass(30 * time.Second)
	half := r.half().Half
	var wrong answer
	for range 8 {
		wrong = r.second(half, "000000")
		r.open()
		r.clock.pass(20 * time.Second)
	}
	r.second(half, "000000")
	if a := r.open(); a.code() != "session.wrong" {
		t.Errorf("a right password while waiting: got %d %s", a.status, a.body)
	}
	if a := r.second(half, r.code(secret)); a.status != wrong.status || string(a.body) != string(wrong.body) {
		t.Errorf("a right code while waiting: got %s, want %s", a.body, wrong.body)
	}
	r.clock.pass(16 * time.Minute)
	read[wire.Session](r, r.second(r.half().Half, r.code(secret)), http.StatusOK)
}

// A stranger who tried a wrong password whenever the account was free again kept
// its officer out for good. Devices on which the officer signed in before wait
// for their own wrong tries only, the others for all of those together.
func TestStrangersKeptAnOfficerOut(t *testing.T) {
	t.Parallel()
	r := start(t)
	secret, _ := r.enrol()
	inspector := wire.OpenSession{Tenant: "county", Login: "inspector", Password: password, Device: device}
	read[wire.Session](r, r.post("/v1/session", "", "", inspector), http.StatusOK)
	from := func(login, device, password string) answer {
		return r.post("/v1/session", "", "", wire.OpenSession{Tenant: "county", Login: login, Password: password, Device: device})
	}
	for range 12 {
		for _, login := range []string{"payer", "inspector"} {
			if a := from(login, newKey(), "wrong"); a.code() != "session.wrong" {
				t.Fatalf("a stranger: got %d %s", a.status, a.body)
			}
		}
		r.clock.pass(5 * time.Minute)
	}
	for range 3 {
		from("payer", newKey(), "wrong")
		from("inspector", newKey(), "wrong")
		r.clock.pass(16 * time.Minute)
	}
	from("payer", newKey(), "wrong")
	from("inspector", newKey(), "wrong")
	read[wire.Session](r, r.post("/v1/session", "", "", inspector), http.StatusOK)
	read[wire.Session](r, r.second(r.half().Half, r.code(secret)), http.StatusOK)

	for _, login := range []string{"payer", "inspector"} { // who signed in ends nobody else's wait
		if a := from(login, newKey(), password); a.code() != "session.wrong" {
			t.Errorf("%s: a stranger with the password, while strangers wait: got %d %s", login, a.status, a.body)
		}
	}
	for range 4 { // and a known device has no more tries than others
		from("inspector", device, "wrong")
	}
	if a := r.post("/v1/session", "", "", inspector); a.code() != "session.wrong" {
		t.Errorf("a right password on a device that waits: got %d %s", a.status, a.body)
	}
}

// A new secret takes a code of the old one, and is in force with its own first.
func TestReplaceTOTP(t *testing.T) {
	t.Parallel()
	r := start(t)
	old, session := r.enrol()
	r.clock.pass(30 * time.Second)
	for name, body := range map[string]map[string]string{"wrong": {"code": "000000"}, "none": {}} {
		if a := r.post("/v1/session/totp", session.Access, "", body); a.code() != "factor.code /code" {
			t.Errorf("code %s: got %d %s", name, a.status, a.body)
		}
	}
	r.clock.pass(time.Minute)
	e := read[wire.Enrolment](r, r.post("/v1/session/totp", session.Access, "", wire.Code{Code: r.code(old)}), http.StatusOK)
	r.clock.pass(30 * time.Second)
	read[wire.Session](r, r.second(r.half().Half, r.code(old)), http.StatusOK) // until the new one is confirmed
	got := read[wire.Recovery](r, r.post("/v1/session/totp/confirm", session.Access, "", wire.Code{Code: r.code(e.Secret)}), http.StatusOK)
	if len(got.RecoveryCodes) != 10 || got.RecoveryCodes[0] == session.RecoveryCodes[0] {
		t.Error("a new secret comes with new recovery codes")
	}
	r.clock.pass(30 * time.Second)
	half := r.half().Half
	if a := r.second(half, r.code(old)); a.code() != "session.second" {
		t.Errorf("the old secret: got %d %s", a.status, a.body)
	}
	read[wire.Session](r, r.second(half, r.code(e.Secret)), http.StatusOK)
}

// addPasskey registers an authenticator for who is signed in.
func (r *rig) addPasskey(access, code string, key *authenticator, from string) answer {
	r.t.Helper()
	c := read[struct {
		Ceremony string
		Options  options
	}](r, r.post("/v1/session/passkeys/challenge", access, "", wire.Code{Code: code}), http.StatusOK)
	return r.post("/v1/session/passkeys", access, "", wire.NewPasskey{Ceremony: c.Ceremony, Label: "demo key", Credential: key.create(c.Options, from)})
}

// ask begins the second half of a sign-in by a passkey.
func (r *rig) ask(half string) (string, options) {
	r.t.Helper()
	c := read[struct {
		Ceremony string
		Options  options
	}](r, r.post("/v1/session/passkey/challenge", "", "", wire.Half{Half: half, Device: device}), http.StatusOK)
	return c.Ceremony, c.Options
}

func (r *rig) byPasskey(half, ceremony string, credential []byte) answer {
	return r.post("/v1/session/passkey", "", "", wire.PasskeyAnswer{Half: half, Device: device, Ceremony: ceremony, Credential: credential})
}

func TestPasskey(t *testing.T) {
	t.Parallel()
	r := start(t)
	secret, session := r.enrol()
	r.clock.pass(time.Minute)
	key := newAuthenticator()
	if a := r.addPasskey(session.Access, r.code(secret), key, "https://evil.example"); a.code() != "passkey.refused" {
		t.Errorf("registered from another origin: got %d %s", a.status, a.body)
	}
	r.clock.pass(time.Minute)
	kept := read[wire.Passkey](r, r.addPasskey(session.Access, r.code(secret), key, origin), http.StatusOK)

	half := r.half()
	if strings.Join(half.Factors, " ") != "totp recovery passkey" {
		t.Errorf("got factors %v", half.Factors)
	}
	ceremony, opts := r.ask(half.Half)
	credential := key.get(opts, origin)
	read[wire.Session](r, r.byPasskey(half.Half, ceremony, credential), http.StatusOK)
	half = r.half()
	if a := r.byPasskey(half.Half, ceremony, credential); a.code() != "passkey.refused" {
		t.Errorf("a challenge again: got %d %s", a.status, a.body)
	}
	for name, answerTo := range map[string]func(options) []byte{
		"another origin": func(o options) []byte { return key.get(o, "https://evil.example") },
		"another key": func(o options) []byte {
			k := newAuthenticator()
			k.id = key.id
			k.counter = 100
			return k.get(o, origin)
		},
		"an old answer": func(options) []byte { return credential },
		"a copied key": func(o options) []byte {
			key.counter = 0
			defer func() { key.counter = 50 }()
			return key.get(o, origin)
		},
	} {
		ceremony, opts := r.ask(half.Half)
		if a := r.byPasskey(half.Half, ceremony, answerTo(opts)); a.code() != "session.second" {
			t.Errorf("%s: got %d %s", name, a.status, a.body)
		}
		r.clock.pass(20 * time.Second)
	}
	ceremony, opts = r.ask(half.Half)
	r.clock.pass(6 * time.Minute)
	if a := r.byPasskey(half.Half, ceremony, key.get(opts, origin)); a.code() != "session.half" {
		t.Errorf("a late answer: got %d %s", a.status, a.body)
	}
	half = r.half()
	ceremony, opts = r.ask(half.Half)
	read[wire.Session](r, r.byPasskey(half.Half, ceremony, key.get(opts, origin)), http.StatusOK)

	if a := r.send(http.MethodDelete, "/v1/session/passkeys/"+kept.ID, session.Access, "", "", nil); a.status != http.StatusNoContent {
		t.Errorf("drop: got %d %s", a.status, a.body)
	}
	if a := r.post("/v1/session/passkey/challenge", "", "", wire.Half{Half: r.half().Half, Device: device}); a.code() != "passkey.none" {
		t.Errorf("after it was dropped: got %d %s", a.status, a.body)
	}
	if a := r.post("/v1/session/passkeys/challenge", r.signIn("inspector").Access, "", map[string]string{}); a.code() != "passkey.totp_first" {
		t.Errorf("without an authenticator app: got %d %s", a.status, a.body)
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()
	r := start(t)
	here, there := r.signIn("inspector"), r.signIn("inspector")
	list := read[wire.SignedIns](r, r.get("/v1/session/all", here.Access), http.StatusOK)
	if len(list.Items) != 2 || list.Items[0].Here == list.Items[1].Here || strings.ContainsAny(list.Items[0].Begun, "T:") {
		t.Fatalf("got %+v, want two sessions, days only", list)
	}
	other := list.Items[0]
	if other.Here {
		other = list.Items[1]
	}
	if a := r.send(http.MethodDelete, "/v1/session/all/"+other.ID, r.signIn("other").Access, "", "", nil); a.status != http.StatusNotFound {
		t.Errorf("a session of another person: got %d %s", a.status, a.body)
	}
	if a := r.send(http.MethodDelete, "/v1/session/all/"+other.ID, here.Access, "", "", nil); a.status != http.StatusNoContent {
		t.Errorf("sign out there: got %d %s", a.status, a.body)
	}
	if a := r.refresh(there.Refresh, device); a.status != http.StatusUnauthorized {
		t.Errorf("refresh there: got %d", a.status)
	}
	third := r.signIn("inspector")
	if a := r.send(http.MethodDelete, "/v1/session/all", here.Access, "", "", nil); a.status != http.StatusNoContent {
		t.Errorf("sign out everywhere: got %d %s", a.status, a.body)
	}
	for _, s := range []wire.Session{here, third} {
		if a := r.refresh(s.Refresh, device); a.status != http.StatusUnauthorized {
			t.Errorf("refresh after signing out everywhere: got %d", a.status)
		}
	}
}
