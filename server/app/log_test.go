package app_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/bson"
	"golang.org/x/mod/sumdb/note"

	"gridwatch/mobileapi/wire"
	"gridwatch/server/app"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/audit"
	"gridwatch/server/vault"
)

// command runs a command of the program on the world's engines.
func (w *world) command(t *testing.T, above string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	system := app.System{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Now: time.Now, Random: rand.Reader}
	err := app.Command(t.Context(), args, append(slices.Clone(w.settings), "GRID_LOG_ABOVE="+above), system)
	return out.String(), err
}

// keyring is the program's.
func (w *world) keyring(t *testing.T) *vault.Keyring {
	t.Helper()
	for _, s := range w.settings {
		if path, ok := strings.CutPrefix(s, "GRID_KEYRING="); ok {
			k, err := vault.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			return k
		}
	}
	t.Fatal("no keyring")
	return nil
}

// logKey is the verifier key of the world's log, and its signer.
func (w *world) logKey(t *testing.T) (string, note.Signer) {
	t.Helper()
	k := w.keyring(t)
	key, err := audit.VerifierKey(k.LogKeys()[0])
	if err != nil {
		t.Fatal(err)
	}
	signer, err := audit.NewSigner(k.LogKey())
	if err != nil {
		t.Fatal(err)
	}
	return key, signer
}

// tomorrow makes the checkpoint of a later day.
func (w *world) tomorrow(t *testing.T, days int) {
	t.Helper()
	_, signer := w.logKey(t)
	l := audit.New(audit.Config{
		Store: w.store.Audit, Signer: func() (note.Signer, error) { return signer, nil }, Owner: "tomorrow", Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return time.Now().AddDate(0, 0, days) },
	})
	if err := l.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// proofs are what the reporter's own address gives.
func proofs(t *testing.T, receipt apiclient.Client) (audit.Proofs, []byte) {
	t.Helper()
	var got audit.Proofs
	a, err := receipt.Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/receipt/proofs"}, &got)
	if err != nil {
		t.Fatal(err)
	}
	return got, a.Body
}

func save(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestProofsBehindTheReceipt follows a case into the log: what the reporter is
// shown can be checked by anybody with a checkpoint, and by nobody without the
// salts. The server's own account of it cannot be changed unseen.
func TestProofsBehindTheReceipt(t *testing.T) {
	t.Parallel()
	w := start(t)
	c := prepare(t, w, demo.Tenant)
	key, signer := w.logKey(t)

	waiting, _ := proofs(t, c.receipt)
	for _, p := range waiting.Proofs {
		if p.Index == nil && p.Pending < p.Day {
			t.Errorf("got %+v, want the day of a checkpoint to come", p)
		}
	}
	awaited(t, "what the log shows", func() bool { // the relay has brought every leaf
		due, err := w.store.Pending.Due(t.Context(), time.Now().Add(time.Hour), 1)
		return err == nil && len(due) == 0
	})
	w.tomorrow(t, 1)
	got, file := proofs(t, c.receipt)
	var kinds []string
	for _, p := range got.Proofs {
		kinds = append(kinds, p.Kind)
		if p.Index == nil {
			t.Errorf("%s is not in the log", p.Kind)
		}
	}
	want := []string{
		"report.register.RECEIVED", "opening.ask.ASKED", "opening.key.KEYED", "opening.peel.PEELED",
		"lead.ask.ASKED", "lead.agree.AGREED", "lead.release.RELEASED", "lead.ask.ASKED", "lead.agree.AGREED", "lead.release.RELEASED",
		"contact.take.TAKEN",
		"award.draft.DRAFT", "award.approve.WAITING_BUDGET", "award.notify.NOTIFIED",
	}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Error(diff)
	}
	var newest wire.Checkpoint
	if _, err := w.anyone().Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/log/checkpoint"}, &newest); err != nil {
		t.Fatal(err)
	}
	checkpoint := save(t, "checkpoint", []byte(newest.Note))
	offline := func(proof []byte, checkpoint, key string) error {
		_, err := w.command(t, "", "log", "verify", "--proof", save(t, "proofs", proof), "--checkpoint", checkpoint, "--key", key)
		return err
	}
	if err := offline(file, checkpoint, key); err != nil {
		t.Error(err)
	}
	changed := func(change func(*audit.Proofs)) []byte {
		var p audit.Proofs
		if err := json.Unmarshal(file, &p); err != nil {
			t.Fatal(err)
		}
		change(&p)
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	other, _, err := note.GenerateKey(rand.Reader, audit.Origin)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := note.NewSigner(other)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]error{
		"another kind":  offline(changed(func(p *audit.Proofs) { p.Proofs[1].Kind = "opening.deny.DENIED" }), checkpoint, key),
		"another day":   offline(changed(func(p *audit.Proofs) { p.Proofs[0].Day = "2026-01-01" }), checkpoint, key),
		"another salt":  offline(changed(func(p *audit.Proofs) { p.Proofs[0].Salt[0] ^= 1 }), checkpoint, key),
		"another place": offline(changed(func(p *audit.Proofs) { *p.Proofs[0].Index ^= 1 }), checkpoint, key),
		"a path cut":    offline(changed(func(p *audit.Proofs) { p.Proofs[0].Path = p.Proofs[0].Path[1:] }), checkpoint, key),
		"another size":  offline(changed(func(p *audit.Proofs) { p.Size += 256 }), checkpoint, key),
		"a late leaf":   offline(changed(func(p *audit.Proofs) { p.Proofs[0].Index, p.Proofs[0].Pending = nil, p.Proofs[0].Day }), checkpoint, key),
		"a dropped leaf": offline(changed(func(p *audit.Proofs) {
			p.Proofs[0].Index, p.Proofs[0].Path, p.Proofs[0].Pending = nil, nil, "9999-12-31"
			day, err := time.Parse(time.DateOnly, p.Proofs[0].Day)
			if err != nil {
				t.Fatal(err)
			}
			p.Proofs[0].Day = day.AddDate(0, 0, -1).Format(time.DateOnly)
		}), checkpoint, key),
		"no proofs":      offline([]byte("nothing"), checkpoint, key),
		"no key":         offline(file, checkpoint, ""),
		"not its signer": offline(file, save(t, "forged", resigned(t, newest.Note, "", "", stranger)), key),
	} {
		if bad == nil {
			t.Errorf("%s was taken for a proof", name)
		}
	}

	w.countersigned(t, checkpoint, key)
	w.held(t, checkpoint, key)
	forked := save(t, "forked", resigned(t, newest.Note, "A", "B", signer))
	for name, args := range map[string][]string{"store": {"log", "verify", "--checkpoint", forked}, "url": {"log", "verify", "--url", w.base, "--key", key, "--checkpoint", forked}} {
		if out, err := w.command(t, "", args...); err == nil || !strings.Contains(out, "has another root than the log: changed or forked since") {
			t.Errorf("%s: a forked log was not named: %s, %v", name, out, err)
		}
	}
}

// TestLogVerifyNamesWhatWasDone changes the log in the database, as whoever
// administers it could, and wants the command to name what is wrong, with an
// exit that is no success.
func TestLogVerifyNamesWhatWasDone(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.tomorrow(t, 1)
	w.tomorrow(t, 2)
	kept, err := w.store.Audit.Latest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	checkpoint := save(t, "kept", []byte(kept.Note))
	if out, err := w.command(t, "", "log", "verify", "--checkpoint", checkpoint); err != nil {
		t.Fatal(out, err)
	}
	db := w.driver(t)
	var leaf, tile struct {
		ID     string `bson:"_id"`
		Index  int64  `bson:"index"`
		Data   []byte `bson:"data"`
		Hashes []byte `bson:"hashes"`
	}
	if err := db.Collection("leaf").FindOne(t.Context(), bson.M{"index": 1}).Decode(&leaf); err != nil {
		t.Fatal(err)
	}
	if err := db.Collection("tile").FindOne(t.Context(), bson.M{"_id": "0/0"}).Decode(&tile); err != nil {
		t.Fatal(err)
	}
	set := func(collection, id string, fields bson.M) {
		t.Helper()
		if _, err := db.Collection(collection).UpdateOne(t.Context(), bson.M{"_id": id}, bson.M{"$set": fields}); err != nil {
			t.Fatal(err)
		}
	}
	flip := func(b []byte) []byte {
		b = bytes.Clone(b)
		b[0] ^= 1
		return b
	}
	for name, tt := range map[string]struct {
		do, undo func()
		says     string
	}{
		"a flipped byte of a leaf": {
			func() { set("leaf", leaf.ID, bson.M{"data": flip(leaf.Data)}) }, func() { set("leaf", leaf.ID, bson.M{"data": leaf.Data}) },
			"leaf 1 (" + leaf.ID + ")",
		},
		"a flipped byte of a tile": {
			func() { set("tile", "0/0", bson.M{"hashes": flip(tile.Hashes)}) }, func() { set("tile", "0/0", bson.M{"hashes": tile.Hashes}) },
			"tile 0/0",
		},
		"a removed leaf": {
			func() { set("leaf", leaf.ID, bson.M{"index": -5}) }, func() { set("leaf", leaf.ID, bson.M{"index": leaf.Index}) },
			"leaf 1 is gone",
		},
	} {
		tt.do()
		if out, err := w.command(t, "", "log", "verify"); err == nil || !strings.Contains(out, tt.says) {
			t.Errorf("%s: got %s, %v, want it to name %s", name, out, err, tt.says)
		}
		tt.undo()
	}
	_, signer := w.logKey(t)
	forked := save(t, "forked", resigned(t, kept.Note, "A", "B", signer))
	if out, err := w.command(t, "", "log", "verify", "--checkpoint", forked); err == nil || !strings.Contains(out, "has another root than the log: changed or forked since") {
		t.Errorf("a forked tree: got %s, %v", out, err)
	}
	if out, err := w.command(t, "", "log", "verify", "--checkpoint", checkpoint); err != nil {
		t.Errorf("put right again: %s, %v", out, err)
	}
}

// resigned is a checkpoint whose root begins with another letter, signed by another.
func resigned(t *testing.T, text, from, to string, by note.Signer) []byte {
	t.Helper()
	body, _, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(body, "\n")
	if from != "" {
		first := to
		if strings.HasPrefix(lines[2], to) {
			first = from
		}
		lines[2] = first + lines[2][1:]
	}
	signed, err := note.Sign(&note.Note{Text: strings.Join(lines, "\n") + "\n"}, by)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// held verifies the world's log in every way.
func (w *world) held(t *testing.T, checkpoint, key string) {
	t.Helper()
	for name, args := range map[string][]string{
		"store": {"log", "verify"}, "store and a kept one": {"log", "verify", "--checkpoint", checkpoint},
		"url": {"log", "verify", "--url", w.base, "--key", key, "--checkpoint", checkpoint},
	} {
		if out, err := w.command(t, "", args...); err != nil || !strings.Contains(out, "signed by "+audit.Origin) || strings.Contains(out, "FAULT") {
			t.Errorf("%s: got %s, %v", name, out, err)
		}
	}
	if _, err := w.command(t, "", "log", "verify", "--url", w.base); err == nil {
		t.Error("a log was verified without a key")
	}
}

// countersigned lets the level above look at the log and sign, and the server
// keep what it signed.
func (w *world) countersigned(t *testing.T, checkpoint, key string) {
	t.Helper()
	private := filepath.Join(t.TempDir(), "above.key")
	above, err := w.command(t, "", "log", "keygen", "city-level", private)
	if above = strings.TrimSpace(above); err != nil || above == "" {
		t.Fatal(above, err)
	}
	if _, err := w.command(t, "", "log", "keygen", "city-level", private); err == nil {
		t.Error("a key was overwritten")
	}
	out, err := w.command(t, "", "log", "countersign", "--signer", private, "--key", key, "--checkpoint", checkpoint, w.base)
	if err != nil {
		t.Fatal(out, err)
	}
	signed := save(t, "countersigned", []byte(out[strings.LastIndex(out, audit.Origin+"\n"):]))
	if _, err := w.command(t, "", "log", "accept", signed); err == nil {
		t.Error("the signature of an unknown level above was kept")
	}
	if out, err := w.command(t, above, "log", "accept", signed); err != nil {
		t.Fatal(out, err)
	}
	both := "signed by " + audit.Origin + ", city-level"
	for name, args := range map[string][]string{"store": {"log", "verify"}, "url": {"log", "verify", "--url", w.base, "--key", key, "--above", above}} {
		if out, err := w.command(t, above, args...); err != nil || !strings.Contains(out, both) {
			t.Errorf("%s: got %s, %v, want both signatures", name, out, err)
		}
	}
}

// TestNothingPublicBeforeTheDay looks at what is public while leaves wait.
func TestNothingPublicBeforeTheDay(t *testing.T) {
	t.Parallel()
	w := start(t)
	awaited(t, "what the log shows", func() bool {
		c, err := w.store.Audit.Latest(t.Context())
		return err == nil && c.Size == 256
	})
	before, err := w.store.Audit.Head(t.Context()) // leaves of the rings may still be coming
	if err != nil {
		t.Fatal(err)
	}
	var made struct{ Code, Statement string }
	for range 3 {
		_, err := w.anyone().Do(t.Context(), apiclient.Call{
			Method: http.MethodPost, Path: "/v1/public/" + demo.Tenant + "/reports", Key: freshKey(), Form: new(filedCase).anonymous(),
		}, &made)
		if err != nil {
			t.Fatal(err)
		}
	}
	awaited(t, "what the log shows", func() bool {
		h, err := w.store.Audit.Head(t.Context())
		return err == nil && h.Size >= before.Size+3
	})
	for path, want := range map[string]int{
		"0/0": 200, "0/1": 404, "1/0": 404, "0/-1": 404, "-1/0": 404, "9/0": 404, "0/99999999999999999999": 404, "x/y": 404,
	} {
		a, _ := w.anyone().Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/log/tiles/" + path}, nil)
		if a.Status != want {
			t.Errorf("tile %s: got %d, want %d", path, a.Status, want)
		}
	}
	a, err := w.anyone().Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/log/checkpoint"}, nil)
	if err != nil || !strings.Contains(string(a.Body), `\n256\n`) {
		t.Errorf("got %s, %v, want the padded size", a.Body, err)
	}

	var session struct{ Token string }
	_, err = w.anyone().Do(t.Context(), apiclient.Call{Method: http.MethodPost, Path: "/v1/receipt/session", Body: doc{"code": made.Code}}, &session)
	if err != nil {
		t.Fatal(err)
	}
	receipt := w.anyone()
	receipt.Token = session.Token
	if got, _ := proofs(t, receipt); len(got.Proofs) != 1 || got.Proofs[0].Index != nil || got.Proofs[0].Pending <= got.Proofs[0].Day {
		t.Errorf("got %+v, want a leaf that waits for the next day", got)
	}
	w.tomorrow(t, 1)
	got, file := proofs(t, receipt)
	registered, err := vault.VerifyStatement(made.Statement, w.keyring(t).StatementKeys())
	if err != nil || len(got.Proofs) != 1 || got.Proofs[0].Index == nil || registered.Commitment != got.Proofs[0].Commitment || registered.Day != got.Proofs[0].Day {
		t.Errorf("got %+v for the statement %+v, %v", got, registered, err)
	}
	var newest wire.Checkpoint
	if _, err := w.anyone().Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/log/checkpoint"}, &newest); err != nil {
		t.Fatal(err)
	}
	key, _ := w.logKey(t)
	offline := func(proof []byte, statement string) error {
		_, err := w.command(t, "", "log", "verify", "--proof", save(t, "proofs", proof), "--checkpoint", save(t, "checkpoint", []byte(newest.Note)),
			"--key", key, "--statement", save(t, "statement", []byte(statement+"\n")))
		return err
	}
	if err := offline(file, made.Statement); err != nil {
		t.Error(err)
	}
	if err := offline([]byte(`{"size": 256, "proofs": []}`), made.Statement); err == nil || !strings.Contains(err.Error(), "is not among the proofs") {
		t.Errorf("proofs without the registration: got %v", err)
	}
	if err := offline(file, "nothing"); err == nil {
		t.Error("what is no statement was taken for one")
	}
}

// checkLog looks at the log of a server that was killed again and again: it is
// whole, and holds every registration.
func (s *storm) checkLog(t *testing.T) {
	t.Helper()
	key, _ := s.logKey(t)
	known, err := audit.Verifiers(key)
	if err != nil {
		t.Fatal(err)
	}
	reports := s.reports(t)
	awaited(t, "what the log shows", func() bool {
		for _, r := range reports {
			if leaf, err := s.store.Audit.Leaf(t.Context(), r.ID+":1"); err != nil || leaf.Index == audit.Unplaced {
				return false
			}
		}
		return true
	})
	found, err := audit.VerifyStore(t.Context(), s.store.Audit, known)
	if err != nil || len(found.Faults) > 0 || len(found.Checkpoints) != 1 {
		t.Errorf("got %d checkpoints, %v, %v", len(found.Checkpoints), found.Faults, err)
	}
}
