package workflow

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// maxPasskeys bounds the passkeys of a person.
const maxPasskeys = 10

// Ceremony is a challenge for an authenticator.
type Ceremony struct {
	Token   string // one time
	Options any    // what a browser's navigator.credentials takes
}

// NewPasskeys makes passkeys for the pages of one origin, such as
// https://grid.example.gov.cn.
func NewPasskeys(origin string) (*webauthn.WebAuthn, error) {
	u, err := url.Parse(origin)
	if err != nil || u.Hostname() == "" || (u.Scheme != "https" && u.Hostname() != "localhost") || u.Path != "" {
		return nil, errors.New("the origin of passkeys is https://host, or http://localhost")
	}
	return webauthn.New(&webauthn.Config{RPID: u.Hostname(), RPDisplayName: "Gridwatch", RPOrigins: []string{origin}})
}

// holder is a person as authenticators know it.
type holder struct {
	person      casefile.Person
	credentials []webauthn.Credential
}

// WebAuthnID is a hash: an authenticator learns no id of ours.
func (h holder) WebAuthnID() []byte {
	sum := sha256.Sum256([]byte(h.person.Tenant + ":" + h.person.ID))
	return sum[:]
}

func (h holder) WebAuthnName() string                       { return h.person.Login }
func (h holder) WebAuthnDisplayName() string                { return h.person.Label }
func (h holder) WebAuthnCredentials() []webauthn.Credential { return h.credentials }

// holder opens the passkeys of an account.
func (s *Service) holder(p casefile.Person, a *Account) (holder, error) {
	h := holder{person: p}
	for _, key := range a.Factors.Passkeys {
		text, err := s.openFactor(a, key.Sealed, "passkey:"+key.ID)
		if err != nil {
			return h, err
		}
		var c webauthn.Credential
		if err := json.Unmarshal(text, &c); err != nil {
			return h, fmt.Errorf("read a passkey: %w", err)
		}
		h.credentials = append(h.credentials, c)
	}
	return h, nil
}

func (s *Service) sealPasskey(a *Account, id string, c *webauthn.Credential) ([]byte, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("write a passkey: %w", err)
	}
	return s.sealFactor(a, text, "passkey:"+id)
}

func errPasskeysOff() error {
	return fault.New(fault.Conflict, "passkey.off", "this installation has no passkeys: use a code")
}

func errPasskey() error {
	return fault.New(fault.Invalid, "passkey.refused", "the authenticator's answer does not fit the challenge; begin again")
}

// ceremony keeps a challenge until it is answered.
func (s *Service) ceremony(ctx context.Context, t Ticket, data *webauthn.SessionData, options any) (Ceremony, error) {
	var err error
	if t.Data, err = json.Marshal(data); err != nil {
		return Ceremony{}, fmt.Errorf("keep a challenge: %w", err)
	}
	token, _, err := s.newTicket(ctx, t)
	return Ceremony{Token: token, Options: options}, err
}

// challenged uses a challenge up, whatever comes of it.
func (s *Service) challenged(ctx context.Context, token, purpose string) (Ticket, webauthn.SessionData, error) {
	var data webauthn.SessionData
	t, err := s.ticket(ctx, token, purpose)
	if err == nil {
		err = s.SignIns.UseTicket(ctx, t.ID)
	}
	if kind := fault.KindOf(err); err != nil && (kind == fault.NotFound || kind == fault.Unauthorized) {
		return t, data, errPasskey()
	}
	if err != nil {
		return t, data, err
	}
	return t, data, json.Unmarshal(t.Data, &data)
}

// AddPasskey begins to register a passkey. It takes a code: a session left open
// is not enough, and TOTP comes first.
func (s *Service) AddPasskey(ctx context.Context, actor casefile.Actor, code string) (Ceremony, error) {
	if s.Passkeys == nil {
		return Ceremony{}, errPasskeysOff()
	}
	p, err := s.Directory.Person(ctx, actor.Tenant, actor.Person)
	if err != nil {
		return Ceremony{}, err
	}
	var h holder
	_, err = s.try(ctx, p.Tenant, p.Login, "", errCode, func(a *Account) (bool, error) {
		if !a.Factors.inForce() {
			return false, fault.New(fault.Conflict, "passkey.totp_first", "an authenticator app comes first, a passkey beside it")
		}
		if len(a.Factors.Passkeys) >= maxPasskeys {
			return false, fault.New(fault.Conflict, "passkey.too_many", "a person has at most %d passkeys", maxPasskeys)
		}
		if h, err = s.holder(p, a); err != nil {
			return false, err
		}
		return s.checkCode(a, code)
	})
	if err != nil {
		return Ceremony{}, err
	}
	options, data, err := s.Passkeys.BeginRegistration(h, webauthn.WithExclusions(webauthn.Credentials(h.credentials).CredentialDescriptors()))
	if err != nil {
		return Ceremony{}, fmt.Errorf("begin a passkey: %w", err)
	}
	return s.ceremony(ctx, Ticket{Purpose: registerTicket, Tenant: p.Tenant, Person: p.ID, Login: p.Login}, data, options)
}

// KeepPasskey ends the registration of a passkey by the authenticator's answer.
func (s *Service) KeepPasskey(ctx context.Context, actor casefile.Actor, token, label string, answer []byte) (Passkey, error) {
	if s.Passkeys == nil {
		return Passkey{}, errPasskeysOff()
	}
	t, data, err := s.challenged(ctx, token, registerTicket)
	if err != nil {
		return Passkey{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil || t.Person != actor.Person || t.Tenant != actor.Tenant {
		return Passkey{}, errPasskey()
	}
	p, err := s.Directory.Person(ctx, actor.Tenant, actor.Person)
	if err != nil {
		return Passkey{}, err
	}
	credential, err := s.Passkeys.CreateCredential(holder{person: p}, data, parsed)
	if err != nil {
		return Passkey{}, errPasskey()
	}
	key := Passkey{ID: digestOf(string(credential.ID)), Label: label, Added: s.now()}
	err = turnAccount(ctx, s.Accounts, p.Tenant, p.Login, func(a *Account) error {
		if !a.Factors.inForce() || slices.ContainsFunc(a.Factors.Passkeys, func(k Passkey) bool { return k.ID == key.ID }) {
			return errPasskey()
		}
		key.Sealed, err = s.sealPasskey(a, key.ID, credential)
		a.Factors.Passkeys = append(a.Factors.Passkeys, key)
		return err
	})
	return key, err
}

// DropPasskey ends a passkey of the actor, if there is one with the id.
func (s *Service) DropPasskey(ctx context.Context, actor casefile.Actor, id string) error {
	p, err := s.Directory.Person(ctx, actor.Tenant, actor.Person)
	if err != nil {
		return err
	}
	return turnAccount(ctx, s.Accounts, p.Tenant, p.Login, func(a *Account) error {
		if a.Factors != nil {
			a.Factors.Passkeys = slices.DeleteFunc(a.Factors.Passkeys, func(k Passkey) bool { return k.ID == id })
		}
		return nil
	})
}

// AskPasskey begins the second half of a sign-in by a passkey.
func (s *Service) AskPasskey(ctx context.Context, token, device string) (Ceremony, error) {
	if s.Passkeys == nil {
		return Ceremony{}, errPasskeysOff()
	}
	half, err := s.halfOf(ctx, token, device, halfTicket)
	if err != nil {
		return Ceremony{}, err
	}
	p, err := s.Directory.Person(ctx, half.Tenant, half.Person)
	if err != nil {
		return Ceremony{}, err
	}
	a, err := s.Accounts.Account(ctx, half.Tenant, half.Login)
	if err != nil {
		return Ceremony{}, err
	}
	if !a.Factors.inForce() || len(a.Factors.Passkeys) == 0 {
		return Ceremony{}, fault.New(fault.Conflict, "passkey.none", "there is no passkey: use a code")
	}
	h, err := s.holder(p, &a)
	if err != nil {
		return Ceremony{}, err
	}
	options, data, err := s.Passkeys.BeginLogin(h)
	if err != nil {
		return Ceremony{}, fmt.Errorf("ask for a passkey: %w", err)
	}
	return s.ceremony(ctx, Ticket{Purpose: assertTicket, Tenant: half.Tenant, Person: half.Person, Login: half.Login, Device: half.Device}, data, options)
}

// asserted returns the credential that an answer proves, nil if it proves none.
func (s *Service) asserted(h holder, data webauthn.SessionData, answer []byte) *webauthn.Credential {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return nil
	}
	credential, err := s.Passkeys.ValidateLogin(h, data, parsed)
	if err != nil || credential.Authenticator.CloneWarning {
		return nil
	}
	return credential
}

// ByPasskey ends a sign-in by an authenticator's answer. A counter that did not
// grow tells of a copied key and is refused. Wrong answers count as wrong codes do.
func (s *Service) ByPasskey(ctx context.Context, token, device, ceremony string, answer []byte) (Session, error) {
	if s.Passkeys == nil {
		return Session{}, errPasskeysOff()
	}
	half, err := s.halfOf(ctx, token, device, halfTicket)
	if err != nil {
		return Session{}, err
	}
	t, data, err := s.challenged(ctx, ceremony, assertTicket)
	if err != nil {
		return Session{}, err
	}
	if t.Person != half.Person || t.Tenant != half.Tenant || t.Device != half.Device {
		return Session{}, errPasskey()
	}
	p, err := s.Directory.Person(ctx, half.Tenant, half.Person)
	if err != nil {
		return Session{}, err
	}
	_, err = s.try(ctx, half.Tenant, half.Login, half.Device, errSecond, func(a *Account) (bool, error) {
		if !a.Factors.inForce() || half.Under != digestOf(a.Hash) {
			return false, errHalf()
		}
		h, err := s.holder(p, a)
		if err != nil {
			return false, err
		}
		credential := s.asserted(h, data, answer)
		if credential == nil {
			return false, nil
		}
		at := slices.IndexFunc(a.Factors.Passkeys, func(k Passkey) bool { return k.ID == digestOf(string(credential.ID)) })
		if at < 0 {
			return false, nil
		}
		a.know(half.Device)
		a.Factors.Passkeys[at].Sealed, err = s.sealPasskey(a, a.Factors.Passkeys[at].ID, credential)
		return true, err
	})
	if err != nil {
		return Session{}, err
	}
	return s.whole(ctx, half)
}
