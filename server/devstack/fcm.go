package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"gridwatch/notify/fcmtest"
)

// serveFCM runs the stand-in for FCM at addr until ctx ends.
func serveFCM(ctx context.Context, addr string, now func() time.Time) error {
	server := &http.Server{Addr: addr, Handler: fcmtest.NewServer(now).Handler(), ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
