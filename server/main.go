// Command server is Gridwatch: work-safety grid supervision and the 12350
// reporting line. `server help` lists what it does.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"gridwatch/server/app"
	"gridwatch/server/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() { // the first signal drains, the second ends at once
		<-ctx.Done()
		stop()
	}()
	environ := os.Environ()
	err := config.Unset() // no child and no core dump is to find a secret there
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
