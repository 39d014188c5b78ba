// Package fcm sends pushes through Firebase Cloud Messaging (HTTP v1).
//
// It is the only package that imports the Firebase SDK. It decides what a push
// looks like on the wire and what FCM's answers mean; when to try again is the
// outbox's business.
package fcm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	firebase "firebase.google.com/go/v4"
	"firebase.google.com/go/v4/messaging"
	"google.golang.org/api/option"
	htransport "google.golang.org/api/transport/http"

	"gridwatch/notify"
)

const (
	scope          = "https://www.googleapis.com/auth/firebase.messaging"
	defaultTimeout = 10 * time.Second
)

// Config says where to send. Exactly one of CredentialsFile and Endpoint is set.
type Config struct {
	ProjectID       string        // Firebase project
	CredentialsFile string        // service account key in JSON, for FCM itself
	Endpoint        string        // a stand-in instead of FCM, http://127.0.0.1:PORT
	Timeout         time.Duration // limit of one Send with all it does; 10 s if 0
}

// Sender is a notify.Sender for FCM. Make it with New and Close it.
type Sender struct {
	client    *messaging.Client
	transport *http.Transport
	timeout   time.Duration
}

// New returns a Sender. It reads the credentials file and sends nothing. An
// endpoint that is not a loopback address is refused: pushes cannot be
// redirected to another host by a setting.
func New(ctx context.Context, cfg Config) (*Sender, error) {
	if cfg.ProjectID == "" {
		return nil, errors.New("fcm: project id is missing")
	}
	if (cfg.CredentialsFile == "") == (cfg.Endpoint == "") {
		return nil, errors.New("fcm: give either a credentials file or a loopback endpoint")
	}
	base := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		ForceAttemptHTTP2:   true,
		TLSHandshakeTimeout: 5 * time.Second,
		IdleConnTimeout:     time.Minute,
	}
	opts, err := options(ctx, cfg, once{base})
	if err != nil {
		return nil, err
	}
	app, err := firebase.NewApp(ctx, &firebase.Config{ProjectID: cfg.ProjectID}, opts...)
	if err != nil {
		return nil, fmt.Errorf("fcm: open app: %w", err)
	}
	client, err := app.Messaging(ctx)
	if err != nil {
		return nil, fmt.Errorf("fcm: open messaging: %w", err)
	}
	return &Sender{client: client, transport: base, timeout: cmp.Or(cfg.Timeout, defaultTimeout)}, nil
}

// options returns the SDK's options for FCM itself or for a stand-in.
func options(ctx context.Context, cfg Config, base http.RoundTripper) ([]option.ClientOption, error) {
	if cfg.Endpoint != "" {
		if !loopback(cfg.Endpoint) {
			return nil, errors.New("fcm: the endpoint must be http on a loopback address, like http://127.0.0.1:9099")
		}
		return []option.ClientOption{
			option.WithEndpoint(cfg.Endpoint + "/v1"),
			option.WithHTTPClient(&http.Client{Transport: base}),
		}, nil
	}
	signed, err := htransport.NewTransport(ctx, base,
		option.WithCredentialsFile(cfg.CredentialsFile), option.WithScopes(scope))
	if err != nil {
		return nil, fmt.Errorf("fcm: read credentials: %w", err)
	}
	return []option.ClientOption{option.WithHTTPClient(&http.Client{Transport: signed})}, nil
}

// loopback reports whether the endpoint is a plain http address on this
// machine, written as a number: a name could be resolved to anything.
func loopback(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	at, err := netip.ParseAddr(u.Hostname())
	return err == nil && at.IsLoopback()
}

// Close drops idle connections. Sends under way are not disturbed.
func (s *Sender) Close() { s.transport.CloseIdleConnections() }

// Send implements notify.Sender.
func (s *Sender) Send(ctx context.Context, m notify.Message) notify.Result {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if _, err := s.client.Send(ctx, build(m)); err != nil {
		return judge(err)
	}
	return notify.Result{Outcome: notify.Delivered}
}

// once keeps the SDK from repeating a send after 503 on its own: the SDK would
// wait for up to two minutes and lose the Retry-After, while the outbox waits
// without holding anything. The SDK repeats by the status line alone and reads
// the error's code from the body, which stays as it is.
type once struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (o once) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := o.RoundTripper.RoundTrip(r)
	if err == nil && res.StatusCode == http.StatusServiceUnavailable {
		res.StatusCode = http.StatusInternalServerError
	}
	return res, err
}
