package workflow

import (
	"context"
	"errors"
	"slices"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
)

// Gateway hands a contact to a dialling or SMS gateway, which opens it with a
// key of its own.
type Gateway interface {
	// Deliver hands over what is sealed for a use. It may be called again with
	// the same id, and the gateway calls once. It says whether the gateway did
	// its part; an error means that it did not answer yet.
	Deliver(ctx context.Context, id string, purpose casefile.ContactPurpose, sealed []byte) (bool, error)
}

// ContactRequest asks for one use of the contact of a report.
type ContactRequest struct {
	Approval string
	Report   string
	Way      casefile.Way
}

// TakeContact is ring A's officer taking one use of an approval for one report.
// The use, its event and its leaf are durable before the officer can read the
// sealed contact: they are one write of the approval, and the use's own record
// follows from it. However often it is asked for under one key, and in how many
// processes, it is taken once.
func (s *Service) TakeContact(ctx context.Context, call Call, in ContactRequest) (casefile.Outcome, error) {
	r, err := load(ctx, call.Actor, s.Reports, in.Report, casefile.ContactTake)
	if err != nil {
		return casefile.Outcome{}, err
	}
	if _, err := s.signer(ctx, r.Tenant, vault.RingA, call.Actor.Person); err != nil {
		return casefile.Outcome{}, err
	}
	ids := s.Keyring.RecordIDs(call.Key, call.Actor.Tenant, call.Actor.Name(), call.Route)
	keys, tag, err := s.keys(call, "")
	if err != nil {
		return casefile.Outcome{}, err
	}
	if out, found, err := findMade(ctx, s, call, s.Contacts, ids, keys, tag); found || err != nil {
		return out, err
	}
	tenant, err := s.Directory.Tenant(ctx, r.Tenant)
	if err != nil {
		return casefile.Outcome{}, err
	}
	out, err := change(ctx, s, call, s.Approvals, casefile.ApprovalMoves, in.Approval, casefile.ContactTake,
		func(a *casefile.Approval, e *casefile.Event) ([]casefile.Effect, error) {
			if slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(a.Taken, id) }) {
				return nil, fault.New(fault.Busy, "record.contended", "the record is being changed by others; try again")
			}
			if call.Actor.Tied(r.Subject()) {
				return nil, errTied()
			}
			if err := s.usable(ctx, a, in.Way, e.At); err != nil {
				return nil, err
			}
			e.Command, e.To, e.Ref = "take", casefile.ApprovalInForce, ids[0]
			if a.Taken = append(a.Taken, ids[0]); len(a.Taken) == a.Uses {
				e.To = casefile.ApprovalUsedUp
			}
			use := &casefile.ContactUse{
				Report: r.ID, Area: r.Area, Party: r.Target.Name, Approval: a.ID, Purpose: a.Purpose, Way: a.Way, Gateway: a.Gateway,
				Officer: call.Actor.Person, Expires: e.At.Add(time.Duration(tenant.Policy.ContactHours) * time.Hour),
			}
			use.ID, use.Tenant = ids[0], r.Tenant
			taken := casefile.Event{At: e.At, Command: "take", To: casefile.ContactTaken, By: e.By, Key: keys[0], Tag: e.Tag}
			leaf, err := s.logged(ctx, r.ID, &use.Head, casefile.ContactMoves, taken, nil)
			if err != nil {
				return nil, err
			}
			return []casefile.Effect{{Contact: use}}, use.Record(casefile.ContactMoves, taken, leaf...)
		})
	if refused(err) {
		return casefile.Outcome{}, errors.Join(err, noteRefusal(ctx, s, s.Approvals, casefile.ApprovalMoves, call.Actor, in.Approval, r.ID, err))
	}
	if err != nil {
		return casefile.Outcome{}, err
	}
	return casefile.Outcome{ID: out.Ref, State: casefile.ContactTaken, Version: 1}, s.keepContact(ctx, r.Tenant, in.Approval, out.Ref)
}

// usable says why no use can be taken of an approval.
func (s *Service) usable(ctx context.Context, a *casefile.Approval, way casefile.Way, at time.Time) error {
	switch {
	case a.State == casefile.ApprovalRevoked:
		return errRevoked()
	case !at.Before(a.Expires):
		return fault.New(fault.Conflict, "approval.expired", "the approval has expired: ring B gives a new one")
	case len(a.Taken) >= a.Uses:
		return fault.New(fault.Conflict, "approval.used_up", "the approval's uses are taken: ring B gives a new one")
	case way != a.Way:
		return fault.New(fault.Conflict, "approval.other_way", "the approval is for another way of using a contact").At("/way")
	case way == casefile.ByGateway && s.Gateway == nil:
		return fault.New(fault.Conflict, "contact.no_gateway", "no gateway is set up on this server")
	}
	_, err := s.signer(ctx, a.Tenant, vault.RingB, a.GivenBy)
	if refused(err) {
		return fault.New(fault.Conflict, "approval.giver_left", "who gave the approval has left ring B, and it ended with that: another officer gives a new one")
	}
	return err
}

// keepContact puts the record of a use in its place, which the relay would do a
// moment later.
func (s *Service) keepContact(ctx context.Context, tenant, approval, id string) error {
	a, err := s.Approvals.Get(ctx, tenant, approval)
	if err != nil {
		return err
	}
	for _, e := range a.Pending {
		if e.Contact != nil && e.Contact.ID == id {
			return s.insertContact(ctx, e.Contact)
		}
	}
	return nil // the relay was there before
}

func (s *Service) insertContact(ctx context.Context, use *casefile.ContactUse) error {
	if err := s.Contacts.Insert(ctx, use); err != nil && fault.CodeOf(err) != "record.exists" {
		return err
	}
	s.Kick()
	return nil
}

// useOf returns the use as ring A's officer signs about it.
func useOf(u *casefile.ContactUse) vault.ContactUse {
	return vault.ContactUse{ID: u.ID, Tenant: u.Tenant, Report: u.Report, Approval: u.Approval, Purpose: string(u.Purpose), Way: string(u.Way)}
}

// onContact is a step of the officer who took a use.
func (s *Service) onContact(
	ctx context.Context, call Call, id string, command casefile.Command,
	do func(u *casefile.ContactUse, e *casefile.Event, verify []byte) ([]casefile.Effect, error),
) (casefile.Outcome, error) {
	out, err := change(ctx, s, call, s.Contacts, casefile.ContactMoves, id, casefile.ContactTake,
		func(u *casefile.ContactUse, e *casefile.Event) ([]casefile.Effect, error) {
			e.Command = command
			if call.Actor.Person != u.Officer {
				return nil, fault.New(fault.Conflict, "contact.other_officer", "the officer who took the use goes on with it")
			}
			if _, err := casefile.ContactMoves.To(u.State, command); err != nil {
				return nil, err
			}
			verify, err := s.signer(ctx, u.Tenant, vault.RingA, call.Actor.Person)
			if err != nil {
				return nil, err
			}
			effects, err := do(u, e, verify)
			if err != nil {
				return nil, err
			}
			return s.logged(ctx, u.Report, &u.Head, casefile.ContactMoves, *e, effects)
		})
	if refused(err) {
		err = errors.Join(err, noteRefusal(ctx, s, s.Contacts, casefile.ContactMoves, call.Actor, id, "", err))
	}
	return out, err
}

// HandOver is ring A's officer giving the contact, sealed to the gateway. The
// gateway is asked as soon as it can be reached, until the use expires.
func (s *Service) HandOver(ctx context.Context, call Call, id string, in vault.Handover) (casefile.Outcome, error) {
	return s.onContact(ctx, call, id, "hand_over",
		func(u *casefile.ContactUse, e *casefile.Event, verify []byte) ([]casefile.Effect, error) {
			if u.Way != casefile.ByGateway {
				return nil, fault.New(fault.Conflict, "approval.other_way", "the approval is for another way of using a contact")
			}
			if err := s.stillGiven(ctx, u, e.At); err != nil {
				return nil, err
			}
			if err := vault.VerifyHandover(verify, in, useOf(u), u.Gateway); err != nil {
				return nil, err
			}
			u.Sealed, u.Signature = in.Sealed, in.Signature
			return []casefile.Effect{{HandOver: true}}, nil
		})
}

// stillGiven refuses once a use has expired or its approval was revoked.
func (s *Service) stillGiven(ctx context.Context, u *casefile.ContactUse, at time.Time) error {
	if !at.Before(u.Expires) {
		return fault.New(fault.Conflict, "contact.expired", "the use was to be made within a time that is over: take another")
	}
	a, err := s.Approvals.Get(ctx, u.Tenant, u.Approval)
	if err != nil {
		return err
	}
	if a.State == casefile.ApprovalRevoked {
		return errRevoked()
	}
	return nil
}

// FinishContact is ring A's officer saying what came of a call: it was made, or
// the contact could not be opened. For a gateway only the latter is said.
func (s *Service) FinishContact(ctx context.Context, call Call, id string, in vault.ContactOutcome) (casefile.Outcome, error) {
	return s.onContact(ctx, call, id, "finish",
		func(u *casefile.ContactUse, e *casefile.Event, verify []byte) ([]casefile.Effect, error) {
			if err := vault.VerifyContactOutcome(verify, in, useOf(u)); err != nil {
				return nil, err
			}
			if u.Way == casefile.ByGateway && in.Result != vault.ContactFailed {
				return nil, fault.New(fault.Conflict, "approval.other_way", "the approval is for another way of using a contact")
			}
			u.Result, u.Signature, e.Code = casefile.ContactResult(in.Result), in.Signature, string(in.Result)
			return nil, nil
		})
}

// CarryContact hands a use's sealed contact to the gateway and notes the answer.
// It returns an error as long as there is none and the use has not expired.
func (s *Service) CarryContact(ctx context.Context, tenant, id string) error {
	u, err := s.Contacts.Get(ctx, tenant, id)
	if err != nil || u.State != casefile.ContactHandedOver {
		return err
	}
	result := casefile.ContactFailed
	if s.now().Before(u.Expires) {
		done, err := s.Gateway.Deliver(ctx, u.ID, u.Purpose, u.Sealed)
		if err != nil {
			return err
		}
		if done {
			result = casefile.ContactDone
		}
	}
	_, err = move(ctx, s, u, s.Contacts, casefile.ContactMoves, casefile.Event{
		At: s.now(), Command: "answer", By: "system", Code: string(result),
	}, func(u *casefile.ContactUse, e *casefile.Event) ([]casefile.Effect, error) {
		u.Result, u.Sealed = result, nil
		return s.logged(ctx, u.Report, &u.Head, casefile.ContactMoves, *e, nil)
	})
	return err
}

// ContactView is a use with what its officer needs to make it.
type ContactView struct {
	casefile.ContactUse
	Use     vault.ContactUse
	Contact []byte // sealed to ring A; the officer who took it, until it is used
	Binding string // with Contact
}

// ReadContact returns a use. The sealed contact goes to the officer who took it.
func (s *Service) ReadContact(ctx context.Context, actor casefile.Actor, id string) (ContactView, error) {
	u, err := load(ctx, actor, s.Contacts, id, casefile.ContactRead)
	if err != nil {
		return ContactView{}, err
	}
	view := ContactView{ContactUse: *u, Use: useOf(u)}
	view.Sealed = nil
	if u.State != casefile.ContactTaken || actor.Person != u.Officer || actor.Tied(u.Subject()) {
		return view, nil
	}
	if err := s.stillGiven(ctx, u, s.now()); err != nil {
		if fault.KindOf(err) == fault.Conflict {
			err = nil // shown, without the contact
		}
		return view, err
	}
	r, err := s.Reports.Get(ctx, u.Tenant, u.Report)
	if err != nil {
		return ContactView{}, err
	}
	envelope, err := s.Envelopes.Get(ctx, u.Tenant, r.Envelope)
	if err != nil {
		return ContactView{}, err
	}
	view.Contact, view.Binding = envelope.Contact, r.Binding
	return view, nil
}

// ListContacts lists the tenant's uses of contacts, oldest first.
func (s *Service) ListContacts(ctx context.Context, actor casefile.Actor, q Query) ([]casefile.ContactUse, error) {
	return listed(ctx, actor, s.Contacts, casefile.ContactRead, q)
}
