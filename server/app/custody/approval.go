package custody

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
)

const approvalsPath = "/v1/custody/approvals"

// approval is a standing approval as the server shows it.
type approval struct {
	ID        string    `json:"id"`
	State     string    `json:"state"`
	Statement string    `json:"statement"`
	Purpose   string    `json:"purpose"`
	Basis     string    `json:"basis"`
	Way       string    `json:"way"`
	Gateway   string    `json:"gateway"`
	Uses      int       `json:"uses"`
	Taken     int       `json:"taken"`
	Expires   time.Time `json:"expires"`
	Key       []byte    `json:"key"`
	Signature []byte    `json:"signature"`
}

// approve is ring B letting ring A use contacts.
func approve(ctx context.Context, o options, env Env) error {
	key, err := o.officerKey(vault.RingB)
	if err != nil {
		return err
	}
	uses, err := strconv.Atoi(o.uses)
	days, err2 := strconv.Atoi(o.days)
	if err := errors.Join(err, err2); err != nil || uses < 1 || days < 1 {
		return errors.New("--uses and --days are whole numbers from 1")
	}
	a := vault.Approval{
		Purpose: o.purpose, LegalBasis: o.basis, Way: string(casefile.ByTerminal), Uses: uses,
		Expires: env.Now().UTC().Truncate(time.Second).AddDate(0, 0, days),
	}
	if o.gateway != "" {
		text, err := os.ReadFile(o.gateway)
		if err != nil {
			return err
		}
		a.Way, a.Gateway = string(casefile.ByGateway), strings.TrimSpace(string(text))
		if vault.CheckRecipient(a.Gateway) != nil {
			return errors.New("--gateway is the file with the gateway's public key (age1pq1...)")
		}
	}
	s, err := o.begin(ctx, env, key)
	if err != nil {
		return err
	}
	a.Tenant = s.rings.Tenant
	if a.ID, err = vault.NewID(env.Random); err != nil {
		return err
	}
	how := "shown to one officer for each call"
	if a.Gateway != "" {
		how = "by the gateway with the key " + vault.Fingerprint([]byte(a.Gateway))
	}
	if err := o.agreed(env, "Approval to use contacts\n  purpose      %s\n  legal basis  %s\n  way          %s\n  uses         %d\n  until        %s\nGive it?",
		printable(a.Purpose), printable(a.LegalBasis), how, a.Uses, a.Expires.Format("2006-01-02 15:04 MST")); err != nil {
		return err
	}
	signature, err := vault.SignApproval(key, a)
	if err != nil {
		return err
	}
	body := map[string]any{
		"id": a.ID, "purpose": a.Purpose, "basis": a.LegalBasis, "way": a.Way, "uses": a.Uses, "expires": a.Expires, "signature": signature,
	}
	if a.Gateway != "" {
		body["gateway"] = a.Gateway
	}
	var out struct{ ID string }
	_, err = s.c.Do(ctx, apiclient.Call{Method: http.MethodPost, Path: approvalsPath, Key: a.ID, Body: body}, &out)
	if err != nil {
		return err
	}
	return o.say(env, "Approval %s\n", printable(out.ID))
}

// revoke is ring B ending an approval.
func revoke(ctx context.Context, o options, env Env) error {
	c, err := o.connect(ctx, env)
	if err != nil {
		return err
	}
	if err := o.agreed(env, "Revoke the approval %s?", printable(o.approval)); err != nil {
		return err
	}
	if err := post(ctx, c, approvalsPath+"/"+url.PathEscape(o.approval)+"/revoke", nil); err != nil {
		return err
	}
	return o.say(env, "The approval is revoked; what was taken by it and not yet used is not given any more.\n")
}

// approvals lists what there is.
func approvals(ctx context.Context, o options, env Env) error {
	c, err := o.connect(ctx, env)
	if err != nil {
		return err
	}
	for cursor := ""; ; {
		var page struct {
			Items []approval `json:"items"`
			Next  string     `json:"next"`
		}
		if _, err := c.Do(ctx, apiclient.Call{Method: http.MethodGet, Path: approvalsPath + cursor}, &page); err != nil {
			return err
		}
		for _, a := range page.Items {
			if err := o.say(env, "%s  %-9s %-9s %-9s %d of %d taken, until %s\n", printable(a.ID), printable(a.State), printable(a.Purpose),
				printable(a.Way), a.Taken, a.Uses, a.Expires.Format("2006-01-02 15:04 MST")); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		cursor = "?cursor=" + page.Next
	}
}

// approved reads an approval and makes sure that an officer of ring B signed
// what it says: the gateway's key above all, which the server could exchange.
func (s session) approved(ctx context.Context, id string) (approval, error) {
	var a approval
	if _, err := s.c.Do(ctx, apiclient.Call{Method: http.MethodGet, Path: approvalsPath + "/" + url.PathEscape(id)}, &a); err != nil {
		return a, err
	}
	if a.ID != id {
		return a, vault.ErrForeign
	}
	if a.Way == string(casefile.ByGateway) && s.root == "" {
		return a, errors.New("--root is missing: by the fingerprint of the root the gateway's key is told from another")
	}
	statement := vault.Approval{
		ID: a.Statement, Tenant: s.rings.Tenant, Purpose: a.Purpose, LegalBasis: a.Basis, Way: a.Way, Gateway: a.Gateway, Uses: a.Uses,
		Expires: a.Expires,
	}
	if err := vault.VerifyApproval(a.Key, statement, a.Signature); err != nil {
		return a, fmt.Errorf("the approval is not what ring B signed: do not go on, and tell both rings: %w", err)
	}
	return a, s.listed(ctx, a.Key)
}
