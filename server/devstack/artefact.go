package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// What is built once per user. The name holds the version, so that a checkout
// of another version builds its own beside it.
const (
	rootfsName = "rootfs-sid-postgresql-18-documentdb"

	ferretName   = "ferretdb-v2.7.0"
	ferretModule = "github.com/FerretDB/FerretDB/v2/cmd/ferretdb@v2.7.0"

	minioName   = "minio-20260212201848"
	minioModule = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"
)

const (
	keyring   = "/usr/share/keyrings/debian-archive-keyring.gpg"
	elsewhere = "run as root on Debian, or set GRID_MONGO_URI and GRID_S3_URL, or use docker compose"
)

// artefact makes sure that the cache holds name, made by build in a folder of
// another name that takes its place when it is whole. One process builds, the
// others wait for it.
func (s *stack) artefact(ctx context.Context, name string, build func(ctx context.Context, into string) error) error {
	path := filepath.Join(s.cache, name)
	if exists(path) {
		return nil
	}
	unlock, err := s.lock(ctx, path+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	if exists(path) {
		return nil
	}
	leftovers, err := filepath.Glob(path + ".tmp-*")
	if err != nil {
		return err
	}
	for _, leftover := range leftovers {
		if err := os.RemoveAll(leftover); err != nil {
			return err
		}
	}
	into, err := os.MkdirTemp(s.cache, name+".tmp-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(into) }()
	if err := build(ctx, into); err != nil {
		return err
	}
	if err := os.Chmod(into, 0o755); err != nil { //nolint:gosec // the user postgres has to read its rootfs
		return err
	}
	return os.Rename(into, path)
}

// goProgram builds one program out of a module of a fixed version.
func (s *stack) goProgram(ctx context.Context, name, module string) error {
	return s.artefact(ctx, name, func(ctx context.Context, into string) error {
		program, version, _ := strings.Cut(name, "-")
		return s.say.during(ctx, program, "build "+version, func(ctx context.Context) error {
			return s.command(ctx, name, []string{"GOBIN=" + into}, "go", "install", module)
		})
	})
}

// rootfs installs PostgreSQL with DocumentDB, which only Debian sid packages,
// into a folder of its own. Mounts made there are seen by nobody else.
func (s *stack) rootfs(ctx context.Context) error {
	return s.artefact(ctx, rootfsName, func(ctx context.Context, into string) error {
		osRelease, err := os.ReadFile("/etc/os-release")
		if err != nil {
			return errors.New(elsewhere)
		}
		sources, err := aptSources("/etc/apt")
		if err != nil {
			return err
		}
		mirror, err := debianMirror(codename(string(osRelease)), sources)
		if err != nil {
			return err
		}
		if err := s.packages(ctx); err != nil {
			return err
		}
		argv := []string{
			"unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
			"mmdebstrap", "--quiet", "--variant=apt", "--include=postgresql-18-documentdb",
			`--aptopt=APT::Install-Recommends "false"`, `--aptopt=Acquire::Check-Valid-Until "false"`,
		}
		for _, unused := range []string{"doc", "locale", "info", "man"} {
			argv = append(argv, "--dpkgopt=path-exclude=/usr/share/"+unused+"/*")
		}
		argv = append(argv, "sid", into, "deb [signed-by="+keyring+"] "+mirror+" sid main")
		return s.say.during(ctx, "postgres", "install PostgreSQL 18 with DocumentDB", func(ctx context.Context) error {
			return s.command(ctx, "rootfs", nil, argv...)
		})
	})
}

// packages installs what makes a rootfs, if it is not there.
func (s *stack) packages(ctx context.Context) error {
	_, noMmdebstrap := exec.LookPath("mmdebstrap")
	_, noUnshare := exec.LookPath("unshare")
	_, noMount := exec.LookPath("mount")
	if noMmdebstrap == nil && noUnshare == nil && noMount == nil && exists(keyring) {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return errors.New("there is no apt-get; " + elsewhere)
	}
	return s.say.during(ctx, "postgres", "install mmdebstrap", func(ctx context.Context) error {
		quiet := []string{"DEBIAN_FRONTEND=noninteractive"}
		if err := s.command(ctx, "apt", quiet, "apt-get", "update"); err != nil {
			return err
		}
		return s.command(ctx, "apt", quiet, "apt-get", "install", "-y", "--no-install-recommends",
			"-o", "DPkg::Lock::Timeout=300", "mmdebstrap", "debian-archive-keyring", "util-linux", "mount")
	})
}

// command runs a program to its end, with its output in a log file. The
// program does not outlive devstack, not even one that is killed.
func (s *stack) command(ctx context.Context, name string, env []string, argv ...string) error {
	log, err := s.openLog(name)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	runtime.LockOSThread() // the death signal comes when the thread ends that started the child
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // the command lines are in this package
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", argv[0], err, tail(log.Name()))
	}
	return nil
}

// lock takes the lock file at path, waiting for another devstack to be done.
// The kernel takes it back when this process ends, however it ends.
func (s *stack) lock(ctx context.Context, path string) (func(), error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	try := func() bool { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil }
	if !try() {
		err = s.say.during(ctx, "devstack", "wait for another devstack", func(ctx context.Context) error {
			if !waitFor(ctx, time.Hour, try) {
				return errors.Join(ctx.Err(), errors.New(path+" is still locked"))
			}
			return nil
		})
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
