package vault

import (
	"bytes"
	"encoding/json"
	"strings"
	"syscall"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"gridwatch/server/fault"
)

const (
	binding1 = "00112233445566778899aabbccddeeff"
	binding2 = "ffeeddccbbaa99887766554433221100"
)

// post is a tenant's two rings with the keys of both sides.
type post struct {
	a, b  []*OfficerKey
	rings Rings
}

func newPost(tb testing.TB, inA, inB int) post {
	tb.Helper()
	var p post
	for i := range inA {
		p.a = append(p.a, newOfficer(tb, RingA, byte(i)))
	}
	for i := range inB {
		p.b = append(p.b, newOfficer(tb, RingB, byte(100+i)))
	}
	var err error
	if p.rings, err = ParseRings(recipients(p.a), recipients(p.b)); err != nil {
		tb.Fatal(err)
	}
	return p
}

func newOfficer(tb testing.TB, ring Ring, seed byte) *OfficerKey {
	tb.Helper()
	k, err := NewOfficerKey(ring, "demo officer", seeded(seed))
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func recipients(keys []*OfficerKey) []string {
	var out []string
	for _, k := range keys {
		out = append(out, k.Public().Recipient)
	}
	return out
}

func reporter() Identity {
	return Identity{
		Name: "canary reporter", IDNumber: "220182199001010000", Employer: "某矿业有限公司", Relation: RelationEmployee,
		PayeeName: "canary reporter", PayeeBank: "农业银行", PayeeAccount: "6228000000000000000", Binding: binding1,
	}
}

func sealIdentity(tb testing.TB, rings Rings, id Identity) Envelope {
	tb.Helper()
	e, err := SealIdentity(rings, id)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func TestRealAndDummyEnvelopesHaveOneLength(t *testing.T) {
	t.Parallel()
	for _, n := range [][2]int{{1, 1}, {3, 2}} {
		p := newPost(t, n[0], n[1])
		real1 := sealIdentity(t, p.rings, reporter())
		dummy := sealIdentity(t, p.rings, Identity{Relation: RelationNone, Binding: binding2})
		if len(real1.File) != len(dummy.File) {
			t.Errorf("identity, %d+%d: got %d and %d bytes", n[0], n[1], len(real1.File), len(dummy.File))
		}
		phone, err := SealContact(p.rings, Contact{Kind: "phone", Value: "13800009999", Binding: binding1})
		if err != nil {
			t.Fatal(err)
		}
		none, err := SealContact(p.rings, Contact{Binding: binding2})
		if err != nil || len(phone.File) != len(none.File) {
			t.Errorf("contact, %d+%d: got %d and %d bytes, %v", n[0], n[1], len(phone.File), len(none.File), err)
		}
		for _, e := range []Envelope{real1, dummy} {
			if err := CheckIdentity(e.File, p.rings); err != nil {
				t.Errorf("CheckIdentity: %v", err)
			}
		}
		for _, e := range []Envelope{phone, none} {
			if err := CheckContact(e.File, p.rings); err != nil {
				t.Errorf("CheckContact: %v", err)
			}
		}
		for _, e := range []Envelope{real1, phone} {
			if bytes.Contains(e.File, []byte("canary")) || bytes.Contains(e.File, []byte("13800009999")) {
				t.Error("an envelope holds clear text")
			}
		}
	}
}

func TestSizeClasses(t *testing.T) {
	t.Parallel()
	p := newPost(t, 1, 1)
	for length, class := range map[int]int{0: 2 << 10, 1700: 2 << 10, 2100: 4 << 10, 4500: 8 << 10} {
		id := reporter()
		id.Employer = strings.Repeat("x", length)
		e := sealIdentity(t, p.rings, id)
		if want := ageLength(1, ageLength(1, class)); len(e.File) != want || CheckIdentity(e.File, p.rings) != nil {
			t.Errorf("%d bytes: got %d, want %d", length, len(e.File), want)
		}
	}
	tests := map[string]struct {
		change func(id *Identity)
		code   string
	}{
		"too large":      {func(id *Identity) { id.Employer = strings.Repeat("x", 9<<10) }, "envelope.too_large"},
		"no binding":     {func(id *Identity) { id.Binding = "" }, "envelope.binding"},
		"short binding":  {func(id *Identity) { id.Binding = binding1[2:] }, "envelope.binding"},
		"no relation":    {func(id *Identity) { id.Relation = "" }, "envelope.relation"},
		"other relation": {func(id *Identity) { id.Relation = "canary" }, "envelope.relation"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := reporter()
			tt.change(&id)
			_, err := SealIdentity(p.rings, id)
			if fault.CodeOf(err) != tt.code || strings.Contains(err.Error(), "canary") {
				t.Errorf("got %v, want %s", err, tt.code)
			}
		})
	}
}

func TestParseRingsRefuses(t *testing.T) {
	t.Parallel()
	p := newPost(t, 2, 1)
	a, b := recipients(p.a), recipients(p.b)
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ a, b []string }{
		"no ring A":    {nil, b},
		"no ring B":    {a, nil},
		"in both":      {a, []string{a[1]}},
		"twice":        {[]string{a[0], a[0]}, b},
		"classic":      {a, []string{classic.Recipient().String()}},
		"private half": {a, []string{p.b[0].identity().String()}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := ParseRings(tt.a, tt.b); err == nil || strings.Contains(err.Error(), "AGE-SECRET") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	p, wider := newPost(t, 1, 1), newPost(t, 1, 2)
	good := sealIdentity(t, p.rings, reporter()).File
	contact, err := SealContact(p.rings, Contact{Binding: binding1})
	if err != nil {
		t.Fatal(err)
	}
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	// As long as it must be, but to an X25519 key.
	short, err := encrypt(nil, []age.Recipient{classic.Recipient()})
	if err != nil {
		t.Fatal(err)
	}
	x25519, err := encrypt(make([]byte, len(good)-len(short)), []age.Recipient{classic.Recipient()})
	if err != nil {
		t.Fatal(err)
	}
	// Other headers in files as long as they must be.
	parts := strings.SplitN(string(good), "\n", 5)
	intro, stanza, body, mac := parts[0], parts[1], parts[2], parts[3]
	fit := func(header ...string) []byte {
		file := append([]byte(strings.Join(header, "\n")+"\n"), parts[4]...)
		return append(file, make([]byte, len(good))...)[:len(good)]
	}
	if !bytes.Equal(fit(intro, stanza, body, mac), good) {
		t.Fatal("the envelope is not taken apart as it is made")
	}
	tests := map[string]struct {
		file []byte
		code string
	}{
		"a short argument": {fit(intro, stanza[:len(stanza)-4], body, mac), "envelope.recipients"},
		"a short body":     {fit(intro, stanza, body[:40], mac), "envelope.recipients"},
		"one more reader":  {fit(intro, stanza, body, "-> X25519 "+body, body, mac), "envelope.recipients"},
		"no reader":        {fit(intro, mac), "envelope.format"},
		"empty":            {nil, "envelope.size"},
		"cut":              {good[:len(good)-1], "envelope.size"},
		"longer":           {append(bytes.Clone(good), 0), "envelope.size"},
		"one layer":        {contact.File, "envelope.size"},
		"one key too many": {sealIdentity(t, wider.rings, reporter()).File, "envelope.size"},
		"random bytes":     {bytes.Repeat([]byte("x"), len(good)), "envelope.format"},
		"classic key":      {x25519, "envelope.recipients"},
		"other stanza":     {bytes.Replace(good, []byte("mlkem768x25519"), []byte("mlkem768x25518"), 1), "envelope.recipients"},
		"two arguments":    {bytes.Replace(good, good[60:62], []byte("a "), 1), "envelope.recipients"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := fault.CodeOf(CheckIdentity(tt.file, p.rings)); got != tt.code {
				t.Errorf("got %q, want %q", got, tt.code)
			}
		})
	}
	if got := fault.CodeOf(CheckContact(good, p.rings)); got != "envelope.size" {
		t.Errorf("an identity as contact: got %q, want envelope.size", got)
	}
}

func TestIdentityIsReadFromJSONButNotWritten(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(plainIdentity(reporter()))
	if err != nil {
		t.Fatal(err)
	}
	var got Identity
	if err := json.Unmarshal(text, &got); err != nil || got != reporter() {
		t.Errorf("a compartment in clear is not read: %v", err)
	}
}

func TestUnpadRefusesWhatPadDidNotWrite(t *testing.T) {
	t.Parallel()
	padded, err := pad(plainContact{Value: "canary", Binding: binding1}, binding1, contactClass)
	if err != nil || len(padded) != contactClass {
		t.Fatalf("got %d bytes, %v", len(padded), err)
	}
	var got plainContact
	if err := unpad(padded, &got); err != nil || got.Value != "canary" {
		t.Errorf("round trip: %v", err)
	}
	var errs []string
	for _, bad := range [][]byte{nil, padded[:3], padded[:10], {0xff, 0xff, 0xff, 0xff, '{'}, flipped(padded, 4)} {
		if err := unpad(bad, &got); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("got %v", err)
		} else {
			errs = append(errs, err.Error())
		}
	}
	want := []string{"vault: a compartment is cut", "vault: a compartment is cut", "vault: a compartment is not padded JSON", "vault: a compartment is not padded JSON", "vault: a compartment is not padded JSON"}
	if diff := cmp.Diff(want, errs); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// BenchmarkSealing compares what the two compartments of a report cost the
// server when it seals them itself and when the client has sealed them, in
// milliseconds of the processor.
func BenchmarkSealing(b *testing.B) {
	p := newPost(b, 1, 1)
	contact := Contact{Kind: "phone", Value: "13800009999", Binding: binding1}
	b.Run("server seals", func(b *testing.B) {
		began := worked(b)
		for b.Loop() {
			if _, err := SealIdentity(p.rings, reporter()); err != nil {
				b.Fatal(err)
			}
			if _, err := SealContact(p.rings, contact); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric((worked(b)-began)/float64(b.N), "cpu-ms/report")
	})
	identity := sealIdentity(b, p.rings, reporter())
	sealed, err := SealContact(p.rings, contact)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("client sealed", func(b *testing.B) {
		began := worked(b)
		for b.Loop() {
			if err := CheckIdentity(identity.File, p.rings); err != nil {
				b.Fatal(err)
			}
			if err := CheckContact(sealed.File, p.rings); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric((worked(b)-began)/float64(b.N), "cpu-ms/report")
	})
}

// worked is how long the processor worked for this process, in milliseconds.
func worked(tb testing.TB) float64 {
	tb.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		tb.Fatal(err)
	}
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e6
}
