// Package sandbox runs a program over a hostile file.
//
// The program sees one folder and the system's programs, read-only, and nothing
// else: no network, no other process, no home, no environment, no capability. It
// writes the files that its job names and no others. It has limits on time,
// memory, output and processes, and it ends with all that it started: at the
// limit, when its context ends, and when this process is killed.
package sandbox

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Folder is where a program sees the folder of its job; it begins there.
const Folder = "/work"

// Self is where a program sees this very program, for Job.Program.
const Self = "/self"

// nobody is the user that jobs run as when this process is root: limits on
// processes do not hold for root.
const nobody = 65534

// Errors of a job.
var (
	// ErrLimit says that the program was ended at one of its limits.
	ErrLimit = errors.New("sandbox: the program reached a limit")
	// ErrKilled says that somebody ended the program before any limit of its own:
	// the kernel, when the machine has no memory left, or a person.
	ErrKilled = errors.New("sandbox: the program was killed from outside")
	// ErrNone says that this machine has no isolation that works.
	ErrNone = errors.New("sandbox: no isolation is available")
)

// FailedError says that the program ended by itself with an error.
type FailedError struct {
	Code   int
	Stderr string // its end; it may quote the file, so it belongs into no log
}

// Error implements error. It does not quote what the program wrote.
func (e *FailedError) Error() string {
	return fmt.Sprintf("sandbox: the program exited with %d", e.Code)
}

// Limits bound a job. None may be zero but Space.
type Limits struct {
	Wall      time.Duration // on the clock
	CPU       time.Duration // of all threads, in whole seconds
	Memory    int64         // bytes of data of the program
	Space     int64         // bytes of address space; 0 for none, as Go programs need
	File      int64         // bytes of each file that it writes
	Processes int           // processes and threads
}

// Job is one run of a program.
type Job struct {
	Dir     string // made by the caller, see Own
	Program string // path of a program under /usr/bin, or Self
	Image   string // the program that Self is; empty means this very program
	Args    []string
	Writes  []string // names of the files in Dir that it may write; Run makes them, empty
	Stdout  int64    // bytes that it may print; more is ErrLimit
	Limits  Limits
}

// Sandbox runs jobs in the isolation that it found.
type Sandbox struct {
	name string
	wrap func(dir string, writes []string) []string
}

// Ways are isolations to try, the better first.
type Ways []Sandbox

// All returns every isolation there is.
func All() Ways { return Ways{{"bwrap", bubblewrap}, {"unshare", namespaces}} }

// Only returns the isolations of these names.
func Only(names ...string) Ways {
	return slices.DeleteFunc(All(), func(s Sandbox) bool { return !slices.Contains(names, s.name) })
}

// Find returns a Sandbox of the first isolation that works on this machine, or
// ErrNone. That the program is in namespaces of its own is looked at and not
// assumed. Scratch is a folder in which it tries.
//
// Files that this process was started with are closed to every program that it
// starts from now on.
func (w Ways) Find(ctx context.Context, scratch string) (*Sandbox, error) {
	if err := unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return nil, fmt.Errorf("close inherited files: %w", err)
	}
	for i := range w {
		if err := w[i].try(ctx, scratch); err == nil {
			return &w[i], nil
		} else if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return nil, ErrNone
}

// Isolation is the name of the isolation in force: bwrap or unshare.
func (s *Sandbox) Isolation() string { return s.name }

var spaces = []string{"/proc/self/ns/net", "/proc/self/ns/pid", "/proc/self/ns/mnt", "/proc/self/ns/ipc"}

func (s *Sandbox) try(ctx context.Context, scratch string) error {
	dir, err := os.MkdirTemp(scratch, "try-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := Own(dir); err != nil {
		return err
	}
	out, err := s.Run(ctx, Job{
		Dir: dir, Program: "/usr/bin/readlink", Args: spaces, Stdout: 4 << 10,
		Limits: Limits{Wall: 10 * time.Second, CPU: 5 * time.Second, Memory: 256 << 20, File: 1 << 20, Processes: 8},
	})
	if err != nil {
		return err
	}
	theirs := strings.Fields(string(out))
	if len(theirs) != len(spaces) {
		return ErrNone
	}
	for i, space := range spaces {
		ours, err := os.Readlink(space)
		if err != nil || ours == theirs[i] {
			return ErrNone
		}
	}
	return nil
}

// Own gives a folder or a file to the user that jobs run as.
func Own(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Lchown(path, nobody, nobody)
}

// empty makes a file for the user that jobs run as.
func empty(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), Own(path))
}

// Works tries the isolation again, in a folder: what a machine allows can change
// while this process runs. It returns ErrNone, or why it could not try.
func (s *Sandbox) Works(ctx context.Context, scratch string) error { return s.try(ctx, scratch) }

// Run runs a job to its end and returns what it printed. It returns ErrLimit,
// ErrKilled, a FailedError, or the error of ctx; nothing of the job is left
// running.
func (s *Sandbox) Run(ctx context.Context, job Job) ([]byte, error) {
	for _, name := range job.Writes {
		if err := empty(filepath.Join(job.Dir, name)); err != nil {
			return nil, err
		}
	}
	timed, cancel := context.WithTimeout(ctx, job.Limits.Wall)
	defer cancel()
	// Before this time not even all processors together reach the limit on theirs.
	early, over := context.WithTimeout(ctx, job.Limits.CPU/time.Duration(runtime.NumCPU()))
	defer over()
	line := slices.Concat(s.wrap(job.Dir, job.Writes), limited(job.Limits), []string{job.Program}, job.Args)
	cmd := exec.CommandContext(timed, line[0], line[1:]...) //nolint:gosec // G204: the line is of this package's making
	out, tail := &capped{left: job.Stdout, over: cancel}, &ending{}
	cmd.Stdout, cmd.Stderr, cmd.Env, cmd.Dir = out, tail, []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	self, err := os.Open(cmp.Or(job.Image, "/proc/self/exe"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = self.Close() }()
	cmd.ExtraFiles = []*os.File{self}

	err = run(cmd)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case timed.Err() != nil || ended(err, syscall.SIGXCPU) || ended(err, syscall.SIGXFSZ):
		return nil, ErrLimit
	case ended(err, syscall.SIGKILL) && early.Err() != nil: // of the limit on the processor's time, which gives no other signal
		return nil, ErrLimit
	case ended(err, syscall.SIGKILL):
		return nil, ErrKilled
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, &FailedError{Code: exit.ExitCode(), Stderr: tail.String()}
	}
	return out.kept.Bytes(), err
}

// run keeps its thread until the program has ended: the kernel ends a child
// with the thread that started it, not with the process.
func run(cmd *exec.Cmd) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		done <- cmd.Run()
	}()
	return <-done
}

// ended says whether a program was ended by a signal. The wrappers give that of
// what they ran as 128 and its number.
func ended(err error, by syscall.Signal) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return exit.ExitCode() == 128+int(by) || (ok && status.Signaled() && status.Signal() == by)
}

// limited returns the front of a command line that sets limits.
func limited(l Limits) []string {
	line := []string{
		"/usr/bin/prlimit", "--core=0", "--nofile=64",
		fmt.Sprintf("--cpu=%d", max(1, int64(l.CPU/time.Second))),
		fmt.Sprintf("--data=%d", l.Memory),
		fmt.Sprintf("--fsize=%d", l.File),
		fmt.Sprintf("--nproc=%d", l.Processes),
	}
	if l.Space > 0 {
		line = append(line, fmt.Sprintf("--as=%d", l.Space))
	}
	return append(line, "--")
}

// bubblewrap returns the front of a command line for Debian's bubblewrap. What
// it mounts in memory is read-only too: the limit on a file is none on many.
func bubblewrap(dir string, writes []string) []string {
	line := []string{
		"/usr/bin/bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL",
		"--uid", "65534", "--gid", "65534", "--hostname", "sandbox",
		"--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
		"--ro-bind-try", "/etc/alternatives", "/etc/alternatives", "--ro-bind-try", "/etc/fonts", "/etc/fonts",
		"--proc", "/proc", "--dev", "/dev", "--perms", "0555", "--ro-bind-data", "3", Self, "--ro-bind", dir, Folder,
	}
	for _, name := range writes {
		line = append(line, "--bind", filepath.Join(dir, name), Folder+"/"+name)
	}
	return append(line, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", Folder, "--")
}

// room makes the same view of the machine by mount and chroot, in a mount
// namespace of its own, and gives up every capability in it. The shell stays
// as the first process: signals of limits do not reach that one.
const room = `set -e
dir=$1; writes=$2; shift 2
mount -t tmpfs -o size=256m,mode=755 none /mnt
cd /mnt
mkdir usr proc dev work etc etc/alternatives etc/fonts
mount --rbind /usr usr
mount -o remount,bind,ro,nosuid usr
for n in alternatives fonts; do
	[ ! -d /etc/$n ] || { mount --bind /etc/$n etc/$n; mount -o remount,bind,ro etc/$n; }
done
ln -s usr/bin bin; ln -s usr/lib lib; ln -s usr/lib64 lib64
mount -t proc none proc
for n in null zero urandom; do : >dev/$n; mount --bind /dev/$n dev/$n; done
cat <&3 >self; chmod 555 self
mount --bind "$dir" work
mount -o remount,bind,ro,nosuid,nodev,noexec work
for n in $writes; do mount --bind "$dir/$n" work/$n; done
mount -o remount,bind,ro /mnt
exec 3<&-
set +e
/usr/sbin/chroot /mnt /usr/bin/env -C /work /usr/bin/setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all --no-new-privs "$@"
exit $?`

// namespaces returns the front of a command line for util-linux alone.
func namespaces(dir string, writes []string) []string {
	return []string{
		"/usr/bin/unshare", "--user", "--map-root-user", "--net", "--pid", "--fork", "--mount", "--ipc", "--uts", "--kill-child",
		"/bin/sh", "-c", room, "sh", dir, strings.Join(writes, " "),
	}
}

// capped keeps what is written up to a number of bytes, and ends the job at
// the first that is more.
type capped struct {
	kept bytes.Buffer // not embedded: its ReadFrom would go round the count
	left int64
	over func()
}

// Write implements io.Writer.
func (c *capped) Write(p []byte) (int, error) {
	if c.left -= int64(len(p)); c.left < 0 {
		c.over()
		return 0, io.ErrShortWrite
	}
	return c.kept.Write(p)
}

// ending keeps the end of what is written.
type ending struct{ b []byte }

const endingSize = 4 << 10

// Write implements io.Writer.
func (e *ending) Write(p []byte) (int, error) {
	e.b = append(e.b, p...)
	if n := len(e.b) - endingSize; n > 0 {
		e.b = append(e.b[:0], e.b[n:]...)
	}
	return len(p), nil
}

// String returns what was kept.
func (e *ending) String() string { return string(e.b) }
