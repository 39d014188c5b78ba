// Command seal is an example of a client that seals who reports before anything
// leaves the machine: it verifies the list of keys by the root whose fingerprint
// a public notice gives, seals name and phone number to the tenant's two rings,
// and sends the report, with a proof of work if the server is busy and asks for
// one. It needs age and the standard library, nothing of ours.
//
//	go run ./schemas/examples/seal -server http://127.0.0.1:8080 -tenant yushu \
//	  -root "FINGERPRINT" -name NAME -phone NUMBER -text "gas bottles beside a stove"
package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"filippo.io/age"
)

// Sizes that a compartment is padded to, in bytes, so that a dummy looks the same.
const (
	identitySize = 2 << 10
	contactSize  = 1 << 10
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // nothing is left to stop
	}
}

func run(ctx context.Context) error {
	server := flag.String("server", "http://127.0.0.1:8080", "address of the server")
	tenant := flag.String("tenant", "", "id of the tenant")
	root := flag.String("root", "", "fingerprint of the tenant's root, from a public notice")
	name := flag.String("name", "", "name of the reporter")
	phone := flag.String("phone", "", "phone number of the reporter")
	text := flag.String("text", "", "what is reported")
	flag.Parse()
	base := *server + "/v1/public/" + *tenant
	keys, err := fetchKeys(ctx, base, *tenant, *root)
	if err != nil {
		return err
	}

	binding := hex.EncodeToString(random()) // stands in the report and in both compartments
	identity, inner, err := keys.seal(map[string]string{"name": *name, "relation": "none", "binding": binding})
	if err != nil {
		return err
	}
	padded, err := pad(map[string]string{"kind": "phone", "value": *phone, "binding": binding}, contactSize)
	if err != nil {
		return err
	}
	contact, err := encrypt(padded, keys.A.Recipient)
	if err != nil {
		return err
	}
	report, err := json.Marshal(map[string]any{
		"mode": "real_name", "narrative": *text, "targetText": *text,
		"allegations": []map[string]string{{"matter": "illegal_act", "text": *text}},
		"sealed":      map[string]any{"innerDigest": inner, "binding": binding, "rings": keys.Version},
	})
	if err != nil {
		return err
	}
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	for _, p := range []struct {
		name, media string
		body        []byte
	}{{"report", "application/json", report}, {"identity", "application/octet-stream", identity}, {"contact", "application/octet-stream", contact}} {
		w, err := parts.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {fmt.Sprintf("form-data; name=%q", p.name)}, "Content-Type": {p.media},
		})
		if err == nil {
			_, err = w.Write(p.body)
		}
		if err != nil {
			return err
		}
	}
	if err := parts.Close(); err != nil {
		return err
	}
	var answer struct{ Number, Code string }
	header := http.Header{"Content-Type": {parts.FormDataContentType()}, "Idempotency-Key": {hex.EncodeToString(random())}}
	if err := do(ctx, http.MethodPost, base+"/reports", header, form.Bytes(), &answer); err != nil {
		return err
	}
	_, err = fmt.Printf("registered as %s; note the receipt code, it is shown once: %s\n", answer.Number, answer.Code)
	return err
}

// keyList is what the tenant's root signed.
type keyList struct {
	Tenant  string  `json:"tenant"`
	Version int     `json:"version"`
	A       ringKey `json:"a"`
	B       ringKey `json:"b"`
}

type ringKey struct {
	Recipient string `json:"recipient"`
}

// fetchKeys reads the list of keys, and refuses one that the pinned root did
// not sign for the tenant.
func fetchKeys(ctx context.Context, base, tenant, fingerprint string) (keyList, error) {
	var public struct {
		Rings struct {
			List            string
			Signature, Root []byte
		}
	}
	var keys keyList
	if err := do(ctx, http.MethodGet, base, nil, nil, &public); err != nil {
		return keys, err
	}
	sum := sha256.Sum256(public.Rings.Root)
	if len(public.Rings.Root) != ed25519.PublicKeySize || !strings.EqualFold(strings.ReplaceAll(fingerprint, " ", ""), hex.EncodeToString(sum[:])) {
		return keys, errors.New("the server shows another root than the public notice: do not report here")
	}
	if !ed25519.Verify(public.Rings.Root, []byte("gridwatch/keylist/1\n"+public.Rings.List), public.Rings.Signature) {
		return keys, errors.New("the list of keys is not signed by the root: do not report here")
	}
	if err := json.Unmarshal([]byte(public.Rings.List), &keys); err != nil || keys.Tenant != tenant {
		return keys, errors.New("the list of keys is not this tenant's: do not report here")
	}
	return keys, nil
}

// seal returns age(ring B, age(ring A, padded identity)) and the digest of the
// inner file, by which an exchanged envelope is noticed.
func (k keyList) seal(identity map[string]string) ([]byte, string, error) {
	padded, err := pad(identity, identitySize)
	if err != nil {
		return nil, "", err
	}
	inner, err := encrypt(padded, k.A.Recipient)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(inner)
	outer, err := encrypt(inner, k.B.Recipient)
	return outer, hex.EncodeToString(sum[:]), err
}

// pad returns the length of the JSON in four bytes, the JSON, and zeros.
func pad(v any, size int) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil || len(text)+4 > size {
		return nil, errors.New("name or phone number is too long")
	}
	out := binary.BigEndian.AppendUint32(nil, uint32(len(text))) //nolint:gosec // at most 2 KiB
	out = append(out, text...)
	return append(out, make([]byte, size-len(out))...), nil
}

func encrypt(plain []byte, recipient string) ([]byte, error) {
	to, err := age.ParseHybridRecipient(recipient) // age1pq1...: classic keys are refused
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(plain)
	err = errors.Join(err, w.Close())
	return out.Bytes(), err
}

func random() []byte {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return b
}

// do sends a request. A busy server asks once for a proof of work.
func do(ctx context.Context, method, url string, header http.Header, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if header == nil {
		header = http.Header{}
	}
	for {
		req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header = header
		res, err := new(http.Client).Do(req)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		if err := errors.Join(err, res.Body.Close()); err != nil {
			return err
		}
		if res.StatusCode < http.StatusBadRequest {
			return json.Unmarshal(text, into)
		}
		var problem struct {
			Challenge *challenge `json:"challenge"`
		}
		if json.Unmarshal(text, &problem) != nil || problem.Challenge == nil || header.Get("Proof-Of-Work") != "" {
			return fmt.Errorf("%s: %s", res.Status, text)
		}
		solved, err := problem.Challenge.solve()
		if err != nil {
			return err
		}
		header.Set("Proof-Of-Work", solved)
	}
}

// challenge is a proof of work as ALTCHA has it.
type challenge struct {
	Algorithm string `json:"algorithm"`
	Challenge string `json:"challenge"`
	Number    int    `json:"number"`
	Salt      string `json:"salt"`
	Signature string `json:"signature"`
}

// solve finds the number that gives the challenge when it is hashed behind the
// salt.
func (c challenge) solve() (string, error) {
	for ; c.Number <= 10_000_000; c.Number++ {
		sum := sha256.Sum256([]byte(c.Salt + strconv.Itoa(c.Number)))
		if hex.EncodeToString(sum[:]) == c.Challenge {
			text, err := json.Marshal(c)
			return base64.StdEncoding.EncodeToString(text), err
		}
	}
	return "", errors.New("the server asks for work that cannot be done")
}
