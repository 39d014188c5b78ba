package fcmtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxPayload is FCM's limit for what a message carries, in bytes.
const maxPayload = 4096

// request is the body of messages:send, as far as a message to one device
// needs it. A name that is not here is refused, as FCM refuses a name it does
// not know.
type request struct {
	raw          json.RawMessage
	ValidateOnly bool `json:"validate_only"` //nolint:tagliatelle // FCM's name, the SDK sends it
	Message      struct {
		Token        string            `json:"token"`
		Data         map[string]string `json:"data"`
		Notification json.RawMessage   `json:"notification"`
		Android      json.RawMessage   `json:"android"`
		Webpush      json.RawMessage   `json:"webpush"`
		Apns         json.RawMessage   `json:"apns"`
	} `json:"message"`
}

// read reads and checks the body. The error's text is for the caller.
func read(w http.ResponseWriter, r *http.Request) (request, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		return request{}, fmt.Errorf("read body: %w", err)
	}
	if !json.Valid(raw) {
		return request{}, errors.New("Invalid JSON payload received.") //nolint:staticcheck // FCM's wording
	}
	in := request{raw: raw}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return request{}, fmt.Errorf("Invalid JSON payload received: %w", err) //nolint:staticcheck // FCM's wording
	}
	if in.Message.Token == "" {
		return request{}, errors.New("Recipient of the message is not set.") //nolint:staticcheck // FCM's wording
	}
	size := 0
	for k, v := range in.Message.Data {
		if k == "from" || k == "message_type" || strings.HasPrefix(k, "google.") || strings.HasPrefix(k, "gcm.") {
			return request{}, errors.New("Invalid data payload key: " + k)
		}
		size += len(k) + len(v)
	}
	if size > maxPayload {
		return request{}, errors.New("Android message is too big") //nolint:staticcheck // FCM's wording
	}
	return in, nil
}
