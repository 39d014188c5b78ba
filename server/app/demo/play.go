package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/reward"
)

// PlayDeps is everything Play needs.
type PlayDeps struct {
	BaseURL string // of the running server, http://host:port
	FCM     string // of the stand-in for FCM; "" when push is off
	Dir     string // where Load kept keys and sign-ins
	Fines   []int64
	Out     io.Writer
	Now     func() time.Time
	Random  io.Reader
	HTTP    *http.Client
}

// ParseFines reads fines in yuan: that of the unit, and after a comma that of a
// person, if one is fined too.
func ParseFines(text string) ([]int64, error) {
	var fines []int64
	for part := range strings.SplitSeq(text, ",") {
		yuan, err := strconv.ParseInt(strings.TrimSpace(part), 10, 64)
		if err != nil || yuan < 1 || yuan > 1_000_000_000 || len(fines) == 2 {
			return nil, errors.New("a fine is a number of yuan from 1 to 1000000000; a second one after a comma is a person's")
		}
		fines = append(fines, yuan)
	}
	return fines, nil
}

// Play plays the whole flow against a running server, by HTTP alone and as each
// role in turn, and prints what a reader wants to see. It returns an error if
// anything comes out otherwise than the rules and the reward scheme say.
func Play(ctx context.Context, d PlayDeps) error {
	signIns, err := ReadSignIns(d.Dir)
	if err != nil {
		return err
	}
	if len(signIns) == 0 {
		return fmt.Errorf("%s holds no sign-ins: load the demo first (make run)", d.Dir)
	}
	p := &player{PlayDeps: d, people: map[string]SignIn{}, staff: map[string]apiclient.Client{}}
	for _, s := range signIns {
		switch s.Tenant {
		case Tenant:
			p.people[s.Login] = s
		case Neighbour:
			p.people[Neighbour+" "+s.Login] = s
		}
	}
	p.say("Gridwatch demo: from a report to a paid reward, at %s", d.BaseURL)
	for n, s := range p.scenes() {
		p.say("\n%2d. %s %s", n+1, s.who, s.does)
		if err := errors.Join(s.play(ctx), p.printed); err != nil {
			return fmt.Errorf("step %d, %s: %w", n+1, s.does, err)
		}
	}
	p.say("\nAll as the rules and the scheme say.")
	return p.printed
}

// scene is one step of the play.
type scene struct {
	who, does string
	play      func(context.Context) error
}

func (p *player) scenes() []scene {
	return []scene{
		{"Reporter (举报人)", "reads the tenant's public keys", p.readTenant},
		{"Reporter", "takes a photo, seals the identity on the phone and sends a real-name report (实名举报)", p.submit},
		{"Reporter", "sends the same again, after a lost answer", p.repeat},
		{"Reporter", "opens the receipt (回执)", p.openReceipt},
		{"Desk officer (受理)", "finds the report in the queue and accepts it", p.accept},
		{"Desk officer of the neighbour", "asks for the same report", p.stranger},
		{"Desk officer", "confirms the target and writes the brief", p.describe},
		{"Desk officer", "releases the photo and gives the task to the inspector of the target's grid (派单)", p.assign},
		{"Grid inspector (网格员)", "gets the task by push and by pull", p.receive},
		{"Grid inspector", "goes there and saves the result with one position (到场核对)", p.check},
		{"Leader (负责人)", "cannot conclude before an inspection", p.tooEarly},
		{"Desk officer", "orders an inspection (行政检查) by two officers with certificates", p.orderInspection},
		{"Enforcement officers (执法人员)", "inspect and both sign the record", p.inspect},
		{"Leader", "signs the conclusion, allegation by allegation (核查结论)", p.conclude},
		{"Enforcement officers", "take the hazard (隐患) to its rectification", p.rectify},
		{"Enforcement officers and leader", "take the penalty (行政处罚) to its payment", p.punish},
		{"Desk officer", "replies to the reporter (答复)", p.reply},
		{"Reward officer (奖励经办)", "calculates the award (奖励核算); another one reviews it", p.draft},
		{"Leader", "approves the award, which waits for the budget (审批)", p.approve},
		{"Reward officer", "files the award (备案) and notifies the reporter", p.notify},
		{"Reporter", "sees the award behind the receipt and claims it", p.claim},
		{"Two rings", "open the identity together (开封), each on an own machine", p.open},
		{"Payer (财务)", "pays the award", p.pay},
		{"Two rings", "have the reporter called back under a standing approval (常设批准)", p.callBack},
		{"Reporter", "sees the payment, that and why the identity was opened, and the call", p.seePaid},
		{"Summary:", "award lines, budget entries and the push", p.sum},
	}
}

// player plays all roles, and remembers what one learned for the next.
type player struct {
	PlayDeps

	people  map[string]SignIn // by login; those of the neighbour with its id and a blank in front
	staff   map[string]apiclient.Client
	printed error

	place    scenery
	sent     submission
	report   string // id at the desk
	items    []item
	target   place
	task     taskOf
	visit    string
	penalty  string
	award    string
	opening  string
	expected reward.Result
	push     []byte
}

// say prints a line.
func (p *player) say(format string, args ...any) {
	_, err := fmt.Fprintf(p.Out, format+"\n", args...)
	p.printed = errors.Join(p.printed, err)
}

// tell prints what came of a step.
func (p *player) tell(format string, args ...any) { p.say("      "+format, args...) }

// pick draws a number below n.
func (p *player) pick(n int) (int, error) {
	raw := make([]byte, 4)
	if _, err := io.ReadFull(p.Random, raw); err != nil {
		return 0, fmt.Errorf("draw a number: %w", err)
	}
	at := 0
	for _, b := range raw {
		at = (at*(math.MaxUint8+1) + int(b)) % n
	}
	return at, nil
}
