package casefile

import "slices"

// logged are the moves that enter the log (存证), by the noun of their table:
// what concerns the reporter and must not be undone unseen (confidentiality 11).
var logged = map[string][]Command{
	"report":   {"register", "seal_away", "hold", "lift_hold", "erased", "erased_before"},
	"opening":  {"ask", "key", "peel", "deny", "finish", "refused"},
	"approval": {"give", "revoke", "refused"},
	"contact":  {"take", "hand_over", "answer", "finish", "refused"},
	"ring":     {"create", "leave", "exchange"}, // versions of the key
	"award":    {"draft", "approve", "notify", "lapse", "paid", "adjust"},
	"lead":     {"ask", "agree", "refuse", "deny", "release"},
}

// LeafKind returns what the log calls a move to a state, and whether the move
// enters the log at all.
func (t Table) LeafKind(command Command, to State) (string, bool) {
	return t.Noun + "." + string(command) + "." + string(to), slices.Contains(logged[t.Noun], command)
}
