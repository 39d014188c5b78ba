package vault

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"testing"

	"filippo.io/age"
)

var update = flag.Bool("update", false, "write the golden files anew")

// goldenPair is what a client tests itself with before reporters use it
// (schemas/examples/golden/seal.json). Its keys are no one's.
type goldenPair struct {
	Note        string            `json:"note"`
	Tenant      string            `json:"tenant"`
	Root        ed25519.PublicKey `json:"root"`
	Fingerprint string            `json:"fingerprint"`
	Keys        SignedKeyList     `json:"keys"`
	RingA       string            `json:"ringA"` // age identity
	RingB       string            `json:"ringB"`
	Identity    plainIdentity     `json:"identity"`
	Contact     plainContact      `json:"contact"`
	Challenge   json.RawMessage   `json:"challenge"` // proof of work; its number is 4321

	sealedPair
}

type sealedPair struct {
	IdentityFile []byte `json:"identityFile"`
	ContactFile  []byte `json:"contactFile"`
	InnerDigest  string `json:"innerDigest"`
	Solution     string `json:"solution"` // of Challenge
}

const goldenFile = "../../schemas/examples/golden/seal.json"

// goldenWork is what server/web/work issues; the number is 4321.
const goldenWork = `{"algorithm": "SHA-256", "challenge": "1d135cbbf0a63b5b2cf089ff7bfed20ec2e5d7a878e1fd6b4fbb723e87036837", "maxnumber": 50000, "salt": "00112233445566778899aabbccddeeff?expires=1790000000&max=50000&route=POST+%2Fv1%2Fpublic%2F%3Atenant%2Freports&", "signature": ""}`

func writeGolden(t *testing.T) {
	t.Helper()
	a, b := newRing(t, RingA, 1), newRing(t, RingB, 1)
	rings, err := ParseRings([]string{a.Recipient()}, []string{b.Recipient()})
	if err != nil {
		t.Fatal(err)
	}
	root, err := NewRootKey(seeded(9))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := root.Sign(KeyList{Tenant: "golden", Version: 1, A: PublishedRing{Version: 1, Recipient: a.Recipient()}, B: PublishedRing{Version: 1, Recipient: b.Recipient()}})
	if err != nil {
		t.Fatal(err)
	}
	g := goldenPair{
		Note:   "To test a client with. These keys belong to no tenant: seal nothing real to them.",
		Tenant: "golden", Root: root.Public(), Fingerprint: Fingerprint(root.Public()), Keys: keys,
		RingA: a.identity().String(), RingB: b.identity().String(),
		Identity: plainIdentity(reporter()), Contact: plainContact{Kind: "phone", Value: "13000000000", Binding: reporter().Binding},
		Challenge: json.RawMessage(goldenWork),
	}
	sealed := sealIdentity(t, rings, Identity(g.Identity))
	contact, err := SealContact(rings, Contact(g.Contact))
	if err != nil {
		t.Fatal(err)
	}
	g.sealedPair = sealedPair{IdentityFile: sealed.File, ContactFile: contact.File, InnerDigest: sealed.InnerDigest}
	text, err := json.MarshalIndent(g, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(goldenFile, append(text, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The golden pair opens as it says, and a client in JavaScript, that of the
// sealing page, passes its self-test with it and seals what we open.
func TestGoldenPair(t *testing.T) {
	t.Parallel()
	if *update {
		writeGolden(t)
	}
	text, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	var g goldenPair
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	list, err := g.Keys.Verify(g.Root, g.Tenant)
	if err != nil || Fingerprint(g.Root) != g.Fingerprint {
		t.Fatalf("the list of keys: %v", err)
	}
	rings, err := list.Rings()
	if err != nil {
		t.Fatal(err)
	}
	g.opens(t, g.sealedPair, rings)

	node := exec.CommandContext(t.Context(), "node", "selftest.mjs")
	var said bytes.Buffer
	node.Dir, node.Stdin, node.Stderr = "../../schemas/examples/sealpage", bytes.NewReader(text), &said
	out, err := node.Output()
	if err != nil {
		t.Fatalf("node selftest.mjs: %v; make tools installs what it needs\n%s", err, said.String())
	}
	var theirs sealedPair
	if err := json.Unmarshal(out, &theirs); err != nil {
		t.Fatal(err)
	}
	g.opens(t, theirs, rings)
	var solved struct {
		Number int `json:"number"`
	}
	if payload, err := base64.StdEncoding.DecodeString(theirs.Solution); err != nil || json.Unmarshal(payload, &solved) != nil || solved.Number != 4321 {
		t.Errorf("the challenge was solved by %d, %v", solved.Number, err)
	}
}

func (g goldenPair) opens(t *testing.T, p sealedPair, rings Rings) {
	t.Helper()
	if err := CheckIdentity(p.IdentityFile, rings); err != nil {
		t.Error(err)
	}
	if err := CheckContact(p.ContactFile, rings); err != nil {
		t.Error(err)
	}
	a, err := age.ParseHybridIdentity(g.RingA)
	if err != nil {
		t.Fatal(err)
	}
	b, err := age.ParseHybridIdentity(g.RingB)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := decrypt(p.IdentityFile, b)
	if err != nil || digest(inner) != p.InnerDigest {
		t.Fatalf("ring B: %v", err)
	}
	var identity plainIdentity
	padded, err := decrypt(inner, a)
	if err != nil || unpad(padded, &identity) != nil || identity != g.Identity {
		t.Errorf("another identity, or %v", err)
	}
	var contact plainContact
	padded, err = decrypt(p.ContactFile, a)
	if err != nil || unpad(padded, &contact) != nil || contact != g.Contact {
		t.Errorf("another contact, or %v", err)
	}
}
