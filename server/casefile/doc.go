// Package casefile holds the records of a case and their tables of moves:
// report, task, visit, hazard, penalty, award and the opening of an identity.
//
// It is pure: it knows no storage, no transport and no clock. A move that is
// not in a table does not exist, and a refused move changes nothing. Who may
// do what is decided here too, by one function over one table (policy.go).
package casefile
