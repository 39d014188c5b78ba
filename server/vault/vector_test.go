package vault

import (
	"crypto/sha256"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestKnownAnswers holds what a second program, written from the comments of
// this package, computed with the keys of testdata/keyring.json. A change here
// makes stored records unfindable and codes void.
func TestKnownAnswers(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("testdata/keyring.json")
	if err != nil {
		t.Fatal(err)
	}
	k, key := parsed(t, file), mustKey(t, "AbCdEfGhIjKlMnOpQrStUv")
	sum := sha256.Sum256([]byte("jpg"))
	tag := key.Tag([]byte(canonical(t, `{ "a": 1.0 }`, File{Name: "p.jpg", Size: 3, SHA256: sum})))
	code, err := k.Code("00000003", key, tag, "t1")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{
		"record id":  k.RecordIDs(key, "t1", "report")[0],
		"key hash":   k.KeyHashes(key, "t1", "report")[0],
		"stored tag": k.StoredTag(tag),
		"code":       code.Reveal(),
		"look-up":    k.LookupHashes(code)[0],
		"file index": k.FileIndex("t1", sum)[0],
		"commitment": Commitment("r1", make([]byte, 32)),
	}
	want := map[string]string{
		"record id":  "cac4c8b2ccd45e47257ccf8309d5b7db",
		"key hash":   "7c21776bdd476d1debfff84aa58ab161",
		"stored tag": "0834e22b0ed22991fbe00557fdfd608e5e6b88220c0621fca647e29b63b3f0e2",
		"code":       "34763 02964 21825 71973 19161",
		"look-up":    "01b43fb6b001fa40b7c027dab0c47e30",
		"file index": "f87fcbd4841eb81e06fa8e4ec780188c",
		"commitment": "1fdf3e0ac073d09b3b09ffd26608b15ee6232d62efb705033ac6b5fe563955c5",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
