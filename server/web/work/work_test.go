package work

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const route = "POST /v1/public/:tenant/reports"

// keyring signs under keys, newest first.
type keyring []string

func (k keyring) ChallengeMACs(text string) []string {
	var out []string
	for _, key := range k {
		h := hmac.New(sha256.New, []byte(key))
		h.Write([]byte(text))
		out = append(out, hex.EncodeToString(h.Sum(nil)))
	}
	return out
}

// clock stands still until it is moved.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

func newClock() *clock { return &clock{time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)} }

func issue(t *testing.T, g *Gate, route string) Challenge {
	t.Helper()
	c, err := g.Issue(route)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func solve(t *testing.T, c Challenge) string {
	t.Helper()
	payload, err := c.Solve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// altered is a payload with members of its JSON changed.
func altered(t *testing.T, payload string, change map[string]any) string {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	members := map[string]any{}
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	for name, value := range change {
		members[name] = value
	}
	if text, err = json.Marshal(members); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(text)
}

func TestSolution(t *testing.T) {
	t.Parallel()
	at := newClock()
	g := NewGate(keyring{"new", "old"}, rand.Reader, at.now, 300)
	fresh := func() string { return solve(t, issue(t, g, route)) }
	easy := solve(t, issue(t, NewGate(keyring{"new"}, rand.Reader, at.now, 20), route))
	hard := solve(t, issue(t, NewGate(keyring{"new"}, rand.Reader, at.now, 301), route))
	old := solve(t, issue(t, NewGate(keyring{"old"}, rand.Reader, at.now, 300), route))
	foreign := solve(t, issue(t, NewGate(keyring{"theirs"}, rand.Reader, at.now, 300), route))
	c := issue(t, g, route)
	own := hashed([]byte("salt?expires=99999999999&max=300&route=" + route + "&7")) // a challenge that the caller made
	for name, tt := range map[string]struct {
		payload string
		want    bool
	}{
		"right":                       {fresh(), true},
		"with members of a widget":    {altered(t, fresh(), map[string]any{"took": 12, "test": true}), true},
		"under an older key":          {old, true},
		"of another server":           {hard, true},
		"nothing":                     {"", false},
		"the word that asks":          {Ask, false},
		"no base64":                   {"{}", false},
		"no JSON":                     {"AAAA", false},
		"JSON of another kind":        {base64.StdEncoding.EncodeToString([]byte(`[1]`)), false},
		"huge":                        {strings.Repeat("A", maxPayload+4), false},
		"another algorithm":           {altered(t, fresh(), map[string]any{"algorithm": "SHA-1"}), false},
		"another number":              {altered(t, fresh(), map[string]any{"number": 100_000}), false},
		"a number that is a text":     {altered(t, fresh(), map[string]any{"number": "7"}), false},
		"another challenge":           {altered(t, fresh(), map[string]any{"challenge": c.Challenge, "signature": c.Signature}), false},
		"forged signature":            {altered(t, fresh(), map[string]any{"signature": strings.Repeat("0", 64)}), false},
		"a challenge of its own":      {altered(t, fresh(), map[string]any{"salt": "salt?expires=99999999999&max=300&route=" + route + "&", "number": 7, "challenge": own}), false},
		"signed by another":           {foreign, false},
		"too easy":                    {easy, false},
		"for another route":           {solve(t, issue(t, g, "POST /v1/receipt/session")), false},
		"digits moved into the salt":  {altered(t, fresh(), map[string]any{"salt": c.Salt + "1"}), false},
		"a salt without parameters":   {altered(t, fresh(), map[string]any{"salt": "x"}), false},
		"a salt that does not decode": {altered(t, fresh(), map[string]any{"salt": "x?%zz&"}), false},
	} {
		if got := g.Solves(route, tt.payload); got != tt.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestSolutionExpires(t *testing.T) {
	t.Parallel()
	at := newClock()
	g := NewGate(keyring{"k"}, rand.Reader, at.now, 10)
	payload := solve(t, issue(t, g, route))
	at.Time = at.Add(life - time.Second)
	if !g.Solves(route, payload) {
		t.Error("refused before it expired")
	}
	at.Time = at.Add(time.Second)
	if g.Solves(route, payload) {
		t.Error("taken after it expired")
	}
}

func TestSolutionIsUsedOnce(t *testing.T) {
	t.Parallel()
	at := newClock()
	g := NewGate(keyring{"k"}, rand.Reader, at.now, 10)
	first := solve(t, issue(t, g, route))
	if !g.Use(first) || g.Use(first) || g.Use(altered(t, first, map[string]any{"took": 1})) || g.Use("") {
		t.Error("a solution is used once, whatever is written around it")
	}
	at.Time = at.Add(life - 2*time.Second) // so that a generation turns while the solution lives
	late := solve(t, issue(t, g, route))
	for _, step := range []time.Duration{0, 3 * time.Second, life - 4*time.Second} {
		at.Time = at.Add(step)
		g.Use(solve(t, issue(t, g, route)))
		if step == 0 {
			g.Use(late)
		}
		if !g.Solves(route, late) || g.Use(late) {
			t.Errorf("%v: forgotten while it lives", step)
		}
	}
}

// What is remembered is bounded, however many solve.
func TestUsedIsBounded(t *testing.T) {
	t.Parallel()
	g := NewGate(keyring{"k"}, rand.Reader, newClock().now, 10)
	for range 3 * maxUsed {
		g.first(rand.Text())
	}
	if kept := len(g.used) + len(g.before); kept > 2*maxUsed || kept < maxUsed {
		t.Errorf("got %d", kept)
	}
}

func TestSolveGivesUp(t *testing.T) {
	t.Parallel()
	c := issue(t, NewGate(keyring{"k"}, rand.Reader, newClock().now, 10), route)
	c.Challenge = strings.Repeat("0", 64)
	if _, err := c.Solve(t.Context()); !errors.Is(err, ErrUnsolved) {
		t.Errorf("got %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := c.Solve(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	c.Algorithm = "SHA-512"
	if _, err := c.Solve(t.Context()); !errors.Is(err, ErrUnsolved) {
		t.Errorf("got %v", err)
	}
}

// altcha solves our challenge by the library that the format comes from, and
// makes one of its own, which we solve and it checks.
const altcha = `
import { createChallenge, solveChallenge, verifySolution } from "altcha-lib";
import { readFileSync } from "node:fs";
const [ours, solved] = JSON.parse(readFileSync(0, "utf8"));
if (solved) {
  console.log(await verifySolution(solved, "key"));
} else {
  const { number } = await solveChallenge(ours.challenge, ours.salt, ours.algorithm, ours.maxnumber).promise;
  const payload = Buffer.from(JSON.stringify({ ...ours, number })).toString("base64");
  console.log(JSON.stringify({ payload, theirs: await createChallenge({ hmacKey: "key", maxNumber: 300 }) }));
}
`

func TestAltchaSpeaksTheSame(t *testing.T) {
	t.Parallel()
	run := func(in ...any) []byte {
		t.Helper()
		text, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		node := exec.CommandContext(t.Context(), "node", "--input-type=module", "--eval", altcha)
		node.Dir, node.Stdin, node.Stderr = "../../../schemas/examples/sealpage", bytes.NewReader(text), &said
		out, err := node.Output()
		if err != nil {
			t.Fatalf("node: %v; make tools installs what this needs\n%s", err, said.String())
		}
		return out
	}
	g := NewGate(keyring{"key"}, rand.Reader, newClock().now, 300)
	var answer struct {
		Payload string    `json:"payload"`
		Theirs  Challenge `json:"theirs"`
	}
	if err := json.Unmarshal(run(issue(t, g, route), nil), &answer); err != nil {
		t.Fatal(err)
	}
	if !g.Solves(route, answer.Payload) {
		t.Error("what altcha-lib solved is refused")
	}
	if got := string(run(nil, solve(t, answer.Theirs))); got != "true\n" {
		t.Errorf("altcha-lib says %s of what we solved", got)
	}
}

// BenchmarkSolve is one hash of the work: a challenge takes half of
// GRID_PROOF_OF_WORK of them on average.
func BenchmarkSolve(b *testing.B) {
	c := Challenge{Algorithm: algorithm, Challenge: strings.Repeat("0", 64), Maxnumber: b.N, Salt: strings.Repeat("a", 32) + "?expires=1790000000&max=50000&route=POST+%2Fv1%2Fpublic%2F%3Atenant%2Freports&"}
	_, err := c.Solve(b.Context())
	if !errors.Is(err, ErrUnsolved) {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "hashes/s")
}

// BenchmarkGate is what a challenge and its check cost the server.
func BenchmarkGate(b *testing.B) {
	g := NewGate(keyring{"k"}, rand.Reader, newClock().now, 50_000)
	c, err := g.Issue(route)
	if err != nil {
		b.Fatal(err)
	}
	payload, err := c.Solve(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Run("issue", func(b *testing.B) {
		for b.Loop() {
			if _, err := g.Issue(route); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("check", func(b *testing.B) {
		for b.Loop() {
			if !g.Solves(route, payload) {
				b.Fatal("refused")
			}
		}
	})
}
