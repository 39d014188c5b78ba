package app_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"gridwatch/mobileapi/wire"
	"gridwatch/server/app"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/custody"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/config"
	"gridwatch/server/storetest"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// terms keeps the terms as they are so many days from now, with all effects.
func (w *world) terms(t *testing.T, days int) workflow.Kept {
	t.Helper()
	kept, err := w.keeps(t, days, func(*workflow.Service) {})
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

func (w *world) tryTerms(t *testing.T, days int) (workflow.Kept, error) {
	t.Helper()
	return w.keeps(t, days, func(*workflow.Service) {})
}

// keeps is terms in a process that was made ready by before.
func (w *world) keeps(t *testing.T, days int, before func(*workflow.Service)) (workflow.Kept, error) {
	t.Helper()
	cfg, err := config.Read(w.settings)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Listen, cfg.OpsListen = "127.0.0.1:0", "127.0.0.1:0"
	now := time.Now().AddDate(0, 0, days)
	a, err := app.Open(t.Context(), cfg, app.Env{
		Now: func() time.Time { return now }, Random: rand.Reader, Password: quick(), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	before(a.Service())
	kept, failed := a.Service().KeepTerms(t.Context(), "terms")
	for n := 1; n > 0 && err == nil; {
		n, err = a.Service().RelayOnce(t.Context())
	}
	if err := errors.Join(err, a.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	return kept, failed
}

// ended is a report with a photo and a message that the desk refused.
func ended(t *testing.T, w *world) (*docket, parcel) {
	t.Helper()
	p := newParcel(t)
	answer, err := p.send(t.Context(), w.anyone())
	if err != nil {
		t.Fatal(err)
	}
	r := answered(t, answer)
	d := &docket{t: t, w: w, number: r.Number, code: r.Code}
	d.find()
	d.tells("canary-first-message")
	d.do("desk2", d.path("/refuse"), object{"reason": "unclear", "text": "Nothing to go by."}, casefile.ReportRejected)
	return d, p
}

// tells is the reporter writing to the desk.
func (d *docket) tells(text string) {
	d.t.Helper()
	call := apiclient.Call{Method: http.MethodPost, Path: "/v1/receipt/messages", Key: newKey(d.t), Body: object{"text": text}}
	if _, err := d.holder().Do(d.t.Context(), call, nil); err != nil {
		d.t.Fatal(err)
	}
}

// receipt is what the reporter sees.
func (d *docket) receipt() (wire.Receipt, []wire.Message) {
	d.t.Helper()
	var r wire.Receipt
	var m struct{ Items []wire.Message }
	for path, out := range map[string]any{"/v1/receipt": &r, "/v1/receipt/messages": &m} {
		if _, err := d.holder().Do(d.t.Context(), apiclient.Call{Method: http.MethodGet, Path: path}, out); err != nil {
			d.t.Fatal(err)
		}
	}
	return r, m.Items
}

func (d *docket) record() *casefile.Report {
	d.t.Helper()
	r, err := d.w.store.Reports.Get(d.t.Context(), demo.Tenant, d.report)
	if err != nil {
		d.t.Fatal(err)
	}
	return r
}

// steals says whether who has database, objects and keyring can read what was
// said: with every wrapped data key there is, for every name it can be for.
func (d *docket) steals() bool {
	d.t.Helper()
	keyring, r := d.w.keyring(d.t), d.record()
	var keys []*vault.DataKey
	names, err := d.w.store.WrappedKeys.Collections(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	for _, name := range names {
		found, _, err := d.w.store.WrappedKeys.Page(d.t.Context(), name, "", 1000)
		if err != nil {
			d.t.Fatal(err)
		}
		for _, k := range found {
			for _, owner := range append(k.Owners, "device", r.Envelope) {
				if key, err := keyring.OpenDataKey(owner, k.Value[:vault.WrappedLen]); err == nil {
					keys = append(keys, key)
				}
			}
		}
	}
	messages, err := d.w.store.Messages.List(d.t.Context(), demo.Tenant, d.report, 0, 1)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, key := range keys {
		if _, err := key.Open(r.Sealed, vault.AD("report", r.ID, "body")); err == nil {
			return true
		}
		for _, m := range messages {
			if _, err := key.Open(m.Sealed, vault.AD("message", m.ID, "text")); err == nil {
				return true
			}
		}
	}
	return false
}

// TestAfterTheTermOnlyBothRingsRead seals a report away when nobody objected in
// time. Before, who steals database and keyring reads it; afterwards only the
// two rings together do. The reporter still sees the answer, proves what the log
// holds, and goes on writing.
func TestAfterTheTermOnlyBothRingsRead(t *testing.T) {
	t.Parallel()
	w := start(t)
	d, p := ended(t, w)
	d.receipt() // serves the answer
	if kept := w.terms(t, 9); kept.Archived != 0 {
		t.Error("sealed away while the reporter can object")
	}
	if kept := w.terms(t, 29); kept.Archived != 0 {
		t.Error("sealed away within the quiet days")
	}
	if !d.steals() {
		t.Error("the thief does not read an open report: the test's thief is no good")
	}
	hold := d.do("leader1", d.path("/holds"), object{"reason": "a court asked"}, casefile.ReportRejected).Ref
	if kept := w.terms(t, 60); kept.Archived != 0 {
		t.Error("sealed away under a hold")
	}
	d.do("leader1", d.path("/holds/lift"), object{"hold": hold, "reason": "it has decided"}, casefile.ReportRejected)
	d.refused("leader1", d.path("/holds/lift"), object{"hold": hold, "reason": "again"}, "report.hold_lifted")
	d.refused("leader1", d.path("/holds/lift"), object{"hold": newKey(t), "reason": "again"}, "report.unknown_hold")
	if kept := w.terms(t, 60); kept.Archived != 1 {
		t.Fatalf("got %+v, want one report sealed away", kept)
	}
	if kept := w.terms(t, 61); kept.Archived != 0 {
		t.Error("sealed away twice")
	}
	if d.steals() {
		t.Error("who has database and keyring reads what was sealed away")
	}

	d.tells("canary-second-message")
	r, messages := d.receipt()
	if r.State != casefile.ReportRejected || r.Refusal == nil || r.Refusal.Text != "Nothing to go by." {
		t.Errorf("behind the receipt: got %+v", r)
	}
	if len(messages) != 2 || !messages[0].Archived || messages[0].Text != "" || messages[1].Archived || messages[1].Text != "canary-second-message" {
		t.Errorf("messages: got %+v", messages)
	}
	w.tomorrow(t, 70)
	got, _ := proofs(t, d.holder())
	var kinds []string
	for _, p := range got.Proofs {
		kinds = append(kinds, p.Kind)
	}
	if want := "report.register.RECEIVED report.hold.REJECTED report.lift_hold.REJECTED report.seal_away.REJECTED"; strings.Join(kinds, " ") != want {
		t.Errorf("proofs: got %v, want %s", kinds, want)
	}
	var newest wire.Checkpoint
	if _, err := w.anyone().Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/log/checkpoint"}, &newest); err != nil {
		t.Fatal(err)
	}
	_, file := proofs(t, d.holder())
	key, _ := w.logKey(t)
	if _, err := w.command(t, "", "log", "verify", "--proof", save(t, "proofs", file), "--checkpoint", save(t, "checkpoint", []byte(newest.Note)), "--key", key); err != nil {
		t.Errorf("the proofs of a report that was sealed away: %v", err)
	}
	var desk struct {
		Narrative, ArchivedOn string
		Mode                  casefile.Mode
	}
	d.get("desk2", d.path(""), &desk)
	if desk.Narrative != "" || desk.ArchivedOn == "" || desk.Mode != casefile.Anonymous {
		t.Errorf("the desk sees %+v", desk)
	}

	said, photo := d.archive()
	if said.Narrative != p.body["narrative"] || len(said.Messages) != 1 || said.Messages[0].Text != "canary-first-message" {
		t.Errorf("the rings read %+v", said)
	}
	if !bytes.Equal(photo, p.photo) {
		t.Error("the photo that the rings open is not the one that was sent")
	}
	var o struct{ State, Result string }
	d.get("seal1", d.openingPath(""), &o)
	if o.State != string(casefile.OpeningFinished) || o.Result != string(casefile.Opened) {
		t.Errorf("the opening ended %+v", o)
	}
	if r, _ := d.receipt(); len(r.Openings) != 1 || r.Openings[0].Purpose != casefile.ArchiveComplaint {
		t.Errorf("the reporter sees the openings %+v", r.Openings)
	}
	if err := d.send("identity1", apiclient.Call{Method: http.MethodGet, Path: d.openingPath("/archive")}, nil); apiclient.CodeOf(err) != "opening.no_archive" {
		t.Errorf("the archive after the opening: got %v", err)
	}
}

func (d *docket) wantsArchive() object {
	return object{"report": d.report, "purpose": casefile.ArchiveComplaint, "basis": "信访工作条例 第31条", "hours": 24}
}

// archive has both rings open what was said.
func (d *docket) archive() (workflow.OpenedReport, []byte) {
	d.t.Helper()
	d.opening = d.do("leader1", "/v1/custody/openings", d.wantsArchive(), casefile.OpeningAsked).ID
	dir := d.t.TempDir()
	once := filepath.Join(dir, "once")
	d.tool("identity1", "key", "--once", once)
	d.tool("seal1", "peel", "--yes")
	part := d.openingPath("/archive/" + d.record().Evidence[0].ID + "/1")
	sealed, err := d.w.as(d.t, "identity1").Do(d.t.Context(), apiclient.Call{Method: http.MethodGet, Path: part}, nil)
	if err != nil || !strings.HasPrefix(sealed.Header.Get("Content-Disposition"), "attachment") || !strings.Contains(sealed.Header.Get("Content-Security-Policy"), "sandbox") {
		d.t.Errorf("a sealed part: got %v, %v", sealed.Header, err)
	}
	var out bytes.Buffer
	err = custody.Run(d.t.Context(), []string{
		"open", "--server", d.w.base, "--token-file", "-", "--opening", d.opening, "--once", once, "--json", "--out", dir,
		"--key", demo.KeyFile(d.w.dir, demo.Tenant, "identity1"),
	}, custody.Env{Stdin: strings.NewReader(d.w.as(d.t, "identity1").Token), Stdout: &out, Stderr: io.Discard, Now: time.Now, Random: rand.Reader})
	if err != nil {
		d.t.Fatal(err)
	}
	var said workflow.OpenedReport
	if err := json.Unmarshal(out.Bytes(), &said); err != nil {
		d.t.Fatal(err)
	}
	photo, err := os.ReadFile(filepath.Join(dir, "1"))
	if err != nil {
		d.t.Fatal(err)
	}
	return said, photo
}

// database is the world's, for what only who runs it does.
func (w *world) database(t *testing.T) *mongo.Database {
	t.Helper()
	c, err := mongo.Connect(t.Context(), options.Client().ApplyURI(storetest.URI(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Disconnect(t.Context()) })
	return c.Database(w.setting("GRID_MONGO_DATABASE"))
}

// backup is the documents of a report as they are now.
func (w *world) backup(t *testing.T) map[string][]any {
	t.Helper()
	copied := map[string][]any{}
	for _, name := range []string{"report", "envelope", "message", "erasure"} {
		cursor, err := w.database(t).Collection(name).Find(t.Context(), bson.M{})
		if err != nil {
			t.Fatal(err)
		}
		var all []bson.Raw
		if err := cursor.All(t.Context(), &all); err != nil {
			t.Fatal(err)
		}
		for _, doc := range all {
			copied[name] = append(copied[name], doc)
		}
	}
	return copied
}

// restore puts a backup in the place of what there is.
func (w *world) restore(t *testing.T, copied map[string][]any) {
	t.Helper()
	for _, name := range []string{"report", "envelope", "message", "erasure"} {
		c := w.database(t).Collection(name)
		if _, err := c.DeleteMany(t.Context(), bson.M{}); err != nil {
			t.Fatal(err)
		}
		if len(copied[name]) == 0 {
			continue
		}
		if _, err := c.InsertMany(t.Context(), copied[name]); err != nil {
			t.Fatal(err)
		}
	}
}

// TestErasedReportsStayErasedAfterARestore erases a report when its class has
// been kept for its time, not while anything new arrived or a hold is on, and
// erases it again in a database restored from a backup that still had it.
func TestErasedReportsStayErasedAfterARestore(t *testing.T) {
	t.Parallel()
	w := start(t)
	d, _ := ended(t, w)
	d.receipt()
	const term = 731
	hold := d.do("leader1", d.path("/holds"), object{"reason": "a court asked"}, casefile.ReportRejected).Ref
	if kept := w.terms(t, term); kept.Announced != 0 {
		t.Error("about to be erased under a hold")
	}
	d.do("leader1", d.path("/holds/lift"), object{"hold": hold, "reason": "it has decided"}, casefile.ReportRejected)
	w.restoredToday(t, d)

	if kept := w.terms(t, term-10); kept.Announced != 0 || kept.Archived != 1 {
		t.Errorf("before the term: got %+v", kept)
	}
	if kept := w.terms(t, 2*term); kept.Announced != 1 || kept.Erased != 0 {
		t.Errorf("after the term: got %+v, want one announced", kept)
	}
	if r, _ := d.receipt(); r.State != casefile.ReportErasing {
		t.Errorf("behind the receipt: got %s, want ERASING", r.State)
	}
	d.tells("not yet, please")
	if r := d.record(); r.State != casefile.ReportRejected || r.EndedAs != "" {
		t.Errorf("after a message: got %s, want it revived", r.State)
	}
	if kept := w.terms(t, 2*term); kept.Announced != 1 {
		t.Errorf("after the revival: got %+v", kept)
	}
	backup := w.backup(t)
	objects := d.objects()
	if objects == 0 {
		t.Fatal("no object to erase")
	}
	if kept := w.terms(t, 2*term+31); kept.Erased != 1 {
		t.Fatalf("after the notice: got %+v, want one erased", kept)
	}
	d.isErased("after the erasure")
	if r, messages := d.receipt(); r.State != casefile.ReportErased || len(messages) != 0 {
		t.Errorf("behind the receipt: got %s, %v", r.State, messages)
	}

	list := filepath.Join(t.TempDir(), "erasures")
	if said, err := w.at(t, time.Now(), "erasures", "export", list); err != nil || said != "wrote 1 erasures\n" {
		t.Fatalf("export: %q, %v", said, err)
	}
	w.restore(t, backup)
	if r := d.record(); r.State != casefile.ReportErasing || len(r.Sealed) == 0 {
		t.Fatal("the backup did not bring the report back")
	}
	for n, want := range []string{"1 erasures on the list, 1 reports erased again\n", "1 erasures on the list, 0 reports erased again\n"} {
		if said, err := w.at(t, time.Now(), "erasures", "replay", list); err != nil || said != want {
			t.Errorf("replay %d: got %q, %v, want %q", n+1, said, err, want)
		}
		d.isErased("after the replay")
	}
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"not a list":       []byte("canary\n"),
		"cut into":         bytes.Replace(text, []byte(`"n":1`), []byte(`"n":2`), 1),
		"another's":        bytes.Replace(text, []byte(`"day":"`), []byte(`"day":"1`), 1),
		"a line too often": append(bytes.Clone(text), text...),
	} {
		if said, err := w.at(t, time.Now(), "erasures", "replay", save(t, "list", bad)); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("a list that is %s: got %q, %v", name, said, err)
		}
	}
}

// restoredToday waits until the relay is done with what the desk did.
func (w *world) restoredToday(t *testing.T, d *docket) {
	t.Helper()
	awaited(t, "the copies and the relay", func() bool {
		r := d.record()
		return len(r.Pending) == 0 && !slices.ContainsFunc(r.Evidence, func(e casefile.Evidence) bool { return e.State == casefile.EvidenceVerified })
	})
}

// objects counts the objects of the report.
func (d *docket) objects() int {
	d.t.Helper()
	n := 0
	err := d.w.objects.List(d.t.Context(), demo.Tenant+"/", func(string, time.Time) error {
		n++
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

// isErased looks for anything of what was said.
func (d *docket) isErased(when string) {
	d.t.Helper()
	r := d.record()
	if r.State != casefile.ReportErased || r.EndedAs != casefile.ReportRejected || len(r.Sealed) > 0 || len(r.Evidence) > 0 || r.Archived() || r.Envelope != "" {
		d.t.Errorf("%s the record is %s, ended as %s, and holds something", when, r.State, r.EndedAs)
	}
	if r.Number != d.number || r.Area == "" || len(r.Allegations) != 1 || r.At.IsZero() {
		d.t.Errorf("%s nothing is left for statistics", when)
	}
	if hour := r.At.In(workflow.Shanghai()).Format(time.TimeOnly); hour != "00:00:00" || !r.DecideBy.IsZero() {
		d.t.Errorf("%s the record says that somebody reported at %s, or that time later %s", when, hour, r.DecideBy)
	}
	for name, left := range d.w.backup(d.t) {
		if want := map[string]int{"report": 1, "erasure": 1}[name]; len(left) != want {
			d.t.Errorf("%s there are %d documents in %s, want %d", when, len(left), name, want)
		}
	}
	if n := d.objects(); n > 0 {
		d.t.Errorf("%s there are %d objects", when, n)
	}
	cursor, err := d.w.database(d.t).Collection("chain").Find(d.t.Context(), bson.M{"record": d.report})
	var links []casefile.CustodyEvent
	if err == nil {
		err = cursor.All(d.t.Context(), &links)
	}
	if err != nil || len(links) == 0 {
		d.t.Errorf("%s there is no chain of custody, %v", when, err)
	}
	for _, l := range links { // whoever has the file could tell by them that it was here
		if l.Digest != "" || len(l.Salt) > 0 || l.Unlogged {
			d.t.Errorf("%s the link %s has a digest or its salt", when, l.Act)
		}
	}
}
