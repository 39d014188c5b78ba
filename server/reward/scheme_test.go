package reward_test

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"gridwatch/schemas/catalog/schemes"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/reward"
)

func TestValidateFindsEveryMistake(t *testing.T) {
	t.Parallel()
	if err := national(t).Validate(); err != nil {
		t.Fatalf("national-2018: %v", err)
	}
	for name, tc := range map[string]struct {
		change func(*reward.Scheme)
		want   []string
	}{
		"head": {func(s *reward.Scheme) {
			s.ID, s.Version, s.DocNo, s.JurisdictionPrefix, s.EffectiveFrom = "", 0, "", "22a", "2018-02-30"
		}, []string{"id:", "version:", "docNo", "jurisdictionPrefix:", "effectiveFrom:"}},
		"ends before it begins": {func(s *reward.Scheme) { s.EffectiveTo = "2018-01-03" }, []string{"effectiveTo:"}},
		"not carried out": {func(s *reward.Scheme) {
			s.Payer, s.Multi, s.Joint, s.Trigger, s.Filing, s.AsOf = "verifier", "first_effective", "equal", "executed", "both", "payment"
			s.Rounding = reward.Rounding{Unit: "yuan", Mode: "down"}
		}, []string{"payer:", "multi:", "joint:", "trigger:", "filing:", "asOf:", "rounding.unit:", "rounding.mode:"}},
		"sets": {func(s *reward.Scheme) {
			s.Identity, s.Conditions = nil, []reward.Condition{reward.ClearTarget, reward.ClearTarget}
			s.Exclusions = []reward.Exclusion{"friend"}
		}, []string{"identity: is empty", `"clear_target" stands twice`, "verified is needed", "exclusions:"}},
		"without a title":  {func(s *reward.Scheme) { s.Title = "" }, []string{"title"}},
		"ends on no day":   {func(s *reward.Scheme) { s.EffectiveTo = "2018-02-30" }, []string{"effectiveTo:"}},
		"without a rule":   {func(s *reward.Scheme) { s.Rules = nil }, []string{"rules: is empty"}},
		"a matter unknown": {func(s *reward.Scheme) { s.Rules[0].Matter = "noise" }, []string{"rules[0].matter:"}},
		"percent, too much": {func(s *reward.Scheme) {
			s.Rules[0].RateBp, s.Rules[0].CapFen, s.Rules[0].FloorFen = 0, 1_000_000_000_000_001, -1
			s.Rules[0].BaseParts, s.Rules[0].Parties = []reward.Part{"tax"}, nil
			s.Rules[0].PerDeathFen = map[reward.Grade]reward.Fen{}
		}, []string{"rules[0].rateBp:", "rules[0].capFen:", "rules[0].floorFen:", "rules[0].baseParts:", "rules[0].parties: is empty", "rules[0].perDeathFen:"}},
		"per death, too much": {func(s *reward.Scheme) { s.Rules[2].PerDeathFen[reward.Larger] = 1_000_000_000_001 }, []string{"perDeathFen.larger:"}},
		"per death, a base":   {func(s *reward.Scheme) { s.Rules[2].Base = "decided" }, []string{"rules[2].rateBp, base"}},
		"per death, parts":    {func(s *reward.Scheme) { s.Rules[2].BaseParts = []reward.Part{reward.Fine} }, []string{"rules[2].rateBp, base"}},
		"per death, parties":  {func(s *reward.Scheme) { s.Rules[2].Parties = []casefile.PartyKind{casefile.Unit} }, []string{"rules[2].rateBp, base"}},
		"per death, a floor":  {func(s *reward.Scheme) { s.Rules[2].FloorFen = 1 }, []string{"rules[2].rateBp, base"}},
		"per death, no base":  {func(s *reward.Scheme) { s.Rules[2].ZeroBase = reward.ZeroBaseFloor }, []string{"rules[2].rateBp, base"}},
		"no day to claim":     {func(s *reward.Scheme) { s.ClaimWithinDays = 0 }, []string{"claimWithinDays:"}},
		"percent": {func(s *reward.Scheme) {
			s.Rules[0].RateBp, s.Rules[0].FloorFen, s.Rules[0].Base, s.Rules[0].ZeroBase = 10_001, 30_000_001, "collected", ""
			s.Rules[1].CapFen, s.Rules[1].Matter, s.Rules[1].Source = 0, casefile.MajorHazard, ""
		}, []string{"rules[0].rateBp:", "rules[0].floorFen:", "rules[0].base:", "rules[0].zeroBase:", "rules[1].capFen:", "two rules", "rules[1].source:"}},
		"per death": {func(s *reward.Scheme) {
			delete(s.Rules[2].PerDeathFen, reward.Larger)
			s.Rules[2].RateBp, s.Rules[2].PerDeathFen[reward.General], s.Rules[2].PerDeathFen["huge"] = 1, -1, 1
		}, []string{"rules[2].rateBp", "perDeathFen.general:", "perDeathFen.larger:", `"huge" is none of`}},
		"method": {func(s *reward.Scheme) { s.Rules[0].Method = "band" }, []string{"rules[0].method:"}},
		"methods swapped": {func(s *reward.Scheme) {
			s.Rules[0].Matter, s.Rules[2].Matter = s.Rules[2].Matter, s.Rules[0].Matter
		}, []string{"rules[0].method:", "rules[2].method:"}},
		"ladder": {func(s *reward.Scheme) {
			s.Approvals = []reward.Approval{{UpToFen: 5, Role: "leader"}, {UpToFen: 5}}
		}, []string{"approvals[1].role:", "approvals[1].upToFen:", "nobody approves the cap of rules[2]"}},
		"notes": {func(s *reward.Scheme) {
			s.Notes = map[string]reward.Note{"payer": {Text: "said"}, "weather": {Choice: true}}
		}, []string{"notes.rounding: is missing", "notes.payer.source:", `"weather" is none of`, "notes.weather.text:"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := national(t)
			tc.change(&s)
			err := s.Validate()
			if err == nil {
				t.Fatal("got no error")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want it to say %q", err, want)
				}
			}
		})
	}
}

// TestValidateTakesTheBounds: what is refused begins one further.
func TestValidateTakesTheBounds(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*reward.Scheme){
		"least": func(s *reward.Scheme) {
			s.Version, s.ClaimWithinDays, s.EffectiveTo = 1, 1, s.EffectiveFrom
			s.Rules[0].RateBp, s.Rules[0].CapFen, s.Rules[0].FloorFen = 1, 1, 0
			s.Rules[2].PerDeathFen[reward.General] = 1
		},
		"most": func(s *reward.Scheme) {
			const most = 1_000_000_000_000_000
			s.Rules[0].RateBp, s.Rules[0].CapFen, s.Rules[0].FloorFen = 10_000, most, most
			s.Rules[2].PerDeathFen[reward.General] = 1_000_000_000_000
			s.Approvals[0].UpToFen = most
		},
	} {
		s := national(t)
		change(&s)
		if err := s.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLoadKeepsApartVersionsAndSchemes: only the same version of the same
// scheme is there twice.
func TestLoadKeepsApartVersionsAndSchemes(t *testing.T) {
	t.Parallel()
	raw, err := schemes.Files.ReadFile("national-2018.json")
	if err != nil {
		t.Fatal(err)
	}
	other := func(from, to string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(strings.Replace(string(raw), from, to, 1))}
	}
	all, err := reward.Load(fstest.MapFS{
		"a.json": {Data: raw}, "b.json": other(`"version": 1`, `"version": 2`), "c.json": other(`"national-2018"`, `"county"`),
	})
	if err != nil || len(all) != 3 {
		t.Errorf("got %d schemes, %v", len(all), err)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	raw, err := schemes.Files.ReadFile("national-2018.json")
	if err != nil {
		t.Fatal(err)
	}
	good := string(raw)
	edit := func(from, to string) string {
		if !strings.Contains(good, from) {
			t.Fatalf("the scheme does not hold %s", from)
		}
		return strings.Replace(good, from, to, 1)
	}
	for name, tc := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"unknown field":   {map[string]string{"a.json": edit(`"rateBp"`, `"ratePercent"`)}, []string{"a.json", "ratePercent"}},
		"fraction of fen": {map[string]string{"a.json": edit("300000,", "300000.5,")}, []string{"a.json", "floorFen"}},
		"trailing text":   {map[string]string{"a.json": good + "{}"}, []string{"a.json", "follows"}},
		"twice":           {map[string]string{"a.json": good, "b.json": good}, []string{"b.json", "twice"}},
		"two files": {
			map[string]string{"a.json": edit("1500", "0"), "b.json": edit("half_up", "down")},
			[]string{"a.json", "rateBp", "b.json", "rounding.mode"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fsys := fstest.MapFS{}
			for file, text := range tc.files {
				fsys[file] = &fstest.MapFile{Data: []byte(text)}
			}
			got, err := reward.Load(fsys)
			if err == nil || got != nil {
				t.Fatalf("got %d schemes, %v, want an error", len(got), err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want it to say %q", err, want)
				}
			}
		})
	}
}

func TestSelect(t *testing.T) {
	t.Parallel()
	scheme := func(id, area, from string, change ...func(*reward.Scheme)) reward.Scheme {
		s := national(t)
		s.ID, s.JurisdictionPrefix, s.EffectiveFrom = id, area, from
		for _, c := range change {
			c(&s)
		}
		return s
	}
	until := func(day string) func(*reward.Scheme) { return func(s *reward.Scheme) { s.EffectiveTo = day } }
	all := []reward.Scheme{
		scheme("nation", "", "2018-01-04"),
		scheme("province-old", "22", "2019-01-01"),
		scheme("province", "22", "2021-01-01"),
		scheme("county", "220182", "2022-01-01", until("2022-12-31")),
		scheme("mining", "", "2021-06-01", func(s *reward.Scheme) { s.Sectors = []string{"coal"} }),
		scheme("oil", "", "2021-06-01", func(s *reward.Scheme) { s.Sectors = []string{"oil", "gas"} }),
		scheme("oil-there", "22", "2021-06-01", func(s *reward.Scheme) { s.Sectors = []string{"oil"} }),
		scheme("by-decision", "3202", "2024-01-01", func(s *reward.Scheme) { s.AsOf = reward.AsOfDecision }),
		scheme("nation", "", "2018-01-04", until("2018-06-30"), func(s *reward.Scheme) { s.Version = 2 }),
	}
	day := func(s string) time.Time {
		at, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for name, tc := range map[string]struct {
		area, sector      string
		reported, decided string
		want              string
		version           int
	}{
		"before any":              {"220182100000", "", "2018-01-03", "2026-01-01", "", 0},
		"first day, newest":       {"220182100000", "", "2018-01-04", "2026-01-01", "nation", 2},
		"version ended":           {"220182100000", "", "2018-07-01", "2026-01-01", "nation", 1},
		"province":                {"220182100000", "", "2019-01-01", "2026-01-01", "province-old", 1},
		"later of the province":   {"220182100000", "", "2021-01-01", "2026-01-01", "province", 1},
		"county":                  {"220182100000", "", "2022-01-01", "2026-01-01", "county", 1},
		"county, last day":        {"220182100000", "", "2022-12-31", "2026-01-01", "county", 1},
		"county over":             {"220182100000", "", "2023-01-01", "2026-01-01", "province", 1},
		"sector goes first":       {"220182100000", "coal", "2022-01-01", "2026-01-01", "mining", 1},
		"two sectors, or a place": {"220182100000", "oil", "2022-01-01", "2026-01-01", "oil-there", 1},
		"elsewhere":               {"110101001000", "", "2022-01-01", "2026-01-01", "nation", 1},
		"day of the decision":     {"320200000000", "", "2023-01-01", "2024-01-01", "by-decision", 1},
		"decided before it":       {"320200000000", "", "2023-01-01", "2023-12-31", "nation", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := reward.Select(all, reward.Place{Area: tc.area, Sector: tc.sector}, day(tc.reported), day(tc.decided))
			if tc.want == "" {
				if fault.CodeOf(err) != "scheme.none" {
					t.Fatalf("got %s, %v, want scheme.none", got.ID, err)
				}
				return
			}
			if err != nil || got.ID != tc.want || got.Version != tc.version {
				t.Errorf("got %s v%d, %v, want %s v%d", got.ID, got.Version, err, tc.want, tc.version)
			}
		})
	}
	t.Run("no decision yet", func(t *testing.T) {
		t.Parallel()
		got, err := reward.Select(all, reward.Place{Area: "320200000000"}, day("2025-01-01"), time.Time{})
		if err != nil || got.ID != "nation" {
			t.Errorf("got %s, %v, want nation", got.ID, err)
		}
	})
	t.Run("the day is that of the time's location", func(t *testing.T) {
		t.Parallel()
		zone := time.FixedZone("CST", 8*3600)
		at := time.Date(2018, 1, 3, 23, 0, 0, 0, time.UTC) // 7 o'clock on the 4th there
		if _, err := reward.Select(all, reward.Place{}, at, at); fault.CodeOf(err) != "scheme.none" {
			t.Errorf("UTC: got %v, want scheme.none", err)
		}
		if _, err := reward.Select(all, reward.Place{}, at.In(zone), at.In(zone)); err != nil {
			t.Errorf("local: got %v, want a scheme", err)
		}
	})
}

func TestApprover(t *testing.T) {
	t.Parallel()
	s := national(t)
	s.Approvals = []reward.Approval{{UpToFen: 1_000_000, Role: "leader"}, {UpToFen: 30_000_000, Role: "supervisor"}}
	for amount, want := range map[reward.Fen]casefile.Role{1: "leader", 1_000_000: "leader", 1_000_001: "supervisor", 30_000_000: "supervisor"} {
		if got := s.Approver(amount); got != want {
			t.Errorf("%s: got %s, want %s", amount, got, want)
		}
	}
}
