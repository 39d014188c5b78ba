package vault

import (
	"crypto/ed25519"
	"encoding/binary"
	"strings"
	"time"

	"filippo.io/age"

	"gridwatch/server/fault"
)

// Why an opening (启封) does not take place. Each is shown and recorded.
var (
	ErrRequest    = fault.New(fault.Invalid, "custody.request", "a request names id, tenant, report, purpose, legal basis, expiry and a one-time age1pq1 recipient")
	ErrWrongRing  = fault.New(fault.Invalid, "custody.wrong_ring", "ring B peels, ring A opens: this key is of the other ring")
	ErrExpired    = fault.New(fault.Conflict, "custody.expired", "the request has expired: make a new one")
	ErrForeign    = fault.New(fault.Conflict, "custody.foreign_request", "the layer was peeled for another request")
	ErrSignature  = fault.New(fault.Invalid, "custody.signature", "the signature does not hold: the content was changed or another key signed")
	ErrSwapped    = fault.New(fault.Conflict, "custody.swapped", "the envelope is not the one that was sealed: its inner digest differs")
	ErrBinding    = fault.New(fault.Conflict, "custody.binding", "the identity belongs to another report: its binding differs")
	ErrUnreadable = fault.New(fault.Conflict, "custody.unreadable", "the envelope cannot be opened by this key")
)

// Request is a request for one opening (启封申请), made by a third account,
// neither of the two that peel and open (confidentiality 2).
type Request struct {
	ID         string    `json:"id"`
	Tenant     string    `json:"tenant"`
	Report     string    `json:"report"`
	Purpose    string    `json:"purpose"`    // reward payment, call-back, transfer to justice
	LegalBasis string    `json:"legalBasis"` // the article
	Expires    time.Time `json:"expires"`    // UTC, to the millisecond
	OneTime    string    `json:"oneTime"`    // RequestKey.Recipient of ring A's officer
}

// check returns the one-time recipient of a complete request that has not expired.
func (r Request) check(now time.Time) (*age.HybridRecipient, error) {
	to, err := age.ParseHybridRecipient(r.OneTime)
	if err != nil || r.ID == "" || r.Tenant == "" || r.Report == "" || r.Purpose == "" || r.LegalBasis == "" {
		return nil, ErrRequest
	}
	if !now.Before(r.Expires) {
		return nil, ErrExpired
	}
	return to, nil
}

// signed returns the bytes that are signed for a request: all of it, and what is stated about it.
func (r Request) signed(domain string, about ...string) []byte {
	parts := texts(domain, r.ID, r.Tenant, r.Report, r.Purpose, r.LegalBasis, r.OneTime)
	parts = append(parts, binary.BigEndian.AppendUint64(nil, uint64(r.Expires.UnixMilli())))
	return frame(append(parts, texts(about...)...)...)
}

// PeeledLayer is ring B's answer: ring A's layer, wrapped to the one-time key
// of one request. Neither the server nor any long-term key can read it.
type PeeledLayer struct {
	RequestID     string `json:"requestId"`
	Wrapped       []byte `json:"wrapped"`
	InnerDigest   string `json:"innerDigest"`
	WrappedDigest string `json:"wrappedDigest"`
	Signature     []byte `json:"signature"`
}

func (l PeeledLayer) signed(req Request) []byte {
	return req.signed("gridwatch/peel/1", l.InnerDigest, l.WrappedDigest)
}

// Peel takes ring B's layer off an identity envelope for one request, by the
// versions of the ring's key that the officer holds, and signs by the officer's
// own key. InnerDigest is what the report recorded when it was sealed. It
// returns ErrRequest, ErrExpired, ErrWrongRing, ErrUnreadable or ErrSwapped.
func Peel(key *OfficerKey, ring []*RingKey, envelope []byte, innerDigest string, req Request, now time.Time) (PeeledLayer, error) {
	by, err := identities(RingB, ring)
	if err != nil || key.ring != RingB {
		return PeeledLayer{}, ErrWrongRing
	}
	to, err := req.check(now)
	if err != nil {
		return PeeledLayer{}, err
	}
	inner, err := decrypt(envelope, by...)
	if err != nil {
		return PeeledLayer{}, ErrUnreadable
	}
	if !same(digest(inner), innerDigest) {
		return PeeledLayer{}, ErrSwapped
	}
	wrapped, err := encrypt(inner, []age.Recipient{to})
	if err != nil {
		return PeeledLayer{}, err
	}
	layer := PeeledLayer{RequestID: req.ID, Wrapped: wrapped, InnerDigest: innerDigest, WrappedDigest: digest(wrapped)}
	layer.Signature = ed25519.Sign(key.signing(), layer.signed(req))
	return layer, nil
}

// VerifyPeel checks a layer before the server passes it on and before ring A
// opens it; verify is the public key of the officer who peeled. That a layer
// is used once is for the caller to see to. It returns ErrRequest, ErrExpired,
// ErrForeign, ErrSignature or ErrSwapped.
func VerifyPeel(verify ed25519.PublicKey, layer PeeledLayer, innerDigest string, req Request, now time.Time) error {
	if _, err := req.check(now); err != nil {
		return err
	}
	if layer.RequestID != req.ID {
		return ErrForeign
	}
	if !signedBy(verify, layer.signed(req), layer.Signature) || !same(digest(layer.Wrapped), layer.WrappedDigest) {
		return ErrSignature
	}
	if !same(layer.InnerDigest, innerDigest) {
		return ErrSwapped
	}
	return nil
}

// Sealed is what the report recorded about its envelope when it was sealed.
type Sealed struct {
	InnerDigest string
	Binding     string
}

// Open reads an identity out of a peeled layer by the versions of ring A's key
// that the officer holds and the request's one-time key; verify is the public
// key of ring B's officer. It returns what VerifyPeel returns, or ErrWrongRing,
// ErrUnreadable, ErrBinding.
func Open(ring []*RingKey, once *RequestKey, verify ed25519.PublicKey, layer PeeledLayer, sealed Sealed, req Request, now time.Time) (Identity, error) {
	padded, err := openLayer(ring, once, verify, layer, sealed.InnerDigest, req, now)
	if err != nil {
		return Identity{}, err
	}
	var id plainIdentity
	if unpad(padded, &id) != nil {
		return Identity{}, ErrUnreadable
	}
	if !same(id.Binding, sealed.Binding) {
		return Identity{}, ErrBinding
	}
	return Identity(id), nil
}

// openLayer reads what two rings sealed out of a layer that ring B peeled.
func openLayer(ring []*RingKey, once *RequestKey, verify ed25519.PublicKey, layer PeeledLayer, innerDigest string, req Request, now time.Time) ([]byte, error) {
	by, err := identities(RingA, ring)
	if err != nil {
		return nil, err
	}
	if err := VerifyPeel(verify, layer, innerDigest, req, now); err != nil {
		return nil, err
	}
	if once.Recipient() != req.OneTime {
		return nil, ErrForeign
	}
	inner, err := decrypt(layer.Wrapped, once.identity())
	if err != nil {
		return nil, ErrUnreadable
	}
	if !same(digest(inner), innerDigest) {
		return nil, ErrSwapped
	}
	text, err := decrypt(inner, by...)
	if err != nil {
		return nil, ErrUnreadable
	}
	return text, nil
}

// Result is how an opening ended.
type Result string

// The results. All but the first come from the errors of Open.
const (
	ResultOpened     Result = "opened"
	ResultUnreadable Result = "unreadable"
	ResultSwapped    Result = "swapped"
	ResultBinding    Result = "binding"
)

// Outcome is what ring A's officer states after an opening. It holds no
// identity; the reporter sees from it that the envelope was opened.
type Outcome struct {
	RequestID string `json:"requestId"`
	Result    Result `json:"result"`
	Signature []byte `json:"signature"`
}

// SignOutcome states how the opening of a layer ended. It returns ErrWrongRing
// for a key of ring B.
func SignOutcome(key *OfficerKey, result Result, layer PeeledLayer, req Request) (Outcome, error) {
	if key.ring != RingA {
		return Outcome{}, ErrWrongRing
	}
	o := Outcome{RequestID: req.ID, Result: result}
	o.Signature = ed25519.Sign(key.signing(), o.signed(layer, req))
	return o, nil
}

// VerifyOutcome checks an outcome by the public key of the officer who opened.
// It returns ErrForeign or ErrSignature.
func VerifyOutcome(verify ed25519.PublicKey, o Outcome, layer PeeledLayer, req Request) error {
	if o.RequestID != req.ID {
		return ErrForeign
	}
	if !signedBy(verify, o.signed(layer, req), o.Signature) {
		return ErrSignature
	}
	return nil
}

func (o Outcome) signed(layer PeeledLayer, req Request) []byte {
	return req.signed("gridwatch/outcome/1", layer.InnerDigest, layer.WrappedDigest, string(o.Result))
}

func signedBy(key ed25519.PublicKey, text, signature []byte) bool {
	return len(key) == ed25519.PublicKeySize && ed25519.Verify(key, text, signature)
}

// same compares digests or bindings in hex, which other clients may write in
// capitals. They are no secrets.
func same(a, b string) bool { return strings.EqualFold(a, b) }
