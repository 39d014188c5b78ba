package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/casefile"
	"gridwatch/server/reward"
	"gridwatch/server/vault"
)

// receiptView is what the reporter sees.
type receiptView struct {
	Number   string         `json:"number"`
	State    casefile.State `json:"state"`
	Evidence []struct {
		State string `json:"state"`
	} `json:"evidence"`
	Reply *struct {
		Conclusion string `json:"conclusion"`
	} `json:"reply"`
	Award *struct {
		Number  string         `json:"number"`
		Fen     reward.Fen     `json:"fen"`
		State   casefile.State `json:"state"`
		ClaimBy time.Time      `json:"claimBy"`
		Asked   bool           `json:"asked"`
	} `json:"award"`
	Openings []struct {
		Purpose string `json:"purpose"`
		Day     string `json:"day"`
		Result  string `json:"result"`
	} `json:"openings"`
	ContactUses []struct {
		Purpose string `json:"purpose"`
		Day     string `json:"day"`
	} `json:"contactUses"`
}

func (p *player) receipt(ctx context.Context) (receiptView, error) {
	var r receiptView
	_, err := p.sent.receipt.Do(ctx, apiclient.Call{Method: http.MethodGet, Path: "/v1/receipt"}, &r)
	return r, err
}

func (p *player) claim(ctx context.Context) error {
	r, err := p.receipt(ctx)
	if err != nil {
		return err
	}
	if r.Award == nil || r.Award.Fen != p.expected.AmountFen || r.Award.State != casefile.AwardNotified || r.Reply == nil {
		return fmt.Errorf("the receipt shows the award %+v, want %s yuan and a reply", r.Award, p.expected.AmountFen)
	}
	p.tell("award %s: %s yuan, to be claimed by %s; reply: %s", r.Award.Number, r.Award.Fen, r.Award.ClaimBy.Format(time.DateOnly), r.Reply.Conclusion)
	key, err := vault.NewID(p.Random)
	if err != nil {
		return err
	}
	var out struct {
		Asked bool `json:"asked"`
	}
	_, err = p.sent.receipt.Do(ctx, apiclient.Call{Method: http.MethodPost, Path: "/v1/receipt/award/claim", Key: key}, &out)
	if err == nil && !out.Asked {
		err = errors.New("the claim was not noted")
	}
	if err != nil {
		return err
	}
	p.tell("claimed; who claims is now confirmed through the two rings")
	return nil
}

func (p *player) seePaid(ctx context.Context) error {
	r, err := p.receipt(ctx)
	if err != nil {
		return err
	}
	if r.Award == nil || r.Award.State != casefile.AwardPaid {
		return fmt.Errorf("the receipt shows the award %+v, want it paid", r.Award)
	}
	if len(r.Openings) != 1 || r.Openings[0].Result != string(casefile.Opened) {
		return fmt.Errorf("the receipt shows the openings %+v, want one", r.Openings)
	}
	o := r.Openings[0]
	p.tell("award %s, %s yuan: %s", r.Award.Number, r.Award.Fen, r.Award.State)
	p.tell("identity opened once: for %s, asked on %s, result %s", o.Purpose, o.Day, o.Result)
	if len(r.ContactUses) != 1 {
		return fmt.Errorf("the receipt shows the uses of the contact %+v, want one", r.ContactUses)
	}
	p.tell("contact used once: for %s, on %s", r.ContactUses[0].Purpose, r.ContactUses[0].Day)
	return nil
}
