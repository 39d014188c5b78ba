package vault

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/argon2"

	"gridwatch/server/fault"
)

const (
	hashSaltBytes = 16
	hashBytes     = 32
)

// errHash means that a stored password hash is not one of ours.
var errHash = errors.New("vault: a stored password hash cannot be read")

// Argon2 holds the cost of argon2id.
type Argon2 struct {
	MemoryKiB uint32
	Time      uint32 // passes
	Threads   uint8
}

// DefaultArgon2 returns RFC 9106's second recommended cost, on one thread:
// 64 MiB, three passes.
func DefaultArgon2() Argon2 { return Argon2{MemoryKiB: 64 << 10, Time: 3, Threads: 1} }

// Hasher hashes passwords by argon2id over HMAC(pepper, password), so that a
// stolen database alone cannot be searched (confidentiality 4 and 12; R33).
// It does a bounded number at a time, since each takes much memory.
type Hasher struct {
	keyring *Keyring
	cost    Argon2
	random  io.Reader
	slots   chan struct{}
}

// NewHasher returns a Hasher that does at most parallel hashes at a time.
func NewHasher(k *Keyring, cost Argon2, parallel int, random io.Reader) *Hasher {
	return &Hasher{keyring: k, cost: cost, random: random, slots: make(chan struct{}, parallel)}
}

// Hash returns the PHC string of a password. It names the pepper by its id. It
// returns a Busy Fault password.busy if ctx ends before there is a free place.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	p := phc{cost: h.cost, keyID: h.keyring.NewestID(Pepper), salt: make([]byte, hashSaltBytes)}
	if _, err := io.ReadFull(h.random, p.salt); err != nil {
		return "", fmt.Errorf("vault: new salt: %w", err)
	}
	var err error
	if p.hash, err = h.derive(ctx, p, password); err != nil {
		return "", err
	}
	return p.String(), nil
}

// Verify reports whether password is the one that stored was made of. Where
// there is no account stored is "": the work is the same and the answer false.
// It returns a Busy Fault password.busy as Hash does.
func (h *Hasher) Verify(ctx context.Context, stored, password string) (bool, error) {
	p := phc{cost: h.cost, keyID: h.keyring.NewestID(Pepper), salt: make([]byte, hashSaltBytes)}
	if stored != "" {
		var err error
		if p, err = parsePHC(stored); err != nil {
			return false, err
		}
	}
	sum, err := h.derive(ctx, p, password)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(sum, p.hash) == 1, nil
}

func (h *Hasher) derive(ctx context.Context, p phc, password string) ([]byte, error) {
	pepper, err := h.keyring.key(Pepper, p.keyID)
	if err != nil {
		return nil, err
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return nil, fault.New(fault.Busy, "password.busy", "too many sign-ins at this moment: try again")
	}
	peppered := mac(pepper, "gridwatch/password/1", []byte(password))
	return argon2.IDKey(peppered, p.salt, p.cost.Time, p.cost.MemoryKiB, p.cost.Threads, hashBytes), nil
}

// phc is a PHC string of argon2id with the optional parameter keyid.
type phc struct {
	cost       Argon2
	keyID      string
	salt, hash []byte
}

func (p phc) String() string {
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d,keyid=%s$%s$%s", argon2.Version,
		p.cost.MemoryKiB, p.cost.Time, p.cost.Threads, p.keyID, enc.EncodeToString(p.salt), enc.EncodeToString(p.hash))
}

func parsePHC(text string) (phc, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return phc{}, errHash
	}
	var p phc
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d,keyid=%s", &p.cost.MemoryKiB, &p.cost.Time, &p.cost.Threads, &p.keyID); err != nil {
		return phc{}, errHash
	}
	var err error
	if p.salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return phc{}, errHash
	}
	if p.hash, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil {
		return phc{}, errHash
	}
	if p.cost.Time == 0 || p.cost.Threads == 0 || len(p.hash) != hashBytes {
		return phc{}, errHash
	}
	return p, nil
}
