package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// assembled runs do with the use cases, without serving.
func (c call) assembled(ctx context.Context, do func(*App) error) error {
	return c.opened(ctx, func(a *App) error {
		if err := a.assemble(ctx); err != nil {
			return err
		}
		return do(a)
	})
}

func keepTerms(ctx context.Context, c call) error {
	if _, err := c.flags("terms", 0, nil); err != nil {
		return err
	}
	owner, err := vault.NewID(c.Random)
	if err != nil {
		return err
	}
	return c.assembled(ctx, func(a *App) error {
		a.checkClock(ctx)
		kept, err := a.service.KeepTerms(ctx, owner)
		_, told := fmt.Fprintf(c.Stdout, "closed %d, sealed away %d, announced %d, erased %d, recordings removed %d, collections removed %d, openings lapsed %d, awards forfeited %d, failed %d\n",
			kept.Closed, kept.Archived, kept.Announced, kept.Erased, kept.Recordings, kept.Collected, kept.Lapsed, kept.Forfeited, kept.Failed)
		return errors.Join(err, told)
	})
}

// exportErasures writes the list, an entry a line.
func exportErasures(ctx context.Context, c call) error {
	args, err := c.flags("erasures export", 1, nil)
	if err != nil {
		return err
	}
	return c.assembled(ctx, func(a *App) error {
		var text []byte
		n := 0
		if err := a.service.EachErasure(ctx, func(e workflow.Erased) error {
			line, err := json.Marshal(e)
			text, n = append(append(text, line...), '\n'), n+1
			return err
		}); err != nil {
			return err
		}
		if err := replaceFile(args[0], text); err != nil {
			return err
		}
		_, err := fmt.Fprintf(c.Stdout, "wrote %d erasures\n", n)
		return err
	})
}

// replayErasures is run on a restored database before it is served.
func replayErasures(ctx context.Context, c call) error {
	args, err := c.flags("erasures replay", 1, nil)
	if err != nil {
		return err
	}
	list, err := readErasures(args[0])
	if err != nil {
		return err
	}
	return c.assembled(ctx, func(a *App) error {
		n, err := a.service.ReplayErasures(ctx, list)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.Stdout, "%d erasures on the list, %d reports erased again\n", len(list), n)
		return err
	})
}

func readErasures(path string) ([]workflow.Erased, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	var list []workflow.Erased
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var e workflow.Erased
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Report == "" || e.Tenant == "" {
			return nil, errors.Join(fmt.Errorf("%s: line %d is not an entry of a list of erasures", path, len(list)+1), f.Close())
		}
		list = append(list, e)
	}
	return list, errors.Join(lines.Err(), f.Close())
}
