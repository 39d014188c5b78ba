package vault

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"

	"gridwatch/server/fault"
)

func newRequestKey(tb testing.TB) *RequestKey {
	tb.Helper()
	k, err := NewRequestKey()
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func request(id string, once *RequestKey) Request {
	return Request{
		ID: id, Tenant: "t1", Report: "r1", Purpose: "reward payment", LegalBasis: "2018 art. 13",
		Expires: day.Add(time.Hour), OneTime: once.Recipient(),
	}
}

func peel(tb testing.TB, key *OfficerKey, e Envelope, req Request) PeeledLayer {
	tb.Helper()
	layer, err := Peel(key, held(key), e.File, e.InnerDigest, req, day)
	if err != nil {
		tb.Fatal(err)
	}
	return layer
}

// held is a ring's key as one officer holds it. Here each officer's own key is
// the ring's too, so that a post has several.
func held(k *OfficerKey) []*RingKey {
	return []*RingKey{{ring: k.ring, version: 1, identity: k.identity}}
}

func TestTwoOfficersOpen(t *testing.T) {
	t.Parallel()
	p := newPost(t, 2, 2)
	for name, id := range map[string]Identity{"real": reporter(), "dummy": {Relation: RelationNone, Binding: binding1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, once := sealIdentity(t, p.rings, id), newRequestKey(t)
			req := viaJSON(t, request("q1", once))
			layer := viaJSON(t, peel(t, p.b[1], e, req))
			verify := p.b[1].Public().Verify
			if err := VerifyPeel(verify, layer, e.InnerDigest, req, day); err != nil {
				t.Errorf("VerifyPeel: %v", err)
			}
			got, err := Open(held(p.a[1]), once, verify, layer, Sealed{e.InnerDigest, binding1}, req, day)
			if err != nil || got != id {
				t.Errorf("Open: another identity, %v", err)
			}
			o, err := SignOutcome(p.a[1], ResultOpened, layer, req)
			if err != nil {
				t.Fatal(err)
			}
			if err := VerifyOutcome(p.a[1].Public().Verify, viaJSON(t, o), layer, req); err != nil {
				t.Errorf("VerifyOutcome: %v", err)
			}
		})
	}
}

// viaJSON sends v the way the server relays it.
func viaJSON[T any](tb testing.TB, v T) T {
	tb.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	var out T
	if err := json.Unmarshal(text, &out); err != nil {
		tb.Fatal(err)
	}
	return out
}

func TestNoRingOpensAlone(t *testing.T) {
	t.Parallel()
	p := newPost(t, 1, 1)
	e := sealIdentity(t, p.rings, reporter())
	if _, err := decrypt(e.File, p.a[0].identity()); err == nil {
		t.Error("ring A takes off the outer layer")
	}
	inner, err := decrypt(e.File, p.b[0].identity())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decrypt(inner, p.b[0].identity()); err == nil {
		t.Error("ring B opens the inner layer")
	}
	layer := peel(t, p.b[0], e, request("q1", newRequestKey(t)))
	for _, k := range []*OfficerKey{p.a[0], p.b[0]} {
		if _, err := decrypt(layer.Wrapped, k.identity()); err == nil {
			t.Errorf("ring %s reads what the server relays", k.ring)
		}
	}
}

func TestPeelRefuses(t *testing.T) {
	t.Parallel()
	p, foreign := newPost(t, 1, 1), newPost(t, 1, 1)
	e, other := sealIdentity(t, p.rings, reporter()), sealIdentity(t, p.rings, reporter())
	req := request("q1", newRequestKey(t))
	lacking := func(change func(*Request)) Request {
		r := req
		change(&r)
		return r
	}
	tests := map[string]struct {
		key  *OfficerKey
		file []byte
		req  Request
		now  time.Time
		want error
	}{
		"ring A peels":         {p.a[0], e.File, req, day, ErrWrongRing},
		"another tenant's key": {foreign.b[0], e.File, req, day, ErrUnreadable},
		"swapped envelope":     {p.b[0], other.File, req, day, ErrSwapped},
		"not an envelope":      {p.b[0], []byte("x"), req, day, ErrUnreadable},
		"expired":              {p.b[0], e.File, req, req.Expires, ErrExpired},
		"no purpose":           {p.b[0], e.File, lacking(func(r *Request) { r.Purpose = "" }), day, ErrRequest},
		"no basis":             {p.b[0], e.File, lacking(func(r *Request) { r.LegalBasis = "" }), day, ErrRequest},
		"no report":            {p.b[0], e.File, lacking(func(r *Request) { r.Report = "" }), day, ErrRequest},
		"no tenant":            {p.b[0], e.File, lacking(func(r *Request) { r.Tenant = "" }), day, ErrRequest},
		"no id":                {p.b[0], e.File, lacking(func(r *Request) { r.ID = "" }), day, ErrRequest},
		"no recipient":         {p.b[0], e.File, lacking(func(r *Request) { r.OneTime = "age1pq1x" }), day, ErrRequest},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := Peel(tt.key, held(tt.key), tt.file, e.InnerDigest, tt.req, tt.now); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	if _, err := Peel(p.a[0], held(p.b[0]), e.File, e.InnerDigest, req, day); !errors.Is(err, ErrWrongRing) {
		t.Errorf("an officer of ring A who has ring B's key: got %v, want ErrWrongRing", err)
	}
	for i := 0; i < len(e.File); i += 37 {
		if _, err := Peel(p.b[0], held(p.b[0]), flipped(e.File, i), e.InnerDigest, req, day); !errors.Is(err, ErrUnreadable) {
			t.Errorf("byte %d changed: got %v, want ErrUnreadable", i, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	p := newPost(t, 2, 2)
	once, once2 := newRequestKey(t), newRequestKey(t)
	e, other := sealIdentity(t, p.rings, reporter()), sealIdentity(t, p.rings, reporter())
	req, req2 := request("q1", once), request("q2", once2)
	layer, otherLayer := peel(t, p.b[0], e, req), peel(t, p.b[0], other, req)
	foreignRing := newPost(t, 1, 1)
	cut, renamed, redirected := layer, layer, req
	cut.Wrapped = flipped(layer.Wrapped, len(layer.Wrapped)-1)
	renamed.RequestID = "q2"
	redirected.OneTime = once2.Recipient()
	purpose := req
	purpose.Purpose = "curiosity"
	longer := req
	longer.Expires = req.Expires.Add(time.Hour)
	sealed := Sealed{e.InnerDigest, binding1}
	verify := p.b[0].Public().Verify
	tests := map[string]struct {
		key    *OfficerKey
		once   *RequestKey
		layer  PeeledLayer
		sealed Sealed
		req    Request
		now    time.Time
		want   error
	}{
		"ring B opens":                 {p.b[0], once, layer, sealed, req, day, ErrWrongRing},
		"another tenant's key":         {foreignRing.a[0], once, layer, sealed, req, day, ErrUnreadable},
		"another request's layer":      {p.a[0], once2, layer, sealed, req2, day, ErrForeign},
		"the same under another id":    {p.a[0], once2, renamed, sealed, req2, day, ErrSignature},
		"another one-time key":         {p.a[0], once2, layer, sealed, req, day, ErrForeign},
		"redirected one-time key":      {p.a[0], once2, layer, sealed, redirected, day, ErrSignature},
		"purpose changed afterwards":   {p.a[0], once, layer, sealed, purpose, day, ErrSignature},
		"expiry put off afterwards":    {p.a[0], once, layer, sealed, longer, day, ErrSignature},
		"expired":                      {p.a[0], once, layer, sealed, req, req.Expires, ErrExpired},
		"wrapped file changed":         {p.a[0], once, cut, sealed, req, day, ErrSignature},
		"swapped envelope":             {p.a[0], once, otherLayer, sealed, req, day, ErrSwapped},
		"swapped envelope and digest":  {p.a[0], once, otherLayer, Sealed{other.InnerDigest, binding2}, req, day, ErrBinding},
		"empty layer":                  {p.a[0], once, PeeledLayer{RequestID: "q1"}, sealed, req, day, ErrSignature},
		"identity bound to no report":  {p.a[0], once, layer, Sealed{e.InnerDigest, ""}, req, day, ErrBinding},
		"report without inner digest":  {p.a[0], once, layer, Sealed{"", binding1}, req, day, ErrSwapped},
		"all is well, a sanity check":  {p.a[0], once, layer, sealed, req, day, nil},
		"all is well, in capitals":     {p.a[0], once, layer, Sealed{strings.ToUpper(e.InnerDigest), strings.ToUpper(binding1)}, req, day, nil},
		"also by the ring's other key": {p.a[1], once, layer, sealed, req, day, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Open(held(tt.key), tt.once, verify, tt.layer, tt.sealed, tt.req, tt.now)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if err != nil && got != (Identity{}) {
				t.Error("an identity comes with the error")
			}
		})
	}
	// The server checks a layer without opening it.
	if err := VerifyPeel(verify, otherLayer, e.InnerDigest, req, day); !errors.Is(err, ErrSwapped) {
		t.Errorf("the layer of another envelope: got %v, want ErrSwapped", err)
	}
	// Ring B's officer signs that another layer is the one that was asked for.
	lie := otherLayer
	lie.InnerDigest = e.InnerDigest
	lie.Signature = ed25519.Sign(p.b[0].signing(), lie.signed(req))
	if err := VerifyPeel(verify, lie, e.InnerDigest, req, day); err != nil {
		t.Errorf("the server cannot see what is in it: got %v", err)
	}
	if _, err := Open(held(p.a[0]), once, verify, lie, Sealed{e.InnerDigest, binding2}, req, day); !errors.Is(err, ErrSwapped) {
		t.Errorf("another identity under the right digest: got %v, want ErrSwapped", err)
	}
	if err := VerifyPeel(p.b[1].Public().Verify, layer, e.InnerDigest, req, day); !errors.Is(err, ErrSignature) {
		t.Errorf("signed by another officer: got %v, want ErrSignature", err)
	}
	if err := VerifyPeel(nil, layer, e.InnerDigest, req, day); !errors.Is(err, ErrSignature) {
		t.Errorf("no public key: got %v, want ErrSignature", err)
	}
}

func TestOutcomeRefuses(t *testing.T) {
	t.Parallel()
	p := newPost(t, 1, 1)
	once := newRequestKey(t)
	e, req := sealIdentity(t, p.rings, reporter()), request("q1", once)
	layer := peel(t, p.b[0], e, req)
	o, err := SignOutcome(p.a[0], ResultUnreadable, layer, req)
	if err != nil {
		t.Fatal(err)
	}
	verify := p.a[0].Public().Verify
	better := o
	better.Result = ResultOpened
	if err := VerifyOutcome(verify, better, layer, req); !errors.Is(err, ErrSignature) {
		t.Errorf("another result: got %v, want ErrSignature", err)
	}
	if err := VerifyOutcome(verify, o, layer, request("q2", once)); !errors.Is(err, ErrForeign) {
		t.Errorf("another request: got %v, want ErrForeign", err)
	}
	if err := VerifyOutcome(verify, o, peel(t, p.b[0], e, req), req); !errors.Is(err, ErrSignature) {
		t.Errorf("another layer: got %v, want ErrSignature", err)
	}
	if _, err := SignOutcome(p.b[0], ResultOpened, layer, req); !errors.Is(err, ErrWrongRing) {
		t.Errorf("ring B: got %v, want ErrWrongRing", err)
	}
}

func TestKeyFiles(t *testing.T) {
	t.Parallel()
	officer, once := newOfficer(t, RingB, 1), newRequestKey(t)
	clear, err := officer.File("")
	if err != nil {
		t.Fatal(err)
	}
	quick, err := lock(clear, "correct horse", 10) // 2^10 instead of 2^18
	if err != nil || bytes.Contains(quick, []byte("AGE-SECRET-KEY")) {
		t.Fatalf("a locked file is in clear, or %v", err)
	}
	for passphrase, file := range map[string][]byte{"": clear, "correct horse": quick} {
		got, err := ParseOfficerKey(file, passphrase)
		if err != nil {
			t.Fatal(err)
		}
		if got.identity().String() != officer.identity().String() || !got.signing().Equal(officer.signing()) ||
			got.ring != RingB || got.label != "demo officer" {
			t.Error("another officer key comes back")
		}
	}
	for _, wrong := range []string{"", "wrong"} {
		if _, err := ParseOfficerKey(quick, wrong); fault.CodeOf(err) != "custody.key_file" {
			t.Errorf("passphrase %q: got %v, want custody.key_file", wrong, err)
		}
	}
	file, err := once.File("")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseRequestKey(append(file, '\n'), ""); err != nil || got.Recipient() != once.Recipient() {
		t.Errorf("another request key comes back: %v", err)
	}
	for _, bad := range []string{"", "x", "{}", `{"v":1,"ring":"c"}`, string(file)} {
		if _, err := ParseOfficerKey([]byte(bad), ""); fault.CodeOf(err) != "custody.key_file" {
			t.Errorf("officer key: got %v, want custody.key_file", err)
		}
	}
	for name, spoil := range map[string]func(*officerFile){
		"another version": func(f *officerFile) { f.Version++ }, "a third ring": func(f *officerFile) { f.Ring = "c" }, "no ring": func(f *officerFile) { f.Ring = "" },
		"a short seed": func(f *officerFile) { f.Signing = f.Signing[1:] }, "no identity": func(f *officerFile) { f.Identity = "" },
	} {
		var f officerFile
		if err := json.Unmarshal(clear, &f); err != nil {
			t.Fatal(err)
		}
		spoil(&f)
		bad, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseOfficerKey(bad, ""); fault.CodeOf(err) != "custody.key_file" {
			t.Errorf("%s: got %v, want custody.key_file", name, err)
		}
	}
	if _, err := ParseRequestKey([]byte("x"), ""); fault.CodeOf(err) != "custody.key_file" {
		t.Errorf("request key: got %v, want custody.key_file", err)
	}
	slow, err := once.File("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	header, err := age.ExtractHeader(armor.NewReader(bytes.NewReader(slow)))
	if err != nil || !regexp.MustCompile(`\n-> scrypt \S+ 18\n`).Match(header) {
		t.Errorf("got %q, %v, want scrypt at 2^18", header, err)
	}
	if _, err := NewOfficerKey("c", "demo officer", seeded(1)); err == nil {
		t.Error("a third ring: got no error")
	}
}
