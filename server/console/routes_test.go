package console

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"gridwatch/server/casefile"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// The actions that only phones and reporters ask for.
var elsewhere = []casefile.Action{
	casefile.TenantRead, casefile.ReportSubmit, casefile.ReceiptOpen, casefile.ReceiptRead, casefile.ReceiptWrite, casefile.AwardClaim,
	casefile.CallTake, casefile.UploadSend,
	casefile.OpeningAskPayment, casefile.OpeningAskCallBack, casefile.OpeningAskJustice, casefile.OpeningAskArchive, // all asked for by OpeningAsk
	casefile.SessionOpen, casefile.SessionUse, casefile.TaskWork, casefile.LogRead,
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	routes := Routes(Deps{Service: workflow.New(workflow.Deps{})})
	if err := web.New(web.Deps{}).Mount(t.Context(), routes); err != nil {
		t.Fatal(err)
	}
	served := map[casefile.Action]bool{}
	seen := map[string]bool{}
	for _, r := range routes {
		name := r.Method + " " + r.Path
		if seen[name] {
			t.Errorf("got %s twice", name)
		}
		seen[name], served[r.Action] = true, true
		if roles := casefile.RolesFor(r.Action); slices.Contains(roles, casefile.Anyone) || slices.Contains(roles, casefile.ReceiptHolder) {
			t.Errorf("got %s open to a caller without an account", name)
		}
		if slices.Contains(elsewhere, r.Action) {
			t.Errorf("got %s for %s, which is another surface's", name, r.Action)
		}
		if r.Command != (r.Method == http.MethodPost && !strings.HasSuffix(r.Path, "/allocations")) {
			t.Errorf("%s: got command %t", name, r.Command)
		}
	}
	for _, a := range casefile.Actions() {
		if !served[a] && !slices.Contains(elsewhere, a) {
			t.Errorf("got no route for %s", a)
		}
	}
}
