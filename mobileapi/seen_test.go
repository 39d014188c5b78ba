package mobileapi_test

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gridwatch/mobileapi/wire"
	"gridwatch/server/casefile"
)

// answered is all of an answer but the time and what is the reporter's own.
func answered(a answer, own ...string) string {
	h := a.header.Clone()
	h.Del("Date")
	body := a.body
	for _, text := range own {
		body = bytes.ReplaceAll(body, []byte(text), bytes.Repeat([]byte("x"), len(text)))
	}
	return fmt.Sprint(a.status, h, string(body))
}

// TestSeenBeforeIsAnsweredLikeNew: who sends a picture that another one sent
// gets the very answer of who sends it first, and so on every route behind the
// receipt: byte for byte.
func TestSeenBeforeIsAnsweredLikeNew(t *testing.T) {
	t.Parallel()
	r := start(t)
	var answers [2][]string
	for i := range answers { // the second one sends what the first one sent
		a := r.form(reports, "", newKey(), jsonPart("report", report()), photo(picture(7)))
		made := read[wire.Registration](r, a, http.StatusCreated)
		h := &holder{rig: r}
		h.open(made.Code)
		answers[i] = append(answers[i], answered(a, made.Number, made.Code, made.Statement),
			answered(h.form("/v1/receipt/evidence", h.token, newKey(), photo(picture(8)), photo(picture(7)))),
			answered(h.get("/v1/receipt", h.token), made.Number),
			answered(h.post("/v1/receipt/messages", h.token, newKey(), wire.WriteMessage{Text: "a word"})),
			answered(h.get("/v1/receipt/messages", h.token)),
		)
	}
	if diff := cmp.Diff(answers[0], answers[1]); diff != "" {
		t.Errorf("what was seen before is answered otherwise (-new +seen):\n%s", diff)
	}
}

// TestMergedIsNotTold: a reporter whose report was merged into an older one
// sees what one sees whose report is verified, whatever is asked.
func TestMergedIsNotTold(t *testing.T) {
	t.Parallel()
	r := start(t)
	var answers [2][]string
	for i, state := range []casefile.State{casefile.ReportVerifying, casefile.ReportMerged} {
		h := r.submit(report(), photo(picture(7)))
		h.put(func(rep *casefile.Report) { rep.State = state })
		number := h.report().Number
		for _, a := range []answer{
			h.get("/v1/receipt", h.token),
			h.get("/v1/receipt/proofs", h.token),
			h.post("/v1/receipt/messages", h.token, newKey(), wire.WriteMessage{Text: "a word"}),
			h.form("/v1/receipt/evidence", h.token, newKey(), photo(picture(8))),
			h.post("/v1/receipt/objection", h.token, newKey(), wire.WriteMessage{Text: "no"}),
			h.post("/v1/receipt/award/claim", h.token, newKey(), nil),
			h.post("/v1/receipt/withdrawal", h.token, newKey(), wire.Withdraw{}),
			h.post("/v1/receipt/withdrawal", h.token, newKey(), wire.Withdraw{}),
			h.get("/v1/receipt", h.token),
			h.post("/v1/receipt/closing", h.token, newKey(), wire.Close{}),
		} {
			if bytes.Contains(a.body, []byte("MERGED")) {
				t.Errorf("the reporter is told: %s", a.body)
			}
			answers[i] = append(answers[i], answered(a, number))
		}
	}
	// Salts and leaves of the proofs are each report's own.
	answers[0][1], answers[1][1] = fmt.Sprint(len(answers[0][1])), fmt.Sprint(len(answers[1][1]))
	if diff := cmp.Diff(answers[0], answers[1]); diff != "" {
		t.Errorf("a merged report is answered otherwise (-verified +merged):\n%s", diff)
	}
}
