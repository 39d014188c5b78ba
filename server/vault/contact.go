package vault

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"time"

	"filippo.io/age"

	"gridwatch/server/fault"
)

// ErrStandingApproval is an approval that says too little.
var ErrStandingApproval = fault.New(fault.Invalid, "custody.standing_approval",
	"an approval names id, tenant, purpose, legal basis, way, uses and expiry, and the gateway's age1pq1 recipient if it goes by one")

// Approval (常设批准) is what an officer of ring B signs: for what, how, how
// often and until when ring A's officers may use contacts of reporters.
type Approval struct {
	ID         string    `json:"id"` // NewID; one that is signed is given once
	Tenant     string    `json:"tenant"`
	Purpose    string    `json:"purpose"`
	LegalBasis string    `json:"legalBasis"`
	Way        string    `json:"way"`     // gateway or terminal
	Gateway    string    `json:"gateway"` // recipient of the gateway, "" for a terminal
	Uses       int       `json:"uses"`
	Expires    time.Time `json:"expires"` // UTC, to the millisecond
}

func (a Approval) check() error {
	if a.ID == "" || a.Tenant == "" || a.Purpose == "" || a.LegalBasis == "" || a.Way == "" || a.Uses < 1 || a.Expires.IsZero() {
		return ErrStandingApproval
	}
	if a.Gateway == "" {
		return nil
	}
	if _, err := age.ParseHybridRecipient(a.Gateway); err != nil {
		return ErrStandingApproval.At("/gateway")
	}
	return nil
}

func (a Approval) signed() []byte {
	parts := texts("gridwatch/approval/1", a.ID, a.Tenant, a.Purpose, a.LegalBasis, a.Way, a.Gateway)
	parts = append(parts, binary.BigEndian.AppendUint64(nil, uint64(a.Uses))) //nolint:gosec // at least 1
	return frame(append(parts, binary.BigEndian.AppendUint64(nil, uint64(a.Expires.UnixMilli())))...)
}

// Digest returns the hex SHA-256 of what is signed.
func (a Approval) Digest() string { return digest(a.signed()) }

// SignApproval signs by the key of ring B's officer. It returns ErrWrongRing or
// ErrStandingApproval.
func SignApproval(key *OfficerKey, a Approval) ([]byte, error) {
	if key.ring != RingB {
		return nil, ErrWrongRing
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	return ed25519.Sign(key.signing(), a.signed()), nil
}

// VerifyApproval checks an approval by the public key of the officer who gave
// it. It returns ErrStandingApproval or ErrSignature.
func VerifyApproval(verify ed25519.PublicKey, a Approval, signature []byte) error {
	if err := a.check(); err != nil {
		return err
	}
	if !signedBy(verify, a.signed(), signature) {
		return ErrSignature
	}
	return nil
}

// ContactUse is one use of a contact, as ring A's officer signs about it.
type ContactUse struct {
	ID       string `json:"id"`
	Tenant   string `json:"tenant"`
	Report   string `json:"report"`
	Approval string `json:"approval"` // id of the record
	Purpose  string `json:"purpose"`
	Way      string `json:"way"`
}

func (u ContactUse) signed(domain string, about ...string) []byte {
	return frame(append(texts(domain, u.ID, u.Tenant, u.Report, u.Approval, u.Purpose, u.Way), texts(about...)...)...)
}

// OpenContact reads a contact by the versions of ring A's key that an officer
// holds. Binding is what the report recorded. A dummy has no Value. It returns
// ErrWrongRing, ErrUnreadable or ErrBinding.
func OpenContact(ring []*RingKey, file []byte, binding string) (Contact, error) {
	by, err := identities(RingA, ring)
	if err != nil {
		return Contact{}, err
	}
	padded, err := decrypt(file, by...)
	if err != nil {
		return Contact{}, ErrUnreadable
	}
	var c plainContact
	if unpad(padded, &c) != nil {
		return Contact{}, ErrUnreadable
	}
	if !same(c.Binding, binding) {
		return Contact{}, ErrBinding
	}
	return Contact(c), nil
}

// gatewayContact is what a gateway opens: as long as the Contact that it is
// made of, and bound to the one use that it is sealed for.
type gatewayContact struct {
	Kind    string `json:"kind"`
	Value   string `json:"value"`
	Request string `json:"request"` // id of the use
}

// SealToGateway seals a contact, or a dummy, to the gateway's recipient for one
// use. The file is as long as every other of its size class.
func SealToGateway(recipient string, use ContactUse, c Contact) ([]byte, error) {
	to, err := age.ParseHybridRecipient(recipient)
	if err != nil {
		return nil, ErrStandingApproval.At("/gateway")
	}
	padded, err := pad(gatewayContact{Kind: c.Kind, Value: c.Value, Request: use.ID}, c.Binding, contactClass)
	if err != nil {
		return nil, err
	}
	return encrypt(padded, []age.Recipient{to})
}

// CheckHandover checks of a contact sealed to a gateway what CheckContact does.
func CheckHandover(file []byte) error {
	return checkSealed(file, "/sealed", 1, func(class int) int { return ageLength(1, contactClass<<class) })
}

// Handover is ring A's officer giving a contact, sealed to the gateway, for one
// use.
type Handover struct {
	RequestID string `json:"requestId"`
	Sealed    []byte `json:"sealed"`
	Signature []byte `json:"signature"`
}

// SignHandover signs for a use which file goes to which gateway. It returns
// ErrWrongRing for a key of ring B.
func SignHandover(key *OfficerKey, use ContactUse, recipient string, sealed []byte) (Handover, error) {
	if key.ring != RingA {
		return Handover{}, ErrWrongRing
	}
	return Handover{
		RequestID: use.ID, Sealed: sealed,
		Signature: ed25519.Sign(key.signing(), use.signed("gridwatch/handover/1", recipient, digest(sealed))),
	}, nil
}

// VerifyHandover checks a handover by the public key of the officer. It returns
// ErrForeign, ErrSignature or what CheckHandover does.
func VerifyHandover(verify ed25519.PublicKey, h Handover, use ContactUse, recipient string) error {
	if h.RequestID != use.ID {
		return ErrForeign
	}
	if !signedBy(verify, use.signed("gridwatch/handover/1", recipient, digest(h.Sealed)), h.Signature) {
		return ErrSignature
	}
	return CheckHandover(h.Sealed)
}

// ContactResult is how a use ended.
type ContactResult string

// The results.
const (
	ContactFinished ContactResult = "finished"
	ContactFailed   ContactResult = "failed"
)

// ContactOutcome is what ring A's officer states after a use. It holds nothing
// of the contact.
type ContactOutcome struct {
	RequestID string        `json:"requestId"`
	Result    ContactResult `json:"result"`
	Signature []byte        `json:"signature"`
}

// SignContactOutcome states how a use ended. It returns ErrWrongRing for a key
// of ring B.
func SignContactOutcome(key *OfficerKey, use ContactUse, result ContactResult) (ContactOutcome, error) {
	if key.ring != RingA {
		return ContactOutcome{}, ErrWrongRing
	}
	o := ContactOutcome{RequestID: use.ID, Result: result}
	o.Signature = ed25519.Sign(key.signing(), use.signed("gridwatch/contact-outcome/1", string(result)))
	return o, nil
}

// VerifyContactOutcome checks an outcome by the public key of the officer. It
// returns ErrForeign or ErrSignature.
func VerifyContactOutcome(verify ed25519.PublicKey, o ContactOutcome, use ContactUse) error {
	if o.RequestID != use.ID {
		return ErrForeign
	}
	if !signedBy(verify, use.signed("gridwatch/contact-outcome/1", string(o.Result)), o.Signature) {
		return ErrSignature
	}
	return nil
}

// ContactResultOf says how a use ended whose contact was opened with an error
// or without. An error that is no fault of the envelope is returned.
func ContactResultOf(err error) (ContactResult, error) {
	switch {
	case err == nil:
		return ContactFinished, nil
	case errors.Is(err, ErrUnreadable), errors.Is(err, ErrBinding):
		return ContactFailed, nil
	}
	return "", err
}
