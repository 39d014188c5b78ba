package vault

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestStatement(t *testing.T) {
	t.Parallel()
	before, after := rotated(t, Signing)
	salt, err := NewSalt(seeded(2))
	if err != nil {
		t.Fatal(err)
	}
	id, commitment := before.NewestID(Signing), Commitment("r1", salt)
	late := time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC) // midnight in Shanghai
	text, err := before.Statement(id, "t1", commitment, late)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := after.Statement(id, "t1", commitment, late); err != nil || again != text {
		t.Errorf("made again after rotation: %v, same %v", err, again == text)
	}
	got, err := VerifyStatement(text, after.StatementKeys())
	if err != nil {
		t.Fatal(err)
	}
	want := Statement{Version: 1, Tenant: "t1", Commitment: commitment, Day: "2026-11-23", KeyID: id, Signature: got.Signature}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if strings.Contains(text, "r1") || Commitment("r2", salt) == commitment || Commitment("r1", salt[1:]) == commitment {
		t.Error("the commitment does not hide and bind the record")
	}
	if _, err := VerifyStatement(text, newKeyring(t, 3).StatementKeys()); !errors.Is(err, ErrStatement) {
		t.Errorf("foreign keys: got %v, want ErrStatement", err)
	}
	if _, err := before.Statement("ffffffff", "t1", commitment, late); !errors.Is(err, ErrNoKey) {
		t.Errorf("unknown key: got %v, want ErrNoKey", err)
	}
	for i := range text {
		if _, err := VerifyStatement(string(flipped([]byte(text), i)), after.StatementKeys()); !errors.Is(err, ErrStatement) {
			t.Errorf("character %d changed: got %v, want ErrStatement", i, err)
		}
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	changed := base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(raw), "2026-11-23", "2026-11-22", 1)))
	if _, err := VerifyStatement(changed, after.StatementKeys()); !errors.Is(err, ErrStatement) {
		t.Errorf("other day: got %v, want ErrStatement", err)
	}
}
