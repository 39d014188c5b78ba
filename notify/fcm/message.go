package fcm

import (
	"context"
	"errors"
	"strconv"
	"time"

	"firebase.google.com/go/v4/errorutils"
	"firebase.google.com/go/v4/messaging"

	"gridwatch/notify"
)

const (
	// collapseKey is the same for every push: a device that was off gets one
	// wake-up, and the push service cannot count kinds.
	collapseKey = "sync"

	// quotaWait is what FCM asks for after a refusal for quota without a
	// Retry-After (https://firebase.google.com/docs/cloud-messaging/scale-fcm).
	quotaWait = time.Minute
)

// build returns the whole of what FCM is told: kind, reference and push id as
// data, no notification block, so nothing is shown before the app has asked
// the server. Android is woken at once; on iOS it is a background push, which
// Apple wants at priority 5.
func build(m notify.Message) *messaging.Message {
	return &messaging.Message{
		Token: m.Token,
		Data:  map[string]string{"kind": m.Kind, "ref": m.Ref, "id": m.ID},
		Android: &messaging.AndroidConfig{
			CollapseKey: collapseKey,
			Priority:    "high",
		},
		APNS: &messaging.APNSConfig{
			Headers: map[string]string{
				"apns-collapse-id": collapseKey,
				"apns-priority":    "5",
				"apns-push-type":   "background",
			},
			Payload: &messaging.APNSPayload{Aps: &messaging.Aps{ContentAvailable: true}},
		},
	}
}

// judge says what an error of the SDK means. The result's error is our own
// text: the SDK's may quote the answer, and with it a token.
func judge(err error) notify.Result {
	later := func(text string) notify.Result {
		return notify.Result{Outcome: notify.Later, After: retryAfter(err), Err: errors.New(text)}
	}
	switch {
	case messaging.IsUnregistered(err):
		return notify.Result{Outcome: notify.Gone, Err: errors.New("fcm: token is not registered")}
	case messaging.IsSenderIDMismatch(err):
		return notify.Result{Outcome: notify.Gone, Err: errors.New("fcm: token belongs to another project")}
	case errorutils.IsInvalidArgument(err):
		return notify.Result{Outcome: notify.Never, Err: errors.New("fcm: message refused as invalid")}
	case errorutils.IsResourceExhausted(err):
		r := later("fcm: quota exceeded")
		if r.After == 0 {
			r.After = quotaWait
		}
		return r
	case errorutils.IsUnauthenticated(err), errorutils.IsPermissionDenied(err):
		return later("fcm: credentials refused")
	case errorutils.IsUnavailable(err), errorutils.IsInternal(err):
		return later("fcm: not available")
	case errorutils.IsDeadlineExceeded(err), errors.Is(err, context.DeadlineExceeded):
		return later("fcm: no answer in time")
	}
	return later("fcm: no answer that is understood")
}

// retryAfter returns the wait that FCM's answer asks for, 0 if there is none.
// FCM gives it in seconds.
func retryAfter(err error) time.Duration {
	res := errorutils.HTTPResponse(err)
	if res == nil {
		return 0
	}
	defer func() { _ = res.Body.Close() }()
	seconds, err := strconv.Atoi(res.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
