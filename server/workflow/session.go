package workflow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
)

// How long sign-ins hold. These are properties of the protocol, not rules of
// the trade.
const (
	familyLife   = 30 * 24 * time.Hour
	refreshGrace = 10 * time.Minute // a lost answer in a valley is not theft (writes.md)
	freeFailures = 3
	maxDelay     = 15 * time.Minute
)

// Session is a sign-in of a person on a device.
type Session struct {
	Tenant  string
	Person  string
	Family  string
	Refresh string // one time; secret
}

// errSignIn is the one answer to a wrong sign-in, whatever is wrong with it.
func errSignIn() error {
	return fault.New(fault.Unauthorized, "session.wrong",
		"name or password is wrong, or there were too many tries: wait some minutes and try again")
}

// SignIn begins a family of refresh tokens on a device. Wrong passwords make
// the account wait, longer each time, instead of locking it (confidentiality 12).
func (s *Service) SignIn(ctx context.Context, tenant, login, password, device string) (Session, error) {
	account, _, err := s.account(ctx, tenant, login)
	if err != nil {
		return Session{}, err
	}
	right, err := s.Hasher.Verify(ctx, account.Hash, password)
	if err != nil {
		return Session{}, err
	}
	// Read again: of many tries at once each counts those that ended before it.
	account, known, err := s.account(ctx, tenant, login)
	if err != nil {
		return Session{}, err
	}
	now := s.now()
	switch {
	case !known:
		return Session{}, errSignIn()
	case now.Before(account.Until):
		return Session{}, errSignIn()
	case !right:
		failures := account.Failures + 1
		if err := s.Accounts.Failed(ctx, account.ID, failures, now.Add(delay(failures))); err != nil {
			return Session{}, err
		}
		return Session{}, errSignIn()
	}
	person, err := s.Directory.Person(ctx, tenant, account.Person)
	if err != nil {
		return Session{}, err
	}
	if person.Disabled {
		return Session{}, errSignIn()
	}
	if account.Failures > 0 {
		if err := s.Accounts.Failed(ctx, account.ID, 0, now); err != nil {
			return Session{}, err
		}
	}
	return s.newFamily(ctx, person, device)
}

func (s *Service) account(ctx context.Context, tenant, login string) (Account, bool, error) {
	account, err := s.Accounts.Account(ctx, tenant, login)
	if fault.KindOf(err) == fault.NotFound {
		return Account{}, false, nil
	}
	return account, err == nil, err
}

// delay says how long an account waits after so many wrong tries in a row.
func delay(failures int) time.Duration {
	if failures < freeFailures {
		return 0
	}
	return min(maxDelay, time.Second<<min(failures-freeFailures, 20))
}

func (s *Service) newFamily(ctx context.Context, p casefile.Person, device string) (Session, error) {
	family, err := s.newID()
	if err != nil {
		return Session{}, err
	}
	secret, err := s.newID()
	if err != nil {
		return Session{}, err
	}
	now := s.now()
	err = s.Accounts.InsertFamily(ctx, Family{
		ID: family, Tenant: p.Tenant, Person: p.ID, Device: digestOf(device), Current: digestOf(secret), Turned: now, Expires: now.Add(familyLife),
	})
	return Session{Tenant: p.Tenant, Person: p.ID, Family: family, Refresh: family + "." + secret}, err
}

// digestOf hashes a secret of 128 random bits: no key is needed for it.
func digestOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func errSession() error {
	return fault.New(fault.Unauthorized, "session.invalid", "sign in again")
}

// Refresh turns a family over: the token presented becomes the previous one.
// The last token presented again by the same device within ten minutes gets
// the same successor; any older one revokes the family.
func (s *Service) Refresh(ctx context.Context, token, device string) (Session, error) {
	family, secret, ok := strings.Cut(token, ".")
	key, err := vault.ParseIdemKey(secret)
	if !ok || err != nil {
		return Session{}, errSession()
	}
	// The successor derives from the token, so that a repeat gets the same one.
	next := s.Keyring.KeyHashes(key, "refresh", family)[0]
	for range maxTries {
		f, err := s.Accounts.Family(ctx, family)
		if fault.KindOf(err) == fault.NotFound {
			return Session{}, errSession()
		}
		if err != nil {
			return Session{}, err
		}
		now := s.now()
		if f.Revoked || !now.Before(f.Expires) || f.Device != digestOf(device) {
			return Session{}, errSession()
		}
		out := Session{Tenant: f.Tenant, Person: f.Person, Family: f.ID, Refresh: f.ID + "." + next}
		was := f.Counter
		f.Counter++
		switch digestOf(secret) {
		case f.Current:
			f.Previous, f.Current, f.Turned, f.Expires = f.Current, digestOf(next), now, now.Add(familyLife)
		case f.Previous:
			if now.Sub(f.Turned) <= refreshGrace && f.Current == digestOf(next) {
				return out, nil
			}
			f.Revoked = true
		default:
			f.Revoked = true
		}
		err = s.Accounts.TurnFamily(ctx, f, was)
		if fault.KindOf(err) == fault.Conflict {
			continue
		}
		if err == nil && f.Revoked {
			err = errSession()
		}
		if err != nil {
			return Session{}, err
		}
		return out, nil
	}
	return Session{}, fault.New(fault.Busy, "session.busy", "try again")
}

// SignOut revokes the family of the actor's session.
func (s *Service) SignOut(ctx context.Context, actor casefile.Actor, family string) error {
	for range maxTries {
		f, err := s.Accounts.Family(ctx, family)
		if err != nil {
			return err
		}
		if f.Person != actor.Person || f.Tenant != actor.Tenant {
			return fault.Absent()
		}
		was := f.Counter
		f.Counter, f.Revoked = f.Counter+1, true
		if err := s.Accounts.TurnFamily(ctx, f, was); fault.KindOf(err) != fault.Conflict {
			return err
		}
	}
	return fault.New(fault.Busy, "session.busy", "try again")
}

// Actor returns the person behind an access token with the posts in force. It
// returns an Unauthorized Fault when the session was ended or the person is
// disabled.
func (s *Service) Actor(ctx context.Context, tenant, person, family string, at time.Time) (casefile.Actor, error) {
	f, err := s.Accounts.Family(ctx, family)
	if fault.KindOf(err) == fault.NotFound {
		return casefile.Actor{}, errSession()
	}
	if err != nil {
		return casefile.Actor{}, err
	}
	if f.Revoked || f.Person != person || f.Tenant != tenant {
		return casefile.Actor{}, errSession()
	}
	p, err := s.Directory.Person(ctx, tenant, person)
	if fault.KindOf(err) == fault.NotFound || (err == nil && p.Disabled) {
		return casefile.Actor{}, errSession()
	}
	return casefile.Actor{Tenant: tenant, Person: p.ID, Posts: p.PostsAt(at)}, err
}

// PutDevice names the phone that the actor's pushes go to.
func (s *Service) PutDevice(ctx context.Context, actor casefile.Actor, token string) (string, error) {
	sealed, err := s.sealToken(token)
	if err != nil {
		return "", err
	}
	id := DeviceID(token)
	return id, s.Accounts.PutDevice(ctx, Device{ID: id, Tenant: actor.Tenant, Person: actor.Person, Token: sealed, At: s.now()})
}

const (
	deviceKey  = "device" // what data keys of device tokens are wrapped for
	wrappedLen = 32 + 28  // bytes of a wrapped key, which stands before the sealed token
)

func (s *Service) sealToken(token string) ([]byte, error) {
	key, wrapped, err := s.Keyring.NewDataKey(deviceKey, s.Random)
	if err != nil {
		return nil, err
	}
	sealed, err := key.Seal([]byte(token), vault.AD(deviceKey, "", "token"))
	return append(wrapped, sealed...), err
}

// OpenToken returns the device token that PutDevice sealed.
func OpenToken(keyring *vault.Keyring, sealed []byte) (string, error) {
	if len(sealed) < wrappedLen {
		return "", vault.ErrNotOpened
	}
	key, err := keyring.OpenDataKey(deviceKey, sealed[:wrappedLen])
	if err != nil {
		return "", err
	}
	token, err := key.Open(sealed[wrappedLen:], vault.AD(deviceKey, "", "token"))
	return string(token), err
}

// DeviceID is a hash of a device token, under which the device is kept.
func DeviceID(token string) string { return digestOf(token) }

// DropDevice ends pushes to a phone of the actor.
func (s *Service) DropDevice(ctx context.Context, actor casefile.Actor, id string) error {
	return s.Accounts.DropDevice(ctx, id, actor.Person)
}
