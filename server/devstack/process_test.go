package main

import (
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sleeper starts a program that stands in dir, and returns what tells its end.
func sleeper(t *testing.T, dir string, argv ...string) (int, <-chan error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if !waitFor(t.Context(), time.Minute, func() bool { return len(processesOf(dir, "sleep")) > 0 }) {
		t.Fatal("the process is not found")
	}
	return cmd.Process.Pid, ended
}

func TestOnlyOwnProcessesAreEnded(t *testing.T) {
	t.Parallel()
	own, other := t.TempDir(), t.TempDir()
	pid, ended := sleeper(t, own, "sleep", "1000")
	foreign, _ := sleeper(t, other, "sleep", "1000")

	if got := processesOf(own, "cat"); len(got) != 0 {
		t.Errorf("another program: got %v, want none", got)
	}
	got := processesOf(own, "sleep")
	if len(got) != 1 || got[0].pid != pid || !slices.Equal(got[0].argv, []string{"sleep", "1000"}) {
		t.Fatalf("got %v, want sleep 1000 with id %d", got, pid)
	}
	if err := stopAll(t.Context(), own, "sleep", syscall.SIGTERM, time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || err.Error() != "signal: terminated" {
		t.Errorf("got %v, want it ended as asked", err)
	}
	if got := processesOf(other, "sleep"); len(got) != 1 || got[0].pid != foreign {
		t.Errorf("the other folder's process: got %v, want id %d", got, foreign)
	}
}

func TestWhatDoesNotEndIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, ended := sleeper(t, dir, "sleep", "1000")
	if err := stopAll(t.Context(), dir, "sleep", syscall.SIGCONT, time.Second); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || err.Error() != "signal: killed" {
		t.Errorf("got %v, want it killed", err)
	}
}

func TestWorkersAreNotAsked(t *testing.T) {
	t.Parallel()
	for title, want := range map[string]bool{
		"/usr/lib/postgresql/18/bin/postgres -D /data":             true,
		"unshare --root=/x /usr/lib/postgresql/18/bin/postgres -D": true,
		"/usr/lib/postgresql/17/bin/postgres -D /data":             true,
		"tail -f postgres":       false,
		"postgres: checkpointer": false,
	} {
		if got := (process{argv: strings.Fields(title)}).leads("/usr/lib/postgresql/18/bin/postgres"); got != want {
			t.Errorf("%q leads: got %v, want %v", title, got, want)
		}
	}
}

func TestEngineRunningMeansTodaysCommandLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pid, _ := sleeper(t, dir, "sleep", "1000")
	if got := (engine{dir: dir, argv: []string{"sleep", "1000"}}).running(); got != pid {
		t.Errorf("same command line: got %d, want %d", got, pid)
	}
	if got := (engine{dir: dir, argv: []string{"sleep", "999"}}).running(); got != 0 {
		t.Errorf("another command line: got %d, want 0", got)
	}
}
