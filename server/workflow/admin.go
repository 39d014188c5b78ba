package workflow

import (
	"context"
	"slices"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// ProposalKind is what a second administrator is asked to confirm.
type ProposalKind string

// The kinds.
const (
	ChangePosts   ProposalKind = "posts"   // all posts of a person, anew
	Disable       ProposalKind = "disable" // and end every session
	Enable        ProposalKind = "enable"
	ForgetFactors ProposalKind = "forget_factors" // a lost phone: the person enrols anew
	ChangePolicy  ProposalKind = "policy"
	AddTie        ProposalKind = "tie" // of somebody else: it stays, and keeps away from cases
)

// ProposalState says how far a proposal is.
type ProposalState string

// The states.
const (
	ProposalOpen      ProposalState = "OPEN"
	ProposalConfirmed ProposalState = "CONFIRMED" // decided, and being carried out
	ProposalDone      ProposalState = "DONE"
	ProposalRefused   ProposalState = "REFUSED"
)

// maxProposals is how many proposals a roster keeps; the oldest that is decided goes first.
const maxProposals = 100

// Proposal is a change that one administrator asks for and another confirms.
type Proposal struct {
	ID       string          `bson:"id"`
	Kind     ProposalKind    `bson:"kind"`
	State    ProposalState   `bson:"state"`
	Person   string          `bson:"person"` // whom it is about; "" for the policy
	Posts    []casefile.Post `bson:"posts"`
	Policy   []byte          `bson:"policy"` // JSON of the numbers that change
	Tie      NearTo          `bson:"tie"`
	By       string          `bson:"by"`
	At       time.Time       `bson:"at"`
	Tag      string          `bson:"tag"` // keyed hash of the body
	Decider  string          `bson:"decider"`
	Key      string          `bson:"key"` // keyed hash of the decision's idempotency key
	Decided  time.Time       `bson:"decided"`
	Revision int64           `bson:"revision"` // version of the roster that decided it
}

// Change is what an administrator proposes.
type Change struct {
	Kind   ProposalKind
	Person string
	Posts  []casefile.Post
	Policy []byte // JSON
	Tie    NearTo
}

// Propose asks for a change that another administrator has to confirm. Nobody
// proposes for oneself.
func (s *Service) Propose(ctx context.Context, call Call, in Change) (Proposal, error) {
	if err := s.finish(ctx, call.Actor.Tenant); err != nil {
		return Proposal{}, err
	}
	if in.Person == call.Actor.Person {
		return Proposal{}, fault.New(fault.Conflict, "proposal.oneself", "another administrator proposes what is about you")
	}
	if err := s.checkChange(ctx, call.Actor.Tenant, in); err != nil {
		return Proposal{}, err
	}
	_, tag, err := s.keys(call, in.Person)
	if err != nil {
		return Proposal{}, err
	}
	ids := s.Keyring.RecordIDs(call.Key, call.Actor.Tenant, call.Actor.Name(), call.Route, in.Person)
	out := Proposal{
		ID: ids[0], Kind: in.Kind, State: ProposalOpen, Person: in.Person, Posts: inUTC(in.Posts), Policy: in.Policy, Tie: in.Tie,
		By: call.Actor.Person, At: s.now(), Tag: s.Keyring.StoredTag(tag),
	}
	err = turnRoster(ctx, s.Rosters, call.Actor.Tenant, func(r *Roster) (*Policy, error) {
		if at := slices.IndexFunc(r.Proposals, func(p Proposal) bool { return slices.Contains(ids, p.ID) }); at >= 0 {
			if !s.Keyring.SameBody(r.Proposals[at].Tag, tag) {
				return nil, errOtherBody()
			}
			out = r.Proposals[at]
			return nil, errSame
		}
		if len(r.Proposals) >= maxProposals {
			oldest := slices.IndexFunc(r.Proposals, Proposal.decided)
			if oldest < 0 {
				return nil, fault.New(fault.Busy, "proposal.too_many", "too many proposals wait; confirm or refuse some first")
			}
			r.Proposals = slices.Delete(r.Proposals, oldest, oldest+1)
		}
		r.Proposals = append(r.Proposals, out)
		return nil, nil
	})
	return out, err
}

// inUTC has the times of posts as records keep them.
func inUTC(posts []casefile.Post) []casefile.Post {
	var out []casefile.Post
	for _, p := range posts {
		p.From = p.From.UTC().Truncate(time.Millisecond)
		if p.To != nil {
			to := p.To.UTC().Truncate(time.Millisecond)
			p.To = &to
		}
		out = append(out, p)
	}
	return out
}

func (p Proposal) decided() bool { return p.State == ProposalDone || p.State == ProposalRefused }

// checkChange refuses what could not be carried out.
func (s *Service) checkChange(ctx context.Context, tenant string, in Change) error {
	t, err := s.Directory.Tenant(ctx, tenant)
	if err != nil {
		return err
	}
	if in.Kind == ChangePolicy {
		_, err := t.Policy.with(in.Policy)
		return err
	}
	p, err := s.Directory.Person(ctx, tenant, in.Person)
	if err != nil {
		return err
	}
	if in.Kind == AddTie {
		return checkTie(t, p, in.Tie)
	}
	return checkPosts(t, in.Posts)
}

// Confirm carries a proposal out. Who confirms is an administrator for good,
// and neither who proposed it, who is one still, nor whom it is about.
func (s *Service) Confirm(ctx context.Context, call Call, id string) (Proposal, error) {
	return s.decide(ctx, call, id, func(r *Roster, p *Proposal) (*Policy, error) {
		if p.By == call.Actor.Person || p.Person == call.Actor.Person || !slices.Contains(r.Administrators, call.Actor.Person) {
			return nil, fault.New(fault.Conflict, "proposal.second_person", "another administrator confirms, who is not concerned and has no end of term")
		}
		by, err := s.Directory.Person(ctx, call.Actor.Tenant, p.By)
		if err != nil {
			return nil, err
		}
		if by.Disabled || !by.Holds(casefile.Administrator, "", s.now()) {
			return nil, fault.New(fault.Conflict, "proposal.proposer_left", "who proposed this is no administrator any more: it takes two who are; refuse it, and propose it anew")
		}
		p.State, p.Revision = ProposalConfirmed, r.Version
		switch p.Kind {
		case ChangePolicy:
			t, err := s.Directory.Tenant(ctx, call.Actor.Tenant)
			if err != nil {
				return nil, err
			}
			policy, err := t.Policy.with(p.Policy)
			p.State = ProposalDone
			return &policy, err
		case ChangePosts, Disable, Enable:
			person, err := s.Directory.Person(ctx, call.Actor.Tenant, p.Person)
			if err != nil {
				return nil, err
			}
			if _, emptied := r.seat(p.Person, p.seated(person)); emptied {
				return nil, fault.New(fault.Conflict, "person.last_holder", "this is the last holder of a post that must be held; appoint another one first")
			}
		case ForgetFactors, AddTie:
		}
		return nil, nil
	})
}

// seated are the posts that the person can use after the proposal.
func (p Proposal) seated(person casefile.Person) []casefile.Post {
	switch {
	case p.Kind == Enable:
		return person.Posts
	case p.Kind == Disable || person.Disabled:
		return nil
	default:
		return p.Posts
	}
}

// Refuse ends a proposal; who made it may take it back.
func (s *Service) Refuse(ctx context.Context, call Call, id string) (Proposal, error) {
	return s.decide(ctx, call, id, func(_ *Roster, p *Proposal) (*Policy, error) {
		p.State = ProposalRefused
		return nil, nil
	})
}

// decide moves an open proposal. A repeat by the same person is answered again.
func (s *Service) decide(ctx context.Context, call Call, id string, do func(*Roster, *Proposal) (*Policy, error)) (Proposal, error) {
	tenant := call.Actor.Tenant
	if err := s.finish(ctx, tenant); err != nil {
		return Proposal{}, err
	}
	keys, _, err := s.keys(call, id)
	if err != nil {
		return Proposal{}, err
	}
	var out Proposal
	err = turnRoster(ctx, s.Rosters, tenant, func(r *Roster) (*Policy, error) {
		at := slices.IndexFunc(r.Proposals, func(p Proposal) bool { return p.ID == id })
		if at < 0 {
			return nil, fault.Absent()
		}
		p := &r.Proposals[at]
		if slices.Contains(keys, p.Key) {
			out = *p
			return nil, errSame
		}
		if p.State != ProposalOpen {
			return nil, fault.New(fault.Conflict, "proposal.decided", "this proposal was decided already")
		}
		if slices.ContainsFunc(r.Proposals, func(q Proposal) bool {
			return q.State == ProposalConfirmed && (q.Person == p.Person || q.Person == p.By)
		}) {
			return nil, fault.New(fault.Busy, "roster.contended", "others are deciding at this moment; try again")
		}
		p.Decider, p.Decided, p.Key = call.Actor.Person, s.now(), keys[0]
		policy, err := do(r, p)
		out = *p
		return policy, err
	})
	if err != nil {
		return Proposal{}, err
	}
	if out.State == ProposalConfirmed {
		out.State = ProposalDone
	}
	return out, s.finish(ctx, tenant)
}

// finish carries out what was confirmed. Whoever comes next does so if a
// process ended between the decision and its effect; doing it twice is as once.
func (s *Service) finish(ctx context.Context, tenant string) error {
	r, err := s.Rosters.Roster(ctx, tenant)
	if err != nil {
		return err
	}
	for _, p := range r.Proposals {
		if p.State != ProposalConfirmed {
			continue
		}
		if err := s.carryOut(ctx, tenant, p); err != nil {
			return err
		}
		err := turnRoster(ctx, s.Rosters, tenant, func(r *Roster) (*Policy, error) {
			at := slices.IndexFunc(r.Proposals, func(q Proposal) bool { return q.ID == p.ID && q.State == ProposalConfirmed })
			if at < 0 {
				return nil, errSame
			}
			r.Proposals[at].State = ProposalDone
			return nil, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) carryOut(ctx context.Context, tenant string, p Proposal) error {
	revision := Revision{Number: p.Revision}
	yes, no := true, false
	switch p.Kind {
	case ChangePosts:
		revision.Posts = &p.Posts
	case Disable:
		revision.Disabled = &yes
	case Enable:
		revision.Disabled = &no
	case ForgetFactors:
		if err := s.forgetFactors(ctx, tenant, p.Person); err != nil {
			return err
		}
	case AddTie:
		if err := s.carryTie(ctx, tenant, p); err != nil {
			return err
		}
	case ChangePolicy:
	}
	if err := s.Rosters.Revise(ctx, tenant, p.Person, revision); err != nil {
		return err
	}
	if p.Kind == Disable || p.Kind == ForgetFactors {
		return s.SignIns.RevokeFamilies(ctx, tenant, p.Person, "")
	}
	return nil
}

// Proposals lists what waits for a second person and what was decided of late,
// oldest first.
func (s *Service) Proposals(ctx context.Context, actor casefile.Actor) ([]Proposal, error) {
	if err := s.finish(ctx, actor.Tenant); err != nil {
		return nil, err
	}
	r, err := s.Rosters.Roster(ctx, actor.Tenant)
	return r.Proposals, err
}

// TenantPolicy returns the numbers in force.
func (s *Service) TenantPolicy(ctx context.Context, actor casefile.Actor) (Policy, error) {
	t, err := s.Directory.Tenant(ctx, actor.Tenant)
	return t.Policy, err
}
