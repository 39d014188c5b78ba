package gateway_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gridwatch/notify/gateway"
)

var update = flag.Bool("update", false, "write testdata anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// exampleKey is no secret: it signs the example only.
func exampleKey() (string, ed25519.PrivateKey) {
	return "00000001", ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
}

func exampleTime() time.Time { return time.Date(2026, 3, 2, 1, 0, 0, 0, time.UTC) }

// sender counts what goes out and answers by a script.
type sender struct {
	status int
	body   string
	asked  []*http.Request
	dump   []byte
}

func (s *sender) RoundTrip(req *http.Request) (*http.Response, error) {
	s.asked = append(s.asked, req)
	var err error
	if s.dump, err = httputil.DumpRequest(req, true); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: s.status, Header: http.Header{"Location": {"https://elsewhere.example/"}},
		Body: io.NopCloser(strings.NewReader(s.body)), Request: req,
	}, nil
}

func client(via http.RoundTripper, url string) *gateway.Client {
	return gateway.New(gateway.Config{URL: url, Key: exampleKey, Now: exampleTime, HTTP: &http.Client{Transport: via}})
}

// TestRequestOnTheWire is the example for whoever builds a gateway: the same
// bytes whenever it is made.
func TestRequestOnTheWire(t *testing.T) {
	t.Parallel()
	s := &sender{status: http.StatusOK, body: `{"id":"0123456789abcdef0123456789abcdef","result":"delivered"}`}
	got, err := client(s, "https://gateway.county.example/v1/contacts").Deliver(t.Context(), gateway.Request{
		ID: "0123456789abcdef0123456789abcdef", Purpose: "notice", Contact: []byte("age-encryption.org/v1 and so on"),
	})
	if err != nil || got != gateway.Delivered {
		t.Fatalf("got %s, %v", got, err)
	}
	const path = "testdata/request.http"
	if *update {
		if err := os.WriteFile(path, s.dump, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(s.dump, want) {
		t.Errorf("got %v and\n%s\nwant\n%s", err, s.dump, want)
	}
}

// Anything but the one word asked for is no answer: the gateway is asked again.
func TestAnswers(t *testing.T) {
	t.Parallel()
	const right = `{"id":"a","result":"delivered"}`
	for name, tt := range map[string]struct {
		status int
		body   string
		want   gateway.Result
	}{
		"delivered":        {200, right, gateway.Delivered},
		"failed":           {200, `{"id":"a","result":"failed"}`, gateway.Failed},
		"more than a word": {200, `{"id":"a","result":"failed","why":"canary"}`, gateway.Failed},
		"at work":          {202, right, ""},
		"of another":       {200, `{"id":"b","result":"delivered"}`, ""},
		"another word":     {200, `{"id":"a","result":"canary"}`, ""},
		"empty":            {200, "", ""},
		"no JSON":          {200, "canary", ""},
		"endless":          {200, strings.Repeat(" ", 1<<16) + right, ""},
		"an error":         {500, "canary", ""},
		"refused":          {401, right, ""},
		"moved":            {307, right, ""},
		"no content":       {204, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &sender{status: tt.status, body: tt.body}
			got, err := client(s, "https://gateway.example/").Deliver(t.Context(), gateway.Request{ID: "a"})
			if got != tt.want || (err == nil) != (tt.want != "") || len(s.asked) != 1 {
				t.Errorf("got %q, %v by %d requests, want %q", got, err, len(s.asked), tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("the error repeats the answer: %v", err)
			}
			if atWork := tt.status == http.StatusAccepted; errors.Is(err, gateway.ErrAtWork) != atWork {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestGatewayIsNotThere(t *testing.T) {
	t.Parallel()
	stand := httptest.NewServer(http.NotFoundHandler())
	url := stand.URL
	stand.Close()
	c := gateway.New(gateway.Config{URL: url, Key: exampleKey, Now: exampleTime})
	t.Cleanup(c.Close)
	if got, err := c.Deliver(t.Context(), gateway.Request{ID: "a"}); err == nil {
		t.Errorf("got %q from nobody", got)
	}
}
