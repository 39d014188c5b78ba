// Package gateway hands sealed contacts to a dialling or SMS gateway over HTTP.
//
// What is handed over opens by the gateway's own key only: no number and no
// address passes through here in clear. Each request is signed (RFC 9421, with
// the body under the signature by RFC 9530), so that the gateway knows who asks.
// testdata/request.http is one as it goes over the wire. Of the answer one word
// is taken; a gateway may be asked again with the same id and calls once.
package gateway

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"gridwatch/notify/httpsig"
)

// Label and Tag name the signature and what it is for.
const (
	Label = "gridwatch"
	Tag   = "gridwatch-contact"
)

// timeout bounds one request; maxAnswer what is read of its answer, in bytes.
const (
	timeout   = 8 * time.Second
	maxAnswer = 4 << 10
)

// Components are what the signature covers, in this order.
func Components() []string {
	return []string{"@method", "@authority", "@path", "content-type", "content-digest"}
}

// Request is the body of a request.
type Request struct {
	ID      string `json:"id"`      // of the use; the sealed contact holds it too
	Purpose string `json:"purpose"` // call_back or notice; says which fixed text is sent
	Contact []byte `json:"contact"` // age, to the gateway's recipient
}

// Answer is the body of an answer with status 200. With 202 the gateway says
// that it is at work: it is asked again later.
type Answer struct {
	ID     string `json:"id"`
	Result Result `json:"result"`
}

// Result is all that a gateway says.
type Result string

// The results. A contact that holds no address is delivered like any other.
const (
	Delivered Result = "delivered"
	Failed    Result = "failed" // the gateway cannot open it or cannot send
)

// ErrAtWork means that the gateway has taken the request and not finished it.
var ErrAtWork = errors.New("gateway: at work")

// Config is what a Client needs.
type Config struct {
	URL  string                              // http or https, with a path
	Key  func() (string, ed25519.PrivateKey) // id and key in force
	Now  func() time.Time
	HTTP *http.Client // nil for one of its own
}

// Client asks one gateway. It may be used by several goroutines.
type Client struct{ cfg Config }

// New returns a Client. It follows no redirect: what is signed is for one place.
func New(cfg Config) *Client {
	own := http.Client{Transport: &http.Transport{}}
	if cfg.HTTP != nil {
		own = *cfg.HTTP
	}
	own.Timeout = timeout
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	cfg.HTTP = &own
	return &Client{cfg: cfg}
}

// Close lets go of idle connections.
func (c *Client) Close() { c.cfg.HTTP.CloseIdleConnections() }

// Deliver hands a contact over and returns the gateway's answer. An error means
// that there is none: ErrAtWork, or that the gateway was not reached or said
// something else. The error holds nothing of what the gateway said.
func (c *Client) Deliver(ctx context.Context, r Request) (Result, error) {
	req, err := c.signed(ctx, r)
	if err != nil {
		return "", err
	}
	res, err := c.cfg.HTTP.Do(req)
	if err != nil {
		return "", fmt.Errorf("gateway: not reached: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch {
	case err != nil:
		return "", fmt.Errorf("gateway: the answer broke off: %w", err)
	case res.StatusCode == http.StatusAccepted:
		return "", ErrAtWork
	case res.StatusCode != http.StatusOK:
		return "", fmt.Errorf("gateway: answered %d", res.StatusCode)
	}
	var a Answer
	if json.Unmarshal(text, &a) != nil || a.ID != r.ID || (a.Result != Delivered && a.Result != Failed) {
		return "", errors.New("gateway: the answer is not one to this request")
	}
	return a.Result, nil
}

// signed makes the request.
func (c *Client) signed(ctx context.Context, r Request) (*http.Request, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, errors.New("gateway: the request cannot be written")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("gateway: its address is none")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Content-Digest", httpsig.ContentDigest(body))
	req.Header.Set("User-Agent", "gridwatch")
	id, key := c.cfg.Key()
	p := httpsig.Params{Created: c.cfg.Now(), KeyID: id, Alg: "ed25519", Tag: Tag}
	return req, httpsig.Sign(req, Label, Components(), p, key)
}
