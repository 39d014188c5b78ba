package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	patience     = 60 * time.Second // for an engine to start, or to end
	askTimeout   = 3 * time.Second  // for one question whether it is ready
	portPatience = 2 * time.Second  // for a remembered port to come free
)

// An engine is one program that the stack keeps running.
type engine struct {
	name    string
	dir     string         // where its processes stand, and by which they are known
	port    int            // where it listens
	argv    []string       // its command line, once it runs
	start   []string       // what becomes argv; argv itself if empty
	env     []string       // added to the environment
	stop    syscall.Signal // asks it to end
	prepare func(context.Context) error
	ready   func(context.Context) error
}

func (e engine) program() string { return e.argv[0] }

// running is the process that runs with today's command line, or 0.
func (e engine) running() int {
	for _, p := range processesOf(e.dir, e.program()) {
		if slices.Equal(p.argv, e.argv) {
			return p.pid
		}
	}
	return 0
}

func (e engine) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return e.ready(ctx) == nil
}

// ensure starts e unless it runs with the same command line and answers. What
// is left of an older run is ended first.
func (s *stack) ensure(ctx context.Context, e engine) error {
	if e.running() != 0 && waitFor(ctx, patience/4, func() bool { return e.running() == 0 || e.answers(ctx) }) && e.running() != 0 {
		s.say.line(e.name, "is up at "+local(e.port))
		return nil
	}
	if err := stopAll(ctx, e.dir, e.program(), e.stop, patience/4); err != nil {
		return fmt.Errorf("%s: %w", e.name, err)
	}
	if e.prepare != nil {
		if err := e.prepare(ctx); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	return s.say.during(ctx, e.name, "start at "+local(e.port), func(ctx context.Context) error {
		return s.launch(ctx, e)
	})
}

// launch starts e, detached from this process and its terminal, and returns
// when it answers.
func (s *stack) launch(ctx context.Context, e engine) error {
	log, err := s.openLog(e.name)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	argv := e.argv
	if e.start != nil {
		argv = e.start
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), argv[0], argv[1:]...) //nolint:gosec // the command lines are in this package
	cmd.Dir = e.dir
	cmd.Env = append(os.Environ(), e.env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	dead := false
	answers := waitFor(ctx, patience, func() bool {
		select {
		case <-ended:
			dead = true
		default:
		}
		return dead || e.answers(ctx)
	})
	switch {
	case dead:
		return errors.New("it ended at once:\n" + tail(log.Name()))
	case !answers:
		return errors.Join(ctx.Err(), errors.New("it does not answer:\n"+tail(log.Name())))
	}
	return nil
}

// answersHTTP is how an engine with a health page is asked whether it is ready.
func answersHTTP(url string) func(context.Context) error {
	client := &http.Client{Timeout: askTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != http.StatusOK {
			return errors.New(res.Status)
		}
		return nil
	}
}

func (s *stack) openLog(name string) (*os.File, error) {
	return os.OpenFile(filepath.Join(s.dir, "log", name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// tail is the end of a log file, for a message on the terminal.
func tail(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n") + "\n(" + path + ")"
}
