package vault

import (
	"bytes"
	"errors"
	"testing"
)

// TestSealedKeyTakesTwo: what was sealed under a data key is read by two
// officers and by nobody less.
func TestSealedKeyTakesTwo(t *testing.T) {
	t.Parallel()
	p, keyring := newPost(t, 1, 1), newKeyring(t, 1)
	key, wrapped, err := keyring.NewDataKey("item-1", seeded(9))
	if err != nil {
		t.Fatal(err)
	}
	original, err := key.Seal([]byte("original"), []byte("ad"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := keyring.SealKey(p.rings, "item-1", wrapped)
	if err != nil {
		t.Fatal(err)
	}
	once := newRequestKey(t)
	req := request("q1", once)
	layer, verify := peel(t, p.b[0], e, req), p.b[0].Public().Verify
	opened, err := OpenKey(held(p.a[0]), once, verify, layer, e.InnerDigest, "item-1", req, day)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := opened.Open(original, []byte("ad")); err != nil || string(text) != "original" {
		t.Errorf("got %q, %v", text, err)
	}
	if _, err := OpenKey(held(p.a[0]), once, verify, layer, e.InnerDigest, "item-2", req, day); !errors.Is(err, errKeyPlace) {
		t.Errorf("got %v for another item, want custody.key_place", err)
	}
	if _, err := OpenKey(held(p.b[0]), once, verify, layer, e.InnerDigest, "item-1", req, day); !errors.Is(err, ErrWrongRing) {
		t.Errorf("got %v for ring B alone, want ErrWrongRing", err)
	}
	other := newRequestKey(t)
	if _, err := OpenKey(held(p.a[0]), other, verify, layer, e.InnerDigest, "item-1", req, day); !errors.Is(err, ErrForeign) {
		t.Errorf("got %v with another one-time key, want ErrForeign", err)
	}
	if _, err := keyring.SealKey(p.rings, "item-2", wrapped); !errors.Is(err, ErrNotOpened) {
		t.Errorf("got %v for a key wrapped for another place, want ErrNotOpened", err)
	}
	if bytes.Contains(e.File, []byte("item-1")) {
		t.Error("the place stands in clear in the sealed key")
	}
}
