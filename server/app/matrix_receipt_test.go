package app_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/casefile"
)

// receipts: behind another reporter's receipt, of either tenant, nothing of the
// case is found, and an award that is not there is like any absent record. The
// key of the case's report is of no use to who sends to the other tenant.
func (m *matrix) receipts(t *testing.T) {
	t.Helper()
	for key, of := range map[string]*filedCase{freshKey(): m.own, m.own.sent["key"]: m.other} {
		var made struct{ Number, Code string }
		a, err := of.anyone().Do(t.Context(), apiclient.Call{
			Method: http.MethodPost, Path: "/v1/public/" + of.tenant + "/reports", Key: key, Form: of.anonymous(),
		}, &made)
		if err != nil || made.Number == m.own.number || made.Code == m.own.sent["code"] {
			t.Fatalf("got %s, %v, want a report of its own", a.Body, err)
		}
		var session struct{ Token string }
		_, err = of.anyone().Do(t.Context(), apiclient.Call{
			Method: http.MethodPost, Path: "/v1/receipt/session", Body: doc{"code": made.Code},
		}, &session)
		if err != nil {
			t.Fatal(err)
		}
		holder := of.anyone()
		holder.Token = session.Token
		stranger := *of
		stranger.receipt = holder
		m.stranger(t, &stranger)
		a, err = holder.Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/receipt"}, nil)
		if err != nil || !within(a.Body, made.Number) {
			t.Errorf("got %s, %v, want the receipt of %s", a.Body, err, made.Number)
		}
		a, _ = holder.Do(t.Context(), apiclient.Call{Method: http.MethodPost, Path: "/v1/receipt/award/claim", Key: freshKey()}, nil)
		if said(a) != m.absent {
			t.Errorf("an award that is not there: got %s", said(a))
		}
	}
}

// stranger tries every route behind a receipt with the ids of the case: what
// names a record is answered as an absent one is, and what is read holds
// nothing of the case.
func (m *matrix) stranger(t *testing.T, of *filedCase) {
	t.Helper()
	tried := 0
	for _, r := range m.own.routes() {
		if !slices.Contains(casefile.RolesFor(r.Action), casefile.ReceiptHolder) || r.Method != http.MethodGet && !strings.Contains(r.Path, ":") {
			continue
		}
		tried++
		a := m.send(t, of, r, m.own.ids, casefile.ReceiptHolder, "")
		if strings.Contains(r.Path, ":") && !saidSame(r, a, m.absent) {
			t.Errorf("%s behind another's receipt: got %s", pattern(r), said(a))
		}
		for kind, id := range m.own.ids {
			if within(a.Body, id) {
				t.Errorf("%s behind another's receipt shows the %s", pattern(r), kind)
			}
		}
	}
	if tried < 5 {
		t.Errorf("got %d routes behind a receipt", tried)
	}
}
