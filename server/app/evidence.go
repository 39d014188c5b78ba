package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"unicode"

	"gridwatch/server/audit"
	"gridwatch/server/audit/exhibit"
)

// verifyEvidence checks an archive of evidence by nothing but itself and the
// log's verifier key, and names what does not fit.
func verifyEvidence(_ context.Context, c call) error {
	var keys []string
	args, err := c.flags("evidence verify", 1, func(set *flag.FlagSet) {
		set.Func("key", "verifier key of the log, or of the level above, as it was published; may be given again", func(key string) error {
			keys = append(keys, key)
			return nil
		})
	})
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return errors.New("evidence verify takes --key: the verifier key of the log, as it was published")
	}
	known, err := audit.Verifiers(keys...)
	if err != nil {
		return err
	}
	file, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	return tellExhibit(c, exhibit.Verify(file, info.Size(), known))
}

// printable keeps what an archive says of itself from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}

func tellExhibit(c call, r exhibit.Report) error {
	lines := []string{}
	if m := r.Manifest; m.Format != "" {
		lines = append(lines, fmt.Sprintf("%s %s of %s, exported by %s at %s: %d items, %d files",
			m.Kind, m.Record, m.Tenant, m.MadeBy, m.MadeAt.Format("2006-01-02 15:04 MST"), len(m.Items), len(m.Files)))
		for _, item := range m.Items {
			lines = append(lines, fmt.Sprintf("  item %d %s: %s, %s, %d events", item.N, item.ID, item.Kind, item.State, item.Events))
		}
	}
	if r.Checkpoint.Day != "" {
		lines = append(lines, fmt.Sprintf("checkpoint of %s: %d leaves, signed by %v", r.Checkpoint.Day, r.Checkpoint.Size, r.Checkpoint.By))
	}
	lines = append(lines, r.Waiting...)
	for _, fault := range r.Faults {
		lines = append(lines, "FAULT: "+fault)
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(c.Stdout, printable(line)); err != nil {
			return err
		}
	}
	if len(r.Faults) > 0 {
		return fmt.Errorf("the archive does not hold: %d faults", len(r.Faults))
	}
	_, err := fmt.Fprintln(c.Stdout, "the archive holds")
	return err
}
