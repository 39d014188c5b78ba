// Package web is what every HTTP surface shares: one Fiber application, the
// order in which a request is checked, problem documents, tokens, limits, the
// operations listener and the way the server starts and stops.
//
// Surfaces give it tables of routes. It writes every response itself, and of a
// caller of a public or receipt route it keeps nothing (confidentiality 8).
package web

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"gridwatch/schemas"
	"gridwatch/server/casefile"
	"gridwatch/server/web/work"
)

// Handler carries one request out: it reads the request, calls one use case
// and returns what is to be answered.
type Handler func(q *Request) (Reply, error)

// Route is a row of a surface's table.
type Route struct {
	Method string
	Path   string // Fiber pattern; a public route names its tenant as :tenant where it has one
	Action casefile.Action
	Body   string // JSON Schema of the body; "" if there is none or the handler reads it
	// MaxBody is the most bytes a body may have; 0 is 64 KiB.
	MaxBody int64
	// Command says that an Idempotency-Key is required.
	Command bool
	// Stream says that the handler reads the body itself, by NextPart or Body.
	Stream bool
	// Type is the media type of a streamed body; "" is multipart/form-data.
	Type string
	// MayBeEmpty says that a streamed body may be missing.
	MayBeEmpty bool
	// Header is what every answer says, a refusal too.
	Header map[string]string
	// Download says that the reply is a stream: the deadline of uploads holds.
	Download bool
	Handle   Handler
}

// pattern is the route as scopes, logs and metrics name it.
func (r Route) pattern() string { return r.Method + " " + r.Path }

// public says whether the route needs no credentials.
func (r Route) public() bool { return (casefile.Actor{}).May(r.Action, casefile.Subject{}) }

// signsIn says whether the route is public and yet for staff only: no work is
// asked for there.
func (r Route) signsIn() bool { return r.Action == casefile.SessionOpen }

// staff says whether the route is one of staff only: such routes are logged.
func (r Route) staff() bool {
	return !r.public() && !slices.Contains(casefile.RolesFor(r.Action), casefile.ReceiptHolder)
}

// Deps is everything a Server needs. The zero values of durations and bounds
// stand for the defaults named beside them.
type Deps struct {
	Tokens    *Tokens
	Directory Directory
	Metrics   *Metrics
	Log       *slog.Logger
	// Now is the machine's clock: deadlines of connections are made of it.
	Now func() time.Time

	RequestDeadline time.Duration // 10 s
	UploadDeadline  time.Duration // 10 min, for streams either way
	Stall           time.Duration // 30 s: the next 64 KiB of a body come within it
	Patience        time.Duration // 5 s: how long a body is waited for before it is cut off where others wait
	PublicRequests  int           // 64: served at once on public routes, without streams
	PublicUploads   int           // 32: streams at once on public routes
	SignIns         int           // 64: sign-ins of staff at once, which no flood of the others keeps out
	Work            *work.Gate    // asks for work when half of the public room is taken; nil never does
	PerMinute       int           // 300: requests a minute of one person or receipt
	Uploads         int           // 512: streams at once of persons and receipts
	UploadsOfOne    int           // 32: streams at once of one of them
	Downloads       int           // 64: files at once that persons and receipts are sent
	DownloadsOfOne  int           // 8: files at once that one of them is
	Connections     int           // 8192: at once; of more, those go that waited longest for a request
	Strict          bool          // says Strict-Transport-Security: TLS here or at a trusted proxy
}

// Server is the HTTP side of the program.
type Server struct {
	Deps
	app      *fiber.App
	requests *room
	uploads  *room
	signIns  *room
	named    *room // streams of persons and receipts
	taking   *room // files that they are sent: a part of each is in memory
	accounts *accounts
	files    *accounts // of requests for files
	streams  *accounts // of requests that stream: a file may come in many pieces
	actors   *actors
}

// New returns a Server without routes.
func New(d Deps) *Server {
	d.RequestDeadline = cmp.Or(d.RequestDeadline, 10*time.Second)
	d.UploadDeadline = cmp.Or(d.UploadDeadline, 10*time.Minute)
	d.Stall = cmp.Or(d.Stall, 30*time.Second)
	d.Connections = cmp.Or(d.Connections, 8<<10)
	d.Patience = cmp.Or(d.Patience, 5*time.Second)
	s := &Server{
		Deps:     d,
		requests: newRoom(cmp.Or(d.PublicRequests, 64), d.Patience),
		uploads:  newRoom(cmp.Or(d.PublicUploads, 32), d.Patience),
		signIns:  newRoom(cmp.Or(d.SignIns, 64), d.Patience),
		named:    newRoom(cmp.Or(d.Uploads, 512), d.Patience),
		accounts: newAccounts(cmp.Or(d.PerMinute, 300), math.MaxInt),
		taking:   newRoom(cmp.Or(d.Downloads, 64), d.Patience),
		files:    newAccounts(cmp.Or(d.PerMinute, 300), cmp.Or(d.DownloadsOfOne, 8)),
		streams:  newAccounts(10*cmp.Or(d.PerMinute, 300), cmp.Or(d.UploadsOfOne, 32)),
		actors:   &actors{directory: d.Directory, kept: map[Claims]cachedActor{}},
	}
	s.app = fiber.New(fiber.Config{
		Immutable:     true,
		CaseSensitive: true,
		StrictRouting: true,
		ErrorHandler:  s.notRouted,
		// With streaming on, fasthttp enforces no limit: body.go does. The
		// number only keeps fasthttp from reading ahead more than 8 KiB.
		StreamRequestBody:            true,
		BodyLimit:                    math.MaxInt,
		DisablePreParseMultipartForm: true,
		ReadTimeout:                  d.Stall, // of a request's head; bodies extend it as they come
		WriteTimeout:                 d.Stall, // streams extend it as they go
		IdleTimeout:                  time.Minute,
		ReadBufferSize:               8 << 10,
		Concurrency:                  d.Connections + d.Connections/8 + 8, // those that go take a moment
		DisableStartupMessage:        true,
	})
	s.app.Use(s.secure)
	handle := s.app.Server().Handler
	s.app.Server().Handler = func(c *fasthttp.RequestCtx) {
		// Fiber answers a method that it does not know by itself, past all that
		// is said here: no route has TRACE either.
		if !slices.Contains(fiber.DefaultMethods, string(c.Method())) {
			c.Request.Header.SetMethod(fiber.MethodTrace)
		}
		handle(c)
	}
	return s
}

// Mount adds routes. A route whose action is not in the policy table, whose
// schema does not exist, or that could not be served safely is an error.
// Requests live as long as their deadline allows, also when ctx is done: the
// drain ends them.
func (s *Server) Mount(ctx context.Context, routes []Route) error {
	names, err := schemas.Names()
	if err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	base := context.WithoutCancel(ctx)
	for _, r := range routes {
		switch {
		case len(casefile.RolesFor(r.Action)) == 0:
			return fmt.Errorf("mount %s: action %q is not in the policy table", r.pattern(), r.Action)
		case r.Body != "" && !slices.Contains(names, r.Body):
			return fmt.Errorf("mount %s: there is no schema %q", r.pattern(), r.Body)
		case r.Body != "" && r.Stream:
			return fmt.Errorf("mount %s: a streamed body has no schema of its own", r.pattern())
		case r.Handle == nil:
			return fmt.Errorf("mount %s: no handler", r.pattern())
		case r.Command && r.Method == http.MethodGet:
			return fmt.Errorf("mount %s: a command is no GET", r.pattern())
		}
		r.MaxBody = cmp.Or(r.MaxBody, 64<<10)
		if !r.Stream {
			r.Type = "application/json"
		}
		r.Type = cmp.Or(r.Type, "multipart/form-data")
		s.app.Add(r.Method, r.Path, s.serve(base, r))
	}
	return nil
}

// secure says what every response says.
func (s *Server) secure(c *fiber.Ctx) error {
	s.secured(c)
	return c.Next()
}

func (s *Server) secured(c *fiber.Ctx) {
	c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; frame-ancestors 'none'")
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set("Cross-Origin-Resource-Policy", "same-origin")
	if s.Strict {
		c.Set(fiber.HeaderStrictTransportSecurity, "max-age=31536000")
	}
}
