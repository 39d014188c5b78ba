package vault

import (
	"errors"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"gridwatch/server/fault"
)

// contactKeys are a ring's key, an officer of each ring and a gateway.
type contactKeys struct {
	ring    *RingKey
	a, b    *OfficerKey
	gateway *age.HybridIdentity
	rings   Rings
}

func newContactKeys(t *testing.T) contactKeys {
	t.Helper()
	var k contactKeys
	var err error
	k.ring, err = NewRingKey(RingA, 1)
	other, err2 := NewRingKey(RingB, 1)
	gateway, err3 := age.GenerateHybridIdentity()
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	k.gateway = gateway
	k.a, err = NewOfficerKey(RingA, "a", seeded(1))
	k.b, err2 = NewOfficerKey(RingB, "b", seeded(2))
	k.rings, err3 = ParseRings([]string{k.ring.Recipient()}, []string{other.Recipient()})
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k contactKeys) recipient() string { return k.gateway.Recipient().String() }

const aBinding = "0123456789abcdef0123456789abcdef"

// What was sealed is opened by ring A, for its own report, and by nobody else.
func TestOpenContact(t *testing.T) {
	t.Parallel()
	k := newContactKeys(t)
	sealed, err := SealContact(k.rings, Contact{Kind: "phone", Value: "000", Binding: aBinding})
	if err != nil {
		t.Fatal(err)
	}
	c, err := OpenContact([]*RingKey{k.ring}, sealed.File, strings.ToUpper(aBinding))
	if err != nil || c.Kind != "phone" || c.Value != "000" {
		t.Fatalf("got %d bytes, %v", len(c.Value), err)
	}
	stranger, err := NewRingKey(RingA, 1)
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := NewRingKey(RingB, 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		ring    []*RingKey
		file    []byte
		binding string
		want    error
	}{
		"another's key":    {[]*RingKey{stranger}, sealed.File, aBinding, ErrUnreadable},
		"ring B's key":     {[]*RingKey{wrong}, sealed.File, aBinding, ErrWrongRing},
		"no key":           {nil, sealed.File, aBinding, ErrWrongRing},
		"another report's": {[]*RingKey{k.ring}, sealed.File, strings.Repeat("0", 32), ErrBinding},
		"cut off":          {[]*RingKey{k.ring}, sealed.File[:len(sealed.File)-1], aBinding, ErrUnreadable},
		"no file":          {[]*RingKey{k.ring}, nil, aBinding, ErrUnreadable},
		"no compartment":   {[]*RingKey{k.ring}, mustEncrypt(t, []byte("abc"), k.rings.a), aBinding, ErrUnreadable},
		"length that lies": {[]*RingKey{k.ring}, mustEncrypt(t, []byte("\xff\xff\xff\xff{}"), k.rings.a), aBinding, ErrUnreadable},
		"something else":   {[]*RingKey{k.ring}, mustEncrypt(t, []byte("\x00\x00\x00\x02[]"), k.rings.a), aBinding, ErrUnreadable},
		"bound to nothing": {[]*RingKey{k.ring}, mustEncrypt(t, []byte("\x00\x00\x00\x02{}"), k.rings.a), aBinding, ErrBinding},
	} {
		got, err := OpenContact(tt.ring, tt.file, tt.binding)
		if !errors.Is(err, tt.want) || got != (Contact{}) {
			t.Errorf("%s: got %v, want %v and nothing", name, err, tt.want)
		}
	}
}

func mustEncrypt(t *testing.T, plain []byte, to []age.Recipient) []byte {
	t.Helper()
	file, err := encrypt(plain, to)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// What goes to a gateway is as long with a number as without, holds the id of
// its one use, and passes the server's check; nothing else does.
func TestSealToGateway(t *testing.T) {
	t.Parallel()
	k, use := newContactKeys(t), ContactUse{ID: "fedcba9876543210fedcba9876543210"}
	full, err := SealToGateway(k.recipient(), use, Contact{Kind: "phone", Value: "00000000000", Binding: aBinding})
	dummy, err2 := SealToGateway(k.recipient(), use, Contact{Binding: aBinding})
	if err := errors.Join(err, err2, CheckHandover(full), CheckHandover(dummy)); err != nil || len(full) != len(dummy) {
		t.Fatalf("got %d and %d bytes, %v", len(full), len(dummy), err)
	}
	plain, err := decrypt(full, k.gateway)
	var c gatewayContact
	if err := errors.Join(err, unpad(plain, &c)); err != nil || c.Value != "00000000000" || c.Request != use.ID || len(plain) != contactClass {
		t.Errorf("got %d bytes, %v", len(plain), err)
	}
	if strings.Contains(string(plain), aBinding) {
		t.Error("the gateway is told the report's binding")
	}
	if _, err := SealToGateway("age1qqq", use, Contact{Binding: aBinding}); !errors.Is(err, ErrStandingApproval) {
		t.Errorf("a classic key: got %v", err)
	}
	for name, file := range map[string][]byte{
		"clear":          []byte("000"),
		"an identity":    mustEncrypt(t, make([]byte, 2<<10+1), []age.Recipient{k.gateway.Recipient()}),
		"two recipients": mustEncrypt(t, make([]byte, contactClass), []age.Recipient{k.gateway.Recipient(), k.rings.a[0]}),
	} {
		if err := CheckHandover(file); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Every field of an approval is under ring B's signature.
func TestApprovalIsSignedWhole(t *testing.T) {
	t.Parallel()
	k := newContactKeys(t)
	right := Approval{
		ID: "i", Tenant: "t", Purpose: "notice", LegalBasis: "art. 76", Way: "gateway", Gateway: k.recipient(), Uses: 2,
		Expires: time.Date(2026, 3, 2, 1, 0, 0, 0, time.UTC),
	}
	signature, err := SignApproval(k.b, right)
	if err != nil {
		t.Fatal(err)
	}
	verify := k.b.Public().Verify
	if err := VerifyApproval(verify, right, signature); err != nil {
		t.Error(err)
	}
	if _, err := SignApproval(k.a, right); !errors.Is(err, ErrWrongRing) {
		t.Errorf("ring A signs: got %v", err)
	}
	if err := VerifyApproval(k.a.Public().Verify, right, signature); !errors.Is(err, ErrSignature) {
		t.Errorf("another's key: got %v", err)
	}
	for name, tt := range map[string]struct {
		change func(*Approval)
		want   error
	}{
		"id": {func(a *Approval) { a.ID = "j" }, ErrSignature}, "tenant": {func(a *Approval) { a.Tenant = "u" }, ErrSignature},
		"purpose": {func(a *Approval) { a.Purpose = "call_back" }, ErrSignature}, "basis": {func(a *Approval) { a.LegalBasis = "art. 7" }, ErrSignature},
		"way": {func(a *Approval) { a.Way = "terminal" }, ErrSignature}, "gateway": {func(a *Approval) { a.Gateway = k.ring.Recipient() }, ErrSignature},
		"no gateway": {func(a *Approval) { a.Gateway = "" }, ErrSignature}, "uses": {func(a *Approval) { a.Uses++ }, ErrSignature},
		"expiry":  {func(a *Approval) { a.Expires = a.Expires.Add(time.Millisecond) }, ErrSignature},
		"no uses": {func(a *Approval) { a.Uses = 0 }, ErrStandingApproval}, "no expiry": {func(a *Approval) { a.Expires = time.Time{} }, ErrStandingApproval},
		"no id": {func(a *Approval) { a.ID = "" }, ErrStandingApproval}, "no tenant": {func(a *Approval) { a.Tenant = "" }, ErrStandingApproval},
		"no purpose": {func(a *Approval) { a.Purpose = "" }, ErrStandingApproval}, "no way": {func(a *Approval) { a.Way = "" }, ErrStandingApproval},
		"no basis": {func(a *Approval) { a.LegalBasis = "" }, ErrStandingApproval}, "no key": {func(a *Approval) { a.Gateway = "age1qqq" }, ErrStandingApproval},
	} {
		a := right
		tt.change(&a)
		err := VerifyApproval(verify, a, signature)
		var got *fault.Fault
		if !errors.As(err, &got) || got.Code != tt.want.(*fault.Fault).Code { //nolint:errorlint // the wanted one is no chain
			t.Errorf("another %s: got %v, want %v", name, err, tt.want)
		}
	}
}

// A handover and an outcome are of one use, and of the officer who signed.
func TestContactStatements(t *testing.T) {
	t.Parallel()
	k := newContactKeys(t)
	use := ContactUse{ID: "i", Tenant: "t", Report: "r", Approval: "a", Purpose: "notice", Way: "gateway"}
	sealed, err := SealToGateway(k.recipient(), use, Contact{Binding: aBinding})
	if err != nil {
		t.Fatal(err)
	}
	h, err := SignHandover(k.a, use, k.recipient(), sealed)
	o, err2 := SignContactOutcome(k.a, use, ContactFinished)
	verify := k.a.Public().Verify
	if err := errors.Join(err, err2, VerifyHandover(verify, h, use, k.recipient()), VerifyContactOutcome(verify, o, use)); err != nil {
		t.Fatal(err)
	}
	if _, err := SignHandover(k.b, use, k.recipient(), sealed); !errors.Is(err, ErrWrongRing) {
		t.Errorf("ring B hands over: got %v", err)
	}
	if _, err := SignContactOutcome(k.b, use, ContactFailed); !errors.Is(err, ErrWrongRing) {
		t.Errorf("ring B states an outcome: got %v", err)
	}
	for name, change := range map[string]func(*ContactUse){
		"tenant": func(u *ContactUse) { u.Tenant = "u" }, "report": func(u *ContactUse) { u.Report = "s" },
		"approval": func(u *ContactUse) { u.Approval = "b" }, "purpose": func(u *ContactUse) { u.Purpose = "call_back" }, "way": func(u *ContactUse) { u.Way = "terminal" },
	} {
		other := use
		change(&other)
		if err := errors.Join(VerifyHandover(verify, h, other, k.recipient())); !errors.Is(err, ErrSignature) {
			t.Errorf("handover, another %s: got %v", name, err)
		}
		if err := VerifyContactOutcome(verify, o, other); !errors.Is(err, ErrSignature) {
			t.Errorf("outcome, another %s: got %v", name, err)
		}
	}
	if err := VerifyHandover(verify, h, use, k.ring.Recipient()); !errors.Is(err, ErrSignature) {
		t.Errorf("another gateway: got %v", err)
	}
	next := use
	next.ID = "j"
	if err := VerifyHandover(verify, h, next, k.recipient()); !errors.Is(err, ErrForeign) {
		t.Errorf("another use: got %v", err)
	}
	if err := VerifyContactOutcome(verify, o, next); !errors.Is(err, ErrForeign) {
		t.Errorf("another use: got %v", err)
	}
	forged := o
	forged.Result = ContactFailed
	if err := VerifyContactOutcome(k.b.Public().Verify, forged, use); !errors.Is(err, ErrSignature) {
		t.Errorf("forged: got %v", err)
	}
}
