package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"gridwatch/server/app/custody"
	"gridwatch/server/casefile"
)

// callBack has ring B approve that reporters are called back, and ring A use the
// contact of the report once, by the command line of their officers.
func (p *player) callBack(ctx context.Context) error {
	text, err := p.custody(ctx, "seal1", "approve", "--purpose", string(casefile.ContactCallBack), "--basis", "安全生产法 第76条",
		"--uses", "3", "--days", "7", "--yes")
	if err != nil {
		return err
	}
	words := strings.Fields(string(text))
	approval := words[len(words)-1]
	p.tell("ring B: three uses for a call back (回访), for a week, at a terminal; signed")
	root, err := Fingerprint(p.Dir, Tenant)
	if err != nil {
		return err
	}
	text, err = p.custody(ctx, "identity1", "call", "--approval", approval, "--report", p.report, "--via", string(casefile.ByTerminal),
		"--root", root, "--yes", "--json")
	if err != nil {
		return err
	}
	var seen custody.Reached
	at := strings.Index(string(text), "{")
	if at < 0 {
		return errors.New("ring A was shown no contact")
	}
	if err := json.NewDecoder(strings.NewReader(string(text)[at:])).Decode(&seen); err != nil {
		return err
	}
	if seen.Kind != "phone" || seen.Value == "" {
		return fmt.Errorf("ring A was shown another contact than the one that was sealed: a %q", seen.Kind)
	}
	p.tell("ring A: one use taken; the officer's terminal alone shows the %s %s", seen.Kind, seen.Value)
	return nil
}
