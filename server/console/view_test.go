package console

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gridwatch/server/casefile"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

var update = flag.Bool("update", false, "write the golden files")

// filled returns a T in which every text is the path of its field, so that a
// view shows where each of its values comes from.
func filled[T any](t *testing.T) *T {
	t.Helper()
	v := new(T)
	fill(reflect.ValueOf(v).Elem(), "")
	return v
}

func fill(v reflect.Value, path string) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Date(2026, 3, 2, 1, 4, 5, 0, time.UTC)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(path)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Interface:
		v.Set(reflect.ValueOf(path))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), path)
	case reflect.Map:
		if v.Type().Elem().Kind() == reflect.Interface {
			v.Set(reflect.ValueOf(map[string]any{"input": path}))
			return
		}
		v.Set(reflect.ValueOf(map[string]string{"Report.Allegations.ID": path}))
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(path))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), path)
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Type == reflect.TypeFor[casefile.Effect]() || f.Name == "Pending" {
				continue // refers to tasks, and they to it
			}
			fill(v.Field(i), strings.TrimPrefix(path+"."+f.Name, "."))
		}
	default:
		panic("no way to fill " + v.Type().String())
	}
}

func actor(role casefile.Role) *web.Request {
	return &web.Request{Lang: web.EN, Actor: casefile.Actor{
		Tenant: "Head.Tenant", Person: "p", Posts: []casefile.Post{{Role: role, Area: "Area"}},
	}}
}

func TestViews(t *testing.T) {
	t.Parallel()
	report := filled[casefile.Report](t)
	desk := filled[workflow.DeskReport](t)
	desk.Tenant = "Head.Tenant"
	work := filled[casefile.Task](t)
	work.Timeline[0].From, work.Timeline[0].By = casefile.New, "desk"
	for i := range work.Collected {
		work.Collected[i].Recording = "" // a segment is seen with its recording
	}
	seen := workflow.OverseenTask{Task: work, Doubts: map[string][]casefile.Doubt{
		work.Collected[0].ID: {{Rule: casefile.DoubtMock, Verdict: casefile.InDoubt, Inputs: map[string]any{"mock": true}}},
	}}
	money := filled[workflow.CalculatedAward](t)
	money.Tenant, money.Area = "Head.Tenant", "Area"
	tests := map[string]struct {
		view   any
		hidden []string // which must not appear
	}{
		"queued":        {newQueued(report), []string{"Sealed", "Envelope", "Receipt", "Binding", "Commitment", "Key", "Tag"}},
		"report-desk":   {newDeskReport(nil, *desk), []string{"Sealed", "Report.Envelope", "Receipt", "Binding", "InnerHash", "Commitment", "Salt", "Key", "Tag"}},
		"report-brief":  {newBrief(nil, report), []string{"2026", "Sealed", "Evidence.ID", "Evidence.Key", "Object", "Digest", "Copies", "Channel", "Refusal", "Tasks", "Timeline", "Conclusion", "Reply", "1.5"}},
		"recheck":       {newRecheck(nil, report), []string{"Sealed", "Evidence.ID", "Evidence.Key", "Digest", "Copies", "Channel", "Refusal", "Tasks", "Timeline", "Dialogue", "Withdrawal", "1.5"}},
		"task-desk":     {newTask(actor(casefile.DeskOfficer), seen), []string{"Key", "Tag", "Sealed", "Digest", "Object", "Shown"}},
		"task-township": {newTask(actor(casefile.TownshipOfficer), seen), []string{"Cause", "desk", "Key", "Tag", `"Evidence`}},
		"inspection":    {newInspection(nil, filled[casefile.Visit](t)), []string{"Cause", "Key", "Tag"}},
		"hazard":        {newHazard(nil, filled[casefile.Hazard](t)), []string{"Cause", "Key", "Tag"}},
		"penalty":       {newPenalty(nil, filled[casefile.Penalty](t)), []string{"Cause", "Key", "Tag"}},
		"award-officer": {newAward(actor(casefile.RewardOfficer), *money), []string{"Calculation", "Opening", "Key", "Tag"}},
		"award-payer":   {newAward(actor(casefile.Payer), *money), []string{"Report", "Facts", "IdentityMode", "Trace", "Drafted", "Opening", "2026"}},
		"payout":        {newPayout(nil, filled[casefile.Payout](t)), []string{"Tenant", "Area", "Key", "Tag"}},
		"opening":       {newOpening(filled[casefile.Opening](t)), []string{"Report", "Wrapped", "Recipient", "Digest", "Signature"}},
		"opening-turn":  {newOpeningTurn(nil, *filled[workflow.OpeningView](t)), []string{"Opening.Wrapped", "Opening.Signature", "Key", "Tag"}},
		"ring":          {newRing(filled[casefile.Ring](t)), []string{"Nonce", "Proof", "Admission", "Tag"}},
		"assignee":      {newAssignee(*filled[workflow.Assignee](t)), []string{"Login", "Certificates", "Posts"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := json.MarshalIndent(tt.view, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(golden, append(got, '\n'), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimSpace(string(want)), string(got)); diff != "" {
				t.Error(diff)
			}
			for _, h := range tt.hidden {
				if strings.Contains(string(got), h) {
					t.Errorf("got %q in %s", h, got)
				}
			}
			if strings.Contains(string(got), "null") {
				t.Errorf("got a null in %s", got)
			}
		})
	}
}

// A record that has gone through nothing shows empty lists and leaves out what
// there is not yet.
func TestEmptyViews(t *testing.T) {
	t.Parallel()
	for _, v := range []any{
		newDeskReport(nil, workflow.DeskReport{}), newBrief(nil, &casefile.Report{}), newTask(actor(casefile.DeskOfficer), workflow.OverseenTask{Task: &casefile.Task{}}),
		newInspection(nil, &casefile.Visit{}), newHazard(nil, &casefile.Hazard{}), newPenalty(nil, &casefile.Penalty{}),
		newAward(actor(casefile.Payer), workflow.CalculatedAward{}), newOpening(&casefile.Opening{}), newRing(&casefile.Ring{}),
	} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		for _, not := range []string{"[null", `"deadline"`, `"signedAt"`, `"decideBy"`, `"conclusion"`, `"reply"`, `"result"`, `"catalogue"`} {
			if strings.Contains(string(text), not) {
				t.Errorf("got %s in %s", not, text)
			}
		}
	}
}
