package casefile

import (
	"slices"
	"strings"
	"time"
	"unicode"
)

// Tie (利害关系) is a place or a firm that a member of staff is close to. It
// keeps the person away from cases there (行政处罚法 art. 43, 回避).
type Tie struct {
	ID   string    `bson:"id"`
	Area string    `bson:"area"` // township or village code; "" for a firm
	Firm string    `bson:"firm"` // name, or its number (统一社会信用代码); "" for a place
	By   string    `bson:"by"`   // who declared it: the person or an administrator
	At   time.Time `bson:"at"`
}

// Touches says whether a record lies in the tie's area, or is about its firm:
// one name holds the other, whatever their spacing, width and case.
func (t Tie) Touches(s Subject) bool {
	if Under(s.Area, t.Area) {
		return true
	}
	firm, party := plain(t.Firm), plain(s.Party)
	return firm != "" && party != "" && (strings.Contains(party, firm) || strings.Contains(firm, party))
}

// plain is a name without spaces, in half width and lower case.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		const wide, offset = '！', '！' - '!'
		switch {
		case unicode.IsSpace(r):
			return -1
		case r >= wide && r <= '～':
			r -= offset
		}
		return unicode.ToLower(r)
	}, name)
}

// Tied says whether the person has a tie to a record.
func (p Person) Tied(s Subject) bool { return tied(p.Ties, s) }

// Tied says whether the actor has a tie to a record.
func (a Actor) Tied(s Subject) bool { return tied(a.Ties, s) }

func tied(ties []Tie, s Subject) bool {
	return slices.ContainsFunc(ties, func(t Tie) bool { return t.Touches(s) })
}
