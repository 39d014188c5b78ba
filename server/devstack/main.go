// Command devstack brings up, for one checkout, the engines Gridwatch stands
// on: PostgreSQL with DocumentDB and FerretDB for the MongoDB protocol, MinIO
// for S3, and a stand-in for FCM. It is for development and tests, listens on
// the loopback address only and asks for no password but MinIO's.
//
// What is slow to make is kept per user and shared by all checkouts; what has
// state is kept in .stack of the checkout.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

const usage = "usage: devstack up | down | status | env | checkpoint"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) //nolint:forbidigo // a main function starts the context
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "devstack:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 3 && args[0] == "fcm" && args[1] == "--listen" {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", args[2])
		if err != nil {
			return err
		}
		return serveFCM(ctx, listener, time.Now) //nolint:forbidigo // a main function reads the clock
	}
	if len(args) != 1 {
		return errors.New(usage)
	}
	if external, err := external(os.LookupEnv); args[0] != "checkpoint" && (external || err != nil) {
		if err == nil && args[0] != "env" {
			fmt.Println("GRID_MONGO_URI and GRID_S3_URL are set: those engines are used, nothing local is touched") //nolint:forbidigo // a command talks to its terminal
		}
		return err
	}
	s, err := newStack(newProgress(os.Stdout, time.Now)) //nolint:forbidigo // a main function reads the clock
	if err != nil {
		return err
	}
	switch args[0] {
	case "up":
		return s.up(ctx)
	case "down":
		return s.down(ctx)
	case "status":
		return s.status(ctx, os.Stdout)
	case "env":
		_, err := fmt.Fprint(os.Stdout, s.env())
		return err
	case "checkpoint":
		return s.checkpoint(ctx)
	default:
		return errors.New(usage)
	}
}

// external reports whether the caller brings the engines along. One without
// the other is an error, since the two would not belong together.
func external(lookup func(string) (string, bool)) (bool, error) {
	mongo, _ := lookup("GRID_MONGO_URI")
	s3, _ := lookup("GRID_S3_URL")
	if (mongo == "") != (s3 == "") {
		return false, errors.New("set both GRID_MONGO_URI and GRID_S3_URL, or neither")
	}
	return mongo != "", nil
}

// checkout is the folder of the nearest go.mod, at dir or above it.
func checkout(dir string) (string, error) {
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("no go.mod at %s or above: run this inside the checkout", dir)
		}
	}
}
