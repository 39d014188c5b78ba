package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

// A stack is the engines of one checkout.
type stack struct {
	root  string // the checkout
	dir   string // its .stack
	cache string // what all checkouts of this user share
	ends  endpoints
	free  func(port int) bool // whether a port could be listened on now
	say   *progress
}

func newStack(say *progress) (*stack, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("the local engines need root; " + elsewhere)
	}
	wd, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	root, err := checkout(wd)
	if err != nil {
		return nil, err
	}
	cache, set := os.LookupEnv("GRID_STACK_CACHE")
	if !set || cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil, err
		}
		cache = filepath.Join(user, "gridwatch", "stack")
	}
	s := &stack{root: root, dir: filepath.Join(root, ".stack"), cache: cache, free: portIsFree, say: say}
	s.ends, err = readEndpoints(s.dir)
	return s, err
}

// up brings all engines up. What runs is left alone, so a second call is quick.
func (s *stack) up(ctx context.Context) error {
	for _, dir := range []string{s.cache, s.sub("log"), s.sub("bin"), s.sub("postgres"), s.sub("ferretdb"), s.sub("minio/disk"), s.sub("fcm")} {
		if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the user postgres passes through these
			return err
		}
	}
	unlock, err := s.lock(ctx, s.sub("lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if s.ends, err = readEndpoints(s.dir); err != nil {
		return err
	}
	if err := s.keepSelf(); err != nil {
		return err
	}
	if err := s.choosePorts(ctx); err != nil {
		return err
	}
	if err := s.startAll(ctx); err != nil {
		return err
	}
	if err := writeFile(s.sub("env"), []byte(s.env())); err != nil {
		return err
	}
	s.say.line("devstack", "all up; addresses in .stack/env")
	return nil
}

// startAll gets what is missing and starts each engine as soon as what it
// needs is there.
func (s *stack) startAll(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	if !exists(filepath.Join(s.cache, minioName)) { // a first start: fetch the server's own modules meanwhile
		all.Go(func() error { return s.command(ctx, "modules", nil, "go", "-C", s.root, "mod", "download") })
	}
	all.Go(func() error { return s.ensure(ctx, s.fcm()) })
	all.Go(func() error {
		if err := s.goProgram(ctx, minioName, minioModule); err != nil {
			return err
		}
		return s.ensure(ctx, s.minio())
	})
	all.Go(func() error {
		database, both := errgroup.WithContext(ctx)
		database.Go(func() error {
			if err := s.rootfs(both); err != nil {
				return err
			}
			return s.ensure(both, s.postgres())
		})
		database.Go(func() error { return s.goProgram(both, ferretName, ferretModule) })
		if err := database.Wait(); err != nil {
			return err
		}
		return s.ensure(ctx, s.ferretdb())
	})
	return all.Wait()
}

// down ends the engines of this checkout, and no other process.
func (s *stack) down(ctx context.Context) error {
	if !exists(s.dir) {
		return nil
	}
	unlock, err := s.lock(ctx, s.sub("lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if err := os.Remove(s.sub("env")); err != nil && !os.IsNotExist(err) {
		return err
	}
	var failed error
	for _, e := range []engine{s.fcm(), s.ferretdb(), s.minio(), s.postgres()} {
		if len(processesOf(e.dir, e.program())) == 0 {
			continue
		}
		failed = errors.Join(failed, s.say.during(ctx, e.name, "stop", func(ctx context.Context) error {
			return stopAll(ctx, e.dir, e.program(), e.stop, patience/2)
		}))
	}
	return failed
}

// status writes one line for each engine, and is an error unless all answer.
func (s *stack) status(ctx context.Context, out io.Writer) error {
	var failed error
	for _, e := range []engine{s.postgres(), s.ferretdb(), s.minio(), s.fcm()} {
		state, pid := "up", e.running()
		switch {
		case pid == 0:
			state = "stopped"
		case !e.answers(ctx):
			state = "not answering"
		}
		if state != "up" {
			failed = errors.New("not all engines are up")
		}
		if _, err := fmt.Fprintf(out, "%-9s %-14s %-16s pid %d\n", e.name, state, local(e.port), pid); err != nil {
			return err
		}
	}
	return failed
}

// choosePorts keeps the ports of engines that run and remembered ports that
// are free, finds others for the rest, and remembers all.
func (s *stack) choosePorts(ctx context.Context) error {
	taken := map[int]bool{}
	for _, p := range []struct {
		port *int
		of   engine
	}{
		{&s.ends.Postgres, s.postgres()},
		{&s.ends.FerretDB, s.ferretdb()},
		{&s.ends.Health, s.ferretdb()},
		{&s.ends.MinIO, s.minio()},
		{&s.ends.FCM, s.fcm()},
	} {
		if len(processesOf(p.of.dir, p.of.program())) == 0 {
			// The port of an engine killed just now is let go in a moment.
			waitFor(ctx, portPatience, func() bool { return *p.port == 0 || s.free(*p.port) })
			port, err := choosePort(*p.port, taken, rand.Reader, s.free)
			if err != nil {
				return err
			}
			*p.port = port
		}
		taken[*p.port] = true
	}
	if err := s.ends.secrets(rand.Reader); err != nil {
		return err
	}
	return s.ends.write(s.dir)
}

// keepSelf puts this program at .stack/bin/devstack, from where the stand-in
// for FCM runs: what `go run` built is gone when it ends.
func (s *stack) keepSelf() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	kept := s.sub("bin/devstack")
	if self == kept {
		return nil
	}
	program, err := os.ReadFile(self)
	if err != nil {
		return err
	}
	if err := os.WriteFile(kept+".new", program, 0o755); err != nil { //nolint:gosec // it is a program
		return err
	}
	return os.Rename(kept+".new", kept)
}

// env is that of the endpoints, where this stack lies, and what the object store
// is: tests that look at the engines' disks, or kill an object store of their
// own, need to know.
func (s *stack) env() string {
	return s.ends.env() + export("GRID_STACK_DIR", s.dir) + export("GRID_STACK_MINIO", s.minio().argv[0])
}

func (s *stack) sub(name string) string { return filepath.Join(s.dir, name) }
