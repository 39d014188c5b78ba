package vault

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestDataKeyOpensOnlyItsOwnRecord(t *testing.T) {
	t.Parallel()
	before, after := rotated(t, AtRest)
	key, wrapped, err := before.NewDataKey("r1", seeded(2))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := key.Seal([]byte("narrative"), AD("report", "r1", "narrative"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := after.OpenDataKey("r1", wrapped)
	if err != nil {
		t.Fatalf("after rotation: %v", err)
	}
	if got, err := again.Open(sealed, AD("report", "r1", "narrative")); err != nil || string(got) != "narrative" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := after.OpenDataKey("r2", wrapped); !errors.Is(err, ErrNotOpened) {
		t.Errorf("as another record's: got %v, want ErrNotOpened", err)
	}
	for name, damaged := range map[string][]byte{"nothing": nil, "cut": wrapped[:len(wrapped)-1], "longer": append(bytes.Clone(wrapped), 0), "unmarked": flipped(wrapped, 0)} {
		if _, err := after.OpenDataKey("r1", damaged); !errors.Is(err, ErrNotOpened) || errors.Is(err, ErrNoKey) {
			t.Errorf("%s: got %v, want ErrNotOpened alone", name, err)
		}
		if id, ok := WrappedUnder(damaged); ok != (name == "longer") || ok != (id != "") {
			t.Errorf("%s: wrapped under %q, %v", name, id, ok)
		}
	}
	if _, err := newKeyring(t, 9).OpenDataKey("r1", wrapped); !errors.Is(err, ErrNotOpened) {
		t.Errorf("with another keyring: got %v, want ErrNotOpened", err)
	}
	for _, ad := range [][]byte{nil, AD("report", "r1", "place"), AD("report", "r2", "narrative"), AD("message", "r1", "narrative")} {
		if _, err := key.Open(sealed, ad); !errors.Is(err, ErrNotOpened) {
			t.Errorf("in another place: got %v, want ErrNotOpened", err)
		}
	}
	for i := range sealed {
		if _, err := key.Open(flipped(sealed, i), AD("report", "r1", "narrative")); !errors.Is(err, ErrNotOpened) {
			t.Errorf("byte %d changed: got %v, want ErrNotOpened", i, err)
		}
		if _, err := key.Open(sealed[:i], AD("report", "r1", "narrative")); !errors.Is(err, ErrNotOpened) {
			t.Errorf("cut to %d bytes: got %v, want ErrNotOpened", i, err)
		}
	}
}

func TestDataKeySealsPartsForMedia(t *testing.T) {
	t.Parallel()
	key, _, err := newKeyring(t, 1).NewDataKey("r1", seeded(2))
	if err != nil {
		t.Fatal(err)
	}
	var sealer interface {
		Seal(plain, ad []byte) ([]byte, error)
		Open(sealed, ad []byte) ([]byte, error)
	} = key
	part := bytes.Repeat([]byte("8 bytes "), 1<<20)
	sealed, err := sealer.Seal(part, AD("item", "i1", "0"))
	if err != nil || len(sealed) != len(part)+28 {
		t.Fatalf("got %d bytes, %v", len(sealed), err)
	}
	if got, err := sealer.Open(sealed, AD("item", "i1", "0")); err != nil || !bytes.Equal(got, part) {
		t.Errorf("the part did not come back: %v", err)
	}
}

func TestADTellsEveryPlaceApart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringN(0, 4, 8)
		a := [3]string{word.Draw(t, "a0"), word.Draw(t, "a1"), word.Draw(t, "a2")}
		b := [3]string{word.Draw(t, "b0"), word.Draw(t, "b1"), word.Draw(t, "b2")}
		if equal := bytes.Equal(AD(a[0], a[1], a[2]), AD(b[0], b[1], b[2])); equal != (a == b) {
			t.Errorf("%q and %q: same bytes %v", a, b, equal)
		}
	})
}

// flipped returns a copy of b with byte i changed.
func flipped(b []byte, i int) []byte {
	c := bytes.Clone(b)
	c[i] ^= 0x55
	return c
}
