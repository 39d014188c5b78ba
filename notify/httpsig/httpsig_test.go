package httpsig_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"gridwatch/notify/httpsig"
)

// vectorKey is test-key-ed25519 (RFC 9421 B.1.4), which signs nothing but the
// RFC's own example.
func vectorKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	der, err := base64.StdEncoding.DecodeString("MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF")
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		t.Fatal(err)
	}
	return key.(ed25519.PrivateKey)
}

// vector is test-request (RFC 9421 B.2).
func vector(t *testing.T) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://example.com/foo?param=Value&Pet=dog", strings.NewReader(`{"hello": "world"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Date", "Tue, 20 Apr 2021 02:07:55 GMT")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Content-Length", "18")
	return req
}

// TestVectorOfTheRFC is RFC 9421 B.2.6, "Signing a Request Using ed25519".
func TestVectorOfTheRFC(t *testing.T) {
	t.Parallel()
	req := vector(t)
	components := []string{"date", "@method", "@path", "@authority", "content-type", "content-length"}
	err := httpsig.Sign(req, "sig-b26", components, httpsig.Params{Created: time.Unix(1618884473, 0), KeyID: "test-key-ed25519"}, vectorKey(t))
	if err != nil {
		t.Fatal(err)
	}
	const (
		input     = `sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"`
		signature = `sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:`
	)
	if got := req.Header.Get("Signature-Input"); got != input {
		t.Errorf("got %s, want %s", got, input)
	}
	if got := req.Header.Get("Signature"); got != signature {
		t.Errorf("got %s, want %s", got, signature)
	}
	base, err := httpsig.Base(req, components, strings.TrimPrefix(input, "sig-b26="))
	want := `"date": Tue, 20 Apr 2021 02:07:55 GMT
"@method": POST
"@path": /foo
"@authority": example.com
"content-type": application/json
"content-length": 18
"@signature-params": ("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"`
	if err != nil || base != want {
		t.Errorf("got %v and the base\n%s\nwant\n%s", err, base, want)
	}
}

// TestContentDigest is the example of RFC 9530 (appendix B.1) and of RFC 9421 B.2.
func TestContentDigest(t *testing.T) {
	t.Parallel()
	if got := httpsig.ContentDigest([]byte(`{"hello": "world"}`)); got != "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:" {
		t.Errorf("got %s", got)
	}
}

func TestParameters(t *testing.T) {
	t.Parallel()
	req := vector(t)
	p := httpsig.Params{
		Created: time.Unix(1, 0), Expires: time.Unix(2, 0), Nonce: " ~", KeyID: `a"\b`, Alg: "ed25519", Tag: "app",
	}
	if err := httpsig.Sign(req, "s", []string{"@query"}, p, vectorKey(t)); err != nil {
		t.Fatal(err)
	}
	if got, want := req.Header.Get("Signature-Input"), `s=("@query");created=1;expires=2;nonce=" ~";keyid="a\"\\b";alg="ed25519";tag="app"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for input, want := range map[string]string{
		"https://Example.COM:443": `"@authority": example.com`, "http://example.com:80/": `"@authority": example.com`,
		"https://example.com:8443/": `"@authority": example.com:8443`,
	} {
		other, err := http.NewRequestWithContext(t.Context(), http.MethodGet, input, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		got, err := httpsig.Base(other, []string{"@authority", "@path", "@query"}, "()")
		if err != nil || got != want+"\n\"@path\": /\n\"@query\": ?\n\"@signature-params\": ()" {
			t.Errorf("%s: got %q, %v", input, got, err)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	double := vector(t)
	double.Header.Add("Date", "another")
	for name, tt := range map[string]struct {
		req       *http.Request
		component string
		keyID     string
	}{
		"a field that is not there":   {vector(t), "content-digest", "k"},
		"a field in capitals":         {vector(t), "Date", "k"},
		"a field that is there twice": {double, "date", "k"},
		"an unknown component":        {vector(t), "@status", "k"},
		"a key id with a line feed":   {vector(t), "date", "k\nk"},
		"a key id beyond ASCII":       {vector(t), "date", "ключ"},
		"a key id with a DEL":         {vector(t), "date", "k\x7f"},
	} {
		err := httpsig.Sign(tt.req, "s", []string{tt.component}, httpsig.Params{KeyID: tt.keyID}, vectorKey(t))
		if err == nil || tt.req.Header.Get("Signature") != "" {
			t.Errorf("%s: got %v and a signature %q", name, err, tt.req.Header.Get("Signature"))
		}
	}
}
