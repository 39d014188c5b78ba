package console

import (
	"context"
	"net/http"

	"gridwatch/server/casefile"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// call is who asks, for a use case that changes something.
func call(q *web.Request) (workflow.Call, error) {
	version, err := q.IfMatch()
	return workflow.Call{Actor: q.Actor, Route: q.Route(), Key: q.Key, Body: q.RawBody(), IfMatch: version}, err
}

// answer is what every command answers.
func answer(out casefile.Outcome, err error) (web.Reply, error) {
	return web.Reply{Body: out, ETag: out.Version}, err
}

// move handles a command that has nothing to say but its record.
func move(do func(context.Context, workflow.Call, string) (casefile.Outcome, error)) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		c, err := call(q)
		if err != nil {
			return web.Reply{}, err
		}
		return answer(do(q.Context(), c, q.Param("id")))
	}
}

// change handles a command whose body is the use case's input: its schema has
// the input's fields by name.
func change[In any](do func(context.Context, workflow.Call, string, In) (casefile.Outcome, error)) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		c, in, err := decoded[In](q)
		if err != nil {
			return web.Reply{}, err
		}
		return answer(do(q.Context(), c, q.Param("id"), in))
	}
}

// field is change for a use case that takes one value out of the body.
func field[Body, In any](do func(context.Context, workflow.Call, string, In) (casefile.Outcome, error), of func(Body) In) web.Handler {
	return change(func(ctx context.Context, c workflow.Call, id string, body Body) (casefile.Outcome, error) {
		return do(ctx, c, id, of(body))
	})
}

// create handles a command that makes a record.
func create[In any](do func(context.Context, workflow.Call, In) (casefile.Outcome, error)) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		c, in, err := decoded[In](q)
		if err != nil {
			return web.Reply{}, err
		}
		reply, err := answer(do(q.Context(), c, in))
		reply.Status = http.StatusCreated
		return reply, err
	}
}

func decoded[In any](q *web.Request) (workflow.Call, In, error) {
	var in In
	c, err := call(q)
	if err == nil {
		err = q.Decode(&in)
	}
	return c, in, err
}

// view is what is shown of a record.
type view interface{ etag() int64 }

// read handles the reading of one record.
func read[R any, V view](do func(context.Context, casefile.Actor, string) (R, error), show func(*web.Request, R) V) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		record, err := do(q.Context(), q.Actor, q.Param("id"))
		if err != nil {
			return web.Reply{}, err
		}
		v := show(q, record)
		return web.Reply{Body: v, ETag: v.etag()}, nil
	}
}

// record is a pointer to a record R.
type record[R any] interface {
	*R
	Header() *casefile.Head
}

// list handles a list in order of registration.
func list[R, V any, P record[R]](
	table casefile.Table, do func(context.Context, casefile.Actor, workflow.Query) ([]R, error), show func(P) V,
) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		l, err := q.Listing(table.Names())
		if err != nil {
			return web.Reply{}, err
		}
		query := workflow.Query{Limit: l.Limit + 1, After: workflow.Cursor{ID: l.After}}
		if l.State != "" {
			query.States = []casefile.State{casefile.State(l.State)}
		}
		records, err := do(q.Context(), q.Actor, query)
		if err != nil {
			return web.Reply{}, err
		}
		return web.Reply{Body: web.Paged(l, records, func(r *R) (V, string) { return show(r), P(r).Header().ID })}, nil
	}
}
