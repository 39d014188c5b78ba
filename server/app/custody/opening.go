package custody

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"unicode"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
)

// opening is what the server shows an officer of a request: the material only
// to the ring whose turn it is.
type opening struct {
	State       string             `json:"state"`
	Request     vault.Request      `json:"request"`
	Envelope    []byte             `json:"envelope"`    // ring B, once keyed
	InnerDigest string             `json:"innerDigest"` // recorded when the identity was sealed
	Binding     string             `json:"binding"`     // ring A, once peeled
	Layer       *vault.PeeledLayer `json:"layer"`       // ring A, once peeled
	PeeledBy    []byte             `json:"peeledBy"`    // ring A: key of ring B's officer
	Payment     *payment           `json:"payment"`     // ring A, once peeled, to pay an award
}

func (o options) path(part string) string {
	return "/v1/custody/openings/" + url.PathEscape(o.opening) + part
}

// fetch reads the request and makes sure that it is the one asked for.
func (o options) fetch(ctx context.Context, c apiclient.Client) (opening, error) {
	var out opening
	if _, err := c.Do(ctx, apiclient.Call{Method: http.MethodGet, Path: o.path("")}, &out); err != nil {
		return out, err
	}
	if out.Request.ID != o.opening {
		return out, vault.ErrForeign
	}
	return out, nil
}

// post sends a command. Its key derives from the body, so that the same command
// sent again is known to be the same.
func post(ctx context.Context, c apiclient.Client, path string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return errors.New("the answer for the server cannot be written")
	}
	sum := sha256.Sum256(append([]byte(path+"\n"), text...))
	call := apiclient.Call{Method: http.MethodPost, Path: path, Key: hex.EncodeToString(sum[:])}
	if body != nil {
		call.Body = json.RawMessage(text)
	}
	_, err = c.Do(ctx, call, nil)
	return err
}

// say tells the officer what was done.
func (options) say(env Env, format string, args ...any) error {
	_, err := fmt.Fprintf(env.Stdout, format, args...)
	return err
}

// bringKey is ring A's first step.
func bringKey(ctx context.Context, o options, env Env) error {
	if _, err := o.officerKey(vault.RingA); err != nil {
		return err
	}
	c, err := o.connect(ctx, env)
	if err != nil {
		return err
	}
	once, err := o.onceKey()
	if err != nil {
		return err
	}
	if err := post(ctx, c, o.path("/key"), map[string]string{"recipient": once.Recipient()}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.Stdout, "The one-time key is in %s; keep it until the request is opened. Now ring B peels.\n", o.once)
	return err
}

// peel is ring B's step.
func peel(ctx context.Context, o options, env Env) error {
	key, err := o.officerKey(vault.RingB)
	if err != nil {
		return err
	}
	s, err := o.begin(ctx, env, key)
	if err != nil {
		return err
	}
	held, err := s.ring.held(key)
	if err != nil {
		return err
	}
	c := s.c
	in, err := o.fetch(ctx, c)
	if err != nil {
		return err
	}
	if len(in.Envelope) == 0 {
		return fmt.Errorf("the request is %s: ring B peels once ring A has brought a one-time key", printable(in.State))
	}
	r := in.Request
	if _, err := fmt.Fprintf(env.Stdout, "Request %s\n  purpose      %s\n  legal basis  %s\n  report       %s\n  expires      %s\n",
		printable(r.ID), printable(r.Purpose), printable(r.LegalBasis), printable(r.Report), r.Expires.Format("2006-01-02 15:04 MST")); err != nil {
		return err
	}
	question := "Let ring A learn who reported?"
	if in.ofArchive() {
		question = "Let ring A read what of the report was sealed away: the originals of its evidence, and what was said once its term is over?"
	}
	if err := o.agreed(env, "%s", question); err != nil {
		return err
	}
	layer, err := vault.Peel(key, held, in.Envelope, in.InnerDigest, r, env.Now())
	if err != nil {
		return err
	}
	if err := post(ctx, c, o.path("/layer"), layer); err != nil {
		return err
	}
	_, err = fmt.Fprintln(env.Stdout, "The digest is the one recorded at sealing. The layer is peeled, signed and handed over; now ring A opens.")
	return err
}

// agreed asks the officer, unless --yes was given.
func (o options) agreed(env Env, format string, args ...any) error {
	if _, err := fmt.Fprintf(env.Stdout, format+"\n", args...); err != nil || o.yes {
		return err
	}
	if _, err := fmt.Fprint(env.Stdout, "Type yes: "); err != nil {
		return err
	}
	line, _ := bufio.NewReader(env.Stdin).ReadString('\n') // no line is no agreement
	if strings.TrimSpace(line) != "yes" {
		return errors.New("nothing was done: the answer was not yes")
	}
	return nil
}

// open is ring A's second step. It ends with a signed outcome, also when the
// envelope cannot be opened, and the one-time key is destroyed with it.
func open(ctx context.Context, o options, env Env) error {
	if err := onTerminal(env); err != nil {
		return err
	}
	key, err := o.officerKey(vault.RingA)
	if err != nil {
		return err
	}
	once, err := o.readOnce()
	if err != nil {
		return err
	}
	s, err := o.begin(ctx, env, key)
	if err != nil {
		return err
	}
	held, err := s.ring.held(key)
	if err != nil {
		return err
	}
	c := s.c
	in, err := o.fetch(ctx, c)
	if err != nil {
		return err
	}
	if in.Layer == nil {
		return fmt.Errorf("the request is %s: who brought its one-time key opens it, once ring B has peeled", printable(in.State))
	}
	if err := s.listed(ctx, in.PeeledBy); err != nil {
		return err
	}
	if err := o.checkBank(in); err != nil {
		return err
	}
	result, err := s.openFor(ctx, o, env, held, once, in)
	if err != nil {
		return err
	}
	outcome, err := vault.SignOutcome(key, result, *in.Layer, in.Request)
	if err != nil {
		return err
	}
	if err := post(ctx, c, o.path("/outcome"), outcome); err != nil {
		return err
	}
	return os.Remove(o.once)
}

// openFor shows what a request is for, and says how it ended.
func (s session) openFor(
	ctx context.Context, o options, env Env, held []*vault.RingKey, once *vault.RequestKey, in opening,
) (vault.Result, error) {
	if in.ofArchive() {
		return s.openArchive(ctx, o, env, held, once, in)
	}
	identity, err := vault.Open(held, once, in.PeeledBy, *in.Layer, vault.Sealed{InnerDigest: in.InnerDigest, Binding: in.Binding}, in.Request, env.Now())
	result, err := resultOf(identity, err)
	if err != nil {
		return "", err
	}
	if result == vault.ResultOpened {
		if err := o.writeBank(in, identity); err != nil {
			return "", err
		}
	}
	return result, show(env, o.json, in.Request.Purpose, result, identity)
}

// listed makes sure, where the fingerprint of the root is given, that ring B's
// signature is an officer's of the list that the root signed: the server cannot
// put another key in its place.
func (s session) listed(ctx context.Context, officer []byte) error {
	if s.root == "" {
		return nil
	}
	pinned, err := vault.ParseFingerprint(s.root)
	if err != nil {
		return fmt.Errorf("--root: %w", err)
	}
	var public struct {
		Rings struct {
			vault.SignedKeyList
			Root []byte `json:"root"`
		} `json:"rings"`
	}
	if _, err := s.c.Do(ctx, apiclient.Call{Method: http.MethodGet, Path: publicPath(s.rings.Tenant)}, &public); err != nil {
		return err
	}
	if got, err := vault.ParseFingerprint(vault.Fingerprint(public.Rings.Root)); err != nil || got != pinned {
		return errors.New("the server shows another root than the one of --root: do not go on, and tell both rings")
	}
	list, err := public.Rings.Verify(public.Rings.Root, s.rings.Tenant)
	if err != nil {
		return err
	}
	if !list.B.Lists(officer) {
		return errors.New("ring B's officer is not in the signed list: do not go on, and tell both rings")
	}
	return nil
}

// onTerminal refuses to write what is secret where it would stay.
func onTerminal(env Env) error {
	f, ok := env.Stdout.(*os.File)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeCharDevice == 0 {
		return errors.New("this is shown on a terminal only: do not redirect the output")
	}
	return nil
}

// resultOf says how an opening ended. What is no fault of the envelope is an
// error: the request is then still open.
func resultOf(id vault.Identity, err error) (vault.Result, error) {
	switch {
	case errors.Is(err, vault.ErrUnreadable):
		return vault.ResultUnreadable, nil
	case errors.Is(err, vault.ErrSwapped):
		return vault.ResultSwapped, nil
	case errors.Is(err, vault.ErrBinding):
		return vault.ResultBinding, nil
	case err != nil:
		return "", err
	case strings.TrimSpace(id.Name) == "":
		return vault.ResultUnreadable, nil // a dummy names nobody
	}
	return vault.ResultOpened, nil
}

// Shown is what open writes with --json.
type Shown struct {
	Result       vault.Result `json:"result"`
	Name         string       `json:"name,omitempty"`
	IDNumber     string       `json:"idNumber,omitempty"`
	Employer     string       `json:"employer,omitempty"`
	Relation     string       `json:"relation,omitempty"`
	PayeeName    string       `json:"payeeName,omitempty"`
	PayeeBank    string       `json:"payeeBank,omitempty"`
	PayeeAccount string       `json:"payeeAccount,omitempty"`
}

// pays says whether a request is made to pay: for no other purpose is it shown
// who is paid.
func pays(purpose string) bool { return purpose == string(casefile.RewardPayment) }

func show(env Env, asJSON bool, purpose string, result vault.Result, id vault.Identity) error {
	s := Shown{Result: result}
	if result == vault.ResultOpened {
		s.Name, s.IDNumber, s.Employer, s.Relation = printable(id.Name), printable(id.IDNumber), printable(id.Employer), printable(string(id.Relation))
		if pays(purpose) {
			s.PayeeName, s.PayeeBank, s.PayeeAccount = printable(id.PayeeName), printable(id.PayeeBank), printable(id.PayeeAccount)
		}
	}
	if asJSON {
		return json.NewEncoder(env.Stdout).Encode(s)
	}
	why := map[vault.Result]string{
		vault.ResultUnreadable: "The envelope cannot be opened by your key, or it names nobody.",
		vault.ResultSwapped:    "The envelope is not the one that was sealed.",
		vault.ResultBinding:    "The envelope belongs to another report.",
	}
	if text, ok := why[result]; ok {
		_, err := fmt.Fprintln(env.Stdout, text+" This outcome is recorded; nothing more can be done on this request.")
		return err
	}
	_, err := fmt.Fprintf(env.Stdout, "Who reported (write it nowhere)\n  name         %s\n  id number    %s\n  employer     %s\n  relation     %s\n",
		s.Name, s.IDNumber, s.Employer, s.Relation)
	if err != nil || !pays(purpose) {
		return err
	}
	_, err = fmt.Fprintf(env.Stdout, "Who is paid\n  name         %s\n  bank         %s\n  account      %s\n", s.PayeeName, s.PayeeBank, s.PayeeAccount)
	return err
}

// printable keeps what a reporter or a server wrote from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}
