package vault

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// TestSecretsDoNotPrint formats, logs and marshals every secret type in every
// way, alone and inside other values.
func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	const raw = "CANARYkeyCANARYkeyCANARYkey"
	keyring := newKeyring(t, 1)
	dataKey, _, err := keyring.NewDataKey("r1", seeded(2))
	if err != nil {
		t.Fatal(err)
	}
	officer, once := newOfficer(t, RingA, 3), newRequestKey(t)
	ring := newRing(t, RingA, 1)
	root, err := NewRootKey(seeded(4))
	if err != nil {
		t.Fatal(err)
	}
	key := mustKey(t, raw)
	code := mustCode(t, "0000000000000000000000005")
	identity := Identity{Name: "canary name", IDNumber: "canary number", Relation: RelationNone}
	contact := Contact{Kind: "phone", Value: "canary 13800009999"}
	hidden := []string{
		raw, "CANARY", "canary", "0000000000000000000000005", officer.identity().String(), once.identity().String(), ring.identity().String(),
		fmt.Sprintf("%x", root.signing().Seed()),
		fmt.Sprintf("%d", []byte(raw)), fmt.Sprintf("%x", raw), fmt.Sprintf("%X", raw), fmt.Sprintf("%d", keyring.keys()[Receipt][0].Key),
	}
	secrets := map[string]any{
		"keyring": keyring, "keyring value": *keyring, "data key": dataKey, "data key value": *dataKey,
		"officer key": officer, "officer key value": *officer, "request key": once, "request key value": *once,
		"idempotency key": key, "tag": key.Tag([]byte("body")), "code": code,
		"ring key": ring, "ring key value": *ring, "root": root, "root value": *root,
		"identity": identity, "identity pointer": &identity, "contact": contact, "contact pointer": &contact,
	}
	for name, s := range secrets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, verb := range strings.Split("%v %+v %#v %s %q %x %X %d %o %b %c %U %e %08.3f %t", " ") {
				if got := fmt.Sprintf(verb, s); got != shown {
					t.Errorf("%s: got %q, want %q", verb, got, shown)
				}
				for _, in := range []any{[]any{s}, map[string]any{"k": s}, struct{ X any }{s}, fmt.Errorf("%w: %v", errSealed, s)} {
					lacks(t, verb, fmt.Sprintf(verb, in), hidden)
				}
			}
			if str, ok := s.(fmt.Stringer); ok && str.String() != shown {
				t.Errorf("String: got %q, want %q", str.String(), shown)
			}
			for _, h := range []func(*bytes.Buffer) slog.Handler{
				func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
				func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
			} {
				var out bytes.Buffer
				slog.New(h(&out)).LogAttrs(t.Context(), slog.LevelInfo, "m", slog.Any("s", s), slog.Any("in", []any{s}))
				lacks(t, "slog", out.String(), hidden)
				if !strings.Contains(out.String(), shown) {
					t.Errorf("slog: got %q, want %q in it", out.String(), shown)
				}
			}
			if out, err := json.Marshal(map[string]any{"in": s}); err == nil {
				t.Errorf("json: got %s, want an error", out)
			}
			if out, err := xml.Marshal(s); err == nil {
				t.Errorf("xml: got %s, want an error", out)
			}
			if out, err := s.(interface{ MarshalBSON() ([]byte, error) }).MarshalBSON(); err == nil {
				t.Errorf("bson: got %s, want an error", out)
			}
		})
	}
	t.Run("in unexported fields", func(t *testing.T) {
		t.Parallel()
		in := struct {
			keyring *Keyring
			dataKey *DataKey
			officer *OfficerKey
			once    *RequestKey
			key     IdemKey
			tag     BodyTag
			code    Code
		}{keyring, dataKey, officer, once, key, key.Tag([]byte("body")), code}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
			lacks(t, verb, fmt.Sprintf(verb, in), hidden)
		}
	})
}

func lacks(t *testing.T, how, got string, hidden []string) {
	t.Helper()
	for _, h := range hidden {
		if strings.Contains(got, h) {
			t.Errorf("%s: got %q, which shows %q", how, got, h)
		}
	}
}
