package vault

import (
	"os"
	"path/filepath"
	"testing"

	"gridwatch/server/vault/agetest"
)

// The age command opens what we seal, with the keys of the two rings, and we
// open what it seals: whatever becomes of this program, the envelopes open.
func TestAgeCommand(t *testing.T) {
	t.Parallel()
	age := agetest.Command(t)
	a, b := newRing(t, RingA, 1), newRing(t, RingB, 1)
	dir := t.TempDir()
	identity := func(k *RingKey) string {
		path := filepath.Join(dir, string(k.ring))
		if err := os.WriteFile(path, []byte(k.identity().String()+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	rings, err := ParseRings([]string{a.Recipient()}, []string{b.Recipient()})
	if err != nil {
		t.Fatal(err)
	}

	ours := sealIdentity(t, rings, reporter())
	inner := age(ours.File, "--decrypt", "-i", identity(b))
	if digest(inner) != ours.InnerDigest {
		t.Error("the age command peels another inner file")
	}
	var opened plainIdentity
	if err := unpad(age(inner, "--decrypt", "-i", identity(a)), &opened); err != nil || Identity(opened) != reporter() {
		t.Errorf("the age command opens another identity: %v", err)
	}

	padded, err := pad(plainIdentity(reporter()), binding1, identityClass)
	if err != nil {
		t.Fatal(err)
	}
	inner = age(padded, "-r", a.Recipient())
	theirs := Envelope{File: age(inner, "-r", b.Recipient()), InnerDigest: digest(inner)}
	if err := CheckIdentity(theirs.File, rings); err != nil {
		t.Errorf("what the age command sealed: %v", err)
	}
	officer, once := newOfficer(t, RingB, 1), newRequestKey(t)
	req := request("q1", once)
	layer, err := Peel(officer, []*RingKey{b}, theirs.File, theirs.InnerDigest, req, day)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Open([]*RingKey{a}, once, officer.Public().Verify, layer, Sealed{theirs.InnerDigest, binding1}, req, day)
	if err != nil || got != reporter() {
		t.Errorf("another identity, or %v", err)
	}

	// A county's way out without this program: officer's key, share, ring key.
	keeper := newOfficer(t, RingA, 2)
	path := filepath.Join(dir, "officer")
	if err := os.WriteFile(path, []byte(keeper.identity().String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text := age(wrap(t, a, keeper), "--decrypt", "-i", path); string(text) != a.identity().String() {
		t.Error("the age command opens another ring key")
	}
}
