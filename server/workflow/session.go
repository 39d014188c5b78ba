package workflow

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
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
	refreshGrace = 10 * time.Minute // a lost answer in a valley is not theft
	freeFailures = 3
	maxDelay     = 15 * time.Minute
)

// Session is a sign-in of a person on a device, or the first half of one.
type Session struct {
	Tenant  string
	Person  string
	Family  string
	Refresh string // one time; secret

	// Issued says that the password is known to whoever wrote it into an import.
	Issued bool

	// Half is set instead when the second factor is still to come.
	Half *Half
}

// Credentials are what a sign-in begins with.
type Credentials struct {
	Tenant, Login, Password string
	Device                  string // 128 random bits that the device keeps
	Label                   string // of the device, for its owner's list
}

// errSignIn is the one answer to a wrong sign-in, whatever is wrong with it.
func errSignIn() error {
	return fault.New(fault.Unauthorized, "session.wrong",
		"name or password is wrong, or there were too many tries: wait some minutes and try again")
}

// SignIn begins a family of refresh tokens on a device, or says that a second
// factor is to follow. Wrong passwords make the account wait, longer each time,
// instead of locking it (confidentiality 12).
func (s *Service) SignIn(ctx context.Context, in Credentials) (Session, error) {
	account, _, err := s.account(ctx, in.Tenant, in.Login)
	if err != nil {
		return Session{}, err
	}
	right, err := s.Hasher.Verify(ctx, account.Hash, in.Password)
	if err != nil {
		return Session{}, err
	}
	var person casefile.Person
	second := false
	// Read again: of many tries at once each counts those that ended before it.
	device := digestOf(in.Device)
	account, err = s.try(ctx, in.Tenant, in.Login, device, errSignIn, func(a *Account) (bool, error) {
		if a.Hash != account.Hash {
			return false, errBusy() // another password meanwhile
		}
		if !right {
			return false, nil
		}
		if person, err = s.Directory.Person(ctx, in.Tenant, a.Person); err != nil {
			return false, err
		}
		if person.Disabled {
			return false, errSignIn()
		}
		if second, err = s.needsSecond(ctx, person, a.Factors); second || err != nil {
			return false, cmp.Or(err, errSame) // wrong codes count on until one is right
		}
		if failures, _ := a.tries(device); *failures == 0 && a.knows(device) {
			return false, errSame
		}
		a.know(device)
		return true, nil
	})
	if err != nil {
		return Session{}, err
	}
	var out Session
	if second {
		out, err = s.newHalf(ctx, person, account, in)
	} else {
		out, err = s.newFamily(ctx, person, Family{Device: device, Label: in.Label})
	}
	out.Issued = account.issued()
	return out, err
}

// try changes an account by one try of a factor, which is right or wrong. All
// tries of an account are in one order: the outcome counts only if no other try
// came between. Wrong, too early and unknown are refused alike. An error of
// check leaves the account as it was; errSame does so without a refusal. The
// tries of a device that the account knows count apart; "" is none.
func (s *Service) try(
	ctx context.Context, tenant, login, device string, refusal func() error, check func(*Account) (bool, error),
) (Account, error) {
	for range maxTries {
		a, known, err := s.account(ctx, tenant, login)
		if err != nil {
			return a, err
		}
		now := s.now()
		failures, until := a.tries(device)
		if !known || now.Before(*until) {
			return a, refusal()
		}
		right, err := check(&a)
		if errors.Is(err, errSame) {
			return a, nil
		}
		if err != nil {
			return a, err
		}
		was := a.Version
		a.Version++
		if right {
			*failures = 0
		} else {
			*failures++
			*until = now.Add(delay(*failures))
		}
		err = s.Accounts.TurnAccount(ctx, a, was)
		switch {
		case fault.CodeOf(err) == "record.stale":
			continue
		case err == nil && !right:
			err = refusal()
		}
		return a, err
	}
	return Account{}, errBusy()
}

// maxKnown bounds the devices that an account knows.
const maxKnown = 8

func (a *Account) place(device string) int {
	return slices.IndexFunc(a.Known, func(k KnownDevice) bool { return k.Device == device })
}

func (a *Account) knows(device string) bool { return a.place(device) >= 0 }

// tries are the wrong tries in a row of a device, and until when there is none:
// of one that the account knows its own, of all others together.
func (a *Account) tries(device string) (*int, *time.Time) {
	if at := a.place(device); at >= 0 {
		return &a.Known[at].Failures, &a.Known[at].Until
	}
	return &a.Failures, &a.Until
}

// know notes a device on which the person has signed in; the one that was used
// least of late makes room.
func (a *Account) know(device string) {
	known := slices.DeleteFunc(slices.Clone(a.Known), func(k KnownDevice) bool { return k.Device == device })
	known = append(known, KnownDevice{Device: device})
	a.Known = known[max(0, len(known)-maxKnown):]
}

// turnAccount changes an account until nobody changed it meanwhile.
func turnAccount(ctx context.Context, store accounts, tenant, login string, do func(*Account) error) error {
	for range maxTries {
		a, err := store.Account(ctx, tenant, login)
		if err != nil {
			return err
		}
		was := a.Version
		a.Version++
		if err := do(&a); err != nil {
			return err
		}
		if err := store.TurnAccount(ctx, a, was); fault.CodeOf(err) != "record.stale" {
			return err
		}
	}
	return errBusy()
}

// accounts is what an account is read and written by.
type accounts interface {
	Account(ctx context.Context, tenant, login string) (Account, error)
	TurnAccount(ctx context.Context, a Account, was int64) error
}

func errBusy() error { return fault.New(fault.Busy, "session.busy", "try again") }

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

// newFamily begins a session; f says on what device and how.
func (s *Service) newFamily(ctx context.Context, p casefile.Person, f Family) (Session, error) {
	family, err := s.newID()
	if err != nil {
		return Session{}, err
	}
	secret, err := s.newID()
	if err != nil {
		return Session{}, err
	}
	now := s.now()
	f.ID, f.Tenant, f.Person, f.Current = family, p.Tenant, p.ID, digestOf(secret)
	f.Begun, f.Turned, f.Expires = now, now, now.Add(familyLife)
	err = s.Accounts.InsertFamily(ctx, f)
	return f.session(secret), err
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
	// The successor derives from the token, so that a repeat gets the same one,
	// also after a new key came into use in between.
	successors := s.Keyring.KeyHashes(key, "refresh", family)
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
		next, was := successors[0], f.Counter
		f.Counter++
		switch digestOf(secret) {
		case f.Current:
			f.Previous, f.Current, f.Turned, f.Expires = f.Current, digestOf(next), now, now.Add(familyLife)
		case f.Previous:
			at := slices.IndexFunc(successors, func(secret string) bool { return f.Current == digestOf(secret) })
			if at >= 0 && now.Sub(f.Turned) <= refreshGrace {
				return f.session(successors[at]), nil
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
		return f.session(next), nil
	}
	return Session{}, errBusy()
}

// session is the family's session with its newest token.
func (f Family) session(secret string) Session {
	return Session{Tenant: f.Tenant, Person: f.Person, Family: f.ID, Refresh: f.ID + "." + secret}
}

// SignOut revokes a family of the actor, such as that of the session itself.
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
	return errBusy()
}

// SignOutEverywhere revokes all families of the actor, that of the session too.
func (s *Service) SignOutEverywhere(ctx context.Context, actor casefile.Actor) error {
	return s.SignIns.RevokeFamilies(ctx, actor.Tenant, actor.Person, "")
}

// Sessions lists the actor's families, oldest first.
func (s *Service) Sessions(ctx context.Context, actor casefile.Actor) ([]Family, error) {
	return s.SignIns.Families(ctx, actor.Tenant, actor.Person)
}

// Actor returns the person behind an access token with the posts in force. It
// returns an Unauthorized Fault when the session was ended, the person is
// disabled, or was given a post that asks for a second factor since.
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
	if err == nil && !f.Strong {
		var second bool
		if second, err = s.needsSecond(ctx, p, nil); second {
			return casefile.Actor{}, errSession()
		}
	}
	return casefile.Actor{Tenant: tenant, Person: p.ID, Posts: p.PostsAt(at), Ties: p.Ties}, err
}
