package fcmtest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"gridwatch/notify/fcmtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// start returns a stand-in and the address it listens on.
func start(t *testing.T) (*fcmtest.Server, string) {
	t.Helper()
	s := fcmtest.NewServer(func() time.Time { return noon })
	web := httptest.NewServer(s.Handler())
	t.Cleanup(web.Close)
	return s, web.URL
}

// call returns the answer's status, Retry-After header and body.
func call(t *testing.T, method, url, body string) (int, string, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("Retry-After"), strings.TrimSpace(string(got))
}

const (
	sendPath = "/v1/projects/demo/messages:send"
	push     = `{"message":{"token":"t1","data":{"kind":"task","ref":"r1","id":"p1"},"android":{"priority":"high"}}}`
)

func TestSend(t *testing.T) {
	t.Parallel()
	invalid := func(text string) string {
		return `{"error":{"code":400,"details":[{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError",` +
			`"errorCode":"INVALID_ARGUMENT"}],"message":"` + text + `","status":"INVALID_ARGUMENT"}}`
	}
	tests := map[string]struct {
		path, body string
		status     int
		answer     string // empty: not compared
		received   int
	}{
		"accepted":          {sendPath, push, 200, `{"name":"projects/demo/messages/1"}`, 1},
		"only validated":    {sendPath, `{"validate_only":true,` + push[1:], 200, `{"name":"projects/demo/messages/fake_message_id"}`, 0},
		"no token":          {sendPath, `{"message":{"data":{}}}`, 400, invalid("Recipient of the message is not set."), 0},
		"empty body":        {sendPath, ``, 400, invalid("Invalid JSON payload received."), 0},
		"number as data":    {sendPath, `{"message":{"token":"t1","data":{"id":1}}}`, 400, "", 0},
		"unknown name":      {sendPath, `{"message":{"token":"t1","text":"x"}}`, 400, "", 0},
		"reserved data key": {sendPath, `{"message":{"token":"t1","data":{"google.x":"1"}}}`, 400, invalid("Invalid data payload key: google.x"), 0},
		"too big":           {sendPath, `{"message":{"token":"t1","data":{"id":"` + strings.Repeat("x", 4095) + `"}}}`, 400, invalid("Android message is too big"), 0},
		"other method":      {"/v1/projects/demo/messages:read", push, 404, "", 0},
		"other path":        {"/projects/demo/messages:send", push, 404, "", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, url := start(t)
			status, _, got := call(t, http.MethodPost, url+tt.path, tt.body)
			if status != tt.status {
				t.Errorf("got status %d %s, want %d", status, got, tt.status)
			}
			if tt.answer != "" && got != tt.answer {
				t.Errorf("got answer %s, want %s", got, tt.answer)
			}
			if n := len(s.Received()); n != tt.received {
				t.Errorf("got %d messages received, want %d", n, tt.received)
			}
		})
	}
}

func TestFailuresComeInOrderThenSuccess(t *testing.T) {
	t.Parallel()
	s, url := start(t)
	tests := []struct {
		failure      fcmtest.Failure
		status       int
		retry, state string
	}{
		{fcmtest.Failure{Code: fcmtest.Unregistered}, 404, "", "NOT_FOUND"},
		{fcmtest.Failure{Code: fcmtest.SenderIDMismatch}, 403, "", "PERMISSION_DENIED"},
		{fcmtest.Failure{Code: fcmtest.QuotaExceeded, RetryAfter: time.Minute}, 429, "60", "RESOURCE_EXHAUSTED"},
		{fcmtest.Failure{Code: fcmtest.Unavailable, RetryAfter: 2 * time.Second}, 503, "2", "UNAVAILABLE"},
		{fcmtest.Failure{Code: fcmtest.Internal}, 500, "", "INTERNAL"},
		{fcmtest.Failure{Code: fcmtest.InvalidArgument}, 400, "", "INVALID_ARGUMENT"},
	}
	for _, tt := range tests {
		s.Fail("t1", tt.failure)
	}
	other := strings.Replace(push, "t1", "t2", 1)
	if status, _, got := call(t, http.MethodPost, url+sendPath, other); status != http.StatusOK {
		t.Errorf("another token: got %d %s, want 200", status, got)
	}
	for _, tt := range tests {
		status, retry, body := call(t, http.MethodPost, url+sendPath, push)
		var got struct {
			Error struct {
				Code    int    `json:"code"`
				Status  string `json:"status"`
				Details []struct {
					ErrorCode fcmtest.Code `json:"errorCode"`
				} `json:"details"`
			} `json:"error"`
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		if status != tt.status || got.Error.Code != tt.status || retry != tt.retry || got.Error.Status != tt.state ||
			got.Error.Details[0].ErrorCode != tt.failure.Code {
			t.Errorf("got %d, Retry-After %q, %s; want %+v", status, retry, body, tt)
		}
	}
	if status, _, got := call(t, http.MethodPost, url+sendPath, push); status != http.StatusOK {
		t.Errorf("after the failures: got %d %s, want 200", status, got)
	}
}

func TestReceivedTellsTheBodyAsItCame(t *testing.T) {
	t.Parallel()
	_, url := start(t)
	call(t, http.MethodPost, url+sendPath, push)
	_, _, got := call(t, http.MethodGet, url+"/received", "")
	want := `{"messages":[{"n":1,"at":"2026-03-02T12:00:00Z","project":"demo","token":"t1","body":` + push + `}]}`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPhoneShowsEachPushOnce(t *testing.T) {
	t.Parallel()
	_, url := start(t)
	for _, id := range []string{"p1", "p2", "p1"} {
		call(t, http.MethodPost, url+sendPath, strings.Replace(push, "p1", id, 1))
	}
	tests := map[string]string{
		"t1": `{"shown":[{"id":"p1","kind":"task","ref":"r1","at":"2026-03-02T12:00:00Z","arrived":2},` +
			`{"id":"p2","kind":"task","ref":"r1","at":"2026-03-02T12:00:00Z","arrived":1}]}`,
		"t2": `{"shown":[]}`,
	}
	for token, want := range tests {
		if _, _, got := call(t, http.MethodGet, url+"/phone?token="+token, ""); got != want {
			t.Errorf("phone %s: got %s, want %s", token, got, want)
		}
	}
}
