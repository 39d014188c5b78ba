// Command gateway is an example of a gateway that calls or writes to reporters
// without an officer seeing the number. It needs age and the standard library,
// nothing of ours.
//
// It checks that a request is signed by the server, opens the contact with its
// own key, and gives number and a fixed text to a command: a modem's, or an SMS
// provider's. A request comes again until it is answered; the command is run once
// for each id, and once more only if the gateway died while it ran.
//
//	go run ./schemas/examples/gateway keygen -key gateway.key > gateway.pub
//	go run ./schemas/examples/gateway serve -key gateway.key -server keys.json \
//	  -journal done.jsonl -command /usr/local/bin/send-sms
//
// keys.json is what "server gateway keys" prints; gateway.pub is for the officers
// of ring B. The command reads the number, a line, from standard input, and finds
// the text in TEXT and the kind of address in KIND. What it prints is thrown away.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"filippo.io/age"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // nothing is left to stop
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 || (args[0] != "keygen" && args[0] != "serve") {
		return errors.New("usage: gateway keygen -key FILE | gateway serve -key FILE -server FILE -journal FILE -command COMMAND")
	}
	set := flag.NewFlagSet(args[0], flag.ContinueOnError)
	keyFile := set.String("key", "", "file of the gateway's own key")
	var s settings
	set.StringVar(&s.listen, "listen", "127.0.0.1:8090", "address that serves; off loopback behind a proxy that ends TLS")
	set.StringVar(&s.authority, "authority", "", "host and port that requests are signed for; that of the request if empty")
	set.StringVar(&s.server, "server", "", "file with the server's public keys")
	set.StringVar(&s.journal, "journal", "", "file that keeps which requests are done")
	set.StringVar(&s.command, "command", "", "command that calls or sends")
	set.DurationVar(&s.settle, "settle", 2*time.Minute, "no result is told earlier, so that none tells whether there was a number: longer than a call takes")
	if err := set.Parse(args[1:]); err != nil {
		return err
	}
	if args[0] == "keygen" {
		return keygen(*keyFile)
	}
	text, err := os.ReadFile(*keyFile) //nolint:gosec // the operator says which
	if err != nil {
		return err
	}
	key, err := age.ParseHybridIdentity(string(text))
	if err != nil {
		return errors.New("-key is no file of gateway keygen")
	}
	return serve(ctx, s, key)
}

// keygen makes the gateway's key and prints the half that contacts are sealed to.
func keygen(path string) error {
	key, err := age.GenerateHybridIdentity()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator says which
	if err != nil {
		return err
	}
	_, err = f.WriteString(key.String())
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	_, err = fmt.Println(key.Recipient())
	return err
}

type settings struct {
	listen, authority, server, journal, command string
	settle                                      time.Duration
}

func serve(ctx context.Context, s settings, key *age.HybridIdentity) error {
	text, err := os.ReadFile(s.server)
	if err != nil {
		return err
	}
	v := verifier{authority: s.authority, now: time.Now}
	if err := json.Unmarshal(text, &v.keys); err != nil || len(v.keys) == 0 {
		return errors.New("-server is no file of server gateway keys")
	}
	kept, err := openJournal(s.journal)
	if err != nil {
		return err
	}
	g := &gateway{verifier: v, key: key, journal: kept, settle: s.settle, send: runs(s.command), jobs: map[string]*job{}}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.listen)
	if err != nil {
		return errors.Join(err, kept.Close())
	}
	fmt.Println("listening on", listener.Addr())
	server := &http.Server{Handler: g, ReadTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = server.Shutdown(wait)
	}
	g.work.Wait()
	return errors.Join(err, kept.Close())
}
