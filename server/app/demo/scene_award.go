package demo

import (
	"context"
	"fmt"
	"net/http"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/casefile"
	"gridwatch/server/reward"
	"gridwatch/server/vault"
)

func (p *player) awardPath(part string) string { return "/v1/office/awards/" + p.award + part }

func (p *player) readAward(ctx context.Context) (awardView, error) {
	var a awardView
	return a, p.get(ctx, "reward1", p.awardPath(""), &a)
}

// awaitAward waits until the relay has moved the award.
func (p *player) awaitAward(ctx context.Context, want casefile.State) error {
	return until(ctx, "the award to be "+string(want), func() (bool, error) {
		a, err := p.readAward(ctx)
		return a.State == want, err
	})
}

func (p *player) draft(ctx context.Context) error {
	draft := map[string]any{"report": p.report, "matter": casefile.IllegalAct, "knownBefore": false, "clearTarget": true}
	out, err := p.do(ctx, "reward1", "/v1/office/awards", draft, casefile.AwardDrafted)
	if apiclient.CodeOf(err) == "award.earlier_hazards" {
		p.tell("409 award.earlier_hazards: an earlier play found a hazard in this grid; a person has to say why the matter was not known")
		draft["earlierReviewed"] = "The earlier hazard was another one, at another workshop."
		out, err = p.do(ctx, "reward1", "/v1/office/awards", draft, casefile.AwardDrafted)
	}
	if err != nil {
		return err
	}
	p.award = out.ID
	if p.expected, err = p.expect(); err != nil {
		return err
	}
	a, err := p.readAward(ctx)
	if err != nil {
		return err
	}
	if err := a.compare(p.expected); err != nil {
		return err
	}
	p.tell("%s yuan of a base of %s, as the scheme's data say when calculated apart from the server", a.Fen, a.BaseFen)
	if err := p.refused(ctx, "reward1", p.awardPath("/review"), nil, "award.second_person"); err != nil {
		return err
	}
	_, err = p.do(ctx, "reward2", p.awardPath("/review"), nil, casefile.AwardReviewed)
	if err != nil {
		return err
	}
	p.tell("reviewed (复核) by the second officer; the first one's own review was refused")
	return nil
}

func (p *player) approve(ctx context.Context) error {
	a, err := p.readAward(ctx)
	if err != nil {
		return err
	}
	if err := p.allocate(ctx, a.Year); err != nil {
		return err
	}
	if _, err := p.do(ctx, "leader2", p.awardPath("/approve"), nil, casefile.AwardWaitingBudget); err != nil {
		return err
	}
	if err := p.awaitAward(ctx, casefile.AwardApproved); err != nil {
		return err
	}
	p.tell("%s → budget entry reserved → %s", casefile.AwardWaitingBudget, casefile.AwardApproved)
	return nil
}

// allocate brings money in (下达预算) if the year's budget does not hold the award.
func (p *player) allocate(ctx context.Context, year int) error {
	const fen = 100_000_000
	b, err := p.budget(ctx, year)
	if err != nil {
		return err
	}
	if b.Balances.Available >= p.expected.AmountFen {
		return nil
	}
	paper, err := vault.NewID(p.Random)
	if err != nil {
		return err
	}
	c, err := p.as(ctx, "leader1")
	if err != nil {
		return err
	}
	key, err := vault.NewID(p.Random)
	if err != nil {
		return err
	}
	_, err = c.Do(ctx, apiclient.Call{
		Method: http.MethodPost, Path: budgetPath(year) + "/allocations", Key: key,
		Body: map[string]any{"paper": "DEMO-" + paper, "fen": fen},
	}, nil)
	if err != nil {
		return err
	}
	p.tell("a paper brings %s yuan into the budget of %d", reward.Fen(fen), year)
	return nil
}

func (p *player) notify(ctx context.Context) error {
	reference := map[string]string{"reference": "DEMO-FILING-" + p.award[:8]}
	if _, err := p.do(ctx, "reward1", p.awardPath("/file"), reference, casefile.AwardFiled); err != nil {
		return err
	}
	if _, err := p.do(ctx, "reward1", p.awardPath("/notify"), nil, casefile.AwardNotified); err != nil {
		return err
	}
	p.tell("%s → %s: laid behind the receipt", casefile.AwardFiled, casefile.AwardNotified)
	return nil
}

// pay draws a payout of the one award that the play has; a county's own policy
// wants more, or waits for its day of the month.
func (p *player) pay(ctx context.Context) error {
	drawn, err := p.do(ctx, "payer1", "/v1/office/payouts", map[string]any{"awards": []string{p.award}}, casefile.PayoutDrawn)
	if err != nil {
		return err
	}
	if err := p.awaitAward(ctx, casefile.AwardPaying); err != nil {
		return err
	}
	path := "/v1/office/payouts/" + drawn.ID
	if err := p.refused(ctx, "payer1", path+"/confirm", nil, "payout.second_person"); err != nil {
		return err
	}
	err = until(ctx, "the payout to be confirmed", func() (bool, error) {
		_, err := p.do(ctx, "leader1", path+"/confirm", nil, casefile.PayoutConfirmed)
		if apiclient.CodeOf(err) == "payout.gathering" {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return err
	}
	ticket := map[string]string{"ticket": "DEMO-" + drawn.ID[:8]}
	if _, err := p.do(ctx, "payer1", path+"/settle", ticket, casefile.PayoutSettled); err != nil {
		return err
	}
	if err := p.awaitAward(ctx, casefile.AwardPaid); err != nil {
		return err
	}
	p.tell("%s → %s in a payout (批量支付) that a second person confirmed, by a transfer with a neutral memo", casefile.AwardPaying, casefile.AwardPaid)
	return nil
}

func (p *player) sum(ctx context.Context) error {
	a, err := p.readAward(ctx)
	if err != nil {
		return err
	}
	if err := a.compare(p.expected); err != nil {
		return err
	}
	p.say("\n    Award lines (奖励核算), %s:", a.Scheme)
	for _, line := range a.TraceText {
		p.tell("%s", line)
	}
	if err := p.balance(ctx, a); err != nil {
		return err
	}
	if p.push != nil {
		p.say("\n    Push body as the stand-in for FCM received it:")
		p.tell("%s", p.push)
	}
	p.say("\n    Fined %s yuan → reward %s yuan", a.BaseFen, a.Fen)
	if a.State != casefile.AwardPaid {
		return fmt.Errorf("the award is %s", a.State)
	}
	return nil
}
