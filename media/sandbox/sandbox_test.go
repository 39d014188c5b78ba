package sandbox_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gridwatch/media/sandbox"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "say" { // this program in its own sandbox
		_, _ = os.Stdout.WriteString("self")
		return
	}
	if len(os.Args) > 2 && os.Args[1] == "die" {
		die(os.Args[2])
		return
	}
	_ = os.Setenv("CANARY", "secret")
	goleak.VerifyTestMain(m)
}

// each runs a test in every isolation that Debian has.
func each(t *testing.T, do func(t *testing.T, s *sandbox.Sandbox)) {
	t.Helper()
	for _, name := range []string{"bwrap", "unshare"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := sandbox.Only(name).Find(t.Context(), scratch(t))
			if err != nil {
				t.Fatalf("%s does not work here: %v (apt-get install bubblewrap)", name, err)
			}
			if s.Isolation() != name {
				t.Fatalf("got %s", s.Isolation())
			}
			do(t, s)
		})
	}
}

// scratch is a folder that the user of jobs reaches; those of a test are root's.
func scratch(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "sandbox-test-") //nolint:usetesting // see above
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := errors.Join(os.Chmod(dir, 0o711), sandbox.Own(dir)); err != nil {
		tb.Fatal(err)
	}
	return dir
}

func small() sandbox.Limits {
	return sandbox.Limits{Wall: time.Minute, CPU: 30 * time.Second, Memory: 256 << 20, File: 1 << 20, Processes: 16}
}

func shell(tb testing.TB, s *sandbox.Sandbox, script string, l sandbox.Limits) (string, error) {
	tb.Helper()
	out, err := s.Run(tb.Context(), sandbox.Job{
		Dir: scratch(tb), Program: "/usr/bin/bash", Args: []string{"-c", script}, Writes: []string{"big"}, Stdout: 64 << 10, Limits: l,
	})
	return string(out), err
}

func TestProgramSeesNothingElse(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	each(t, func(t *testing.T, s *sandbox.Sandbox) {
		t.Helper()
		tests := map[string]struct{ script, want string }{
			"its folder":       {`pwd`, "/work"},
			"no network":       {`(exec 5<>/dev/tcp/127.0.0.1/` + port + `) 2>/dev/null && echo connected || echo refused`, "refused"},
			"no interface":     {`grep -cvE 'Inter|face|lo:' /proc/net/dev`, "0"},
			"no other process": {`ls -d /proc/[0-9]* | wc -l | awk '{print ($1<8)}'`, "1"},
			"no home":          {`ls -A /root /home /var /tmp /etc/passwd /etc/shadow 2>/dev/null | wc -l`, "0"},
			"no environment":   {`env | grep -c CANARY`, "0"},
			"no capability":    {`awk '/CapEff|CapBnd/{print $2}' /proc/self/status | sort -u`, "0000000000000000"},
			"no new privilege": {`awk '/NoNewPrivs/{print $2}' /proc/self/status`, "1"},
			"no way to write":  {`(: >/usr/canary) 2>/dev/null && echo written || echo refused`, "refused"},
			"no other file":    {`for f in /work/other /other /dev/other /dev/shm/other /etc/other /tmp /work/big/x; do (: >$f || mkdir $f) 2>/dev/null && echo $f; done`, ""},
			"its file":         {`echo written >/work/big && cat big && rm -f big 2>/dev/null; mv big large 2>/dev/null; ls`, "written\nbig"},
			"no open file":     {`ls /proc/self/fd | wc -w`, "4"}, // three, and the folder that ls reads,
		}
		for name, test := range tests {
			got, _ := shell(t, s, test.script+"; true", small())
			if strings.TrimSpace(got) != test.want {
				t.Errorf("%s: got %q, want %q", name, got, test.want)
			}
		}
	})
}

func TestLimitsEndAProgramWithItsChildren(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *sandbox.Sandbox) {
		t.Helper()
		quick := small()
		quick.Wall, quick.CPU = 3*time.Second, time.Second
		patient := quick
		patient.CPU = time.Minute
		tests := map[string]struct {
			script string
			limits sandbox.Limits
		}{
			"time on the clock": {`sleep 1000 & sleep 1000`, patient},
			"processor time":    {`while :; do :; done`, quick},
			"size of a file":    {`exec head -c 2000000 /dev/zero >big`, small()},
			"printing":          {`exec head -c 200000 /dev/zero`, small()},
		}
		for name, test := range tests {
			if _, err := shell(t, s, test.script, test.limits); !errors.Is(err, sandbox.ErrLimit) {
				t.Errorf("%s: got %v, want %v", name, err, sandbox.ErrLimit)
			}
		}
		if out, err := shell(t, s, `for i in $(seq 64); do sleep 20 & done 2>/dev/null; echo all`, patient); err == nil && strings.Contains(out, "all") {
			t.Error("processes: 64 were started where 16 are allowed")
		}
		var failed *sandbox.FailedError
		if _, err := shell(t, s, `exec awk 'BEGIN{s="x"; while (1) s = s s}'`, small()); !errors.As(err, &failed) {
			t.Errorf("memory: got %v, want a failure", err)
		}
		if left := running(t, "sleep\x001000"); left != "" {
			t.Errorf("still running: %s", left)
		}
	})
}

// TestKilledFromOutsideIsNoLimit: a program that the kernel ended because the
// machine had no memory left counted as one that took more than it may.
func TestKilledFromOutsideIsNoLimit(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *sandbox.Sandbox) {
		t.Helper()
		if _, err := shell(t, s, `kill -KILL $$`, small()); !errors.Is(err, sandbox.ErrKilled) {
			t.Errorf("got %v, want %v", err, sandbox.ErrKilled)
		}
	})
}

// running returns the processes of this machine with a text in their line.
func running(tb testing.TB, text string) string {
	tb.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		tb.Fatal(err)
	}
	var found []string
	for _, line := range lines {
		if b, err := os.ReadFile(line); err == nil && strings.Contains(string(b), text) {
			found = append(found, line)
		}
	}
	return strings.Join(found, " ")
}

func TestContextEndsAProgram(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *sandbox.Sandbox) {
		t.Helper()
		dir := scratch(t)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for !exists(filepath.Join(dir, "begun")) {
				time.Sleep(5 * time.Millisecond)
			}
			cancel()
		}()
		_, err := s.Run(ctx, sandbox.Job{
			Dir: dir, Program: "/usr/bin/bash", Args: []string{"-c", "sleep 2000 & echo >begun; wait"}, Writes: []string{"begun"}, Stdout: 1, Limits: small(),
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if left := running(t, "sleep\x002000"); left != "" {
			t.Errorf("still running: %s", left)
		}
	})
}

func exists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}

// A server that is killed leaves no program running over a hostile file.
func TestKilledServerTakesItsProgramsWithIt(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *sandbox.Sandbox) {
		t.Helper()
		dir := scratch(t)
		mark := "3" + strconv.Itoa(os.Getpid()) + map[string]string{"bwrap": "1", "unshare": "2"}[s.Isolation()]
		server := exec.CommandContext(t.Context(), "/proc/self/exe", "die", s.Isolation()+":"+dir+":"+mark)
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		wait := func(until func() bool) {
			deadline := time.Now().Add(time.Minute)
			for !until() {
				if time.Now().After(deadline) {
					t.Fatalf("begun: %t, running: %s", exists(filepath.Join(dir, "begun")), running(t, mark))
				}
				time.Sleep(5 * time.Millisecond)
			}
		}
		wait(func() bool { return exists(filepath.Join(dir, "begun")) })
		_ = server.Process.Kill()
		_ = server.Wait()
		wait(func() bool { return running(t, mark) == "" })
	})
}

// die is the server that the test above kills.
func die(what string) {
	name, rest, _ := strings.Cut(what, ":")
	dir, mark, _ := strings.Cut(rest, ":")
	s, err := sandbox.Only(name).Find(context.Background(), dir)
	if err != nil {
		return
	}
	_, _ = s.Run(context.Background(), sandbox.Job{
		Dir: dir, Program: "/usr/bin/bash", Args: []string{"-c", "echo >begun; sleep " + mark + "; true"}, Writes: []string{"begun"}, Stdout: 1, Limits: small(),
	})
}

// What a program writes is bounded in sum: by the files that its job names, each
// of the limit's size, in whatever isolation.
func TestSumOfWhatAProgramWritesIsBounded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *sandbox.Sandbox) {
		t.Helper()
		dir := scratch(t)
		const size = 1 << 20 // the limit of a file, see small
		script := `for n in $(seq 50); do for at in /work / /dev /dev/shm /etc /usr /proc; do head -c 1000000 /dev/zero >$at/more$n; done; done 2>/dev/null
			for n in 1 2; do head -c 1000000 /dev/zero >$n; head -c 1000000 /dev/zero >>$n; done; true`
		_, err := s.Run(t.Context(), sandbox.Job{
			Dir: dir, Program: "/usr/bin/bash", Args: []string{"-c", script}, Writes: []string{"1", "2"}, Stdout: 1 << 10, Limits: small(),
		})
		if err != nil && !errors.Is(err, sandbox.ErrLimit) {
			t.Fatal(err)
		}
		sum, found := int64(0), []string{}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil {
				t.Fatal(err)
			}
			sum, found = sum+info.Size(), append(found, e.Name())
		}
		if sum < size || sum > 2*size || strings.Join(found, " ") != "1 2" {
			t.Errorf("got %d bytes in %v, want at most two files of %d", sum, found, size)
		}
	})
}

// A file of a job that is there already is not written over.
func TestJobMakesItsFiles(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *sandbox.Sandbox) {
		t.Helper()
		dir := scratch(t)
		if err := os.Symlink("/etc/passwd", filepath.Join(dir, "big")); err != nil {
			t.Fatal(err)
		}
		_, err := s.Run(t.Context(), sandbox.Job{Dir: dir, Program: "/usr/bin/true", Writes: []string{"big"}, Stdout: 1, Limits: small()})
		if !errors.Is(err, os.ErrExist) {
			t.Errorf("got %v, want %v", err, os.ErrExist)
		}
	})
}

func TestSelf(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *sandbox.Sandbox) {
		t.Helper()
		l := small()
		l.Memory, l.Processes = 1<<50, 64 // the race detector reserves terabytes
		out, err := s.Run(t.Context(), sandbox.Job{Dir: scratch(t), Program: sandbox.Self, Args: []string{"say"}, Stdout: 100, Limits: l})
		if err != nil || string(out) != "self" {
			t.Errorf("got %q, %v", out, err)
		}
	})
}

func TestNoIsolation(t *testing.T) {
	t.Parallel()
	if _, err := sandbox.Only().Find(t.Context(), scratch(t)); !errors.Is(err, sandbox.ErrNone) {
		t.Errorf("got %v", err)
	}
}
