package casefile

import (
	"slices"

	"gridwatch/server/fault"
)

// State is where a record stands. New stands for "no record yet".
type State string

// New is the state before the first move.
const New State = ""

// Command is a move's name.
type Command string

// Move is one row of a table: the command is known in these states and leads
// to one of those. An empty To means that the state stays.
type Move struct {
	From    []State
	Command Command
	To      []State
	Rule    string // the rules that guard it, R1 to R59
}

// Table is every move of one kind of record. A move not listed does not exist.
type Table struct {
	Noun  string
	Moves []Move
}

// Check refuses a move that the table does not list. It does not say what state
// there is: not everybody who may try may know it.
func (t Table) Check(from State, command Command, to State) error {
	for _, m := range t.Moves {
		if m.Command != command || !slices.Contains(m.From, from) {
			continue
		}
		if (len(m.To) == 0 && from == to) || slices.Contains(m.To, to) {
			return nil
		}
	}
	return fault.New(fault.Conflict, t.Noun+".move", "%q is not possible in the state that the %s is in", command, t.Noun)
}

// To returns where a command leads when there is only one way.
func (t Table) To(from State, command Command) (State, error) {
	for _, m := range t.Moves {
		if m.Command != command || !slices.Contains(m.From, from) {
			continue
		}
		switch len(m.To) {
		case 0:
			return from, nil
		case 1:
			return m.To[0], nil
		}
	}
	return from, fault.New(fault.Conflict, t.Noun+".move", "%q is not possible in the state that the %s is in", command, t.Noun)
}

// States lists every state of the table, in order of appearance.
func (t Table) States() []State {
	var all []State
	for _, m := range t.Moves {
		for _, s := range slices.Concat(m.From, m.To) {
			if s != New && !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	return all
}

// Names lists the names of every state.
func (t Table) Names() []string {
	var names []string
	for _, s := range t.States() {
		names = append(names, string(s))
	}
	return names
}
