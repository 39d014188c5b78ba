package web

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

const (
	actorLife = 5 * time.Second // a disabled person or a revoked family is seen within it
	maxKept   = 10_000          // entries of a table kept in memory
)

// Directory knows the staff.
type Directory interface {
	// Actor returns a person with the posts in force at a time. It returns an
	// Unauthorized or a NotFound Fault when the person is unknown or disabled,
	// or the session family is revoked.
	Actor(ctx context.Context, tenant, person, family string, at time.Time) (casefile.Actor, error)
}

// authenticate finds out who asks by the bearer token.
func (s *Server) authenticate(q *Request) error {
	scheme, text, _ := strings.Cut(q.c.Get(fiber.HeaderAuthorization), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return errSession()
	}
	claims, err := s.Tokens.Verify(text)
	if err != nil {
		return err
	}
	if claims.Audience == Receipt {
		q.Actor = casefile.Actor{Tenant: claims.Tenant, Report: claims.Subject, Receipt: claims.Family}
		return nil
	}
	q.Actor, err = s.actors.find(q.ctx, claims, s.Now())
	q.Family = claims.Family
	return err
}

// actors keeps what the Directory said for a few seconds.
type actors struct {
	directory Directory
	mu        sync.Mutex
	kept      map[Claims]cachedActor
}

type cachedActor struct {
	actor casefile.Actor
	until time.Time
}

func (a *actors) find(ctx context.Context, c Claims, now time.Time) (casefile.Actor, error) {
	a.mu.Lock()
	had, ok := a.kept[c]
	a.mu.Unlock()
	if ok && now.Before(had.until) {
		return had.actor, nil
	}
	actor, err := a.directory.Actor(ctx, c.Tenant, c.Subject, c.Family, now)
	if kind := fault.KindOf(err); kind == fault.Unauthorized || kind == fault.NotFound {
		return casefile.Actor{}, errSession()
	}
	if err != nil {
		return casefile.Actor{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.kept) >= maxKept {
		clear(a.kept)
	}
	a.kept[c] = cachedActor{actor, now.Add(actorLife)}
	return actor, nil
}
