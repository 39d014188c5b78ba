package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"gridwatch/notify/fcmtest"
)

// serveFCM runs the stand-in for FCM at listener until ctx ends.
func serveFCM(ctx context.Context, listener net.Listener, now func() time.Time) error {
	server := &http.Server{Handler: fcmtest.NewServer(now).Handler(), ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
