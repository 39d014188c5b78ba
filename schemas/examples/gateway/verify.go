package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// fresh is how far the time of a signature may be off. A request that is sent
// again within it does nothing new: it has the same id.
const fresh = 5 * time.Minute

// verifier checks that a request is the server's (RFC 9421): it takes the one
// form of signature that the server makes and no other.
type verifier struct {
	keys      map[string]ed25519.PublicKey // by key id
	authority string
	now       func() time.Time
}

// inputPattern is the whole of Signature-Input, of which the part behind the
// label is the last line of what was signed.
var inputPattern = regexp.MustCompile(
	`^gridwatch=(\("@method" "@authority" "@path" "content-type" "content-digest"\);created=([0-9]{1,12});keyid="([0-9a-f]{8})";alg="ed25519";tag="gridwatch-contact")$`)

var errUnsigned = errors.New("the request is not signed by the server")

// verify checks signature, age and body of a request.
func (v verifier) verify(r *http.Request, body []byte) error {
	for _, name := range []string{"Content-Type", "Content-Digest", "Signature-Input", "Signature"} {
		if len(r.Header.Values(name)) != 1 {
			return errUnsigned
		}
	}
	input := inputPattern.FindStringSubmatch(r.Header.Get("Signature-Input"))
	if input == nil {
		return errUnsigned
	}
	created, err := strconv.ParseInt(input[2], 10, 64)
	if off := v.now().Sub(time.Unix(created, 0)); err != nil || off > fresh || off < -fresh {
		return errUnsigned
	}
	sum := sha256.Sum256(body)
	if r.Header.Get("Content-Digest") != "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":" {
		return errUnsigned
	}
	authority := v.authority
	if authority == "" {
		authority = r.Host
	}
	base := `"@method": ` + r.Method + "\n" +
		`"@authority": ` + strings.ToLower(authority) + "\n" +
		`"@path": ` + r.URL.EscapedPath() + "\n" +
		`"content-type": ` + r.Header.Get("Content-Type") + "\n" +
		`"content-digest": ` + r.Header.Get("Content-Digest") + "\n" +
		`"@signature-params": ` + input[1]
	encoded, ok := strings.CutPrefix(r.Header.Get("Signature"), "gridwatch=:")
	signature, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSuffix(encoded, ":"))
	key := v.keys[input[3]]
	if !ok || err != nil || len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, []byte(base), signature) {
		return errUnsigned
	}
	return nil
}
