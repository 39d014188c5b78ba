package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	"gridwatch/schemas/catalog/keys"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// keysKnown is how long a rotation waits until every running server has taken a
// changed keyring file up.
const keysKnown = 2*keysEvery + time.Second

func initKeys(_ context.Context, c call) error {
	args, err := c.flags("keys init", 1, nil)
	if err != nil {
		return err
	}
	cfg, _, err := c.settings()
	if err != nil {
		return err
	}
	at := newKeyStore(cfg).at(args[0])
	return at.locked(func() error { return c.makeKeys(at) })
}

// makeKeys makes the keys that a file lacks, and has the KMS seal one in clear.
func (c call) makeKeys(at keyStore) error {
	old, err := os.ReadFile(at.path)
	if errors.Is(err, os.ErrNotExist) {
		file, err := vault.GenerateKeyring(c.Random, c.Now())
		if err != nil {
			return err
		}
		return at.write(file)
	}
	if err != nil {
		return err
	}
	clear, err := at.open(old)
	seals := false
	if err != nil && at.uri != "" { // a file in clear that is to be sealed now
		if _, parsed := vault.Parse(old); parsed == nil {
			clear, err, seals = old, nil, true
		}
	}
	if err != nil {
		return err
	}
	file, err := vault.CompleteKeyring(clear, c.Random, c.Now())
	if err != nil || (string(clear) == string(file) && !seals) {
		return err
	}
	return at.write(file)
}

// rotateKeys puts a new key of a purpose in use. Each step may be done again:
// what was done is found done.
func rotateKeys(ctx context.Context, c call) error {
	purpose, step := string(vault.AtRest), ""
	if _, err := c.flags("keys rotate", 0, func(set *flag.FlagSet) {
		set.StringVar(&purpose, "purpose", purpose, "what the key is for")
		set.StringVar(&step, "step", "", "one step only, where several machines have a copy of the file: add, use or rewrap")
	}); err != nil {
		return err
	}
	p := vault.Purpose(purpose)
	steps := map[string]func(context.Context, call, vault.Purpose) error{"add": addKey, "use": useKey, "rewrap": rewrapKeys}
	if step != "" {
		do, ok := steps[step]
		if !ok {
			return errors.New("a step is add, use or rewrap")
		}
		return do(ctx, c, p)
	}
	left, err := stepsLeft(ctx, c, p)
	if err != nil {
		return err
	}
	for _, name := range left {
		if err := steps[name](ctx, c, p); err != nil {
			return err
		}
		if name == "rewrap" || (name == "use" && p != vault.AtRest) {
			continue
		}
		if err := c.untilKnown(ctx); err != nil {
			return err
		}
	}
	return nil
}

// stepsLeft are the steps of a rotation: the last one alone, where an earlier
// rotation was ended in it.
func stepsLeft(ctx context.Context, c call, p vault.Purpose) ([]string, error) {
	left := []string{"add", "use", "rewrap"}
	if p != vault.AtRest {
		return left, nil
	}
	return left, c.opened(ctx, func(a *App) error {
		keyring, err := a.loadKeyring()
		if err != nil {
			return err
		}
		r, err := a.store.WrappedKeys.Rewrap(ctx, keyring.NewestID(p))
		if err != nil || r.Key == "" || r.Done {
			return err
		}
		left = left[2:]
		_, err = fmt.Fprintln(c.Stdout, "an earlier rotation was ended before it was done: going on with it")
		return err
	})
}

// loadKeyring reads the server's keys.
func (a *App) loadKeyring() (*vault.Keyring, error) { return newKeyStore(a.cfg).load() }

// untilKnown waits until all servers on this file know what is in it.
func (c call) untilKnown(ctx context.Context) error {
	if _, err := fmt.Fprintf(c.Stdout, "waiting %s: running servers take the file up\n", keysKnown); err != nil {
		return err
	}
	t := time.NewTimer(keysKnown)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// turnKeys changes the keyring file.
func (c call) turnKeys(turn func(file []byte) ([]byte, error), done string, args ...any) error {
	cfg, _, err := c.settings()
	if err != nil {
		return err
	}
	if err := newKeyStore(cfg).change(turn); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Stdout, done+"\n", args...)
	return err
}

func addKey(_ context.Context, c call, p vault.Purpose) error {
	return c.turnKeys(func(file []byte) ([]byte, error) { return vault.AddKey(file, p, c.Random, c.Now()) },
		"a new key for %s is in the file and waits", p)
}

func useKey(_ context.Context, c call, p vault.Purpose) error {
	return c.turnKeys(func(file []byte) ([]byte, error) { return vault.UseKey(file, p, c.Now()) },
		"the newest key for %s is in use; older ones still open what was made with them", p)
}

// rewrapKeys wraps all data keys under the key in use, and tells how far it is.
func rewrapKeys(ctx context.Context, c call, p vault.Purpose) error {
	if p != vault.AtRest {
		return nil
	}
	return c.assembled(ctx, func(a *App) error {
		return a.service.RewrapAll(ctx, func(r workflow.Rewrap) error {
			switch {
			case r.Done && r.Failed > 0:
				_, err := fmt.Fprintf(c.Stdout, "done: %d data keys wrapped again, and %d that cannot be are left as they are\n", r.Total, r.Failed)
				return err
			case r.Done:
				_, err := fmt.Fprintf(c.Stdout, "done: %d data keys wrapped again, and none is left under an older key\n", r.Total)
				return err
			}
			_, err := fmt.Fprintf(c.Stdout, "pass %d, %s: %d data keys wrapped again\n", r.Pass, r.Collection, r.Total)
			return err
		})
	})
}

// pruneKeys removes old keys of the file that nothing needs any more. The count
// of what is in use takes its time, so the file is read again to be changed: a
// rotation may have added a key meanwhile.
func pruneKeys(ctx context.Context, c call) error {
	if _, err := c.flags("keys prune", 0, nil); err != nil {
		return err
	}
	terms, err := keys.Load()
	if err != nil {
		return err
	}
	return c.assembled(ctx, func(a *App) error {
		file, err := a.keys.read()
		if err != nil {
			return err
		}
		old, err := vault.OldKeys(file)
		if err != nil {
			return err
		}
		used, wrapped, err := a.service.KeysInUse(ctx)
		if err != nil {
			return err
		}
		var lines []string
		var gone []vault.OldKey
		for _, k := range old {
			why := needed(k, terms, used, wrapped, c.Now())
			if why == "" {
				gone = append(gone, k)
				lines = append(lines, fmt.Sprintf("%s %s removed", k.Purpose, k.ID))
				continue
			}
			lines = append(lines, fmt.Sprintf("%s %s stays: %s", k.Purpose, k.ID, why))
		}
		if err := a.keys.change(func(file []byte) ([]byte, error) { return without(file, gone) }); err != nil {
			return err
		}
		for _, line := range lines {
			if _, err := fmt.Fprintln(c.Stdout, line); err != nil {
				return err
			}
		}
		return nil
	})
}

// without takes old keys out of a file; some may be gone already.
func without(file []byte, gone []vault.OldKey) ([]byte, error) {
	there, err := vault.OldKeys(file)
	for _, k := range gone {
		if err == nil && slices.Contains(there, k) {
			file, err = vault.WithoutKey(file, k.Purpose, k.ID)
		}
	}
	return file, err
}

// needed says why an old key has to stay, "" if it has not. Data keys were last
// wrapped again at a time, the zero one if that is not known: a command that
// began before may write a wrapped key back.
func needed(k vault.OldKey, terms map[string]keys.Term, used map[string]int, wrapped, now time.Time) string {
	term, ok := terms[string(k.Purpose)]
	if !ok {
		return "nobody has said how long it is needed"
	}
	since := k.Replaced
	if k.Purpose == vault.AtRest {
		if n := used[k.ID]; n > 0 {
			return fmt.Sprintf("%d data keys are wrapped under it; run server keys rotate --step rewrap", n)
		}
		if wrapped.After(since) {
			since = wrapped
		}
	}
	if term.Forever {
		return term.Text
	}
	if until := since.Add(time.Duration(term.LookBackHours) * time.Hour); now.Before(until) {
		return "needed until " + until.UTC().Format(time.RFC3339) + ": " + term.Text
	}
	return ""
}
