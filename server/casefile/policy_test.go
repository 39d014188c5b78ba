package casefile_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

func post(role casefile.Role, area string) casefile.Actor {
	return casefile.Actor{Tenant: "a", Person: "p1", Posts: []casefile.Post{{Role: role, Area: area}}}
}

func TestMay(t *testing.T) {
	t.Parallel()
	const county, town, grid, other = "220182000000", "220182100000", "220182100201001", "220182101000"
	in := casefile.Subject{Tenant: "a", Area: grid, Assigned: []string{"p1"}, Report: "r1"}
	cases := map[string]struct {
		actor   casefile.Actor
		action  casefile.Action
		subject casefile.Subject
		want    bool
	}{
		"anyone submits":                        {casefile.Actor{}, casefile.ReportSubmit, casefile.Subject{}, true},
		"anyone reads no report":                {casefile.Actor{}, casefile.ReportRead, in, false},
		"county desk reads":                     {post(casefile.DeskOfficer, county), casefile.ReportRead, in, true},
		"desk of the town reads":                {post(casefile.DeskOfficer, town), casefile.ReportRead, in, true},
		"desk of another town":                  {post(casefile.DeskOfficer, other), casefile.ReportRead, in, false},
		"desk without an area":                  {post(casefile.DeskOfficer, ""), casefile.ReportRead, in, false},
		"desk of another tenant":                {casefile.Actor{Tenant: "b", Person: "p1", Posts: post(casefile.DeskOfficer, county).Posts}, casefile.ReportRead, in, false},
		"inspector reads no report":             {post(casefile.Inspector, grid), casefile.ReportRead, in, false},
		"inspector works on own task":           {post(casefile.Inspector, grid), casefile.TaskWork, in, true},
		"inspector, task of another":            {post(casefile.Inspector, grid), casefile.TaskWork, casefile.Subject{Tenant: "a", Area: grid, Assigned: []string{"p2"}}, false},
		"inspector files no inspection":         {post(casefile.Inspector, grid), casefile.VisitFile, in, false},
		"inspector decides no penalty":          {post(casefile.Inspector, grid), casefile.PenaltySign, in, false},
		"enforcer files inspection":             {post(casefile.Enforcer, county), casefile.VisitFile, in, true},
		"administrator sees no case":            {post(casefile.Administrator, county), casefile.ReportRead, in, false},
		"auditor sees no case":                  {post(casefile.Auditor, county), casefile.AwardRead, in, false},
		"receipt opens its own report":          {casefile.Actor{Tenant: "a", Report: "r1"}, casefile.ReceiptRead, in, true},
		"receipt of another report":             {casefile.Actor{Tenant: "a", Report: "r2"}, casefile.ReceiptRead, in, false},
		"receipt of another tenant":             {casefile.Actor{Tenant: "b", Report: "r1"}, casefile.ReceiptRead, in, false},
		"no receipt, no record":                 {casefile.Actor{Tenant: "a"}, casefile.ReceiptRead, casefile.Subject{}, false},
		"no receipt, a record without an id":    {casefile.Actor{Tenant: "a"}, casefile.ReceiptRead, casefile.Subject{Tenant: "a"}, false},
		"receipt before its report is known":    {casefile.Actor{Tenant: "a", Report: "r1"}, casefile.ReceiptRead, casefile.Subject{}, true},
		"receipt whose code is in force":        {casefile.Actor{Tenant: "a", Report: "r1", Receipt: "new"}, casefile.ReceiptRead, casefile.Subject{Tenant: "a", Report: "r1", Receipt: "new"}, true},
		"receipt whose code was exchanged":      {casefile.Actor{Tenant: "a", Report: "r1", Receipt: "old"}, casefile.ReceiptRead, casefile.Subject{Tenant: "a", Report: "r1", Receipt: "new"}, false},
		"receipt where the code is not asked":   {casefile.Actor{Tenant: "a", Report: "r1", Receipt: "old"}, casefile.ReceiptRead, in, true},
		"posts of nobody":                       {casefile.Actor{Tenant: "a", Posts: post(casefile.DeskOfficer, county).Posts}, casefile.ReportRead, in, false},
		"the role is enough for any record":     {post(casefile.HotlineOperator, town), casefile.CallTake, casefile.Subject{Tenant: "b"}, true},
		"receipt is no staff":                   {casefile.Actor{Tenant: "a", Report: "r1"}, casefile.ReportRead, in, false},
		"identity officer does not peel":        {post(casefile.IdentityOfficer, county), casefile.OpeningPeel, in, false},
		"seal leader does not open":             {post(casefile.SealLeader, county), casefile.OpeningFinish, in, false},
		"role alone, without a record":          {post(casefile.Leader, county), casefile.ReportSign, casefile.Subject{}, true},
		"wrong role alone":                      {post(casefile.Payer, county), casefile.ReportSign, casefile.Subject{}, false},
		"an action that does not exist":         {post(casefile.Leader, county), "report.delete", in, false},
		"a person without posts":                {casefile.Actor{Tenant: "a", Person: "p1"}, casefile.SessionUse, casefile.Subject{}, false},
		"two areas, the second holds the place": {casefile.Actor{Tenant: "a", Person: "p1", Posts: []casefile.Post{{Role: casefile.DeskOfficer, Area: other}, {Role: casefile.DeskOfficer, Area: town}}}, casefile.ReportRead, in, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.actor.May(c.action, c.subject); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// TestReach: lists are asked for the areas of the posts that give the right,
// each once, and for no others.
func TestReach(t *testing.T) {
	t.Parallel()
	const village, town, other = "220182100201", "220182100000", "220182101000"
	a := casefile.Actor{Tenant: "a", Person: "p1", Posts: []casefile.Post{
		{Role: casefile.DeskOfficer, Area: other},
		{Role: casefile.DeskOfficer, Area: town},
		{Role: casefile.DeskOfficer, Area: other},
		{Role: casefile.Payer, Area: village},
		{Role: casefile.HotlineOperator, Area: village},
	}}
	for action, want := range map[casefile.Action][]string{
		casefile.ReportList:  {town, other}, // in order
		casefile.PayoutRead:  {village},
		casefile.FiguresRead: nil, // the tenant's
		casefile.CallTake:    nil, // of no record
	} {
		if diff := cmp.Diff(want, a.Reach(action), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", action, diff)
		}
	}
	if got := a.Areas(casefile.DeskOfficer, casefile.Inspector); !slices.Equal(got, []string{other, town}) {
		t.Errorf("desk officer in %v", got)
	}
	if got := a.Roles(); !slices.Equal(got, []casefile.Role{casefile.DeskOfficer, casefile.Payer, casefile.HotlineOperator}) {
		t.Errorf("roles: %v", got)
	}
}

// TestNames: a timeline has no name for a reporter.
func TestNames(t *testing.T) {
	t.Parallel()
	for want, a := range map[string]casefile.Actor{
		"p1": {Person: "p1"}, string(casefile.ReceiptHolder): {Report: "r1", Receipt: "hash"}, string(casefile.Anyone): {Tenant: "a"},
	} {
		if got := a.Name(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if roles := a.Roles(); a.Person == "" && !slices.Equal(roles, []casefile.Role{casefile.Role(want)}) {
			t.Errorf("%s: roles %v", want, roles)
		}
	}
}

func TestEveryActionNamesKnownRoles(t *testing.T) {
	t.Parallel()
	known := map[casefile.Role]bool{casefile.Anyone: true, casefile.ReceiptHolder: true}
	for _, r := range casefile.StaffRoles() {
		known[r] = true
	}
	for _, a := range casefile.Actions() {
		roles := casefile.RolesFor(a)
		if len(roles) == 0 {
			t.Errorf("%s: nobody may do it", a)
		}
		for _, r := range roles {
			if !known[r] {
				t.Errorf("%s: unknown role %q", a, r)
			}
		}
	}
}

func TestUnder(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		code, area string
		want       bool
	}{
		"grid under its village":       {"220182100201001", "220182100201", true},
		"grid under its town":          {"220182100201001", "220182100000", true},
		"grid under its county":        {"220182100201001", "220182000000", true},
		"itself":                       {"220182100201001", "220182100201001", true},
		"county not under its town":    {"220182000000", "220182100000", false},
		"another county":               {"220183100201001", "220182000000", false},
		"nothing under an empty code":  {"220182100201001", "", false},
		"village whose code ends in 0": {"220182100210", "220182100210", true},
		"grid under its city":          {"220182100201001", "220100000000", true},
		"grid of another city":         {"220182100201001", "220200000000", false},
		"grid under its province":      {"220182100201001", "220000000000", true},
		"grid of another province":     {"220182100201001", "230000000000", false},
		"only a full code is filled":   {"220182100201001", "220180", false},
		"nor is a grid's code filled":  {"220182100200001", "220182100200000", false},
		"not its lookalike":            {"220182100219", "220182100210", false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := casefile.Under(c.code, c.area); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestPostsAndCertificatesHoldForATime(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	to := from.AddDate(1, 0, 0)
	p := casefile.Person{
		Tenant: "a", ID: "p1",
		Posts:        []casefile.Post{{Role: casefile.Enforcer, Area: "220182000000", From: from, To: &to}},
		Certificates: []casefile.Certificate{{Number: "demo-1", From: from, To: to}},
	}
	for name, c := range map[string]struct {
		at   time.Time
		want bool
	}{
		"before": {from.Add(-time.Millisecond), false},
		"first":  {from, true},
		"last":   {to.Add(-time.Millisecond), true},
		"over":   {to, false},
	} {
		open := casefile.Person{Posts: []casefile.Post{{Role: casefile.Enforcer, From: from}}}
		if got := len(open.PostsAt(c.at)) == 1; got != (name != "before") {
			t.Errorf("%s: a post without an end: got %v", name, got)
		}
		if (casefile.Certificate{From: from, To: to}).Valid(c.at) {
			t.Errorf("%s: a certificate without a number is valid", name)
		}
		if got := p.Holds(casefile.Enforcer, "220182100000", c.at); got != c.want {
			t.Errorf("%s: post: got %v, want %v", name, got, c.want)
		}
		if _, got := p.Certificate(c.at); got != c.want {
			t.Errorf("%s: certificate: got %v, want %v", name, got, c.want)
		}
	}
}

// TestCheckOfficers: an inspection needs two different officers, each with a
// certificate valid on the day (R13).
func TestCheckOfficers(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	with := func(id string, to time.Time) casefile.Person {
		return casefile.Person{ID: id, Certificates: []casefile.Certificate{{Number: "demo-" + id, From: at.AddDate(-1, 0, 0), To: to}}}
	}
	good, other, old := with("1", at.AddDate(1, 0, 0)), with("2", at.AddDate(1, 0, 0)), with("3", at)
	for name, c := range map[string]struct {
		officers []casefile.Person
		want     string
	}{
		"two":              {[]casefile.Person{good, other}, ""},
		"one":              {[]casefile.Person{good}, "officer.too_few"},
		"none":             {nil, "officer.too_few"},
		"one person twice": {[]casefile.Person{good, good}, "officer.too_few"},
		"one expired":      {[]casefile.Person{good, old}, "officer.no_certificate"},
		"one without":      {[]casefile.Person{good, {ID: "4"}}, "officer.no_certificate"},
	} {
		err := casefile.CheckOfficers(c.officers, at)
		if got := codeOf(err); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func codeOf(err error) string {
	if err == nil {
		return ""
	}
	return fault.CodeOf(err)
}

// Openings are asked for, by purpose, by who needs one, and seen in the area of
// the post; the officers of the rings see the tenant's.
func TestOpeningsByPurposeAndArea(t *testing.T) {
	t.Parallel()
	const county, town, other = "220182000000", "220182100000", "220182101000"
	in := casefile.Subject{Tenant: "a", Area: town}
	askers := map[casefile.Purpose]casefile.Role{
		casefile.RewardPayment: casefile.RewardOfficer, casefile.CallBack: casefile.DeskOfficer, casefile.TransferToJustice: casefile.Leader,
	}
	for _, role := range casefile.StaffRoles() {
		ring := role == casefile.IdentityOfficer || role == casefile.SealLeader
		asks := false
		for purpose, asker := range askers {
			if got := post(role, county).May(purpose.Ask(), in); got != (role == asker) {
				t.Errorf("%s asks for %s: got %t", role, purpose, got)
			}
			asks = asks || role == asker
		}
		if got := post(role, town).May(casefile.OpeningRead, in); got != (asks || ring) {
			t.Errorf("%s of the town reads: got %t", role, got)
		}
		if got := post(role, other).May(casefile.OpeningRead, in); got != ring {
			t.Errorf("%s of another town reads: got %t", role, got)
		}
		if reach := post(role, other).Reach(casefile.OpeningRead); (asks || ring) && (len(reach) == 0) != ring {
			t.Errorf("%s of another town lists %v", role, reach)
		}
	}
	if casefile.Purpose("curiosity").Ask() != "" || post(casefile.Leader, county).May("", in) {
		t.Error("an unknown purpose may be asked for")
	}
}
