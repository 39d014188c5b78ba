package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gridwatch/server/app/custody"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
)

// open lets the two rings open the identity, by the very command line that
// their officers use.
func (p *player) open(ctx context.Context) error {
	out, err := p.do(ctx, "reward1", "/v1/custody/openings", map[string]any{
		"award": p.award, "purpose": casefile.RewardPayment, "basis": "安监总财〔2018〕19号第13条", "hours": 24,
	}, casefile.OpeningAsked)
	if err != nil {
		return err
	}
	p.opening = out.ID
	p.tell("asked by a reward officer: purpose %s, with its legal basis, for 24 hours", casefile.RewardPayment)
	dir, err := os.MkdirTemp("", "gridwatch-demo-")
	if err != nil {
		return err
	}
	return errors.Join(p.rings(ctx, filepath.Join(dir, "once.key")), os.RemoveAll(dir))
}

func (p *player) rings(ctx context.Context, once string) error {
	if _, err := p.custody(ctx, "identity1", "key", "--opening", p.opening, "--once", once); err != nil {
		return err
	}
	p.tell("ring A (保密员): brought a one-time key")
	if _, err := p.custody(ctx, "seal1", "peel", "--opening", p.opening, "--yes"); err != nil {
		return err
	}
	p.tell("ring B (监督领导): checked the digest, peeled the outer layer, signed")
	root, err := Fingerprint(p.Dir, Tenant)
	if err != nil {
		return err
	}
	payer, err := vault.NewRequestKey()
	if err != nil {
		return err
	}
	bank := once + ".bank"
	text, err := p.custody(ctx, "identity1", "open", "--opening", p.opening, "--once", once, "--root", root, "--json",
		"--bank", bank, "--bank-to", payer.Recipient())
	if err != nil {
		return err
	}
	file, err := os.ReadFile(bank)
	if err != nil || bytes.Contains(file, []byte(p.sent.identity.PayeeAccount)) {
		return fmt.Errorf("the bank's file for the payer is in clear, or not there: %w", err)
	}
	var shown custody.Shown
	if err := json.Unmarshal(text, &shown); err != nil {
		return err
	}
	id := p.sent.identity
	if shown.Result != vault.ResultOpened || shown.Name != id.Name || shown.PayeeAccount != id.PayeeAccount || shown.IDNumber != id.IDNumber {
		return fmt.Errorf("ring A was shown another identity than the one that was sealed: %s", shown.Result)
	}
	p.tell("ring A: opened; the officer's terminal alone shows %q, relation %s, account %s", shown.Name, shown.Relation, shown.PayeeAccount)
	p.tell("and wrote the bank's file (付款文件), which the payer's key alone opens: %d bytes", len(file))
	if err := p.awaitAward(ctx, casefile.AwardClaimed); err != nil {
		return err
	}
	p.tell("the award is %s", casefile.AwardClaimed)
	return nil
}

// custody runs the custody tool as an officer who is signed in.
func (p *player) custody(ctx context.Context, login, command string, flags ...string) ([]byte, error) {
	c, err := p.as(ctx, login)
	if err != nil {
		return nil, err
	}
	var out, warnings bytes.Buffer
	args := append([]string{
		command, "--server", p.BaseURL, "--token-file", "-", "--key", KeyFile(p.Dir, Tenant, login),
	}, flags...)
	err = custody.Run(ctx, args, custody.Env{
		Stdin: strings.NewReader(c.Token), Stdout: &out, Stderr: &warnings, Now: p.Now, Random: p.Random,
	})
	if err != nil {
		return nil, fmt.Errorf("custody %s: %w", command, err)
	}
	return out.Bytes(), nil
}
