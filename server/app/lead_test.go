package app_test

import (
	"bytes"
	"image/jpeg"
	"net/http"
	"testing"
	"time"

	"gridwatch/media/mediatest"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
)

// photographed adds a picture behind the receipt, which the desk releases. It
// returns the item's id.
func (d *docket) photographed(serial string) string {
	d.t.Helper()
	return d.sends(mediatest.Picture(mediatest.Options{Width: 96, Height: 64, Make: "Maker", Serial: serial, Time: time.Now()}))
}

// sends adds a photo behind the receipt, which the desk releases.
func (d *docket) sends(photo []byte) string {
	d.t.Helper()
	_, err := d.holder().Do(d.t.Context(), apiclient.Call{
		Method: http.MethodPost, Path: "/v1/receipt/evidence", Key: newKey(d.t),
		Form: new(apiclient.Form).File("evidence", "from-my-window.jpg", "image/jpeg", photo),
	}, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	var seen struct{ Evidence []struct{ ID string } }
	d.get("desk2", d.path(""), &seen)
	item := seen.Evidence[len(seen.Evidence)-1].ID
	if _, err := d.try("desk2", d.path("/evidence/"+item+"/release"), newKey(d.t), object{}); err != nil {
		d.t.Fatal(err)
	}
	return item
}

func (d *docket) wanted(item string) object {
	return object{"item": item, "file": "penalty", "record": d.penalty, "reason": "Shows the bottles beside the stove."}
}

// askAbout asks the reporter about an item and returns the lead's path.
func (d *docket) askAbout(item string) string {
	d.t.Helper()
	return "/v1/office/leads/" + d.do("desk2", d.path("/leads"), d.wanted(item), casefile.LeadAsked).ID
}

// says is the reporter's answer to a lead.
func (d *docket) says(lead string, agree bool) error {
	d.t.Helper()
	_, err := d.holder().Do(d.t.Context(), apiclient.Call{
		Method: http.MethodPost, Path: "/v1/receipt/leads/" + lead[len("/v1/office/leads/"):] + "/answer", Key: newKey(d.t), Body: object{"agree": agree},
	}, nil)
	return err
}

// receiptLead is a lead as the reporter sees it.
type receiptLead struct {
	State, AskedOn, AnswerBy, DecidedOn, Meaning string
	N                                            int
}

func (d *docket) receiptLeads() []receiptLead {
	d.t.Helper()
	var r struct{ Leads []receiptLead }
	if _, err := d.holder().Do(d.t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/receipt"}, &r); err != nil {
		d.t.Fatal(err)
	}
	return r.Leads
}

// exhibits are what the file of the penalty shows to its readers.
func (d *docket) exhibits() []map[string]any {
	d.t.Helper()
	var p struct{ Exhibits []map[string]any }
	d.get("enforcer1", d.penaltyPath(""), &p)
	return p.Exhibits
}

// TestLeadEntersACaseFile: desk and ring B release a lead after the reporter
// said yes; the file holds number, kind, state and a clean copy, and nothing
// says whose it was. The reporter sees it, and the log proves it.
func TestLeadEntersACaseFile(t *testing.T) {
	t.Parallel()
	w := start(t)
	d := newDocket(t, w, casefile.Anonymous, casefile.IllegalAct).verify(isSo).charge()
	item := d.photographed("SERIAL-OF-THE-CAMERA")
	lead := d.askAbout(item)
	if got := d.receiptLeads(); len(got) != 1 || got[0].State != "ASKED" || got[0].N != 1 || got[0].Meaning == "" || got[0].AnswerBy <= got[0].AskedOn {
		t.Fatalf("behind the receipt: got %+v, want the question", got)
	}
	d.refused("seal1", lead+"/release", nil, "lead.move") // nobody was asked in vain
	if err := d.says(lead, true); err != nil {
		t.Fatal(err)
	}
	d.refused("desk1", lead+"/release", nil, "record.not_found")
	if got := d.exhibits(); len(got) != 0 {
		t.Fatalf("before ring B's word: got %v in the file", got)
	}
	key := newKey(t)
	for range 2 { // a repeat is the same release
		if out, err := d.try("seal1", lead+"/release", key, nil); err != nil || out.State != casefile.LeadReleased {
			t.Fatalf("got %v, %v, want it released", out, err)
		}
	}
	awaited(t, "the exhibit", func() bool { return len(d.exhibits()) > 0 })
	shown := d.exhibits()
	id, _ := shown[0]["id"].(string)
	if len(shown) != 1 || len(shown[0]) != 4 || shown[0]["n"] != 1.0 || shown[0]["kind"] != "photo" || shown[0]["state"] != "released" || id == item {
		t.Errorf("the file shows %v, want number, kind, state and an id of its own", shown)
	}
	a, err := w.as(t, "enforcer1").Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: d.penaltyPath("/exhibits/" + id)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jpeg.Decode(bytes.NewReader(a.Body)); err != nil || bytes.Contains(a.Body, []byte("SERIAL-OF")) || bytes.Contains(a.Body, []byte("Exif")) {
		t.Errorf("the exhibit: %v, or it says of the camera", err)
	}
	if a.Header.Get("Content-Disposition") == "" || bytes.Contains([]byte(a.Header.Get("Content-Disposition")), []byte("window")) {
		t.Errorf("got %q, want an attachment without the sender's name for it", a.Header.Get("Content-Disposition"))
	}
	if got := d.receiptLeads()[0]; got.State != "RELEASED" || got.DecidedOn == "" {
		t.Errorf("behind the receipt: got %+v, want the release and its day", got)
	}
	if p, err := w.store.Penalties.Get(t.Context(), demo.Tenant, d.penalty); err != nil || len(p.Exhibits) != 1 {
		t.Errorf("got %d exhibits, %v, want one", len(p.Exhibits), err)
	}
	var proofs struct {
		Proofs []struct{ Statement struct{ Kind string } }
	}
	if _, err := d.holder().Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/receipt/proofs"}, &proofs); err != nil || len(proofs.Proofs) != 4 {
		t.Errorf("got %d proofs, %v, want registration, question, answer and release", len(proofs.Proofs), err)
	}
	if err := d.says(lead, false); apiclient.CodeOf(err) != "lead.move" {
		t.Errorf("a yes taken back too late: got %v", err)
	}
	// The sweep knows whose objects these are, and keeps the file's copy.
	if _, err := w.app.Service().Sweep(t.Context(), -time.Hour); err != nil {
		t.Fatal(err)
	}
	a, err = w.as(t, "enforcer1").Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: d.penaltyPath("/exhibits/" + id)}, nil)
	if err != nil || len(a.Body) == 0 {
		t.Errorf("after the sweep: got %d bytes, %v", len(a.Body), err)
	}
}

// TestNoAnswerIsNo: without the reporter's yes nothing is released, a yes can
// be taken back until then, and a lead that comes to nothing is unreadable.
func TestNoAnswerIsNo(t *testing.T) {
	t.Parallel()
	w := start(t)
	d := newDocket(t, w, casefile.Anonymous, casefile.IllegalAct).verify(isSo).charge()
	silent, changed, denied, gone := d.askAbout(d.photographed("1")), d.askAbout(d.photographed("2")), d.askAbout(d.photographed("3")), d.askAbout(d.photographed("4"))
	for _, lead := range []string{changed, denied, gone} {
		if err := d.says(lead, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.says(changed, false); err != nil {
		t.Fatal(err)
	}
	d.refused("seal1", silent+"/release", nil, "lead.move")
	d.refused("seal1", changed+"/release", nil, "lead.move")
	d.do("seal1", denied+"/deny", object{"reason": "The angle tells who stood there."}, casefile.LeadDenied)
	if err := d.says(changed, true); apiclient.CodeOf(err) != "lead.move" {
		t.Errorf("a yes after the no: got %v", err)
	}
	for _, lead := range []string{changed, denied} {
		_, err := w.as(t, "seal1").Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: lead + "/copy"}, nil)
		if apiclient.CodeOf(err) != "record.not_found" {
			t.Errorf("the copy of a lead that came to nothing: got %v", err)
		}
	}
	other := newDocket(t, w, casefile.Anonymous, casefile.IllegalAct)
	absent := func(path string) string {
		a, _ := other.holder().Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/receipt/leads/" + path + "/copy"}, nil)
		return said(a)
	}
	if a, b := absent(silent[len("/v1/office/leads/"):]), absent(newKey(t)); a != b {
		t.Errorf("another reporter's lead: got %s, of none %s", a, b)
	}
	_, err := d.holder().Do(t.Context(), apiclient.Call{Method: http.MethodPost, Path: "/v1/receipt/withdrawal", Key: newKey(t), Body: object{}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	d.refused("seal1", gone+"/release", nil, "lead.withdrawn")
	if got := d.exhibits(); len(got) != 0 {
		t.Errorf("got %v in the file, want nothing", got)
	}
}

func badLeads(t *testing.T, w *world) map[string]badRow {
	t.Helper()
	d := newDocket(t, w, casefile.Anonymous, casefile.IllegalAct).verify(isSo).charge()
	other := newDocket(t, w, casefile.Anonymous, casefile.IllegalAct).verify(isSo).charge()
	item, asked, foreign := d.photographed("1"), d.photographed("2"), other.photographed("3")
	lead := d.askAbout(asked)
	unreleased := func() string {
		_, err := d.holder().Do(t.Context(), apiclient.Call{
			Method: http.MethodPost, Path: "/v1/receipt/evidence", Key: newKey(t),
			Form: new(apiclient.Form).File("evidence", "x.jpg", "image/jpeg", mediatest.Picture(mediatest.Options{Width: 64, Height: 64, Seed: 9})),
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var seen struct{ Evidence []struct{ ID string } }
		d.get("desk2", d.path(""), &seen)
		return seen.Evidence[len(seen.Evidence)-1].ID
	}()
	ask := func(change object, status int, code, field string) badRow {
		body := d.wanted(item)
		for k, v := range change {
			body[k] = v
		}
		return post("desk1", d.path("/leads"), body, status, code, field)
	}
	token := d.holder().Token
	answer := func(lead string, body any, status int, code, field string) badRow {
		return badRow{
			path: "/v1/receipt/leads/" + lead + "/answer", body: body, status: status, code: code, at: field,
			header: http.Header{"Authorization": {"Bearer " + token}},
		}
	}
	id := lead[len("/v1/office/leads/"):]
	return map[string]badRow{
		"another report's item":    ask(object{"item": foreign}, 400, "lead.unknown_item", "/item"),
		"no item at all":           ask(object{"item": newKey(t)}, 400, "lead.unknown_item", "/item"),
		"an item not released":     ask(object{"item": unreleased}, 409, "lead.not_released", "/item"),
		"asked before":             ask(object{"item": asked}, 409, "lead.asked_before", "/item"),
		"another report's penalty": ask(object{"record": other.penalty}, 400, "lead.unknown_file", "/record"),
		"no penalty at all":        ask(object{"record": newKey(t)}, 400, "lead.unknown_file", "/record"),
		"a penalty as inspection":  ask(object{"file": "inspection"}, 400, "lead.unknown_file", "/record"),
		"a file of no kind":        ask(object{"file": marker}, 400, "body.invalid", "/file body.enum"),
		"without a reason":         ask(object{"reason": ""}, 400, "body.invalid", "/reason body.too_short"),
		"an item in words":         ask(object{"item": marker}, 400, "body.invalid", "/item body.format"),
		"an answer in words":       answer(id, object{"agree": marker}, 400, "body.invalid", "/agree body.type"),
		"an empty answer":          answer(id, object{}, 400, "body.invalid", "/agree body.required"),
		"an answer to nothing":     answer(newKey(t), object{"agree": true}, 404, "record.not_found", ""),
		"released unasked":         post("seal1", lead+"/release", nil, 409, "lead.move", ""),
		"released by the desk":     post("desk1", lead+"/release", nil, 404, "record.not_found", ""),
		"denied without a reason":  post("seal1", lead+"/deny", object{}, 400, "body.invalid", "/reason body.required"),
		"released, no lead":        post("seal1", "/v1/office/leads/"+newKey(t)+"/release", nil, 404, "record.not_found", ""),
	}
}
