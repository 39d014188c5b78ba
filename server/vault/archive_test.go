package vault

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// TestStrongboxTakesTwo: what was sealed under a data key that was put into a
// strongbox is read by two officers and by nobody less; what is put in later is
// opened with it.
func TestStrongboxTakesTwo(t *testing.T) {
	t.Parallel()
	p, keyring := newPost(t, 1, 1), newKeyring(t, 1)
	box, err := NewStrongbox(p.rings, binding1)
	if err != nil {
		t.Fatal(err)
	}
	var files, originals [][]byte
	for _, name := range []string{"item-1", "item-2"} {
		key, wrapped, err := keyring.NewDataKey(name, seeded(9))
		if err != nil {
			t.Fatal(err)
		}
		original, err := key.Seal([]byte(name), nil)
		if err != nil {
			t.Fatal(err)
		}
		file, err := keyring.SealAway(box.Recipient, binding1, map[string][]byte{name: wrapped})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := WrappedUnder(file); ok || bytes.Contains(file, []byte(name)) {
			t.Error("a sealed key is taken for a wrapped one, or its name stands in clear")
		}
		files, originals = append(files, file), append(originals, original)
		if _, err := keyring.SealAway(box.Recipient, binding1, map[string][]byte{"another": wrapped}); !errors.Is(err, ErrNotOpened) {
			t.Errorf("got %v for a key wrapped for another name, want ErrNotOpened", err)
		}
	}
	once := newRequestKey(t)
	req := request("q1", once)
	layer, verify := peel(t, p.b[0], box.Envelope, req), p.b[0].Public().Verify
	sealed := Sealed{box.InnerDigest, binding1}
	open := func(k *OfficerKey, once *RequestKey, sealed Sealed) (*OpenedBox, error) {
		return OpenStrongbox(held(k), once, verify, layer, sealed, req, day)
	}
	opened, err := open(p.a[0], once, sealed)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := opened.Take(files...)
	if err != nil {
		t.Fatal(err)
	}
	for i, original := range originals {
		name := fmt.Sprintf("item-%d", i+1)
		key, ok := keys.Key(name)
		if !ok {
			t.Fatalf("the key of %s is not there", name)
		}
		if text, err := key.Open(original, nil); err != nil || string(text) != name {
			t.Errorf("got %q, %v", text, err)
		}
	}
	if _, ok := keys.Key("item-3"); ok {
		t.Error("there is a key that nobody put in")
	}
	if _, err := open(p.b[0], once, sealed); !errors.Is(err, ErrWrongRing) {
		t.Errorf("got %v for ring B alone, want ErrWrongRing", err)
	}
	if _, err := open(p.a[0], newRequestKey(t), sealed); !errors.Is(err, ErrForeign) {
		t.Errorf("got %v with another one-time key, want ErrForeign", err)
	}
	if _, err := open(p.a[0], once, Sealed{box.InnerDigest, binding2}); !errors.Is(err, ErrBinding) {
		t.Errorf("got %v for another report's box, want ErrBinding", err)
	}

	other, err := NewStrongbox(p.rings, binding1)
	if err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]struct {
		recipient, binding string
		want               error
	}{
		"another box":     {other.Recipient, binding1, ErrUnreadable},
		"another binding": {box.Recipient, binding2, ErrBinding},
	} {
		file, err := keyring.SealAway(to.recipient, to.binding, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := opened.Take(files[0], file); !errors.Is(err, to.want) {
			t.Errorf("%s: got %v, want %v", name, err, to.want)
		}
	}
	if _, err := keyring.SealAway("age1pq1", binding1, nil); err == nil {
		t.Error("a recipient that is none was taken")
	}
}
