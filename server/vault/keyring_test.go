package vault

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var day = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

// seeded returns randomness that is the same in every run.
func seeded(seed byte) io.Reader { return rand.NewChaCha8([32]byte{seed}) }

func newFile(tb testing.TB, seed byte) []byte {
	tb.Helper()
	file, err := GenerateKeyring(seeded(seed), day)
	if err != nil {
		tb.Fatal(err)
	}
	return file
}

func newKeyring(tb testing.TB, seed byte) *Keyring {
	tb.Helper()
	return parsed(tb, newFile(tb, seed))
}

func parsed(tb testing.TB, file []byte) *Keyring {
	tb.Helper()
	k, err := Parse(file)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// rotated returns a keyring as it was, and after p was rotated.
func rotated(tb testing.TB, p Purpose) (*Keyring, *Keyring) {
	tb.Helper()
	was := newFile(tb, 1)
	added, err := AddKey(was, p, seeded(101), day.AddDate(1, 0, 0))
	if err != nil {
		tb.Fatal(err)
	}
	is, err := UseKey(added, p, day.AddDate(1, 0, 0))
	if err != nil {
		tb.Fatal(err)
	}
	return parsed(tb, was), parsed(tb, is)
}

func TestParseListsEveryMistakeAndNoKey(t *testing.T) {
	t.Parallel()
	canary := []byte("canary-key-0123456789-0123456789")
	older, newer := day, day.Add(time.Hour)
	with := func(p Purpose, keys ...keyEntry) func(*keyFile) {
		for i := range keys {
			keys[i].ID, keys[i].Created, keys[i].Key = fmt.Sprintf("%08x", i), day, fmt.Appendf(nil, "%032d", i)
		}
		return func(f *keyFile) { f.Keys[p] = keys }
	}
	tests := map[string]struct {
		change func(f *keyFile)
		want   []string
	}{
		"purpose missing": {func(f *keyFile) { delete(f.Keys, Receipt) }, []string{"receipt: no key"}},
		"purpose unknown": {func(f *keyFile) { f.Keys["canary-key"] = f.Keys[Receipt] }, []string{"unknown purpose"}},
		"bad id":          {func(f *keyFile) { f.Keys[Lookup][0].ID = "canary-key" }, []string{"lookup: an id is not"}},
		"short key":       {func(f *keyFile) { f.Keys[Pepper][0].Key = canary[:16] }, []string{"pepper: a key is not 32"}},
		"same key twice":  {func(f *keyFile) { f.Keys[Session][0].Key = f.Keys[Signing][0].Key }, []string{"session: a key occurs twice"}},
		"several at once": {func(f *keyFile) {
			f.Keys[Digest] = []keyEntry{{ID: "00000000", Created: older, Key: canary}, {ID: "00000000", Created: newer, Key: canary}}
			f.Keys[AtRest] = nil
		}, []string{"at_rest: no key", "digest: an id occurs twice", "digest: a key occurs twice", "digest: the newest key is not first"}},
		"two in use":         {with(Digest, keyEntry{}, keyEntry{}), []string{"digest: it is one key in use"}},
		"none in use":        {with(Digest, keyEntry{Replaced: newer}), []string{"digest: it is one key in use"}},
		"one that waits":     {with(Digest, keyEntry{Waiting: true}), []string{"digest: it is one key in use"}},
		"two that wait":      {with(Digest, keyEntry{Waiting: true}, keyEntry{Waiting: true}, keyEntry{}), []string{"digest: it is one key in use"}},
		"an old one waits":   {with(Digest, keyEntry{}, keyEntry{Waiting: true}), []string{"digest: it is one key in use"}},
		"replaced and first": {with(Digest, keyEntry{Replaced: newer}, keyEntry{}), []string{"digest: it is one key in use"}},
		"version":            {func(f *keyFile) { f.Version = 2 }, []string{"version 1"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := readKeyFile(newFile(t, 1))
			if err != nil {
				t.Fatal(err)
			}
			tt.change(&f)
			file, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse(file)
			if err == nil {
				t.Fatal("got no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want it to hold %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("got %q, which quotes the file", err)
			}
		})
	}
}

func TestParseQuotesNothingOfABrokenFile(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"", "canary", `{"v":1,"canary":1}`, `{"v":1,"keys":{"receipt":[{"id":"a","key":"canary!"}]}}`, `{"v":"canary"}`} {
		if _, err := Parse([]byte(file)); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("Parse(%q): got %v", file, err)
		}
	}
}

func TestGenerateIsItsRandomness(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(string(newFile(t, 1)), string(newFile(t, 1))); diff != "" {
		t.Errorf("same randomness, other file (-first +second):\n%s", diff)
	}
	if bytes.Equal(newFile(t, 1), newFile(t, 2)) {
		t.Error("other randomness, same file")
	}
	if _, err := GenerateKeyring(strings.NewReader("short"), day); err == nil {
		t.Error("short randomness: got no error")
	}
	if _, err := AddKey(newFile(t, 1), "other", seeded(2), day); err == nil {
		t.Error("a key of an unknown purpose: got no error")
	}
}

// TestAKeyWaitsOnce: both steps of a rotation may be repeated, by another
// operator too, and nothing takes over before it waited.
func TestAKeyWaitsOnce(t *testing.T) {
	t.Parallel()
	file := newFile(t, 1)
	same := func(step string, got, want []byte, err error) {
		t.Helper()
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: the file is another one, %v", step, err)
		}
	}
	early, err := UseKey(file, Pepper, day)
	same("use before there is one", early, file, err)
	waits, err := AddKey(file, Pepper, seeded(2), day.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	twice, err := AddKey(waits, Pepper, seeded(3), day.Add(2*time.Hour))
	same("add a second time", twice, waits, err)
	if parsed(t, waits).NewestID(Pepper) != parsed(t, file).NewestID(Pepper) {
		t.Error("a key that waits is used")
	}
	used, err := UseKey(waits, Pepper, day.Add(3*time.Hour))
	if err != nil || parsed(t, used).NewestID(Pepper) == parsed(t, file).NewestID(Pepper) {
		t.Errorf("the key that waited is not used, %v", err)
	}
	again, err := UseKey(used, Pepper, day.Add(4*time.Hour))
	same("use a second time", again, used, err)
	old, err := OldKeys(used)
	if err != nil || len(old) != 1 || old[0].Purpose != Pepper || !old[0].Replaced.Equal(day.Add(3*time.Hour)) {
		t.Errorf("old keys: %v, %v", old, err)
	}
}

func TestCompleteAddsWhatAnOlderFileLacks(t *testing.T) {
	t.Parallel()
	whole := newFile(t, 1)
	same, err := CompleteKeyring(whole, strings.NewReader(""), day)
	if err != nil || !bytes.Equal(same, whole) {
		t.Errorf("a whole file was changed: %v", err)
	}
	f, err := readKeyFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	delete(f.Keys, LogSigning)
	old, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(old); err == nil || !strings.Contains(err.Error(), "log: no key: run server keys init") {
		t.Errorf("got %v, want what to do", err)
	}
	file, err := CompleteKeyring(old, seeded(2), day.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	got, want := parsed(t, file), parsed(t, whole)
	for _, p := range purposes() {
		if kept := got.NewestID(p) == want.NewestID(p); kept == (p == LogSigning) {
			t.Errorf("%s: kept is %v", p, kept)
		}
	}
	if len(got.LogKeys()) != 1 || !publicOf(got.LogKey()).Equal(got.LogKeys()[0]) {
		t.Error("the new key does not sign")
	}
	for _, broken := range []string{"", `{"v":1,"keys":{"other":[]}}`} {
		if _, err := CompleteKeyring([]byte(broken), seeded(2), day); err == nil {
			t.Errorf("%q was completed", broken)
		}
	}
	if _, err := CompleteKeyring([]byte(`{"v":1,"keys":null}`), seeded(2), day); err != nil {
		t.Errorf("a file without keys: %v", err)
	}
}

func TestLoadRefusesAnOpenFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyring.json")
	if err := os.WriteFile(path, newFile(t, 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err != nil {
		t.Errorf("mode 0600: got %v", err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil {
		t.Error("mode 0640: got no error")
	}
}

func TestRotationKeepsOldAnswersFindable(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("photo"))
	key := mustKey(t, "AbCdEfGhIjKlMnOpQrStUv")
	tests := map[string]struct {
		purpose Purpose
		find    func(k *Keyring) []string
	}{
		"record id":  {Idempotency, func(k *Keyring) []string { return k.RecordIDs(key, "t1", "report") }},
		"key hash":   {Idempotency, func(k *Keyring) []string { return k.KeyHashes(key, "t1", "report") }},
		"file index": {Digest, func(k *Keyring) []string { return k.FileIndex("t1", sum) }},
		"look-up": {Lookup, func(k *Keyring) []string {
			return k.LookupHashes(mustCode(t, "0000000000000000000000005"))
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, after := rotated(t, tt.purpose)
			was, is := tt.find(before), tt.find(after)
			if len(was) != 1 || len(is) != 2 || is[1] != was[0] || is[0] == was[0] || len(is[0]) != 32 {
				t.Errorf("got %v after %v, want a new one in front of the old", is, was)
			}
		})
	}
}

func TestPublicKeysAreListedByID(t *testing.T) {
	t.Parallel()
	before, after := rotated(t, Session)
	kid, private := after.SessionKey()
	if kid != after.NewestID(Session) || !publicOf(private).Equal(after.SessionKeys()[kid]) {
		t.Error("the newest session key is not among the public ones")
	}
	old, _ := before.SessionKey()
	if len(after.SessionKeys()) != 2 || !after.SessionKeys()[old].Equal(before.SessionKeys()[old]) {
		t.Error("the older session key is lost")
	}
	if _, err := after.key(Session, "ffffffff"); !errors.Is(err, ErrNoKey) {
		t.Errorf("unknown id: got %v, want ErrNoKey", err)
	}
}
