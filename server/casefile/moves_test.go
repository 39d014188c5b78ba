package casefile_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

var update = flag.Bool("update", false, "write the golden files")

func tables() []casefile.Table {
	return []casefile.Table{
		casefile.ReportMoves, casefile.TaskMoves, casefile.VisitMoves, casefile.HazardMoves,
		casefile.PenaltyMoves, casefile.AwardMoves, casefile.OpeningMoves, casefile.RingMoves, casefile.LeadMoves,
		casefile.ApprovalMoves, casefile.ContactMoves, casefile.BatchMoves, casefile.PayoutMoves,
	}
}

// TestTablesAreTheTables shows every move of every table, so that a change of
// one is seen for what it is.
func TestTablesAreTheTables(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, table := range tables() {
		for _, m := range table.Moves {
			fmt.Fprintf(&b, "%s | %v | %s | %v | %s\n", table.Noun, m.From, m.Command, m.To, m.Rule)
		}
	}
	const golden = "testdata/moves.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("moves (-golden +got; -update writes them):\n%s", diff)
	}
}

// TestEveryStateIsReachable also finds a misspelt state.
func TestEveryStateIsReachable(t *testing.T) {
	t.Parallel()
	for _, table := range tables() {
		reached := map[casefile.State]bool{casefile.New: true}
		for grown := true; grown; {
			grown = false
			for _, m := range table.Moves {
				for _, from := range m.From {
					for _, to := range m.To {
						if reached[from] && !reached[to] {
							reached[to], grown = true, true
						}
					}
				}
			}
		}
		for _, s := range table.States() {
			if !reached[s] {
				t.Errorf("%s: no way leads to %s", table.Noun, s)
			}
		}
	}
}

func TestTerminalStates(t *testing.T) {
	t.Parallel()
	want := map[string][]casefile.State{
		"report":   {casefile.ReportArchived, casefile.ReportErased},
		"task":     {casefile.TaskDone},
		"visit":    {casefile.VisitSigned},
		"penalty":  {casefile.PenaltyAnnulled},
		"award":    {casefile.AwardNotEligible, casefile.AwardWaived},
		"opening":  {casefile.OpeningDenied, casefile.OpeningFinished},
		"ring":     {casefile.RingOpen},
		"lead":     {casefile.LeadRefused, casefile.LeadDenied, casefile.LeadReleased},
		"approval": {casefile.ApprovalRevoked},
		"results":  {casefile.BatchReleased},
		"contact":  {casefile.ContactFinished},
		"payout":   {casefile.PayoutDropped, casefile.PayoutSettled},
	}
	for _, table := range tables() {
		var got []casefile.State
		for _, s := range table.States() {
			leads := func(m casefile.Move) bool { return len(m.To) > 0 && slices.Contains(m.From, s) }
			if !slices.ContainsFunc(table.Moves, leads) {
				got = append(got, s)
			}
		}
		if diff := cmp.Diff(want[table.Noun], got); diff != "" {
			t.Errorf("%s: terminal states (-want +got):\n%s", table.Noun, diff)
		}
	}
}

// TestEveryMoveIsARow asks each table for every move there could be.
func TestEveryMoveIsARow(t *testing.T) {
	t.Parallel()
	for _, table := range tables() {
		type way struct {
			from    casefile.State
			command casefile.Command
		}
		rows := map[way][]casefile.State{}
		for _, m := range table.Moves {
			for _, from := range m.From {
				to := m.To
				if len(to) == 0 {
					to = []casefile.State{from}
				}
				w := way{from, m.Command}
				rows[w] = append(rows[w], to...)
			}
		}
		states := append(table.States(), casefile.New, "NO_SUCH_STATE")
		for _, m := range append(slices.Clone(table.Moves), casefile.Move{Command: "no_such_command"}) {
			for _, from := range states {
				leads := rows[way{from, m.Command}]
				for _, to := range states {
					if err := table.Check(from, m.Command, to); (err == nil) != slices.Contains(leads, to) {
						t.Errorf("%s: %s from %q to %q: got %v, the rows lead to %v", table.Noun, m.Command, from, to, err, leads)
					}
				}
				if got, err := table.To(from, m.Command); len(leads) == 1 && (err != nil || got != leads[0]) || len(leads) == 0 && (err == nil || got != from) {
					t.Errorf("%s: %s from %q: got %q, %v, the rows lead to %v", table.Noun, m.Command, from, got, err, leads)
				}
			}
		}
	}
}

// TestRecordWritesTheHead: what the relay and the ETag go by is written with
// the move.
func TestRecordWritesTheHead(t *testing.T) {
	t.Parallel()
	first := time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC)
	var head casefile.Head
	table := casefile.Table{Noun: "test", Moves: []casefile.Move{
		{From: []casefile.State{casefile.New}, Command: "open", To: []casefile.State{"ON"}},
		{From: []casefile.State{"ON"}, Command: "note"},
	}}
	for i, e := range []casefile.Event{{At: first, Command: "open", To: "ON"}, {At: first.Add(time.Hour), Command: "note", To: "ON"}} {
		if err := head.Record(table, e, casefile.Effect{Drop: "a"}, casefile.Effect{Drop: "b"}); err != nil {
			t.Fatal(i, err)
		}
	}
	want := casefile.Head{
		State: "ON", Version: 2, Seq: 2, At: first, Changed: first.Add(time.Hour),
		Timeline: []casefile.Event{
			{Seq: 1, Version: 1, At: first, Command: "open", To: "ON"},
			{Seq: 2, Version: 2, At: first.Add(time.Hour), Command: "note", From: "ON", To: "ON"},
		},
		Pending: []casefile.Effect{{Seq: 1, Drop: "a"}, {Seq: 1, Drop: "b"}, {Seq: 2, Drop: "a"}, {Seq: 2, Drop: "b"}},
	}
	if diff := cmp.Diff(want, head); diff != "" {
		t.Errorf("head (-want +got):\n%s", diff)
	}
}

// TestNoWalkLeavesItsTable tries random commands: a refused one changes
// nothing, an accepted one is a row.
func TestNoWalkLeavesItsTable(t *testing.T) {
	t.Parallel()
	all := tables()
	rapid.Check(t, func(t *rapid.T) {
		table := rapid.SampledFrom(all).Draw(t, "table")
		states := append(table.States(), casefile.New, "NO_SUCH_STATE")
		var head casefile.Head
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			command := rapid.SampledFrom(table.Moves).Draw(t, "move").Command
			to := rapid.SampledFrom(states).Draw(t, "to")
			before := head
			err := head.Record(table, casefile.Event{At: time.Unix(0, 0), Command: command, To: to})
			legal := table.Check(before.State, command, to) == nil
			switch {
			case legal != (err == nil):
				t.Fatalf("%s from %q to %q: got error %v, the table says %v", command, before.State, to, err, legal)
			case err != nil && cmp.Diff(before, head) != "":
				t.Fatalf("a refused move changed the record: %s", cmp.Diff(before, head))
			case err != nil && fault.KindOf(err) != fault.Conflict:
				t.Fatalf("got %v, want a Conflict Fault", err)
			case err == nil && (head.State != to || head.Version != before.Version+1 || head.Seq != before.Seq+1):
				t.Fatalf("got %s version %d, want %s version %d", head.State, head.Version, to, before.Version+1)
			}
		}
	})
}

// TestLongTimelineMovesOut: a record stays one bounded document, and no event
// is lost.
func TestLongTimelineMovesOut(t *testing.T) {
	t.Parallel()
	var head casefile.Head
	table := casefile.Table{Noun: "test", Moves: []casefile.Move{
		{From: []casefile.State{casefile.New, "ON"}, Command: "go", To: []casefile.State{"ON"}},
	}}
	moved := 0
	for i := range 450 {
		if err := head.Record(table, casefile.Event{Command: "go", To: "ON", Key: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
		for _, e := range head.Pending {
			if e.Event == nil || e.Event.Key != fmt.Sprint(moved) {
				t.Fatalf("got %+v, want event %d moved out", e, moved)
			}
			moved++
		}
		head.Pending = nil // as the relay does
	}
	if len(head.Timeline) != 200 || moved != 250 {
		t.Errorf("got %d events kept and %d moved, want 200 and 250", len(head.Timeline), moved)
	}
}

func TestTooManyPendingEffectsAreRefused(t *testing.T) {
	t.Parallel()
	var head casefile.Head
	move := casefile.Event{Command: "assign", To: casefile.TaskAssigned}
	if err := head.Record(casefile.TaskMoves, move, make([]casefile.Effect, 65)...); fault.KindOf(err) != fault.Busy {
		t.Errorf("got %v, want a Busy Fault", err)
	}
	if head.State != casefile.New || len(head.Timeline) != 0 {
		t.Errorf("got %+v, want nothing changed", head)
	}
	if err := head.Record(casefile.TaskMoves, move, make([]casefile.Effect, 64)...); err != nil || len(head.Pending) != 64 {
		t.Errorf("as many as there is room for: %d wait, %v", len(head.Pending), err)
	}
}
