package custody

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
)

const contactsPath = "/v1/custody/contacts"

// contact is a use of a contact as the server shows it to who took it.
type contact struct {
	ID      string           `json:"id"`
	State   string           `json:"state"`
	Use     vault.ContactUse `json:"use"`
	Gateway string           `json:"gateway"`
	Sealed  []byte           `json:"sealed"`
	Binding string           `json:"binding"`
}

// useContact is ring A using the contact of one report once: handed to the
// gateway unseen, or shown for one call.
func useContact(ctx context.Context, o options, env Env) error {
	key, err := o.officerKey(vault.RingA)
	if err != nil {
		return err
	}
	if o.contact == "" {
		if err := need(map[string]string{"approval": o.approval, "report": o.report, "via": o.via}); err != nil {
			return fmt.Errorf("a new use, or --contact to go on with one: %w", err)
		}
	}
	if o.via == string(casefile.ByTerminal) || o.contact != "" {
		if err := onTerminal(env); err != nil {
			return err
		}
	}
	s, err := o.begin(ctx, env, key)
	if err != nil {
		return err
	}
	held, err := s.ring.held(key)
	if err != nil {
		return err
	}
	in, err := s.take(ctx)
	if err != nil {
		return err
	}
	if len(in.Sealed) == 0 {
		return fmt.Errorf("the use is %s: its contact is given to who took it, for a time, and once", printable(in.State))
	}
	opened, err := vault.OpenContact(held, in.Sealed, in.Binding)
	result, err := vault.ContactResultOf(err)
	if err != nil {
		return err
	}
	switch {
	case result == vault.ContactFailed:
		if err := o.say(env, "The contact cannot be opened by your key, or belongs to another report.\n"); err != nil {
			return err
		}
	case in.Use.Way == string(casefile.ByGateway):
		return s.handOver(ctx, in, opened)
	default:
		if result, err = s.shown(opened); err != nil {
			return err
		}
	}
	outcome, err := vault.SignContactOutcome(key, in.Use, result)
	if err != nil {
		return err
	}
	if err := post(ctx, s.c, contactsPath+"/"+url.PathEscape(in.ID)+"/outcome", outcome); err != nil {
		return err
	}
	return o.say(env, "The outcome is recorded: %s.\n", result)
}

// take takes a use, or finds the one that broke off, after the approval was
// looked at.
func (s session) take(ctx context.Context) (contact, error) {
	var in contact
	id := s.contact
	if id == "" {
		a, err := s.approved(ctx, s.approval)
		if err != nil {
			return in, err
		}
		if a.Way != s.via {
			return in, fmt.Errorf("the approval is for the way %s", printable(a.Way))
		}
		if id, err = s.takeOne(ctx); err != nil {
			return in, err
		}
	}
	if _, err := s.c.Do(ctx, apiclient.Call{Method: http.MethodGet, Path: contactsPath + "/" + url.PathEscape(id)}, &in); err != nil {
		return in, err
	}
	if in.ID != id || in.Use.ID != id {
		return in, vault.ErrForeign
	}
	a, err := s.approved(ctx, in.Use.Approval)
	if err != nil {
		return in, err
	}
	if a.Way != in.Use.Way || a.Gateway != in.Gateway || a.Purpose != in.Use.Purpose {
		return in, errors.New("the use is not what its approval says: do not go on, and tell both rings")
	}
	return in, nil
}

// takeOne asks for a use under a key, so that asked again it is the same use.
func (s session) takeOne(ctx context.Context) (string, error) {
	again := s.again
	if again == "" {
		var err error
		if again, err = vault.NewID(s.env.Random); err != nil {
			return "", err
		}
	}
	var out struct{ ID string }
	_, err := s.c.Do(ctx, apiclient.Call{
		Method: http.MethodPost, Path: contactsPath, Key: again,
		Body: map[string]string{"approval": s.approval, "report": s.report, "way": s.via},
	}, &out)
	if err != nil && apiclient.CodeOf(err) == "" {
		err = fmt.Errorf("%w\nwhether a use was taken is not known: the same command with --again %s takes no second one", err, again)
	}
	if err != nil {
		return "", err
	}
	return out.ID, s.say(s.env, "One use is taken: %s. If this breaks off, go on with --contact and this id.\n", printable(out.ID))
}

// handOver seals the contact to the gateway without a look at what it holds.
func (s session) handOver(ctx context.Context, in contact, opened vault.Contact) error {
	sealed, err := vault.SealToGateway(in.Gateway, in.Use, opened)
	if err != nil {
		return err
	}
	h, err := vault.SignHandover(s.key, in.Use, in.Gateway, sealed)
	if err != nil {
		return err
	}
	if err := post(ctx, s.c, contactsPath+"/"+url.PathEscape(in.ID)+"/handover", h); err != nil {
		return err
	}
	return s.say(s.env, "The contact is sealed to the gateway and handed over; nobody saw it.\n")
}

// Reached is what call writes with --json.
type Reached struct {
	Kind  string `json:"kind,omitempty"`
	Value string `json:"value,omitempty"`
}

// shown shows a contact for one call and asks what came of it. That there was
// none is asked about too: the outcome, and when it comes, tell it to nobody.
func (s session) shown(c vault.Contact) (vault.ContactResult, error) {
	seen := Reached{Kind: printable(c.Kind), Value: printable(strings.TrimSpace(c.Value))}
	var err error
	switch {
	case s.json:
		err = json.NewEncoder(s.env.Stdout).Encode(seen)
	case seen.Value == "":
		err = s.say(s.env, "The reporter left nothing to be reached by. Nobody else is to learn that: say finished, and not sooner than after a call.\n")
	default:
		err = s.say(s.env, "To be used once, now, for what the approval says (write it nowhere)\n  %s  %s\n", seen.Kind, seen.Value)
	}
	if err != nil || s.yes {
		return vault.ContactFinished, err
	}
	if err := s.say(s.env, "Type finished, whoever answered, or failed, if the line was down: "); err != nil {
		return "", err
	}
	line, _ := bufio.NewReader(s.env.Stdin).ReadString('\n') // no line is no outcome
	switch result := vault.ContactResult(strings.TrimSpace(line)); result {
	case vault.ContactFinished, vault.ContactFailed:
		return result, nil
	}
	return "", errors.New("no outcome was stated: go on with --contact and the id of the use")
}
