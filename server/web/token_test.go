package web

import (
	"bytes"
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gridwatch/server/fault"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	at := func(d time.Duration, keys Keys) *Tokens {
		return NewTokens("gridwatch", keys, func() time.Time { return now.Add(d) })
	}
	person := Claims{Audience: Staff, Tenant: "demo", Subject: "p1", Family: "f1"}
	issue := func(issuer *Tokens, c Claims) string {
		text, expires, err := issuer.Issue(c)
		if err != nil {
			t.Fatal(err)
		}
		if want := issuer.now().Add(15 * time.Minute).Truncate(time.Second); !expires.Equal(want) {
			t.Errorf("got expiry %v, want %v", expires, want)
		}
		return text
	}
	good := tokenClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: "gridwatch", Subject: "p1", Audience: jwt.ClaimStrings{"staff"},
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(time.Minute)),
		},
		Tenant: "demo", Family: "f1",
	}
	// forge signs altered claims with the real key, or in another way.
	forge := func(spoil func(c *tokenClaims, header map[string]any), method jwt.SigningMethod, key any) string {
		c := good
		token := jwt.NewWithClaims(method, &c)
		token.Header["kid"], _ = ring{1}.SessionKey()
		spoil(&c, token.Header)
		text, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	_, key := ring{1}.SessionKey()
	altered := func(spoil func(c *tokenClaims)) string {
		return forge(func(c *tokenClaims, _ map[string]any) { spoil(c) }, jwt.SigningMethodEdDSA, key)
	}
	same := func(*tokenClaims, map[string]any) {}
	public := []byte(key.Public().(ed25519.PublicKey))

	tests := map[string]struct {
		text string
		ok   bool
	}{
		"issued":                  {issue(at(0, ring{1}), person), true},
		"receipt":                 {issue(at(0, ring{1}), Claims{Audience: Receipt, Tenant: "demo", Subject: "r1"}), true},
		"14 minutes old":          {issue(at(-14*time.Minute, ring{1}), person), true},
		"a second ahead":          {issue(at(time.Second, ring{1}), person), true},
		"forged as it should be":  {altered(func(*tokenClaims) {}), true},
		"expired":                 {issue(at(-16*time.Minute, ring{1}), person), false},
		"from the future":         {issue(at(time.Minute, ring{1}), person), false},
		"unknown key":             {issue(at(0, ring{2}), person), false},
		"another issuer":          {altered(func(c *tokenClaims) { c.Issuer = "other" }), false},
		"another audience":        {altered(func(c *tokenClaims) { c.Audience = jwt.ClaimStrings{"console"} }), false},
		"two audiences":           {altered(func(c *tokenClaims) { c.Audience = jwt.ClaimStrings{"staff", "receipt"} }), false},
		"no audience":             {altered(func(c *tokenClaims) { c.Audience = nil }), false},
		"no expiry":               {altered(func(c *tokenClaims) { c.ExpiresAt = nil }), false},
		"no subject":              {altered(func(c *tokenClaims) { c.Subject = "" }), false},
		"no tenant":               {altered(func(c *tokenClaims) { c.Tenant = "" }), false},
		"staff without family":    {altered(func(c *tokenClaims) { c.Family = "" }), false},
		"alg none":                {forge(same, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType), false},
		"HMAC of the public key":  {forge(same, jwt.SigningMethodHS256, public), false},
		"no kid":                  {forge(func(_ *tokenClaims, h map[string]any) { delete(h, "kid") }, jwt.SigningMethodEdDSA, key), false},
		"kid is no text":          {forge(func(_ *tokenClaims, h map[string]any) { h["kid"] = 1 }, jwt.SigningMethodEdDSA, key), false},
		"signature of other text": {swapTail(issue(at(0, ring{1}), person), altered(func(c *tokenClaims) { c.Subject = "x" })), false},
		"empty":                   {"", false},
		"too long":                {strings.Repeat("a", 3000), false},
	}
	verifier := at(0, ring{1})
	for name, tt := range tests {
		c, err := verifier.Verify(tt.text)
		if (err == nil) != tt.ok || (!tt.ok && (fault.CodeOf(err) != "session.invalid" || c != Claims{})) {
			t.Errorf("%s: got %+v, %v", name, c, err)
		}
	}
	if c, err := verifier.Verify(issue(verifier, person)); err != nil || c != person {
		t.Errorf("got %+v, %v, want %+v", c, err, person)
	}
	if _, err := at(0, ring{1, 2}).Verify(issue(verifier, person)); err != nil {
		t.Errorf("got %v after a rotation, want the older key still known", err)
	}
}

// swapTail puts the signature of one token under another.
func swapTail(of, under string) string {
	return of[:strings.LastIndex(of, ".")] + under[strings.LastIndex(under, "."):]
}

func FuzzVerify(f *testing.F) {
	tokens := NewTokens("gridwatch", ring{1}, func() time.Time { return time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC) })
	text, _, err := tokens.Issue(Claims{Audience: Staff, Tenant: "demo", Subject: "p", Family: "f"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add("e30.e30.")
	f.Fuzz(func(t *testing.T, other string) {
		if _, err := tokens.Verify(other); err == nil && !bytes.Equal([]byte(other), []byte(text)) {
			t.Errorf("got %q accepted", other)
		}
	})
}
