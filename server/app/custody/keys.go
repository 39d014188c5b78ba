package custody

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"gridwatch/server/vault"
)

// keygen makes an officer's key and prints the half that others are given.
func keygen(_ context.Context, o options, env Env) error {
	_, err := newKey(o, o.label, env)
	return err
}

func newKey(o options, label string, env Env) (vault.OfficerPublic, error) {
	key, err := vault.NewOfficerKey(vault.Ring(strings.ToLower(o.ring)), label, env.Random)
	if err != nil {
		return vault.OfficerPublic{}, err
	}
	if err := o.keepKey(key.File, env); err != nil {
		return vault.OfficerPublic{}, err
	}
	return key.Public(), printJSON(env.Stdout, key.Public())
}

// rootKeygen makes the tenant's root.
func rootKeygen(_ context.Context, o options, env Env) error {
	key, err := vault.NewRootKey(env.Random)
	if err != nil {
		return err
	}
	if err := o.keepKey(key.File, env); err != nil {
		return err
	}
	return printJSON(env.Stdout, map[string]any{"root": key.Public(), "fingerprint": vault.Fingerprint(key.Public())})
}

// rootSign signs a list of keys after saying what stands in it.
func rootSign(_ context.Context, o options, env Env) error {
	file, passphrase, err := o.keyFileText()
	if err != nil {
		return err
	}
	key, err := vault.ParseRootKey(file, passphrase)
	if err != nil {
		return err
	}
	var list vault.KeyList
	if err := readJSON(o.list, &list); err != nil {
		return err
	}
	signed, err := key.Sign(list)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.Stdout, "List %d of %s, signed by the root %s\n", list.Version, printable(list.Tenant), vault.Fingerprint(key.Public()))
	for _, ring := range []vault.Ring{vault.RingA, vault.RingB} {
		p := list.Of(ring)
		_, next := fmt.Fprintf(env.Stdout, "  ring %s: key of version %d, %s, %d officers\n",
			strings.ToUpper(string(ring)), p.Version, vault.Fingerprint([]byte(p.Recipient)), len(p.Officers))
		err = errors.Join(err, next)
	}
	return errors.Join(err, writeJSON(o.out, signed))
}

// keepKey writes a new key to the file of --out.
func (o options) keepKey(file func(passphrase string) ([]byte, error), env Env) error {
	passphrase, err := secretFrom(o.passphraseIn)
	if err != nil {
		return err
	}
	if passphrase == "" {
		if _, err := fmt.Fprintln(env.Stderr, "warning: without --passphrase-file the key lies in clear in its file"); err != nil {
			return err
		}
	}
	text, err := file(passphrase)
	if err != nil {
		return err
	}
	return writeNew(o.out, text)
}

func printJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(v)
}

// writeJSON writes what others are given to a file that is not there yet.
func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return writeNew(path, append(text, '\n'))
}

func readJSON(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if json.Unmarshal(text, v) != nil {
		return fmt.Errorf("%s is not the file that is asked for", path)
	}
	return nil
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
