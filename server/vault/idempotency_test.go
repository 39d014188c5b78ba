package vault

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
	"testing"

	"gridwatch/server/fault"
)

func mustKey(tb testing.TB, text string) IdemKey {
	tb.Helper()
	k, err := ParseIdemKey(text)
	if err != nil {
		tb.Fatalf("ParseIdemKey: %v", err)
	}
	return k
}

func TestParseIdemKey(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		ok   bool
	}{
		"base64url of 16 bytes": {"AbCdEfGhIjKlMnOpQrStUv", true},
		"with dash and line":    {"AbCd-fGhIj_lMnOpQrStUv", true},
		"hex of 16 bytes":       {"00112233445566778899aabbccddeeff", true},
		"longest":               {strings.Repeat("Az", 64), true},
		"empty":                 {"", false},
		"21 characters":         {"AbCdEfGhIjKlMnOpQrStU", false},
		"hex of 15 bytes":       {"00112233445566778899aabbccddee", false},
		"UUID":                  {"00112233-4455-4677-8899-aabbccddeeff", false},
		"too long":              {strings.Repeat("Az", 64) + "A", false},
		"padding":               {"AbCdEfGhIjKlMnOpQrStUv==", false},
		"plain base64":          {"AbCdEfGhIjKlMnOpQrSt+/", false},
		"space":                 {"AbCdEfGhIjKlMnOpQrStUv ", false},
		"line end":              {"AbCdEfGhIjKlMnOpQrStUv\n", false},
		"quoted":                {`"AbCdEfGhIjKlMnOpQrStUv"`, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseIdemKey(tt.text)
			if (err == nil) != tt.ok || (err != nil && fault.CodeOf(err) != "idempotency_key.format") {
				t.Errorf("got %v, want ok %v", err, tt.ok)
			}
			if err != nil && len(tt.text) > 4 && strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %q, which quotes the key", err)
			}
		})
	}
}

func TestRecordIDsDependOnKeyAndScope(t *testing.T) {
	t.Parallel()
	k := newKeyring(t, 1)
	a, b := mustKey(t, "AbCdEfGhIjKlMnOpQrStUv"), mustKey(t, "abCdEfGhIjKlMnOpQrStUv")
	ids := []string{
		k.RecordIDs(a, "t1", "report")[0], k.RecordIDs(a, "t2", "report")[0], k.RecordIDs(a, "t1r", "eport")[0],
		k.RecordIDs(a, "t1")[0], k.RecordIDs(b, "t1", "report")[0], k.KeyHashes(a, "t1", "report")[0],
		newKeyring(t, 2).RecordIDs(a, "t1", "report")[0],
	}
	seen := map[string]bool{}
	for _, id := range ids {
		if seen[id] || !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(id) {
			t.Errorf("got %v, want different 128-bit ids", ids)
		}
		seen[id] = true
	}
	if k.RecordIDs(a, "t1", "report")[0] != ids[0] {
		t.Error("the same key gives another id")
	}
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	photo := File{Name: "p.jpg", Size: 3, SHA256: sha256.Sum256([]byte("jpg"))}
	other := File{Name: "q.jpg", Size: 3, SHA256: sha256.Sum256([]byte("gif"))}
	base := canonical(t, `{"b":1.0,"a":"隐患"}`, photo, other)
	same := map[string]string{
		"order and spaces": "{ \"a\": \"隐患\",\n \"b\": 1 }", "escapes": `{"b":1e0,"a":"\u9690\u60a3"}`,
	}
	for name, body := range same {
		if canonical(t, body, photo, other) != base {
			t.Errorf("%s: differs", name)
		}
	}
	renamed, resized := photo, photo
	renamed.Name, resized.Size = "p.jpeg", 4
	different := map[string]string{
		"value":      canonical(t, `{"b":2,"a":"隐患"}`, photo, other),
		"no file":    canonical(t, `{"b":1,"a":"隐患"}`),
		"one file":   canonical(t, `{"b":1,"a":"隐患"}`, photo),
		"file order": canonical(t, `{"b":1,"a":"隐患"}`, other, photo),
		"file name":  canonical(t, `{"b":1,"a":"隐患"}`, renamed, other),
		"file size":  canonical(t, `{"b":1,"a":"隐患"}`, resized, other),
	}
	for name, got := range different {
		if got == base {
			t.Errorf("%s: is the same", name)
		}
	}
	for _, body := range []string{"", "{", `{"a":1}x`, `{"a":1,"a":2}`, "{\"a\":\"\x01\"}"} {
		if _, err := Canonical([]byte(body)); fault.CodeOf(err) != "body.json" {
			t.Errorf("%q: got %v, want body.json", body, err)
		}
	}
}

func canonical(t *testing.T, body string, files ...File) string {
	t.Helper()
	got, err := Canonical([]byte(body), files...)
	if err != nil {
		t.Fatalf("Canonical(%q): %v", body, err)
	}
	return string(got)
}

func TestStoredTag(t *testing.T) {
	t.Parallel()
	before, after := rotated(t, Idempotency)
	key, other := mustKey(t, "AbCdEfGhIjKlMnOpQrStUv"), mustKey(t, "abCdEfGhIjKlMnOpQrStUv")
	stored := before.StoredTag(key.Tag([]byte("body")))
	if !before.SameBody(stored, key.Tag([]byte("body"))) || !after.SameBody(stored, key.Tag([]byte("body"))) {
		t.Error("the same body is not known again")
	}
	if after.StoredTag(key.Tag([]byte("body"))) == stored {
		t.Error("a new tag is stored under the old key")
	}
	if renewed := after.StoredTag(key.Tag([]byte("body"))); !after.SameBody(renewed, key.Tag([]byte("body"))) || before.SameBody(renewed, key.Tag([]byte("body"))) {
		t.Error("what the new key made is not known again, or the old one knows it")
	}
	if before.SameBody(stored, key.Tag([]byte("Body"))) || before.SameBody(stored, other.Tag([]byte("body"))) {
		t.Error("another body or key passes")
	}
	if before.SameBody("", key.Tag([]byte("body"))) || before.SameBody("zz", key.Tag([]byte("body"))) {
		t.Error("a broken stored tag passes")
	}
	if stored == hex.EncodeToString(key.Tag([]byte("body")).sum()) {
		t.Error("the tag itself is stored")
	}
}

func TestNewID(t *testing.T) {
	t.Parallel()
	a, err := NewID(seeded(1))
	b, _ := NewID(seeded(2))
	if err != nil || a == b || len(a) != 32 {
		t.Errorf("got %q and %q, %v", a, b, err)
	}
	if _, err := NewID(strings.NewReader("short")); err == nil {
		t.Error("short randomness: got no error")
	}
}

func FuzzParseIdemKey(f *testing.F) {
	for _, s := range []string{"", "AbCdEfGhIjKlMnOpQrStUv", "00112233445566778899aabbccddeeff", "00112233-4455-4677-8899-aabbccddeeff", "AbCdEfGhIjKlMnOpQrStUv\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseIdemKey(text)
		if err == nil && (string(k.raw()) != text || len(text) < 22) {
			t.Errorf("%q was changed or is too short", text)
		}
		if err != nil && fault.CodeOf(err) != "idempotency_key.format" {
			t.Errorf("got %v", err)
		}
	})
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"", "{", `{"a":1}`, `[1e400,"\ud800"]`, "\"\\", `{"a":1,"a":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := Canonical(body); err != nil && fault.CodeOf(err) != "body.json" {
			t.Errorf("got %v", err)
		}
	})
}
