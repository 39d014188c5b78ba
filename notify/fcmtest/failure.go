package fcmtest

import (
	"net/http"
	"strconv"
	"time"
)

// Code is an error code of FCM v1
// (https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode).
type Code string

// The codes the stand-in answers with.
const (
	Unregistered     Code = "UNREGISTERED"       // 404: the app is gone from the device
	SenderIDMismatch Code = "SENDER_ID_MISMATCH" // 403: the token belongs to another project
	QuotaExceeded    Code = "QUOTA_EXCEEDED"     // 429: too many messages
	Unavailable      Code = "UNAVAILABLE"        // 503: overloaded, or down
	Internal         Code = "INTERNAL"           // 500: a defect on their side
	InvalidArgument  Code = "INVALID_ARGUMENT"   // 400: a defect on our side
)

// Failure is an answer other than success.
type Failure struct {
	Code       Code
	RetryAfter time.Duration // whole seconds; 0 sends no Retry-After header
}

// http returns the HTTP status and the status of the error model of Google's
// APIs that FCM sends with the code.
func (c Code) http() (int, string) {
	switch c {
	case Unregistered:
		return http.StatusNotFound, "NOT_FOUND"
	case SenderIDMismatch:
		return http.StatusForbidden, "PERMISSION_DENIED"
	case QuotaExceeded:
		return http.StatusTooManyRequests, "RESOURCE_EXHAUSTED"
	case Unavailable:
		return http.StatusServiceUnavailable, "UNAVAILABLE"
	case InvalidArgument:
		return http.StatusBadRequest, "INVALID_ARGUMENT"
	case Internal:
	}
	return http.StatusInternalServerError, "INTERNAL"
}

// text returns the sentence FCM sends with the code.
func (c Code) text() string {
	switch c {
	case Unregistered:
		return "Requested entity was not found."
	case SenderIDMismatch:
		return "SenderId mismatch"
	case QuotaExceeded:
		return "Quota exceeded."
	case Unavailable:
		return "The service is currently unavailable."
	case InvalidArgument:
		return "Request contains an invalid argument."
	case Internal:
	}
	return "Internal error encountered."
}

// refuse writes the failure in the form of FCM's error answers.
func refuse(w http.ResponseWriter, f Failure, text string) {
	status, name := f.Code.http()
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Seconds())))
	}
	answer(w, status, map[string]any{"error": map[string]any{
		"code":    status,
		"message": text,
		"status":  name,
		"details": []map[string]any{{
			"@type":     "type.googleapis.com/google.firebase.fcm.v1.FcmError",
			"errorCode": f.Code,
		}},
	}})
}
