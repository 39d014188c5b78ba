// Package policy holds the numbers a tenant starts with (政策), each with its
// source or the word that it is a choice. What a field means is said at
// workflow.Policy.
package policy

import "embed"

// Files holds default.json: an object "policy" with the values and an object
// "notes" with what each one rests on.
//
//go:embed *.json
var Files embed.FS
