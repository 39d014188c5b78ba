package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
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
	old, err := os.ReadFile(args[0])
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
	at := newKeyStore(cfg)
	file, err := at.read()
	if err != nil {
		return err
	}
	fresh, err := turn(file)
	if err != nil {
		return err
	}
	if string(file) != string(fresh) {
		if err := at.write(fresh); err != nil {
			return err
		}
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
			if r.Done {
				_, err := fmt.Fprintf(c.Stdout, "done: %d data keys wrapped again, and none is left under an older key\n", r.Total)
				return err
			}
			_, err := fmt.Fprintf(c.Stdout, "pass %d, %s: %d data keys wrapped again\n", r.Pass, r.Collection, r.Total)
			return err
		})
	})
}

// pruneKeys removes old keys of the file that nothing needs any more.
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
		used, err := a.service.KeysInUse(ctx)
		if err != nil {
			return err
		}
		for _, k := range old {
			why := needed(k, terms[string(k.Purpose)], used, c.Now())
			if why == "" {
				if file, err = vault.WithoutKey(file, k.Purpose, k.ID); err != nil {
					return err
				}
				why = "removed"
			} else {
				why = "stays: " + why
			}
			if _, err := fmt.Fprintf(c.Stdout, "%s %s %s\n", k.Purpose, k.ID, why); err != nil {
				return err
			}
		}
		return a.keys.write(file)
	})
}

// needed says why an old key has to stay, "" if it has not.
func needed(k vault.OldKey, term keys.Term, used map[string]int, now time.Time) string {
	if n := used[k.ID]; k.Purpose == vault.AtRest && n > 0 {
		return fmt.Sprintf("%d data keys are wrapped under it; run server keys rotate --step rewrap", n)
	}
	if term.Forever {
		return term.Text
	}
	if until := k.Replaced.Add(time.Duration(term.LookBackHours) * time.Hour); now.Before(until) {
		return "needed until " + until.Format(time.RFC3339) + ": " + term.Text
	}
	return ""
}
