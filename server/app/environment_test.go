package app_test

import (
	"io"
	"os"
	"testing"
	"time"

	"gridwatch/server/app"
)

// TestCommandLeavesTheEnvironmentAlone: a command that took the secrets out of
// the process's environment left the tests beside it without theirs. Only main
// does that, before the first command.
func TestCommandLeavesTheEnvironmentAlone(t *testing.T) {
	t.Setenv("GRID_S3_SECRET_KEY", "demo secret")
	system := app.System{Stdout: io.Discard, Stderr: io.Discard, Now: time.Now}
	if err := app.Command(t.Context(), []string{"healthcheck"}, []string{"GRID_OPS_LISTEN=127.0.0.1:1"}, system); err == nil {
		t.Error("nothing listens there, and it is healthy")
	}
	if got := os.Getenv("GRID_S3_SECRET_KEY"); got != "demo secret" {
		t.Errorf("got %q, want the setting as it was", got)
	}
}
