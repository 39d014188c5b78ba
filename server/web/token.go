package web

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gridwatch/server/fault"
)

const (
	tokenLife = 15 * time.Minute
	// skew is how far clocks of two servers may differ; one that is further
	// off does not serve.
	skew     = 2 * time.Second
	maxToken = 2 << 10
)

// Audience says what a token opens.
type Audience string

// The audiences.
const (
	Staff   Audience = "staff"   // routes of staff
	Receipt Audience = "receipt" // the routes of one report's receipt
)

// Claims is what a token says.
type Claims struct {
	Audience Audience
	Tenant   string
	Subject  string // person or report
	Family   string // session family; of a receipt the hash of its code
}

// Keys are the keys of tokens; vault.Keyring is one.
type Keys interface {
	// SessionKey returns the newest key and its id.
	SessionKey() (string, ed25519.PrivateKey)
	// SessionKeys returns all public keys by id.
	SessionKeys() map[string]ed25519.PublicKey
}

// Tokens issues and checks access tokens: JWT, EdDSA, 15 minutes.
type Tokens struct {
	issuer string
	keys   Keys
	now    func() time.Time
	parser *jwt.Parser
}

// NewTokens returns Tokens of an issuer, the same for all servers of an installation.
func NewTokens(issuer string, keys Keys, now func() time.Time) *Tokens {
	return &Tokens{issuer: issuer, keys: keys, now: now, parser: jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithIssuer(issuer), jwt.WithLeeway(skew), jwt.WithTimeFunc(now), jwt.WithStrictDecoding(),
	)}
}

type tokenClaims struct {
	jwt.RegisteredClaims

	Tenant string `json:"tid"`
	Family string `json:"fam,omitempty"`
}

// Issue returns a token and when it expires, UTC.
func (t *Tokens) Issue(c Claims) (string, time.Time, error) {
	id, key := t.keys.SessionKey()
	at := t.now().UTC().Truncate(time.Second)
	expires := at.Add(tokenLife)
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, tokenClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: t.issuer, Subject: c.Subject, Audience: jwt.ClaimStrings{string(c.Audience)},
			IssuedAt: jwt.NewNumericDate(at), ExpiresAt: jwt.NewNumericDate(expires),
		},
		Tenant: c.Tenant, Family: c.Family,
	})
	token.Header["kid"] = id
	text, err := token.SignedString(key)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign token: %w", err)
	}
	return text, expires, nil
}

// Verify checks a token. It returns an Unauthorized Fault session.invalid for
// whatever is wrong with it.
func (t *Tokens) Verify(text string) (Claims, error) {
	if len(text) > maxToken {
		return Claims{}, errSession()
	}
	var in tokenClaims
	_, err := t.parser.ParseWithClaims(text, &in, func(token *jwt.Token) (any, error) {
		id, _ := token.Header["kid"].(string)
		if key, ok := t.keys.SessionKeys()[id]; ok {
			return key, nil
		}
		return nil, errors.New("no such key")
	})
	if err != nil || len(in.Audience) != 1 || in.Subject == "" || in.Tenant == "" {
		return Claims{}, errSession()
	}
	c := Claims{Audience: Audience(in.Audience[0]), Tenant: in.Tenant, Subject: in.Subject, Family: in.Family}
	if c.Audience != Receipt && (c.Audience != Staff || c.Family == "") {
		return Claims{}, errSession()
	}
	return c, nil
}

func errSession() *fault.Fault {
	return fault.New(fault.Unauthorized, "session.invalid", "sign in, or refresh the session")
}
