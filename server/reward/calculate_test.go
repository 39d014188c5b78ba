package reward_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"gridwatch/schemas/catalog/schemes"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/reward"
)

func national(t *testing.T) reward.Scheme {
	t.Helper()
	all, err := reward.Load(schemes.Files)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(s reward.Scheme) bool { return s.ID == "national-2018" })
	if i < 0 {
		t.Fatal("national-2018 is not there")
	}
	return all[i]
}

// TestVectors runs the vectors of the rule book, by name.
func TestVectors(t *testing.T) {
	t.Parallel()
	type outcome struct {
		Eligible  bool          `json:"eligible"`
		Reason    reward.Reason `json:"reason"`
		BaseFen   reward.Fen    `json:"baseFen"`
		AmountFen reward.Fen    `json:"amountFen"`
	}
	var vectors []struct {
		Name     string          `json:"name"`
		Note     string          `json:"note"`
		ZeroBase reward.ZeroBase `json:"zeroBase"` // replaces the scheme's value
		Facts    reward.Facts    `json:"facts"`
		Want     outcome         `json:"want"`
	}
	raw, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&vectors); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, v := range vectors {
		seen[v.Name] = true
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			s := national(t)
			if v.ZeroBase != "" {
				for i := range s.Rules {
					if s.Rules[i].Method == reward.Percent {
						s.Rules[i].ZeroBase = v.ZeroBase
					}
				}
			}
			r := calculate(t, s, v.Facts)
			got := outcome{r.Eligible, r.Reason, r.BaseFen, r.AmountFen}
			if diff := cmp.Diff(v.Want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s%s", v.Note, diff, strings.Join(r.Text("en"), "\n"))
			}
		})
	}
	for _, name := range strings.Fields("T1 T2 T3 T4 T5 T6 T8 T9 T10 T11 T27 T29 T30") {
		if !seen[name] {
			t.Errorf("vector %s is missing", name)
		}
	}
}

// calculate fails the test unless the facts can be, and checks what must hold
// of every result: its lines add up, and it can be repeated from storage.
func calculate(t rapid.TB, s reward.Scheme, f reward.Facts) reward.Result {
	t.Helper()
	if err := s.Validate(); err != nil {
		t.Fatalf("scheme: %v", err)
	}
	r, err := reward.Calculate(s, f)
	if err != nil {
		t.Fatalf("Calculate: %v", err)
	}
	var sum reward.Fen
	for _, l := range r.Lines {
		sum += l.AmountFen
	}
	if sum != r.AmountFen {
		t.Fatalf("lines add up to %s, want the amount %s", sum, r.AmountFen)
	}
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var stored reward.Result
	if err := json.Unmarshal(raw, &stored); err != nil {
		t.Fatal(err)
	}
	again, err := reward.Calculate(s, stored.Facts)
	if diff := cmp.Diff([]reward.Result{r, stored}, []reward.Result{again, again}, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Fatalf("the frozen facts come to something else, %v (-want +got):\n%s", err, diff)
	}
	return r
}

func line(id string, amount reward.Fen, allegations ...string) reward.PenaltyLine {
	return reward.PenaltyLine{Decision: "d1", Line: id, Party: casefile.Unit, Part: reward.Fine, Fen: amount, Allegations: allegations}
}

// reported is a substantiated real-name report of an illegal act, a1.
func reported(lines ...reward.PenaltyLine) reward.Facts {
	return reward.Facts{
		Matter: casefile.IllegalAct, IdentityMode: casefile.RealName, ClearTarget: true, Verified: true,
		Reported: []string{"a1"}, Substantiated: []string{"a1"}, Penalty: reward.PenaltyDecided, Lines: lines,
	}
}

func concealed(grade reward.Grade, deaths, hidden int) reward.Facts {
	f := reported()
	f.Matter, f.Penalty = casefile.ConcealedAccident, reward.PenaltyPending
	f.Accident = &reward.Accident{Grade: grade, Deaths: deaths, ConcealedDeaths: hidden}
	return f
}

func with(f reward.Facts, change func(*reward.Facts)) reward.Facts {
	change(&f)
	return f
}

func TestCalculateBounds(t *testing.T) {
	t.Parallel()
	const floor, limit = 300_000, 30_000_000
	confiscated, personal := line("2", 9_000_000, "a1"), line("3", 10_000_000, "a1")
	confiscated.Part, personal.Party = reward.Confiscation, casefile.Individual
	for name, tc := range map[string]struct {
		facts  reward.Facts
		amount reward.Fen
		reason reward.Reason
	}{
		"decided, no line":            {reported(), floor, ""},
		"fine 0":                      {reported(line("1", 0, "a1")), floor, ""},
		"fine 1 fen":                  {reported(line("1", 1, "a1")), floor, ""},
		"a fen below the floor":       {reported(line("1", 1_999_990, "a1")), floor, ""},
		"half a fen goes up":          {reported(line("1", 2_000_010, "a1")), floor + 2, ""},
		"below half a fen goes down":  {reported(line("1", 2_000_009, "a1")), floor + 1, ""},
		"above half a fen goes up":    {reported(line("1", 2_000_011, "a1")), floor + 2, ""},
		"a fen below the cap":         {reported(line("1", 199_999_994, "a1")), limit - 1, ""},
		"half a fen below the cap":    {reported(line("1", 199_999_997, "a1")), limit, ""},
		"huge":                        {reported(line("1", 1_000_000_000_000_000, "a1")), limit, ""},
		"only another's line":         {reported(line("1", 10_000_000, "a2")), floor, ""},
		"line of two allegations":     {reported(line("1", 10_000_000, "a1", "a2")), 1_500_000, ""},
		"confiscation does not count": {reported(line("1", 10_000_000, "a1"), confiscated), 1_500_000, ""},
		"person counts":               {reported(personal), 1_500_000, ""},
		"reported, not substantiated": {with(reported(line("1", 1, "a2")), func(f *reward.Facts) { f.Substantiated = []string{"a2"} }), 0, reward.ReasonUnverified},
		"not verified":                {with(reported(), func(f *reward.Facts) { f.Verified = false }), 0, reward.ReasonUnverified},
		"no clear target":             {with(reported(), func(f *reward.Facts) { f.ClearTarget = false }), 0, reward.ReasonTarget},
		"anonymous":                   {with(reported(), func(f *reward.Facts) { f.IdentityMode = casefile.Anonymous }), 0, reward.ReasonIdentity},
		"two bars, the first is it":   {with(reported(), func(f *reward.Facts) { f.IdentityMode, f.ClearTarget = casefile.Anonymous, false }), 0, reward.ReasonIdentity},
		"near relative":               {with(reported(), func(f *reward.Facts) { f.Exclusions = []reward.Exclusion{reward.NearRelative} }), 0, reward.ReasonExcluded},
		"decision awaited":            {with(reported(), func(f *reward.Facts) { f.Penalty = reward.PenaltyPending }), 0, reward.ReasonNotComputable},
		"grade awaited":               {concealed("", 3, 3), 0, reward.ReasonNotComputable},
		"nobody died":                 {concealed(reward.Larger, 0, 0), 0, reward.ReasonNotComputable},
		"only injuries concealed":     {concealed(reward.Larger, 3, 0), 0, reward.ReasonNotComputable},
		"extraordinary":               {concealed(reward.Extraordinary, 40, 5), limit, ""},
		"all concealed, most":         {concealed(reward.Extraordinary, 1_000_000, 1_000_000), limit, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := calculate(t, national(t), tc.facts)
			if r.AmountFen != tc.amount || r.Reason != tc.reason || r.Eligible != (tc.reason == "") {
				t.Errorf("got %v %s %q, want %s %q\n%s", r.Eligible, r.AmountFen, r.Reason, tc.amount, tc.reason, strings.Join(r.Text("en"), "\n"))
			}
		})
	}
}

func TestCalculateRefuses(t *testing.T) {
	t.Parallel()
	ok := func() reward.Facts { return reported(line("1", 100, "a1")) }
	for name, tc := range map[string]struct {
		facts reward.Facts
		code  string
		field string
	}{
		"matter":          {with(ok(), func(f *reward.Facts) { f.Matter = "noise" }), "facts.unknown_value", "/matter"},
		"identity mode":   {with(ok(), func(f *reward.Facts) { f.IdentityMode = "" }), "facts.unknown_value", "/identityMode"},
		"penalty state":   {with(ok(), func(f *reward.Facts) { f.Penalty = "" }), "facts.unknown_value", "/penalty"},
		"exclusion":       {with(ok(), func(f *reward.Facts) { f.Exclusions = []reward.Exclusion{"x"} }), "facts.unknown_value", "/exclusions/0"},
		"party":           {with(ok(), func(f *reward.Facts) { f.Lines[0].Party = "x" }), "facts.unknown_value", "/lines/0/party"},
		"part":            {with(ok(), func(f *reward.Facts) { f.Lines[0].Part = "x" }), "facts.unknown_value", "/lines/0/part"},
		"unnamed line":    {with(ok(), func(f *reward.Facts) { f.Lines[0].Decision = "" }), "facts.line_unnamed", "/lines/0"},
		"unnamed in it":   {with(ok(), func(f *reward.Facts) { f.Lines[0].Line = "" }), "facts.line_unnamed", "/lines/0"},
		"fewer than none": {concealed(reward.General, -1, 0), "facts.negative", "/accident/deaths"},
		"concealed < 0":   {concealed(reward.General, 1, -1), "facts.negative", "/accident/deaths"},
		"line twice":      {reported(line("1", 1, "a1"), line("1", 2, "a1")), "facts.line_twice", "/lines/1"},
		"negative fine":   {reported(line("1", -1, "a1")), "facts.negative", "/lines/0/fen"},
		"sum too large":   {reported(line("1", 1_000_000_000_000_000), line("2", 1)), "facts.too_large", "/lines/1/fen"},
		"lines, none due": {with(ok(), func(f *reward.Facts) { f.Penalty = reward.PenaltyNone }), "facts.lines_without_penalty", "/lines"},
		"no accident":     {with(ok(), func(f *reward.Facts) { f.Matter = casefile.ConcealedAccident }), "facts.accident", "/accident"},
		"stray accident":  {with(ok(), func(f *reward.Facts) { f.Accident = &reward.Accident{} }), "facts.accident", "/accident"},
		"grade":           {concealed("huge", 1, 1), "facts.unknown_value", "/accident/grade"},
		"negative deaths": {concealed(reward.General, -1, -1), "facts.negative", "/accident/deaths"},
		"too many deaths": {concealed(reward.General, 1_000_001, 1), "facts.too_large", "/accident/deaths"},
		"concealed > all": {concealed(reward.General, 1, 2), "facts.concealed_exceeds_deaths", "/accident/concealedDeaths"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := reward.Calculate(national(t), tc.facts)
			var f *fault.Fault
			if !errors.As(err, &f) || f.Kind != fault.Invalid || f.Code != tc.code || f.Field != tc.field {
				t.Errorf("got %+v, want invalid %s at %s", f, tc.code, tc.field)
			}
		})
	}
}

func TestCalculateWithoutRule(t *testing.T) {
	t.Parallel()
	s := national(t)
	s.Rules = s.Rules[2:]
	if r := calculate(t, s, reported(line("1", 5_000_000, "a1"))); r.Reason != reward.ReasonMatter || r.Eligible {
		t.Errorf("got %v %q, want %q", r.Eligible, r.Reason, reward.ReasonMatter)
	}
}

// TestLinesLeftOutSayWhy: each line of a penalty is counted or says by which
// rule it is not, and only what is counted has passed.
func TestLinesLeftOutSayWhy(t *testing.T) {
	t.Parallel()
	s := national(t)
	for i := range s.Rules {
		if s.Rules[i].Method == reward.Percent {
			s.Rules[i].Parties = []casefile.PartyKind{casefile.Unit}
		}
	}
	confiscated, personal := line("3", 400, "a1"), line("4", 5_000, "a1")
	confiscated.Part, personal.Party = reward.Confiscation, casefile.Individual
	r := calculate(t, s, reported(line("1", 5_000_000, "a1"), line("2", 30, "a2"), confiscated, personal))
	var got []reward.Step
	for _, step := range r.Trace {
		if strings.HasPrefix(step.Ref, "d1/") {
			got = append(got, step)
		}
	}
	source := s.Rules[0].Source
	want := []reward.Step{
		{Code: reward.StepLine, Ref: "d1/1", InFen: 5_000_000, OutFen: 5_000_000, Passed: true, Source: source},
		{Code: reward.StepOtherAllegation, Ref: "d1/2", InFen: 30, Source: source},
		{Code: reward.StepOtherPart, Ref: "d1/3", InFen: 400, Source: s.Notes["baseParts"].Source},
		{Code: reward.StepOtherParty, Ref: "d1/4", InFen: 5_000, Source: s.Notes["parties"].Source},
	}
	if diff := cmp.Diff(want, got); diff != "" || r.BaseFen != 5_000_000 {
		t.Errorf("base %s, lines (-want +got):\n%s", r.BaseFen, diff)
	}
	var passed []reward.StepCode
	for _, step := range r.Trace {
		if step.Passed {
			passed = append(passed, step.Code)
		}
	}
	if diff := cmp.Diff([]reward.StepCode{
		reward.StepScheme, reward.StepMatter, reward.StepIdentity, reward.StepCondition, reward.StepCondition, reward.StepCondition,
		reward.StepLine, reward.StepBase, reward.StepPercent, reward.StepFloor, reward.StepCap, reward.StepAmount,
	}, passed); diff != "" {
		t.Errorf("steps that passed (-want +got):\n%s", diff)
	}
	// A floor and a cap that change nothing are no lines.
	if want := []reward.Line{{Code: reward.StepPercent, AmountFen: 750_000}}; !slices.Equal(r.Lines, want) {
		t.Errorf("got the lines %v, want %v", r.Lines, want)
	}
}

// The stored facts are frozen: what the caller does afterwards is not seen.
func TestFactsAreFrozen(t *testing.T) {
	t.Parallel()
	fined := func() reward.Facts {
		return with(reported(line("1", 5_000_000, "a1")), func(f *reward.Facts) { f.Exclusions = []reward.Exclusion{reward.NearRelative} })
	}
	f := fined()
	r := calculate(t, national(t), f)
	f.Lines[0].Fen, f.Lines[0].Allegations[0], f.Reported[0], f.Substantiated[0], f.Exclusions[0] = 1, "x", "x", "x", "x"
	if diff := cmp.Diff(fined(), r.Facts); diff != "" {
		t.Errorf("penalty (-want +got):\n%s", diff)
	}
	f = concealed(reward.Larger, 3, 3)
	r = calculate(t, national(t), f)
	f.Accident.Deaths = 4
	if diff := cmp.Diff(concealed(reward.Larger, 3, 3), r.Facts, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("accident (-want +got):\n%s", diff)
	}
}

func TestCalculateProperties(t *testing.T) {
	t.Parallel()
	s := national(t)
	amount := rapid.OneOf(rapid.Int64Range(0, 10), rapid.Int64Range(1_999_900, 2_000_100),
		rapid.Int64Range(199_999_900, 200_000_100), rapid.Int64Range(0, 300_000_000_000_000))
	rapid.Check(t, func(t *rapid.T) {
		base, more := reward.Fen(amount.Draw(t, "base")), reward.Fen(amount.Draw(t, "more"))
		noise := reward.Fen(amount.Draw(t, "noise"))
		one := calculate(t, s, reported(line("1", base, "a1"), line("2", noise, "a2")))
		two := calculate(t, s, reported(line("1", base, "a1"), line("2", more, "a1")))
		if one.BaseFen != base || two.BaseFen != base+more {
			t.Fatalf("got bases %s, %s, want %s, %s", one.BaseFen, two.BaseFen, base, base+more)
		}
		if one.AmountFen > two.AmountFen {
			t.Fatalf("%s for %s, and less, %s, for %s", one.AmountFen, base, two.AmountFen, base+more)
		}
		for _, r := range []reward.Result{one, two} {
			if !r.Eligible || r.AmountFen < 300_000 || r.AmountFen > 30_000_000 {
				t.Fatalf("got %s, want it from floor to cap", r.AmountFen)
			}
		}
		if exact := 15 * base; one.AmountFen > 300_000 && one.AmountFen < 30_000_000 && (one.AmountFen*100-exact > 50 || exact-one.AmountFen*100 >= 50) {
			t.Fatalf("got %d fen for a fine of %d, not the nearest", one.AmountFen, base)
		}
	})
}
