package casefile_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gridwatch/server/casefile"
)

// fill sets every field below v, one element in each list.
func fill(v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 6, 1, 13, 14, 15, 0, time.UTC)))
		return
	case []casefile.Effect: // what the relay has still to do is not the report's
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.String:
		v.SetString("canary")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8:
		v.SetUint(7)
	case reflect.Float64:
		v.SetFloat(7)
	default:
	}
}

// left lists the fields below v that are set.
func left(v reflect.Value, at string) []string {
	if t, ok := v.Interface().(time.Time); ok {
		switch {
		case t.IsZero():
			return nil
		case !t.Equal(t.Truncate(24 * time.Hour)):
			at += " with its time of day"
		}
		return []string{at}
	}
	var all []string
	switch {
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			all = append(all, left(v.Field(i), at+"."+v.Type().Field(i).Name)...)
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		for i := range v.Len() {
			all = append(all, left(v.Index(i), at)...)
		}
	case !v.IsZero():
		all = append(all, at)
	}
	return all
}

// TestEraseLeavesWhatIsListed: a new field of a report is erased, or somebody
// says here that it stays.
func TestEraseLeavesWhatIsListed(t *testing.T) {
	t.Parallel()
	var r casefile.Report
	fill(reflect.ValueOf(&r).Elem())
	if r.Evidence[0].Copies[0].SHA256 == "" || r.Behind.Sent[0].ID == "" || r.Archive.Keys == nil {
		t.Fatal("a part of the report is not filled")
	}
	r.State = casefile.ReportClosed
	r.Erase(func(at time.Time) time.Time { return at.Truncate(24 * time.Hour) })
	want := []string{
		".Head.ID", ".Head.Tenant", ".Head.State", ".Head.Version", ".Head.Seq", ".Head.At", ".Head.Changed with its time of day",
		".Head.Timeline.Seq", ".Head.Timeline.At", ".Head.Timeline.Command", ".Head.Timeline.From", ".Head.Timeline.To", ".Head.Timeline.By",
		".Head.Timeline.Version", ".Head.Timeline.Key", ".Head.Timeline.Tag", ".Head.Timeline.Ref", ".Head.Timeline.Code", ".Head.Relayed",
		".Number", ".Channel", ".Area", ".Receipt", ".ReceiptKey", ".SignedWith", ".Commitment", ".StatedDay", ".SealFault",
		".Allegations.ID", ".Allegations.Matter", ".Allegations.Finding", ".Refusal.Reason",
		".Conclusion.SignedBy", ".Conclusion.SignedAt with its time of day",
		".Holds.ID", ".Holds.SetBy", ".Holds.SetOn", ".Holds.LiftedBy", ".Holds.LiftedOn", ".EndedAs",
	}
	if diff := cmp.Diff(want, left(reflect.ValueOf(r), "")); diff != "" {
		t.Errorf("what an erased report keeps (-want +got):\n%s", diff)
	}
}

// TestErasedKeepsHowItEnded: erasing is repeated, as a restored copy's is, and
// does not take "about to be erased" for how the report ended.
func TestErasedKeepsHowItEnded(t *testing.T) {
	t.Parallel()
	same := func(at time.Time) time.Time { return at }
	for state, want := range map[casefile.State]casefile.State{
		casefile.ReportClosed: casefile.ReportClosed, casefile.ReportRejected: casefile.ReportRejected,
		casefile.ReportErasing: casefile.ReportWithdrawn, casefile.ReportErased: casefile.ReportWithdrawn,
	} {
		r := casefile.Report{Head: casefile.Head{State: state}, EndedAs: casefile.ReportWithdrawn}
		if r.Erase(same); r.EndedAs != want {
			t.Errorf("%s: it ended as %s, want %s", state, r.EndedAs, want)
		}
	}
}

func TestClass(t *testing.T) {
	t.Parallel()
	found := func(all ...casefile.Finding) []casefile.Allegation {
		var out []casefile.Allegation
		for _, f := range all {
			out = append(out, casefile.Allegation{Finding: f})
		}
		return out
	}
	for name, c := range map[string]struct {
		state    casefile.State
		findings []casefile.Allegation
		rewarded bool
		want     casefile.Class
	}{
		"not taken up":             {casefile.ReportRejected, nil, false, casefile.ClassRejected},
		"withdrawn, something was": {casefile.ReportWithdrawn, found(casefile.Substantiated), false, casefile.ClassWithdrawn},
		"rewarded":                 {casefile.ReportClosed, found(casefile.Substantiated), true, casefile.ClassRewarded},
		"found":                    {casefile.ReportClosed, found(casefile.Unable, casefile.Substantiated), false, casefile.ClassSubstantiated},
		"found in part":            {casefile.ReportClosed, found(casefile.Partial), false, casefile.ClassSubstantiated},
		"nothing was found":        {casefile.ReportClosed, found(casefile.Unsubstantiated, casefile.Unable), false, casefile.ClassUnsubstantiated},
		"nothing is known":         {casefile.ReportClosed, nil, false, casefile.ClassUnsubstantiated},
	} {
		r := casefile.Report{Head: casefile.Head{State: c.state}, Allegations: c.findings}
		if got := r.Class(c.rewarded); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestHeld(t *testing.T) {
	t.Parallel()
	lifted, set := casefile.Hold{LiftedOn: "2026-06-02"}, casefile.Hold{SetOn: "2026-06-01"}
	for name, c := range map[string]struct {
		report casefile.Report
		want   bool
	}{
		"nothing":             {casefile.Report{Evidence: []casefile.Evidence{{}}}, false},
		"a hold that was":     {casefile.Report{Holds: []casefile.Hold{lifted}}, false},
		"one of two is on":    {casefile.Report{Holds: []casefile.Hold{lifted, set}}, true},
		"an item, not all of": {casefile.Report{Holds: []casefile.Hold{lifted}, Evidence: []casefile.Evidence{{}, {Held: true}}}, true},
	} {
		if got := c.report.Held(); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}
