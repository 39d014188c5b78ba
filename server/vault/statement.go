package vault

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	statementVersion = 1
	saltBytes        = 32
)

// ErrStatement means that a text is no registration statement of this
// installation, or was changed.
var ErrStatement = errors.New("vault: not a registration statement of these keys")

// Statement is what the reporter is given as proof of registration (登记凭据;
// rules R1 and 安全生产法 73). It names no report: the commitment opens only
// with the salt that lies sealed in the record.
type Statement struct {
	Version    int    `json:"v"`
	Tenant     string `json:"tenant"`
	Commitment string `json:"commitment"`
	Day        string `json:"day"` // 2006-01-02 in Asia/Shanghai; a date, not a time
	KeyID      string `json:"keyId"`
	Signature  []byte `json:"signature"`
}

// NewSalt returns the 256-bit salt of a commitment.
func NewSalt(random io.Reader) ([]byte, error) {
	salt := make([]byte, saltBytes)
	if _, err := io.ReadFull(random, salt); err != nil {
		return nil, fmt.Errorf("vault: new salt: %w", err)
	}
	return salt, nil
}

// Commitment returns the hex SHA-256 that commits to a record without naming it.
func Commitment(record string, salt []byte) string {
	sum := sha256.Sum256(frame([]byte("gridwatch/commitment/1"), []byte(record), salt))
	return hex.EncodeToString(sum[:])
}

// Statement returns the signed registration statement as one line of
// base64url. The same arguments always give the same line. The day is that of
// registered in Asia/Shanghai. It returns ErrNoKey if the key is gone.
func (k *Keyring) Statement(keyID, tenant, commitment string, registered time.Time) (string, error) {
	seed, err := k.key(Signing, keyID)
	if err != nil {
		return "", err
	}
	shanghai := time.FixedZone("Asia/Shanghai", 8*60*60) // no daylight saving since 1991
	s := Statement{
		Version: statementVersion, Tenant: tenant, Commitment: commitment,
		Day: registered.In(shanghai).Format(time.DateOnly), KeyID: keyID,
	}
	s.Signature = ed25519.Sign(ed25519.NewKeyFromSeed(seed), s.signed())
	text, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("vault: statement: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(text), nil
}

// VerifyStatement reads a statement and checks its signature by the public
// keys, by id. It returns ErrStatement if it does not hold.
func VerifyStatement(text string, keys map[string]ed25519.PublicKey) (Statement, error) {
	s, err := ReadStatement(text)
	if err != nil {
		return Statement{}, err
	}
	public, ok := keys[s.KeyID]
	if !ok || !ed25519.Verify(public, s.signed(), s.Signature) {
		return Statement{}, ErrStatement
	}
	return s, nil
}

// ReadStatement reads a statement without a look at its signature: for who was
// given it and wants to know what it was given for.
func ReadStatement(text string) (Statement, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return Statement{}, ErrStatement
	}
	var s Statement
	if json.Unmarshal(raw, &s) != nil || s.Version != statementVersion {
		return Statement{}, ErrStatement
	}
	return s, nil
}

func (s Statement) signed() []byte {
	return frame(texts("gridwatch/registration-statement/1", s.Tenant, s.Commitment, s.Day, s.KeyID)...)
}
