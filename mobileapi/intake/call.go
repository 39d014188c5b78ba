// Package intake reads what phones send: the call of a command, and forms of
// one JSON part and the files that go with it.
//
// It streams: no file of a form is ever whole in memory or on a disk. What a
// sender wrote stands in no error.
package intake

import (
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// Call returns who asks for a command, and its key.
func Call(q *web.Request) (workflow.Call, error) {
	version, err := q.IfMatch()
	return workflow.Call{Actor: q.Actor, Route: q.Route(), Key: q.Key, Body: q.RawBody(), IfMatch: version}, err
}
