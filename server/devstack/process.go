package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A process is one that runs on this machine now, as /proc shows it.
type process struct {
	pid  int
	argv []string
}

// processesOf finds the processes of an engine: those that stand in its
// folder, which no other checkout shares, and run its program or are about to,
// with its path on their command line. No process id is ever stored, so none
// can be stale, and a process of somebody else that got an old id is never
// touched. A zombie has neither folder nor program.
func processesOf(dir, program string) []process {
	want, err := os.Stat(dir)
	if err != nil {
		return nil
	}
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	var found []process
	for _, name := range names {
		if cwd, err := os.Stat(name + "/cwd"); err != nil || !os.SameFile(cwd, want) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			continue
		}
		cmdline, err := os.ReadFile(name + "/cmdline")
		if err != nil {
			continue
		}
		p := process{pid, strings.Split(strings.TrimRight(string(cmdline), "\x00"), "\x00")}
		exe, err := os.Readlink(name + "/exe")
		if err != nil {
			continue
		}
		if p.leads(program) || filepath.Base(strings.TrimSuffix(exe, " (deleted)")) == filepath.Base(program) {
			found = append(found, p)
		}
	}
	return found
}

// leads reports whether p is a program as it was started, and not a worker
// that it forked and gave a title of its own, as PostgreSQL does.
func (p process) leads(program string) bool {
	return slices.Contains(p.argv, program) || filepath.Base(p.argv[0]) == filepath.Base(program)
}

// stopAll asks the leading processes of an engine to end, waits, and kills
// what is still there after patience.
func stopAll(ctx context.Context, dir, program string, ask syscall.Signal, patience time.Duration) error {
	signalAll(dir, program, ask, true)
	gone := func() bool { return len(processesOf(dir, program)) == 0 }
	if waitFor(ctx, patience, gone) {
		return nil
	}
	signalAll(dir, program, syscall.SIGKILL, false)
	if waitFor(ctx, patience, gone) {
		return nil
	}
	return errors.Join(ctx.Err(), errors.New("its processes do not end"))
}

func signalAll(dir, program string, sig syscall.Signal, leadersOnly bool) {
	for _, p := range processesOf(dir, program) {
		if leadersOnly && !p.leads(program) {
			continue
		}
		handle, err := os.FindProcess(p.pid)
		if err != nil {
			continue
		}
		// The handle holds on to one process: if it is still the engine's
		// now, the signal cannot reach another that got the same id since.
		if slices.ContainsFunc(processesOf(dir, program), func(q process) bool { return q.pid == p.pid }) {
			_ = handle.Signal(sig)
		}
		_ = handle.Release()
	}
}

// waitFor asks again and again until ok is true, and gives up after patience.
func waitFor(ctx context.Context, patience time.Duration, ok func() bool) bool {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return false
		case <-limit.C:
			return false
		case <-tick.C:
		}
	}
	return true
}
