package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"gridwatch/mobileapi/wire"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/audit"
	"gridwatch/server/vault"
)

// log makes the log's sequencer of this process.
func (a *App) log(keyring *vault.Keyring) (*audit.Log, error) {
	owner, err := vault.NewID(a.env.Random)
	if err != nil {
		return nil, err
	}
	return audit.New(audit.Config{
		Store: a.store.Audit, Signer: func() (note.Signer, error) { return audit.NewSigner(keyring.LogKey()) }, Hour: a.cfg.LogHour, Owner: owner,
		Now: a.env.Now, Random: a.env.Random, Log: a.env.Log,
	}), nil
}

// logKeys are the keys that this installation's checkpoints are checked by: its
// own, newest first, and that of the level above.
func (a *App) logKeys() ([]string, error) {
	keyring, err := a.loadKeyring()
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, public := range keyring.LogKeys() {
		key, err := audit.VerifierKey(public)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return append(keys, a.cfg.LogAbove), nil
}

// logFlags are what the commands of the log are given.
type logFlags struct {
	url, proof, statement, key, above, signer string
	checkpoints                               []string // files
}

func (f *logFlags) define(set *flag.FlagSet) {
	set.StringVar(&f.key, "key", "", "verifier key of the log, as it was published")
	set.Func("checkpoint", "file of a checkpoint, as you kept it; may be given again", func(path string) error {
		f.checkpoints = append(f.checkpoints, path)
		return nil
	})
}

// open reads the checkpoints that were kept.
func (f *logFlags) open(known note.Verifiers) ([]audit.Signed, error) {
	var all []audit.Signed
	for _, path := range f.checkpoints {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		c, err := audit.OpenCheckpoint(string(text), known)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, c)
	}
	return all, nil
}

// verifyLog checks a proof offline, a server's log by its public tiles, or the
// log in this installation's own database.
func verifyLog(ctx context.Context, c call) error {
	var f logFlags
	if _, err := c.flags("log verify", 0, func(set *flag.FlagSet) {
		f.define(set)
		set.StringVar(&f.url, "url", "", "server whose log is checked by what is public of it")
		set.StringVar(&f.proof, "proof", "", "file of GET /v1/receipt/proofs, checked against one checkpoint")
		set.StringVar(&f.statement, "statement", "", "file of the statement that registration was answered with: the proofs are to be of that report")
		set.StringVar(&f.above, "above", "", "verifier key of the level above")
	}); err != nil {
		return err
	}
	if f.url == "" && f.proof == "" {
		return verifyOwnLog(ctx, c, f)
	}
	known, err := audit.Verifiers(f.key, f.above)
	if err != nil {
		return err
	}
	if f.proof != "" {
		return verifyProof(c, f, known)
	}
	_, report, err := fetchLog(ctx, f, known)
	return errors.Join(tell(c.Stdout, report), err)
}

func verifyOwnLog(ctx context.Context, c call, f logFlags) error {
	return c.opened(ctx, func(a *App) error {
		keys, err := a.logKeys()
		if err != nil {
			return err
		}
		known, err := audit.Verifiers(append(keys, f.key)...)
		if err != nil {
			return err
		}
		kept, err := f.open(known)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(c.Stdout, "key:", keys[0]); err != nil {
			return err
		}
		report, err := audit.VerifyStore(ctx, a.store.Audit, known, kept...)
		return errors.Join(tell(c.Stdout, report), err)
	})
}

func verifyProof(c call, f logFlags, known note.Verifiers) error {
	kept, err := f.open(known)
	if err != nil {
		return err
	}
	if len(kept) != 1 {
		return errors.New("log verify --proof takes one --checkpoint")
	}
	file, err := os.Open(f.proof)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	proofs, err := audit.ReadProofs(file)
	if err != nil {
		return err
	}
	if err := proofs.Check(kept[0]); err != nil {
		return err
	}
	if err := f.registered(proofs); err != nil {
		return err
	}
	for _, p := range proofs.Proofs {
		place := "waits for the checkpoint of " + p.Pending
		if p.Index != nil {
			place = fmt.Sprintf("is leaf %d", *p.Index)
		}
		if _, err := fmt.Fprintf(c.Stdout, "%s %s %s\n", p.Day, p.Kind, place); err != nil {
			return err
		}
	}
	return tell(c.Stdout, audit.Report{Size: kept[0].Size, Checkpoints: kept})
}

// registered compares proofs with the statement that was kept, if one was.
func (f *logFlags) registered(proofs audit.Proofs) error {
	if f.statement == "" {
		return nil
	}
	text, err := os.ReadFile(f.statement)
	if err != nil {
		return err
	}
	s, err := vault.ReadStatement(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("%s: %w", f.statement, err)
	}
	return proofs.Register(s.Commitment, s.Day)
}

// tell prints what was found; a fault is an error.
func tell(w io.Writer, r audit.Report) error {
	for _, c := range r.Checkpoints {
		if _, err := fmt.Fprintf(w, "checkpoint of %s: %d leaves, signed by %s\n", c.Day, c.Size, strings.Join(c.By, ", ")); err != nil {
			return err
		}
	}
	for _, fault := range r.Faults {
		if _, err := fmt.Fprintln(w, "FAULT:", fault); err != nil {
			return err
		}
	}
	if len(r.Faults) > 0 {
		return fmt.Errorf("the log does not hold: %d faults", len(r.Faults))
	}
	return nil
}

// fetchLog reads a server's newest checkpoint and checks the log by its tiles,
// against checkpoints that were kept too.
func fetchLog(ctx context.Context, f logFlags, known note.Verifiers) (audit.Signed, audit.Report, error) {
	fail := func(err error) (audit.Signed, audit.Report, error) { return audit.Signed{}, audit.Report{}, err }
	if err := apiclient.CheckBase(f.url); err != nil {
		return fail(err)
	}
	client := apiclient.Client{Base: strings.TrimSuffix(f.url, "/"), HTTP: &http.Client{Timeout: time.Minute}}
	var served wire.Checkpoint
	if _, err := client.Do(ctx, apiclient.Call{Method: http.MethodGet, Path: "/v1/log/checkpoint"}, &served); err != nil {
		return fail(err)
	}
	newest, err := audit.OpenCheckpoint(served.Note, known)
	if err != nil {
		return fail(err)
	}
	kept, err := f.open(known)
	if err != nil {
		return fail(err)
	}
	report, err := audit.VerifyPublic(append([]audit.Signed{newest}, kept...), func(index int64) ([]byte, error) {
		var tile wire.Tile
		path := "/v1/log/tiles/" + audit.TileID(0, index)
		_, err := client.Do(ctx, apiclient.Call{Method: http.MethodGet, Path: path}, &tile)
		return tile.Hashes, err
	})
	return newest, report, err
}

// keygenLog makes the key pair of a level above: the private half goes into a
// file of its own, the verifier key is printed.
func keygenLog(_ context.Context, c call) error {
	args, err := c.flags("log keygen", 2, nil)
	if err != nil {
		return err
	}
	private, public, err := note.GenerateKey(c.Random, args[0])
	if err != nil {
		return err
	}
	if err := newFile(args[1], []byte(private+"\n")); err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.Stdout, public)
	return err
}

// countersignLog is the level above looking at the whole log, also whether it
// grew out of what was countersigned before, and signing its newest checkpoint.
func countersignLog(ctx context.Context, c call) error {
	var f logFlags
	args, err := c.flags("log countersign", 1, func(set *flag.FlagSet) {
		f.define(set)
		set.StringVar(&f.signer, "signer", "", "file of log keygen")
	})
	if err != nil {
		return err
	}
	f.url = args[0]
	known, err := audit.Verifiers(f.key)
	if err != nil {
		return err
	}
	private, err := os.ReadFile(f.signer)
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(strings.TrimSpace(string(private)))
	if err != nil {
		return fmt.Errorf("%s: %w", f.signer, err)
	}
	newest, report, err := fetchLog(ctx, f, known)
	if err != nil {
		return err
	}
	if err := tell(c.Stderr, report); err != nil {
		return err
	}
	signed, err := audit.Countersign(newest.Note, known, signer)
	if err != nil {
		return err
	}
	_, err = io.WriteString(c.Stdout, signed)
	return err
}

// acceptLog keeps a checkpoint that the level above has countersigned.
func acceptLog(ctx context.Context, c call) error {
	args, err := c.flags("log accept", 1, nil)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	return c.opened(ctx, func(a *App) error {
		keys, err := a.logKeys()
		if err != nil {
			return err
		}
		known, err := audit.Verifiers(keys...)
		if err != nil {
			return err
		}
		return audit.Accept(ctx, a.store.Audit, string(text), known)
	})
}
