package app

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/tink-crypto/tink-go-hcvault/v2/integration/hcvault"
	"github.com/tink-crypto/tink-go/v2/core/registry"
	"github.com/tink-crypto/tink-go/v2/tink"

	"gridwatch/server/config"
	"gridwatch/server/vault"
)

const (
	keysEvery = 2 * time.Second  // a changed keyring file is taken up
	kmsWait   = 10 * time.Second // for one answer of a KMS
)

// keyStore is where the keyring lies: a file, which a KMS may have sealed.
type keyStore struct {
	path string
	uri  string // of the key at the KMS; "" for a file in clear
	kms  func() (tink.AEAD, error)
}

func newKeyStore(cfg config.Config) keyStore {
	return keyStore{path: cfg.Keyring, uri: cfg.KeyringKMS, kms: func() (tink.AEAD, error) { return sealer(cfg) }}
}

// at is the same for another file.
func (k keyStore) at(path string) keyStore {
	k.path = path
	return k
}

// sealer returns the key of the KMS that the settings name.
func sealer(cfg config.Config) (tink.AEAD, error) {
	client, err := kmsClient(cfg)
	if err != nil {
		return nil, fmt.Errorf("GRID_KEYRING_KMS: %w", err)
	}
	aead, err := client.GetAEAD(cfg.KeyringKMS)
	if err != nil {
		return nil, errors.New("GRID_KEYRING_KMS is not of the form hcvault://HOST:PORT/MOUNT/keys/NAME")
	}
	return aead, nil
}

// kmsClient returns Tink's client of the KMS that the URI's scheme names.
func kmsClient(cfg config.Config) (registry.KMSClient, error) {
	u, err := url.Parse(cfg.KeyringKMS)
	if err != nil || u.Scheme != "hcvault" || u.Host == "" {
		return nil, errors.New("the one KMS known is Vault's transit engine: hcvault://HOST:PORT/MOUNT/keys/NAME")
	}
	trusted := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.KeyringKMSCA != "" {
		pem, err := os.ReadFile(cfg.KeyringKMSCA)
		if err != nil {
			return nil, err
		}
		trusted.RootCAs = x509.NewCertPool()
		if !trusted.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("GRID_KEYRING_KMS_CA holds no certificate")
		}
	}
	// api.DefaultConfig would read VAULT_ variables of the environment.
	client, err := api.NewClient(&api.Config{
		Address: "https://" + u.Host, Timeout: kmsWait,
		HttpClient: &http.Client{Transport: &http.Transport{TLSClientConfig: trusted, DisableKeepAlives: true}},
	})
	if err != nil {
		return nil, err
	}
	client.SetToken(cfg.KeyringKMSToken.Reveal())
	return hcvault.NewClientWithAEADOptions("hcvault://"+u.Host, client.Logical())
}

// sealedFile is a keyring file that a KMS sealed. The associated data says what
// it is, so that nothing else sealed by the same key passes for it.
type sealedFile struct {
	Version int    `json:"v"`
	KMS     string `json:"kms"` // path of the key, for whoever looks at the file
	Sealed  []byte `json:"sealed"`
}

func keyringAD() []byte { return []byte("gridwatch/keyring/1") }

// open returns a keyring file in clear. Its errors are one line and hold no key.
func (k keyStore) open(file []byte) ([]byte, error) {
	var sealed sealedFile
	isSealed := json.Unmarshal(file, &sealed) == nil && len(sealed.Sealed) > 0
	switch {
	case k.uri == "" && isSealed:
		return nil, errors.New("the keyring file is sealed by a KMS: set GRID_KEYRING_KMS")
	case k.uri == "":
		return file, nil
	case !isSealed:
		return nil, errors.New("the keyring file is not sealed by a KMS: server keys init seals it, or unset GRID_KEYRING_KMS")
	}
	aead, err := k.kms()
	if err != nil {
		return nil, err
	}
	plain, err := aead.Decrypt(sealed.Sealed, keyringAD())
	if err != nil {
		return nil, kmsError("open", err)
	}
	return plain, nil
}

// kmsError says in one line what became of a request to a KMS.
func kmsError(doing string, err error) error {
	var refused *api.ResponseError
	if errors.As(err, &refused) {
		return fmt.Errorf("the KMS of GRID_KEYRING_KMS does not %s the keyring: it answers %d; is the key the one that sealed it, and the token in force?", doing, refused.StatusCode)
	}
	var unreached *url.Error
	if errors.As(err, &unreached) {
		return fmt.Errorf("the KMS of GRID_KEYRING_KMS cannot be reached: %w", unreached.Err)
	}
	return fmt.Errorf("the KMS of GRID_KEYRING_KMS does not %s the keyring", doing)
}

// read returns the keyring file in clear.
func (k keyStore) read() ([]byte, error) {
	file, err := vault.ReadFile(k.path)
	if err != nil {
		return nil, err
	}
	return k.open(file)
}

// load reads the keyring.
func (k keyStore) load() (*vault.Keyring, error) {
	file, err := k.read()
	if err != nil {
		return nil, err
	}
	return vault.Parse(file)
}

// write puts a keyring file in its place: who reads sees the old or the new one.
func (k keyStore) write(clear []byte) error {
	file := clear
	if k.uri != "" {
		aead, err := k.kms()
		if err != nil {
			return err
		}
		sealed, err := aead.Encrypt(clear, keyringAD())
		if err != nil {
			return kmsError("seal", err)
		}
		u, err := url.Parse(k.uri)
		if err != nil {
			return err
		}
		if file, err = json.MarshalIndent(sealedFile{Version: 1, KMS: u.Path, Sealed: sealed}, "", "  "); err != nil {
			return err
		}
	}
	return replaceFile(k.path, file)
}

// locked has the folder of the file to itself: of two commands that read the
// file and write it anew the second sees what the first wrote.
func (k keyStore) locked(do func() error) error {
	dir, err := os.Open(filepath.Dir(k.path))
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }() // ends the lock
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock the folder of the keyring: %w", err)
	}
	return do()
}

// change writes the file anew with what turn makes of it as it is now.
func (k keyStore) change(turn func(file []byte) ([]byte, error)) error {
	return k.locked(func() error {
		file, err := k.read()
		if err != nil {
			return err
		}
		fresh, err := turn(file)
		if err != nil || bytes.Equal(file, fresh) {
			return err
		}
		return k.write(fresh)
	})
}

// newFile writes a file that only its owner can read; one that is there is an
// os.ErrExist.
func newFile(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// replaceFile writes a file anew, durably: whoever reads it sees the old or the
// new one. What a killed writer left is written over.
func replaceFile(path string, text []byte) error {
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := newFile(fresh, text); err != nil {
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// keyFile is the keyring of a process, and the file as it was last read.
type keyFile struct {
	keyStore

	keyring *vault.Keyring
	file    []byte // sealed or not
}

func openKeyFile(at keyStore) (*keyFile, error) {
	file, err := vault.ReadFile(at.path)
	if err != nil {
		return nil, err
	}
	plain, err := at.open(file)
	if err != nil {
		return nil, err
	}
	keyring, err := vault.Parse(plain)
	return &keyFile{keyStore: at, keyring: keyring, file: file}, err
}

// refresh takes the file up if it changed. If it cannot be read the keys stay
// as they are.
func (k *keyFile) refresh(ctx context.Context, log *slog.Logger) {
	fresh, err := vault.ReadFile(k.path)
	if err == nil && bytes.Equal(fresh, k.file) {
		return
	}
	var plain []byte
	if err == nil {
		plain, err = k.open(fresh)
	}
	var keyring *vault.Keyring
	if err == nil {
		keyring, err = vault.Parse(plain)
	}
	if err != nil {
		log.LogAttrs(ctx, slog.LevelError, "the keyring file changed and cannot be taken up", slog.String("error", err.Error()))
		return
	}
	k.keyring.Replace(keyring)
	k.file = fresh
	log.LogAttrs(ctx, slog.LevelInfo, "the keyring file was taken up")
}
