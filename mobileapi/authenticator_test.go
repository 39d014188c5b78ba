package mobileapi_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

// authenticator is a security key in software: ES256, attestation none.
type authenticator struct {
	key     *ecdsa.PrivateKey
	id      []byte
	counter uint32
}

func newAuthenticator() *authenticator {
	a := &authenticator{key: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), id: make([]byte, 32)}
	_, _ = rand.Read(a.id)
	return a
}

// options is what a page hands to navigator.credentials.
type options struct {
	PublicKey struct {
		Challenge string `json:"challenge"`
		RPID      string `json:"rpId"`
		RP        struct {
			ID string `json:"id"`
		} `json:"rp"`
	} `json:"publicKey"`
}

func encoded(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func clientData(kind, challenge, from string) []byte {
	return must(json.Marshal(map[string]string{"type": kind, "challenge": challenge, "origin": from}))
}

// data is the authenticator data of the specification (WebAuthn 6.1).
func (a *authenticator) data(rp string, flags byte) []byte {
	sum := sha256.Sum256([]byte(rp))
	return binary.BigEndian.AppendUint32(append(sum[:], flags), a.counter)
}

// create answers a registration from a page of an origin.
func (a *authenticator) create(o options, from string) json.RawMessage {
	const present, attested = 0x01, 0x40
	public := must(a.key.PublicKey.Bytes()) // 4, x, y
	data := append(a.data(o.PublicKey.RP.ID, present|attested), make([]byte, 16)...)
	data = append(binary.BigEndian.AppendUint16(data, uint16(len(a.id))), a.id...)
	data = append(data, must(webauthncbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: public[1:33], -3: public[33:]}))...)
	return a.answer(map[string]string{
		"clientDataJSON":    encoded(clientData("webauthn.create", o.PublicKey.Challenge, from)),
		"attestationObject": encoded(must(webauthncbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data}))),
	})
}

// get answers a sign-in from a page of an origin.
func (a *authenticator) get(o options, from string) json.RawMessage {
	a.counter++
	data, client := a.data(o.PublicKey.RPID, 0x01), clientData("webauthn.get", o.PublicKey.Challenge, from)
	sum := sha256.Sum256(client)
	digest := sha256.Sum256(append(append([]byte{}, data...), sum[:]...))
	return a.answer(map[string]string{
		"clientDataJSON": encoded(client), "authenticatorData": encoded(data),
		"signature": encoded(must(ecdsa.SignASN1(rand.Reader, a.key, digest[:]))),
	})
}

func (a *authenticator) answer(response map[string]string) json.RawMessage {
	return must(json.Marshal(map[string]any{"id": encoded(a.id), "rawId": encoded(a.id), "type": "public-key", "response": response}))
}
