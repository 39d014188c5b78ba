// Command server is Gridwatch: work-safety grid supervision and the 12350
// reporting line. `server help` lists what it does.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gridwatch/server/app"
	"gridwatch/server/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() { // the first signal drains, the second ends at once
		<-ctx.Done()
		stop()
	}()
	debug.SetGCPercent(50) // most of the memory is buffers of evidence: twice as much would be for nothing
	environ := os.Environ()
	err := errors.Join(config.Unset(), noCore()) // no child and no core dump is to find a secret
	if err == nil {
		err = app.Command(ctx, os.Args[1:], environ, app.System{
			Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Now: time.Now, Random: rand.Reader,
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

// noCore keeps the memory of this program, in which an identity may lie that is
// being sealed, out of core dumps and from other programs of the same user.
func noCore() error {
	return errors.Join(unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}), unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0))
}
