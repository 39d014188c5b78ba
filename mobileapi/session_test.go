package mobileapi_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"gridwatch/mobileapi/wire"
	"gridwatch/server/vault"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

func (r *rig) refresh(token, from string) answer {
	return r.post("/v1/session/refresh", "", "", wire.RefreshSession{Refresh: token, Device: from})
}

func TestSession(t *testing.T) {
	t.Parallel()
	r := start(t)
	first := r.signIn("inspector")
	if got, want := first.AccessExpires, r.clock.now().Add(15*time.Minute); want.Sub(got).Abs() > time.Second {
		t.Errorf("expires %v, want %v", got, want)
	}
	claims := must(r.tokens.Verify(first.Access))
	if want := (web.Claims{Audience: web.Staff, Tenant: "county", Subject: "inspector", Family: claims.Family}); claims != want {
		t.Errorf("got %+v, want %+v", claims, want)
	}

	second := read[wire.Session](r, r.refresh(first.Refresh, device), http.StatusOK)
	r.clock.pass(9 * time.Minute)
	again := read[wire.Session](r, r.refresh(first.Refresh, device), http.StatusOK)
	if again.Refresh != second.Refresh || second.Refresh == first.Refresh {
		t.Error("a lost answer is not given again")
	}
	if a := r.refresh(second.Refresh, "another-device-0123456789"); a.code() != "session.invalid" {
		t.Errorf("another device: got %d %s", a.status, a.body)
	}
	third := read[wire.Session](r, r.refresh(second.Refresh, device), http.StatusOK)
	if a := r.refresh(first.Refresh, device); a.status != http.StatusUnauthorized { // stolen
		t.Errorf("an old token: got %d %s", a.status, a.body)
	}
	if a := r.refresh(third.Refresh, device); a.status != http.StatusUnauthorized {
		t.Errorf("a revoked family: got %d %s", a.status, a.body)
	}
	if a := r.get("/v1/field/tasks", third.Access); a.status != http.StatusUnauthorized {
		t.Errorf("access of a revoked family: got %d", a.status)
	}
}

// rotated is a second server on the same store, with a new key of a purpose.
func (r *rig) rotated(of vault.Purpose) *rig {
	r.t.Helper()
	next := *r
	later := time.Now().Add(time.Second)
	next.keys = must(vault.UseKey(must(vault.AddKey(r.keys, of, rand.Reader, later)), of, later))
	keyring := must(vault.Parse(next.keys))
	deps := r.service.Deps
	deps.Keyring = keyring
	next.service, next.tokens = workflow.New(deps), web.NewTokens("test", keyring, r.clock.now)
	next.serve(slog.New(slog.NewTextHandler(r.t.Output(), nil)))
	return &next
}

// kid is the id of the key that signed a token.
func kid(token string) string {
	header, _, _ := strings.Cut(token, ".")
	var h struct {
		KID string `json:"kid"`
	}
	if err := json.Unmarshal(must(base64.RawURLEncoding.DecodeString(header)), &h); err != nil {
		panic(err)
	}
	return h.KID
}

// A new key of access tokens signs nobody out: tokens of the old one are good
// until they expire, new ones carry the new key's id.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	r := start(t)
	old := r.signIn("inspector")
	next := r.rotated(vault.Session)
	if a := next.get("/v1/field/tasks", old.Access); a.status != http.StatusOK {
		t.Errorf("a token of the old key: got %d %s", a.status, a.body)
	}
	s := read[wire.Session](next, next.refresh(old.Refresh, device), http.StatusOK)
	if kid(s.Access) == kid(old.Access) {
		t.Error("a new token carries the old key's id")
	}
	if a := next.get("/v1/field/tasks", s.Access); a.status != http.StatusOK {
		t.Errorf("a token of the new key: got %d %s", a.status, a.body)
	}
	r.clock.pass(16 * time.Minute)
	if a := next.get("/v1/field/tasks", old.Access); a.status != http.StatusUnauthorized {
		t.Errorf("an expired token of the old key: got %d %s", a.status, a.body)
	}
}

// A lost answer was asked for again after the keys were rotated: that was taken
// for theft, and the session ended.
func TestLostAnswerAcrossKeyRotation(t *testing.T) {
	t.Parallel()
	r := start(t)
	first := r.signIn("inspector")
	second := read[wire.Session](r, r.refresh(first.Refresh, device), http.StatusOK)
	next := r.rotated(vault.Idempotency)
	again := read[wire.Session](next, next.refresh(first.Refresh, device), http.StatusOK)
	if again.Refresh != second.Refresh {
		t.Error("a lost answer is not given again")
	}
	third := read[wire.Session](next, next.refresh(again.Refresh, device), http.StatusOK)
	if again := read[wire.Session](next, next.refresh(second.Refresh, device), http.StatusOK); again.Refresh != third.Refresh {
		t.Error("a lost answer under the new key is not given again")
	}
}

func TestRepeatAfterTheGrace(t *testing.T) {
	t.Parallel()
	r := start(t)
	first := r.signIn("inspector")
	second := read[wire.Session](r, r.refresh(first.Refresh, device), http.StatusOK)
	r.clock.pass(11 * time.Minute)
	if a := r.refresh(first.Refresh, device); a.status != http.StatusUnauthorized {
		t.Errorf("a late repeat: got %d %s", a.status, a.body)
	}
	if a := r.refresh(second.Refresh, device); a.status != http.StatusUnauthorized {
		t.Errorf("a revoked family: got %d %s", a.status, a.body)
	}
}

func TestSignInRefuses(t *testing.T) {
	t.Parallel()
	r := start(t)
	right := wire.OpenSession{Tenant: "county", Login: "inspector", Password: password, Device: device}
	tests := map[string]struct {
		change func(*wire.OpenSession)
		want   string
	}{
		"wrong password":  {func(in *wire.OpenSession) { in.Password = "canary-password" }, "session.wrong"},
		"nobody":          {func(in *wire.OpenSession) { in.Login = "canary-nobody" }, "session.wrong"},
		"another tenant":  {func(in *wire.OpenSession) { in.Tenant = "canary" }, "session.wrong"},
		"a short device":  {func(in *wire.OpenSession) { in.Device = "canary" }, "body.invalid /device"},
		"no such tenant":  {func(in *wire.OpenSession) { in.Tenant = "$canary" }, "body.invalid /tenant"},
		"a long password": {func(in *wire.OpenSession) { in.Password = string(make([]byte, 300)) }, "body.invalid /password"},
	}
	for name, row := range tests {
		in := right
		row.change(&in)
		a := r.post("/v1/session", "", "", in)
		if a.code() != row.want {
			t.Errorf("%s: got %d %q, want %q", name, a.status, a.code(), row.want)
		}
		r.lacks(a, "canary")
	}
}

func TestSignOutAndDevices(t *testing.T) {
	t.Parallel()
	r := start(t)
	s := r.signIn("inspector")
	phone := read[wire.Device](r, r.post("/v1/session/devices", s.Access, "", wire.PutDevice{Token: "a-push-token"}), http.StatusOK)
	same := read[wire.Device](r, r.post("/v1/session/devices", s.Access, "", wire.PutDevice{Token: "a-push-token"}), http.StatusOK)
	if phone != same || phone.ID == "" {
		t.Errorf("got devices %q and %q for one token", phone.ID, same.ID)
	}
	for range 2 {
		if a := r.send(http.MethodDelete, "/v1/session/devices/"+phone.ID, s.Access, "", "", nil); a.status != http.StatusNoContent {
			t.Errorf("drop: got %d %s", a.status, a.body)
		}
	}
	if a := r.send(http.MethodDelete, "/v1/session", s.Access, "", "", nil); a.status != http.StatusNoContent {
		t.Errorf("sign out: got %d %s", a.status, a.body)
	}
	if a := r.refresh(s.Refresh, device); a.status != http.StatusUnauthorized {
		t.Errorf("after sign-out: got %d", a.status)
	}
	if a := r.get("/v1/field/tasks", ""); a.status != http.StatusUnauthorized {
		t.Errorf("without a token: got %d", a.status)
	}
}
