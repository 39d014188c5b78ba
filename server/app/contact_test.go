package app_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/custody"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/workflow"
)

// reachable is a reporter who left a number, and the officers who use it.
type reachable struct {
	*world

	t      *testing.T
	line   *line
	number string // the phone's
	code   string
	report string
}

// newReachable sends a report with a number that is recognised, or, for an
// anonymous one, without.
func newReachable(t *testing.T, w *world, l *line, mode casefile.Mode) *reachable {
	t.Helper()
	c := &reachable{world: w, t: t, line: l, number: "PHONE" + rand.Text()}
	body := object{
		"mode": mode, "narrative": "n", "targetText": "t", "allegations": []object{{"matter": "illegal_act", "text": "t"}},
	}
	if mode == casefile.Contactable {
		body["contact"] = object{"kind": "phone", "value": c.number}
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	var out struct{ Number, Code string }
	_, err = w.anyone().Do(t.Context(), apiclient.Call{
		Method: http.MethodPost, Path: reportsPath, Key: newKey(t), Form: new(apiclient.Form).JSON("report", text),
	}, &out)
	if err != nil {
		t.Fatal(err)
	}
	c.code, c.report = out.Code, w.reports(t)[out.Number].ID
	return c
}

// tool runs the custody tool as an officer; stdin holds the token.
func (c *reachable) tool(login, command string, flags ...string) (string, error) {
	c.t.Helper()
	args := append([]string{command, "--server", c.base, "--token-file", "-"}, flags...)
	if command != "approvals" && command != "revoke" {
		args = append(args, "--key", demo.KeyFile(c.dir, demo.Tenant, login))
	}
	var out bytes.Buffer
	err := custody.Run(c.t.Context(), args, custody.Env{
		Stdin: strings.NewReader(c.as(c.t, login).Token), Stdout: &out, Stderr: io.Discard, Now: time.Now, Random: rand.Reader,
	})
	return out.String(), err
}

func (c *reachable) does(login, command string, flags ...string) string {
	c.t.Helper()
	out, err := c.tool(login, command, flags...)
	if err != nil {
		c.t.Fatalf("custody %s: %v", command, err)
	}
	return out
}

// approve has ring B give an approval, by the gateway if there is one.
func (c *reachable) approve(purpose, uses string, flags ...string) string {
	c.t.Helper()
	flags = append([]string{"--purpose", purpose, "--basis", "art. 76", "--uses", uses, "--days", "7", "--yes"}, flags...)
	return lastWord(c.does("seal1", "approve", flags...))
}

func lastWord(text string) string {
	words := strings.Fields(text)
	return words[len(words)-1]
}

func (c *reachable) root() string {
	c.t.Helper()
	root, err := demo.Fingerprint(c.dir, demo.Tenant)
	if err != nil {
		c.t.Fatal(err)
	}
	return root
}

// uses are those of the report's contact.
func (c *reachable) uses() []casefile.ContactUse {
	c.t.Helper()
	all, err := c.store.Contacts.List(c.t.Context(), workflow.Query{Tenant: demo.Tenant, Report: c.report, Limit: 100})
	if err != nil {
		c.t.Fatal(err)
	}
	return all
}

func (c *reachable) finished(n int) {
	c.t.Helper()
	awaited(c.t, "the gateway's answers", func() bool {
		done := 0
		for _, u := range c.uses() {
			if u.State == casefile.ContactFinished {
				done++
			}
		}
		return done == n
	})
}

// nowhere makes sure that the number is in nothing that is kept or said.
func (c *reachable) nowhere() {
	c.t.Helper()
	var database bytes.Buffer
	if err := c.store.Dump(c.t.Context(), &database); err != nil {
		c.t.Fatal(err)
	}
	metrics, err := apiclient.Client{Base: c.ops, HTTP: c.http}.Do(c.t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/metrics"}, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	for where, text := range map[string][]byte{
		"the database": database.Bytes(), "the log": []byte(c.logs.String()), "the metrics": metrics.Body, "the gateway's requests": c.line.crossed(),
		"the gateway's output": []byte(c.line.process.out.String() + c.line.process.logs.String()),
	} {
		if len(text) == 0 || within(text, c.number) {
			c.t.Errorf("%s: %d bytes, which hold the number: %t", where, len(text), within(text, c.number))
		}
	}
}

// TestContactByGateway: the gateway is down, then up; the reporter is called
// once, nobody saw the number, and an anonymous report looks no different.
func TestContactByGateway(t *testing.T) {
	t.Parallel()
	l := newLine(t)
	w := start(t, l.setting())
	l.run(t, w)
	c, anonymous := newReachable(t, w, l, casefile.Contactable), newReachable(t, w, l, casefile.Anonymous)
	approval := c.approve("notice", "2", "--gateway", l.file("gateway.pub"))
	call := []string{"--approval", approval, "--via", "gateway", "--yes", "--report"}
	for want, flags := range map[string][]string{
		"--root is missing": nil, "another root": {"--root", strings.Repeat("0", 64)},
	} {
		if _, err := c.tool("identity1", "call", append(append(call, c.report), flags...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if out := c.does("identity1", "approvals"); !strings.Contains(out, approval) || !strings.Contains(out, "0 of 2 taken") {
		t.Errorf("got %s, want no use taken", out)
	}

	l.cut(true)
	for _, report := range []string{c.report, anonymous.report} {
		out := c.does("identity1", "call", append(append(call, report), "--root", c.root())...)
		if strings.Contains(out, c.number) || !strings.Contains(out, "nobody saw it") {
			t.Errorf("got %s", out)
		}
	}
	awaited(t, "two tries", func() bool { return l.tries() >= 2 })
	if u := c.uses(); len(u) != 1 || u[0].State != casefile.ContactHandedOver {
		t.Errorf("got %+v while the gateway is down", u)
	}
	l.again(t, w)
	l.cut(false)
	c.finished(1)
	anonymous.finished(1)
	if calls := l.called(t); len(calls) != 1 || !strings.HasPrefix(calls[0], "phone "+c.number+" ") {
		t.Errorf("got the calls %q, want one", calls)
	}
	one, two := c.uses()[0], anonymous.uses()[0]
	if one.Result != casefile.ContactDone || two.Result != one.Result || len(one.Sealed)+len(two.Sealed) > 0 || len(one.Timeline) != len(two.Timeline) {
		t.Errorf("got %s and %s", one.Result, two.Result)
	}
	c.nowhere()
	for _, who := range []*reachable{c, anonymous} {
		who.seen("notice")
	}
	if _, err := c.tool("identity1", "call", append(append(call, c.report), "--root", c.root())...); err == nil || !strings.Contains(err.Error(), "approval.used_up") {
		t.Errorf("a third use: got %v", err)
	}
}

// seen makes sure that the reporter sees one use, by purpose and day.
func (c *reachable) seen(purpose string) {
	c.t.Helper()
	var session struct{ Token string }
	client := c.anyone()
	_, err := client.Do(c.t.Context(), apiclient.Call{Method: http.MethodPost, Path: "/v1/receipt/session", Body: object{"code": c.code}}, &session)
	if err != nil {
		c.t.Fatal(err)
	}
	client.Token = session.Token
	var seen struct{ ContactUses []map[string]string }
	if _, err := client.Do(c.t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/receipt"}, &seen); err != nil {
		c.t.Fatal(err)
	}
	if u := seen.ContactUses; len(u) != 1 || len(u[0]) != 2 || u[0]["purpose"] != purpose || u[0]["day"] != today() {
		c.t.Errorf("got %v behind the receipt, want purpose and day of one use", u)
	}
}

// TestContactAtATerminal: one officer sees the number, once; where there is none
// the outcome is the same.
func TestContactAtATerminal(t *testing.T) {
	t.Parallel()
	l := newLine(t)
	w := start(t)
	l.run(t, w)
	l.bodies = []byte("none")
	c, anonymous := newReachable(t, w, l, casefile.Contactable), newReachable(t, w, l, casefile.Anonymous)
	approval := c.approve("call_back", "5")
	call := []string{"--approval", approval, "--via", "terminal", "--root", c.root(), "--yes", "--report"}
	out := c.does("identity1", "call", append(call, c.report)...)
	if !strings.Contains(out, c.number) || !strings.Contains(out, "finished") {
		t.Errorf("got %s, want the number", out)
	}
	if out := c.does("identity1", "call", append(call, anonymous.report)...); !strings.Contains(out, "left nothing") || !strings.Contains(out, "finished") {
		t.Errorf("got %s for an anonymous report", out)
	}
	one, two := c.uses()[0], anonymous.uses()[0]
	if one.Result != two.Result || one.State != two.State || len(one.Timeline) != len(two.Timeline) {
		t.Errorf("got %s and %s", one.Result, two.Result)
	}
	if _, err := c.tool("identity1", "call", "--contact", one.ID, "--yes"); err == nil || !strings.Contains(err.Error(), "FINISHED") {
		t.Errorf("a second look: got %v", err)
	}
	under := append(call, c.report, "--again", newKey(t)) //nolint:gocritic // another slice
	if out := c.does("identity1", "call", under...); !strings.Contains(out, c.number) {
		t.Errorf("got %s", out)
	}
	if _, err := c.tool("identity1", "call", under...); err == nil || !strings.Contains(err.Error(), "FINISHED") {
		t.Errorf("asked again under one key: got %v", err)
	}
	if out := c.does("seal1", "approvals"); !strings.Contains(out, "3 of 5 taken") {
		t.Errorf("got %s", out)
	}
	c.does("seal1", "revoke", "--approval", approval, "--yes")
	if _, err := c.tool("identity1", "call", append(call, c.report)...); err == nil || !strings.Contains(err.Error(), "approval.revoked") {
		t.Errorf("revoked: got %v", err)
	}
	if _, err := c.tool("identity1", "call", "--approval", approval, "--via", "gateway", "--root", c.root(), "--report", c.report, "--yes"); err == nil {
		t.Error("an approval for a terminal was used by a gateway")
	}
	c.nowhere()
	anonymous.seen("call_back")
	c.proven()
}

// proven makes sure that every step of every use has its place in the log.
func (c *reachable) proven() {
	c.t.Helper()
	for _, u := range c.uses() {
		for _, e := range u.Timeline {
			awaited(c.t, "the leaf of "+string(e.Command), func() bool {
				_, err := c.store.Audit.Leaf(c.t.Context(), fmt.Sprintf("%s:%d", u.ID, e.Seq))
				return err == nil
			})
		}
	}
}

// TestContactOutlivesKills kills the server between a use that is taken, its
// handover and its delivery. Each use is counted once and each call made once.
func TestContactOutlivesKills(t *testing.T) {
	t.Parallel()
	l := newLine(t)
	s := &storm{world: apart(t, l.setting()), path: program(t), killed: make(chan struct{})}
	server := launch(t, s.path, s.settings, "serve")
	s.ready(t)
	l.run(t, s.world)
	c := newReachable(t, s.world, l, casefile.Contactable)
	approval := c.approve("notice", "20", "--gateway", l.file("gateway.pub"))
	officer := s.as(t, "identity1")
	again := func() {
		server.end(t, syscall.SIGKILL)
		server = launch(t, s.path, s.settings, "serve")
	}
	const uses = 5
	var ids []string
	for range uses {
		key, sent := newKey(t), make(chan struct{})
		go func() { // the answer is lost with the server
			defer close(sent)
			_, _ = officer.Do(context.WithoutCancel(t.Context()), apiclient.Call{
				Method: http.MethodPost, Path: "/v1/custody/contacts", Key: key,
				Body: object{"approval": approval, "report": c.report, "way": casefile.ByGateway},
			}, nil)
		}()
		again()
		<-sent
		var out casefile.Outcome
		s.stubborn(t, func(ctx context.Context) error {
			_, err := officer.Do(ctx, apiclient.Call{
				Method: http.MethodPost, Path: "/v1/custody/contacts", Key: key,
				Body: object{"approval": approval, "report": c.report, "way": casefile.ByGateway},
			}, &out)
			return err
		})
		ids = append(ids, out.ID)
	}
	a, err := s.store.Approvals.Get(t.Context(), demo.Tenant, approval)
	if err != nil || len(a.Taken) != uses {
		t.Fatalf("got %d uses, %v, want %d", len(a.Taken), err, uses)
	}
	for i, id := range ids {
		s.ready(t)
		c.does("identity1", "call", "--contact", id, "--root", c.root(), "--yes")
		if i%2 == 0 {
			again()
		}
	}
	s.ready(t)
	c.finished(uses)
	if calls := l.called(t); len(calls) != uses {
		t.Errorf("got %d calls, want %d", len(calls), uses)
	}
	c.logs = &server.logs
	c.nowhere()
}
