package vault

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"gridwatch/server/fault"
)

func newRing(tb testing.TB, ring Ring, version int) *RingKey {
	tb.Helper()
	k, err := NewRingKey(ring, version)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func wrap(tb testing.TB, k *RingKey, to *OfficerKey) []byte {
	tb.Helper()
	wrapped, err := k.Wrap(to.Public().Recipient)
	if err != nil {
		tb.Fatal(err)
	}
	return wrapped
}

func TestShares(t *testing.T) {
	t.Parallel()
	key, other := newRing(t, RingA, 2), newRing(t, RingA, 2)
	officer, recovery, stranger := newOfficer(t, RingA, 1), newOfficer(t, RingA, 2), newOfficer(t, RingA, 3)
	share := wrap(t, key, officer)
	tests := map[string]struct {
		by        *OfficerKey
		share     []byte
		recipient string
		want      error
	}{
		"the officer":           {officer, share, key.Recipient(), nil},
		"the recovery key":      {recovery, wrap(t, key, recovery), key.Recipient(), nil},
		"a stranger":            {stranger, share, key.Recipient(), ErrShare},
		"another ring key":      {officer, share, other.Recipient(), ErrShare},
		"an officer's own file": {officer, flipped(share, len(share)-1), key.Recipient(), ErrShare},
		"no share":              {officer, nil, key.Recipient(), ErrShare},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.by.Unwrap(2, tt.share, tt.recipient)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err == nil && (got.Recipient() != key.Recipient() || got.Version() != 2) {
				t.Error("another key comes back")
			}
		})
	}
	for name, file := range map[string][]byte{
		"nothing": nil, "cut": share[1:], "short": share[:len(share)-1], "clear": bytes.Repeat([]byte("x"), len(share)),
	} {
		if err := CheckShare(file); !errors.Is(err, ErrWrapped) {
			t.Errorf("%s: got %v, want ErrWrapped", name, err)
		}
	}
	if err := CheckShare(share); err != nil {
		t.Error(err)
	}
	if _, err := key.Wrap("age1qqq"); !errors.Is(err, ErrRequest) {
		t.Errorf("to a classic recipient: got %v, want ErrRequest", err)
	}
}

// After an officer left, what was sealed before opens by the old version and
// what is sealed now by the new one; who left cannot open it.
func TestOldVersionsOpen(t *testing.T) {
	t.Parallel()
	a1, a2, b := newRing(t, RingA, 1), newRing(t, RingA, 2), newRing(t, RingB, 1)
	officer := newOfficer(t, RingB, 1)
	seal := func(a *RingKey) Envelope {
		rings, err := ParseRings([]string{a.Recipient()}, []string{b.Recipient()})
		if err != nil {
			t.Fatal(err)
		}
		return sealIdentity(t, rings, reporter())
	}
	for name, tt := range map[string]struct {
		to   *RingKey
		held []*RingKey
		want error
	}{
		"old report, who stayed": {a1, []*RingKey{a1, a2}, nil},
		"new report, who stayed": {a2, []*RingKey{a1, a2}, nil},
		"new report, who left":   {a2, []*RingKey{a1}, ErrUnreadable},
		"no key":                 {a2, nil, ErrWrongRing},
		"keys of both rings":     {a2, []*RingKey{a2, b}, ErrWrongRing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, once := seal(tt.to), newRequestKey(t)
			req := request("q1", once)
			layer, err := Peel(officer, []*RingKey{b}, e.File, e.InnerDigest, req, day)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Open(tt.held, once, officer.Public().Verify, layer, Sealed{e.InnerDigest, binding1}, req, day)
			if !errors.Is(err, tt.want) || (err == nil && got != reporter()) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	a, b, other := newRing(t, RingA, 1), newRing(t, RingB, 1), newRing(t, RingB, 1)
	rings, err := ParseRings([]string{a.Recipient()}, []string{b.Recipient()})
	if err != nil {
		t.Fatal(err)
	}
	e, swapped := sealIdentity(t, rings, reporter()), sealIdentity(t, rings, reporter())
	outer := func(inner string) Envelope {
		file, err := encrypt([]byte(inner), rings.b)
		if err != nil {
			t.Fatal(err)
		}
		return Envelope{File: file, InnerDigest: digest([]byte(inner))}
	}
	for name, tt := range map[string]struct {
		keys []*RingKey
		file []byte
		sum  string
		want Result
	}{
		"readable":                {[]*RingKey{other, b}, e.File, e.InnerDigest, ResultOpened},
		"sealed to another key":   {[]*RingKey{other}, e.File, e.InnerDigest, ResultUnreadable},
		"digest mismatch":         {[]*RingKey{b}, swapped.File, e.InnerDigest, ResultSwapped},
		"damaged":                 {[]*RingKey{b}, flipped(e.File, len(e.File)-1), e.InnerDigest, ResultUnreadable},
		"nothing of ring A in it": {[]*RingKey{b}, outer("a name in clear").File, outer("a name in clear").InnerDigest, ResultUnreadable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := Check(tt.keys, tt.file, tt.sum); err != nil || got != tt.want {
				t.Errorf("got %s, %v, want %s", got, err, tt.want)
			}
		})
	}
	if _, err := Check([]*RingKey{a}, e.File, e.InnerDigest); !errors.Is(err, ErrWrongRing) {
		t.Errorf("by ring A: got %v, want ErrWrongRing", err)
	}
}

func candidateOf(k *OfficerKey) Candidate {
	p := k.Public()
	return Candidate{Tenant: "t1", Ring: p.Ring, Person: "p1", Recipient: p.Recipient, Verify: p.Verify}
}

func TestProofOfPossession(t *testing.T) {
	t.Parallel()
	officer, thief := newOfficer(t, RingA, 1), newOfficer(t, RingA, 2)
	c := candidateOf(officer)
	challenge, nonce, err := NewChallenge(c.Recipient, seeded(9))
	if err != nil {
		t.Fatal(err)
	}
	proof, err := officer.Prove(c, challenge)
	if err != nil {
		t.Fatal(err)
	}
	if err := VerifyProof(c, proof, nonce); err != nil {
		t.Error(err)
	}
	if _, err := thief.Prove(c, challenge); !errors.Is(err, ErrPossess) {
		t.Errorf("another's challenge: got %v, want ErrPossess", err)
	}
	other := c
	other.Person = "p2"
	half := proof
	half.Nonce = bytes.Repeat([]byte{1}, 32)
	for name, bad := range map[string]error{
		"of another person":   VerifyProof(other, proof, nonce),
		"nonce not opened":    VerifyProof(c, half, nonce),
		"another challenge":   VerifyProof(c, proof, digest([]byte("x"))),
		"signed by a thief":   VerifyProof(c, Proof{proof.Nonce, ed25519.Sign(thief.signing(), c.signed("gridwatch/prove/1", proof.Nonce))}, nonce),
		"signature of nobody": VerifyProof(c, Proof{Nonce: proof.Nonce}, nonce),
	} {
		if !errors.Is(bad, ErrPossess) {
			t.Errorf("%s: got %v, want ErrPossess", name, bad)
		}
	}
	if candidateOf(officer).Fingerprint() == candidateOf(thief).Fingerprint() || len(c.Fingerprint()) != 79 {
		t.Errorf("got fingerprint %q", c.Fingerprint())
	}
}

// What an officer signs about a ring holds for that and nothing else.
func TestApprovals(t *testing.T) {
	t.Parallel()
	officer, other := newOfficer(t, RingA, 1), newOfficer(t, RingA, 2)
	verify := officer.Public().Verify
	c, shares := candidateOf(other), []Share{{1, []byte("one")}, {2, []byte("two")}}
	admission := SignAdmission(officer, c, Sum(shares))
	v := NewVersion{Tenant: "t1", Ring: RingA, Version: 2, Recipient: "r", Leaver: "p1", Shares: map[string][]byte{"p2": []byte("s")}, Recovery: []byte("x")}
	version := SignVersion(officer, v)
	tally := Tally{Day: "2026-03-02", Readable: 3}
	count := SignTally(officer, "t1", tally)
	for name, err := range map[string]error{
		"admission": VerifyAdmission(verify, c, Sum(shares), admission), "version": VerifyVersion(verify, v, version), "tally": VerifyTally(verify, "t1", tally, count),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	moved, fewer, more := v, v, tally
	moved.Leaver, fewer.Shares, more.Readable = "", map[string][]byte{}, 4
	for name, err := range map[string]error{
		"admission, fewer shares":   VerifyAdmission(verify, c, Sum(shares[:1]), admission),
		"admission, another key":    VerifyAdmission(verify, candidateOf(officer), Sum(shares), admission),
		"admission, with a version": VerifyAdmission(verify, c, SumWith(shares, v), admission),
		"admission, other officer":  VerifyAdmission(other.Public().Verify, c, Sum(shares), admission),
		"version, nobody leaves":    VerifyVersion(verify, moved, version),
		"version, fewer shares":     VerifyVersion(verify, fewer, version),
		"version by an admission":   VerifyVersion(verify, v, admission),
		"tally, more":               VerifyTally(verify, "t1", more, count),
		"tally, another tenant":     VerifyTally(verify, "t2", tally, count),
	} {
		if !errors.Is(err, ErrApproval) {
			t.Errorf("%s: got %v, want ErrApproval", name, err)
		}
	}
}

func TestKeyList(t *testing.T) {
	t.Parallel()
	root, err := NewRootKey(seeded(1))
	if err != nil {
		t.Fatal(err)
	}
	forger, err := NewRootKey(seeded(2))
	if err != nil {
		t.Fatal(err)
	}
	officer := newOfficer(t, RingB, 3).Public().Verify
	list := KeyList{
		Tenant: "t1", Version: 1, A: PublishedRing{Version: 1, Recipient: newRing(t, RingA, 1).Recipient()},
		B: PublishedRing{Version: 1, Recipient: newRing(t, RingB, 1).Recipient(), Officers: []ed25519.PublicKey{officer}},
	}
	signed, err := root.Sign(list)
	if err != nil {
		t.Fatal(err)
	}
	got, err := viaJSON(t, signed).Verify(root.Public(), "t1")
	if err != nil || got.Of(RingA).Recipient != list.A.Recipient || !got.Of(RingB).Lists(officer) || got.A.Lists(officer) {
		t.Errorf("got %+v, %v", got, err)
	}
	forged, err := forger.Sign(list)
	if err != nil {
		t.Fatal(err)
	}
	same := list
	same.B.Recipient = list.A.Recipient
	if _, err := root.Sign(same); err == nil {
		t.Error("one key in both rings was signed")
	}
	swapped := signed
	swapped.List = strings.Replace(signed.List, list.A.Recipient, newRing(t, RingA, 1).Recipient(), 1)
	unnumbered := list
	unnumbered.Version = 0
	without, err := root.Sign(unnumbered)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		list   SignedKeyList
		root   ed25519.PublicKey
		tenant string
	}{
		"unsigned":          {SignedKeyList{List: signed.List}, root.Public(), "t1"},
		"another root":      {forged, root.Public(), "t1"},
		"another tenant":    {signed, root.Public(), "t2"},
		"a key exchanged":   {swapped, root.Public(), "t1"},
		"no version":        {without, root.Public(), "t1"},
		"no root":           {signed, nil, "t1"},
		"nothing":           {SignedKeyList{}, root.Public(), "t1"},
		"signature of text": {SignedKeyList{List: signed.List, Signature: ed25519.Sign(root.signing(), []byte(signed.List))}, root.Public(), "t1"},
	} {
		if _, err := tt.list.Verify(tt.root, tt.tenant); !errors.Is(err, ErrKeyList) {
			t.Errorf("%s: got %v, want ErrKeyList", name, err)
		}
	}
}

func TestRootFile(t *testing.T) {
	t.Parallel()
	root, err := NewRootKey(seeded(1))
	if err != nil {
		t.Fatal(err)
	}
	file, err := root.File("")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParseRootKey(file, ""); err != nil || !again.Public().Equal(root.Public()) {
		t.Errorf("another root comes back: %v", err)
	}
	officer, err := newOfficer(t, RingA, 1).File("")
	if err != nil {
		t.Fatal(err)
	}
	bads := [][]byte{nil, []byte("x"), officer, file[:len(file)-4]}
	seed := base64.StdEncoding.EncodeToString(root.signing().Seed())
	for _, text := range []string{seed, rootPrefix, rootPrefix + seed[:40], rootPrefix + "AAAA" + seed} {
		bad, err := lock([]byte(text), "", 10)
		if err != nil {
			t.Fatal(err)
		}
		bads = append(bads, bad)
	}
	for _, bad := range bads {
		if _, err := ParseRootKey(bad, ""); fault.CodeOf(err) != "custody.key_file" {
			t.Errorf("got %v, want custody.key_file", err)
		}
	}
	if _, err := json.Marshal(root); err == nil {
		t.Error("a root is marshalled")
	}
	printed := Fingerprint(root.Public())
	for _, typed := range []string{printed, strings.ToUpper(printed), strings.ReplaceAll(printed, " ", ":") + "\n"} {
		if got, err := ParseFingerprint(typed); err != nil || got != strings.ReplaceAll(printed, " ", "") {
			t.Errorf("%q: got %q, %v", typed, got, err)
		}
	}
	for _, bad := range []string{"", printed[:74], printed + " 00", "gg" + printed[2:]} {
		if _, err := ParseFingerprint(bad); err == nil {
			t.Errorf("%q: got no error", bad)
		}
	}
}
