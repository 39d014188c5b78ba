package workflow

import (
	"context"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
)

// Second factors: TOTP is RFC 6238 as authenticator apps have it, SHA-1, six
// digits, 30 seconds; a code of the step before or after is right too.
const (
	totpStep      = 30
	totpSkew      = 1
	totpBytes     = 20
	recoveryCodes = 10
	recoveryBytes = 15 // 120 bits: no key is needed for their hash
	ticketLife    = 5 * time.Minute
)

// Purposes of tickets.
const (
	halfTicket     = "half"     // a right password; a factor is to follow
	enrolTicket    = "enrol"    // a right password; a factor is to be enrolled
	assertTicket   = "assert"   // a passkey's challenge for a half session
	registerTicket = "register" // a passkey's challenge for a new passkey
)

// Half is the first half of a sign-in.
type Half struct {
	Token   string // secret, one time
	Expires time.Time
	Factors []string // totp, recovery, passkey; enrol if there is none yet
}

// Enrolment is a new TOTP secret, which holds once a code of it was sent.
type Enrolment struct {
	Secret string // base32
	URI    string // otpauth, for a QR code
}

func errHalf() error {
	return fault.New(fault.Unauthorized, "session.half", "begin the sign-in again, with the password")
}

// errSecond is the one answer to a wrong second factor, whatever is wrong with it.
func errSecond() error {
	return fault.New(fault.Unauthorized, "session.second",
		"the code is wrong or was used, or there were too many tries: wait for the next code, or some minutes")
}

// errCode is errSecond for who is signed in already.
func errCode() error {
	return fault.New(fault.Invalid, "factor.code",
		"the code is wrong or was used, or there were too many tries: wait for the next code, or some minutes").At("/code")
}

// inForce says whether a person has a second factor. TOTP comes first; passkeys
// are beside it, so that a lost one locks nobody out.
func (f *Factors) inForce() bool { return f != nil && len(f.TOTP) > 0 }

// needsSecond says whether a sign-in takes a second factor: the person has one,
// or the tenant's policy asks it of a post.
func (s *Service) needsSecond(ctx context.Context, p casefile.Person, f *Factors) (bool, error) {
	if f.inForce() {
		return true, nil
	}
	t, err := s.Directory.Tenant(ctx, p.Tenant)
	return slices.ContainsFunc(p.PostsAt(s.now()), func(post casefile.Post) bool {
		return slices.Contains(t.Policy.SecondFactor, post.Role)
	}), err
}

func (s *Service) newHalf(ctx context.Context, p casefile.Person, a Account, in Credentials) (Session, error) {
	ticket := Ticket{Purpose: halfTicket, Tenant: p.Tenant, Person: p.ID, Login: in.Login, Device: digestOf(in.Device), Label: in.Label, Under: digestOf(a.Hash)}
	factors := []string{"enrol"}
	if a.Factors.inForce() {
		factors = a.Factors.names()
	} else {
		ticket.Purpose = enrolTicket
	}
	token, expires, err := s.newTicket(ctx, ticket)
	return Session{Tenant: p.Tenant, Person: p.ID, Half: &Half{Token: token, Expires: expires, Factors: factors}}, err
}

func (f *Factors) names() []string {
	names := []string{"totp"}
	if len(f.Recovery) > 0 {
		names = append(names, "recovery")
	}
	if len(f.Passkeys) > 0 {
		names = append(names, "passkey")
	}
	return names
}

func (s *Service) newTicket(ctx context.Context, t Ticket) (string, time.Time, error) {
	token, err := s.newID()
	if err != nil {
		return "", time.Time{}, err
	}
	t.ID, t.Expires = digestOf(token), s.now().Add(ticketLife)
	return token, t.Expires, s.SignIns.InsertTicket(ctx, t)
}

// ticket finds a ticket that is of one of the purposes and in time.
func (s *Service) ticket(ctx context.Context, token string, purposes ...string) (Ticket, error) {
	t, err := s.SignIns.Ticket(ctx, digestOf(token))
	if fault.KindOf(err) == fault.NotFound || (err == nil && (!s.now().Before(t.Expires) || !slices.Contains(purposes, t.Purpose))) {
		return t, errHalf()
	}
	return t, err
}

// halfOf finds the half session of a device.
func (s *Service) halfOf(ctx context.Context, token, device string, purposes ...string) (Ticket, error) {
	t, err := s.ticket(ctx, token, purposes...)
	if err == nil && t.Device != digestOf(device) {
		err = errHalf()
	}
	return t, err
}

// whole ends a half session by a session; of many callers one gets it.
func (s *Service) whole(ctx context.Context, half Ticket) (Session, error) {
	err := s.SignIns.UseTicket(ctx, half.ID)
	if fault.KindOf(err) == fault.NotFound {
		return Session{}, errHalf()
	}
	if err != nil {
		return Session{}, err
	}
	p, err := s.Directory.Person(ctx, half.Tenant, half.Person)
	if err == nil && p.Disabled {
		err = errHalf()
	}
	if err != nil {
		return Session{}, err
	}
	return s.newFamily(ctx, p, Family{Device: half.Device, Label: half.Label, Strong: true})
}

// SecondFactor ends a sign-in by a code: of the authenticator, a recovery code,
// or the first code of a secret that is being enrolled. That one brings new
// recovery codes, which are shown once. Wrong codes count as wrong passwords do.
func (s *Service) SecondFactor(ctx context.Context, token, device, code string) (Session, []string, error) {
	half, err := s.halfOf(ctx, token, device, halfTicket, enrolTicket)
	if err != nil {
		return Session{}, nil, err
	}
	var codes []string
	_, err = s.try(ctx, half.Tenant, half.Login, half.Device, errSecond, func(a *Account) (bool, error) {
		if (half.Purpose == enrolTicket) == a.Factors.inForce() || half.Under != digestOf(a.Hash) {
			return false, errHalf() // enrolled, forgotten or another password meanwhile
		}
		var right bool
		if half.Purpose == halfTicket {
			right, err = s.checkCode(a, code)
		} else {
			right, codes, err = s.enrol(a, code)
		}
		if right {
			a.know(half.Device)
		}
		return right, err
	})
	if err != nil {
		return Session{}, nil, err
	}
	session, err := s.whole(ctx, half)
	return session, codes, err
}

// checkCode uses a code up if it is right.
func (s *Service) checkCode(a *Account, code string) (bool, error) {
	if at := slices.Index(a.Factors.Recovery, digestOf(plainCode(code))); at >= 0 {
		a.Factors.Recovery = slices.Delete(a.Factors.Recovery, at, at+1)
		return true, nil
	}
	step, err := s.stepOf(a, a.Factors.TOTP, "totp", code)
	if step <= a.Factors.Step || err != nil {
		return false, err
	}
	a.Factors.Step = step
	return true, nil
}

// plainCode is a recovery code as it is hashed.
func plainCode(code string) string { return strings.ToUpper(strings.ReplaceAll(code, "-", "")) }

// stepOf returns the newest time step that a code is right for, 0 if none is.
func (s *Service) stepOf(a *Account, sealed []byte, field, code string) (int64, error) {
	secret, err := s.openFactor(a, sealed, field)
	if err != nil {
		return 0, err
	}
	now := s.now().Unix() / totpStep
	for step := now + totpSkew; step >= now-totpSkew; step-- {
		want, err := hotp.GenerateCode(string(secret), uint64(step)) //nolint:gosec // a time after 1970
		if err != nil {
			return 0, fmt.Errorf("compute a code: %w", err)
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			return step, nil
		}
	}
	return 0, nil
}

// enrol puts the pending secret in force if the code is its.
func (s *Service) enrol(a *Account, code string) (bool, []string, error) {
	f := a.Factors
	if f == nil || len(f.Pending) == 0 {
		return false, nil, nil
	}
	step, err := s.stepOf(a, f.Pending, "pending", code)
	if step == 0 || err != nil {
		return false, nil, err
	}
	secret, err := s.openFactor(a, f.Pending, "pending")
	if err != nil {
		return false, nil, err
	}
	codes, err := newRecoveryCodes(s.Random)
	if err != nil {
		return false, nil, err
	}
	if f.TOTP, err = s.sealFactor(a, secret, "totp"); err != nil {
		return false, nil, err
	}
	f.Step, f.Pending, f.Recovery = step, nil, nil
	for _, c := range codes {
		f.Recovery = append(f.Recovery, digestOf(plainCode(c)))
	}
	return true, codes, nil
}

func newRecoveryCodes(random io.Reader) ([]string, error) {
	var codes []string
	for range recoveryCodes {
		raw := make([]byte, recoveryBytes)
		if _, err := io.ReadFull(random, raw); err != nil {
			return nil, fmt.Errorf("draw a recovery code: %w", err)
		}
		var groups []string
		for group := range slices.Chunk([]byte(base32.StdEncoding.EncodeToString(raw)), 6) {
			groups = append(groups, string(group))
		}
		codes = append(codes, strings.Join(groups, "-"))
	}
	return codes, nil
}

// EnrolFirst gives who has no second factor yet a secret, in the middle of the
// sign-in that asks for one.
func (s *Service) EnrolFirst(ctx context.Context, token, device string) (Enrolment, error) {
	half, err := s.halfOf(ctx, token, device, enrolTicket)
	if err != nil {
		return Enrolment{}, err
	}
	return s.begin(ctx, half.Tenant, half.Login, half.Device, errSecond, func(a *Account) (bool, error) {
		if a.Factors.inForce() || half.Under != digestOf(a.Hash) {
			return false, errHalf()
		}
		return true, nil
	})
}

// EnrolTOTP gives a signed-in person a new secret. Who has a second factor
// proves it by a code, so that a session left open is not enough.
func (s *Service) EnrolTOTP(ctx context.Context, actor casefile.Actor, code string) (Enrolment, error) {
	p, err := s.Directory.Person(ctx, actor.Tenant, actor.Person)
	if err != nil {
		return Enrolment{}, err
	}
	return s.begin(ctx, p.Tenant, p.Login, "", errCode, func(a *Account) (bool, error) { return s.prove(a, code) })
}

// prove checks a code of who has a second factor.
func (s *Service) prove(a *Account, code string) (bool, error) {
	if !a.Factors.inForce() {
		return true, nil
	}
	return s.checkCode(a, code)
}

// begin keeps a new secret as pending, once the check has passed.
func (s *Service) begin(
	ctx context.Context, tenant, login, device string, refusal func() error, check func(*Account) (bool, error),
) (Enrolment, error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "Gridwatch " + tenant, AccountName: login, SecretSize: totpBytes, Rand: s.Random})
	if err != nil {
		return Enrolment{}, fmt.Errorf("draw a secret: %w", err)
	}
	_, err = s.try(ctx, tenant, login, device, refusal, func(a *Account) (bool, error) {
		if right, err := check(a); !right || err != nil {
			return false, err
		}
		var err error
		a.Factors, err = s.withPending(a, key.Secret())
		return true, err
	})
	if err != nil {
		return Enrolment{}, err
	}
	return Enrolment{Secret: key.Secret(), URI: key.URL()}, nil
}

func (s *Service) withPending(a *Account, secret string) (*Factors, error) {
	err := s.factors(a)
	if err == nil {
		a.Factors.Pending, err = s.sealFactor(a, []byte(secret), "pending")
	}
	return a.Factors, err
}

// factors makes sure that an account has a place for factors, with its key.
func (s *Service) factors(a *Account) error {
	if a.Factors != nil {
		return nil
	}
	_, wrapped, err := s.Keyring.NewDataKey(factorKey(a), s.Random)
	a.Factors = &Factors{Key: wrapped}
	return err
}

// ConfirmTOTP puts a new secret in force and returns new recovery codes.
func (s *Service) ConfirmTOTP(ctx context.Context, actor casefile.Actor, code string) ([]string, error) {
	p, err := s.Directory.Person(ctx, actor.Tenant, actor.Person)
	if err != nil {
		return nil, err
	}
	var codes []string
	_, err = s.try(ctx, p.Tenant, p.Login, "", errCode, func(a *Account) (bool, error) {
		var right bool
		right, codes, err = s.enrol(a, code)
		return right, err
	})
	return codes, err
}

// MyFactors returns the actor's account, for what factors it has.
func (s *Service) MyFactors(ctx context.Context, actor casefile.Actor) (Factors, error) {
	p, err := s.Directory.Person(ctx, actor.Tenant, actor.Person)
	if err != nil {
		return Factors{}, err
	}
	a, err := s.Accounts.Account(ctx, p.Tenant, p.Login)
	if err != nil || a.Factors == nil {
		return Factors{}, err
	}
	return *a.Factors, nil
}

// forgetFactors lets a person enrol anew; no device is known any more.
func (s *Service) forgetFactors(ctx context.Context, tenant, person string) error {
	p, err := s.Directory.Person(ctx, tenant, person)
	if err != nil {
		return err
	}
	return turnAccount(ctx, s.Accounts, tenant, p.Login, func(a *Account) error {
		a.Factors, a.Known = nil, nil
		return nil
	})
}

func factorKey(a *Account) string { return "factors:" + a.ID }

func (s *Service) sealFactor(a *Account, plain []byte, field string) ([]byte, error) {
	key, err := s.Keyring.OpenDataKey(factorKey(a), a.Factors.Key)
	if err != nil {
		return nil, err
	}
	return key.Seal(plain, vault.AD("account", a.ID, field))
}

func (s *Service) openFactor(a *Account, sealed []byte, field string) ([]byte, error) {
	key, err := s.Keyring.OpenDataKey(factorKey(a), a.Factors.Key)
	if err != nil {
		return nil, err
	}
	return key.Open(sealed, vault.AD("account", a.ID, field))
}
