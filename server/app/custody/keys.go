package custody

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"gridwatch/server/vault"
)

// keygen makes an officer's key and prints the half that the server is given.
func keygen(_ context.Context, o options, env Env) error {
	if err := need(map[string]string{"ring": o.ring, "label": o.label, "out": o.out}); err != nil {
		return err
	}
	key, err := vault.NewOfficerKey(vault.Ring(strings.ToLower(o.ring)), o.label, env.Random)
	if err != nil {
		return err
	}
	passphrase, err := secretFrom(o.passphraseIn)
	if err != nil {
		return err
	}
	if passphrase == "" {
		if _, err := fmt.Fprintln(env.Stderr, "warning: without --passphrase-file the key lies in clear in its file"); err != nil {
			return err
		}
	}
	file, err := key.File(passphrase)
	if err != nil {
		return err
	}
	if err := writeNew(o.out, file); err != nil {
		return err
	}
	out := json.NewEncoder(env.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(key.Public())
}

// writeNew writes a secret to a file that is not there yet.
func writeNew(path string, secret []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(secret)
	return errors.Join(err, f.Sync(), f.Close())
}

// onceKey returns the one-time key of a request: that of the file, or a new one
// that is written there before anyone hears of it.
func (o options) onceKey() (*vault.RequestKey, error) {
	key, err := o.readOnce()
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	passphrase, err := secretFrom(o.passphraseIn)
	if err != nil {
		return nil, err
	}
	if key, err = vault.NewRequestKey(); err != nil {
		return nil, err
	}
	file, err := key.File(passphrase)
	if err != nil {
		return nil, err
	}
	return key, writeNew(o.once, file)
}

func (o options) readOnce() (*vault.RequestKey, error) {
	passphrase, err := secretFrom(o.passphraseIn)
	if err != nil {
		return nil, err
	}
	file, err := os.ReadFile(o.once)
	if err != nil {
		return nil, err
	}
	return vault.ParseRequestKey(file, passphrase)
}
