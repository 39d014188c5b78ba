package workflow

import (
	"context"
	"strings"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// PasswordChange is a new password in the place of the one in force.
type PasswordChange struct{ Current, New string }

// errPassword is the one answer to a change that does not know the password in
// force.
func errPassword() error {
	return fault.New(fault.Invalid, "password.wrong",
		"the password in force is wrong, or there were too many tries: wait some minutes and try again").At("/current")
}

// issued says whether the password in force is the one that an import wrote:
// whoever wrote that file knows it.
func (a Account) issued() bool { return a.Issued != "" && a.Issued == a.Hash }

// ChangePassword gives a signed-in person another password and ends the person's
// other sessions. Wrong passwords count as at a sign-in on the same device, and a
// right one stops no count of wrong codes. The session whose answer was lost may
// send its change again.
func (s *Service) ChangePassword(ctx context.Context, actor casefile.Actor, family string, in PasswordChange) error {
	p, err := s.Directory.Person(ctx, actor.Tenant, actor.Person)
	if err != nil {
		return err
	}
	switch {
	case in.New == in.Current:
		return fault.New(fault.Invalid, "password.same", "the new password is another than the one in force").At("/new")
	case strings.Contains(strings.ToLower(in.New), strings.ToLower(p.Login)):
		return fault.New(fault.Invalid, "password.login", "a password does not hold the name that one signs in with").At("/new")
	}
	f, err := s.Accounts.Family(ctx, family)
	if err != nil {
		return err
	}
	a, _, err := s.account(ctx, p.Tenant, p.Login)
	if err != nil {
		return err
	}
	right, err := s.Hasher.Verify(ctx, a.Hash, in.Current)
	if err != nil {
		return err
	}
	done := false
	if !right && a.ChangedBy == family { // the answer to an earlier try may have been lost
		if done, err = s.Hasher.Verify(ctx, a.Hash, in.New); err != nil {
			return err
		}
	}
	_, err = s.try(ctx, p.Tenant, p.Login, f.Device, errPassword, func(now *Account) (bool, error) {
		if now.Hash != a.Hash {
			return false, errBusy()
		}
		if done || (right && now.Factors.inForce()) {
			return false, errSame // wrong codes count on until one is right
		}
		return right, nil
	})
	if err != nil {
		return err
	}
	if !done {
		hash, err := s.Hasher.Hash(ctx, in.New)
		if err != nil {
			return err
		}
		if err := s.Accounts.PutPassword(ctx, a.ID, a.Hash, hash, family); err != nil {
			return err
		}
	}
	return s.SignIns.RevokeFamilies(ctx, p.Tenant, p.ID, family)
}
