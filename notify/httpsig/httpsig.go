// Package httpsig signs HTTP requests: the part of HTTP Message Signatures
// (RFC 9421) that a sender with an Ed25519 key needs, and the Content-Digest
// (RFC 9530) that brings the body under the signature.
//
// It covers fields that occur once and the components @method, @authority,
// @path and @query of a request, without parameters of components. Verifying is
// the receiver's: schemas/examples/gateway has all of it that this profile asks
// for.
package httpsig

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Params are the signature parameters (RFC 9421 2.3). Empty ones are left out;
// the others are written in this order.
type Params struct {
	Created time.Time // whole seconds
	Expires time.Time
	Nonce   string
	KeyID   string
	Alg     string // "ed25519" (3.3.6)
	Tag     string // of the application
}

// ContentDigest returns the field Content-Digest of a body, by SHA-256.
func ContentDigest(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// Sign signs the components of a request and adds Signature-Input and Signature
// under a label. It returns an error that names a component the request has not,
// or has more than once.
func Sign(req *http.Request, label string, components []string, p Params, key ed25519.PrivateKey) error {
	input, err := p.input(components)
	if err != nil {
		return err
	}
	base, err := Base(req, components, input)
	if err != nil {
		return err
	}
	req.Header.Set("Signature-Input", label+"="+input)
	req.Header.Set("Signature", label+"=:"+base64.StdEncoding.EncodeToString(ed25519.Sign(key, []byte(base)))+":")
	return nil
}

// input is the value of @signature-params: an inner list with parameters
// (RFC 8941 3.1.1).
func (p Params) input(components []string) (string, error) {
	var b strings.Builder
	b.WriteByte('(')
	for i, c := range components {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(quoted(c))
	}
	b.WriteByte(')')
	for _, t := range []struct {
		name string
		at   time.Time
	}{{"created", p.Created}, {"expires", p.Expires}} {
		if !t.at.IsZero() {
			b.WriteString(";" + t.name + "=" + strconv.FormatInt(t.at.Unix(), 10))
		}
	}
	for _, s := range []struct{ name, value string }{{"nonce", p.Nonce}, {"keyid", p.KeyID}, {"alg", p.Alg}, {"tag", p.Tag}} {
		if strings.ContainsFunc(s.value, func(r rune) bool { return r < ' ' || r > '~' }) {
			return "", fmt.Errorf("httpsig: the parameter %s is printable ASCII", s.name)
		}
		if s.value != "" {
			b.WriteString(";" + s.name + "=" + quoted(s.value))
		}
	}
	return b.String(), nil
}

// quoted is a string of structured fields (RFC 8941 3.3.3).
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// Base returns the signature base of a request (RFC 9421 2.5); input is the
// value of @signature-params.
func Base(req *http.Request, components []string, input string) (string, error) {
	var b strings.Builder
	for _, c := range components {
		value, err := component(req, c)
		if err != nil {
			return "", err
		}
		b.WriteString(quoted(c) + ": " + value + "\n")
	}
	b.WriteString(`"@signature-params": ` + input)
	return b.String(), nil
}

// component returns the value of a component (RFC 9421 2.1, 2.2).
func component(req *http.Request, name string) (string, error) {
	switch name {
	case "@method":
		return req.Method, nil
	case "@authority":
		return authority(req), nil
	case "@path":
		if path := req.URL.EscapedPath(); path != "" {
			return path, nil
		}
		return "/", nil
	case "@query":
		return "?" + req.URL.RawQuery, nil
	}
	values := req.Header.Values(name)
	if name != strings.ToLower(name) || strings.HasPrefix(name, "@") || len(values) != 1 {
		return "", fmt.Errorf("httpsig: the request has not exactly one %q", name)
	}
	return strings.TrimSpace(values[0]), nil
}

// authority is the host in lower case, without the port that the scheme implies
// (RFC 9421 2.2.3).
func authority(req *http.Request) string {
	host := strings.ToLower(req.Host)
	switch req.URL.Scheme {
	case "http":
		return strings.TrimSuffix(host, ":80")
	case "https":
		return strings.TrimSuffix(host, ":443")
	}
	return host
}
