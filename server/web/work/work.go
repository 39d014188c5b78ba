// Package work is the proof of work that public routes ask for when there is
// little room. It tells an honest caller from a flood without knowing either:
// it knows no address, sets no cookie and keeps nothing but which solutions
// were used.
//
// The format is that of ALTCHA, version 1: find the number for which SHA-256 of
// salt and number is the challenge.
package work

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Header is the request's field that holds a solution, base64 of its JSON, or
// Ask.
const Header = "Proof-Of-Work"

// Ask in the place of a solution asks for a challenge beforehand.
const Ask = "ask"

const (
	algorithm  = "SHA-256"
	life       = 2 * time.Minute // of a challenge; a slow phone on a slow network needs seconds
	maxPayload = 2 << 10         // bytes of a header's value
	maxUsed    = 32 << 10        // solutions in a generation
)

// Challenge is what is to be solved.
type Challenge struct {
	Algorithm string `json:"algorithm"` // SHA-256
	Challenge string `json:"challenge"` // SHA-256 of Salt and the decimal number, hex
	Maxnumber int    `json:"maxnumber"` // the number is from 0 to this
	Salt      string `json:"salt"`      // ends with the parameters expires, max and route, and "&"
	Signature string `json:"signature"` // of Challenge; means nothing to a client
}

// solution is a Challenge with its number. Members that other clients add are
// ignored.
type solution struct {
	Algorithm string `json:"algorithm"`
	Challenge string `json:"challenge"`
	Number    int    `json:"number"`
	Salt      string `json:"salt"`
	Signature string `json:"signature"`
}

// ErrUnsolved means that a challenge has no solution.
var ErrUnsolved = errors.New("work: the challenge has no solution")

// Solve returns the value of Header that solves a challenge. It takes up to
// Maxnumber hashes, half of them on average.
func (c Challenge) Solve(ctx context.Context) (string, error) {
	text := []byte(c.Salt)
	for n := 0; n <= c.Maxnumber && c.Algorithm == algorithm; n++ {
		if n&0xfff == 0 && ctx.Err() != nil {
			return "", ctx.Err()
		}
		if hashed(strconv.AppendInt(text[:len(c.Salt)], int64(n), 10)) == c.Challenge {
			payload, err := json.Marshal(solution{c.Algorithm, c.Challenge, n, c.Salt, c.Signature})
			return base64.StdEncoding.EncodeToString(payload), err
		}
	}
	return "", ErrUnsolved
}

func hashed(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Keys signs challenges; vault.Keyring is one. All servers of an installation
// have the same keys, so that one checks what another issued.
type Keys interface {
	// ChallengeMACs returns the signature of a text under every key, newest first.
	ChallengeMACs(text string) []string
}

// Gate issues challenges and checks solutions. Every server has one; what is
// used up is known to that server only.
type Gate struct {
	keys   Keys
	now    func() time.Time
	random io.Reader
	hashes int

	mu     sync.Mutex
	turned time.Time // when used was begun
	used   map[string]bool
	before map[string]bool // the generation before it
}

// NewGate returns a Gate that asks for at most so many hashes.
func NewGate(keys Keys, random io.Reader, now func() time.Time, hashes int) *Gate {
	return &Gate{keys: keys, now: now, random: random, hashes: hashes, turned: now(), used: map[string]bool{}}
}

// Issue returns a challenge for a route. It keeps nothing.
func (g *Gate) Issue(route string) (Challenge, error) {
	number, err := rand.Int(g.random, big.NewInt(int64(g.hashes)+1))
	if err != nil {
		return Challenge{}, fmt.Errorf("issue challenge: %w", err)
	}
	nonce := make([]byte, 16)
	if _, err := io.ReadFull(g.random, nonce); err != nil {
		return Challenge{}, fmt.Errorf("issue challenge: %w", err)
	}
	salt := hex.EncodeToString(nonce) + "?" + url.Values{
		"expires": {strconv.FormatInt(g.now().Add(life).Unix(), 10)}, "max": {strconv.Itoa(g.hashes)}, "route": {route},
	}.Encode() + "&" // so that no digit goes from the number to the parameters
	c := Challenge{Algorithm: algorithm, Challenge: hashed([]byte(salt + number.String())), Maxnumber: g.hashes, Salt: salt}
	c.Signature = g.keys.ChallengeMACs(c.Challenge)[0]
	return c, nil
}

// Solves says whether the value of Header solves a challenge for a route that
// was issued here or by another server, is as hard as what is asked for now and
// has not expired.
func (g *Gate) Solves(route, payload string) bool {
	s, ok := parse(payload)
	return ok && g.issued(s) && g.fits(s, route)
}

// Use uses a value of Header up that Solves; it says whether it was not used
// here before. That is remembered for as long as its challenge lives, unless
// maxUsed others come in between: who wants to use one twice has to solve as
// many.
func (g *Gate) Use(payload string) bool {
	s, ok := parse(payload)
	return ok && g.first(s.Challenge)
}

func parse(payload string) (solution, bool) {
	var s solution
	if payload == "" || len(payload) > maxPayload {
		return s, false
	}
	text, err := base64.StdEncoding.DecodeString(payload)
	return s, err == nil && json.Unmarshal(text, &s) == nil && s.Algorithm == algorithm
}

// issued says whether a solution is right and its challenge ours. The number is
// bound by the hash: there is one for each challenge.
func (g *Gate) issued(s solution) bool {
	if hashed([]byte(s.Salt+strconv.Itoa(s.Number))) != s.Challenge {
		return false
	}
	for _, mac := range g.keys.ChallengeMACs(s.Challenge) {
		if hmac.Equal([]byte(mac), []byte(s.Signature)) {
			return true
		}
	}
	return false
}

func (g *Gate) fits(s solution, route string) bool {
	_, query, _ := strings.Cut(s.Salt, "?")
	said, err := url.ParseQuery(strings.TrimSuffix(query, "&"))
	if err != nil {
		return false
	}
	expires, noTime := strconv.ParseInt(said.Get("expires"), 10, 64)
	hashes, noMax := strconv.Atoi(said.Get("max"))
	return noTime == nil && noMax == nil && hashes >= g.hashes && said.Get("route") == route && g.now().Unix() < expires
}

func (g *Gate) first(challenge string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.used[challenge] || g.before[challenge] {
		return false
	}
	if now := g.now(); len(g.used) >= maxUsed || now.Sub(g.turned) > life {
		g.turned, g.used, g.before = now, map[string]bool{}, g.used
	}
	g.used[challenge] = true
	return true
}
