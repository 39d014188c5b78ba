// Package dispatch says who should get a task. It is pure.
//
// Its first form ranks by area and load; duty roster, deadlines and escalation
// find their place here.
package dispatch

import (
	"cmp"
	"slices"
)

// Candidate is an inspector who could take a task.
type Candidate struct {
	Person string
	Reach  int // digits of the post's area code that the target shares: more is nearer
	Open   int // tasks not done
}

// Rank orders candidates: the inspector of the target's own grid before that of
// the village, township and county; among equals the one with fewer open tasks,
// then by id so that the order is always the same.
func Rank(candidates []Candidate) []Candidate {
	ranked := slices.Clone(candidates)
	slices.SortFunc(ranked, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(b.Reach, a.Reach), cmp.Compare(a.Open, b.Open), cmp.Compare(a.Person, b.Person))
	})
	return ranked
}
