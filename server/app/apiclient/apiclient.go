// Package apiclient speaks to a Gridwatch server as its users do: JSON, bearer
// tokens, idempotency keys, problem documents. The custody tool and the
// demonstration use it.
package apiclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"gridwatch/server/web/work"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 20

// Client is one caller. It may be copied to become another one.
type Client struct {
	Base  string // http://host:port, without a path
	HTTP  *http.Client
	Token string // "" asks without credentials
}

// CheckBase refuses a server that would be sent tokens in clear over a network:
// it is https, or http on loopback.
func CheckBase(base string) error {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || strings.Trim(u.Path, "/") != "" {
		return errors.New("a server is given as https://host or http://127.0.0.1:port")
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if u.Scheme == "http" && u.Hostname() != "localhost" && (err != nil || !ip.IsLoopback()) {
		return errors.New("http is for this machine only: another server is reached by https")
	}
	return nil
}

// ProblemError is an answer that refuses (RFC 9457).
type ProblemError struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Errors []struct {
		Field  string `json:"field"`
		Detail string `json:"detail"`
	} `json:"errors"`
	Challenge *work.Challenge `json:"challenge"` // with the code server.prove_work
}

// Error implements error.
func (p *ProblemError) Error() string {
	text := fmt.Sprintf("%d %s: %s", p.Status, p.Code, p.Detail)
	for _, e := range p.Errors {
		text += fmt.Sprintf("; %s %s", e.Field, e.Detail)
	}
	return text
}

// CodeOf returns the code of the ProblemError in err's chain, or "".
func CodeOf(err error) string {
	var p *ProblemError
	if errors.As(err, &p) {
		return p.Code
	}
	return ""
}

// Refused makes sure that err is the refusal with a code.
func Refused(err error, code string) error {
	switch {
	case err == nil:
		return fmt.Errorf("this is to be refused with %s, and was not", code)
	case CodeOf(err) != code:
		return fmt.Errorf("this is to be refused with %s: %w", code, err)
	}
	return nil
}

// Call is one request.
type Call struct {
	Method string
	Path   string
	Key    string // Idempotency-Key of a command
	Body   any    // sent as JSON
	Form   *Form  // sent instead of Body
	Header map[string]string
}

// Answer is what a request was answered with.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// How long a clean copy, or an item's chain, is waited for.
const (
	copyTries = 900
	copyWait  = 200 * time.Millisecond
)

// behind says whether what was asked for follows by itself in a moment.
func behind(err error) bool {
	code := CodeOf(err)
	return code == "evidence.no_copy" || code == "evidence.chain_behind"
}

// Do sends a request and reads the whole answer. An answer of 400 and above is
// a *ProblemError. Out, if not nil, is filled from a JSON answer. A proof of
// work that a busy server asks for is given, once. A clean copy that is still
// being made is waited for.
func (c Client) Do(ctx context.Context, call Call, out any) (Answer, error) {
	answer, err := c.once(ctx, call, "", out)
	for tries := 0; behind(err) && tries < copyTries; tries++ {
		select {
		case <-time.After(copyWait): //nolint:forbidigo // a program that waits for a server
		case <-ctx.Done():
			return answer, ctx.Err()
		}
		answer, err = c.once(ctx, call, "", out)
	}
	var p *ProblemError
	if !errors.As(err, &p) || p.Challenge == nil {
		return answer, err
	}
	solved, unsolved := p.Challenge.Solve(ctx)
	if unsolved != nil {
		return answer, errors.Join(err, unsolved)
	}
	return c.once(ctx, call, solved, out)
}

func (c Client) once(ctx context.Context, call Call, solved string, out any) (Answer, error) {
	req, err := c.request(ctx, call)
	if err != nil {
		return Answer{}, err
	}
	if solved != "" {
		req.Header.Set(work.Header, solved)
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		if isRefused(err) {
			return Answer{}, fmt.Errorf("no server answers at %s", c.Base)
		}
		return Answer{}, fmt.Errorf("%s %s: %w", call.Method, call.Path, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return Answer{}, fmt.Errorf("%s %s: %w", call.Method, call.Path, err)
	}
	answer := Answer{Status: res.StatusCode, Header: res.Header, Body: body}
	if res.StatusCode >= http.StatusBadRequest {
		p := &ProblemError{Status: res.StatusCode}
		if media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); media == "application/problem+json" {
			if err := json.Unmarshal(body, p); err != nil {
				p.Detail = "the answer is no problem document"
			}
		}
		return answer, fmt.Errorf("%s %s: %w", call.Method, call.Path, p)
	}
	if out != nil {
		if err := json.Unmarshal(body, out); err != nil {
			return answer, fmt.Errorf("%s %s: the answer is not as expected: %w", call.Method, call.Path, err)
		}
	}
	return answer, nil
}

func isRefused(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func (c Client) request(ctx context.Context, call Call) (*http.Request, error) {
	var body io.Reader
	media := ""
	switch {
	case call.Form != nil:
		var err error
		if body, media, err = call.Form.encode(); err != nil {
			return nil, err
		}
	case call.Body != nil:
		text, err := json.Marshal(call.Body)
		if err != nil {
			return nil, fmt.Errorf("encode body: %w", err)
		}
		body, media = bytes.NewReader(text), "application/json"
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, strings.TrimSuffix(c.Base, "/")+call.Path, body)
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{"Content-Type": media, "Idempotency-Key": call.Key} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	for name, value := range call.Header {
		req.Header.Set(name, value)
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	req.Header.Set("Accept-Language", "en")
	return req, nil
}
