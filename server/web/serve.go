package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
	"gridwatch/server/web/work"
)

// param is what a value in a path may be: ids, codes, dates. Anything else
// names no record.
var param = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// serve is the only way from a route to a response.
func (s *Server) serve(base context.Context, r Route) fiber.Handler {
	public, staff := r.public(), r.staff()
	deadline := s.RequestDeadline
	if r.Stream || r.Download {
		deadline = s.UploadDeadline
	}
	return func(c *fiber.Ctx) error {
		began := s.Now()
		ctx, cancel := context.WithTimeout(base, deadline)
		streams := false // then context and place end with the stream
		for name, value := range r.Header {
			c.Set(name, value)
		}
		q := &Request{ctx: ctx, c: c, route: r, Lang: languageOf(c), body: s.bodyOf(c, r, began.Add(deadline)), leave: func() {}}
		served := q.body.sender.served()
		end := func() {
			cancel()
			q.leave()
			served()
		}
		defer func() {
			if !streams {
				end()
			}
		}()
		reply, err := s.recovered(q, public)
		if err != nil || reply.Stream == nil || public {
			q.leave()
		}
		if !q.body.finish(s.Now) {
			c.Set(fiber.HeaderConnection, "close")
		}
		if err == nil {
			err = s.write(q, reply, end)
		}
		if err != nil {
			s.fail(ctx, c, r.pattern(), err)
		}
		streams = err == nil && reply.Stream != nil
		status, took := c.Response().StatusCode(), s.Now().Sub(began)
		if !staff {
			s.Metrics.unseen(r, status)
			return nil
		}
		s.Metrics.seen(r, status, took)
		s.Log.LogAttrs(ctx, slog.LevelInfo, "request", slog.String("person", q.Actor.Person),
			slog.String("route", r.pattern()), slog.Int("status", status), slog.Duration("took", took.Round(time.Microsecond)))
		return nil
	}
}

// recovered checks and handles a request and makes a panic an error. What a
// panic says is not kept unless the runtime said it: it may hold input.
func (s *Server) recovered(q *Request, public bool) (Reply, error) {
	var reply Reply
	var err error
	func() {
		defer func() {
			if p := recover(); p != nil {
				said := fmt.Sprintf("%T", p)
				var known runtime.Error
				if e, ok := p.(error); ok && errors.As(e, &known) {
					said = known.Error()
				}
				s.Log.LogAttrs(q.ctx, slog.LevelError, "panic", slog.String("route", q.route.pattern()),
					slog.String("said", said), slog.String("stack", string(debug.Stack())))
				err = errPanic
			}
		}()
		reply, err = s.handle(q, public)
	}()
	return reply, err
}

var errPanic = errors.New("web: a handler panicked")

// handle is the order of checks: who asks, whether the role could ever do it,
// whether there is room, the body, the key, and then the handler. A refused
// role is answered before the body is looked at, and as if nothing were there.
func (s *Server) handle(q *Request, public bool) (Reply, error) {
	r := q.route
	if public {
		q.Actor = casefile.Actor{Tenant: q.c.Params("tenant")}
	} else if err := s.authenticate(q); err != nil {
		return Reply{}, err
	}
	if !q.Actor.May(r.Action, casefile.Subject{}) {
		return Reply{}, fault.Absent()
	}
	for _, value := range q.c.AllParams() {
		if !param.MatchString(value) {
			return Reply{}, fault.Absent()
		}
	}
	leave, err := s.admit(q, public)
	if err != nil {
		return Reply{}, err
	}
	q.leave = sync.OnceFunc(leave)
	if err := q.accept(); err != nil {
		return Reply{}, err
	}
	if r.Command {
		if q.Key, err = vault.ParseIdemKey(q.c.Get("Idempotency-Key")); err != nil {
			return Reply{}, err
		}
	}
	reply, err := r.Handle(q)
	return reply, q.body.cause(err)
}

// admit bounds the work of public routes as a whole, since they know no
// caller, and of other routes by account. Of an address it knows nothing: half
// a county may come from one, behind its carrier's NAT.
func (s *Server) admit(q *Request, public bool) (func(), error) {
	if !public {
		return s.admitNamed(q)
	}
	if q.route.signsIn() {
		if s.signIns.take(s.signIns.all, q.Sender()) {
			return func() { s.signIns.leave(q.Sender()) }, nil
		}
		return nil, errBusy()
	}
	room, solved := s.requests, q.c.Get(work.Header)
	if q.route.Stream {
		room = s.uploads
	}
	leave := func() { room.leave(q.Sender()) }
	switch {
	case s.Work == nil && room.take(room.all, q.Sender()), solved != work.Ask && room.take(room.open, q.Sender()):
		return leave, nil
	case s.Work == nil:
		return nil, errBusy()
	case !s.Work.Solves(q.Route(), solved):
		return nil, s.askForWork(q)
	case !room.take(room.all, q.Sender()):
		return nil, errBusy()
	case !s.Work.Use(solved):
		leave()
		return nil, s.askForWork(q)
	default:
		return leave, nil
	}
}

// admitNamed bounds the requests of each person and each receipt, and the
// streams of all.
func (s *Server) admitNamed(q *Request) (func(), error) {
	accounts, room := s.accounts, (*room)(nil)
	switch {
	case q.route.Stream:
		accounts, room = s.streams, s.named
	case q.route.Download:
		accounts, room = s.files, s.taking
	}
	leave := accounts.enter(q.Actor, s.Now())
	switch {
	case leave == nil:
		return nil, fault.New(fault.Busy, "server.too_many", "too many requests from this account; slow down")
	case room == nil:
		return leave, nil
	case !room.take(room.all, q.Sender()):
		leave()
		return nil, errBusy()
	}
	return func() {
		room.leave(q.Sender())
		if q.taker != nil {
			room.leave(q.taker)
		}
		leave()
	}, nil
}

func (s *Server) askForWork(q *Request) error {
	c, err := s.Work.Issue(q.Route())
	if err != nil {
		return err //nolint:wrapcheck // it says what it was about
	}
	return &workError{c}
}

func errBusy() *fault.Fault {
	return fault.New(fault.Busy, "server.busy", "the server is busy; try again with the same key")
}

// workError asks for the solution of a challenge.
type workError struct{ challenge work.Challenge }

func (e *workError) Error() string { return "server.prove_work" }

func (e *workError) fault() *fault.Fault {
	return fault.New(fault.Busy, "server.prove_work",
		"the server is busy: send the request again with the same key and the solution of this challenge, or try later")
}

// notRouted answers what reached no route: no such path, another method, a
// request that could not be read.
func (s *Server) notRouted(c *fiber.Ctx, err error) error {
	s.secured(c) // a request that could not be read passed through nothing
	var f *fiber.Error
	if !errors.As(err, &f) {
		s.fail(c.UserContext(), c, "", err)
		return nil
	}
	known := map[int]*fault.Fault{
		fiber.StatusNotFound:                    fault.Absent(),
		fiber.StatusMethodNotAllowed:            fault.New(fault.Invalid, "request.method", "this address has another method; see Allow"),
		fiber.StatusRequestTimeout:              errStalled(),
		fiber.StatusRequestHeaderFieldsTooLarge: fault.New(fault.TooLarge, "request.header_too_large", "the header has at most 8 KiB"),
	}
	answer, ok := known[f.Code]
	if !ok {
		answer = fault.New(fault.Invalid, "request.malformed", "the request is HTTP/1.1")
	}
	writeProblem(c, answer, languageOf(c))
	return nil
}

// fail answers an error: a Fault as it is, all else as internal, its text in
// the log only.
func (s *Server) fail(ctx context.Context, c *fiber.Ctx, route string, err error) {
	lang := languageOf(c)
	var bad *bodyError
	var unsolved *workError
	var f *fault.Fault
	switch {
	case errors.As(err, &bad):
		writeProblem(c, bad.fault(), lang, bad.violations...)
		return
	case errors.As(err, &unsolved):
		p := problemOf(unsolved.fault(), lang)
		p.Challenge = &unsolved.challenge
		sendProblem(c, fault.Busy, p, lang)
		return
	case errors.As(err, &f) && f.Kind != fault.Internal:
		writeProblem(c, f, lang)
		return
	case errors.Is(err, context.DeadlineExceeded):
		writeProblem(c, fault.New(fault.Busy, "server.deadline", "it took too long; try again with the same key"), lang)
	default:
		writeProblem(c, fault.New(fault.Internal, "server.internal", "internal error"), lang)
	}
	if !errors.Is(err, errPanic) { // which is in the log already
		s.Log.LogAttrs(ctx, slog.LevelError, "request failed", slog.String("route", route), slog.String("error", err.Error()))
	}
}
