package workflow

import (
	"context"

	"gridwatch/server/casefile"
	"gridwatch/server/vault"
)

// PutDevice names the phone that the actor's pushes go to.
func (s *Service) PutDevice(ctx context.Context, actor casefile.Actor, token string) (string, error) {
	sealed, err := s.sealToken(token)
	if err != nil {
		return "", err
	}
	id := DeviceID(token)
	return id, s.Accounts.PutDevice(ctx, Device{ID: id, Tenant: actor.Tenant, Person: actor.Person, Token: sealed, At: s.now()})
}

// deviceKey is what data keys of device tokens are wrapped for. The wrapped key
// stands before the sealed token.
const deviceKey = "device"

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
	if len(sealed) < vault.WrappedLen {
		return "", vault.ErrNotOpened
	}
	key, err := keyring.OpenDataKey(deviceKey, sealed[:vault.WrappedLen])
	if err != nil {
		return "", err
	}
	token, err := key.Open(sealed[vault.WrappedLen:], vault.AD(deviceKey, "", "token"))
	return string(token), err
}

// DeviceID is a hash of a device token, under which the device is kept.
func DeviceID(token string) string { return digestOf(token) }

// DropDevice ends pushes to a phone of the actor.
func (s *Service) DropDevice(ctx context.Context, actor casefile.Actor, id string) error {
	return s.Accounts.DropDevice(ctx, id, actor.Person)
}
