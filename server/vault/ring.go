package vault

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"

	"filippo.io/age"

	"gridwatch/server/fault"
)

// Why a ring's key is not given to an officer.
var (
	ErrShare    = fault.New(fault.Conflict, "ring.share", "this share does not open to the ring's key: wrap it again in the presence of the officer")
	ErrPossess  = fault.New(fault.Invalid, "ring.possession", "the new key did not answer the challenge")
	ErrApproval = fault.New(fault.Invalid, "ring.approval", "the signature over what the officers saw does not hold")
)

// RingKey is the key of one ring in one version: what envelopes are sealed to.
// Its private half exists in the memory of an officer's tool, and elsewhere
// only wrapped, to each officer of the ring and to the ring's recovery key.
type RingKey struct {
	secret
	ring     Ring
	version  int
	identity hidden[*age.HybridIdentity]
}

// NewRingKey makes the key of a ring in a version.
func NewRingKey(ring Ring, version int) (*RingKey, error) {
	identity, err := age.GenerateHybridIdentity()
	if err != nil {
		return nil, fmt.Errorf("vault: new ring key: %w", err)
	}
	return &RingKey{ring: ring, version: version, identity: hide(identity)}, nil
}

// Recipient returns what is published (age1pq1...).
func (k *RingKey) Recipient() string { return k.identity().Recipient().String() }

// Version returns the version of the key, from 1.
func (k *RingKey) Version() int { return k.version }

// Wrap seals the key to an officer's or a recovery key's recipient. It returns
// ErrRequest if that is none.
func (k *RingKey) Wrap(recipient string) ([]byte, error) {
	to, err := age.ParseHybridRecipient(recipient)
	if err != nil {
		return nil, ErrRequest
	}
	return encrypt([]byte(k.identity().String()), []age.Recipient{to})
}

// Unwrap opens a share of the ring's key. Recipient is the one published for
// the version. It returns ErrShare if the share is another's or another key's.
func (k *OfficerKey) Unwrap(version int, wrapped []byte, recipient string) (*RingKey, error) {
	text, err := decrypt(wrapped, k.identity())
	if err != nil {
		return nil, ErrShare
	}
	identity, err := age.ParseHybridIdentity(string(text))
	if err != nil || identity.Recipient().String() != recipient {
		return nil, ErrShare
	}
	return &RingKey{ring: k.ring, version: version, identity: hide(identity)}, nil
}

// identities are the keys that may open an envelope of a ring: age finds the one.
func identities(ring Ring, keys []*RingKey) ([]age.Identity, error) {
	var out []age.Identity
	for _, k := range keys {
		if k.ring != ring {
			return nil, ErrWrongRing
		}
		out = append(out, k.identity())
	}
	if len(out) == 0 {
		return nil, ErrWrongRing
	}
	return out, nil
}

// Candidate is who is to hold a ring's key, a person or a recovery key: all that
// the signatures of an enrolment, or of an exchange, are about.
type Candidate struct {
	Tenant    string
	Ring      Ring
	Person    string            // "" of a recovery key
	Recipient string            // age1pq1...
	Verify    ed25519.PublicKey // of the holder's signatures
}

// Fingerprint is what the officers of an enrolment compare by eye and ear.
func (c Candidate) Fingerprint() string { return Fingerprint(c.signed("gridwatch/candidate/1")) }

func (c Candidate) signed(domain string, about ...[]byte) []byte {
	parts := texts(domain, c.Tenant, string(c.Ring), c.Person, c.Recipient)
	return frame(append(append(parts, c.Verify), about...)...)
}

// NewChallenge returns a nonce sealed to a recipient, and the nonce's digest,
// by which an answer is known. It returns ErrRequest if there is no such
// recipient.
func NewChallenge(recipient string, random io.Reader) ([]byte, string, error) {
	to, err := age.ParseHybridRecipient(recipient)
	if err != nil {
		return nil, "", ErrRequest.At("/recipient")
	}
	nonce := make([]byte, 32)
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, "", fmt.Errorf("vault: draw challenge: %w", err)
	}
	sealed, err := encrypt(nonce, []age.Recipient{to})
	return sealed, digest(nonce), err
}

// Proof shows that a candidate holds both halves of the key: it decrypted the
// challenge and signed.
type Proof struct {
	Nonce     []byte `json:"nonce"`
	Signature []byte `json:"signature"`
}

// Prove answers a challenge. It returns ErrPossess if the key cannot open it.
func (k *OfficerKey) Prove(c Candidate, challenge []byte) (Proof, error) {
	nonce, err := decrypt(challenge, k.identity())
	if err != nil {
		return Proof{}, ErrPossess
	}
	return Proof{Nonce: nonce, Signature: ed25519.Sign(k.signing(), c.signed("gridwatch/prove/1", nonce))}, nil
}

// VerifyProof checks the answer to the challenge whose nonce has a digest.
func VerifyProof(c Candidate, p Proof, nonceDigest string) error {
	if !same(digest(p.Nonce), nonceDigest) || !signedBy(c.Verify, c.signed("gridwatch/prove/1", p.Nonce), p.Signature) {
		return ErrPossess
	}
	return nil
}

// Fingerprint is what those who exchange a recovery key compare, and what is
// written on the paper.
func (p OfficerPublic) Fingerprint() string {
	return Fingerprint(frame(append(texts("gridwatch/public/1", string(p.Ring), p.Recipient), p.Verify)...))
}

// Share is a ring's key of one version, wrapped to one person's recipient.
type Share struct {
	Version int    `json:"version"`
	Wrapped []byte `json:"wrapped"`
}

// Sum is a digest of the shares that a candidate gets, by which a witness signs
// what was wrapped without being given it.
func Sum(shares []Share) string { return digest(frame(listed(shares)...)) }

// SumWith is Sum of what a new recovery key gets: shares of the versions that
// there are, and the version that comes with the key.
func SumWith(shares []Share, v NewVersion) string {
	return digest(frame(append(listed(shares), v.signed())...))
}

func listed(shares []Share) [][]byte {
	var about [][]byte
	for _, s := range shares {
		about = append(about, texts(strconv.Itoa(s.Version), digest(s.Wrapped))...)
	}
	return about
}

// ErrWrapped is what cannot be a share of a ring's key.
var ErrWrapped = fault.New(fault.Invalid, "ring.wrapped", "a share is the ring's key in an age file for one hybrid recipient")

// CheckShare refuses with ErrWrapped what has another form than RingKey.Wrap
// gives it. For whom it is, and what is in it, shows nowhere but to its holder.
func CheckShare(wrapped []byte) error {
	if checkSealed(wrapped, "", 1, func(int) int { return ageLength(1, ringKeyLength) }) != nil {
		return ErrWrapped
	}
	return nil
}

// ringKeyLength is that of a hybrid age identity as text, in bytes: a prefix, 32
// bytes in groups of five bits, and a checksum of six signs.
const ringKeyLength = len("AGE-SECRET-KEY-PQ-1") + 52 + 6

// SignAdmission is the signature of an officer who wrapped the ring's key to a
// candidate, of the recovery key in an officer's place, and of the officer of
// the other ring who saw it done. Sum is what was wrapped.
func SignAdmission(key *OfficerKey, c Candidate, sum string) []byte {
	return ed25519.Sign(key.signing(), c.signed("gridwatch/admit/1", []byte(sum)))
}

// VerifyAdmission checks such a signature. It returns ErrApproval.
func VerifyAdmission(verify ed25519.PublicKey, c Candidate, sum string, signature []byte) error {
	if !signedBy(verify, c.signed("gridwatch/admit/1", []byte(sum)), signature) {
		return ErrApproval
	}
	return nil
}

// NewVersion is a ring's key as it is posted: public half, and the private one
// wrapped to each officer and to the recovery key.
type NewVersion struct {
	Tenant    string
	Ring      Ring
	Version   int
	Recipient string
	Leaver    string            // person for whose leaving it is made; "" at the foundation
	Shares    map[string][]byte // by person
	Recovery  []byte
}

func (v NewVersion) signed() []byte {
	parts := texts("gridwatch/ring/1", v.Tenant, string(v.Ring), strconv.Itoa(v.Version), v.Recipient, v.Leaver, digest(v.Recovery))
	for _, person := range sortedKeys(v.Shares) {
		parts = append(parts, texts(person, digest(v.Shares[person]))...)
	}
	return frame(parts...)
}

// SignVersion signs a new version of a ring's key.
func SignVersion(key *OfficerKey, v NewVersion) []byte {
	return ed25519.Sign(key.signing(), v.signed())
}

// VerifyVersion checks such a signature. It returns ErrApproval.
func VerifyVersion(verify ed25519.PublicKey, v NewVersion, signature []byte) error {
	if !signedBy(verify, v.signed(), signature) {
		return ErrApproval
	}
	return nil
}

// Tally is what ring B's tool found of the envelopes of one day.
type Tally struct {
	Day        string `json:"day"`        // 2006-01-02, Asia/Shanghai
	Readable   int    `json:"readable"`   // peeled, digest as recorded
	Unreadable int    `json:"unreadable"` // not sealed to the ring's key
	Swapped    int    `json:"swapped"`    // another digest than the one recorded
}

func (t Tally) signed(tenant string) []byte {
	return frame(texts("gridwatch/tally/1", tenant, t.Day, strconv.Itoa(t.Readable), strconv.Itoa(t.Unreadable), strconv.Itoa(t.Swapped))...)
}

// SignTally signs what was found.
func SignTally(key *OfficerKey, tenant string, t Tally) []byte {
	return ed25519.Sign(key.signing(), t.signed(tenant))
}

// VerifyTally checks such a signature. It returns ErrApproval.
func VerifyTally(verify ed25519.PublicKey, tenant string, t Tally, signature []byte) error {
	if !signedBy(verify, t.signed(tenant), signature) {
		return ErrApproval
	}
	return nil
}

// Check peels an envelope in memory and says whether it could be opened for a
// request: ResultOpened stands for readable. What lies inside is dropped. It
// returns ErrWrongRing for keys that are not ring B's.
func Check(keys []*RingKey, envelope []byte, innerDigest string) (Result, error) {
	by, err := identities(RingB, keys)
	if err != nil {
		return "", err
	}
	inner, err := decrypt(envelope, by...)
	if err != nil {
		return ResultUnreadable, nil //nolint:nilerr // that is the finding
	}
	if !same(digest(inner), innerDigest) {
		return ResultSwapped, nil
	}
	if err := checkSealed(inner, "", 1, func(class int) int { return ageLength(1, identityClass<<class) }); err != nil {
		return ResultUnreadable, nil //nolint:nilerr // that is the finding
	}
	return ResultOpened, nil
}

// Fingerprint is the SHA-256 of a public key in groups of four, to be printed
// in public notices and compared by eye and ear.
func Fingerprint(public []byte) string {
	text, out := digest(public), ""
	for i := 0; i < len(text); i += 4 {
		if i > 0 {
			out += " "
		}
		out += text[i : i+4]
	}
	return out
}

var errNoFingerprint = errors.New("a fingerprint is 64 hexadecimal digits, in groups or not")

// ParseFingerprint reads a fingerprint as it is printed or typed.
func ParseFingerprint(text string) (string, error) {
	var bare []rune
	for _, r := range text {
		if r != ' ' && r != ':' && r != '-' && r != '\n' {
			bare = append(bare, r)
		}
	}
	raw, err := hex.DecodeString(string(bare))
	if err != nil || len(raw) != 32 {
		return "", errNoFingerprint
	}
	return hex.EncodeToString(raw), nil
}
