package vault

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"gridwatch/server/fault"
)

// cheap is for tests of everything but the cost.
var cheap = Argon2{MemoryKiB: 64, Time: 1, Threads: 1}

func TestPassword(t *testing.T) {
	t.Parallel()
	before, after := rotated(t, Pepper)
	old, is := NewHasher(before, cheap, 2, seeded(2)), NewHasher(after, cheap, 2, seeded(3))
	stored, err := old.Hash(t.Context(), "12345678")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(stored, "$argon2id$v=19$m=64,t=1,p=1,keyid="+before.NewestID(Pepper)+"$") {
		t.Errorf("got %q, want a PHC string", stored)
	}
	again, err := old.Hash(t.Context(), "12345678")
	if err != nil || again == stored {
		t.Errorf("hashed twice: the same string, %v", err)
	}
	tests := map[string]struct {
		hasher           *Hasher
		stored, password string
		want             bool
	}{
		"right":                 {old, stored, "12345678", true},
		"right, after rotation": {is, stored, "12345678", true},
		"wrong":                 {old, stored, "12345679", false},
		"empty":                 {old, stored, "", false},
		"no account":            {old, "", "12345678", false},
		"no account, empty":     {old, "", "", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := tt.hasher.Verify(t.Context(), tt.stored, tt.password); err != nil || got != tt.want {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
		})
	}
	if _, err := NewHasher(newKeyring(t, 7), cheap, 1, seeded(4)).Verify(t.Context(), stored, "12345678"); !errors.Is(err, ErrNoKey) {
		t.Errorf("without its pepper: got %v, want ErrNoKey", err)
	}
}

func TestStoredHashesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	h := NewHasher(newKeyring(t, 1), cheap, 1, seeded(2))
	stored, err := h.Hash(t.Context(), "12345678")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		"x", "$2a$10$abc", "x" + stored, stored + "$", stored + "$x", strings.Replace(stored, "argon2id", "argon2i", 1), strings.Replace(stored, "v=19", "v=16", 1),
		strings.Replace(stored, "t=1", "t=0", 1), strings.Replace(stored, "p=1", "p=0", 1), strings.Replace(stored, "p=1", "p=999", 1),
		stored[:len(stored)-4], stored + "!", strings.Replace(stored, ",keyid=", ",", 1),
	} {
		if _, err := h.Verify(t.Context(), bad, "12345678"); !errors.Is(err, errHash) {
			t.Errorf("%q: got %v, want errHash", bad, err)
		}
	}
}

func TestDefaultArgon2RoundTrip(t *testing.T) {
	t.Parallel()
	h := NewHasher(newKeyring(t, 1), DefaultArgon2(), 1, seeded(2))
	stored, err := h.Hash(t.Context(), "12345678")
	if err != nil || !strings.Contains(stored, "$m=65536,t=3,p=1,") {
		t.Fatalf("got %q, %v", stored, err)
	}
	if ok, err := h.Verify(t.Context(), stored, "12345678"); err != nil || !ok {
		t.Errorf("got %v, %v", ok, err)
	}
}

func TestHasherIsBounded(t *testing.T) {
	t.Parallel()
	h := NewHasher(newKeyring(t, 1), cheap, 1, seeded(2))
	h.slots <- struct{}{} // the only place is taken
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Verify(ctx, "", "12345678"); fault.KindOf(err) != fault.Busy || fault.CodeOf(err) != "password.busy" {
		t.Errorf("got %v, want password.busy", err)
	}
	<-h.slots
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := h.Verify(t.Context(), "", "12345678"); err != nil {
				t.Errorf("got %v, want a turn", err)
			}
		})
	}
	wg.Wait()
}
