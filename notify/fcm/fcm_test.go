package fcm

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"gridwatch/notify"
	"gridwatch/notify/fcmtest"
)

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var message = notify.Message{ID: "5f0c4be1d2a3968770b1c2d3e4f50617", Kind: "task", Ref: "0b7e", Token: "token-1"}

// open returns a sender for the endpoint.
func open(t *testing.T, endpoint string) *Sender {
	t.Helper()
	s, err := New(t.Context(), Config{ProjectID: "demo", Endpoint: endpoint, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// serve returns the address of h on a loopback port.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	return web.URL
}

func TestPushOnTheWire(t *testing.T) {
	t.Parallel()
	phone := fcmtest.NewServer(time.Now)
	got := open(t, serve(t, phone.Handler())).Send(t.Context(), message)
	if got != (notify.Result{Outcome: notify.Delivered}) {
		t.Fatalf("got %+v, want delivered", got)
	}
	received := phone.Received()
	if len(received) != 1 || received[0].Project != "demo" {
		t.Fatalf("got %+v, want one message for the project", received)
	}
	var body bytes.Buffer
	if err := json.Indent(&body, received[0].Body, "", "  "); err != nil {
		t.Fatal(err)
	}
	body.WriteByte('\n')
	golden := filepath.Join("testdata", "push.json")
	if *update {
		if err := os.WriteFile(golden, body.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), body.String()); diff != "" {
		t.Error(diff)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		failure fcmtest.Failure
		want    notify.Outcome
		after   time.Duration
	}{
		"unregistered":          {fcmtest.Failure{Code: fcmtest.Unregistered}, notify.Gone, 0},
		"sender mismatch":       {fcmtest.Failure{Code: fcmtest.SenderIDMismatch}, notify.Gone, 0},
		"invalid":               {fcmtest.Failure{Code: fcmtest.InvalidArgument}, notify.Never, 0},
		"quota":                 {fcmtest.Failure{Code: fcmtest.QuotaExceeded}, notify.Later, time.Minute},
		"quota, wait named":     {fcmtest.Failure{Code: fcmtest.QuotaExceeded, RetryAfter: 7 * time.Second}, notify.Later, 7 * time.Second},
		"unavailable":           {fcmtest.Failure{Code: fcmtest.Unavailable}, notify.Later, 0},
		"unavailable, one hour": {fcmtest.Failure{Code: fcmtest.Unavailable, RetryAfter: time.Hour}, notify.Later, time.Hour},
		"unavailable, 30 s":     {fcmtest.Failure{Code: fcmtest.Unavailable, RetryAfter: 30 * time.Second}, notify.Later, 30 * time.Second},
		"internal":              {fcmtest.Failure{Code: fcmtest.Internal}, notify.Later, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			phone := fcmtest.NewServer(time.Now)
			phone.Fail(message.Token, tt.failure)
			s := open(t, serve(t, phone.Handler()))
			got := s.Send(t.Context(), message)
			if got.Outcome != tt.want || got.After != tt.after || got.Err == nil {
				t.Errorf("got %v after %v (%v), want %v after %v with an error", got.Outcome, got.After, got.Err, tt.want, tt.after)
			}
			if n := len(phone.Received()); n != 0 {
				t.Errorf("got %d messages received, want none: one send asks once", n)
			}
			if got := s.Send(t.Context(), message); got.Outcome != notify.Delivered {
				t.Errorf("the send after it: got %v, want delivered", got.Outcome)
			}
		})
	}
}

func TestOtherAnswersAreTriedLaterAndNotQuoted(t *testing.T) {
	t.Parallel()
	tests := map[string]http.HandlerFunc{
		"a proxy's page": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, message.Token, http.StatusBadGateway) },
		"bare not found": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, message.Token, http.StatusNotFound) },
		"unauthorized":   func(w http.ResponseWriter, _ *http.Request) { http.Error(w, message.Token, http.StatusUnauthorized) },
		"not JSON":       func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(message.Token)) },
	}
	for name, h := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := open(t, serve(t, h)).Send(t.Context(), message)
			if got.Outcome != notify.Later {
				t.Errorf("got %v, want later", got.Outcome)
			}
			if got.Err == nil || strings.Contains(got.Err.Error(), message.Token) {
				t.Errorf("got error %v, want one without the token", got.Err)
			}
		})
	}
}

func TestNoAnswerEndsInTime(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	silent := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the caller left
		<-r.Context().Done()
	}))
	for name, endpoint := range map[string]string{"nobody listens": closed.URL, "nobody answers": silent} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, endpoint)
			s.timeout = 100 * time.Millisecond
			if got := s.Send(t.Context(), message); got.Outcome != notify.Later || got.Err == nil {
				t.Errorf("got %+v, want later with an error", got)
			}
		})
	}
}

func TestConfigRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]Config{
		"no project":          {Endpoint: "http://127.0.0.1:9099"},
		"neither":             {ProjectID: "demo"},
		"both":                {ProjectID: "demo", Endpoint: "http://127.0.0.1:9099", CredentialsFile: "key.json"},
		"no such credentials": {ProjectID: "demo", CredentialsFile: "testdata/none.json"},
		"a host elsewhere":    {ProjectID: "demo", Endpoint: "http://192.0.2.1:9099"},
		"a name":              {ProjectID: "demo", Endpoint: "http://localhost:9099"},
		"user part":           {ProjectID: "demo", Endpoint: "http://127.0.0.1@192.0.2.1"},
		"all addresses":       {ProjectID: "demo", Endpoint: "http://0.0.0.0:9099"},
		"https":               {ProjectID: "demo", Endpoint: "https://127.0.0.1:9099"},
		"with a password":     {ProjectID: "demo", Endpoint: "http://a:b@127.0.0.1:9099"},
		"with a query":        {ProjectID: "demo", Endpoint: "http://127.0.0.1:9099?x=1"},
		"with a fragment":     {ProjectID: "demo", Endpoint: "http://127.0.0.1:9099#x"},
		"with a path":         {ProjectID: "demo", Endpoint: "http://127.0.0.1:9099/x"},
		"not an address":      {ProjectID: "demo", Endpoint: "::"},
	}
	for name, cfg := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if s, err := New(t.Context(), cfg); err == nil {
				s.Close()
				t.Error("got a sender, want an error")
			}
		})
	}
}

func TestNewReadsAServiceAccountKey(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	account, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "demo", "client_email": "push@demo.example",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"token_uri":   "http://127.0.0.1:1/token",
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, account, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := New(t.Context(), Config{ProjectID: "demo", CredentialsFile: file, Timeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := s.Send(t.Context(), message); got.Outcome != notify.Later || got.Err == nil {
		t.Errorf("nobody gives an access token: got %+v, want later with an error", got)
	}
}
