// Package inspector serves field staff: the tasks given to them and what they
// find. To them a check of a report is a patrol like any other.
package inspector

import (
	"context"

	"gridwatch/mobileapi/intake"
	"gridwatch/mobileapi/wire"
	"gridwatch/server/casefile"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// Handlers are the handlers of field staff's routes.
type Handlers struct {
	Service *workflow.Service
}

// Tasks lists the actor's tasks, oldest first: the open ones, or those of a state.
func (h Handlers) Tasks(q *web.Request) (web.Reply, error) {
	l, err := q.Listing(casefile.TaskMoves.Names())
	if err != nil {
		return web.Reply{}, err
	}
	query := workflow.Query{Limit: l.Limit + 1, After: workflow.Cursor{ID: l.After}}
	if l.State != "" {
		query.States = []casefile.State{casefile.State(l.State)}
	}
	tasks, err := h.Service.MyTasks(q.Context(), q.Actor, query)
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{Body: web.Paged(l, tasks, func(t *casefile.Task) (wire.Task, string) { return wire.FromTask(t), t.ID })}, nil
}

// Task shows a task.
func (h Handlers) Task(q *web.Request) (web.Reply, error) {
	t, err := h.Service.MyTask(q.Context(), q.Actor, q.Param("id"))
	if err != nil {
		return web.Reply{}, err
	}
	if t.Seen() != t.Version { // nothing is left to be done at this version
		return web.Reply{Body: wire.FromTask(t)}, nil
	}
	return web.Reply{Body: wire.FromTask(t), ETag: t.Version}, nil
}

// See notes that the task was seen.
func (h Handlers) See(q *web.Request) (web.Reply, error) { return command(q, h.Service.SeeTask) }

// Acknowledge notes that the task is taken.
func (h Handlers) Acknowledge(q *web.Request) (web.Reply, error) {
	return command(q, h.Service.AcknowledgeTask)
}

func command(q *web.Request, do func(context.Context, workflow.Call, string) (casefile.Outcome, error)) (web.Reply, error) {
	call, err := intake.Call(q)
	if err != nil {
		return web.Reply{}, err
	}
	return answer(do(q.Context(), call, q.Param("id")))
}

func answer(out casefile.Outcome, err error) (web.Reply, error) {
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{Body: out, ETag: out.Version}, nil
}

// SaveResult takes what was found (核实反馈): the part result, then files.
func (h Handlers) SaveResult(q *web.Request) (web.Reply, error) {
	call, err := intake.Call(q)
	if err != nil {
		return web.Reply{}, err
	}
	form := intake.NewForm(q, "result")
	var in wire.Result
	if call.Body, err = form.JSON("task-result", &in); err != nil {
		return web.Reply{}, err
	}
	result := in.TaskResult()
	result.Files = form.Files(nil)
	return answer(h.Service.SaveResult(q.Context(), call, q.Param("id"), result))
}

// Evidence gives a picture that the desk released for the task.
func (h Handlers) Evidence(q *web.Request) (web.Reply, error) {
	file, err := h.Service.TaskEvidence(q.Context(), q.Actor, q.Param("id"), q.Param("item"))
	if err != nil {
		return web.Reply{}, err
	}
	return web.Reply{Stream: &web.Stream{ReadCloser: file, Size: file.Size, Type: file.Type, Name: q.Param("item") + ".jpg", Tag: file.Tag}}, nil
}

// OpenRecording begins a recording of an inspection (执法全过程记录).
func (h Handlers) OpenRecording(q *web.Request) (web.Reply, error) {
	call, err := intake.Call(q)
	if err != nil {
		return web.Reply{}, err
	}
	var in wire.OpenRecording
	if err := q.Decode(&in); err != nil {
		return web.Reply{}, err
	}
	return answer(h.Service.OpenRecording(q.Context(), call, q.Param("id"), in.Kind))
}

// CloseRecording states how many segments a recording has.
func (h Handlers) CloseRecording(q *web.Request) (web.Reply, error) {
	call, err := intake.Call(q)
	if err != nil {
		return web.Reply{}, err
	}
	var in wire.CloseRecording
	if err := q.Decode(&in); err != nil {
		return web.Reply{}, err
	}
	return answer(h.Service.CloseRecording(q.Context(), call, q.Param("id"),
		workflow.ClosingRecording{Recording: q.Param("recording"), Segments: in.Segments}))
}
