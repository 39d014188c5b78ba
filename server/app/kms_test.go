package app_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"

	"gridwatch/server/app"
	"gridwatch/server/vault"
)

// transit speaks what Vault's transit engine does over HTTP, with keys by name.
type transit struct {
	*httptest.Server

	keys map[string]*subtle.AESGCM
}

const kmsToken = "canary-kms-token"

func newTransit(t *testing.T, names ...string) *transit {
	t.Helper()
	s := &transit{keys: map[string]*subtle.AESGCM{}}
	for _, name := range names {
		raw := make([]byte, 32)
		_, _ = rand.Read(raw)
		key, err := subtle.NewAESGCM(raw)
		if err != nil {
			t.Fatal(err)
		}
		s.keys[name] = key
	}
	s.Server = httptest.NewTLSServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP answers POST or PUT /v1/transit/{encrypt,decrypt}/NAME.
func (s *transit) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, text string) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string][]string{"errors": {text}})
	}
	part := strings.Split(strings.TrimPrefix(r.URL.Path, "/v1/transit/"), "/")
	if r.Header.Get("X-Vault-Token") != kmsToken {
		refuse(http.StatusForbidden, "permission denied")
		return
	}
	if len(part) != 2 || s.keys[part[1]] == nil {
		refuse(http.StatusBadRequest, "encryption key not found")
		return
	}
	var in struct {
		Plaintext  []byte `json:"plaintext"`
		Ciphertext string `json:"ciphertext"`
		AD         []byte `json:"associated_data"` //nolint:tagliatelle // the protocol's own name
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil {
		refuse(http.StatusBadRequest, "not JSON")
		return
	}
	if part[0] == "encrypt" {
		sealed, err := s.keys[part[1]].Encrypt(in.Plaintext, in.AD)
		if err != nil {
			refuse(http.StatusInternalServerError, "encrypt")
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"ciphertext": "vault:v1:" + base64.StdEncoding.EncodeToString(sealed)}})
		return
	}
	sealed, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(in.Ciphertext, "vault:v1:"))
	plain, err := s.keys[part[1]].Decrypt(sealed, in.AD)
	if err != nil {
		refuse(http.StatusBadRequest, "invalid ciphertext: unable to decrypt")
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"plaintext": plain}})
}

// settings are those of a program whose keyring the KMS seals.
func (s *transit) settings(t *testing.T, keyring, key string) []string {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{
		"GRID_KEYRING=" + keyring, "GRID_KEYRING_KMS=hcvault://" + strings.TrimPrefix(s.URL, "https://") + "/transit/keys/" + key,
		"GRID_KEYRING_KMS_TOKEN=" + kmsToken, "GRID_KEYRING_KMS_CA=" + ca,
	}
}

func commanded(t *testing.T, settings []string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := app.Command(t.Context(), args, settings, app.System{
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Now: time.Now, Random: rand.Reader,
	})
	return out.String(), err
}

// TestKeyringSealedByAKMS makes, seals, completes and rotates a keyring that
// only a KMS opens, and tells in one line each what is wrong.
func TestKeyringSealedByAKMS(t *testing.T) {
	t.Parallel()
	kms := newTransit(t, "gridwatch", "other")
	path := filepath.Join(t.TempDir(), "keyring.json")
	sealed := kms.settings(t, path, "gridwatch")
	clear := []string{"GRID_KEYRING=" + path}
	does := func(settings []string, args ...string) {
		t.Helper()
		if said, err := commanded(t, settings, args...); err != nil {
			t.Fatalf("%v: %s %v", args, said, err)
		}
	}
	read := func() []byte {
		t.Helper()
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	does(clear, "keys", "init", path)
	was := read()
	does(sealed, "keys", "init", path) // seals what was in clear
	is := read()
	if _, err := vault.Parse(is); err == nil || bytes.Contains(is, []byte("at_rest")) || bytes.Equal(was, is) {
		t.Fatalf("the file is not sealed: %s", is)
	}
	does(sealed, "keys", "init", path)
	if !bytes.Equal(is, read()) {
		t.Error("a keyring that lacks nothing was written again")
	}
	for _, step := range []string{"add", "use"} {
		does(sealed, "keys", "rotate", "--purpose", "session", "--step", step)
	}
	if bytes.Equal(is, read()) || bytes.Contains(read(), []byte("session")) {
		t.Error("the rotated file is the old one, or in clear")
	}

	says := func(want string, settings ...string) {
		t.Helper()
		_, err := commanded(t, settings, "keys", "rotate", "--purpose", "session", "--step", "add")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "canary") {
			t.Errorf("got %q, want one line with %q", err, want)
		}
	}
	says("sealed by a KMS: set GRID_KEYRING_KMS", clear...)
	says("does not open the keyring: it answers 400", kms.settings(t, path, "other")...)
	says("does not open the keyring: it answers 400", kms.settings(t, path, "missing")...)
	says("it answers 403", with(sealed, "GRID_KEYRING_KMS_TOKEN=canary-wrong")...)
	says("hcvault://HOST:PORT", with(sealed, "GRID_KEYRING_KMS=aws-kms://arn/key")...)
	says("is not of the form", with(sealed, strings.Replace(sealed[1], "/keys/", "/", 1))...)
	says("is a URI such as", with(sealed, "GRID_KEYRING_KMS=canary")...)
	says("cannot be reached", with(sealed, "GRID_KEYRING_KMS_CA="+foreign(t))...)
	kms.CloseClientConnections()
	kms.Close()
	says("cannot be reached", sealed...)
}

// foreign is the file of another authority's certificate.
func foreign(t *testing.T) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	card := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true}
	raw, err := x509.CreateCertificate(rand.Reader, card, card, public, private)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "foreign.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
