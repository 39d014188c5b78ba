package console

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// adminRoutes are the routes of administrators. None of them touches a case.
func adminRoutes(s *workflow.Service) []web.Route {
	return []web.Route{
		get("/v1/office/people", casefile.AdminRead, people(s)),
		get("/v1/office/people/:id", casefile.AdminRead, readPerson(s)),
		post("/v1/office/people/:id/posts", casefile.AdminChange, "office-posts", propose(s, postsOf)),
		post("/v1/office/people/:id/access", casefile.AdminChange, "office-access", propose(s, accessOf)),
		post("/v1/office/people/:id/forget-factors", casefile.AdminChange, "", propose(s, forgetting)),
		post("/v1/office/people/:id/ties", casefile.AdminChange, "session-tie", propose(s, tieOf)),
		post("/v1/office/people/:id/sign-out", casefile.AdminChange, "", signOutPerson(s)),
		get("/v1/office/policy", casefile.AdminRead, readPolicy(s)),
		post("/v1/office/policy", casefile.AdminChange, "office-policy", propose(s, policyOf)),
		get("/v1/office/proposals", casefile.AdminRead, proposals(s)),
		post("/v1/office/proposals/:id/confirm", casefile.AdminChange, "", decide(s.Confirm)),
		post("/v1/office/proposals/:id/refuse", casefile.AdminChange, "", decide(s.Refuse)),
	}
}

// member is a person as administrators see it.
type member struct {
	ID       string          `json:"id"`
	Login    string          `json:"login"`
	Label    string          `json:"label"`
	Disabled bool            `json:"disabled"`
	Posts    []casefile.Post `json:"posts"`
	Ties     []tie           `json:"ties"`
}

// tie is what a person is close to.
type tie struct {
	Area string    `json:"area,omitempty"`
	Firm string    `json:"firm,omitempty"`
	By   string    `json:"by"`
	At   time.Time `json:"at"`
}

func newTie(t casefile.Tie) tie { return tie{Area: t.Area, Firm: t.Firm, By: t.By, At: t.At} }

func newMember(p casefile.Person) member {
	return member{ID: p.ID, Login: p.Login, Label: p.Label, Disabled: p.Disabled, Posts: whole(p.Posts), Ties: each(p.Ties, newTie)}
}

// proposal is what waits for a second administrator, or did.
type proposal struct {
	ID      string                 `json:"id"`
	Kind    workflow.ProposalKind  `json:"kind"`
	State   workflow.ProposalState `json:"state"`
	Person  string                 `json:"person,omitempty"`
	Posts   []casefile.Post        `json:"posts,omitempty"`
	Policy  json.RawMessage        `json:"policy,omitempty"`
	Area    string                 `json:"area,omitempty"` // of a tie
	Firm    string                 `json:"firm,omitempty"`
	By      string                 `json:"by"`
	At      time.Time              `json:"at"`
	Decider string                 `json:"decider,omitempty"`
	Decided time.Time              `json:"decidedAt,omitzero"`
}

func newProposal(p workflow.Proposal) proposal {
	return proposal{
		ID: p.ID, Kind: p.Kind, State: p.State, Person: p.Person, Posts: p.Posts, Policy: p.Policy, Area: p.Tie.Area, Firm: p.Tie.Firm,
		By: p.By, At: p.At, Decider: p.Decider, Decided: p.Decided,
	}
}

// items is a list that is short enough for one answer.
type items[T any] struct {
	Items []T `json:"items"`
}

func people(s *workflow.Service) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		all, err := s.People(q.Context(), q.Actor)
		return web.Reply{Body: items[member]{each(all, newMember)}}, err
	}
}

func readPerson(s *workflow.Service) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		p, err := s.ReadPerson(q.Context(), q.Actor, q.Param("id"))
		return web.Reply{Body: newMember(p)}, err
	}
}

func readPolicy(s *workflow.Service) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		p, err := s.TenantPolicy(q.Context(), q.Actor)
		return web.Reply{Body: p}, err
	}
}

func proposals(s *workflow.Service) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		all, err := s.Proposals(q.Context(), q.Actor)
		return web.Reply{Body: items[proposal]{each(all, newProposal)}}, err
	}
}

// propose handles a change that another administrator has to confirm; of says
// what the body asks for.
func propose(s *workflow.Service, of func(*web.Request) (workflow.Change, error)) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		c, err := call(q)
		if err != nil {
			return web.Reply{}, err
		}
		in, err := of(q)
		if err != nil {
			return web.Reply{}, err
		}
		in.Person = q.Param("id")
		p, err := s.Propose(q.Context(), c, in)
		return web.Reply{Status: http.StatusCreated, Body: newProposal(p)}, err
	}
}

// newPosts is the body of posts.
type newPosts struct {
	Posts []casefile.Post `json:"posts"`
}

func postsOf(q *web.Request) (workflow.Change, error) {
	var in newPosts
	err := q.Decode(&in)
	return workflow.Change{Kind: workflow.ChangePosts, Posts: in.Posts}, err
}

// access is the body of access.
type access struct {
	Disabled bool `json:"disabled"`
}

func accessOf(q *web.Request) (workflow.Change, error) {
	var in access
	err := q.Decode(&in)
	if in.Disabled {
		return workflow.Change{Kind: workflow.Disable}, err
	}
	return workflow.Change{Kind: workflow.Enable}, err
}

func forgetting(*web.Request) (workflow.Change, error) {
	return workflow.Change{Kind: workflow.ForgetFactors}, nil
}

func tieOf(q *web.Request) (workflow.Change, error) {
	in := workflow.Change{Kind: workflow.AddTie}
	err := q.Decode(&in.Tie)
	return in, err
}

func policyOf(q *web.Request) (workflow.Change, error) {
	return workflow.Change{Kind: workflow.ChangePolicy, Policy: q.RawBody()}, nil
}

// decide handles what becomes of a proposal.
func decide(do func(context.Context, workflow.Call, string) (workflow.Proposal, error)) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		c, err := call(q)
		if err != nil {
			return web.Reply{}, err
		}
		p, err := do(q.Context(), c, q.Param("id"))
		return web.Reply{Body: newProposal(p)}, err
	}
}

func signOutPerson(s *workflow.Service) web.Handler {
	return func(q *web.Request) (web.Reply, error) {
		return web.Reply{}, s.SignOutPerson(q.Context(), q.Actor, q.Param("id"))
	}
}
